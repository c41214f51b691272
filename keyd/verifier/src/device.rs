//! Laptops' certificates: the device key, and the attestation key beside it.

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::DeviceId;
use wardkey_schemas::key::{PublicKey, Thumbprint};
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::subject;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal, oid};

use crate::bundle::{Authority, VerifiedBundle};
use crate::certificate::{Certificate, KeyUsage};
use crate::profile::{self, Shape};

/// What both certificates of a laptop have.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Laptop {
    device: DeviceId,
    site: SiteCode,
    key: PublicKey,
    certificate: Sha256,
    valid_until: Timestamp,
}

impl Laptop {
    fn verify(
        kind: Kind,
        certificate: &[u8],
        bundle: &VerifiedBundle,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let certificate = profile::parse(certificate)?;
        let (site, authority) = bundle.authority_for(&certificate)?;
        authority.verify_issued(&certificate, now)?;
        let said = Said::read(kind, &certificate, &site, authority, bundle)?;
        profile::verify_time(certificate.validity(), now, Code::CertificateExpired)?;
        Ok(Self {
            device: said.device,
            site,
            key: said.key,
            certificate: certificate.sha256(),
            valid_until: certificate.validity().not_after,
        })
    }

    fn verify_site(&self, site: &SiteCode) -> Result<(), Refusal> {
        if self.site == *site {
            Ok(())
        } else {
            Err(Refusal::new(Code::SiteMismatch, &self.site, site))
        }
    }
}

/// Makes the two proof types: the same fields, and never one for the other.
macro_rules! laptop_certificate {
    ($(#[$doc:meta])* $name:ident, $kind:ident, $key_doc:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub struct $name(Laptop);

        impl $name {
            /// Verifies a certificate (DER) at `now`.
            ///
            /// # Errors
            ///
            /// `CERTIFICATE_MALFORMED`, `SITE_UNKNOWN`, `CERTIFICATE_ISSUER`,
            /// `CERTIFICATE_SIGNATURE`, `CERTIFICATE_PURPOSE`, `CERTIFICATE_NAME`,
            /// `CERTIFICATE_PROFILE`, `CERTIFICATE_NOT_YET`, `CERTIFICATE_EXPIRED`.
            pub fn verify(
                certificate: &[u8],
                bundle: &VerifiedBundle,
                now: Timestamp,
            ) -> Result<Self, Refusal> {
                Laptop::verify(Kind::$kind, certificate, bundle, now).map(Self)
            }

            /// Verifies that the certificate is for `site`.
            ///
            /// # Errors
            ///
            /// `SITE_MISMATCH`.
            pub fn verify_site(&self, site: &SiteCode) -> Result<(), Refusal> {
                self.0.verify_site(site)
            }

            /// The laptop.
            pub const fn device(&self) -> DeviceId {
                self.0.device
            }

            /// The site for which the certificate speaks.
            pub const fn site(&self) -> &SiteCode {
                &self.0.site
            }

            #[doc = $key_doc]
            pub const fn key(&self) -> &PublicKey {
                &self.0.key
            }

            /// The key's name.
            pub fn thumbprint(&self) -> Thumbprint {
                self.0.key.thumbprint()
            }

            /// SHA-256 of the certificate.
            pub const fn certificate(&self) -> Sha256 {
                self.0.certificate
            }

            /// The last second of the certificate's time.
            pub const fn valid_until(&self) -> Timestamp {
                self.0.valid_until
            }
        }
    };
}

laptop_certificate!(
    /// The certificate of a laptop's device key that its site's authority issued.
    VerifiedDevice,
    Device,
    "The device key: signs what the laptop says."
);
laptop_certificate!(
    /// The certificate of a laptop's attestation key that its site's authority issued.
    VerifiedAttestationKey,
    AttestationKey,
    "The attestation key: signs only what its TPM made."
);

/// Which of a laptop's two keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Device,
    AttestationKey,
}

/// What a laptop's certificate says, once its profile was verified.
pub(crate) struct Said {
    pub(crate) device: DeviceId,
    pub(crate) key: PublicKey,
}

impl Said {
    pub(crate) fn read(
        kind: Kind,
        certificate: &Certificate,
        site: &SiteCode,
        authority: &Authority,
        bundle: &VerifiedBundle,
    ) -> Result<Self, Refusal> {
        let (purposes, policies): (&[&str], &[&str]) = match kind {
            Kind::Device => (
                &[oid::EKU_CLIENT_AUTH, oid::EKU_DEVICE],
                &[oid::POLICY_TPM_RESIDENCY, oid::POLICY_TPM_FIXED],
            ),
            Kind::AttestationKey => (
                &[oid::EKU_AK],
                &[oid::POLICY_TPM_RESIDENCY, oid::POLICY_TPM_RESTRICTED],
            ),
        };
        let shape = Shape::end_entity(certificate, KeyUsage::DIGITAL_SIGNATURE, purposes);
        shape.verify_purpose()?;
        let key = profile::p256(certificate)?;
        let name = profile::only_name(certificate)?;
        let device = authority.subtree().find_device(&name).ok_or_else(|| {
            Refusal::new(
                Code::CertificateName,
                &name,
                format!("a laptop's name in {}", authority.subtree()),
            )
        })?;
        let shape = match kind {
            Kind::Device => shape.named(&subject::device_label(device)),
            // Without a subject, by WebAuthn's rule for attestation keys (§8.3.1).
            Kind::AttestationKey => shape,
        };
        shape
            .issued_by(authority.certificate())
            .policies(bundle.profile(), policies)
            .dns_name(&name, Some(device))
            .text(oid::EXT_SITE, site.as_str())
            .verify()?;
        Ok(Self { device, key })
    }
}
