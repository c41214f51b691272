//! Reading: lists for people, asked with a key that a person's security key vouched for.
//!
//! Nobody touches a token for each list. A person signs once ([`crate::action::Act::OpenReader`])
//! that a key in their program's memory may read for a quarter of an hour; that key signs each
//! [`Query`]. A counter that only grows makes a recorded query worthless.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::{OrderSent, Target};
use crate::alert::AlertRow;
use crate::bytes::Sha256;
use crate::delivery::DeliveryRow;
use crate::ids::{
    ApprovalId, DeviceId, Generation, OrderId, OrderSeq, PersonId, ReaderId, RoomId, SessionId,
};
use crate::jws::Message;
use crate::key::Thumbprint;
use crate::limits;
use crate::names::{AssetTag, DisplayName, Firmware, SiteCode, TokenSerial};
use crate::order::{Hold, Mode, SignedAct};
use crate::policy::{Policy, PolicyVersion};
use crate::role::Role;
use crate::status::ObjectState;
use crate::time::{Seconds, Timestamp};

/// The longest that a reader key may read.
pub const READER_LASTS_MOST: Seconds = Seconds::new(15 * 60);

/// What is asked.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Question {
    /// The site's laptops.
    Laptops,
    /// The site's security keys.
    Keys,
    /// The site's visits, newest first.
    Sessions,
    /// The orders to one laptop, newest first.
    Orders {
        /// The laptop.
        device: DeviceId,
    },
    /// How far orders have come, those of one act or of many.
    Delivery {
        /// The orders, at most [`limits::DELIVERIES`].
        orders: Vec<OrderSent>,
    },
    /// The site's record, newest first.
    Record {
        /// Only entries before this one; absent for the newest.
        before: Option<u64>,
    },
    /// The site's policy.
    Policy,
    /// What a stop would do, without doing it.
    Impact {
        /// What would be stopped.
        target: Target,
        /// When it would take effect.
        mode: Mode,
    },
    /// What waits for a second person, newest first.
    Requests,
    /// What somebody should look at, newest first.
    Alerts,
}

impl Question {
    /// The word for metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Laptops => "laptops",
            Self::Keys => "keys",
            Self::Sessions => "sessions",
            Self::Orders { .. } => "orders",
            Self::Delivery { .. } => "delivery",
            Self::Record { .. } => "record",
            Self::Policy => "policy",
            Self::Impact { .. } => "impact",
            Self::Requests => "requests",
            Self::Alerts => "alerts",
        }
    }
}

/// A question; signed by the reader key.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// The permission.
    pub reader: ReaderId,
    /// Higher than in every question before.
    pub counter: u64,
    /// The site that is asked about, where it is not the reader's own; national people may name any.
    pub about: Option<SiteCode>,
    /// The question.
    pub question: Question,
}

impl Message for Query {
    const TYP: &'static str = "wardkey-query+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}

/// One laptop.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LaptopRow {
    /// Its number.
    pub device: DeviceId,
    /// The tag on its lid.
    pub asset: AssetTag,
    /// Its enrolment.
    pub generation: Generation,
    /// Its state.
    pub state: ObjectState,
    /// The holds on it.
    pub holds: Vec<Hold>,
    /// When it last spoke with keyd.
    pub last_seen: Option<Timestamp>,
    /// Whether a link to it stands at the node that answers.
    pub linked: bool,
    /// Its running visit.
    pub session: Option<SessionId>,
}

/// One security key.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRow {
    /// Its 9c key.
    pub key: Thumbprint,
    /// The serial number printed on it.
    pub serial: TokenSerial,
    /// Its firmware.
    pub firmware: Firmware,
    /// Whose it is.
    pub person: PersonId,
    /// What colleagues call them.
    pub name: DisplayName,
    /// Their role.
    pub role: Role,
    /// Whether it is the site's spare: each use of it is told.
    pub spare: bool,
    /// Its state.
    pub state: ObjectState,
    /// When its holder left the site.
    pub left: Option<Timestamp>,
    /// The holds on it.
    pub holds: Vec<Hold>,
    /// When it was last used.
    pub last_used: Option<Timestamp>,
}

/// One visit.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SessionRow {
    /// Its number.
    pub session: SessionId,
    /// The laptop.
    pub device: DeviceId,
    /// The tag on its lid.
    pub asset: AssetTag,
    /// The key in control: the one that activated it, or took over last.
    pub staff_key: Thumbprint,
    /// The keys that were in control before, the first one first. A stop of any of them ends it.
    pub earlier_keys: Vec<Thumbprint>,
    /// The room.
    pub room: RoomId,
    /// When it began.
    pub started_at: Timestamp,
    /// When it must end.
    pub hard_end: Timestamp,
    /// When the laptop must stop at the latest if nothing reaches it any more.
    pub cannot_run_past: Timestamp,
    /// How often it was renewed.
    pub renewals: u32,
    /// Where it stands, as the laptop last said.
    pub state: String,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it ended.
    pub end_reason: Option<String>,
    /// The visit that ended for this one to go on in its room, if it was moved.
    pub moved_from: Option<SessionId>,
}

impl SessionRow {
    /// Whether this key is or was in control of it.
    pub fn lists(&self, key: &Thumbprint) -> bool {
        self.staff_key == *key || self.earlier_keys.contains(key)
    }
}

/// One order and what became of it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OrderRow {
    /// Its number.
    pub order: OrderId,
    /// Its place.
    pub seq: OrderSeq,
    /// The laptop.
    pub device: DeviceId,
    /// What it says: stop, end-session, resume or message.
    pub command: String,
    /// When it was on record.
    pub committed_at: Timestamp,
    /// When it was first put on a link or into an answer.
    pub sent_at: Option<Timestamp>,
    /// When the laptop received it, by its signed receipt.
    pub received_at: Option<Timestamp>,
    /// When the laptop acted on it, by its signed receipt.
    pub acted_at: Option<Timestamp>,
    /// What the laptop said.
    pub result: Option<String>,
    /// While there is no receipt: when the laptop must have stopped at the latest.
    pub cannot_run_past: Option<Timestamp>,
}

/// One entry of the record.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RecordRow {
    /// Its place.
    pub place: u64,
    /// When.
    pub at: Timestamp,
    /// The site.
    pub site: SiteCode,
    /// What happened.
    pub event: String,
    /// Who did it: a key's thumbprint, a laptop's number, or a part of the system.
    pub actor: String,
    /// To what.
    pub target: String,
    /// The refusal code, where the answer was no.
    pub code: Option<String>,
    /// The hash of its leaf (RFC 6962 §2.1).
    pub leaf: Sha256,
    /// The hash of the entry before.
    pub previous: Sha256,
}

/// How long things last at the site.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRow {
    /// The version of the site's own policy; 0 if it has none.
    pub version: PolicyVersion,
    /// The site's own policy.
    pub own: Option<Policy>,
    /// Since when.
    pub set_at: Option<Timestamp>,
    /// The installation's policy.
    pub installation: Policy,
    /// What is in force: the stricter of both, parameter by parameter.
    pub in_force: Policy,
}

/// A running visit that a stop would touch.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TouchedVisit {
    /// The visit.
    pub session: SessionId,
    /// The laptop.
    pub device: DeviceId,
    /// The tag on its lid.
    pub asset: AssetTag,
    /// Its site.
    pub site: SiteCode,
    /// When it began.
    pub started_at: Timestamp,
    /// When it would end at the latest under this stop, whether or not the laptop is reached.
    pub ends_by: Timestamp,
}

/// What a stop would do.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Impact {
    /// How many laptops could start nothing new; 0 where a key or a person is stopped.
    pub laptops: u64,
    /// How many security keys could start nothing new; 0 where laptops are stopped.
    pub keys: u64,
    /// How many running visits it would touch.
    pub visits: u64,
    /// Those visits, by laptop; the first of them where there are many.
    pub touched: Vec<TouchedVisit>,
    /// The holds that stand on it already.
    pub standing: Vec<Hold>,
    /// The roles of which one must agree as second person; empty where the asker may do it alone.
    pub second: Vec<Role>,
}

/// What waits for a second person.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RequestRow {
    /// Its number.
    pub request: ApprovalId,
    /// The site of the person who asked.
    pub site: SiteCode,
    /// What they signed, so that whoever agrees reads it themselves.
    pub act: SignedAct,
    /// What colleagues call them.
    pub name: DisplayName,
    /// When they asked.
    pub requested_at: Timestamp,
    /// Until when it waits.
    pub expires_at: Timestamp,
}

/// The answer to a question.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Answer {
    /// Laptops.
    Laptops(Vec<LaptopRow>),
    /// Security keys.
    Keys(Vec<KeyRow>),
    /// Visits.
    Sessions(Vec<SessionRow>),
    /// Orders.
    Orders(Vec<OrderRow>),
    /// How far orders have come.
    Delivery(Vec<DeliveryRow>),
    /// The record.
    Record(Vec<RecordRow>),
    /// The policy.
    Policy(PolicyRow),
    /// What a stop would do.
    Impact(Impact),
    /// What waits for a second person.
    Requests(Vec<RequestRow>),
    /// What somebody should look at.
    Alerts(Vec<AlertRow>),
}
