//! The record as a transparency log: with which key its checkpoints are signed (`docs/record.md`).
//!
//! Checkpoints, tiles and proofs are texts and bytes of C2SP and not JSON.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bytes::fixed_bytes;
use crate::jws::Message;
use crate::limits;
use crate::names::Realm;
use crate::time::Timestamp;

fixed_bytes!(
    /// An Ed25519 public key (RFC 8032 §5.1.5).
    LogPublicKey, 32, "43", "Ed25519 public key as base64url"
);

/// With which key keyd signs the checkpoints of its record; signed by the service authority.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogKey {
    /// The installation's realm. The log's name is `keyd.<realm>/log`.
    pub realm: Realm,
    /// The key.
    pub key: LogPublicKey,
    /// When this was signed.
    pub issued_at: Timestamp,
}

impl LogKey {
    /// The name of the log of an installation.
    pub fn origin(realm: &Realm) -> String {
        format!("keyd.{realm}/log")
    }
}

impl Message for LogKey {
    const TYP: &'static str = "wardkey-log-key+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}
