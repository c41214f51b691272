//! Renewing a laptop's certificates: still this laptop, still these keys, and this boot
//! (`docs/protocol/checks.md`).
//!
//! Nothing is renewed that was not certified: the keys are those of certificates that hold, they
//! are shown anew to live in one TPM, and what is signed covers both nonces.

use wardkey_schemas::binding::RecertificationBinding;
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::evidence::PcrValue;
use wardkey_schemas::ids::{DeviceId, EnrolmentId, Generation, RegistrationId};
use wardkey_schemas::jws::Opened;
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::recertification::{
    RecertificationCompletion, RecertificationHello, RecertificationRequest,
};
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};

use super::baseline::require_baseline;
use super::clock;
use crate::bundle::VerifiedBundle;
use crate::device::{VerifiedAttestationKey, VerifiedDevice};
use crate::envelope;
use crate::event_log::{EventLog, ReplayedLog, require_explained};
use crate::tpm::{ClockInfo, PcrSet, VerifiedAk, VerifiedDeviceKey, VerifiedQuote};

/// A laptop that has shown certificates that hold, for an attestation key that is made as it should
/// be. That it is here, and not somebody who has copied its certificates, is not shown yet.
#[derive(Clone, Debug)]
pub struct CertifiedLaptop {
    site: SiteCode,
    device: DeviceId,
    generation: Generation,
    device_key: PublicKey,
    ak: VerifiedAk,
    valid_until: Timestamp,
}

impl CertifiedLaptop {
    /// Its site.
    pub const fn site(&self) -> &SiteCode {
        &self.site
    }

    /// Its number.
    pub const fn device(&self) -> DeviceId {
        self.device
    }

    /// Its enrolment, as it says; no certificate does.
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// Its device key.
    pub const fn device_key(&self) -> &PublicKey {
        &self.device_key
    }

    /// Its attestation key.
    pub const fn ak(&self) -> &VerifiedAk {
        &self.ak
    }

    /// The last second of whichever certificate ends first.
    pub const fn valid_until(&self) -> Timestamp {
        self.valid_until
    }
}

/// Appraises the certificates that a laptop of `site` shows at `now`.
///
/// # Errors
///
/// `CERTIFICATE_…`, `SITE_MISMATCH`, `REGISTRATION_MISMATCH` for certificates of two laptops or of
/// another key, and those of [`VerifiedAk::verify`].
pub fn appraise_certificates(
    hello: &RecertificationHello,
    site: &SiteCode,
    bundle: &VerifiedBundle,
    now: Timestamp,
) -> Result<CertifiedLaptop, Refusal> {
    let device = VerifiedDevice::verify(hello.device_certificate.as_slice(), bundle, now)?;
    device.verify_site(site)?;
    let certified = VerifiedAttestationKey::verify(hello.ak_certificate.as_slice(), bundle, now)?;
    certified.verify_site(site)?;
    let ak = VerifiedAk::verify(&hello.ak)?;
    require_fits(&[
        ("laptop", hello.device == device.device()),
        (
            "laptop in the certificate of the attestation key",
            certified.device() == device.device(),
        ),
        ("attestation key", ak.key() == certified.key()),
    ])?;
    Ok(CertifiedLaptop {
        site: site.clone(),
        device: device.device(),
        generation: hello.generation,
        device_key: *device.key(),
        ak,
        valid_until: device.valid_until().min(certified.valid_until()),
    })
}

/// What was handed out for this renewal, as the side that appraises kept it.
#[derive(Clone, Copy, Debug)]
pub struct IssuedRecertification<'a> {
    /// ca's number.
    pub enrolment: EnrolmentId,
    /// keyd's number.
    pub registration: RegistrationId,
    /// ca's nonce.
    pub ca_nonce: &'a Nonce,
    /// keyd's nonce.
    pub keyd_nonce: &'a Nonce,
    /// The registers that the quote must cover.
    pub pcrs: PcrSet,
}

/// A laptop whose certificates may be renewed: it is here, with the keys that were certified.
#[derive(Clone, Debug)]
pub struct AppraisedRecertification {
    laptop: CertifiedLaptop,
    pcrs: Vec<PcrValue>,
    clock: ClockInfo,
    log: ReplayedLog,
}

impl AppraisedRecertification {
    /// The laptop.
    pub const fn laptop(&self) -> &CertifiedLaptop {
        &self.laptop
    }

    /// The TPM's clock and counters in the quote.
    pub const fn clock(&self) -> ClockInfo {
        self.clock
    }

    /// The event log of this boot, replayed.
    pub const fn log(&self) -> &ReplayedLog {
        &self.log
    }

    /// What whoever knows the laptop wants besides: the registers that were accepted, on a clock that
    /// has not gone back. The same as at an activation.
    ///
    /// # Errors
    ///
    /// `PCR_CHANGED`, `TPM_CLOCK`.
    pub fn require_accepted(
        &self,
        baseline: &[PcrValue],
        last_clock: &ClockInfo,
    ) -> Result<(), Refusal> {
        require_baseline(&self.pcrs, baseline)?;
        clock::require_forward(last_clock, &self.clock)
    }
}

/// Appraises what `laptop` sent to complete the renewal `issued`.
///
/// # Errors
///
/// `SIGNER_UNKNOWN`, `SIGNATURE_WRONG`, `MESSAGE_MALFORMED`, those of [`VerifiedDeviceKey::verify`],
/// [`VerifiedQuote::verify`] and [`EventLog::parse`], `LOG_REPLAY_MISMATCH`, and
/// `REGISTRATION_MISMATCH` for a device key that was not certified or for a request that covers
/// something else.
pub fn appraise_recertification(
    laptop: CertifiedLaptop,
    completion: &RecertificationCompletion,
    issued: &IssuedRecertification<'_>,
) -> Result<AppraisedRecertification, Refusal> {
    let request = envelope::open(&completion.request, &laptop.device_key)?;
    let binding = RecertificationBinding {
        site: &laptop.site,
        device: laptop.device,
        generation: laptop.generation,
        device_key: laptop.device_key.thumbprint(),
        enrolment: issued.enrolment,
        registration: issued.registration,
        ca_nonce: issued.ca_nonce,
        keyd_nonce: issued.keyd_nonce,
    };
    let device_key = VerifiedDeviceKey::verify(
        completion.device_public.as_slice(),
        &completion.certify,
        &laptop.ak,
        &binding.certify(),
    )?;
    require_fits(&[("device key", *device_key.key() == laptop.device_key)])?;
    let quote = VerifiedQuote::verify(
        &completion.quote,
        laptop.ak.identity(),
        &binding.quote(),
        issued.pcrs,
    )?;
    let log = EventLog::parse(completion.event_log.as_slice())?.replay();
    require_explained(quote.pcrs(), &log)?;
    require_covers(&request, &laptop, completion, &log, issued)?;
    Ok(AppraisedRecertification {
        pcrs: quote.pcrs().to_vec(),
        clock: quote.clock(),
        log,
        laptop,
    })
}

/// What the device key signed covers everything that was verified, and nothing else was verified.
fn require_covers(
    request: &Opened<RecertificationRequest>,
    laptop: &CertifiedLaptop,
    completion: &RecertificationCompletion,
    log: &ReplayedLog,
    issued: &IssuedRecertification<'_>,
) -> Result<(), Refusal> {
    let said = request.message();
    require_fits(&[
        ("site", said.site == laptop.site),
        ("laptop", said.device == laptop.device),
        ("generation", said.generation == laptop.generation),
        ("enrolment", said.enrolment == issued.enrolment),
        ("registration", said.registration == issued.registration),
        (
            "certification",
            said.certify == completion.certify.attest.sha256(),
        ),
        ("quote", said.quote == completion.quote.sha256()),
        ("event log", said.event_log == log.sha256()),
        ("nonce of ca", said.ca_nonce == *issued.ca_nonce),
        ("nonce of keyd", said.keyd_nonce == *issued.keyd_nonce),
    ])
}

fn require_fits(fits: &[(&str, bool)]) -> Result<(), Refusal> {
    match fits.iter().find(|(_, fits)| !fits) {
        None => Ok(()),
        Some((what, _)) => Err(Refusal::new(
            Code::RegistrationMismatch,
            format_args!("another {what}"),
            format_args!("the {what} of this renewal"),
        )),
    }
}
