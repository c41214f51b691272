//! Notifications: what keyd tells another service when something was stopped or let back in
//! (`docs/operations/webhooks.md`). No name of a person is in them, and no note.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bytes::Sha256;
use crate::ids::{DeviceId, SessionId};
use crate::jws::Message;
use crate::key::Thumbprint;
use crate::limits;
use crate::names::SiteCode;
use crate::time::Timestamp;

/// What happened.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum NotifiedEvent {
    /// Something was reported lost or stolen, and stopped.
    Lost,
    /// Something was stopped for another reason, or taken out of use for good.
    Stopped,
    /// Something that was stopped may be used again.
    Reinstated,
    /// A site's spare key was used.
    SpareKeyUsed,
    /// Something unusual that somebody should look at.
    Alert,
}

impl NotifiedEvent {
    /// All events.
    pub const ALL: [Self; 5] = [
        Self::Lost,
        Self::Stopped,
        Self::Reinstated,
        Self::SpareKeyUsed,
        Self::Alert,
    ];

    /// The word in settings and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Stopped => "stopped",
            Self::Reinstated => "reinstated",
            Self::SpareKeyUsed => "spare-key-used",
            Self::Alert => "alert",
        }
    }
}

impl fmt::Display for NotifiedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no event.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not one of lost, stopped, reinstated, spare-key-used, alert")]
pub struct UnknownEvent;

impl FromStr for NotifiedEvent {
    type Err = UnknownEvent;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|event| event.as_str() == word).ok_or(UnknownEvent)
    }
}

/// To what it happened.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum About {
    /// A laptop.
    Laptop {
        /// Its number.
        device: DeviceId,
    },
    /// A security key.
    Key {
        /// Its 9c key.
        key: Thumbprint,
    },
    /// A person; who, is in the record alone.
    Person,
    /// A visit.
    Session {
        /// Its number.
        session: SessionId,
    },
    /// A site.
    Site,
    /// Every site.
    Nation,
}

/// A notification; signed by keyd's answer key.
///
/// It may come twice: `id` tells.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Notification {
    /// The leaf of the entry in the record that it tells of.
    pub id: Sha256,
    /// What happened.
    pub event: NotifiedEvent,
    /// At which site.
    pub site: SiteCode,
    /// To what.
    pub about: About,
    /// When.
    pub at: Timestamp,
    /// keyd's clock when it was sent.
    pub server_time: Timestamp,
}

impl Message for Notification {
    const TYP: &'static str = "wardkey-notification+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}
