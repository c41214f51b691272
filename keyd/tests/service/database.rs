//! The service's database, looked at and changed from beside it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, PgPool, Row as _, SqlitePool};
use wardkey_keyd::store::{DatabaseUrl, Store};

/// Where PostgreSQL is, if it takes part.
pub(crate) fn administrator() -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the test command says where PostgreSQL is"
    )]
    std::env::var("WARDKEY_TEST_POSTGRES").ok()
}

/// Makes an empty database on the administrator's server; its address.
pub(crate) async fn fresh_postgres(admin: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    // A server that lives long has databases of processes that had the same number.
    let at = wardkey_fleet::now().millis();
    let name = format!("service_{at}_{}_{number}", std::process::id());
    let pool = PgPool::connect(admin).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("create database {name}")))
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    // postgres://user@host:port/NAME?options; a folder among the options has slashes of its own.
    let (address, options) = admin.split_once('?').unwrap_or((admin, ""));
    let (server, _) = address.rsplit_once('/').unwrap();
    format!("{server}/{name}?{options}")
}

/// The service's database.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Every row of every table, each as one line of text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Dump(BTreeMap<String, Vec<String>>);

/// What differs between two dumps: for each table that does, how many rows went and how many came.
pub(crate) type Differences = BTreeMap<String, (usize, usize)>;

impl Dump {
    /// What differs between this dump and a later one.
    pub(crate) fn until(&self, later: &Self) -> Differences {
        assert!(self.0.keys().eq(later.0.keys()));
        self.0
            .iter()
            .zip(later.0.values())
            .filter_map(|((table, before), after)| {
                let missing = |from: &[String], of: &[String]| {
                    from.iter().filter(|row| !of.contains(row)).count()
                };
                let (gone, new) = (missing(before, after), missing(after, before));
                (gone > 0 || new > 0).then(|| (table.clone(), (gone, new)))
            })
            .collect()
    }
}

impl Database {
    pub(crate) async fn open(url: &str) -> Self {
        if url.starts_with("postgres") {
            return Self::Postgres(PgPool::connect(url).await.unwrap());
        }
        Self::Sqlite(SqlitePool::connect(url).await.unwrap())
    }

    /// Changes something, as time or another hand would.
    pub(crate) async fn change(&self, sql: &str) -> u64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(pool) => sqlx::query(sql)
                .execute(pool)
                .await
                .unwrap()
                .rows_affected(),
            Self::Postgres(pool) => sqlx::query(sql)
                .execute(pool)
                .await
                .unwrap()
                .rows_affected(),
        }
    }

    /// The first column of every row, as numbers.
    pub(crate) async fn numbers(&self, sql: &str) -> Vec<i64> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(pool) => sqlx::query_scalar(sql).fetch_all(pool).await.unwrap(),
            Self::Postgres(pool) => sqlx::query_scalar(sql).fetch_all(pool).await.unwrap(),
        }
    }

    /// The one number that a query gives.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let numbers = self.numbers(sql).await;
        assert_eq!(numbers.len(), 1, "{sql}");
        numbers[0]
    }

    /// The first column of every row, as text.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(pool) => sqlx::query_scalar(sql).fetch_all(pool).await.unwrap(),
            Self::Postgres(pool) => sqlx::query_scalar(sql).fetch_all(pool).await.unwrap(),
        }
    }

    async fn tables(&self) -> Vec<String> {
        match self {
            Self::Sqlite(_) => {
                let sql = "select name from sqlite_master where type = 'table' \
                           and name not like 'sqlite_%' order by name";
                self.texts(sql).await
            }
            Self::Postgres(_) => {
                let sql = "select table_name::text from information_schema.tables \
                           where table_schema = 'public' order by table_name";
                self.texts(sql).await
            }
        }
    }

    /// Every row of every table, but those that the publisher of status lists and the sender of
    /// notifications write at their own pace.
    pub(crate) async fn dump(&self) -> Dump {
        const PUBLISHED: [&str; 5] = [
            "notification",
            "status_change",
            "status_epoch",
            "status_head",
            "status_whole",
        ];
        let mut dump = BTreeMap::new();
        let tables = self.tables().await.into_iter();
        for table in tables.filter(|table| !PUBLISHED.contains(&table.as_str())) {
            let mut rows = self.rows_of(&table).await;
            rows.sort_unstable();
            dump.insert(table, rows);
        }
        Dump(dump)
    }

    async fn rows_of(&self, table: &str) -> Vec<String> {
        let Self::Sqlite(pool) = self else {
            let sql = format!("select row_to_json(t)::text from \"{table}\" t");
            return self.texts(&sql).await;
        };
        let columns = sqlx::query(AssertSqlSafe(format!("pragma table_info(\"{table}\")")))
            .fetch_all(pool)
            .await
            .unwrap();
        let quoted: Vec<String> = columns
            .iter()
            .map(|column| format!("quote(\"{}\")", column.get::<String, _>("name")))
            .collect();
        let sql = format!("select {} from \"{table}\"", quoted.join(" || ',' || "));
        self.texts(&sql).await
    }

    /// What must be true of all tables together, whatever has happened to the service.
    pub(crate) async fn check_invariants(&self, url: &str) {
        let none = |what: &'static str, sql: &'static str| async move {
            assert_eq!(self.number(sql).await, 0, "{what}");
        };
        none(
            "a laptop's counters are its standing holds",
            "select count(*) from device d where \
             d.holds <> (select count(*) from hold h where h.target_kind = 'laptop' \
               and h.target = d.device_id and h.lifted_at is null and h.mode = 'immediate') \
             or d.drains <> (select count(*) from hold h where h.target_kind = 'laptop' \
               and h.target = d.device_id and h.lifted_at is null and h.mode = 'after-this-call')",
        )
        .await;
        none(
            "a key's counters are its standing holds",
            "select count(*) from staff_key k where \
             k.holds <> (select count(*) from hold h where h.target_kind = 'key' \
               and h.target = k.key and h.lifted_at is null and h.mode = 'immediate') \
             or k.drains <> (select count(*) from hold h where h.target_kind = 'key' \
               and h.target = k.key and h.lifted_at is null and h.mode = 'after-this-call')",
        )
        .await;
        none(
            "orders to a laptop have no gap, and the laptop's row knows the last",
            "select count(*) from device d where \
             d.order_seq <> (select count(*) from device_order o where o.device_id = d.device_id) \
             or d.order_seq <> coalesce((select max(seq) from device_order o \
               where o.device_id = d.device_id), 0)",
        )
        .await;
        none(
            "no visit runs on a laptop or with a key that is stopped at once",
            "select count(*) from session s join device d on d.device_id = s.device_id \
             join staff_key k on k.key = s.key join person p on p.person_id = k.person_id \
             join site t on t.site = s.site cross join nation n where s.ended_at is null \
             and (d.holds > 0 or d.state <> 'active' or k.holds > 0 \
             or p.holds > 0 or t.holds > 0 or n.holds > 0)",
        )
        .await;
        let standing = |kind: &str, mode: &str| {
            format!(
                "(select count(*) from hold h where h.target_kind = '{kind}' \
                 and h.lifted_at is null and h.mode = '{mode}')"
            )
        };
        for table in ["person", "site", "nation"] {
            for (column, mode) in [("holds", "immediate"), ("drains", "after-this-call")] {
                let counted =
                    format!("select cast(coalesce(sum({column}), 0) as bigint) from {table}");
                let stand = standing(table, mode);
                assert_eq!(
                    self.number(&counted).await,
                    self.number(&format!("select {stand}")).await,
                    "what the rows of {table} count is what stands"
                );
            }
        }
        none(
            "every visit lists its key, and none runs of which a listed key is stopped at once",
            "select count(*) from session s where not exists (select 1 from session_key x \
             where x.session_id = s.session_id and x.key = s.key) \
             or (s.ended_at is null and exists (select 1 from session_key x \
             join staff_key k on k.key = x.key where x.session_id = s.session_id \
             and k.holds > 0))",
        )
        .await;
        none(
            "a key that is out of use for good was revoked by a hold, or its holder has left",
            "select count(*) from staff_key k where k.revoked = 1 and not exists (select 1 \
             from hold h where h.class = 'revoked' and h.target in (k.key, k.person_id)) \
             and not exists (select 1 from key_grant g where g.key = k.key \
             and g.left_at is not null)",
        )
        .await;
        none(
            "no laptop has two visits, and no key",
            "select count(*) from session a join session b on a.session_id < b.session_id \
             where a.ended_at is null and b.ended_at is null \
             and (a.device_id = b.device_id or a.key = b.key)",
        )
        .await;
        none(
            "what was revoked stays revoked",
            "select count(*) from hold h where h.class = 'revoked' and (h.lifted_at is not null \
             or (h.target_kind = 'laptop' and not exists (select 1 from device d \
                where d.device_id = h.target and d.state = 'revoked')) \
             or (h.target_kind = 'person' and exists (select 1 from staff_key k \
                where k.person_id = h.target and k.revoked = 0)) \
             or (h.target_kind = 'key' and not exists (select 1 from staff_key k \
                where k.key = h.target and k.revoked = 1)))",
        )
        .await;
        none(
            "a visit has its challenge spent and its room",
            "select count(*) from session s where not exists \
             (select 1 from room r where r.room_id = s.room_id and r.site = s.site)",
        )
        .await;
        none(
            "an announced or issued registration has no secret left, and names what was announced",
            "select count(*) from registration where stage <> 'open' \
             and (secret is not null or certificates is null)",
        )
        .await;
        none(
            "a laptop past its announcement has certificates",
            "select count(*) from device where state in ('pending', 'active', 'quarantine') \
             and (device_certificate is null or ak_certificate is null)",
        )
        .await;
        for (what, table, event) in [
            ("visit", "session", "session.started"),
            (
                "hold on a laptop",
                "hold where target_kind = 'laptop'",
                "laptop.",
            ),
            ("hold on a key", "hold where target_kind = 'key'", "key."),
            (
                "hold on a person",
                "hold where target_kind = 'person'",
                "person.",
            ),
            ("hold on a site", "hold where target_kind = 'site'", "site."),
            (
                "hold on the nation",
                "hold where target_kind = 'nation'",
                "nation.",
            ),
        ] {
            let rows = self.number(&format!("select count(*) from {table}")).await;
            let suffixes = ["", "stopped", "revoked"].map(|s| format!("'{event}{s}'"));
            let entries = format!(
                "select count(*) from audit where event in ({}) and code is null",
                suffixes.join(", ")
            );
            assert_eq!(
                self.number(&entries).await,
                rows,
                "every {what} has its entry"
            );
        }
        check_record(url).await;
    }
}

/// Walks the whole record as `keyd doctor` does.
pub(crate) async fn check_record(url: &str) -> u64 {
    let url: DatabaseUrl = url.parse().unwrap();
    let (wake, _wakes) = tokio::sync::mpsc::unbounded_channel();
    let store = Store::open(&url, wake).await.unwrap();
    let (entries, _) = store.check_record().await.unwrap();
    let strays = store.status_strays().await.unwrap();
    assert_eq!(strays, 0, "a status list says something else than the rows");
    store.close().await;
    entries
}
