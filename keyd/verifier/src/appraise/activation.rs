//! Opening a visit: this laptop, this boot, this person, this room, now. The checks, in their order,
//! stand in `docs/protocol/checks.md`.

use wardkey_schemas::activation::{Activation, ActivationRequest};
use wardkey_schemas::binding::ActivationBinding;
use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::challenge::Purpose;
use wardkey_schemas::evidence::PcrValue;
use wardkey_schemas::ids::{ChallengeId, DeviceId, Generation, PersonId, RoomId};
use wardkey_schemas::jws::Opened;
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::{Code, Refusal};

use super::baseline::require_baseline;
use super::clock;
use crate::envelope;
use crate::event_log::{EventLog, KnownLog, ReplayedLog, require_explained};
use crate::person::VerifiedPerson;
use crate::tpm::{AkIdentity, ClockInfo, PcrSet, VerifiedQuote};

/// A challenge as keyd handed it out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IssuedChallenge {
    /// Its number.
    pub challenge: ChallengeId,
    /// keyd's nonce.
    pub nonce: Nonce,
    /// The gate's nonce, from the request for it.
    pub gate_nonce: Nonce,
    /// What for.
    pub purpose: Purpose,
    /// The room.
    pub room: RoomId,
    /// SHA-256 of the staff certificate that was plugged in.
    pub staff_certificate: Sha256,
    /// SHA-256 of the event log that the laptop announced under its device key.
    pub event_log: Sha256,
    /// The registers to quote.
    pub pcrs: PcrSet,
}

/// A laptop as keyd keeps it: what its enrolment proved and what was accepted since.
#[derive(Clone, Copy, Debug)]
pub struct EnrolledDevice<'a> {
    /// Its number.
    pub device: DeviceId,
    /// Its enrolment.
    pub generation: Generation,
    /// Its site.
    pub site: &'a SiteCode,
    /// Its device key.
    pub device_key: Thumbprint,
    /// Its attestation key.
    pub ak: AkIdentity,
    /// Its accepted registers, ascending.
    pub baseline: &'a [PcrValue],
    /// The TPM's clock in the last statement that was accepted, be it that of the enrolment.
    pub last_clock: ClockInfo,
}

/// The event log of this boot: sent along, or known from before.
#[derive(Clone, Copy, Debug)]
pub enum LogEvidence<'a> {
    /// Sent along.
    Sent(&'a [u8]),
    /// Replayed before, on this laptop or another of the same make.
    Known(&'a KnownLog),
}

impl<'a> LogEvidence<'a> {
    /// Takes the log that was sent, or else the one that is known.
    ///
    /// # Errors
    ///
    /// `LOG_MISSING` if there is neither.
    pub fn new(sent: Option<&'a [u8]>, known: Option<&'a KnownLog>) -> Result<Self, Refusal> {
        match (sent, known) {
            (Some(sent), _) => Ok(Self::Sent(sent)),
            (None, Some(known)) => Ok(Self::Known(known)),
            (None, None) => Err(Refusal::new(
                Code::LogMissing,
                "no event log",
                "the log of this boot",
            )),
        }
    }
}

/// An activation to which a lease may be given.
#[derive(Clone, Debug)]
pub struct AppraisedActivation {
    person: PersonId,
    staff_key: Thumbprint,
    activation: Sha256,
    quote: Sha256,
    clock: ClockInfo,
    firmware_version: u64,
    replayed: Option<ReplayedLog>,
}

impl AppraisedActivation {
    /// Who activates.
    pub const fn person(&self) -> PersonId {
        self.person
    }

    /// Their key.
    pub const fn staff_key(&self) -> Thumbprint {
        self.staff_key
    }

    /// SHA-256 of the activation's envelope, to be named by the lease.
    pub const fn activation(&self) -> Sha256 {
        self.activation
    }

    /// SHA-256 of the quote's attest structure.
    pub const fn quote(&self) -> Sha256 {
        self.quote
    }

    /// The TPM's clock in the quote, to be kept as the laptop's last; its reset counter goes into the
    /// lease.
    pub const fn clock(&self) -> ClockInfo {
        self.clock
    }

    /// The TPM's firmware version in the quote.
    pub const fn firmware_version(&self) -> u64 {
        self.firmware_version
    }

    /// The event log, if it was sent: to be kept, so that it need not be sent again.
    pub const fn replayed(&self) -> Option<&ReplayedLog> {
        self.replayed.as_ref()
    }
}

/// Appraises the answer of `device` to the challenge `issued`, signed by `person`.
///
/// # Errors
///
/// `CONTEXT_*` with one code for each field that differs, `KEY_NOT_FOR_THIS_SITE`, `KEY_ROLE`,
/// `SIGNATURE_WRONG`, `MESSAGE_MALFORMED`, those of [`VerifiedQuote::verify`] and of
/// [`EventLog::parse`], `LOG_REPLAY_MISMATCH`, `PCR_CHANGED`, `TPM_CLOCK`.
pub fn appraise_activation(
    request: &Opened<ActivationRequest>,
    issued: &IssuedChallenge,
    device: &EnrolledDevice<'_>,
    person: &VerifiedPerson,
    log: LogEvidence<'_>,
) -> Result<AppraisedActivation, Refusal> {
    let message = request.message();
    require_answer(request, issued, device)?;
    require_person(person, issued, device)?;
    let activation = envelope::open(&message.activation, person.key()).map_err(another_key)?;
    let quote_sha256 = message.quote.sha256();
    require_context(&activation, issued, device, quote_sha256)?;

    let binding = ActivationBinding {
        challenge: issued.challenge,
        nonce: &issued.nonce,
        gate_nonce: &issued.gate_nonce,
        device: device.device,
        generation: device.generation,
        device_key: device.device_key,
        site: device.site,
        room: issued.room,
        staff_certificate: issued.staff_certificate,
    };
    let quote = VerifiedQuote::verify(&message.quote, &device.ak, &binding.quote(), issued.pcrs)?;
    let replayed = require_log(&quote, issued, log)?;
    require_baseline(quote.pcrs(), device.baseline)?;
    clock::require_forward(&device.last_clock, &quote.clock())?;

    Ok(AppraisedActivation {
        person: person.person(),
        staff_key: activation.signer(),
        activation: message.activation.sha256(),
        quote: quote_sha256,
        clock: quote.clock(),
        firmware_version: quote.firmware_version(),
        replayed,
    })
}

/// The request answers this challenge, and this laptop's device key signed it.
fn require_answer(
    request: &Opened<ActivationRequest>,
    issued: &IssuedChallenge,
    device: &EnrolledDevice<'_>,
) -> Result<(), Refusal> {
    let message = request.message();
    require_same(Code::ContextDevice, message.device, device.device)?;
    require_same(Code::ContextDevice, request.signer(), device.device_key)?;
    require_same(Code::ContextChallenge, message.challenge, issued.challenge)?;
    require_same_nonce(Code::ContextNonce, message.nonce, issued.nonce)
}

/// The person may open a visit at the laptop's site, with the certificate that the challenge was for.
fn require_person(
    person: &VerifiedPerson,
    issued: &IssuedChallenge,
    device: &EnrolledDevice<'_>,
) -> Result<(), Refusal> {
    person.verify_site(device.site)?;
    person.verify_may_activate()?;
    require_same_hash(
        Code::ContextKey,
        person.certificate(),
        issued.staff_certificate,
    )
}

/// The staff member signed for this request and no other.
fn require_context(
    activation: &Opened<Activation>,
    issued: &IssuedChallenge,
    device: &EnrolledDevice<'_>,
    quote: Sha256,
) -> Result<(), Refusal> {
    let said = activation.message();
    require_same(Code::ContextChallenge, said.challenge, issued.challenge)?;
    require_same_nonce(Code::ContextNonce, said.nonce, issued.nonce)?;
    require_same_nonce(Code::ContextGate, said.gate_nonce, issued.gate_nonce)?;
    require_same(Code::ContextDevice, said.device, device.device)?;
    require_same(Code::ContextDevice, said.generation, device.generation)?;
    require_same(Code::ContextDevice, said.device_key, device.device_key)?;
    require_same(Code::ContextSite, &said.site, device.site)?;
    require_same(Code::ContextRoom, said.room, issued.room)?;
    if said.purpose != issued.purpose {
        return Err(Refusal::new(
            Code::ContextPurpose,
            Shown(said.purpose),
            Shown(issued.purpose),
        ));
    }
    require_same(Code::ContextKey, said.staff_key, activation.signer())?;
    require_same_hash(
        Code::ContextKey,
        said.staff_certificate,
        issued.staff_certificate,
    )?;
    require_same_hash(Code::ContextQuote, said.quote, quote)
}

/// The log of this boot is the one that was announced, and explains every quoted register.
fn require_log(
    quote: &VerifiedQuote<'_>,
    issued: &IssuedChallenge,
    log: LogEvidence<'_>,
) -> Result<Option<ReplayedLog>, Refusal> {
    match log {
        LogEvidence::Sent(bytes) => {
            let replayed = EventLog::parse(bytes)?.replay();
            require_same_hash(Code::LogReplayMismatch, replayed.sha256(), issued.event_log)?;
            require_explained(quote.pcrs(), &replayed)?;
            Ok(Some(replayed))
        }
        LogEvidence::Known(known) => {
            require_same_hash(Code::LogReplayMismatch, known.sha256, issued.event_log)?;
            require_explained(quote.pcrs(), known)?;
            Ok(None)
        }
    }
}

/// Whoever the envelope says signed: at an activation it is another security key than the one in.
fn another_key(refusal: Refusal) -> Refusal {
    if refusal.code() == Code::SignerUnknown {
        refusal.recode(Code::ContextKey)
    } else {
        refusal
    }
}

fn require_same<T: PartialEq + std::fmt::Display>(
    code: Code,
    found: T,
    wanted: T,
) -> Result<(), Refusal> {
    if found == wanted {
        return Ok(());
    }
    Err(Refusal::new(code, found, wanted))
}

fn require_same_hash(code: Code, found: Sha256, wanted: Sha256) -> Result<(), Refusal> {
    if found == wanted {
        return Ok(());
    }
    Err(Refusal::new(
        code,
        format_args!("sha256 {}", found.to_hex()),
        wanted.to_hex(),
    ))
}

/// A nonce is no secret once it was given back, but whoever shows another one learns nothing of ours.
fn require_same_nonce(code: Code, found: Nonce, wanted: Nonce) -> Result<(), Refusal> {
    if found == wanted {
        return Ok(());
    }
    Err(Refusal::new(
        code,
        "another nonce",
        "the nonce of the challenge",
    ))
}

struct Shown(Purpose);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Purpose::Activate => f.write_str("activate"),
            Purpose::Move => f.write_str("move"),
            Purpose::Extend { session } => write!(f, "extend session {session}"),
        }
    }
}
