//! Entries that were lost are put back, and what they stopped is stopped again
//! (`keyd recover`, `docs/operations/backup.md`).
//!
//! The entries come from a mirror and were checked against the signed root before. What they let in
//! is not let in again: laptops and keys that were confirmed, holds that were lifted, and bundles are
//! named to whoever recovers, and done by people. What was decided here since the restore keeps its
//! words and gets a new place.

use serde::Deserialize;
use wardkey_schemas::Code;
use wardkey_schemas::action::Target;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::{DeviceId, PersonId, SessionId};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::order::{Hold, HoldClass};
use wardkey_schemas::session::EndReason;
use wardkey_schemas::time::Timestamp;

use super::StoreError;
use super::audit::leaf_hash;
use super::engine::Tx;
use super::holds::NewHold;
use super::rows::{Column, to_i64};

/// An entry as it was written, read again.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lost {
    #[serde(rename = "v")]
    _v: u8,
    /// Its place.
    pub place: u64,
    at: Timestamp,
    site: SiteCode,
    /// What happened.
    pub event: String,
    actor: String,
    /// To what.
    pub target: String,
    code: Option<Code>,
    detail: Option<serde_json::Value>,
    previous: Sha256,
    #[serde(skip)]
    text: String,
}

impl Lost {
    /// Reads an entry.
    ///
    /// # Errors
    ///
    /// [`StoreError::Inconsistent`] if it is not one of this version's.
    pub fn read(text: String) -> Result<Self, StoreError> {
        let lost: Self = Column("audit", "entry").json(&text)?;
        Ok(Self { text, ..lost })
    }

    fn named<T: std::str::FromStr>(words: &str, kind: &str) -> Option<T> {
        words.strip_prefix(kind)?.trim().parse().ok()
    }

    /// The laptop that it is about.
    pub fn laptop(&self) -> Option<DeviceId> {
        Self::named(&self.target, "laptop ")
    }

    /// The key that it is about.
    pub fn key(&self) -> Option<Thumbprint> {
        Self::named(&self.target, "key ")
    }

    /// The person whose words it says were erased.
    pub fn erased(&self) -> Option<PersonId> {
        Self::named(&self.target, "person ").filter(|_| self.event == "person.erased")
    }

    /// The key of the person who did it.
    pub fn by(&self) -> Option<Thumbprint> {
        Self::named(&self.actor, "key ")
    }

    /// The site.
    pub const fn site(&self) -> &SiteCode {
        &self.site
    }

    /// The hold that it placed.
    pub fn hold(&self) -> Option<Hold> {
        let placed = self.detail.as_ref()?.get("did")?.get("hold")?;
        serde_json::from_value(placed.clone()).ok()
    }

    /// The visit that it ended.
    pub fn ended(&self) -> Option<SessionId> {
        if !matches!(self.event.as_str(), "session.ended" | "session.stopped") {
            return None;
        }
        let detail = self.detail.as_ref()?;
        let session = detail
            .get("session")
            .or_else(|| detail.get("did")?.get("session"))?;
        serde_json::from_value(session.clone()).ok()
    }

    /// Whether it stopped or revoked something.
    pub fn stops(&self) -> bool {
        self.code.is_none()
            && (self.event.ends_with(".stopped") || self.event.ends_with(".revoked"))
            && !self.event.starts_with("session.")
    }
}

impl Tx {
    /// Puts lost entries back behind the first `common` ones. Gives the texts of what stood in their
    /// places here. The tree is grown anew from the first entry: the same leaves have the same root.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn put_back(
        &mut self,
        common: u64,
        lost: &[Lost],
    ) -> Result<Vec<String>, StoreError> {
        // Whoever appends locks this row; nobody does meanwhile.
        execute!(self, "update audit_head set place = place where id = 1")?;
        execute!(
            self,
            "update tree_head set size = 0, checkpoint = null where id = 1"
        )?;
        execute!(self, "delete from tree_tile")?;
        let common = to_i64(common);
        let here: Vec<(String,)> = fetch!(
            self,
            fetch_all,
            (String,),
            "select entry from audit where place > $1 order by place",
            common
        )?;
        execute!(self, "delete from audit where place > $1", common)?;
        for entry in lost {
            let leaf = leaf_hash(&entry.text);
            execute!(
                self,
                "insert into audit (place, at, site, event, actor, target, code, entry, leaf, \
                 previous) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                to_i64(entry.place),
                entry.at.millis(),
                entry.site.as_str(),
                entry.event.as_str(),
                entry.actor.as_str(),
                entry.target.as_str(),
                entry.code.map(Code::as_str),
                entry.text.as_str(),
                leaf.as_bytes().as_slice(),
                entry.previous.as_bytes().as_slice()
            )?;
            execute!(
                self,
                "update audit_head set place = $1, leaf = $2 where id = 1",
                to_i64(entry.place),
                leaf.as_bytes().as_slice()
            )?;
        }
        Ok(here.into_iter().map(|(entry,)| entry).collect())
    }

    /// Places a hold again that a lost entry tells of; `false` if it stands here already, or stood.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn place_again(
        &mut self,
        hold: Hold,
        lost: &Lost,
        target: Target,
    ) -> Result<bool, StoreError> {
        let known: Option<(i64,)> = fetch!(
            self,
            fetch_optional,
            (i64,),
            "select cast(1 as bigint) from hold where hold_id = $1",
            hold.id.as_bytes().as_slice()
        )?;
        if known.is_some() {
            return Ok(false);
        }
        let nobody = Column("audit", "actor");
        let by_key = lost.by().ok_or(StoreError::Inconsistent {
            table: nobody.0,
            column: nobody.1,
        })?;
        let person: Option<(Vec<u8>,)> = fetch!(
            self,
            fetch_optional,
            (Vec<u8>,),
            "select person_id from staff_key where key = $1",
            by_key.as_bytes().as_slice()
        )?;
        // Somebody who was enrolled in what was lost has no number here.
        let by_person = match &person {
            Some((id,)) => Column("staff_key", "person_id").fixed(id)?,
            None => PersonId::from_random([0; 16]),
        };
        let new = NewHold {
            hold,
            site: lost.site.clone(),
            target,
            by_key,
            by_person,
            note: Column("hold", "note").text("recovered from a mirror of the record")?,
        };
        self.insert_hold(&new, lost.at).await?;
        Ok(true)
    }

    /// Orders to a laptop go on behind the last that the lost entries tell of.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn orders_were_given(&mut self, id: DeviceId, lost: &Lost) -> Result<(), StoreError> {
        let order = lost
            .detail
            .as_ref()
            .and_then(|detail| detail.get("did")?.get("order"));
        let Some(seq) = order.and_then(serde_json::Value::as_u64) else {
            return Ok(());
        };
        execute!(
            self,
            "update device set order_seq = $2 where device_id = $1 and order_seq < $2",
            id.as_bytes().as_slice(),
            to_i64(seq)
        )?;
        Ok(())
    }

    /// Ends a visit that a lost entry says has ended.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn end_again(&mut self, session: SessionId, lost: &Lost) -> Result<(), StoreError> {
        self.end_session(session, EndReason::Stopped, lost.at)
            .await?;
        Ok(())
    }
}

/// Whether a hold takes something out of use for good.
pub const fn is_for_good(hold: &Hold) -> bool {
    matches!(hold.class, HoldClass::Revoked)
}
