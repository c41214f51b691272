//! Renewing a lease: the same laptop, the same start, time passing as it does here
//! (`docs/protocol/checks.md`).

use wardkey_schemas::binding::RenewalBinding;
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::ids::{DeviceId, Generation, SessionId};
use wardkey_schemas::jws::Opened;
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::renewal::{RenewalRequest, VisitState};
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};

use super::clock::{self, ClockAnchor};
use crate::tpm::{AkIdentity, ClockInfo, VerifiedTimeStamp};

/// A session as keyd keeps it, and what its next renewal must carry.
#[derive(Clone, Copy, Debug)]
pub struct OpenSession {
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
    /// The clock in the quote with which the session began, or began again after a sleep, and when it
    /// came. Not the last renewal's: small errors must not add up.
    pub anchor: ClockAnchor,
    /// The TPM's clock in the last statement of this session, in milliseconds.
    pub last_clock_ms: u64,
}

/// A renewal to which a lease may be given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AppraisedRenewal {
    clock: ClockInfo,
    gate_nonce: Nonce,
    seq: u32,
    state: VisitState,
}

impl AppraisedRenewal {
    /// The TPM's clock, to be kept as the session's last.
    pub const fn clock(&self) -> ClockInfo {
        self.clock
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
/// `QUOTE_CONTEXT`, `ATTEST_*`, `TPM_STRUCTURE`, `TPM_RESET_IN_SESSION`, `TPM_RESTARTED` or
/// `TPM_CLOCK`.
pub fn appraise_renewal(
    request: &Opened<RenewalRequest>,
    session: &OpenSession,
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
    let stamp = VerifiedTimeStamp::verify(&message.time, &session.ak, &binding.time())?;
    let clock = stamp.clock();
    session.anchor.verify_same_start(&clock)?;
    clock::require_awake(&session.anchor, &clock)?;
    let last = ClockInfo {
        clock_ms: session.last_clock_ms,
        ..session.anchor.clock
    };
    clock::require_forward(&last, &clock)?;
    clock::require_pace(&session.anchor, &clock, now)?;
    Ok(AppraisedRenewal {
        clock,
        gate_nonce: message.gate_nonce,
        seq: message.seq,
        state: message.state,
    })
}

fn require_this_session(
    request: &Opened<RenewalRequest>,
    session: &OpenSession,
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

fn require_next(message: &RenewalRequest, session: &OpenSession) -> Result<(), Refusal> {
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
