//! People's certificates: the 9c key on a security key, with a role at one site.
//!
//! # One mapping of times
//!
//! A [`VerifiedPerson`] is asked for wherever a person's security key is meant, so here a
//! certificate whose time is over is `KEY_EXPIRED`, always. That the *authority* is out of its time
//! is `CERTIFICATE_EXPIRED`: the remedy is another.

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::PersonId;
use wardkey_schemas::key::{PublicKey, Thumbprint};
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::role::Role;
use wardkey_schemas::subject;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal, oid};

use crate::bundle::{Authority, VerifiedBundle};
use crate::certificate::{Certificate, KeyUsage, Validity};
use crate::profile::{self, Shape};

/// A person's certificate that its site's authority issued.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedPerson {
    person: PersonId,
    site: SiteCode,
    role: Role,
    key: PublicKey,
    certificate: Sha256,
    validity: Validity,
    authority_validity: Validity,
}

impl VerifiedPerson {
    /// Verifies a certificate (DER) of a 9c key at `now`.
    ///
    /// # Errors
    ///
    /// `CERTIFICATE_MALFORMED`, `SITE_UNKNOWN`, `CERTIFICATE_ISSUER`, `CERTIFICATE_SIGNATURE`,
    /// `CERTIFICATE_PURPOSE`, `CERTIFICATE_NAME`, `CERTIFICATE_PROFILE`, `CERTIFICATE_NOT_YET`,
    /// `KEY_EXPIRED`; `CERTIFICATE_EXPIRED` if the authority's own time is over.
    pub fn verify(
        certificate: &[u8],
        bundle: &VerifiedBundle,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let certificate = profile::parse(certificate)?;
        let (site, authority) = bundle.authority_for(&certificate)?;
        authority.verify_issued(&certificate, now)?;
        let said = Said::read(&certificate, &site, authority, bundle)?;
        profile::verify_time(certificate.validity(), now, Code::KeyExpired)?;
        Ok(Self {
            person: said.person,
            site,
            role: said.role,
            key: said.key,
            certificate: certificate.sha256(),
            validity: certificate.validity(),
            authority_validity: authority.certificate().validity(),
        })
    }

    /// Verifies once more that `now` lies in the time of the authority and of the certificate. It is
    /// all that can change about a verified certificate while the bundle stays the same.
    ///
    /// # Errors
    ///
    /// `CERTIFICATE_NOT_YET`, `KEY_EXPIRED`; `CERTIFICATE_EXPIRED` if the authority's own time is
    /// over.
    pub fn verify_time(&self, now: Timestamp) -> Result<(), Refusal> {
        profile::verify_time(self.authority_validity, now, Code::CertificateExpired)?;
        profile::verify_time(self.validity, now, Code::KeyExpired)
    }

    /// Verifies that the certificate is for `site`.
    ///
    /// # Errors
    ///
    /// `KEY_NOT_FOR_THIS_SITE`.
    pub fn verify_site(&self, site: &SiteCode) -> Result<(), Refusal> {
        if self.site == *site {
            Ok(())
        } else {
            Err(Refusal::new(Code::KeyNotForThisSite, &self.site, site))
        }
    }

    /// Verifies that the person may open a visit: staff and leads may.
    ///
    /// # Errors
    ///
    /// `KEY_ROLE`.
    pub fn verify_may_activate(&self) -> Result<(), Refusal> {
        match self.role {
            Role::Staff | Role::Lead => Ok(()),
            Role::SecurityOfficer | Role::NationalAdministrator | Role::Auditor => {
                Err(Refusal::new(Code::KeyRole, self.role, "staff or lead"))
            }
        }
    }

    /// The person.
    pub const fn person(&self) -> PersonId {
        self.person
    }

    /// The site for which the certificate speaks.
    pub const fn site(&self) -> &SiteCode {
        &self.site
    }

    /// The role at that site.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The 9c key.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The name of the 9c key.
    pub fn thumbprint(&self) -> Thumbprint {
        self.key.thumbprint()
    }

    /// SHA-256 of the certificate.
    pub const fn certificate(&self) -> Sha256 {
        self.certificate
    }

    /// The last second of the certificate's time.
    pub const fn valid_until(&self) -> Timestamp {
        self.validity.not_after
    }
}

/// Verifies that a person with this role can be of `site`: national administrators and their
/// auditors are of the reserved site, everybody else of another.
///
/// # Errors
///
/// `KEY_ROLE`.
pub fn verify_role_of_site(role: Role, site: &SiteCode) -> Result<(), Refusal> {
    let (fits, wanted) = if site.is_national() {
        let fits = matches!(role, Role::NationalAdministrator | Role::Auditor);
        (fits, "a national administrator or auditor")
    } else {
        let fits = !matches!(role, Role::NationalAdministrator);
        (fits, "a role of one site")
    };
    if fits {
        return Ok(());
    }
    let found = format!("role {role} at {site}");
    Err(Refusal::new(Code::KeyRole, found, wanted))
}

/// What a person's certificate says, once its profile was verified.
pub(crate) struct Said {
    pub(crate) person: PersonId,
    pub(crate) role: Role,
    pub(crate) key: PublicKey,
}

impl Said {
    pub(crate) fn read(
        certificate: &Certificate,
        site: &SiteCode,
        authority: &Authority,
        bundle: &VerifiedBundle,
    ) -> Result<Self, Refusal> {
        let usage = KeyUsage::DIGITAL_SIGNATURE.and(KeyUsage::NON_REPUDIATION);
        let shape = Shape::end_entity(certificate, usage, &[oid::EKU_ACTIVATE]);
        shape.verify_purpose()?;
        let key = profile::p256(certificate)?;
        let name = profile::only_name(certificate)?;
        let person = authority.subtree().find_person(&name).ok_or_else(|| {
            Refusal::new(
                Code::CertificateName,
                &name,
                format!("a person's name in {}", authority.subtree()),
            )
        })?;
        let role = profile::text(certificate, oid::EXT_ROLE)?;
        let role: Role = role
            .parse()
            .map_err(|error| Refusal::new(Code::CertificateProfile, role, error))?;
        verify_role_of_site(role, site).map_err(|refusal| {
            Refusal::new(Code::CertificateProfile, refusal.found(), refusal.wanted())
        })?;
        shape
            .named(&subject::person_label(person))
            .issued_by(authority.certificate())
            .policies(bundle.profile(), &[oid::POLICY_HARDWARE_TOKEN])
            .dns_name(&name, None)
            .text(oid::EXT_SITE, site.as_str())
            .text(oid::EXT_ROLE, role.as_str())
            .verify()?;
        Ok(Self { person, role, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserved_site_has_its_own_roles_and_no_other_site_has_them() {
        let (national, site): (SiteCode, SiteCode) = (
            SiteCode::NATIONAL.parse().unwrap(),
            "hmp-x".parse().unwrap(),
        );
        for role in Role::ALL {
            let there = verify_role_of_site(role, &national).is_ok();
            let here = verify_role_of_site(role, &site).is_ok();
            let wanted = match role {
                Role::Staff | Role::Lead | Role::SecurityOfficer => (false, true),
                Role::NationalAdministrator => (true, false),
                Role::Auditor => (true, true),
            };
            assert_eq!((there, here), wanted, "{role}");
        }
    }
}
