//! Whether the database is still the one that it was: which PostgreSQL cluster, and which of its
//! timelines. Every promotion and every restore to a point in time begins a new one.
//!
//! Each new connection looks before it is used. After a failover all connections are new, so nothing
//! is written to what has taken over before it is known to be another.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::engine::Db;
use super::{Store, StoreError};

/// The cluster and its timeline; a standby that does not write yet has none.
pub(super) const QUERY: &str = "select (select system_identifier::text from pg_control_system()) \
     || case when pg_is_in_recovery() then '/standby' \
        else '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) end";

/// Where connections have come to.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    at: Mutex<Option<String>>,
    moved: AtomicBool,
}

impl Timeline {
    /// A connection has come to `found`.
    pub(super) fn see(&self, found: String) {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        if at.as_ref().is_some_and(|at| *at != found) {
            self.moved.store(true, Ordering::SeqCst);
        }
        *at = Some(found);
    }
}

impl Store {
    /// Whether the database is another than before, and nobody has noticed yet.
    pub fn has_moved(&self) -> bool {
        self.timeline.moved.load(Ordering::SeqCst)
    }

    /// Whoever had to notice has noticed.
    pub fn moved_noticed(&self) {
        self.timeline.moved.store(false, Ordering::SeqCst);
    }

    /// Looks where the database is now.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn look_whether_it_moved(&self) -> Result<(), StoreError> {
        if let Db::Postgres(pool) = &self.db {
            let (found,): (String,) = sqlx::query_as(QUERY).fetch_one(pool).await?;
            self.timeline.see(found);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_is_noticed_once_and_the_first_look_is_none() {
        let timeline = Timeline::default();
        let moved = || timeline.moved.swap(false, Ordering::SeqCst);
        timeline.see("7/00000001".to_owned());
        timeline.see("7/00000001".to_owned());
        assert!(!moved());
        timeline.see("7/00000002".to_owned());
        assert!(moved());
        timeline.see("7/00000002".to_owned());
        assert!(!moved());
        timeline.see("8/00000002".to_owned());
        assert!(moved());
    }
}
