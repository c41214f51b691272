//! What is published: the next epoch of a class, or its whole list.

use std::sync::Arc;

use wardkey_schemas::bytes::Bytes;
use wardkey_schemas::jws::{Jws, SigningError};
use wardkey_schemas::names::Realm;
use wardkey_schemas::status_list::{
    BITS, StatusChanges, StatusClass, StatusEpoch, StatusList, StatusListToken,
};
use wardkey_schemas::time::Timestamp;
use wardkey_verifier::status_list::changes::{self, Change};
use wardkey_verifier::status_list::entries::{Entries, Malformed};

use super::{BEAT, BELIEVED, FOLD, GAP, TTL};
use crate::app::App;
use crate::store::status_lists::Whole;
use crate::store::{StoreError, Tx, Work};

/// All entries of a class at one epoch, in memory.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    epoch: StatusEpoch,
    entries: Entries,
}

impl Ledger {
    /// A list as it was at an epoch.
    pub const fn new(epoch: StatusEpoch, entries: Entries) -> Self {
        Self { epoch, entries }
    }

    /// Its epoch.
    pub const fn epoch(&self) -> StatusEpoch {
        self.epoch
    }

    /// Its entries.
    pub const fn entries(&self) -> &Entries {
        &self.entries
    }

    /// Lays changes on it, which lead to `epoch`.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if they do not fit.
    pub fn advance(&mut self, epoch: StatusEpoch, changed: &[Change]) -> Result<(), Malformed> {
        let end = changed
            .last()
            .map_or(0, |change| change.index.saturating_add(1));
        let count = self.entries.count().max(end);
        self.entries.apply(changed, count)?;
        self.epoch = epoch;
        Ok(())
    }

    /// Lays the changes of the next epoch on it and says what keyd signs about them.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if they do not fit.
    pub fn next(
        &mut self,
        class: StatusClass,
        realm: &Realm,
        changed: &[Change],
        now: Timestamp,
    ) -> Result<StatusChanges, Malformed> {
        let packed = changes::pack(changed)?;
        let previous = self.entries.root();
        self.advance(self.epoch.next(), changed)?;
        Ok(StatusChanges {
            sub: class.uri(realm),
            iat: now.seconds(),
            exp: now.plus(BELIEVED).seconds(),
            class,
            epoch: self.epoch,
            entries: self.entries.count(),
            changes: Bytes::from(packed),
            previous,
            root: self.entries.root(),
            server_time: now,
        })
    }

    /// What keyd signs about all of it, and the packed entries.
    pub fn whole(
        &self,
        class: StatusClass,
        realm: &Realm,
        now: Timestamp,
    ) -> (StatusListToken, Vec<u8>) {
        let packed = self.entries.pack();
        let token = StatusListToken {
            sub: class.uri(realm),
            iat: now.seconds(),
            exp: now.plus(BELIEVED).seconds(),
            ttl: TTL,
            status_list: StatusList {
                bits: BITS,
                lst: Bytes::from(packed.as_slice()),
            },
            class,
            epoch: self.epoch,
            entries: self.entries.count(),
            root: self.entries.root(),
            server_time: now,
        };
        (token, packed)
    }

    /// Makes and signs the whole list.
    ///
    /// # Errors
    ///
    /// [`SigningError`].
    pub fn fold(
        &self,
        app: &App,
        class: StatusClass,
        now: Timestamp,
    ) -> Result<Whole, SigningError> {
        let (token, packed) = self.whole(class, app.trust().bundle.realm(), now);
        Ok(Whole {
            epoch: self.epoch,
            entries: self.entries.count(),
            packed,
            token: app.signers.status(&token)?,
        })
    }
}

/// What became of a turn to publish.
#[derive(Debug)]
pub struct Published {
    /// The list as it stands now.
    pub ledger: Ledger,
    /// What was signed; nothing if it was not time, or another node was before us.
    pub epoch: Option<(StatusEpoch, Jws<StatusChanges>)>,
}

/// Publishes the next epoch of a class, if it is time.
pub(super) struct Publish {
    pub(super) app: Arc<App>,
    pub(super) class: StatusClass,
    pub(super) now: Timestamp,
    /// The list as this node knows it. A run takes it, so that one that failed half way starts from
    /// the rows the next time.
    pub(super) ledger: Option<Ledger>,
}

impl Work for Publish {
    type Out = Published;

    async fn run(&mut self, tx: &mut Tx) -> Result<Published, StoreError> {
        // A list that has forgotten stops would say that what was stopped may be used.
        tx.require_recovered()?;
        let (class, now) = (self.class, self.now);
        let turn = tx
            .take_status_epoch(class, now, now.minus(GAP), now.minus(BEAT))
            .await?;
        let Some(epoch) = turn else {
            let ledger = match self.ledger.take() {
                Some(ledger) => ledger,
                None => load(tx, class).await?,
            };
            return Ok(Published {
                ledger,
                epoch: None,
            });
        };
        let before = StatusEpoch::new(epoch.number().saturating_sub(1));
        let mut ledger = match self.ledger.take() {
            Some(ledger) if ledger.epoch == before => ledger,
            Some(ledger) if ledger.epoch < before => catch_up(tx, class, ledger, before).await?,
            Some(_) | None => {
                let ledger = load(tx, class).await?;
                catch_up(tx, class, ledger, before).await?
            }
        };
        tx.date_status_changes(class, epoch).await?;
        let changed = tx.status_changes_between(class, before, epoch).await?;
        let said = ledger
            .next(class, self.app.trust().bundle.realm(), &changed, now)
            .map_err(|error| StoreError::Outside(Box::new(error)))?;
        let token = self
            .app
            .signers
            .status(&said)
            .map_err(|error| StoreError::Outside(Box::new(error)))?;
        tx.insert_status_epoch(class, epoch, &said.root, &token)
            .await?;
        Ok(Published {
            ledger,
            epoch: Some((epoch, token)),
        })
    }
}

/// The list as it was when it was made whole last.
async fn load(tx: &mut Tx, class: StatusClass) -> Result<Ledger, StoreError> {
    let Some(whole) = tx.newest_whole_status_list(class).await? else {
        return Ok(Ledger::default());
    };
    let entries = Entries::unpack(&whole.packed, whole.entries)
        .map_err(|error| StoreError::Outside(Box::new(error)))?;
    Ok(Ledger::new(whole.epoch, entries))
}

/// Lays on it what was published since, and looks whether that led to the hash that was signed.
async fn catch_up(
    tx: &mut Tx,
    class: StatusClass,
    mut ledger: Ledger,
    to: StatusEpoch,
) -> Result<Ledger, StoreError> {
    if ledger.epoch == to {
        return Ok(ledger);
    }
    let changed = tx.status_changes_between(class, ledger.epoch, to).await?;
    ledger
        .advance(to, &changed)
        .map_err(|error| StoreError::Outside(Box::new(error)))?;
    if tx.status_root(class, to).await? != Some(ledger.entries.root()) {
        return Err(StoreError::Inconsistent {
            table: "status_epoch",
            column: "root",
        });
    }
    Ok(ledger)
}

/// Takes the turn to make a whole list.
pub(super) struct TakeTurn {
    pub(super) class: StatusClass,
    pub(super) now: Timestamp,
}

impl Work for TakeTurn {
    type Out = bool;

    async fn run(&mut self, tx: &mut Tx) -> Result<bool, StoreError> {
        tx.take_turn_to_fold(self.class, self.now, self.now.minus(FOLD))
            .await
    }
}

/// Keeps a whole list.
pub(super) struct PutWhole {
    pub(super) class: StatusClass,
    pub(super) list: Whole,
}

impl Work for PutWhole {
    type Out = bool;

    async fn run(&mut self, tx: &mut Tx) -> Result<bool, StoreError> {
        tx.put_whole_status_list(self.class, &self.list).await
    }
}
