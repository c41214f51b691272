//! The record: one row a decision, hash-linked, in the same transaction as the decision.
//!
//! The text of an entry is what is hashed, and its hash is the leaf hash of RFC 6962 §2.1
//! (SHA-256 over 00 and the text), so that a Merkle tree can grow over the same rows. Each entry
//! names the leaf before it. Names of people and notes are not in it, only salted hashes of them
//! ([`super::personal`]).

use std::sync::Arc;

use serde::Serialize;
use wardkey_schemas::Code;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::{DeviceId, PersonId, SessionId};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::query::RecordRow;
use wardkey_schemas::time::Timestamp;

use super::engine::{Db, Tx};
use super::rows::{Column, to_i64};
use super::{Store, StoreError};

/// Who did it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Actor {
    /// A laptop.
    Laptop(DeviceId),
    /// A person, by their key.
    Key(Thumbprint),
    /// A site's authority, by its registrar key.
    Registrar(Thumbprint),
    /// keyd itself.
    Service,
}

/// To what.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Object {
    /// A laptop.
    Laptop(DeviceId),
    /// A key.
    Key(Thumbprint),
    /// A person.
    Person(PersonId),
    /// A visit.
    Session(SessionId),
    /// The site or the installation itself.
    Site,
    /// Every site.
    Nation,
}

pub(super) fn words<T: Serialize>(value: &T) -> String {
    // `{"laptop":"…"}` becomes `laptop …`: one column, easy to read and to search.
    match serde_json::to_value(value) {
        Ok(serde_json::Value::Object(map)) => {
            let words = map
                .iter()
                .map(|(kind, id)| [kind, id.as_str().unwrap_or_default()].join(" "));
            words.collect::<Vec<_>>().join(" ")
        }
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// An entry before it has its place.
#[derive(Clone, Debug)]
pub struct Draft {
    /// When it was decided.
    pub at: Timestamp,
    /// For which site.
    pub site: SiteCode,
    /// What happened: a dotted word, for example `session.activated`.
    pub event: &'static str,
    /// Who did it.
    pub actor: Actor,
    /// To what.
    pub object: Object,
    /// The refusal, where the answer was no.
    pub code: Option<Code>,
    /// Hashes and numbers that make the decision replayable; never names or notes.
    pub detail: serde_json::Value,
}

/// The text that is hashed.
#[derive(Serialize)]
struct Text<'a> {
    v: u8,
    place: i64,
    at: Timestamp,
    site: &'a SiteCode,
    event: &'static str,
    actor: &'a str,
    target: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    detail: &'a serde_json::Value,
    previous: Sha256,
}

/// An entry in its place.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    place: i64,
    at: Timestamp,
    site: SiteCode,
    event: &'static str,
    actor: String,
    target: String,
    code: Option<Code>,
    text: String,
    pub(super) leaf: Sha256,
    previous: Sha256,
}

/// The leaf hash of an entry's text (RFC 6962 §2.1).
pub fn leaf_hash(text: &str) -> Sha256 {
    let mut bytes = Vec::with_capacity(text.len().saturating_add(1));
    bytes.push(0);
    bytes.extend_from_slice(text.as_bytes());
    Sha256::of(&bytes)
}

/// Makes the row that holds the end of the record, if it is not there.
pub(super) async fn ensure_head(db: &Db) -> Result<(), StoreError> {
    let mut tx = db.begin(&Arc::default()).await?;
    let empty = Sha256::of(b"");
    execute!(
        tx,
        "insert into audit_head (id, place, leaf) values (1, 0, $1) on conflict (id) do nothing",
        empty.as_bytes().as_slice()
    )?;
    tx.commit().await
}

/// Gives the transaction's drafts their places and writes them; the last statements before commit.
pub(super) async fn append(tx: &mut Tx) -> Result<Vec<Entry>, StoreError> {
    let drafts = std::mem::take(&mut tx.drafts);
    if drafts.is_empty() {
        return Ok(Vec::new());
    }
    // The update takes the row's lock, so that nobody else reads the same end.
    let (mut place, leaf): (i64, Vec<u8>) = fetch!(
        tx,
        fetch_one,
        (i64, Vec<u8>),
        "update audit_head set place = place where id = 1 returning place, leaf"
    )?;
    let mut previous: Sha256 = Column("audit_head", "leaf").fixed(&leaf)?;
    let mut entries = Vec::with_capacity(drafts.len());
    for draft in drafts {
        place = place.saturating_add(1);
        let entry = draft.into_entry(place, previous)?;
        previous = entry.leaf;
        entries.push(entry);
    }
    insert(tx, &entries).await?;
    execute!(
        tx,
        "update audit_head set place = $1, leaf = $2 where id = 1",
        place,
        previous.as_bytes().as_slice()
    )?;
    Ok(entries)
}

impl Draft {
    fn into_entry(self, place: i64, previous: Sha256) -> Result<Entry, StoreError> {
        let (actor, target) = (words(&self.actor), words(&self.object));
        let text = Text {
            v: 1,
            place,
            at: self.at,
            site: &self.site,
            event: self.event,
            actor: &actor,
            target: &target,
            code: self.code,
            detail: &self.detail,
            previous,
        };
        let text = super::rows::to_json(&text, Column("audit", "entry"))?;
        let leaf = leaf_hash(&text);
        let Self {
            at,
            site,
            event,
            code,
            ..
        } = self;
        Ok(Entry {
            place,
            at,
            site,
            event,
            actor,
            target,
            code,
            text,
            leaf,
            previous,
        })
    }
}

async fn insert(tx: &mut Tx, entries: &[Entry]) -> Result<(), StoreError> {
    const INSERT: &str = "insert into audit \
        (place, at, site, event, actor, target, code, entry, leaf, previous) ";
    macro_rules! insert {
        ($database:ty, $inner:expr) => {
            sqlx::QueryBuilder::<$database>::new(INSERT)
                .push_values(entries, |mut row, entry| {
                    row.push_bind(entry.place)
                        .push_bind(entry.at.millis())
                        .push_bind(entry.site.as_str())
                        .push_bind(entry.event)
                        .push_bind(entry.actor.as_str())
                        .push_bind(entry.target.as_str())
                        .push_bind(entry.code.map(Code::as_str))
                        .push_bind(entry.text.as_str())
                        .push_bind(entry.leaf.as_bytes().as_slice())
                        .push_bind(entry.previous.as_bytes().as_slice());
                })
                .build()
                .execute(&mut **$inner)
                .await?
                .rows_affected()
        };
    }
    let written = match &mut tx.inner {
        super::engine::TxInner::Sqlite(inner) => insert!(sqlx::Sqlite, inner),
        super::engine::TxInner::Postgres(inner) => insert!(sqlx::Postgres, inner),
    };
    if usize::try_from(written) == Ok(entries.len()) {
        Ok(())
    } else {
        Err(StoreError::Inconsistent {
            table: "audit",
            column: "place",
        })
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    place: i64,
    at: i64,
    site: String,
    event: String,
    actor: String,
    target: String,
    code: Option<String>,
    leaf: Vec<u8>,
    previous: Vec<u8>,
}

impl Store {
    /// The newest entries of a site before a place, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn record(
        &self,
        site: &SiteCode,
        before: Option<u64>,
        most: u32,
    ) -> Result<Vec<RecordRow>, StoreError> {
        let before = before.map_or(i64::MAX, to_i64);
        let rows = read_all!(
            self,
            Row,
            "select place, at, site, event, actor, target, code, leaf, previous from audit \
             where site = $1 and place < $2 order by place desc limit $3",
            site.as_str(),
            before,
            i64::from(most)
        )?;
        rows.into_iter()
            .map(|row| {
                Ok(RecordRow {
                    place: Column("audit", "place").number(row.place)?,
                    at: Column("audit", "at").time(row.at)?,
                    site: Column("audit", "site").text(&row.site)?,
                    event: row.event,
                    actor: row.actor,
                    target: row.target,
                    code: row.code,
                    leaf: Column("audit", "leaf").fixed(&row.leaf)?,
                    previous: Column("audit", "previous").fixed(&row.previous)?,
                })
            })
            .collect()
    }

    /// The leaf of the newest entry with this event about this object.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn newest_leaf(
        &self,
        object: &Object,
        event: &str,
    ) -> Result<Option<Sha256>, StoreError> {
        let row = read_optional!(
            self,
            (Vec<u8>,),
            "select leaf from audit where target = $1 and event = $2 order by place desc limit 1",
            words(object).as_str(),
            event
        )?;
        row.map(|(leaf,)| Column("audit", "leaf").fixed(&leaf))
            .transpose()
    }

    /// Reads the whole record from the beginning and checks every hash and link. Gives the number
    /// of entries and the last leaf.
    ///
    /// # Errors
    ///
    /// [`StoreError::Inconsistent`] at the first entry that does not fit.
    pub async fn check_record(&self) -> Result<(u64, Sha256), StoreError> {
        const PAGE: i64 = 1000;
        let broken = |column| StoreError::Inconsistent {
            table: "audit",
            column,
        };
        let (mut place, mut previous) = (0_i64, Sha256::of(b""));
        loop {
            let rows = read_all!(
                self,
                (i64, String, Vec<u8>, Vec<u8>),
                "select place, entry, leaf, previous from audit \
                 where place > $1 order by place limit $2",
                place,
                PAGE
            )?;
            if rows.is_empty() {
                break;
            }
            for (found, text, leaf, before) in rows {
                let leaf: Sha256 = Column("audit", "leaf").fixed(&leaf)?;
                let before: Sha256 = Column("audit", "previous").fixed(&before)?;
                if found != place.saturating_add(1) {
                    return Err(broken("place"));
                }
                if before != previous || !text.contains(&format!("\"previous\":\"{previous}\"")) {
                    return Err(broken("previous"));
                }
                if leaf != leaf_hash(&text) {
                    return Err(broken("leaf"));
                }
                (place, previous) = (found, leaf);
            }
        }
        let (end, leaf): (i64, Vec<u8>) = read_one!(
            self,
            (i64, Vec<u8>),
            "select place, leaf from audit_head where id = 1"
        )?;
        if end != place || leaf != previous.as_bytes() {
            return Err(StoreError::Inconsistent {
                table: "audit_head",
                column: "place",
            });
        }
        Ok((Column("audit", "place").number(place)?, previous))
    }
}
