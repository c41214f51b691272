//! The only SQL of keyd: one text for SQLite and PostgreSQL, over two typed pools.
//!
//! # Invariants
//!
//! - Every change goes through [`Store::write`]: works are grouped into one transaction, each
//!   decision's audit entry is part of it, and nothing is answered before the commit.
//! - A statement that changes state says in its `where` what must be true, and its caller looks at
//!   how many rows it changed; a decision made on an older reading is noticed there.
//! - Locks are taken in one order: nation, site, person, laptops (by id), keys, everything else, the
//!   end of the record.
//! - A row that breaks a rule of the types is [`StoreError::Inconsistent`], never a guess.
//!
//! # Where to start
//!
//! [`work`] for how changes are grouped, [`audit`] for the record, then one file a table.

#[macro_use]
mod engine;

pub mod alerts;
pub mod approvals;
pub mod audit;
pub mod challenges;
pub mod cuts;
pub mod deliveries;
pub mod devices;
pub mod ends;
mod guards;
pub mod holds;
pub mod impact;
pub mod keys;
pub mod leavers;
pub mod logs;
pub mod notifications;
pub mod orders;
pub mod personal;
pub mod policies;
pub mod reach;
pub mod readers;
pub mod registrations;
pub mod replay;
pub mod rows;
pub mod sessions;
pub mod sites;
pub mod status_entries;
pub mod status_lists;
pub mod timeline;
pub mod tree;
pub mod work;

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Notify, mpsc};
use wardkey_schemas::Refusal;
use wardkey_schemas::ids::DeviceId;

pub use self::engine::{DatabaseUrl, Tx};
use self::engine::{Db, Make};
pub use self::work::{Committed, Lane, Work};
use crate::log::recovery::Recovery;

/// Why the store cannot tell or cannot write. Never a refusal: that is an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database did not answer, or refused the statement. Trying again later may help.
    #[error("the database did not do its work")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the database schema cannot be migrated")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The schema is older or newer than this program.
    #[error("the database has schema version {found}; this program needs {wanted}")]
    Schema {
        /// Version found; 0 for an empty database.
        found: i64,
        /// Version wanted.
        wanted: i64,
    },
    /// The database lacks one of the guards that this program sets.
    #[error("the database has no guard `{0}`")]
    Unguarded(&'static str),
    /// A row breaks a rule of the types. Trying again does not help.
    #[error("table {table} holds a value that cannot be: {column}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// The work came to a no half way: nothing of it is written.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// Something else that the work needs failed; nothing of the work is written.
    #[error("something that the change needs has failed")]
    Outside(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// More works wait than the service takes on.
    #[error("too many changes are waiting to be written")]
    Busy,
    /// Another program held the database's file for longer than a writer waits.
    #[error("the database's file is locked by another program")]
    Locked,
    /// The writer has stopped: the service is shutting down.
    #[error("the writer has stopped")]
    Stopped,
    /// The address of the database cannot be used.
    #[error("the database address cannot be used: {0}")]
    Address(String),
}

/// An order that was just committed, on its way to a link at this node.
#[derive(Clone, Debug)]
pub struct Wake {
    /// The laptop.
    pub device: DeviceId,
    /// The order's place.
    pub seq: u64,
    /// The order's envelope.
    pub body: Arc<str>,
    /// When its commit returned; absent where the order was read again.
    pub committed: Option<Instant>,
}

/// The database, with its one way to write.
#[derive(Clone, Debug)]
pub struct Store {
    db: Db,
    writer: work::Writer,
    /// Told after each commit that has ended a visit.
    cuts: Arc<Notify>,
    /// Where its connections have come to, and whether that is to be believed.
    recovery: Arc<Recovery>,
}

impl Store {
    /// Opens the database, which must be migrated, and starts the writers. Orders are handed to
    /// `wakes` right after their commit.
    ///
    /// # Errors
    ///
    /// [`StoreError::Schema`] if the schema is not this program's.
    pub async fn open(
        url: &DatabaseUrl,
        wakes: mpsc::UnboundedSender<Wake>,
    ) -> Result<Self, StoreError> {
        let recovery = Arc::default();
        let db = Db::connect(url, Make::Never, &recovery).await?;
        db.check_schema().await?;
        audit::ensure_head(&db).await?;
        let cuts = Arc::new(Notify::new());
        let writer = work::Writer::start(&db, wakes, &cuts, &recovery);
        Ok(Self {
            db,
            writer,
            cuts,
            recovery,
        })
    }

    /// Makes the database if there is none, brings the schema up to date, and says from which
    /// version to which.
    ///
    /// # Errors
    ///
    /// [`StoreError::Migration`].
    pub async fn migrate(url: &DatabaseUrl) -> Result<(i64, i64), StoreError> {
        let db = Db::connect(url, Make::IfMissing, &Arc::default()).await?;
        let versions = db.migrate().await?;
        audit::ensure_head(&db).await?;
        db.close().await;
        Ok(versions)
    }

    /// The schema version of the database, and that of this program.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`].
    pub async fn schema_versions(url: &DatabaseUrl) -> Result<(i64, i64), StoreError> {
        let db = Db::connect(url, Make::Never, &Arc::default()).await?;
        let versions = db.schema_versions().await;
        db.close().await;
        versions
    }

    /// Runs `work` in a transaction that other works may share, and answers after its commit.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; then nothing of the work is written.
    pub async fn write<W: Work>(
        &self,
        lane: Lane,
        work: W,
    ) -> Result<(W::Out, Committed), StoreError> {
        self.writer.write(lane, work).await
    }

    /// Whether the database answers.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`] if it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        read_one!(self, (i64,), "select cast(1 as bigint)").map(|_| ())
    }

    /// The engine's name, for people.
    pub const fn engine(&self) -> &'static str {
        self.db.name()
    }

    /// Finishes what is being written and closes all connections.
    pub async fn close(&self) {
        self.writer.stop().await;
        self.db.close().await;
    }
}
