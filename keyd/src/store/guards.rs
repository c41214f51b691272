//! Guards in the database itself: what no statement may do, whoever wrote it.
//!
//! States move along drawn arrows only, what was revoked stays revoked, a hold stays what it was
//! placed for and is lifted once, a visit ends once. The code checks all of this before; a guard
//! that speaks is a mistake in the code, or a hand beside it.
//!
//! Triggers have no words that both engines read, so they are not migrations: one file an engine
//! holds all of them, and every `keyd migrate` makes those that are missing.

use super::StoreError;
use super::engine::Db;

const SQLITE: &str = include_str!("guards/sqlite.sql");
const POSTGRES: &str = include_str!("guards/postgres.sql");

/// The triggers, by name.
const NAMES: [&str; 14] = [
    "arrow_is_kept",
    "arrow_stays",
    "device_begins",
    "device_arrow",
    "device_is_kept",
    "grant_begins",
    "grant_arrow",
    "grant_is_kept",
    "key_stays_revoked",
    "key_is_kept",
    "hold_stays",
    "hold_stays_lifted",
    "hold_is_kept",
    "session_stays_ended",
];

/// Makes the guards.
pub(super) async fn set(db: &Db) -> Result<(), StoreError> {
    match db {
        Db::Sqlite { write, .. } => sqlx::raw_sql(SQLITE).execute(write).await.map(drop)?,
        Db::Postgres(pool) => sqlx::raw_sql(POSTGRES).execute(pool).await.map(drop)?,
    }
    Ok(())
}

/// Refuses a database in which a guard is missing.
pub(super) async fn check(db: &Db) -> Result<(), StoreError> {
    let found: Vec<(String,)> = match db {
        Db::Sqlite { read, .. } => {
            sqlx::query_as("select name from sqlite_master where type = 'trigger'")
                .fetch_all(read)
                .await?
        }
        Db::Postgres(pool) => {
            let sql = "select tgname::text from pg_trigger where tgenabled in ('O', 'A') \
                       and tgrelid in (select c.oid from pg_class c join pg_namespace n \
                       on n.oid = c.relnamespace where n.nspname = current_schema())";
            sqlx::query_as(sql).fetch_all(pool).await?
        }
    };
    match NAMES
        .iter()
        .find(|name| !found.iter().any(|(known,)| known == *name))
    {
        None => Ok(()),
        Some(name) => Err(StoreError::Unguarded(name)),
    }
}
