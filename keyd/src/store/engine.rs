//! The two engines behind one set of statements, and the small macros that run them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};

use super::audit::Draft;
use super::timeline;
use super::{StoreError, Wake};
use crate::log::recovery::Recovery;

/// The migrations, compiled in.
static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How long a statement waits for a lock or a connection before it gives up.
const WAIT: Duration = Duration::from_secs(5);

/// Connections for reading.
const READERS: u32 = 4;

/// Connections to PostgreSQL: readers, writers, the kill lane and one that listens.
const POSTGRES_CONNECTIONS: u32 = 12;

/// Where the database is: `sqlite:PATH` or `postgres://…`.
#[derive(Clone, Eq, PartialEq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Whether it is PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        self.0.starts_with("postgres")
    }

    /// The text, which may hold a password.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for DatabaseUrl {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if ["sqlite:", "postgres://", "postgresql://"]
            .iter()
            .any(|p| text.starts_with(p))
        {
            return Ok(Self(text.to_owned()));
        }
        Err(StoreError::Address(
            "it must begin with `sqlite:` or `postgres://`".to_owned(),
        ))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_postgres() {
            "DatabaseUrl(postgres)"
        } else {
            "DatabaseUrl(sqlite)"
        })
    }
}

/// Whether an embedded database is made where there is none. Only setting up may: a service that
/// made an empty database because a disk was not mounted would have forgotten every stop.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Make {
    IfMissing,
    Never,
}

/// Pools of one engine.
#[derive(Clone, Debug)]
pub(super) enum Db {
    /// Readers, and the one connection that writes.
    Sqlite { read: SqlitePool, write: SqlitePool },
    /// One pool for all.
    Postgres(PgPool),
}

impl Db {
    /// Opens a database; every connection to PostgreSQL tells `recovery` where it has come to.
    pub(super) async fn connect(
        url: &DatabaseUrl,
        make: Make,
        recovery: &Arc<Recovery>,
    ) -> Result<Self, StoreError> {
        if url.is_postgres() {
            let recovery = Arc::clone(recovery);
            let options = PgConnectOptions::from_str(url.expose())?
                .options([("synchronous_commit", "on"), ("lock_timeout", "5s")]);
            let pool = PgPoolOptions::new()
                .max_connections(POSTGRES_CONNECTIONS)
                .acquire_timeout(WAIT)
                .test_before_acquire(false)
                .after_connect(move |connection, _| {
                    let recovery = Arc::clone(&recovery);
                    Box::pin(async move {
                        let found: (String,) = sqlx::query_as(timeline::QUERY)
                            .fetch_one(connection)
                            .await?;
                        recovery.see(found.0);
                        Ok(())
                    })
                })
                .connect_with(options)
                .await?;
            return Ok(Self::Postgres(pool));
        }
        // A WAL with `synchronous=FULL` is on disk before a commit returns.
        let options = SqliteConnectOptions::from_str(url.expose())?
            .create_if_missing(make == Make::IfMissing)
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
        let write = pool(1).connect_with(options.clone()).await?;
        let read = pool(READERS).connect_with(options.read_only(true)).await?;
        Ok(Self::Sqlite { read, write })
    }

    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite",
            Self::Postgres(_) => "postgresql",
        }
    }

    /// Begins a transaction that may write.
    pub(super) async fn begin(&self, recovery: &Arc<Recovery>) -> Result<Tx, StoreError> {
        let inner = match self {
            Self::Sqlite { write, .. } => {
                TxInner::Sqlite(write.begin_with("begin immediate").await?)
            }
            Self::Postgres(pool) => TxInner::Postgres(pool.begin().await?),
        };
        Ok(Tx {
            inner,
            drafts: Vec::new(),
            wakes: Vec::new(),
            cuts: false,
            recovery: Arc::clone(recovery),
        })
    }

    pub(super) async fn migrate(&self) -> Result<(i64, i64), StoreError> {
        let (before, _) = self.schema_versions().await?;
        match self {
            Self::Sqlite { write, .. } => MIGRATIONS.run(write).await?,
            Self::Postgres(pool) => {
                // One word for byte strings in both dialects.
                sqlx::query(
                    "do $$ begin create domain blob as bytea; \
                     exception when duplicate_object then null; end $$",
                )
                .execute(pool)
                .await?;
                MIGRATIONS.run(pool).await?;
            }
        }
        super::guards::set(self).await?;
        let (after, _) = self.schema_versions().await?;
        Ok((before, after))
    }

    pub(super) async fn schema_versions(&self) -> Result<(i64, i64), StoreError> {
        let wanted = MIGRATIONS
            .iter()
            .map(|migration| migration.version)
            .max()
            .unwrap_or(0);
        let exists = match self {
            Self::Sqlite { read, .. } => {
                let sql = "select count(*) from sqlite_master where name = '_sqlx_migrations'";
                sqlx::query_as::<_, (i64,)>(sql).fetch_one(read).await?.0 > 0
            }
            Self::Postgres(pool) => {
                let sql = "select count(*) from information_schema.tables \
                           where table_name = '_sqlx_migrations'";
                sqlx::query_as::<_, (i64,)>(sql).fetch_one(pool).await?.0 > 0
            }
        };
        if !exists {
            return Ok((0, wanted));
        }
        let sql = "select coalesce(max(version), 0) from _sqlx_migrations where success";
        let (found,) = match self {
            Self::Sqlite { read, .. } => sqlx::query_as(sql).fetch_one(read).await?,
            Self::Postgres(pool) => sqlx::query_as(sql).fetch_one(pool).await?,
        };
        Ok((found, wanted))
    }

    pub(super) async fn check_schema(&self) -> Result<(), StoreError> {
        let (found, wanted) = self.schema_versions().await?;
        if found != wanted {
            return Err(StoreError::Schema { found, wanted });
        }
        super::guards::check(self).await
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// A transaction, with the audit entries and wakes that its works have asked for.
#[derive(Debug)]
pub struct Tx {
    pub(super) inner: TxInner,
    pub(super) drafts: Vec<Draft>,
    pub(super) wakes: Vec<Wake>,
    /// Whether a visit was ended, so that its laptop has to be cut from its room.
    pub(super) cuts: bool,
    recovery: Arc<Recovery>,
}

#[derive(Debug)]
pub(super) enum TxInner {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    /// Whether what lets in waits for a witness.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Puts an entry into the record; its place and leaf are known after the commit.
    pub fn audit(&mut self, draft: Draft) {
        self.drafts.push(draft);
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        match self.inner {
            TxInner::Sqlite(inner) => inner.commit().await?,
            TxInner::Postgres(inner) => inner.commit().await?,
        }
        Ok(())
    }

    pub(super) async fn rollback(self) -> Result<(), StoreError> {
        match self.inner {
            TxInner::Sqlite(inner) => inner.rollback().await?,
            TxInner::Postgres(inner) => inner.rollback().await?,
        }
        Ok(())
    }
}

/// Runs a statement in a transaction and gives the number of rows it changed.
macro_rules! execute {
    ($tx:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        match &mut $tx.inner {
            $crate::store::engine::TxInner::Sqlite(inner) => {
                sqlx::query($sql)$(.bind($bind))*.execute(&mut **inner).await
                    .map(|done| done.rows_affected())
            }
            $crate::store::engine::TxInner::Postgres(inner) => {
                sqlx::query($sql)$(.bind($bind))*.execute(&mut **inner).await
                    .map(|done| done.rows_affected())
            }
        }
        .map_err($crate::store::StoreError::from)
    };
}

/// Runs a query in a transaction: `$method` is `fetch_one`, `fetch_optional` or `fetch_all`.
macro_rules! fetch {
    ($tx:expr, $method:ident, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        match &mut $tx.inner {
            $crate::store::engine::TxInner::Sqlite(inner) => {
                sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.$method(&mut **inner).await
            }
            $crate::store::engine::TxInner::Postgres(inner) => {
                sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.$method(&mut **inner).await
            }
        }
        .map_err($crate::store::StoreError::from)
    };
}

/// Runs a query outside a transaction.
macro_rules! read {
    ($store:expr, $method:ident, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        match &$store.db {
            $crate::store::engine::Db::Sqlite { read, .. } => {
                sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.$method(read).await
            }
            $crate::store::engine::Db::Postgres(pool) => {
                sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.$method(pool).await
            }
        }
        .map_err($crate::store::StoreError::from)
    };
}

macro_rules! read_one {
    ($store:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        read!($store, fetch_one, $row, $sql $(, $bind)*)
    };
}

macro_rules! read_optional {
    ($store:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        read!($store, fetch_optional, $row, $sql $(, $bind)*)
    };
}

macro_rules! read_all {
    ($store:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        read!($store, fetch_all, $row, $sql $(, $bind)*)
    };
}
