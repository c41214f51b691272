//! Renewing a lease: the same laptop, the same start, time passing as it does here
//! (`docs/protocol/checks.md`).
//!
//! An ordinary renewal shows the TPM's clock. Where that is not enough, because the last quote is old,
//! the laptop slept or its clock runs at another pace, the answer is `REQUOTE_WANTED`, and the laptop
//! asks again with a quote. A quote is judged by its registers, and its clock is a new anchor: what
//! the clock did before no longer matters, but that it never goes back and no reset lies between.

use wardkey_schemas::binding::RenewalBinding;
use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::evidence::{Attestation, PcrValue, Quote};
use wardkey_schemas::ids::{DeviceId, Generation, SessionId};
use wardkey_schemas::jws::Opened;
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::renewal::{RenewalProof, RenewalRequest, VisitState};
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};

use super::baseline::changed_in_visit;
use super::clock::{self, ClockAnchor};
use crate::tpm::{AkIdentity, ClockInfo, PcrSet, VerifiedQuote, VerifiedTimeStamp};

/// A session as keyd keeps it, and what its next renewal must carry.
#[derive(Clone, Copy, Debug)]
pub struct OpenSession<'a> {
    /// Its number.
    pub session: SessionId,
    /// The laptop.
    pub device: DeviceId,
    /// Its enrolment.
    pub generation: Generation,
    /// Its device key.
    pub device_key: Thumbprint,
    /// Its attestation key.
    pub ak: AkIdentity,
    /// The `seq` that the next renewal must have.
    pub next_seq: u32,
    /// The nonce that the last lease gave.
    pub renew_nonce: Nonce,
    /// The laptop's accepted registers, ascending.
    pub baseline: &'a [PcrValue],
    /// The clock in the last quote of the session, and when that came. Not the last time stamp's:
    /// small errors must not add up.
    pub anchor: ClockAnchor,
    /// From when on a quote is wanted.
    pub quote_due: Timestamp,
    /// The TPM's clock in the last statement of this session, in milliseconds.
    pub last_clock_ms: u64,
}

/// A quote that came with a renewal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AppraisedQuote {
    sha256: Sha256,
    changed: Option<Refusal>,
}

impl AppraisedQuote {
    /// SHA-256 of its attest structure.
    pub const fn sha256(&self) -> Sha256 {
        self.sha256
    }

    /// What changed on the laptop since the visit began, so that the visit is to be finished.
    pub const fn changed(&self) -> Option<&Refusal> {
        self.changed.as_ref()
    }
}

/// A renewal to which a lease may be given.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AppraisedRenewal {
    clock: ClockInfo,
    quote: Option<AppraisedQuote>,
    gate_nonce: Nonce,
    seq: u32,
    state: VisitState,
}

impl AppraisedRenewal {
    /// The TPM's clock, to be kept as the session's last.
    pub const fn clock(&self) -> ClockInfo {
        self.clock
    }

    /// The quote, if it brought one: its clock is the session's new anchor.
    pub const fn quote(&self) -> Option<&AppraisedQuote> {
        self.quote.as_ref()
    }

    /// The gate's nonce, to be carried back by the lease.
    pub const fn gate_nonce(&self) -> &Nonce {
        &self.gate_nonce
    }

    /// Which renewal it is.
    pub const fn seq(&self) -> u32 {
        self.seq
    }

    /// Where the visit stands, as the laptop sees it.
    pub const fn state(&self) -> VisitState {
        self.state
    }
}

/// Appraises a renewal of `session` that came at `now`. States, holds and the hard end are keyd's.
///
/// # Errors
///
/// `SESSION_UNKNOWN`, `CONTEXT_DEVICE`, `DEVICE_GENERATION`, `RENEWAL_NONCE`, `QUOTE_SIGNATURE`,
/// `QUOTE_CONTEXT`, `ATTEST_*`, `TPM_STRUCTURE`, `TPM_RESET_IN_SESSION`, `TPM_CLOCK`; without a
/// quote `REQUOTE_WANTED`; with one `QUOTE_PCRS`, `PCR_DIGEST` or `PCR_CHANGED`.
pub fn appraise_renewal(
    request: &Opened<RenewalRequest>,
    session: &OpenSession<'_>,
    now: Timestamp,
) -> Result<AppraisedRenewal, Refusal> {
    let message = request.message();
    require_this_session(request, session)?;
    require_next(message, session)?;
    let binding = RenewalBinding {
        session: message.session,
        seq: message.seq,
        renew_nonce: &message.renew_nonce,
        gate_nonce: &message.gate_nonce,
    };
    let (clock, quote) = match &message.proof {
        RenewalProof::Time(stamp) => (require_time(stamp, &binding, session, now)?, None),
        RenewalProof::Quote(quote) => {
            let (clock, quote) = require_quote(quote, &binding, session)?;
            (clock, Some(quote))
        }
    };
    Ok(AppraisedRenewal {
        clock,
        quote,
        gate_nonce: message.gate_nonce,
        seq: message.seq,
        state: message.state,
    })
}

/// The same start, awake, forward, at keyd's pace; and the last quote is not too old.
fn require_time(
    stamp: &Attestation,
    binding: &RenewalBinding<'_>,
    session: &OpenSession<'_>,
    now: Timestamp,
) -> Result<ClockInfo, Refusal> {
    let stamp = VerifiedTimeStamp::verify(stamp, &session.ak, &binding.time())?;
    let clock = stamp.clock();
    require_going_on(session, &clock)?;
    clock::require_awake(&session.anchor, &clock)?;
    clock::require_pace(&session.anchor, &clock, now)?;
    if now >= session.quote_due {
        return Err(Refusal::new(
            Code::RequoteWanted,
            format_args!("the last quote at {}", session.anchor.server_time),
            format_args!("a quote from {} on", session.quote_due),
        ));
    }
    Ok(clock)
}

/// The same start, forward; and the registers of the baseline, as far as a running visit needs them.
fn require_quote(
    quote: &Quote,
    binding: &RenewalBinding<'_>,
    session: &OpenSession<'_>,
) -> Result<(ClockInfo, AppraisedQuote), Refusal> {
    let indices: Vec<u8> = session.baseline.iter().map(|value| value.index).collect();
    let wanted = PcrSet::new(&indices).ok_or_else(|| {
        Refusal::new(
            Code::PcrChanged,
            "a quote of something",
            "an accepted baseline to compare it with",
        )
    })?;
    let sha256 = quote.sha256();
    let quote = VerifiedQuote::verify(quote, &session.ak, &binding.quote(), wanted)?;
    let clock = quote.clock();
    require_going_on(session, &clock)?;
    let changed = changed_in_visit(quote.pcrs(), session.baseline)?;
    Ok((clock, AppraisedQuote { sha256, changed }))
}

/// No reset since the session began, and a clock that did not go back.
fn require_going_on(session: &OpenSession<'_>, clock: &ClockInfo) -> Result<(), Refusal> {
    session.anchor.verify_same_start(clock)?;
    let last = ClockInfo {
        clock_ms: session.last_clock_ms,
        ..session.anchor.clock
    };
    clock::require_forward(&last, clock)
}

fn require_this_session(
    request: &Opened<RenewalRequest>,
    session: &OpenSession<'_>,
) -> Result<(), Refusal> {
    let message = request.message();
    if message.session != session.session {
        return Err(Refusal::new(
            Code::SessionUnknown,
            message.session,
            session.session,
        ));
    }
    if message.device != session.device {
        return Err(Refusal::new(
            Code::ContextDevice,
            message.device,
            session.device,
        ));
    }
    if message.generation != session.generation {
        return Err(Refusal::new(
            Code::DeviceGeneration,
            format_args!("enrolment {}", message.generation),
            session.generation,
        ));
    }
    if request.signer() != session.device_key {
        return Err(Refusal::new(
            Code::ContextDevice,
            format_args!("device key {}", request.signer()),
            session.device_key,
        ));
    }
    Ok(())
}

fn require_next(message: &RenewalRequest, session: &OpenSession<'_>) -> Result<(), Refusal> {
    if message.seq != session.next_seq {
        return Err(Refusal::new(
            Code::RenewalNonce,
            format_args!("renewal {}", message.seq),
            session.next_seq,
        ));
    }
    if message.renew_nonce != session.renew_nonce {
        return Err(Refusal::new(
            Code::RenewalNonce,
            "another nonce",
            "the nonce of the last lease",
        ));
    }
    Ok(())
}
