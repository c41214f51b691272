//! What agent and gate say to each other, over a socket of the laptop: one JSON text a line.
//!
//! The agent asks, one question at a time, and each [`Request`] has one [`Answer`], in turn.
//! Between them the gate may push an [`Event`]. When the connection ends, the picture ends.
//!
//! Times are points of this boot's steady clock, which both processes share ([`Boottime`]), or
//! lengths counted back from the moment of the answer.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wardkey_schemas::activation::Activation;
use wardkey_schemas::bundle::{BundlePackage, BundleVersion, ServiceKeys};
use wardkey_schemas::bytes::{Bytes, Nonce, Sha256};
use wardkey_schemas::ids::{OrderId, OrderSeq, RoomId, SessionId};
use wardkey_schemas::jws::Jws;
use wardkey_schemas::lease::Lease;
use wardkey_schemas::order::{Hold, Order, OrderResult};
use wardkey_schemas::policy::Presence;
use wardkey_schemas::session::EndReason;
use wardkey_schemas::{Code, Refusal};

use crate::boottime::Boottime;
use crate::identity::Identity;
use crate::limits;
use crate::picture::{Awake, Guard};

/// What the agent asks for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Request {
    /// Believe this trust bundle and these keys of the key service. Needed once after each start of
    /// the gate, and whenever either changes.
    Trust {
        /// The bundle with what leads to it from the root.
        bundle: Box<BundlePackage>,
        /// The key service's function keys.
        service_keys: ServiceKeys,
    },
    /// Give a nonce for the next challenge or renewal. The time of the lease begins now.
    Nonce {},
    /// Open the picture, or give the open visit more time, by a lease and the staff member's
    /// signature.
    Open {
        /// The lease.
        lease: Jws<Lease>,
        /// What the staff member signed.
        activation: Jws<Activation>,
        /// The certificate (DER) of the key that signed it.
        staff_certificate: Bytes,
    },
    /// Keep the picture open by the next lease.
    Renew {
        /// The lease.
        lease: Jws<Lease>,
    },
    /// Obey an order of the key service.
    Order {
        /// The order.
        order: Jws<Order>,
    },
    /// Close the picture. This is never refused.
    Close {
        /// Why.
        reason: EndReason,
    },
    /// The security key in control of this visit is in the laptop, or is out; answered with how
    /// things stand. Where the key must stay in, the visit ends if the first is not said for
    /// [`limits::KEY_OUT_MOST`].
    Key {
        /// The visit.
        session: SessionId,
        /// Whether it is in.
        is_in: bool,
    },
    /// Say how things stand.
    Status {},
}

/// How long the picture may stay open.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// The visit.
    pub session: SessionId,
    /// The room.
    pub room: RoomId,
    /// When the gate closes if nothing else comes.
    pub closes_at: Boottime,
    /// When it closes whatever comes, unless staff give it more time.
    pub hard_end: Boottime,
    /// Whether the laptop has slept, so that there is no picture until a lease comes that was given
    /// on a fresh quote.
    pub dark: bool,
    /// Where the security key is to be.
    pub presence: Presence,
    /// When it closes unless the security key is put back, if it is out and must stay in.
    pub key_wanted_by: Option<Boottime>,
}

/// What became of an order: all that a receipt needs but the signature.
///
/// A resume that does not convince the gate is refused instead: `ORDER_APPROVAL` is for the receipt
/// that says so; `HOLD_UNKNOWN` may mean that the stop it lifts has not come yet, so the agent hands
/// over orders in the order of their places.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Obeyed {
    /// The order.
    pub order: OrderId,
    /// Its place.
    pub seq: OrderSeq,
    /// SHA-256 of its envelope.
    pub order_sha256: Sha256,
    /// What became of it.
    pub result: OrderResult,
    /// Milliseconds since it had arrived.
    pub received_ago_ms: u64,
    /// Milliseconds since it was done.
    pub acted_ago_ms: u64,
}

/// How things stand.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The open visit.
    pub open: Option<Opened>,
    /// Whether a stop stands or the latch is sealed.
    pub latched: bool,
    /// The holds that stand.
    pub holds: Vec<Hold>,
    /// Why the latch is closed whatever it may have said.
    pub sealed: Option<Refusal>,
    /// The highest place of an order that was acted on.
    pub last_order: OrderSeq,
    /// Who this laptop is, by the file that the enrolment left.
    pub identity: Option<Identity>,
    /// The trust bundle in use.
    pub bundle: Option<BundleVersion>,
    /// What the video program runs in.
    pub guard: Guard,
    /// Whether something keeps the laptop awake while the picture is open.
    pub awake: Awake,
    /// This moment.
    pub now: Boottime,
}

/// What the gate answers.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Answer {
    /// The bundle and the keys are believed.
    Trusted {
        /// The bundle's version.
        version: BundleVersion,
    },
    /// A nonce.
    Nonce {
        /// The nonce.
        nonce: Nonce,
        /// When it was made.
        made_at: Boottime,
    },
    /// The picture is open.
    Opened(Opened),
    /// It stays open.
    Renewed(Opened),
    /// The order was genuine, and this became of it.
    Obeyed(Obeyed),
    /// It is closed; no process of the video program is left.
    Closed {
        /// The visit that was closed by this, if one was open.
        session: Option<SessionId>,
    },
    /// How things stand.
    Status(Box<Status>),
    /// No.
    Refused(Refusal),
    /// The gate could not tell or could not do it: its disk or the video program failed. Nothing
    /// is open by this.
    Fault {
        /// What failed, for operators.
        what: String,
    },
}

/// What the gate says unasked.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Event {
    /// The picture was closed, for whatever reason; no process of the video program is left.
    Closed {
        /// The visit.
        session: SessionId,
        /// Why.
        reason: EndReason,
        /// When.
        at: Boottime,
    },
    /// The laptop has slept: the picture was closed, and the visit goes on. A lease on a fresh
    /// quote, and on a nonce that was made since, brings the picture back.
    Darkened {
        /// The visit.
        session: SessionId,
        /// When.
        at: Boottime,
    },
}

/// One line from the gate.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum FromGate {
    /// The answer to the request before.
    Answer(Answer),
    /// Something happened.
    Event(Event),
}

/// Writes a value as one line, its end included.
///
/// # Errors
///
/// [`serde_json::Error`]; none is known to happen.
pub fn to_line<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

/// Parses one line, with or without its end.
///
/// # Errors
///
/// `MESSAGE_TOO_LARGE` beyond [`limits::LINE_BYTES`], `MESSAGE_MALFORMED` for anything that is not
/// exactly such a value.
pub fn parse_line<T: DeserializeOwned>(line: &[u8]) -> Result<T, Refusal> {
    if line.len() > limits::LINE_BYTES {
        return Err(too_long());
    }
    serde_json::from_slice(line)
        .map_err(|error| Refusal::new(Code::MessageMalformed, error, "one message on one line"))
}

/// The refusal of a line beyond [`limits::LINE_BYTES`].
pub fn too_long() -> Refusal {
    Refusal::new(
        Code::MessageTooLarge,
        "a line that goes on",
        format!("at most {} bytes", limits::LINE_BYTES),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_and_survives_it() {
        let request = Request::Close {
            reason: EndReason::Staff,
        };
        let line = to_line(&request).unwrap();
        assert_eq!(line, b"{\"close\":{\"reason\":\"staff\"}}\n");
        assert_eq!(parse_line::<Request>(&line).unwrap(), request);
    }

    #[test]
    fn whatever_is_not_exactly_a_request_is_refused() {
        for wrong in [
            &b""[..],
            b"null",
            b"{}",
            b"{\"status\":{}} {\"status\":{}}",
            b"{\"status\":{},\"nonce\":{}}",
            b"{\"status\":{\"x\":1}}",
            b"{\"status\":null}",
            b"{\"close\":{\"reason\":\"staff\",\"reason\":\"staff\"}}",
            b"{\"close\":{\"reason\":\"bored\"}}",
            b"{\"open\":{}}",
            b"{\"open-sesame\":{}}",
            b"\xff\xfe",
            b"[[[[[[[[",
        ] {
            let refusal = parse_line::<Request>(wrong).unwrap_err();
            assert_eq!(refusal.code(), Code::MessageMalformed, "{wrong:?}");
        }
        let deep = vec![b'['; 100_000];
        let refusal = parse_line::<Request>(&deep).unwrap_err();
        assert_eq!(refusal.code(), Code::MessageMalformed);
        let long = vec![b' '; limits::LINE_BYTES + 1];
        let refusal = parse_line::<Request>(&long).unwrap_err();
        assert_eq!(refusal.code(), Code::MessageTooLarge);
    }
}
