//! Notifications that wait to be sent: written with the entry of the record that they tell of, spread
//! over those who want them, and kept until each was delivered or given up.
//!
//! Which entries somebody is told of is said in `noted` and nowhere else.

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::notification::{About, NotifiedEvent};
use wardkey_schemas::order::HoldClass;
use wardkey_schemas::time::Timestamp;

use super::audit::{Draft, Object};
use super::engine::Tx;
use super::rows::{Column, to_i64, to_json};
use super::{Store, StoreError};

/// What somebody is told of an entry.
#[derive(Clone, Debug)]
pub(super) struct Noted {
    event: NotifiedEvent,
    site: SiteCode,
    about: About,
    at: Timestamp,
}

/// What somebody is told of an entry, if anybody is: of every stop, whatever it stopped, of whatever
/// came back, of spare keys and of alerts; of nothing that was refused.
pub(super) fn noted(draft: &Draft) -> Option<Noted> {
    if draft.code.is_some() {
        return None;
    }
    let (what, last) = draft.event.rsplit_once('.').unwrap_or(("", draft.event));
    let event = match (what, last) {
        // The end of one visit stops nothing.
        ("session", _) => return None,
        (_, "stopped") if is_lost(draft) => NotifiedEvent::Lost,
        (_, "stopped" | "revoked" | "left") => NotifiedEvent::Stopped,
        (_, "resumed" | "reinstated") => NotifiedEvent::Reinstated,
        ("alert", "spare-key-used") => NotifiedEvent::SpareKeyUsed,
        ("alert", _) => NotifiedEvent::Alert,
        _ => return None,
    };
    let about = match draft.object {
        Object::Laptop(device) => About::Laptop { device },
        Object::Key(key) => About::Key { key },
        Object::Person(_) => About::Person,
        Object::Session(session) => About::Session { session },
        Object::Site => About::Site,
        Object::Nation => About::Nation,
    };
    Some(Noted {
        event,
        site: draft.site.clone(),
        about,
        at: draft.at,
    })
}

/// Whether the hold that the entry tells of says lost or stolen.
fn is_lost(draft: &Draft) -> bool {
    let class = draft.detail.pointer("/did/hold/class");
    let class = class.and_then(serde_json::Value::as_str);
    [HoldClass::Lost, HoldClass::Stolen]
        .iter()
        .any(|lost| class == Some(lost.as_str()))
}

/// Writes them, with the leaves of their entries.
pub(super) async fn insert(tx: &mut Tx, all: Vec<(Sha256, Noted)>) -> Result<(), StoreError> {
    for (leaf, noted) in all {
        let about = to_json(&noted.about, Column("notification", "about"))?;
        execute!(
            tx,
            "insert into notification (leaf, event, site, about, at) values ($1, $2, $3, $4, $5)",
            leaf.as_bytes().as_slice(),
            noted.event.as_str(),
            noted.site.as_str(),
            about.as_str(),
            noted.at.millis()
        )?;
    }
    Ok(())
}

/// Who wants to be told, and of what.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wish {
    /// By which name the settings call it.
    pub endpoint: String,
    /// Of which events.
    pub events: Vec<NotifiedEvent>,
    /// Of which site; of all if none is named.
    pub site: Option<SiteCode>,
}

impl Wish {
    /// What stops the nation stops every site, and whoever listens for one hears of it.
    fn wants(&self, event: NotifiedEvent, site: &SiteCode) -> bool {
        let hears = |own: &SiteCode| own == site || site.is_national();
        self.events.contains(&event) && self.site.as_ref().is_none_or(hears)
    }
}

/// A notification that is to be sent to somebody now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Due {
    /// The leaf of its entry.
    pub leaf: Sha256,
    /// To whom.
    pub endpoint: String,
    /// The number of this try: 1, 2, 3, ….
    pub tries: u32,
    /// What happened.
    pub event: NotifiedEvent,
    /// At which site.
    pub site: SiteCode,
    /// To what.
    pub about: About,
    /// When.
    pub at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct DueRow {
    leaf: Vec<u8>,
    endpoint: String,
    tries: i64,
    event: String,
    site: String,
    about: String,
    at: i64,
}

impl TryFrom<DueRow> for Due {
    type Error = StoreError;

    fn try_from(row: DueRow) -> Result<Self, Self::Error> {
        let column = |name| Column("notification", name);
        Ok(Self {
            leaf: column("leaf").fixed(&row.leaf)?,
            endpoint: row.endpoint,
            tries: column("tries").number(row.tries)?,
            event: column("event").text(&row.event)?,
            site: column("site").text(&row.site)?,
            about: column("about").json(&row.about)?,
            at: column("at").time(row.at)?,
        })
    }
}

/// What became of one try.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Tried {
    /// It was taken.
    Delivered,
    /// It was not, and is tried again then.
    Again(Timestamp, String),
    /// It was not, and is given up.
    Dead(String),
}

/// A notification that was not delivered.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct Undelivered {
    /// The leaf of its entry.
    pub id: Sha256,
    /// To whom.
    pub endpoint: String,
    /// What happened.
    pub event: NotifiedEvent,
    /// At which site.
    pub site: SiteCode,
    /// When.
    pub at: Timestamp,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried next; never if it was given up.
    pub due_at: Option<Timestamp>,
    /// Why the last try failed.
    pub error: Option<String>,
}

#[derive(sqlx::FromRow)]
struct UndeliveredRow {
    leaf: Vec<u8>,
    endpoint: String,
    event: String,
    site: String,
    at: i64,
    tries: i64,
    due_at: i64,
    dead_at: Option<i64>,
    error: Option<String>,
}

impl TryFrom<UndeliveredRow> for Undelivered {
    type Error = StoreError;

    fn try_from(row: UndeliveredRow) -> Result<Self, Self::Error> {
        let column = |name| Column("notification_delivery", name);
        let due_at = column("due_at").time(row.due_at)?;
        Ok(Self {
            id: column("leaf").fixed(&row.leaf)?,
            endpoint: row.endpoint,
            event: column("event").text(&row.event)?,
            site: column("site").text(&row.site)?,
            at: column("at").time(row.at)?,
            tries: column("tries").number(row.tries)?,
            due_at: row.dead_at.is_none().then_some(due_at),
            error: row.error,
        })
    }
}

impl Store {
    /// Whether anything is to be spread or sent at `now`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn notifications_wait(&self, now: Timestamp) -> Result<bool, StoreError> {
        let (waiting,) = read_one!(
            self,
            (i64,),
            "select case when exists (select 1 from notification where spread = 0) \
             or exists (select 1 from notification_delivery where delivered_at is null \
             and dead_at is null and due_at <= $1) then cast(1 as bigint) else cast(0 as bigint) end",
            now.millis()
        )?;
        Ok(waiting != 0)
    }

    /// What was not delivered yet, or was given up; oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn undelivered(&self, most: u32) -> Result<Vec<Undelivered>, StoreError> {
        let rows = read_all!(
            self,
            UndeliveredRow,
            "select d.leaf, d.endpoint, n.event, n.site, n.at, d.tries, d.due_at, d.dead_at, \
             d.error from notification_delivery d join notification n on n.leaf = d.leaf \
             where d.delivered_at is null order by n.at, d.endpoint limit $1",
            i64::from(most)
        )?;
        rows.into_iter().map(Undelivered::try_from).collect()
    }

    /// How many were given up.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn dead_notifications(&self) -> Result<u64, StoreError> {
        let (dead,) = read_one!(
            self,
            (i64,),
            "select count(*) from notification_delivery where dead_at is not null"
        )?;
        Column("notification_delivery", "dead_at").number(dead)
    }
}

impl Tx {
    /// Gives what nobody has seen yet to those who want it; whether there is more.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn spread_notifications(
        &mut self,
        wishes: &[Wish],
        now: Timestamp,
        most: u32,
    ) -> Result<bool, StoreError> {
        let rows = fetch!(
            self,
            fetch_all,
            (Vec<u8>, String, String),
            "update notification set spread = 1 where spread = 0 and leaf in (select n.leaf \
             from notification n where n.spread = 0 order by n.at limit $1) \
             returning leaf, event, site",
            i64::from(most)
        )?;
        let column = |name| Column("notification", name);
        let more = rows.len() == usize::try_from(most).unwrap_or(usize::MAX);
        for (leaf, event, site) in rows {
            let event: NotifiedEvent = column("event").text(&event)?;
            let site: SiteCode = column("site").text(&site)?;
            for wish in wishes.iter().filter(|wish| wish.wants(event, &site)) {
                execute!(
                    self,
                    "insert into notification_delivery (leaf, endpoint, due_at) \
                     values ($1, $2, $3) on conflict (leaf, endpoint) do nothing",
                    leaf.as_slice(),
                    wish.endpoint.as_str(),
                    now.millis()
                )?;
            }
        }
        Ok(more)
    }

    /// Takes what is due, to be sent by whoever asks; nobody else takes it before `until`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn take_due_notifications(
        &mut self,
        now: Timestamp,
        until: Timestamp,
        most: u32,
    ) -> Result<Vec<Due>, StoreError> {
        let taken = fetch!(
            self,
            fetch_all,
            (Vec<u8>, String),
            "update notification_delivery set tries = tries + 1, due_at = $2 \
             where delivered_at is null and dead_at is null and due_at <= $1 \
             and (leaf, endpoint) in (select d.leaf, d.endpoint from notification_delivery d \
             where d.delivered_at is null and d.dead_at is null and d.due_at <= $1 \
             order by d.due_at, d.leaf, d.endpoint limit $3) returning leaf, endpoint",
            now.millis(),
            until.millis(),
            i64::from(most)
        )?;
        let mut due = Vec::with_capacity(taken.len());
        for (leaf, endpoint) in taken {
            let row = fetch!(
                self,
                fetch_one,
                DueRow,
                "select d.leaf, d.endpoint, d.tries, n.event, n.site, n.about, n.at \
                 from notification_delivery d join notification n on n.leaf = d.leaf \
                 where d.leaf = $1 and d.endpoint = $2",
                leaf.as_slice(),
                endpoint.as_str()
            )?;
            due.push(row.try_into()?);
        }
        Ok(due)
    }

    /// Notes what became of a try.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn notification_tried(
        &mut self,
        due: &Due,
        tried: &Tried,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (delivered, dead, again, error) = match tried {
            Tried::Delivered => (Some(now), None, None, None),
            Tried::Again(at, error) => (None, None, Some(*at), Some(error.as_str())),
            Tried::Dead(error) => (None, Some(now), None, Some(error.as_str())),
        };
        let millis = |time: Option<Timestamp>| time.map(Timestamp::millis);
        execute!(
            self,
            "update notification_delivery set delivered_at = $3, dead_at = $4, \
             due_at = coalesce($5, due_at), error = $6 \
             where leaf = $1 and endpoint = $2 and delivered_at is null and dead_at is null",
            due.leaf.as_bytes().as_slice(),
            due.endpoint.as_str(),
            millis(delivered),
            millis(dead),
            millis(again),
            error
        )?;
        Ok(())
    }

    /// Lets everything that was given up be tried again from the beginning; how many they are.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn retry_dead_notifications(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        execute!(
            self,
            "update notification_delivery set dead_at = null, tries = 0, due_at = $1 \
             where dead_at is not null",
            to_i64(now.millis())
        )
    }
}
