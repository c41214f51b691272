//! Challenges and nonces: handed out once, spent by one update.

use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::challenge::Purpose;
use wardkey_schemas::evidence::PcrValue;
use wardkey_schemas::ids::{ChallengeId, DeviceId, Generation, RoomId, SessionId};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::time::Timestamp;

use super::devices::{Device, DeviceRow, device_columns};
use super::engine::Tx;
use super::keys::{StaffKey, StaffKeyRow, key_columns};
use super::rows::{Column, to_json};
use super::{Store, StoreError};

/// What keyd handed out.
#[derive(Clone, Debug)]
pub struct StoredChallenge {
    /// Its number.
    pub id: ChallengeId,
    /// SHA-256 of keyd's nonce.
    pub nonce: Sha256,
    /// What for.
    pub purpose: Purpose,
    /// The visit that is to move, where that is what for.
    pub moves: Option<SessionId>,
    /// The laptop that asked.
    pub device: DeviceId,
    /// Its enrolment.
    pub generation: Generation,
    /// The site.
    pub site: SiteCode,
    /// The room.
    pub room: RoomId,
    /// Whether the room is made by the activation.
    pub room_is_new: bool,
    /// The key that was plugged in.
    pub key: Thumbprint,
    /// Its certificate.
    pub certificate: Sha256,
    /// The gate's nonce.
    pub gate_nonce: Nonce,
    /// SHA-256 of the event log that the laptop named.
    pub event_log: Sha256,
    /// Whether the log itself must come with the activation.
    pub event_log_wanted: bool,
    /// The registers to quote.
    pub pcrs: Vec<u8>,
    /// When it was handed out.
    pub issued_at: Timestamp,
    /// Until when it waits.
    pub expires_at: Timestamp,
    /// When it was spent.
    pub consumed_at: Option<Timestamp>,
}

/// Everything that an activation is judged by, read in one statement.
#[derive(Clone, Debug)]
pub struct ActivationContext {
    /// The challenge.
    pub challenge: StoredChallenge,
    /// The laptop.
    pub device: Device,
    /// The key.
    pub key: StaffKey,
    /// The certificate (DER) of the key's grant.
    pub certificate: Vec<u8>,
    /// The replayed values of the event log, if it was replayed before.
    pub replayed: Option<Vec<PcrValue>>,
}

#[derive(sqlx::FromRow)]
struct ContextRow {
    challenge_id: Vec<u8>,
    nonce_hash: Vec<u8>,
    purpose: String,
    session_id: Option<Vec<u8>>,
    generation: i64,
    site: String,
    room_id: Vec<u8>,
    room_is_new: i64,
    certificate_sha256: Vec<u8>,
    gate_nonce: Vec<u8>,
    event_log: Vec<u8>,
    event_log_wanted: i64,
    pcrs: String,
    issued_at: i64,
    expires_at: i64,
    consumed_at: Option<i64>,
    certificate: Option<Vec<u8>>,
    replayed: Option<String>,
    #[sqlx(flatten)]
    device: DeviceRow,
    #[sqlx(flatten)]
    key: StaffKeyRow,
}

impl TryFrom<ContextRow> for ActivationContext {
    type Error = StoreError;

    fn try_from(row: ContextRow) -> Result<Self, Self::Error> {
        let column = |name| Column("challenge", name);
        let device = Device::try_from(row.device)?;
        let key = StaffKey::try_from(row.key)?;
        let session = row.session_id.as_deref();
        let session = session
            .map(|id| column("session_id").fixed(id))
            .transpose()?;
        let (purpose, moves) = match (row.purpose.as_str(), session) {
            ("activate", None) => (Purpose::Activate, None),
            ("move", Some(session)) => (Purpose::Move, Some(session)),
            ("extend", Some(session)) => (Purpose::Extend { session }, None),
            _ => {
                return Err(StoreError::Inconsistent {
                    table: "challenge",
                    column: "purpose",
                });
            }
        };
        let consumed = row.consumed_at;
        let challenge = StoredChallenge {
            id: column("challenge_id").fixed(&row.challenge_id)?,
            nonce: column("nonce_hash").fixed(&row.nonce_hash)?,
            purpose,
            moves,
            device: device.id,
            generation: Generation::new(column("generation").number(row.generation)?),
            site: column("site").text(&row.site)?,
            room: column("room_id").fixed(&row.room_id)?,
            room_is_new: row.room_is_new != 0,
            key: key.key,
            certificate: column("certificate_sha256").fixed(&row.certificate_sha256)?,
            gate_nonce: column("gate_nonce").fixed(&row.gate_nonce)?,
            event_log: column("event_log").fixed(&row.event_log)?,
            event_log_wanted: row.event_log_wanted != 0,
            pcrs: column("pcrs").json(&row.pcrs)?,
            issued_at: column("issued_at").time(row.issued_at)?,
            expires_at: column("expires_at").time(row.expires_at)?,
            consumed_at: consumed
                .map(|at| column("consumed_at").time(at))
                .transpose()?,
        };
        let missing = StoreError::Inconsistent {
            table: "key_grant",
            column: "certificate",
        };
        Ok(Self {
            challenge,
            device,
            key,
            certificate: row.certificate.ok_or(missing)?,
            replayed: row
                .replayed
                .map(|pcrs| Column("event_log", "pcrs").json(&pcrs))
                .transpose()?,
        })
    }
}

impl Store {
    /// The challenge with everything that its activation is judged by.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn activation_context(
        &self,
        id: ChallengeId,
    ) -> Result<Option<ActivationContext>, StoreError> {
        let row = read_optional!(
            self,
            ContextRow,
            concat!(
                "select c.challenge_id, c.nonce_hash, c.purpose, c.session_id, c.generation, \
                 c.site, c.room_id, c.room_is_new, c.certificate_sha256, c.gate_nonce, \
                 c.event_log, c.event_log_wanted, c.pcrs, c.issued_at, c.expires_at, \
                 c.consumed_at, g.certificate, l.pcrs as replayed, ",
                device_columns!(),
                ", ",
                key_columns!(),
                " from challenge c join device d on d.device_id = c.device_id \
                 join staff_key k on k.key = c.key \
                 join key_grant g on g.key = c.key and g.site = c.site \
                 left join event_log l on l.sha256 = c.event_log where c.challenge_id = $1"
            ),
            id.as_bytes().as_slice()
        )?;
        row.map(ActivationContext::try_from).transpose()
    }
}

impl Tx {
    /// Hands out a challenge.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn insert_challenge(
        &mut self,
        challenge: &StoredChallenge,
    ) -> Result<(), StoreError> {
        let (purpose, session) = match challenge.purpose {
            Purpose::Activate => ("activate", None),
            Purpose::Move => ("move", challenge.moves),
            Purpose::Extend { session } => ("extend", Some(session)),
        };
        let pcrs = to_json(&challenge.pcrs, Column("challenge", "pcrs"))?;
        execute!(
            self,
            "insert into challenge (challenge_id, nonce_hash, purpose, session_id, device_id, \
             generation, site, room_id, room_is_new, key, certificate_sha256, gate_nonce, \
             event_log, event_log_wanted, pcrs, issued_at, expires_at) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
            challenge.id.as_bytes().as_slice(),
            challenge.nonce.as_bytes().as_slice(),
            purpose,
            session
                .as_ref()
                .map(|session| session.as_bytes().as_slice()),
            challenge.device.as_bytes().as_slice(),
            i64::from(challenge.generation.number()),
            challenge.site.as_str(),
            challenge.room.as_bytes().as_slice(),
            i64::from(challenge.room_is_new),
            challenge.key.as_bytes().as_slice(),
            challenge.certificate.as_bytes().as_slice(),
            challenge.gate_nonce.as_bytes().as_slice(),
            challenge.event_log.as_bytes().as_slice(),
            i64::from(challenge.event_log_wanted),
            pcrs.as_str(),
            challenge.issued_at.millis(),
            challenge.expires_at.millis()
        )?;
        Ok(())
    }

    /// Spends a challenge; `false` if it was spent before.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn consume_challenge(
        &mut self,
        id: ChallengeId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = execute!(
            self,
            "update challenge set consumed_at = $2 \
             where challenge_id = $1 and consumed_at is null",
            id.as_bytes().as_slice(),
            now.millis()
        )?;
        Ok(rows == 1)
    }

    /// Hands out a nonce for a human act.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn insert_action_nonce(
        &mut self,
        nonce: &Nonce,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            "insert into action_nonce (nonce_hash, issued_at, expires_at) values ($1, $2, $3)",
            nonce.sha256().as_bytes().as_slice(),
            now.millis(),
            expires_at.millis()
        )?;
        Ok(())
    }

    /// Spends a nonce for a human act.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn consume_action_nonce(
        &mut self,
        nonce: &Nonce,
        now: Timestamp,
    ) -> Result<NonceUse, StoreError> {
        let rows = execute!(
            self,
            "update action_nonce set consumed_at = $2 \
             where nonce_hash = $1 and consumed_at is null and expires_at > $2",
            nonce.sha256().as_bytes().as_slice(),
            now.millis()
        )?;
        if rows == 1 {
            return Ok(NonceUse::Fresh);
        }
        let row = fetch!(
            self,
            fetch_optional,
            (Option<i64>,),
            "select consumed_at from action_nonce where nonce_hash = $1",
            nonce.sha256().as_bytes().as_slice()
        )?;
        Ok(match row {
            None => NonceUse::Unknown,
            Some((Some(_),)) => NonceUse::Used,
            Some((None,)) => NonceUse::Expired,
        })
    }

    /// Forgets nonces and challenges that ran out before `before`: from then on they are unknown,
    /// which is refused as well. Gives the number of rows.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn forget_nonces(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        let challenges = execute!(
            self,
            "delete from challenge where expires_at < $1",
            before.millis()
        )?;
        let nonces = execute!(
            self,
            "delete from action_nonce where expires_at < $1",
            before.millis()
        )?;
        Ok(challenges.saturating_add(nonces))
    }
}

/// What became of a nonce that was given back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NonceUse {
    /// It was waiting; now it is spent.
    Fresh,
    /// It was never handed out, or long ago.
    Unknown,
    /// It was spent before.
    Used,
    /// It waited too long.
    Expired,
}
