//! Whether the database is still the one that it was: which PostgreSQL cluster, and which of its
//! timelines. Every promotion and every restore to a point in time begins a new one.
//!
//! Each new connection looks before it is used. After a failover all connections are new, so nothing
//! is written to what has taken over before it is known to be another.

use super::engine::Db;
use super::{Store, StoreError};
use crate::log::recovery::Recovery;

/// The cluster and its timeline; a standby that does not write yet has none.
pub(super) const QUERY: &str = "select (select system_identifier::text from pg_control_system()) \
     || case when pg_is_in_recovery() then '/standby' \
        else '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) end";

impl Store {
    /// Whether what lets in waits for a witness.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Looks where the database is now.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn look_whether_it_moved(&self) -> Result<(), StoreError> {
        if let Db::Postgres(pool) = &self.db {
            let (found,): (String,) = sqlx::query_as(QUERY).fetch_one(pool).await?;
            self.recovery.see(found);
        }
        Ok(())
    }

    /// What says whether a failover can lose what was acknowledged: the standbys that commits wait
    /// for, and how many are connected. Nothing for SQLite.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn failover(&self) -> Result<Option<(String, i64)>, StoreError> {
        let Db::Postgres(pool) = &self.db else {
            return Ok(None);
        };
        let sql = "select current_setting('synchronous_standby_names'), \
                   (select count(*) from pg_stat_replication)";
        Ok(Some(sqlx::query_as(sql).fetch_one(pool).await?))
    }
}
