//! Registrations: what a site's authority is about to sign is judged here again, from the same
//! evidence, before it is signed.
//!
//! A broken ca alone cannot add a laptop or a key: keyd wants the lead's signature, genuine maker
//! evidence and its own credential proof, and it compares every certificate with what was
//! announced.
//!
//! # Where to start
//!
//! [`laptop`], [`key`] and [`recertification`] open and announce; [`issued`] sees what was signed.

pub mod issued;
pub mod key;
pub mod laptop;
pub mod recertification;

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::{DeviceId, EnrolmentId, RegistrationId};
use wardkey_schemas::jws::Sealed;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::registration::{Receipt, Stage};
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};

use crate::app::App;
use crate::failure::Failure;
use crate::store::registrations::Registration;

/// What a receipt is about.
#[derive(Clone, Debug)]
pub(crate) struct Registered {
    pub(crate) site: SiteCode,
    pub(crate) enrolment: EnrolmentId,
    pub(crate) registration: RegistrationId,
    pub(crate) certificates: Vec<Sha256>,
}

impl From<&Registration> for Registered {
    fn from(registration: &Registration) -> Self {
        use crate::store::registrations::Progress;
        let certificates = match &registration.progress {
            Progress::Open => Vec::new(),
            Progress::Announced(certificates) | Progress::Issued(certificates) => {
                certificates.clone()
            }
        };
        Self {
            site: registration.site.clone(),
            enrolment: registration.enrolment,
            registration: registration.id,
            certificates,
        }
    }
}

impl App {
    pub(crate) fn receipt(
        &self,
        registered: Registered,
        stage: Stage,
        leaf: Sha256,
        now: Timestamp,
    ) -> Result<Sealed<Receipt>, Failure> {
        let receipt = Receipt {
            site: registered.site,
            enrolment: registered.enrolment,
            registration: registered.registration,
            stage,
            certificates: registered.certificates,
            leaf,
            server_time: now,
        };
        Ok(Sealed::new(self.signers.answer(&receipt)?))
    }

    /// A registration of this site.
    pub(crate) async fn registration(
        &self,
        site: &SiteCode,
        id: RegistrationId,
    ) -> Result<Registration, Failure> {
        let found = self.store.find_registration(site, id).await?;
        Ok(found.ok_or_else(|| {
            Refusal::new(Code::RegistrationUnknown, id, "a registration of this site")
        })?)
    }
}

/// The laptop that a registration is about.
pub(crate) const fn device_of(registration: &Registration) -> DeviceId {
    DeviceId::from_bytes(registration.subject)
}

/// Refuses a message that names another site than its signer's.
pub(crate) fn require_site(said: &SiteCode, wanted: &SiteCode) -> Result<(), Refusal> {
    if said == wanted {
        Ok(())
    } else {
        Err(Refusal::new(Code::SiteMismatch, said, wanted))
    }
}

/// Refuses a registration that waited too long.
pub(crate) fn require_in_time(registration: &Registration, now: Timestamp) -> Result<(), Refusal> {
    if now < registration.expires_at {
        return Ok(());
    }
    let wanted = format!("by {}", registration.expires_at);
    Err(Refusal::new(
        Code::NonceExpired,
        format!("completed at {now}"),
        wanted,
    ))
}
