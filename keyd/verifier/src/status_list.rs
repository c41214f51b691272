//! Status lists, opened: who made them, which they are, and what stands in them
//! (`docs/protocol/status-lists.md`).
//!
//! # Invariants
//!
//! - A [`VerifiedStatusList`] is what keyd published: the whole list was signed by its status key,
//!   each set of changes followed exactly the epoch and the hash that it names, and the entries have
//!   the hash that was signed last.
//! - No message makes more memory than [`limits`](wardkey_schemas::limits) says.
//! - How old is too old, and which epoch was seen before, is asked by two methods; whoever uses a
//!   list for a decision asks both.
//!
//! # Where to start
//!
//! [`VerifiedStatusList::open_kept`]; [`entries`] for the bits, [`changes`] for what is published in
//! between.

pub mod changes;
pub mod entries;
mod tree;
mod zlib;

use wardkey_schemas::jws::Jws;
use wardkey_schemas::names::Realm;
use wardkey_schemas::status_list::{
    BITS, KeptStatusList, StatusChanges, StatusClass, StatusEpoch, StatusListToken, StatusValue,
};
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};

use self::entries::{Entries, Malformed};
use crate::service::VerifiedServiceKeys;

/// A status list as keyd published it at one epoch.
#[derive(Clone, Debug)]
pub struct VerifiedStatusList {
    class: StatusClass,
    uri: String,
    epoch: StatusEpoch,
    entries: Entries,
    signed_at: Timestamp,
    expires_at: Timestamp,
}

impl VerifiedStatusList {
    /// Opens a whole list of `class` in the installation `realm`.
    ///
    /// # Errors
    ///
    /// `STATUS_SIGNER`, `STATUS_LIST_OTHER`, `STATUS_LIST_MALFORMED`, and those of
    /// [`VerifiedServiceKeys::open`].
    pub fn open(
        list: &Jws<StatusListToken>,
        keys: &VerifiedServiceKeys,
        realm: &Realm,
        class: StatusClass,
    ) -> Result<Self, Refusal> {
        let token = keys.open(list)?.into_message();
        let uri = class.uri(realm);
        require_same(&uri, class, &token.sub, token.class)?;
        let expires_at = end(token.iat, token.exp, token.server_time)?;
        let bits = token.status_list.bits;
        if bits != BITS {
            return Err(Refusal::new(
                Code::StatusListMalformed,
                format!("{bits} bits an entry"),
                format!("{BITS} bits an entry"),
            ));
        }
        let entries =
            Entries::unpack(token.status_list.lst.as_slice(), token.entries).map_err(malformed)?;
        if entries.root() != token.root {
            return Err(other_hash(&entries, token.root, Code::StatusListMalformed));
        }
        Ok(Self {
            class,
            uri,
            epoch: token.epoch,
            entries,
            signed_at: token.server_time,
            expires_at,
        })
    }

    /// The list after these changes, which must follow it.
    ///
    /// # Errors
    ///
    /// `STATUS_SIGNER`, `STATUS_LIST_OTHER`, `STATUS_LIST_BROKEN`, `STATUS_LIST_MALFORMED`; then
    /// neither this list nor the changes are of use: the whole list is fetched again.
    pub fn follow(
        self,
        changes: &Jws<StatusChanges>,
        keys: &VerifiedServiceKeys,
    ) -> Result<Self, Refusal> {
        let said = keys.open(changes)?.into_message();
        require_same(&self.uri, self.class, &said.sub, said.class)?;
        let expires_at = end(said.iat, said.exp, said.server_time)?;
        if said.epoch != self.epoch.next() || said.previous != self.entries.root() {
            return Err(Refusal::new(
                Code::StatusListBroken,
                format!("changes to epoch {} after {}", said.epoch, said.previous),
                format!("epoch {} after {}", self.epoch.next(), self.entries.root()),
            ));
        }
        let moved = changes::unpack(said.changes.as_slice()).map_err(malformed)?;
        let mut entries = self.entries;
        entries.apply(&moved, said.entries).map_err(malformed)?;
        if entries.root() != said.root {
            return Err(other_hash(&entries, said.root, Code::StatusListBroken));
        }
        Ok(Self {
            epoch: said.epoch,
            entries,
            signed_at: said.server_time,
            expires_at,
            ..self
        })
    }

    /// Opens a list that was kept, with all that was published after it.
    ///
    /// # Errors
    ///
    /// Those of [`Self::open`] and [`Self::follow`].
    pub fn open_kept(
        kept: &KeptStatusList,
        keys: &VerifiedServiceKeys,
        realm: &Realm,
        class: StatusClass,
    ) -> Result<Self, Refusal> {
        let list = Self::open(&kept.list, keys, realm, class)?;
        kept.changes
            .iter()
            .try_fold(list, |list, changes| list.follow(changes, keys))
    }

    /// Refuses a list of an earlier epoch than one that was seen.
    ///
    /// # Errors
    ///
    /// `EPOCH_ROLLBACK`: an alarm, never merely an older copy.
    pub fn require_epoch(&self, seen: StatusEpoch) -> Result<(), Refusal> {
        if self.epoch >= seen {
            return Ok(());
        }
        Err(Refusal::new(
            Code::EpochRollback,
            format!("{} at epoch {}", self.class, self.epoch),
            format!("epoch {seen}, which was seen before, or a later one"),
        ))
    }

    /// Refuses a list that is too old to be believed at `now`.
    ///
    /// # Errors
    ///
    /// `STATUS_LIST_EXPIRED`.
    pub fn require_in_time(&self, now: Timestamp) -> Result<(), Refusal> {
        if now < self.expires_at {
            return Ok(());
        }
        Err(Refusal::new(
            Code::StatusListExpired,
            format!("{} of {}", self.class, self.signed_at),
            format!("a list that may be believed after {}", self.expires_at),
        ))
    }

    /// What it is about.
    pub const fn class(&self) -> StatusClass {
        self.class
    }

    /// Which published state it is.
    pub const fn epoch(&self) -> StatusEpoch {
        self.epoch
    }

    /// When keyd signed what it was last changed by.
    pub const fn signed_at(&self) -> Timestamp {
        self.signed_at
    }

    /// Until when it may be believed.
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// All entries.
    pub const fn entries(&self) -> &Entries {
        &self.entries
    }

    /// How the thing with this index stands; nothing if the list has no such entry.
    pub fn value(&self, index: u32) -> Option<StatusValue> {
        self.entries.get(index)
    }
}

fn require_same(
    uri: &str,
    class: StatusClass,
    found_uri: &str,
    found: StatusClass,
) -> Result<(), Refusal> {
    if uri == found_uri && class == found {
        return Ok(());
    }
    Err(Refusal::new(
        Code::StatusListOther,
        format!("{found} of {found_uri}"),
        format!("{class} of {uri}"),
    ))
}

/// The end of a message's time, which must fit its beginning.
fn end(iat: i64, exp: i64, server_time: Timestamp) -> Result<Timestamp, Refusal> {
    let refuse = |found: String| {
        Refusal::new(
            Code::StatusListMalformed,
            found,
            "iat and server_time that agree, and exp after them",
        )
    };
    if iat != server_time.seconds() || exp <= iat {
        return Err(refuse(format!("iat {iat}, exp {exp}, {server_time}")));
    }
    Timestamp::from_seconds(exp).map_err(|_| refuse(format!("exp {exp}")))
}

fn malformed(reason: Malformed) -> Refusal {
    let wanted = "packed entries as the draft and docs/protocol/status-lists.md say";
    Refusal::new(Code::StatusListMalformed, reason, wanted)
}

fn other_hash(entries: &Entries, wanted: impl std::fmt::Display, code: Code) -> Refusal {
    Refusal::new(
        code,
        format!("entries with the hash {}", entries.root()),
        format!("the hash {wanted}, which was signed"),
    )
}
