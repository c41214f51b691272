//! The lease: how long this laptop may run its video stack (RFC 7519 with claims of RFC 9711).
//!
//! A lease says how long, not until when: it has no `exp`. The gate counts from the moment at which
//! it made the nonce that the lease carries back (`docs/gate.md`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bytes::{Nonce, Sha256};
use crate::ids::{DeviceId, Generation, LeaseId, OrderSeq, RoomId, SessionId};
use crate::jws::Message;
use crate::key::Thumbprint;
use crate::limits;
use crate::names::{Realm, SiteCode};
use crate::policy::Presence;
use crate::refusal::Code;
use crate::time::{Seconds, Timestamp};

/// The key to which a lease is bound (RFC 7800 §3, RFC 9449 §6).
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// Thumbprint of the device key.
    pub jkt: Thumbprint,
}

/// A lease.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// Who gave it: the realm's key service (RFC 7519 §4.1.1).
    pub iss: String,
    /// The laptop (RFC 7519 §4.1.2).
    pub sub: DeviceId,
    /// When, in seconds since 1970 (RFC 7519 §4.1.6).
    pub iat: i64,
    /// Its number (RFC 7519 §4.1.7).
    pub jti: LeaseId,
    /// The profile of these claims (RFC 9711 §4.3.2).
    pub eat_profile: String,
    /// The gate's nonce (RFC 9711 §4.1).
    pub eat_nonce: Nonce,
    /// The device key (RFC 7800).
    pub cnf: Confirmation,
    /// The laptop's enrolment.
    pub generation: Generation,
    /// The site.
    pub site: SiteCode,
    /// The session.
    pub session: SessionId,
    /// 0 for the lease of an activation; one more for each renewal.
    pub seq: u32,
    /// The room.
    pub room: RoomId,
    /// The key that activated.
    pub staff_key: Thumbprint,
    /// SHA-256 of the activation's envelope.
    pub activation: Sha256,
    /// The TPM's reset counter in the quote; another one ends the session.
    pub reset_count: u32,
    /// Whether it was given on a fresh quote of the laptop's registers over this lease's nonces: at
    /// an activation, and at a renewal that brought one.
    pub quoted: bool,
    /// Where the security key is while the visit runs. What counts is the word of the lease that
    /// opened the visit or extended it last: a renewal does not change what staff were told.
    pub presence: Presence,
    /// How long it runs, from the nonce.
    pub run_for: Seconds,
    /// How much longer a running call may go on when keyd cannot be reached.
    pub grace: Seconds,
    /// When the session ends whatever happens, from the nonce.
    pub hard_end_in: Seconds,
    /// The visit that ended for this one to go on in its room, if it was moved here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_from: Option<SessionId>,
    /// When to renew, from now.
    pub renew_after: Seconds,
    /// Whether the next renewal is to bring a quote: the last one grows old.
    pub requote: bool,
    /// Why the visit may only be finished, where its hard end was brought nearer for something that
    /// was found on the laptop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<Code>,
    /// keyd's nonce for the next renewal.
    pub renew_nonce: Nonce,
    /// The last order to this laptop at that moment.
    pub last_order: OrderSeq,
    /// keyd's clock.
    pub server_time: Timestamp,
}

impl Lease {
    /// The `iss` of all leases of a realm.
    pub fn issuer(realm: &Realm) -> String {
        format!("https://keyd.{realm}/lease")
    }

    /// The `eat_profile` of all leases of a realm.
    pub fn profile(realm: &Realm) -> String {
        format!("tag:{realm},2026:wardkey-lease-1")
    }

    /// The longest that a gate keeps the video stack running on this lease, from its nonce:
    /// the smaller of `run_for + grace` and `hard_end_in`.
    pub fn runs_at_most(&self) -> Seconds {
        self.run_for.plus(self.grace).min(self.hard_end_in)
    }
}

impl Message for Lease {
    const TYP: &'static str = "wardkey-lease+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}
