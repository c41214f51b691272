//! The guards in the database: a hand beside the store moves nothing along an arrow that is not
//! drawn.

use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{AssertSqlSafe, PgPool, SqlitePool};
use wardkey_keyd::states::Step;
use wardkey_keyd::store::{Store, StoreError};
use wardkey_schemas::action::Target;
use wardkey_schemas::order::{HoldClass, Mode};
use wardkey_schemas::role::Role;
use wardkey_schemas::status::ObjectState;

use crate::engines::{TestStore, on_each_engine};
use crate::samples::{add_key, add_laptop, add_sites, laptop, staff};
use crate::stops::{hold, place};

/// The database, without the store.
enum Raw {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Raw {
    async fn open(test: &TestStore) -> Self {
        if test.url.is_postgres() {
            let one = PgPoolOptions::new().max_connections(1);
            return Self::Postgres(one.connect(&test.address).await.unwrap());
        }
        // One connection: what a refused statement leaves open is rolled back on it.
        let one = SqlitePoolOptions::new().max_connections(1);
        Self::Sqlite(one.connect(&test.address).await.unwrap())
    }

    /// Runs statements that begin with `begin` and end with `rollback`, each as it is; the first
    /// that is refused.
    async fn tries(&self, sql: &str) -> Result<u64, String> {
        let sql = AssertSqlSafe(sql.to_owned());
        let rows = match self {
            Self::Sqlite(pool) => sqlx::raw_sql(sql)
                .execute(pool)
                .await
                .map(|d| d.rows_affected()),
            Self::Postgres(pool) => sqlx::raw_sql(sql)
                .execute(pool)
                .await
                .map(|d| d.rows_affected()),
        };
        rows.map_err(|error| error.to_string())
    }

    async fn count(&self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(pool) => sqlx::query_scalar(sql).fetch_one(pool).await.unwrap(),
            Self::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await.unwrap(),
        }
    }
}

#[track_caller]
fn guarded(result: Result<u64, String>) {
    let refused = result.expect_err("the database should refuse this");
    assert!(refused.contains("guard"), "{refused}");
}

/// Statements that bring what is *active* to `state`, along drawn arrows.
fn way(table: &str, state: ObjectState) -> Vec<String> {
    let to = |state: &str| format!("update {table} set state = '{state}'");
    let anew = format!(
        "update {table} set state = 'announced', generation = generation + 1, \
         ak_name = device_key, device_key_thumbprint = ak_name"
    );
    match state {
        ObjectState::Active => Vec::new(),
        ObjectState::Quarantine => vec![to("quarantine")],
        ObjectState::Announced => vec![to("quarantine"), anew],
        ObjectState::Pending => vec![to("quarantine"), anew, to("pending")],
        ObjectState::Revoked => vec![to("revoked")],
    }
}

#[tokio::test]
async fn the_arrows_in_the_database_are_those_of_the_code() {
    on_each_engine(|test| async move {
        let raw = Raw::open(&test).await;
        for from in ObjectState::ALL {
            for to in ObjectState::ALL {
                for kind in ["laptop", "key"] {
                    // A key is never enrolled again: the token gets a new one.
                    let again = kind == "key" && to == ObjectState::Announced;
                    let drawn = Step::new(from, to).is_ok() && !again;
                    let sql = format!(
                        "select count(*) from arrow where kind = '{kind}' \
                         and from_state = '{from}' and to_state = '{to}'"
                    );
                    let found = raw.count(&sql).await;
                    assert_eq!(found, i64::from(drawn), "{kind}: {from} to {to}");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_laptop_moves_along_drawn_arrows_only_whoever_writes() {
    on_each_engine(|test| async move {
        add_sites(&test.store).await;
        add_laptop(&test.store, &laptop(1)).await;
        let raw = Raw::open(&test).await;
        for from in ObjectState::ALL {
            for to in ObjectState::ALL.into_iter().filter(|to| *to != from) {
                let mut sql = vec!["begin".to_owned()];
                sql.extend(way("device", from));
                sql.push(format!("update device set state = '{to}'"));
                let tried = raw.tries(&format!("{}; rollback", sql.join("; "))).await;
                raw.tries("rollback").await.ok();
                let drawn = Step::new(from, to).is_ok() && to != ObjectState::Announced;
                assert_eq!(tried.is_ok(), drawn, "{from} to {to}: {tried:?}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_laptop_that_is_enrolled_again_has_the_next_number_and_other_keys() {
    on_each_engine(|test| async move {
        add_sites(&test.store).await;
        add_laptop(&test.store, &laptop(1)).await;
        let raw = Raw::open(&test).await;
        raw.tries("update device set state = 'quarantine'")
            .await
            .unwrap();
        let same_ak = "device_key_thumbprint = device_key";
        let same_device_key = "ak_name = device_key";
        let both = format!("{same_ak}, {same_device_key}");
        for (generation, keys) in [
            ("generation", both.as_str()),
            ("generation + 2", both.as_str()),
            ("generation - 1", both.as_str()),
            ("generation + 1", same_ak),
            ("generation + 1", same_device_key),
        ] {
            let sql =
                format!("update device set state = 'announced', generation = {generation}, {keys}");
            guarded(raw.tries(&sql).await);
        }
        guarded(
            raw.tries("update device set generation = generation + 1")
                .await,
        );
        let right =
            format!("update device set state = 'announced', generation = generation + 1, {both}");
        raw.tries(&right).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_key_moves_along_drawn_arrows_only_whoever_writes() {
    on_each_engine(|test| async move {
        add_sites(&test.store).await;
        add_key(&test.store, &staff(1, Role::Staff)).await;
        let raw = Raw::open(&test).await;
        for to in ["announced", "pending"] {
            guarded(
                raw.tries(&format!("update key_grant set state = '{to}'"))
                    .await,
            );
        }
        raw.tries("update key_grant set state = 'quarantine'")
            .await
            .unwrap();
        for to in ["announced", "pending", "active"] {
            guarded(
                raw.tries(&format!("update key_grant set state = '{to}'"))
                    .await,
            );
        }
        raw.tries("update key_grant set state = 'revoked'")
            .await
            .unwrap();
        raw.tries("update staff_key set revoked = 1").await.unwrap();
        for to in ["announced", "pending", "active", "quarantine"] {
            guarded(
                raw.tries(&format!("update key_grant set state = '{to}'"))
                    .await,
            );
        }
        guarded(raw.tries("update staff_key set revoked = 0").await);
    })
    .await;
}

#[tokio::test]
async fn what_an_auditor_could_ask_for_is_neither_changed_nor_deleted() {
    on_each_engine(|test| async move {
        let store: &Store = &test.store;
        add_sites(store).await;
        let sample = laptop(1);
        add_laptop(store, &sample).await;
        add_key(store, &staff(1, Role::Staff)).await;
        let target = Target::Laptop { device: sample.id };
        place(store, hold(1, &target, HoldClass::Lost, Mode::Immediate)).await;
        let raw = Raw::open(&test).await;
        for sql in [
            "delete from hold",
            "delete from device",
            "delete from key_grant",
            "delete from staff_key",
            "delete from arrow",
            "update arrow set to_state = 'active'",
            "update hold set class = 'maintenance'",
            "update hold set mode = 'after-this-call'",
            "update hold set by_role = 'staff'",
        ] {
            guarded(raw.tries(sql).await);
        }
        raw.tries("update hold set lifted_at = 5").await.unwrap();
        for sql in [
            "update hold set lifted_at = null",
            "update hold set lifted_at = 6",
        ] {
            guarded(raw.tries(sql).await);
        }
        assert_eq!(store.standing_holds(&target).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn a_database_without_its_guards_is_not_opened_and_migrating_sets_them_again() {
    on_each_engine(|test| async move {
        let raw = Raw::open(&test).await;
        let table = if test.url.is_postgres() {
            " on device"
        } else {
            ""
        };
        raw.tries(&format!("drop trigger device_arrow{table}"))
            .await
            .unwrap();
        let (wakes, _kept) = tokio::sync::mpsc::unbounded_channel();
        let opened = Store::open(&test.url, wakes).await;
        assert!(
            matches!(opened, Err(StoreError::Unguarded("device_arrow"))),
            "{opened:?}"
        );
        Store::migrate(&test.url).await.unwrap();
        let (wakes, _kept) = tokio::sync::mpsc::unbounded_channel();
        let store = Store::open(&test.url, wakes).await.unwrap();
        store.close().await;
    })
    .await;
}
