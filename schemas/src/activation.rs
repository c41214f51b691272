//! Activating a visit (`docs/walkthroughs/activation.md`): what the staff member signs and what the
//! laptop sends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bytes::{Bytes, Nonce, Sha256};
use crate::challenge::Purpose;
use crate::evidence::Quote;
use crate::ids::{ChallengeId, DeviceId, Generation, RoomId};
use crate::jws::{Jws, Message};
use crate::key::Thumbprint;
use crate::lease::Lease;
use crate::limits;
use crate::names::SiteCode;

/// What the staff member signs in slot 9c, with PIN and touch. keyd and the gate both verify it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    /// The challenge.
    pub challenge: ChallengeId,
    /// keyd's nonce.
    pub nonce: Nonce,
    /// The gate's nonce.
    pub gate_nonce: Nonce,
    /// The laptop.
    pub device: DeviceId,
    /// Its enrolment.
    pub generation: Generation,
    /// Its device key.
    pub device_key: Thumbprint,
    /// The site.
    pub site: SiteCode,
    /// The room.
    pub room: RoomId,
    /// What for.
    pub purpose: Purpose,
    /// The key that signs.
    pub staff_key: Thumbprint,
    /// SHA-256 of its certificate.
    pub staff_certificate: Sha256,
    /// SHA-256 of the quote's attest structure.
    pub quote: Sha256,
}

impl Message for Activation {
    const TYP: &'static str = "wardkey-activation+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}

/// The laptop's request; signed by the device key.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ActivationRequest {
    /// The laptop.
    pub device: DeviceId,
    /// The challenge.
    pub challenge: ChallengeId,
    /// keyd's nonce; it ties keyd's answer to this request.
    pub nonce: Nonce,
    /// The staff member's signature.
    pub activation: Jws<Activation>,
    /// The quote.
    pub quote: Quote,
}

impl Message for ActivationRequest {
    const TYP: &'static str = "wardkey-activation-request+jwt";
    const MAX: usize = limits::EVIDENCE_BYTES;
}

/// The request with the event log beside it, where the challenge asked for it. The challenge
/// request named the log's hash under the device key's signature.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ActivationBody {
    /// The challenge, to find the laptop whose key must have signed; the request says it again.
    pub challenge: ChallengeId,
    /// The signed request.
    pub request: Jws<ActivationRequest>,
    /// The event log, exactly when it was wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_log: Option<Bytes>,
}

/// What keyd answers to an activation and to a renewal when it agrees.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseAnswer {
    /// The lease.
    pub lease: Jws<Lease>,
}
