//! Enrolling a laptop: this TPM, this boot, this lead's consent (`docs/protocol/checks.md`).

use std::fmt;

use wardkey_schemas::binding::EnrolmentBinding;
use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::enrolment::{LaptopApproval, LaptopCompletion, credential_proof_matches};
use wardkey_schemas::evidence::PcrValue;
use wardkey_schemas::ids::{DeviceId, EnrolmentId, Generation, RegistrationId};
use wardkey_schemas::jws::Opened;
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::names::{AssetTag, SiteCode};
use wardkey_schemas::phrase::Phrase;
use wardkey_schemas::{Code, Refusal};

use super::hello::AppraisedHello;
use crate::ek::VerifiedEk;
use crate::envelope;
use crate::event_log::{EventLog, ReplayedLog, require_explained};
use crate::person::VerifiedPerson;
use crate::tpm::{ClockInfo, PcrSet, VerifiedAk, VerifiedDeviceKey, VerifiedQuote};

/// The secret in the credential that one side made, and by it which side asks.
#[derive(Clone, Copy)]
pub enum Secret<'a> {
    /// ca's; the laptop's proof is `ca_proof`.
    Ca(&'a [u8; 32]),
    /// keyd's; the laptop's proof is `keyd_proof`.
    Keyd(&'a [u8; 32]),
}

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ca(_) => "Secret::Ca(..)",
            Self::Keyd(_) => "Secret::Keyd(..)",
        })
    }
}

/// What was handed out for this enrolment, as the side that appraises kept it.
#[derive(Clone, Copy, Debug)]
pub struct IssuedEnrolment<'a> {
    /// The site.
    pub site: &'a SiteCode,
    /// ca's number.
    pub enrolment: EnrolmentId,
    /// keyd's number.
    pub registration: RegistrationId,
    /// The laptop's number.
    pub device: DeviceId,
    /// Which enrolment of the laptop it is.
    pub generation: Generation,
    /// ca's nonce.
    pub ca_nonce: &'a Nonce,
    /// keyd's nonce.
    pub keyd_nonce: &'a Nonce,
    /// The secret of this side's credential.
    pub secret: Secret<'a>,
    /// The registers that the quote must cover.
    pub pcrs: PcrSet,
}

/// A laptop that proved itself, with its lead's consent. It still waits to be confirmed on another
/// screen, which accepts its registers as the baseline.
#[derive(Clone, Debug)]
pub struct AppraisedLaptop {
    site: SiteCode,
    device: DeviceId,
    generation: Generation,
    hello: AppraisedHello,
    device_key: PublicKey,
    pcrs: Vec<PcrValue>,
    log: ReplayedLog,
    clock: ClockInfo,
    firmware_version: u64,
    approval: Sha256,
}

impl AppraisedLaptop {
    /// The site.
    pub const fn site(&self) -> &SiteCode {
        &self.site
    }

    /// Its number.
    pub const fn device(&self) -> DeviceId {
        self.device
    }

    /// Which enrolment it is.
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// The tag on its lid.
    pub const fn asset(&self) -> &AssetTag {
        self.hello.asset()
    }

    /// Its endorsement key: maker, model, and the hash by which the laptop is known for ever.
    pub const fn ek(&self) -> &VerifiedEk {
        self.hello.ek()
    }

    /// Its attestation key.
    pub const fn ak(&self) -> &VerifiedAk {
        self.hello.ak()
    }

    /// Its device key.
    pub const fn device_key(&self) -> &PublicKey {
        &self.device_key
    }

    /// The quoted registers of this boot, ascending: what becomes its baseline once confirmed.
    pub fn pcrs(&self) -> &[PcrValue] {
        &self.pcrs
    }

    /// The event log of this boot, replayed.
    pub const fn log(&self) -> &ReplayedLog {
        &self.log
    }

    /// The TPM's clock and counters in the quote.
    pub const fn clock(&self) -> ClockInfo {
        self.clock
    }

    /// The TPM's firmware version in the quote.
    pub const fn firmware_version(&self) -> u64 {
        self.firmware_version
    }

    /// The lead who approved it.
    pub const fn lead(&self) -> &VerifiedPerson {
        self.hello.lead()
    }

    /// SHA-256 of what the lead signed.
    pub const fn approval(&self) -> Sha256 {
        self.approval
    }

    /// The check phrase: made from what the lead signed.
    pub fn phrase(&self) -> Phrase {
        Phrase::of(&self.approval)
    }
}

/// Appraises what a laptop sent to complete its enrolment.
///
/// # Errors
///
/// `APPROVER_MISSING`, `MESSAGE_MALFORMED`, `CREDENTIAL_MISMATCH`, those of
/// [`VerifiedDeviceKey::verify`], [`VerifiedQuote::verify`], [`EventLog::parse`] and
/// `LOG_REPLAY_MISMATCH`.
pub fn appraise_laptop(
    hello: AppraisedHello,
    completion: &LaptopCompletion,
    issued: &IssuedEnrolment<'_>,
) -> Result<AppraisedLaptop, Refusal> {
    let approval = envelope::open(&completion.approval, hello.lead().key())
        .map_err(|refusal| envelope::recode_signer(refusal, Code::ApproverMissing))?;
    require_credential_proof(completion, issued.secret)?;

    let binding = EnrolmentBinding {
        site: issued.site,
        asset: hello.asset(),
        enrolment: issued.enrolment,
        registration: issued.registration,
        ca_nonce: issued.ca_nonce,
        keyd_nonce: issued.keyd_nonce,
    };
    let device_key = VerifiedDeviceKey::verify(
        completion.device_public.as_slice(),
        &completion.certify,
        hello.ak(),
        &binding.certify(),
    )?;
    let quote = VerifiedQuote::verify(
        &completion.quote,
        hello.ak().identity(),
        &binding.quote(),
        issued.pcrs,
    )?;
    let log = EventLog::parse(completion.event_log.as_slice())?.replay();
    require_explained(quote.pcrs(), &log)?;
    require_approval_covers(&approval, &hello, completion, &device_key, &log, issued)?;

    Ok(AppraisedLaptop {
        site: issued.site.clone(),
        device: issued.device,
        generation: issued.generation,
        device_key: *device_key.key(),
        pcrs: quote.pcrs().to_vec(),
        clock: quote.clock(),
        firmware_version: quote.firmware_version(),
        approval: approval.payload_sha256(),
        log,
        hello,
    })
}

/// The laptop opened this side's secret for this very approval; compared in constant time.
fn require_credential_proof(
    completion: &LaptopCompletion,
    secret: Secret<'_>,
) -> Result<(), Refusal> {
    let (secret, proof, side) = match secret {
        Secret::Ca(secret) => (secret, &completion.ca_proof, "ca"),
        Secret::Keyd(secret) => (secret, &completion.keyd_proof, "keyd"),
    };
    if credential_proof_matches(secret, &completion.approval, proof) {
        return Ok(());
    }
    Err(Refusal::new(
        Code::CredentialMismatch,
        "a proof that does not match",
        format_args!("proof that the secret of {side} was opened for this approval"),
    ))
}

/// The lead's signature covers everything that was verified, and nothing else was verified.
fn require_approval_covers(
    approval: &Opened<LaptopApproval>,
    hello: &AppraisedHello,
    completion: &LaptopCompletion,
    device_key: &VerifiedDeviceKey,
    log: &ReplayedLog,
    issued: &IssuedEnrolment<'_>,
) -> Result<(), Refusal> {
    let said = approval.message();
    let ak_name = said.ak_name.as_slice() == hello.ak().name().as_bytes();
    let covered = [
        ("site", said.site == *issued.site),
        ("asset tag", said.asset == *hello.asset()),
        ("enrolment", said.enrolment == issued.enrolment),
        ("registration", said.registration == issued.registration),
        ("laptop", said.device == issued.device),
        ("generation", said.generation == issued.generation),
        ("endorsement key", said.ek == hello.ek().sha256()),
        ("attestation key", ak_name),
        (
            "device key",
            said.device_key == device_key.key().thumbprint(),
        ),
        (
            "certification",
            said.certify == completion.certify.attest.sha256(),
        ),
        ("quote", said.quote == completion.quote.sha256()),
        ("event log", said.event_log == log.sha256()),
        ("nonce of ca", said.ca_nonce == *issued.ca_nonce),
        ("nonce of keyd", said.keyd_nonce == *issued.keyd_nonce),
        ("lead's key", said.lead_key == approval.signer()),
    ];
    super::require_covered(&covered, "the lead's approval")
}
