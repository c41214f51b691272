//! The journal: what the authority's key was about to sign, and what it has signed. The only SQL of
//! this program (SQLite).
//!
//! # Invariants
//!
//! - A row is on disk before the function that wrote it returns (`synchronous=FULL`).
//! - The journal only grows: triggers refuse every change of what was written.
//! - Every intent has at most one outcome; what has none after a crash is finished or given up, and
//!   either way that is written down.
//! - The database must exist: a program that made an empty one because a disk was not mounted would
//!   have forgotten which laptops it knows. [`Journal::create`] is for setting up.
//!
//! # Where to start
//!
//! [`Entry`] is one act of issuing with all that is known of it; [`Ledger`] is how it is written.

mod columns;
mod entries;
mod known;
mod ledger;
#[cfg(test)]
mod tests;
mod trust;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

pub use self::entries::{Entry, IntentId, Planned, Purpose, Registered, State, Vouched};
pub use self::known::KnownLaptop;
pub use self::ledger::{Intent, Ledger};

/// The schema, compiled in.
static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How long a statement waits for another program that writes.
const WAIT: Duration = Duration::from_secs(5);

/// Connections for reading.
const READERS: u32 = 2;

/// Why the journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The database did not do its work.
    #[error("the journal did not do its work")]
    Database(#[from] sqlx::Error),
    /// There is no journal, or one of another program version.
    #[error("the journal `{}` cannot be opened", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row breaks a rule of the types.
    #[error("table {table} of the journal holds a value that cannot be: {column}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
}

/// The journal of one site's authority. Copies share it.
#[derive(Clone, Debug)]
pub struct Journal {
    read: SqlitePool,
    write: SqlitePool,
}

impl Journal {
    /// Makes a new journal, or brings the one that is there up to date.
    ///
    /// # Errors
    ///
    /// [`JournalError::Open`].
    pub async fn create(path: &Path) -> Result<Self, JournalError> {
        Self::connect(path, true).await
    }

    /// Opens the journal, which must exist, and brings its schema up to date.
    ///
    /// # Errors
    ///
    /// [`JournalError::Open`].
    pub async fn open(path: &Path) -> Result<Self, JournalError> {
        Self::connect(path, false).await
    }

    async fn connect(path: &Path, make: bool) -> Result<Self, JournalError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| JournalError::Open {
            path: path.to_owned(),
            source,
        };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(make)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(WAIT);
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(WAIT)
                .test_before_acquire(false)
        };
        let write = pool(1)
            .connect_with(options.clone())
            .await
            .map_err(|error| failed(error.into()))?;
        MIGRATIONS
            .run(&write)
            .await
            .map_err(|error| failed(error.into()))?;
        let read = pool(READERS)
            .connect_with(options.read_only(true))
            .await
            .map_err(|error| failed(error.into()))?;
        Ok(Self { read, write })
    }

    /// Whether the database's own check finds it whole.
    ///
    /// # Errors
    ///
    /// [`JournalError::Database`].
    pub async fn is_whole(&self) -> Result<bool, JournalError> {
        let (found,): (String,) = sqlx::query_as("pragma integrity_check(1)")
            .fetch_one(&self.read)
            .await?;
        Ok(found == "ok")
    }

    /// Finishes what is being written and closes it.
    pub async fn close(&self) {
        self.write.close().await;
        self.read.close().await;
    }
}
