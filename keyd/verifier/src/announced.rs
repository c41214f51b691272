//! Certificates that a site's authority is about to sign.
//!
//! keyd judges them before there is a signature, so that nothing is issued in silence and nothing
//! unusual is issued at all. What comes out is not a proof that a certificate exists, only that this
//! one would follow its profile: the signed one is verified when it is reported.

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::{DeviceId, PersonId};
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::registration::{Announced, CertificateKind};
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};

use crate::bundle::VerifiedBundle;
use crate::der::{self, DerError, Reader};
use crate::profile;
use crate::{device, person};

/// What an announced certificate would say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Saying {
    /// A laptop's device key.
    Device {
        /// The laptop.
        device: DeviceId,
        /// The key.
        key: PublicKey,
    },
    /// A laptop's attestation key.
    AttestationKey {
        /// The laptop.
        device: DeviceId,
        /// The key.
        key: PublicKey,
    },
    /// A person's 9c key.
    Person {
        /// The person.
        person: PersonId,
        /// Their role.
        role: Role,
        /// The key.
        key: PublicKey,
    },
}

/// A certificate to be signed that follows its profile, for one site.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedAnnouncement {
    saying: Saying,
    tbs_sha256: Sha256,
}

impl VerifiedAnnouncement {
    /// Verifies what `site`'s authority is about to sign, at `now`.
    ///
    /// # Errors
    ///
    /// `CERTIFICATE_MALFORMED`, `SITE_MISMATCH`, `SITE_UNKNOWN`, `CERTIFICATE_ISSUER`,
    /// `CERTIFICATE_PURPOSE`, `CERTIFICATE_NAME`, `CERTIFICATE_PROFILE`, `CERTIFICATE_NOT_YET`,
    /// `CERTIFICATE_EXPIRED`.
    pub fn verify(
        announced: &Announced,
        site: &SiteCode,
        bundle: &VerifiedBundle,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let framed = frame(announced.tbs.as_ref()).map_err(|error| {
            Refusal::new(
                Code::CertificateMalformed,
                error,
                "a certificate to be signed",
            )
        })?;
        let certificate = profile::parse(&framed)?;
        let (found, authority) = bundle.authority_for(&certificate)?;
        if found != *site {
            return Err(Refusal::new(Code::SiteMismatch, found, site));
        }
        if certificate.issuer() != authority.certificate().subject() {
            return Err(Refusal::new(
                Code::CertificateIssuer,
                "another issuer's name",
                format!("the authority of {}", authority.subtree()),
            ));
        }
        let saying = match announced.kind {
            CertificateKind::Device => {
                let kind = device::Kind::Device;
                let said = device::Said::read(kind, &certificate, site, authority, bundle)?;
                Saying::Device {
                    device: said.device,
                    key: said.key,
                }
            }
            CertificateKind::AttestationKey => {
                let kind = device::Kind::AttestationKey;
                let said = device::Said::read(kind, &certificate, site, authority, bundle)?;
                Saying::AttestationKey {
                    device: said.device,
                    key: said.key,
                }
            }
            CertificateKind::Person => {
                let said = person::Said::read(&certificate, site, authority, bundle)?;
                Saying::Person {
                    person: said.person,
                    role: said.role,
                    key: said.key,
                }
            }
        };
        profile::verify_time(certificate.validity(), now, Code::CertificateExpired)?;
        let issuer_ends = authority.certificate().validity().not_after;
        if certificate.validity().not_after > issuer_ends {
            return Err(Refusal::new(
                Code::CertificateProfile,
                format!("valid until {}", certificate.validity().not_after),
                format!("no later than its issuer, {issuer_ends}"),
            ));
        }
        Ok(Self {
            saying,
            tbs_sha256: announced.tbs.sha256(),
        })
    }

    /// What it would say.
    pub const fn saying(&self) -> Saying {
        self.saying
    }

    /// SHA-256 of the bytes to be signed.
    pub const fn tbs_sha256(&self) -> Sha256 {
        self.tbs_sha256
    }
}

/// The bytes to be signed in the frame of a certificate, with no signature in it: the same reader
/// then reads both.
fn frame(tbs: &[u8]) -> Result<Vec<u8>, DerError> {
    let mut fields = Reader::new(der::only(tbs, der::SEQUENCE)?);
    fields.expect(der::context_constructed(0))?;
    fields.expect(der::INTEGER)?;
    let algorithm = fields.element()?;
    let no_signature = der::element(der::BIT_STRING, &[0]);
    Ok(der::sequence(&[tbs, algorithm.whole, &no_signature]))
}
