//! Status lists: how every laptop, key, person and site stands, for whoever wants to check it by
//! themselves (Token Status List, draft-ietf-oauth-status-list; `docs/protocol/status-lists.md`).
//!
//! Two messages: the whole list, and what changed from one epoch to the next.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bytes::{Bytes, Sha256};
use crate::jws::{Jws, Message};
use crate::limits;
use crate::names::Realm;
use crate::time::{Seconds, Timestamp};

/// The media type of a whole list (draft-ietf-oauth-status-list §8.1).
pub const MEDIA_TYPE: &str = "application/statuslist+jwt";

/// Bits of an entry: the draft allows 1, 2, 4 and 8.
pub const BITS: u8 = 2;

/// What a list is about.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum StatusClass {
    /// Laptops.
    Devices,
    /// Security keys, by the key in slot 9c.
    Keys,
    /// People.
    Staff,
    /// Sites.
    Sites,
}

impl StatusClass {
    /// All classes.
    pub const ALL: [Self; 4] = [Self::Devices, Self::Keys, Self::Staff, Self::Sites];

    /// The word in addresses, files and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Devices => "devices",
            Self::Keys => "keys",
            Self::Staff => "staff",
            Self::Sites => "sites",
        }
    }

    /// The address of the list: its `sub`, wherever it is fetched from.
    pub fn uri(self, realm: &Realm) -> String {
        format!("https://keyd.{realm}/v1/status-lists/{self}")
    }
}

impl fmt::Display for StatusClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no class of status list.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not one of devices, keys, staff, sites")]
pub struct UnknownClass;

impl FromStr for StatusClass {
    type Err = UnknownClass;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|class| class.as_str() == word).ok_or(UnknownClass)
    }
}

/// How one thing stands (draft-ietf-oauth-status-list §7.1).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum StatusValue {
    /// 0: in use, and nobody has stopped it.
    Valid,
    /// 1: out of use, for good.
    Revoked,
    /// 2: stopped, or not in use yet, or to be enrolled again.
    Suspended,
    /// 3, which the draft leaves to applications: stopped after the running call.
    Draining,
}

impl StatusValue {
    /// All values, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Valid, Self::Revoked, Self::Suspended, Self::Draining];

    /// The two bits.
    pub const fn number(self) -> u8 {
        match self {
            Self::Valid => 0,
            Self::Revoked => 1,
            Self::Suspended => 2,
            Self::Draining => 3,
        }
    }

    /// The value of the lowest two bits of `number`.
    pub const fn of_bits(number: u8) -> Self {
        match number & 0b11 {
            0 => Self::Valid,
            1 => Self::Revoked,
            2 => Self::Suspended,
            _ => Self::Draining,
        }
    }

    /// The word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Revoked => "revoked",
            Self::Suspended => "suspended",
            Self::Draining => "draining",
        }
    }
}

impl fmt::Display for StatusValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The number of a published state of a list: 1, 2, 3, …; it only rises.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    Deserialize,
    Eq,
    Hash,
    JsonSchema,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
)]
#[serde(transparent)]
pub struct StatusEpoch(u64);

impl StatusEpoch {
    /// Before the first list.
    pub const NONE: Self = Self(0);

    /// Wraps a number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The epoch after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for StatusEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The entries of a list, packed (draft-ietf-oauth-status-list §4.2).
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StatusList {
    /// Bits an entry: 2.
    pub bits: u8,
    /// The entries, lowest bits of each byte first, compressed with DEFLATE in the ZLIB format
    /// (RFC 1950, RFC 1951).
    pub lst: Bytes,
}

/// A whole list; signed by keyd's status key.
///
/// Any reader of the draft can read it; `class`, `epoch`, `entries`, `root` and `server_time` are
/// ours, and such a reader passes over them.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StatusListToken {
    /// The address of the list (RFC 7519 §4.1.2).
    pub sub: String,
    /// When it was signed, in seconds since 1970 (RFC 7519 §4.1.6).
    pub iat: i64,
    /// When it is not to be believed any more, in seconds since 1970 (RFC 7519 §4.1.4).
    pub exp: i64,
    /// How long it may be kept before a newer one is asked for.
    pub ttl: Seconds,
    /// The entries.
    pub status_list: StatusList,
    /// What the list is about.
    pub class: StatusClass,
    /// Which published state this is.
    pub epoch: StatusEpoch,
    /// How many entries there are; what is beyond has no status.
    pub entries: u32,
    /// The hash of the entries (`docs/protocol/status-lists.md`).
    pub root: Sha256,
    /// keyd's clock.
    pub server_time: Timestamp,
}

impl Message for StatusListToken {
    const TYP: &'static str = "statuslist+jwt";
    const MAX: usize = limits::STATUS_LIST_CHARS;
}

/// What changed from one epoch to the next; signed by keyd's status key.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StatusChanges {
    /// The address of the list (RFC 7519 §4.1.2).
    pub sub: String,
    /// When it was signed, in seconds since 1970 (RFC 7519 §4.1.6).
    pub iat: i64,
    /// When the list that it leads to is not to be believed any more (RFC 7519 §4.1.4).
    pub exp: i64,
    /// What the list is about.
    pub class: StatusClass,
    /// The epoch that it leads to; it follows the one before.
    pub epoch: StatusEpoch,
    /// How many entries there are then.
    pub entries: u32,
    /// The entries that changed: gaps and values, compressed as the list is
    /// (`docs/protocol/status-lists.md`).
    pub changes: Bytes,
    /// The hash of the entries before.
    pub previous: Sha256,
    /// The hash of the entries after.
    pub root: Sha256,
    /// keyd's clock.
    pub server_time: Timestamp,
}

impl Message for StatusChanges {
    const TYP: &'static str = "wardkey-status-changes+jwt";
    const MAX: usize = limits::STATUS_CHANGES_CHARS;
}

/// The answer to *what changed since*: one message an epoch, each following the one before.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StatusChain {
    /// The changes, oldest first; none if nothing was published since.
    pub changes: Vec<Jws<StatusChanges>>,
}

/// A list as somebody keeps it: a whole list, and what was published after it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeptStatusList {
    /// The whole list.
    pub list: Jws<StatusListToken>,
    /// What was published after it, oldest first.
    pub changes: Vec<Jws<StatusChanges>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_survives_its_bits() {
        for value in StatusValue::ALL {
            assert_eq!(StatusValue::of_bits(value.number()), value);
            assert_eq!(StatusValue::of_bits(value.number() | 0b1100), value);
        }
    }

    #[test]
    fn a_class_is_read_from_its_word_alone() {
        for class in StatusClass::ALL {
            assert_eq!(class.as_str().parse(), Ok(class));
        }
        assert_eq!("Devices".parse::<StatusClass>(), Err(UnknownClass));
    }
}
