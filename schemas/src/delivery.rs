//! How far an order has come, by everything that is known of it: the laptop's signed receipt, the
//! video platform's list, and the end of the last lease.
//!
//! All times are keyd's: what a laptop says in lengths was counted back from its arrival.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{DeviceId, OrderSeq};
use crate::names::AssetTag;
use crate::order::OrderResult;
use crate::time::Timestamp;

/// How far an order has come.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Delivery {
    /// Nothing ran when the order was given, and nothing starts; the laptop has not said a word.
    CannotStart,
    /// On record; it has not left for the laptop, whose visit ends by itself at the latest then.
    NotReached {
        /// When the visit can no longer run.
        cannot_run_past: Timestamp,
    },
    /// It left for the laptop, which has not answered.
    Sent {
        /// When it left.
        at: Timestamp,
        /// When the visit can no longer run.
        cannot_run_past: Timestamp,
    },
    /// The platform's list shows the laptop out of its room; the laptop has not said that it stopped.
    RemovedFromRoom {
        /// When the list proved it.
        at: Timestamp,
        /// When the visit can no longer run.
        cannot_run_past: Timestamp,
    },
    /// The laptop says that it stopped; that it is out of its room is not proved.
    LaptopStopped {
        /// When it stopped.
        at: Timestamp,
    },
    /// The laptop says that it stopped, and it is in no room.
    Stopped {
        /// When it stopped.
        at: Timestamp,
        /// When the platform's list proved that it is out; absent where no visit ran.
        removed_at: Option<Timestamp>,
    },
    /// The laptop has it; the running visit may finish.
    AfterThisCall {
        /// When it took note.
        at: Timestamp,
    },
    /// Nobody said that it stopped, and its last possible second has passed.
    RanOut {
        /// When the visit could run no longer.
        at: Timestamp,
    },
    /// The laptop has lifted its holds.
    Resumed {
        /// When.
        at: Timestamp,
    },
    /// The line is on the laptop's screen.
    Shown {
        /// When.
        at: Timestamp,
    },
    /// The laptop did not obey.
    Refused {
        /// When.
        at: Timestamp,
    },
    /// On its way, and nothing is to stop: the laptop has not answered.
    Waiting,
}

/// One order, with how far it has come.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryRow {
    /// The laptop.
    pub device: DeviceId,
    /// The tag on its lid.
    pub asset: AssetTag,
    /// The order's place.
    pub seq: OrderSeq,
    /// What it says: stop, end-session or resume.
    pub command: String,
    /// When it was on record.
    pub committed_at: Timestamp,
    /// How far it has come.
    pub delivery: Delivery,
    /// What the laptop said.
    pub result: Option<OrderResult>,
    /// Whether a platform is asked to put the laptop out of its room. Where there is none, that it
    /// is out is not known.
    pub platform: bool,
    /// Why the platform's last answer proved nothing.
    pub trouble: Option<String>,
    /// Whether nothing more is to be waited for.
    pub settled: bool,
}
