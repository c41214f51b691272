//! What somebody should look at.
//!
//! [`Tx::alert`] is for every work that sees something unusual: the alert is part of the
//! transaction, and never a reason for it to fail.

use wardkey_schemas::alert::{AlertKind, AlertRow};
use wardkey_schemas::ids::{AlertId, PersonId};
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::time::Timestamp;

use super::audit::{Actor, Draft, Object, words};
use super::engine::Tx;
use super::rows::Column;
use super::{Store, StoreError};

/// What is to be looked at.
#[derive(Clone, Debug)]
pub struct NewAlert<'a> {
    /// Its number.
    pub id: AlertId,
    /// When it was seen.
    pub at: Timestamp,
    /// The site whose people are to look.
    pub site: &'a SiteCode,
    /// What is unusual.
    pub kind: AlertKind,
    /// About what.
    pub object: Object,
    /// One line of detail, without names of people.
    pub detail: &'a str,
    /// Two alerts with the same word here are one: a hold's number, say.
    pub once: &'a str,
}

#[derive(sqlx::FromRow)]
struct Row {
    alert_id: Vec<u8>,
    at: i64,
    site: String,
    kind: String,
    object: String,
    detail: String,
}

impl TryFrom<Row> for AlertRow {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let column = |name| Column("alert", name);
        Ok(Self {
            alert: column("alert_id").fixed(&row.alert_id)?,
            at: column("at").time(row.at)?,
            site: column("site").text(&row.site)?,
            kind: column("kind").text(&row.kind)?,
            object: row.object,
            detail: row.detail,
        })
    }
}

impl Store {
    /// The alerts of a site, newest first; the reserved site sees those of all.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn alerts(&self, site: &SiteCode, most: u32) -> Result<Vec<AlertRow>, StoreError> {
        let rows = if site.is_national() {
            read_all!(
                self,
                Row,
                "select alert_id, at, site, kind, object, detail from alert \
                 order by at desc, alert_id limit $1",
                i64::from(most)
            )?
        } else {
            read_all!(
                self,
                Row,
                "select alert_id, at, site, kind, object, detail from alert where site = $1 \
                 order by at desc, alert_id limit $2",
                site.as_str(),
                i64::from(most)
            )?
        };
        rows.into_iter().map(AlertRow::try_from).collect()
    }
}

impl Tx {
    /// Tells whoever looks at alerts, with an entry of the record; `false` if it was told before.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn alert(&mut self, alert: &NewAlert<'_>) -> Result<bool, StoreError> {
        let once = [alert.kind.as_str(), alert.once].join(" ");
        let rows = execute!(
            self,
            "insert into alert (alert_id, at, site, kind, object, detail, once) \
             values ($1, $2, $3, $4, $5, $6, $7) on conflict (once) do nothing",
            alert.id.as_bytes().as_slice(),
            alert.at.millis(),
            alert.site.as_str(),
            alert.kind.as_str(),
            words(&alert.object).as_str(),
            alert.detail,
            once.as_str()
        )?;
        let new = rows == 1;
        if new {
            self.audit(Draft {
                at: alert.at,
                site: alert.site.clone(),
                event: event(alert.kind),
                actor: Actor::Service,
                object: alert.object,
                code: None,
                detail: serde_json::json!({ "alert": alert.id, "told": alert.detail }),
            });
        }
        Ok(new)
    }

    /// How many stops that act at once a person has placed since `since`, this transaction's
    /// included.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn stops_by(
        &mut self,
        person: PersonId,
        since: Timestamp,
    ) -> Result<i64, StoreError> {
        let (stops,) = fetch!(
            self,
            fetch_one,
            (i64,),
            "select count(*) from hold where by_person = $1 and placed_at > $2 \
             and mode = 'immediate'",
            person.as_bytes().as_slice(),
            since.millis()
        )?;
        Ok(stops)
    }
}

/// The entry that tells of an alert.
const fn event(kind: AlertKind) -> &'static str {
    match kind {
        AlertKind::ManyStops => "alert.many-stops",
        AlertKind::SiteStopped => "alert.site-stopped",
        AlertKind::NationStopped => "alert.nation-stopped",
        AlertKind::LostLaptopSeen => "alert.lost-laptop-seen",
        AlertKind::SpareKeyUsed => "alert.spare-key-used",
    }
}
