//! Rooms and visits.

use std::collections::BTreeMap;

use wardkey_schemas::Code;
use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::ids::{DeviceId, Generation, PersonId, RoomId, SessionId};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::query::SessionRow;
use wardkey_schemas::renewal::VisitState;
use wardkey_schemas::session::EndReason;
use wardkey_schemas::time::Timestamp;

use super::cuts::{Ended, Urgency};
use super::devices::{Device, DeviceRow, TpmTime, device_columns};
use super::engine::{Tx, TxInner};
use super::rows::{Column, bits_to_i64, i64_to_bits};
use super::{Store, StoreError};

/// A visit that begins.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its number.
    pub id: SessionId,
    /// The site.
    pub site: SiteCode,
    /// The laptop.
    pub device: DeviceId,
    /// Its enrolment.
    pub generation: Generation,
    /// The key.
    pub key: Thumbprint,
    /// The room.
    pub room: RoomId,
    /// The visit that ended for this one to go on in its room, if it was moved.
    pub moved_from: Option<SessionId>,
    /// SHA-256 of the activation's envelope.
    pub activation: Sha256,
    /// SHA-256 of the key's certificate.
    pub certificate: Sha256,
    /// When it must end.
    pub hard_end: Timestamp,
    /// The first lease.
    pub lease: GivenLease,
    /// The TPM's counters in the quote.
    pub tpm: TpmTime,
}

/// A lease as it was given.
#[derive(Clone, Debug)]
pub struct GivenLease {
    /// Its envelope.
    pub text: String,
    /// keyd's nonce for the next renewal.
    pub renew_nonce: Nonce,
    /// When the laptop must have stopped at the latest.
    pub cannot_run_past: Timestamp,
}

/// A running or ended visit, with its laptop and the state of its key.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its number.
    pub id: SessionId,
    /// The site.
    pub site: SiteCode,
    /// The laptop as it stands.
    pub device: Device,
    /// The laptop's enrolment when the visit began.
    pub generation: Generation,
    /// The key in control.
    pub key: Thumbprint,
    /// One of its keys, in control now or before, on which or on whose holder a hold stands that acts
    /// at once.
    pub stopped_key: Option<Thumbprint>,
    /// The room.
    pub room: RoomId,
    /// SHA-256 of the activation's envelope.
    pub activation: Sha256,
    /// When it must end.
    pub hard_end: Timestamp,
    /// How often it was renewed.
    pub seq: u32,
    /// SHA-256 of the nonce for the next renewal.
    pub renew_nonce: Sha256,
    /// SHA-256 of the renewal request that was answered last.
    pub answered_request: Option<Sha256>,
    /// The envelope of the newest lease.
    pub lease: String,
    /// The TPM's counters in its newest quote.
    pub anchor: TpmTime,
    /// When that quote came.
    pub anchor_at: Timestamp,
    /// The TPM's clock in its last statement, in milliseconds.
    pub last_clock: u64,
    /// Why it may only be finished: what a quote showed to have changed on the laptop.
    pub finish: Option<Code>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// A renewal as it was judged.
#[derive(Clone, Debug)]
pub struct RenewedSession {
    /// Which visit.
    pub id: SessionId,
    /// The number of the renewal before.
    pub seq: u32,
    /// The next lease.
    pub lease: GivenLease,
    /// SHA-256 of the request.
    pub request: Sha256,
    /// The TPM's clock in it, in milliseconds.
    pub clock: u64,
    /// Where the visit stands.
    pub state: VisitState,
    /// The TPM's counters in the newest quote.
    pub anchor: TpmTime,
    /// When that came.
    pub anchor_at: Timestamp,
    /// When the visit must end at the latest; it moves nearer and never away.
    pub hard_end: Timestamp,
    /// Why it may only be finished.
    pub finish: Option<Code>,
}

#[derive(sqlx::FromRow)]
struct Row {
    session_id: Vec<u8>,
    site: String,
    generation: i64,
    key: Vec<u8>,
    stopped_key: Option<Vec<u8>>,
    room_id: Vec<u8>,
    activation_sha256: Vec<u8>,
    hard_end: i64,
    seq: i64,
    renew_nonce_hash: Vec<u8>,
    answered_request: Option<Vec<u8>>,
    lease: String,
    reset_count: i64,
    restart_count: i64,
    anchor_clock: i64,
    anchor_at: i64,
    last_clock: i64,
    finish: Option<String>,
    ended_at: Option<i64>,
    #[sqlx(flatten)]
    device: DeviceRow,
}

impl TryFrom<Row> for Session {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let column = |name| Column("session", name);
        let answered = row.answered_request.as_deref();
        let stopped = row.stopped_key.as_deref();
        Ok(Self {
            id: column("session_id").fixed(&row.session_id)?,
            site: column("site").text(&row.site)?,
            device: row.device.try_into()?,
            generation: Generation::new(column("generation").number(row.generation)?),
            key: column("key").fixed(&row.key)?,
            stopped_key: stopped.map(|key| column("key").fixed(key)).transpose()?,
            room: column("room_id").fixed(&row.room_id)?,
            activation: column("activation_sha256").fixed(&row.activation_sha256)?,
            hard_end: column("hard_end").time(row.hard_end)?,
            seq: column("seq").number(row.seq)?,
            renew_nonce: column("renew_nonce_hash").fixed(&row.renew_nonce_hash)?,
            answered_request: answered
                .map(|sha256| column("answered_request").fixed(sha256))
                .transpose()?,
            lease: row.lease,
            anchor: TpmTime {
                reset_count: column("reset_count").number(row.reset_count)?,
                restart_count: column("restart_count").number(row.restart_count)?,
                clock: i64_to_bits(row.anchor_clock),
            },
            anchor_at: column("anchor_at").time(row.anchor_at)?,
            last_clock: i64_to_bits(row.last_clock),
            finish: row
                .finish
                .map(|code| column("finish").text(&code))
                .transpose()?,
            ended_at: row
                .ended_at
                .map(|at| column("ended_at").time(at))
                .transpose()?,
        })
    }
}

#[derive(sqlx::FromRow)]
struct ListedRow {
    session_id: Vec<u8>,
    device_id: Vec<u8>,
    asset: String,
    key: Vec<u8>,
    room_id: Vec<u8>,
    started_at: i64,
    hard_end: i64,
    cannot_run_past: i64,
    seq: i64,
    visit_state: String,
    ended_at: Option<i64>,
    end_reason: Option<String>,
    moved_from: Option<Vec<u8>>,
}

/// A running visit that may move to another laptop.
#[derive(Clone, Debug)]
pub struct RunningVisit {
    /// Its number.
    pub session: SessionId,
    /// Its site.
    pub site: SiteCode,
    /// Its room.
    pub room: RoomId,
}

/// A visit that was ended as part of a larger decision.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EndedSession {
    /// Its number.
    pub id: SessionId,
    /// The laptop.
    pub device: DeviceId,
    /// The site.
    pub site: SiteCode,
}

impl Store {
    /// The visit with this number, with its laptop and the state of its key.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find_session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let row = read_optional!(
            self,
            Row,
            concat!(
                "select s.session_id, s.site, s.generation, s.key, \
                 (select k.key from session_key x join staff_key k on k.key = x.key \
                  join person p on p.person_id = k.person_id \
                  where x.session_id = s.session_id \
                  and (k.holds > 0 or p.holds > 0) \
                  order by k.key limit 1) as stopped_key, s.room_id, s.activation_sha256, s.hard_end, s.seq, \
                 s.renew_nonce_hash, s.answered_request, s.lease, s.reset_count, \
                 s.restart_count, s.anchor_clock, s.anchor_at, s.last_clock, s.finish, \
                 s.ended_at, ",
                device_columns!(),
                " from session s join device d on d.device_id = s.device_id \
                 where s.session_id = $1"
            ),
            id.as_bytes().as_slice()
        )?;
        row.map(Session::try_from).transpose()
    }

    /// Whether a visit that was not ended can no longer run.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn has_overdue_sessions(&self, now: Timestamp) -> Result<bool, StoreError> {
        let row = read_optional!(
            self,
            (i64,),
            "select cannot_run_past from session \
             where ended_at is null and cannot_run_past <= $1 limit 1",
            now.millis()
        )?;
        Ok(row.is_some())
    }

    /// The running visit of a key: the one that it is in control of, else the newest in whose
    /// control it was before.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn running_visit_of(
        &self,
        key: Thumbprint,
    ) -> Result<Option<RunningVisit>, StoreError> {
        let row = read_optional!(
            self,
            (Vec<u8>, String, Vec<u8>),
            "select s.session_id, s.site, s.room_id \
             from session_key x join session s on s.session_id = x.session_id \
             where x.key = $1 and s.ended_at is null \
             order by case when s.key = $1 then 0 else 1 end, s.started_at desc limit 1",
            key.as_bytes().as_slice()
        )?;
        row.map(|(session, site, room)| {
            Ok(RunningVisit {
                session: Column("session", "session_id").fixed(&session)?,
                site: Column("session", "site").text(&site)?,
                room: Column("session", "room_id").fixed(&room)?,
            })
        })
        .transpose()
    }

    /// The keys that were in control of the newest visits of a site before the key that is.
    async fn earlier_keys(
        &self,
        site: &SiteCode,
        most: u32,
    ) -> Result<BTreeMap<SessionId, Vec<Thumbprint>>, StoreError> {
        let rows = read_all!(
            self,
            (Vec<u8>, Vec<u8>),
            "select x.session_id, x.key from session_key x join \
             (select session_id, key from session where site = $1 \
              order by started_at desc limit $2) s on s.session_id = x.session_id \
             where x.key <> s.key order by x.since, x.key",
            site.as_str(),
            i64::from(most)
        )?;
        let mut keys: BTreeMap<SessionId, Vec<Thumbprint>> = BTreeMap::new();
        for (session, key) in &rows {
            let session = Column("session_key", "session_id").fixed(session)?;
            let key = Column("session_key", "key").fixed(key)?;
            keys.entry(session).or_default().push(key);
        }
        Ok(keys)
    }

    /// A room of a site: whether it is open.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find_room(&self, room: RoomId) -> Result<Option<(SiteCode, bool)>, StoreError> {
        let row = read_optional!(
            self,
            (String, Option<i64>),
            "select site, closed_at from room where room_id = $1",
            room.as_bytes().as_slice()
        )?;
        row.map(|(site, closed)| Ok((Column("room", "site").text(&site)?, closed.is_none())))
            .transpose()
    }

    /// The visits of a site, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn sessions_of(
        &self,
        site: &SiteCode,
        most: u32,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let rows = read_all!(
            self,
            ListedRow,
            "select s.session_id, s.device_id, d.asset, s.key, s.room_id, s.started_at, \
             s.hard_end, s.cannot_run_past, s.seq, s.visit_state, s.ended_at, s.end_reason, \
             s.moved_from \
             from session s join device d on d.device_id = s.device_id \
             where s.site = $1 order by s.started_at desc limit $2",
            site.as_str(),
            i64::from(most)
        )?;
        let mut earlier = self.earlier_keys(site, most).await?;
        let column = |name| Column("session", name);
        rows.into_iter()
            .map(|row| {
                let session = column("session_id").fixed(&row.session_id)?;
                Ok(SessionRow {
                    session,
                    device: column("device_id").fixed(&row.device_id)?,
                    asset: Column("device", "asset").text(&row.asset)?,
                    staff_key: column("key").fixed(&row.key)?,
                    earlier_keys: earlier.remove(&session).unwrap_or_default(),
                    room: column("room_id").fixed(&row.room_id)?,
                    started_at: column("started_at").time(row.started_at)?,
                    hard_end: column("hard_end").time(row.hard_end)?,
                    cannot_run_past: column("cannot_run_past").time(row.cannot_run_past)?,
                    renewals: column("seq").number(row.seq)?,
                    state: row.visit_state,
                    ended_at: row
                        .ended_at
                        .map(|at| column("ended_at").time(at))
                        .transpose()?,
                    end_reason: row.end_reason,
                    moved_from: row
                        .moved_from
                        .map(|id| column("moved_from").fixed(&id))
                        .transpose()?,
                })
            })
            .collect()
    }
}

/// The end of visits that can no longer run, with what follows the inner selection on each engine.
/// They have ended when they could run no longer, however much later that is noticed.
macro_rules! end_overdue {
    ($locking:literal) => {
        concat!(
            "update session set \
             ended_at = case when started_at > cannot_run_past then started_at \
             else cannot_run_past end, end_reason = case when hard_end < cannot_run_past + 1000 then 'hard-end' \
             else 'lease-over' end \
             where session_id in (select session_id from session \
              where ended_at is null and cannot_run_past <= $1 order by cannot_run_past limit $2",
            $locking,
            ") and ended_at is null and cannot_run_past <= $1 \
             returning session_id, device_id, site, room_id, ended_at"
        )
    };
}

impl Tx {
    /// Opens a room.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn insert_room(
        &mut self,
        room: RoomId,
        site: &SiteCode,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            "insert into room (room_id, site, opened_at) values ($1, $2, $3)",
            room.as_bytes().as_slice(),
            site.as_str(),
            now.millis()
        )?;
        Ok(())
    }

    /// Whether a room of a site is open, inside the transaction.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn room_is_open(
        &mut self,
        room: RoomId,
        site: &SiteCode,
    ) -> Result<bool, StoreError> {
        let row = fetch!(
            self,
            fetch_optional,
            (i64,),
            "select opened_at from room where room_id = $1 and site = $2 and closed_at is null",
            room.as_bytes().as_slice(),
            site.as_str()
        )?;
        Ok(row.is_some())
    }

    /// Ends what stands in the way of a new visit and can no longer run: an earlier visit on the
    /// same laptop (its gate has forgotten it, or it would not ask), and a visit with the same key
    /// whose time is over.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn end_lapsed_sessions(
        &mut self,
        device: DeviceId,
        key: Thumbprint,
        now: Timestamp,
    ) -> Result<Vec<EndedSession>, StoreError> {
        let rows = fetch!(
            self,
            fetch_all,
            EndedRow,
            "update session set ended_at = $3, \
             end_reason = case when device_id = $1 then 'superseded' else 'lease-over' end \
             where ended_at is null and (device_id = $1 or (key = $2 and cannot_run_past <= $3)) \
             returning session_id, device_id, site, room_id, ended_at",
            device.as_bytes().as_slice(),
            key.as_bytes().as_slice(),
            now.millis()
        )?;
        self.sessions_ended(rows, Urgency::Ordinary).await
    }

    /// Ends the visits with a key whose time is over.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn end_lapsed_sessions_with(
        &mut self,
        key: Thumbprint,
        now: Timestamp,
    ) -> Result<Vec<EndedSession>, StoreError> {
        let rows = fetch!(
            self,
            fetch_all,
            EndedRow,
            "update session set ended_at = $2, end_reason = 'lease-over' \
             where key = $1 and ended_at is null and cannot_run_past <= $2 \
             returning session_id, device_id, site, room_id, ended_at",
            key.as_bytes().as_slice(),
            now.millis()
        )?;
        self.sessions_ended(rows, Urgency::Ordinary).await
    }

    /// Ends visits that can no longer run and of which their laptops have not told: those at their
    /// hard end, and those whose lease and grace are over. Their rooms close with them.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn end_overdue_sessions(
        &mut self,
        now: Timestamp,
        most: u32,
    ) -> Result<Vec<EndedSession>, StoreError> {
        let sql = match &self.inner {
            TxInner::Sqlite(_) => end_overdue!(""),
            TxInner::Postgres(_) => end_overdue!(" for update skip locked"),
        };
        let rows = fetch!(
            self,
            fetch_all,
            EndedRow,
            sql,
            now.millis(),
            i64::from(most)
        )?;
        for row in &rows {
            self.close_room(&row.room_id, row.ended_at).await?;
        }
        self.sessions_ended(rows, Urgency::Ordinary).await
    }

    /// What follows the end of visits, however they end: their laptops are cut from their rooms.
    /// Every statement that writes `ended_at` hands its rows over here.
    pub(super) async fn sessions_ended(
        &mut self,
        rows: Vec<EndedRow>,
        urgency: Urgency,
    ) -> Result<Vec<EndedSession>, StoreError> {
        let sessions = rows.iter().map(EndedSession::try_from).collect();
        let ended: Vec<Ended> = rows.into_iter().map(Ended::from).collect();
        self.ask_for_cuts(&ended, urgency).await?;
        sessions
    }

    async fn close_room(&mut self, room: &[u8], at: i64) -> Result<(), StoreError> {
        execute!(
            self,
            "update room set closed_at = $2 where room_id = $1 and closed_at is null",
            room,
            at
        )?;
        Ok(())
    }

    /// Whether a visit with this key may still run on another laptop than this one, other than the
    /// one that moves here.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn key_runs_elsewhere(
        &mut self,
        key: Thumbprint,
        device: DeviceId,
        moves: Option<SessionId>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let row = fetch!(
            self,
            fetch_optional,
            (i64,),
            "select started_at from session where key = $1 and device_id <> $2 \
             and ended_at is null and cannot_run_past > $3 and session_id <> $4",
            key.as_bytes().as_slice(),
            device.as_bytes().as_slice(),
            now.millis(),
            moves
                .as_ref()
                .map_or(&[][..], |id| id.as_bytes().as_slice())
        )?;
        Ok(row.is_some())
    }

    /// Begins a visit; `false` if the key has another one running.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn insert_session(
        &mut self,
        session: &NewSession,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = execute!(
            self,
            "insert into session (session_id, site, device_id, generation, key, room_id, \
             activation_sha256, certificate_sha256, started_at, hard_end, cannot_run_past, \
             renew_nonce_hash, lease, reset_count, restart_count, anchor_clock, anchor_at, \
             last_clock, moved_from, visit_state) \
             select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $9, \
             $16, $17, 'in-room' where not exists \
             (select 1 from session where key = $5 and ended_at is null)",
            session.id.as_bytes().as_slice(),
            session.site.as_str(),
            session.device.as_bytes().as_slice(),
            i64::from(session.generation.number()),
            session.key.as_bytes().as_slice(),
            session.room.as_bytes().as_slice(),
            session.activation.as_bytes().as_slice(),
            session.certificate.as_bytes().as_slice(),
            now.millis(),
            session.hard_end.millis(),
            session.lease.cannot_run_past.millis(),
            session.lease.renew_nonce.sha256().as_bytes().as_slice(),
            session.lease.text.as_str(),
            i64::from(session.tpm.reset_count),
            i64::from(session.tpm.restart_count),
            bits_to_i64(session.tpm.clock),
            session
                .moved_from
                .as_ref()
                .map(|id| id.as_bytes().as_slice())
        )?;
        if rows == 1 {
            self.note_session_key(session.id, session.key, now).await?;
        }
        Ok(rows == 1)
    }

    /// Lists a key as one of a visit's, once.
    async fn note_session_key(
        &mut self,
        session: SessionId,
        key: Thumbprint,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            "insert into session_key (session_id, key, since) values ($1, $2, $3) \
             on conflict (session_id, key) do nothing",
            session.as_bytes().as_slice(),
            key.as_bytes().as_slice(),
            now.millis()
        )?;
        Ok(())
    }

    /// Gives a running visit a new activation and a later end; `false` if it is not running, or
    /// was renewed since it was judged.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn extend_session(
        &mut self,
        session: &NewSession,
        seq: u32,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = execute!(
            self,
            "update session set key = $3, activation_sha256 = $4, certificate_sha256 = $5, \
             hard_end = $6, cannot_run_past = $7, seq = seq + 1, renew_nonce_hash = $8, \
             answered_request = null, finish = null, lease = $9, restart_count = $10, anchor_clock = $11, \
             last_clock = $11, anchor_at = $12 \
             where session_id = $1 and seq = $2 and ended_at is null and not exists \
             (select 1 from session other where other.key = $3 and other.ended_at is null \
              and other.session_id <> $1)",
            session.id.as_bytes().as_slice(),
            i64::from(seq),
            session.key.as_bytes().as_slice(),
            session.activation.as_bytes().as_slice(),
            session.certificate.as_bytes().as_slice(),
            session.hard_end.millis(),
            session.lease.cannot_run_past.millis(),
            session.lease.renew_nonce.sha256().as_bytes().as_slice(),
            session.lease.text.as_str(),
            i64::from(session.tpm.restart_count),
            bits_to_i64(session.tpm.clock),
            now.millis()
        )?;
        if rows == 1 {
            self.note_session_key(session.id, session.key, now).await?;
        }
        Ok(rows == 1)
    }

    /// Renews a running visit; `false` if it is not running, or was renewed since it was judged.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn renew_session(&mut self, renewed: &RenewedSession) -> Result<bool, StoreError> {
        let rows = execute!(
            self,
            "update session set seq = seq + 1, cannot_run_past = $3, renew_nonce_hash = $4, \
             answered_request = $5, lease = $6, last_clock = $7, visit_state = $8, \
             restart_count = $9, anchor_clock = $10, anchor_at = $11, \
             hard_end = case when hard_end < $12 then hard_end else $12 end, finish = $13 \
             where session_id = $1 and seq = $2 and ended_at is null",
            renewed.id.as_bytes().as_slice(),
            i64::from(renewed.seq),
            renewed.lease.cannot_run_past.millis(),
            renewed.lease.renew_nonce.sha256().as_bytes().as_slice(),
            renewed.request.as_bytes().as_slice(),
            renewed.lease.text.as_str(),
            bits_to_i64(renewed.clock),
            renewed.state.as_str(),
            i64::from(renewed.anchor.restart_count),
            bits_to_i64(renewed.anchor.clock),
            renewed.anchor_at.millis(),
            renewed.hard_end.millis(),
            renewed.finish.map(Code::as_str)
        )?;
        Ok(rows == 1)
    }

    /// Brings the end of the running visits that list a key nearer; none moves away.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn end_sessions_by(
        &mut self,
        key: Thumbprint,
        end: Timestamp,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            "update session set hard_end = $2 \
             where ended_at is null and hard_end > $2 \
             and session_id in (select session_id from session_key where key = $1)",
            key.as_bytes().as_slice(),
            end.millis()
        )?;
        Ok(())
    }

    /// Ends a visit and closes its room, unless the visit moves and the room goes on; `false` if it
    /// had ended before. It never ends before it began, however long ago a laptop says that it was.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn end_session(
        &mut self,
        id: SessionId,
        reason: EndReason,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let row = fetch!(
            self,
            fetch_optional,
            EndedRow,
            "update session set end_reason = $3, \
             ended_at = case when started_at > $2 then started_at else $2 end \
             where session_id = $1 and ended_at is null \
             returning session_id, device_id, site, room_id, ended_at",
            id.as_bytes().as_slice(),
            at.millis(),
            reason.as_str()
        )?;
        let Some(row) = row else { return Ok(false) };
        if reason != EndReason::Moved {
            self.close_room(&row.room_id, at.millis()).await?;
        }
        let urgency = match reason {
            // The room goes on, without the laptop that was left.
            EndReason::Stopped | EndReason::Moved => Urgency::Stop,
            EndReason::Staff
            | EndReason::HardEnd
            | EndReason::LeaseOver
            | EndReason::Shutdown
            | EndReason::TpmReset
            | EndReason::VideoEnded
            | EndReason::KeyRemoved
            | EndReason::Superseded => Urgency::Ordinary,
        };
        self.sessions_ended(vec![row], urgency).await?;
        Ok(true)
    }

    /// The running visit on a laptop, if there is one.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn open_session_on(
        &mut self,
        device: DeviceId,
    ) -> Result<Option<SessionId>, StoreError> {
        let row = fetch!(
            self,
            fetch_optional,
            (Vec<u8>,),
            "select session_id from session where device_id = $1 and ended_at is null",
            device.as_bytes().as_slice()
        )?;
        row.map(|(id,)| Column("session", "session_id").fixed(&id))
            .transpose()
    }

    /// The running visits that list a key, by laptop.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn open_sessions_with(
        &mut self,
        key: Thumbprint,
    ) -> Result<Vec<EndedSession>, StoreError> {
        let rows = fetch!(
            self,
            fetch_all,
            (Vec<u8>, Vec<u8>, String),
            "select s.session_id, s.device_id, s.site from session_key x \
             join session s on s.session_id = x.session_id \
             where x.key = $1 and s.ended_at is null order by s.device_id",
            key.as_bytes().as_slice()
        )?;
        let column = |name| Column("session", name);
        rows.iter()
            .map(|(session, device, site)| {
                Ok(EndedSession {
                    id: column("session_id").fixed(session)?,
                    device: column("device_id").fixed(device)?,
                    site: column("site").text(site)?,
                })
            })
            .collect()
    }

    /// Takes the rows of two laptops, in the order of all locks.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn lock_devices(&mut self, mut devices: [DeviceId; 2]) -> Result<(), StoreError> {
        devices.sort_unstable_by(|one, two| one.as_bytes().cmp(two.as_bytes()));
        for device in devices {
            self.lock_device(device.as_bytes()).await?;
        }
        Ok(())
    }

    /// Takes the rows of the laptops on which a running visit lists a key, in order, before the
    /// key's own row is taken: the order of all locks.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn lock_devices_with(&mut self, key: Thumbprint) -> Result<(), StoreError> {
        for session in self.open_sessions_with(key).await? {
            self.lock_device(session.device.as_bytes()).await?;
        }
        Ok(())
    }

    /// The same for every key of a person: laptops before keys and visits, although the person's
    /// row is ours. A colleague may be in control of a visit that lists one of these keys, and takes
    /// rows without this person's.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn lock_devices_of(&mut self, person: PersonId) -> Result<(), StoreError> {
        let devices = fetch!(
            self,
            fetch_all,
            (Vec<u8>,),
            "select distinct s.device_id from staff_key k \
             join session_key x on x.key = k.key join session s on s.session_id = x.session_id \
             where k.person_id = $1 and s.ended_at is null order by s.device_id",
            person.as_bytes().as_slice()
        )?;
        for (device,) in devices {
            self.lock_device(&device).await?;
        }
        Ok(())
    }

    async fn lock_device(&mut self, device: &[u8]) -> Result<(), StoreError> {
        execute!(
            self,
            "update device set version = version where device_id = $1",
            device
        )?;
        Ok(())
    }
}

/// A visit that a statement has just ended.
#[derive(sqlx::FromRow)]
pub(super) struct EndedRow {
    session_id: Vec<u8>,
    device_id: Vec<u8>,
    site: String,
    room_id: Vec<u8>,
    ended_at: i64,
}

impl TryFrom<&EndedRow> for EndedSession {
    type Error = StoreError;

    fn try_from(row: &EndedRow) -> Result<Self, Self::Error> {
        let column = |name| Column("session", name);
        Ok(Self {
            id: column("session_id").fixed(&row.session_id)?,
            device: column("device_id").fixed(&row.device_id)?,
            site: column("site").text(&row.site)?,
        })
    }
}

impl From<EndedRow> for Ended {
    fn from(row: EndedRow) -> Self {
        Self {
            session: row.session_id,
            site: row.site,
            room: row.room_id,
            at: row.ended_at,
        }
    }
}
