//! What programs of this laptop and the agent say to each other: one JSON text a line.
//!
//! A caller asks; the agent answers with one or more [`Word`]s, of which the last [`Word::is_last`].
//! Watching goes on until the caller hangs up.

use std::fmt;

use serde::{Deserialize, Serialize};
use wardkey_gate::picture::Awake;
use wardkey_schemas::bundle::BundleVersion;
use wardkey_schemas::ids::{DeviceId, Generation, OrderSeq, RoomId, SessionId};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::{AssetTag, Firmware, Note, SiteCode, TokenSerial};
use wardkey_schemas::order::Hold;
use wardkey_schemas::policy::Presence;
use wardkey_schemas::renewal::VisitState;
use wardkey_schemas::role::Role;
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};
use wardkey_token::Pin;
use zeroize::Zeroizing;

/// Digits on their way from the window in which they were typed to the token.
#[derive(Deserialize, Serialize)]
#[serde(transparent)]
pub struct PinText(Zeroizing<String>);

impl PinText {
    /// Takes the digits of a PIN.
    pub fn new(pin: &Pin) -> Self {
        Self(Zeroizing::new(pin.expose().to_owned()))
    }

    /// The text, to be made a [`Pin`].
    pub fn into_text(self) -> Zeroizing<String> {
        self.0
    }
}

impl fmt::Debug for PinText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PinText(..)")
    }
}

/// What a caller asks for.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Request {
    /// Start a visit with the security key that is plugged in.
    Activate {
        /// The room, if not a new one.
        room: Option<RoomId>,
        /// Which security key, if not the one that was plugged in last.
        serial: Option<TokenSerial>,
    },
    /// Move the running visit of the security key from another laptop to this one.
    MoveHere {
        /// Which security key, if not the one that was plugged in last.
        serial: Option<TokenSerial>,
    },
    /// Give the running visit more time; a colleague's key takes it over.
    Extend {
        /// Which security key, if not the one that was plugged in last.
        serial: Option<TokenSerial>,
    },
    /// The PIN that was wanted.
    Pin {
        /// The digits.
        pin: PinText,
    },
    /// End the running visit.
    End {},
    /// Renew the lease now.
    Renew {},
    /// Say how things stand.
    Status {},
    /// Say how things stand, and again whenever that changes.
    Watch {},
    /// Read the state folder again: the laptop was enrolled.
    Reload {},
}

/// Where the laptop stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nobody has enrolled it.
    NotEnrolled,
    /// A stop stands; nothing opens.
    Stopped,
    /// Something it needs does not work; nothing opens until it does.
    Attention,
    /// Ready; no security key is in.
    Locked,
    /// A security key is in.
    KeyIn,
    /// Its PIN is wanted.
    Pin,
    /// Its touch is wanted.
    Touch,
    /// Key and laptop are being checked.
    Checking,
    /// The room is open and the security key is in.
    InRoom,
    /// The room is open and the security key is out.
    WithPatient,
    /// The room is open and staff have come back with a key.
    StaffControl,
    /// The visit is asked to finish, or has just ended.
    Ending,
}

impl State {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotEnrolled => "not-enrolled",
            Self::Stopped => "stopped",
            Self::Attention => "attention",
            Self::Locked => "locked",
            Self::KeyIn => "key-in",
            Self::Pin => "pin",
            Self::Touch => "touch",
            Self::Checking => "checking",
            Self::InRoom => "in-room",
            Self::WithPatient => "with-patient",
            Self::StaffControl => "staff-control",
            Self::Ending => "ending",
        }
    }
}

/// One step of an activation and how long it took.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its name.
    pub name: StepName,
    /// Milliseconds.
    pub ms: u64,
}

/// The steps of an activation, in their order.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepName {
    /// Reading certificate and state of the security key.
    Token,
    /// Taking the key for ourselves and showing it the PIN.
    Pin,
    /// The gate's nonce.
    Nonce,
    /// The challenge: signed by the TPM, sent, answered, verified.
    Challenge,
    /// The quote.
    Quote,
    /// Up to the moment at which the key waits for a finger.
    Sign,
    /// The wait for a finger, and the key's signature.
    Touch,
    /// The request: signed by the TPM, sent, judged, answered, verified.
    Request,
    /// The gate: verifies, and starts the video program.
    Gate,
}

/// How long the last activation took.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// Machine time from the command to the open gate: all steps but the wait for a finger. The wait
    /// for a PIN is no step.
    pub plug_to_gate_open_ms: u64,
    /// The steps of the last round; a touch that came too late begins a new round.
    pub steps: Vec<Step>,
    /// Rounds that ended because nobody touched the key in time.
    pub late_touches: u32,
}

/// The laptop.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LaptopStatus {
    /// Its number.
    pub device: DeviceId,
    /// The tag on its lid.
    pub asset: AssetTag,
    /// Its site.
    pub site: SiteCode,
    /// Its enrolment.
    pub generation: Generation,
    /// Its state, by keyd's last word.
    pub state: Option<ObjectState>,
}

/// How near the end of a visit is, once whoever is at the screen is told.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndsSoon {
    /// Ten minutes or less.
    TenMinutes,
    /// Two minutes or less.
    TwoMinutes,
}

/// The running visit.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct VisitStatus {
    /// Its number.
    pub session: SessionId,
    /// The room.
    pub room: RoomId,
    /// Who is in control.
    pub presence: VisitState,
    /// The key that opened it, or extended it last.
    pub staff_key: Thumbprint,
    /// The lease in use: 0 for the first.
    pub seq: u32,
    /// Milliseconds until the gate closes if nothing else comes.
    pub closes_in_ms: u64,
    /// Milliseconds until it closes whatever comes.
    pub hard_end_in_ms: u64,
    /// The same as a time, by keyd's clock.
    pub hard_end: Timestamp,
    /// Whether the last word to keyd was answered.
    pub service_reachable: bool,
    /// Whether its end is near.
    pub ends_soon: Option<EndsSoon>,
    /// Whether it may only be finished: a stop waits for its end, or the laptop has changed.
    pub finishing: bool,
    /// Why, where the laptop has changed.
    pub finish: Option<Code>,
    /// Whether the laptop has slept, so that there is no picture until it was checked anew.
    pub dark: bool,
    /// Where the security key is to be.
    pub key: Presence,
    /// How long the security key may still be out, if it is and must not be.
    pub key_wanted_in_ms: Option<u64>,
}

/// A security key that is plugged in.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeyStatus {
    /// Its serial number.
    pub serial: TokenSerial,
    /// Its firmware.
    pub firmware: Firmware,
    /// The reader it is in.
    pub reader: String,
}

/// A line that somebody has sent to the people in front of this laptop.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// In which role.
    pub by: Role,
    /// When, by keyd's clock.
    pub at: Timestamp,
    /// What they read.
    pub text: Note,
}

/// How things stand.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Where the laptop stands.
    pub state: State,
    /// One line for the person at the screen.
    pub heading: String,
    /// What that means, and what to do.
    pub body: String,
    /// Why, where something is wrong: for the person whom staff ring.
    pub reason: Option<Refusal>,
    /// What somebody wants to tell the people in front of the laptop.
    pub line: Option<Line>,
    /// The laptop.
    pub laptop: Option<LaptopStatus>,
    /// The running visit.
    pub visit: Option<VisitStatus>,
    /// The security keys that are plugged in, the last one first.
    pub keys: Vec<KeyStatus>,
    /// Whether the gate is connected and believes keyd.
    pub gate: bool,
    /// Whether a stop stands in the gate.
    pub latched: bool,
    /// The stops that stand in the gate.
    pub holds: Vec<Hold>,
    /// Whether something keeps the laptop awake while a room is open, by the gate's last word.
    pub awake: Option<Awake>,
    /// The last order that the gate acted on.
    pub last_order: OrderSeq,
    /// Whether orders reach the laptop at once.
    pub linked: bool,
    /// The trust bundle in use.
    pub bundle: Option<BundleVersion>,
    /// Receipts and ends that keyd has not recorded yet.
    pub outbox: usize,
    /// How long the last activation took.
    pub last_activation: Option<Timing>,
}

/// What the agent says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Word {
    /// The PIN of this security key is wanted.
    PinWanted {
        /// Its serial number.
        serial: TokenSerial,
        /// How often it may still be wrong.
        tries_left: u8,
        /// Whether one was wrong just now.
        wrong: bool,
    },
    /// A touch is wanted.
    TouchWanted {},
    /// Key and laptop are being checked.
    Checking {},
    /// The room is open.
    Opened {
        /// The visit.
        session: SessionId,
        /// The room.
        room: RoomId,
        /// How long it took.
        timing: Timing,
    },
    /// The visit has more time.
    Extended {
        /// The visit.
        session: SessionId,
        /// When it ends now, by keyd's clock.
        hard_end: Timestamp,
    },
    /// No visit is open any more.
    Ended {
        /// The visit that was ended by this, if one was open.
        session: Option<SessionId>,
    },
    /// The lease was renewed.
    Renewed {
        /// The lease in use now.
        seq: u32,
        /// Milliseconds until the gate closes if nothing else comes.
        closes_in_ms: u64,
    },
    /// The state was read again.
    Reloaded {},
    /// How things stand.
    Status(Box<Status>),
    /// No.
    Refused(Refusal),
    /// It cannot be told.
    Fault {
        /// What failed, for operators.
        what: String,
    },
}

impl Word {
    /// Whether nothing more follows it, except while watching.
    pub const fn is_last(&self) -> bool {
        match self {
            Self::PinWanted { .. } | Self::TouchWanted {} | Self::Checking {} => false,
            Self::Opened { .. }
            | Self::Extended { .. }
            | Self::Ended { .. }
            | Self::Renewed { .. }
            | Self::Reloaded {}
            | Self::Status(_)
            | Self::Refused(_)
            | Self::Fault { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_travels_and_does_not_print() {
        let text = r#"{"pin":{"pin":"583619"}}"#;
        let request: Request = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&request).unwrap(), text);
        assert!(!format!("{request:?}").contains("583619"));
    }

    #[test]
    fn whatever_is_not_exactly_a_request_is_refused() {
        for wrong in [
            "{}",
            "null",
            r#"{"end":{"now":1}}"#,
            r#"{"pin":{}}"#,
            r#"{"open":{}}"#,
        ] {
            assert!(serde_json::from_str::<Request>(wrong).is_err(), "{wrong}");
        }
    }
}
