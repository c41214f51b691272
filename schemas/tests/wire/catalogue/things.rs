//! The people, laptops and numbers that the samples tell of: the same ones throughout.

use wardkey_schemas::bytes::{Bytes, Nonce, Sha256, Signature};
use wardkey_schemas::evidence::{Attestation, PcrValue, Quote};
use wardkey_schemas::ids::{
    ApprovalId, ChallengeId, CharterId, DeviceId, EnrolmentId, HoldId, LeaseId, OrderId, PersonId,
    ReaderId, RegistrationId, RoomId, SessionId,
};
use wardkey_schemas::names::{AssetTag, Note, Realm, SiteCode};
use wardkey_schemas::time::Timestamp;

pub(super) fn site() -> SiteCode {
    "hmp-example".parse().unwrap()
}

pub(super) fn realm() -> Realm {
    "wardkey.example".parse().unwrap()
}

pub(super) fn asset() -> AssetTag {
    "HMP-X-03".parse().unwrap()
}

pub(super) fn note(text: &str) -> Note {
    text.parse().unwrap()
}

/// Some bytes that stand for something binary.
pub(super) fn bytes(text: &str) -> Bytes {
    Bytes::from(text.as_bytes())
}

pub(super) fn digest(text: &str) -> Sha256 {
    Sha256::of(text.as_bytes())
}

pub(super) const fn ca_nonce() -> Nonce {
    Nonce::new([0xca; 32])
}

pub(super) const fn keyd_nonce() -> Nonce {
    Nonce::new([0x6b; 32])
}

pub(super) const fn gate_nonce() -> Nonce {
    Nonce::new([0x67; 32])
}

pub(super) const fn laptop_nonce() -> Nonce {
    Nonce::new([0x1a; 32])
}

pub(super) const fn renew_nonce() -> Nonce {
    Nonce::new([0x4e; 32])
}

/// 14:02:07 on the day of the story, and so many milliseconds later.
pub(super) fn at(later_ms: u64) -> Timestamp {
    Timestamp::from_seconds(1_795_356_127)
        .unwrap()
        .plus_millis(later_ms)
}

pub(super) const fn device() -> DeviceId {
    DeviceId::from_random([0x01; 16])
}

pub(super) const fn person() -> PersonId {
    PersonId::from_random([0x02; 16])
}

pub(super) const fn session() -> SessionId {
    SessionId::from_random([0x03; 16])
}

pub(super) const fn earlier_session() -> SessionId {
    SessionId::from_random([0x13; 16])
}

pub(super) const fn lease_id() -> LeaseId {
    LeaseId::from_random([0x04; 16])
}

pub(super) const fn challenge_id() -> ChallengeId {
    ChallengeId::from_random([0x05; 16])
}

pub(super) const fn enrolment() -> EnrolmentId {
    EnrolmentId::from_random([0x06; 16])
}

pub(super) const fn registration() -> RegistrationId {
    RegistrationId::from_random([0x07; 16])
}

pub(super) const fn hold_id() -> HoldId {
    HoldId::from_random([0x08; 16])
}

pub(super) const fn order_id() -> OrderId {
    OrderId::from_random([0x09; 16])
}

pub(super) const fn room() -> RoomId {
    RoomId::from_random([0x0a; 16])
}

pub(super) const fn charter_id() -> CharterId {
    CharterId::from_random([0x0b; 16])
}

pub(super) const fn reader_id() -> ReaderId {
    ReaderId::from_random([0x0c; 16])
}

pub(super) const fn approval_id() -> ApprovalId {
    ApprovalId::from_random([0x0d; 16])
}

/// Something that an attestation key attested.
pub(super) fn attestation(what: &str) -> Attestation {
    Attestation {
        attest: bytes(what),
        signature: Signature::new([0x51; 64]),
    }
}

pub(super) fn quote() -> Quote {
    let pcrs = [0, 2, 4, 7].map(|index| PcrValue {
        index,
        sha256: digest(&format!("register {index}")),
    });
    Quote {
        attestation: attestation("a quote (TPMS_ATTEST)"),
        pcrs: pcrs.to_vec(),
    }
}
