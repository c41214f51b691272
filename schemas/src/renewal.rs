//! Renewing a lease (`docs/walkthroughs/renewal.md`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bytes::Nonce;
use crate::evidence::{Attestation, Quote};
use crate::ids::{DeviceId, Generation, SessionId};
use crate::jws::{Jws, Message};
use crate::limits;

/// Where the visit stands, as the laptop sees it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VisitState {
    /// In the room, the security key still in.
    InRoom,
    /// Handed over; the security key is out.
    WithPatient,
    /// A member of staff has come back with a key.
    StaffControl,
}

impl VisitState {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InRoom => "in-room",
            Self::WithPatient => "with-patient",
            Self::StaffControl => "staff-control",
        }
    }
}

/// What the laptop's TPM says at a renewal: that time passes, or everything anew.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RenewalProof {
    /// `TPM2_GetTime` by the attestation key over both nonces.
    Time(Attestation),
    /// `TPM2_Quote` by the attestation key over both nonces, of the registers of the laptop's
    /// baseline.
    Quote(Quote),
}

/// The laptop asks for the next lease; signed by the device key.
///
/// A retry is the same bytes again and gets the same answer.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RenewalRequest {
    /// The laptop.
    pub device: DeviceId,
    /// Its enrolment.
    pub generation: Generation,
    /// The session.
    pub session: SessionId,
    /// One more than the `seq` of the lease that it follows.
    pub seq: u32,
    /// keyd's nonce, from that lease.
    pub renew_nonce: Nonce,
    /// The gate's new nonce.
    pub gate_nonce: Nonce,
    /// Where the visit stands.
    pub state: VisitState,
    /// What its TPM says.
    pub proof: RenewalProof,
}

impl Message for RenewalRequest {
    const TYP: &'static str = "wardkey-renewal-request+jwt";
    const MAX: usize = limits::EVIDENCE_BYTES;
}

/// The request as it is sent.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RenewalBody {
    /// The session, to find the laptop whose key must have signed; the request says it again.
    pub session: SessionId,
    /// The signed request.
    pub request: Jws<RenewalRequest>,
}
