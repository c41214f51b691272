//! What people do, signed with the 9c key on their security key. Who may do what stands in
//! `docs/states.md`.
//!
//! keyd hands out a nonce ([`ActionChallenge`]); the person signs the exact act with it; keyd takes
//! each nonce once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bytes::{Nonce, Sha256};
use crate::ids::{ApprovalId, DeviceId, HoldId, OrderSeq, PersonId, ReaderId, SessionId};
use crate::jws::Message;
use crate::key::{PublicKey, Thumbprint};
use crate::limits;
use crate::names::{AssetTag, Note, SiteCode, TokenSerial};
use crate::order::{HoldClass, Mode, SignedAct};
use crate::phrase::Phrase;
use crate::time::{Seconds, Timestamp};

/// What is stopped, resumed or revoked; each holds the ones before it.
///
/// A visit is ended ([`Act::EndSession`]), never held.
#[derive(Clone, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Target {
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
    /// A person, with all their security keys at every site.
    Person {
        /// Their number.
        person: PersonId,
    },
    /// Every laptop of a site.
    Site {
        /// The site.
        site: SiteCode,
    },
    /// Every laptop of every site.
    Nation,
}

/// One human act. What it says is exactly what is done.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Act {
    /// Confirm an enrolled laptop: phrase and tag are those on its screen and lid.
    ConfirmLaptop {
        /// The laptop.
        device: DeviceId,
        /// The tag on its lid.
        asset: AssetTag,
        /// The phrase on its screen.
        phrase: Phrase,
    },
    /// Confirm an enrolled security key.
    ConfirmKey {
        /// The key.
        key: Thumbprint,
        /// The phrase on the screen where it was enrolled.
        phrase: Phrase,
    },
    /// Stop something: a hold is added.
    Stop {
        /// What.
        target: Target,
        /// Why.
        class: HoldClass,
        /// When.
        mode: Mode,
        /// In the person's own words.
        note: Note,
    },
    /// Report a loss, by what people call the things; both as one report where both are gone.
    ReportLost {
        /// The tag on the laptop's lid.
        laptop: Option<AssetTag>,
        /// The number on the security key.
        key: Option<TokenSerial>,
        /// Whether it was stolen.
        stolen: bool,
        /// Whether somebody may know the PIN of the key.
        pin_may_be_known: bool,
        /// In the person's own words.
        note: Note,
    },
    /// Let it work again: these holds are lifted.
    Resume {
        /// What.
        target: Target,
        /// The holds to lift.
        holds: Vec<HoldId>,
        /// In the person's own words.
        note: Note,
    },
    /// Take back a stop for an everyday reason: by whoever placed it, soon after.
    Undo {
        /// The hold that the stop added.
        hold: HoldId,
        /// In the person's own words.
        note: Note,
    },
    /// Take it out of use for good.
    Revoke {
        /// What.
        target: Target,
        /// In the person's own words.
        note: Note,
    },
    /// End one visit.
    EndSession {
        /// The session.
        session: SessionId,
        /// In the person's own words.
        note: Note,
    },
    /// Say that a security key is the site's spare, or that it is one no longer.
    MarkSpare {
        /// The key.
        key: Thumbprint,
        /// Whether it is.
        spare: bool,
        /// In the person's own words.
        note: Note,
    },
    /// Somebody leaves the site: all their keys are out of use there.
    Leaver {
        /// Who.
        person: PersonId,
        /// In the person's own words.
        note: Note,
    },
    /// Show staff a line on a laptop.
    Message {
        /// The laptop.
        device: DeviceId,
        /// What they read; no names of patients.
        text: Note,
    },
    /// Agree, as the second person, to exactly what another person has signed.
    Agree {
        /// The request that waits.
        request: ApprovalId,
        /// SHA-256 of the envelope of the first person's act.
        act: Sha256,
    },
    /// Let a key in this program's memory read on the person's behalf for a while.
    OpenReader {
        /// The key.
        reader_key: PublicKey,
        /// For how long.
        lasts: Seconds,
    },
}

impl Act {
    /// The word for the record and for metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::ConfirmLaptop { .. } => "confirm-laptop",
            Self::ConfirmKey { .. } => "confirm-key",
            Self::Stop { .. } => "stop",
            Self::ReportLost { .. } => "report-lost",
            Self::Resume { .. } => "resume",
            Self::Revoke { .. } => "revoke",
            Self::Undo { .. } => "undo",
            Self::EndSession { .. } => "end-session",
            Self::MarkSpare { .. } => "mark-spare",
            Self::Leaver { .. } => "leaver",
            Self::Message { .. } => "message",
            Self::Agree { .. } => "agree",
            Self::OpenReader { .. } => "open-reader",
        }
    }

    /// What the person typed; nothing where there is nothing to type, or nothing was typed.
    pub fn note(&self) -> Option<&Note> {
        let note = match self {
            Self::Stop { note, .. }
            | Self::ReportLost { note, .. }
            | Self::Resume { note, .. }
            | Self::Revoke { note, .. }
            | Self::Undo { note, .. }
            | Self::EndSession { note, .. }
            | Self::MarkSpare { note, .. }
            | Self::Leaver { note, .. } => note,
            // The words of a message are kept with its order.
            Self::ConfirmLaptop { .. }
            | Self::ConfirmKey { .. }
            | Self::Message { .. }
            | Self::Agree { .. }
            | Self::OpenReader { .. } => return None,
        };
        (!note.as_str().is_empty()).then_some(note)
    }
}

/// A human act with keyd's nonce; signed by the person's 9c key.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// keyd's nonce.
    pub nonce: Nonce,
    /// The site for which the person acts.
    pub site: SiteCode,
    /// The act.
    pub act: Act,
}

impl Message for Action {
    const TYP: &'static str = "wardkey-action+jwt";
    const MAX: usize = limits::MESSAGE_BYTES;
}

/// A nonce for one human act.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ActionChallenge {
    /// The nonce.
    pub nonce: Nonce,
    /// How long it waits.
    pub expires_in: Seconds,
}

/// The signed act as it is sent.
pub type ActionBody = SignedAct;

/// What became of an act.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Outcome {
    /// Confirmed; it is in use.
    Confirmed,
    /// They have left.
    PersonLeft {
        /// Their keys, out of use at the site from now on.
        keys: Vec<Thumbprint>,
        /// How many visits of theirs run, and are finished within an hour.
        visits: u32,
    },
    /// It is marked.
    SpareMarked {
        /// Whether it is a spare now.
        spare: bool,
    },
    /// Stopped, or revoked.
    Stopped {
        /// The hold that was added.
        hold: HoldId,
        /// The orders that carry it to laptops.
        orders: Vec<OrderSent>,
    },
    /// What was reported lost is stopped.
    ReportedLost {
        /// What was stopped, each by a hold of its own.
        placed: Vec<Placed>,
        /// The orders that carry it to laptops.
        orders: Vec<OrderSent>,
    },
    /// It works again, or some of its holds still stand.
    Resumed {
        /// Holds that still stand.
        remaining: Vec<HoldId>,
        /// The orders that carry it to laptops.
        orders: Vec<OrderSent>,
    },
    /// Waits for a second person.
    WaitsForSecondPerson {
        /// The request to be named by them.
        request: ApprovalId,
        /// SHA-256 of the envelope of the act that waits: what they agree to.
        act: Sha256,
        /// How long it waits.
        expires_in: Seconds,
    },
    /// The visit was ended.
    SessionEnded {
        /// The orders that carry it to laptops.
        orders: Vec<OrderSent>,
    },
    /// The line is on its way to the laptop.
    MessageSent {
        /// The orders that carry it to laptops.
        orders: Vec<OrderSent>,
    },
    /// Reading is allowed.
    ReaderOpened {
        /// The permission.
        reader: ReaderId,
        /// For how long.
        lasts: Seconds,
    },
}

/// A hold and what it was placed on.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Placed {
    /// On what.
    pub target: Target,
    /// The hold.
    pub hold: HoldId,
}

/// An order that an act brought about.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OrderSent {
    /// The laptop.
    pub device: DeviceId,
    /// The order's place.
    pub seq: OrderSeq,
}

/// keyd's answer to an act that was done or put on the list.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ActionAnswer {
    /// What became of it.
    pub outcome: Outcome,
    /// The leaf hash of the audit entry.
    pub leaf: Sha256,
    /// When it was on record.
    pub committed_at: Timestamp,
}
