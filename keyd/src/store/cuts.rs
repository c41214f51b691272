//! Cuts at the video platform: a row for each visit that ended, until the platform has proved that
//! its laptop is out of the room.
//!
//! Rows are written where the store ends a visit, in the same transaction, and nowhere else. Any
//! node may claim a row; a claim runs out by itself, so that the death of a node costs some seconds
//! and no cut.

use wardkey_schemas::ids::{RoomId, SessionId};
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::time::Timestamp;

use super::engine::{Tx, TxInner};
use super::rows::Column;
use super::{Store, StoreError};
use crate::platform::{Absence, Trouble};

/// A visit that has just been ended, with what a cut needs.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) session: Vec<u8>,
    pub(super) site: String,
    pub(super) room: Vec<u8>,
    pub(super) at: i64,
}

/// How soon a cut must be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Urgency {
    /// Somebody was stopped: before all others.
    Stop,
    /// A visit ended as visits do.
    Ordinary,
}

/// A cut that this node has taken up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClaimedCut {
    /// The visit that ended; its laptop is in the room under this number.
    pub session: SessionId,
    /// The site.
    pub site: SiteCode,
    /// The room.
    pub room: RoomId,
    /// When the visit ended.
    pub ended_at: Timestamp,
    /// Whether somebody was stopped.
    pub urgent: bool,
    /// Which attempt this is: 1, 2, 3, …
    pub tries: u32,
    /// Whether the absence is proved, and only the room is left to close.
    pub proved: bool,
    /// Whether the room is over as well.
    pub close: bool,
}

#[derive(sqlx::FromRow)]
struct Row {
    session_id: Vec<u8>,
    site: String,
    room_id: Vec<u8>,
    ended_at: i64,
    urgent: i64,
    tries: i64,
    proved_at: Option<i64>,
    closed_at: Option<i64>,
}

impl TryFrom<Row> for ClaimedCut {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let column = |name| Column("cut", name);
        Ok(Self {
            session: column("session_id").fixed(&row.session_id)?,
            site: column("site").text(&row.site)?,
            room: column("room_id").fixed(&row.room_id)?,
            ended_at: column("ended_at").time(row.ended_at)?,
            urgent: row.urgent != 0,
            tries: column("tries").number(row.tries)?,
            proved: row.proved_at.is_some(),
            close: row.closed_at.is_some(),
        })
    }
}

/// The claim, with what follows the inner selection on each engine.
macro_rules! claim {
    ($locking:literal) => {
        concat!(
            "update cut set due_at = $2, tries = tries + 1 where session_id in \
             (select session_id from cut where done_at is null and due_at <= $1 \
              order by urgent desc, ended_at desc limit $3",
            $locking,
            ") and done_at is null and due_at <= $1 \
             returning session_id, site, room_id, ended_at, urgent, tries, proved_at, \
             (select r.closed_at from room r where r.room_id = cut.room_id) as closed_at"
        )
    };
}

impl Store {
    /// How many cuts wait for their proof, and whether one of them is due.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn waiting_cuts(&self, now: Timestamp) -> Result<(u64, bool), StoreError> {
        let (waiting, due) = read_one!(
            self,
            (i64, i64),
            "select count(*), cast(coalesce(sum(case when due_at <= $1 then 1 else 0 end), 0) \
             as bigint) from cut where done_at is null",
            now.millis()
        )?;
        Ok((Column("cut", "session_id").number(waiting)?, due > 0))
    }

    /// Waits until a transaction of this node has ended a visit.
    pub async fn cut_asked(&self) {
        self.cuts.notified().await;
    }
}

impl Tx {
    /// Asks for the cuts of visits that this transaction has ended: the last step of every ending.
    pub(super) async fn ask_for_cuts(
        &mut self,
        ended: &[Ended],
        urgency: Urgency,
    ) -> Result<(), StoreError> {
        const INSERT: &str =
            "insert into cut (session_id, site, room_id, urgent, ended_at, due_at) ";
        if ended.is_empty() {
            return Ok(());
        }
        let urgent = match urgency {
            Urgency::Stop => 1_i64,
            Urgency::Ordinary => 0,
        };
        macro_rules! insert {
            ($database:ty, $inner:expr) => {
                sqlx::QueryBuilder::<$database>::new(INSERT)
                    .push_values(ended, |mut row, one| {
                        row.push_bind(one.session.as_slice())
                            .push_bind(one.site.as_str())
                            .push_bind(one.room.as_slice())
                            .push_bind(urgent)
                            .push_bind(one.at)
                            .push_bind(one.at);
                    })
                    .build()
                    .execute(&mut **$inner)
                    .await?
            };
        }
        match &mut self.inner {
            TxInner::Sqlite(inner) => {
                insert!(sqlx::Sqlite, inner);
            }
            TxInner::Postgres(inner) => {
                insert!(sqlx::Postgres, inner);
            }
        }
        self.cuts = true;
        Ok(())
    }

    /// Takes up cuts that are due, stops first, the newest first; nobody else takes them up before
    /// `until`.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn claim_cuts(
        &mut self,
        now: Timestamp,
        until: Timestamp,
        most: u32,
    ) -> Result<Vec<ClaimedCut>, StoreError> {
        // Two nodes that look at once take different rows, where the engine can.
        let sql = match &self.inner {
            TxInner::Sqlite(_) => claim!(""),
            TxInner::Postgres(_) => claim!(" for update skip locked"),
        };
        let rows = fetch!(
            self,
            fetch_all,
            Row,
            sql,
            now.millis(),
            until.millis(),
            i64::from(most)
        )?;
        rows.into_iter().map(ClaimedCut::try_from).collect()
    }

    /// Writes the proof that a laptop is out of its room; `false` if there is one already.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn cut_proved(
        &mut self,
        cut: &ClaimedCut,
        absence: &Absence,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = (!cut.close).then_some(now.millis());
        let rows = execute!(
            self,
            "update cut set proved_at = $2, proof = $3, done_at = $4, trouble = null \
             where session_id = $1 and proved_at is null",
            cut.session.as_bytes().as_slice(),
            now.millis(),
            absence.evidence(),
            done
        )?;
        Ok(rows == 1)
    }

    /// Notes that the room of a proved cut is closed at the platform as well.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn cut_done(&mut self, cut: &ClaimedCut, now: Timestamp) -> Result<(), StoreError> {
        execute!(
            self,
            "update cut set done_at = $2, trouble = null \
             where session_id = $1 and proved_at is not null and done_at is null",
            cut.session.as_bytes().as_slice(),
            now.millis()
        )?;
        Ok(())
    }

    /// Notes why an attempt brought nothing, and when the next one is due; nothing if somebody else
    /// has taken the cut up meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn cut_failed(
        &mut self,
        cut: &ClaimedCut,
        trouble: Trouble,
        due: Timestamp,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            "update cut set trouble = $3, due_at = $4 \
             where session_id = $1 and tries = $2 and done_at is null",
            cut.session.as_bytes().as_slice(),
            i64::from(cut.tries),
            trouble.as_str(),
            due.millis()
        )?;
        Ok(())
    }
}
