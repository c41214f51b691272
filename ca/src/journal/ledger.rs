//! How an act of issuing is written: the intent before the key is used, the outcome after.

use std::future::Future;

use sqlx::{Sqlite, Transaction};
use wardkey_schemas::bytes::Bytes;
use wardkey_schemas::ids::Generation;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::registration::Receipt;
use wardkey_schemas::time::Timestamp;

use super::columns::Column;
use super::entries::{IntentId, Planned, Purpose};
use super::{Journal, JournalError};

/// What the authority's key is about to sign.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Why.
    pub purpose: Purpose,
    /// The certificates, in the order announced.
    pub planned: Vec<Planned>,
    /// When.
    pub at: Timestamp,
}

/// Where an act of issuing is written down.
///
/// What a function has written is durable when it returns `Ok`. When it returns an error, it may have
/// been written or not: the journal is read again before anything else is done.
pub trait Ledger: Send + Sync + 'static {
    /// Writes an intent, before the key is used.
    fn intend(
        &self,
        intent: &Intent,
    ) -> impl Future<Output = Result<IntentId, JournalError>> + Send;

    /// Writes the certificates that were signed, in the order of the intent.
    fn record(
        &self,
        intent: IntentId,
        certificates: &[Bytes],
        note: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Writes that an intent was given up.
    fn abandon(
        &self,
        intent: IntentId,
        reason: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Writes keyd's receipt for what was signed; a second one changes nothing.
    fn note_reported(
        &self,
        intent: IntentId,
        receipt: &Jws<Receipt>,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;
}

/// The columns that are looked up.
#[derive(Default)]
struct LookedUp<'a> {
    enrolment: Option<&'a [u8]>,
    ek: Option<&'a [u8]>,
    device: Option<&'a [u8]>,
    generation: Option<u32>,
    key: Option<&'a [u8]>,
    person: Option<&'a [u8]>,
}

impl<'a> From<&'a Purpose> for LookedUp<'a> {
    fn from(purpose: &'a Purpose) -> Self {
        let enrolment = purpose
            .registered()
            .map(|registered| registered.enrolment.as_bytes().as_slice());
        match purpose {
            Purpose::Laptop {
                ek,
                device,
                generation,
                ..
            }
            | Purpose::Recertification {
                ek,
                device,
                generation,
                ..
            } => Self {
                enrolment,
                ek: Some(ek.as_bytes()),
                device: Some(device.as_bytes()),
                generation: Some(Generation::number(*generation)),
                ..Self::default()
            },
            Purpose::Key { person, key, .. } => Self {
                enrolment,
                key: Some(key.as_bytes()),
                person: Some(person.as_bytes()),
                ..Self::default()
            },
            Purpose::Listener => Self::default(),
        }
    }
}

impl Ledger for Journal {
    async fn intend(&self, intent: &Intent) -> Result<IntentId, JournalError> {
        let mut tx = self.write.begin_with("begin immediate").await?;
        let looked_up = LookedUp::from(&intent.purpose);
        let (id,): (i64,) = sqlx::query_as(
            "insert into intent \
             (at, purpose, kind, enrolment_id, ek, device_id, generation, key, person_id) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning intent_id",
        )
        .bind(intent.at.millis())
        .bind(Column("intent", "purpose").to_json(&intent.purpose)?)
        .bind(intent.purpose.as_str())
        .bind(looked_up.enrolment)
        .bind(looked_up.ek)
        .bind(looked_up.device)
        .bind(looked_up.generation)
        .bind(looked_up.key)
        .bind(looked_up.person)
        .fetch_one(&mut *tx)
        .await?;
        for (place, planned) in (0_i64..).zip(&intent.planned) {
            sqlx::query(
                "insert into planned (intent_id, place, plan, tbs_sha256) \
                 values ($1, $2, $3, $4)",
            )
            .bind(id)
            .bind(place)
            .bind(Column("planned", "plan").to_json(&planned.plan)?)
            .bind(planned.tbs_sha256.as_bytes().as_slice())
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(IntentId(id))
    }

    async fn record(
        &self,
        intent: IntentId,
        certificates: &[Bytes],
        note: &str,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        let mut tx = self.write.begin_with("begin immediate").await?;
        insert_outcome(&mut tx, intent, "signed", note, now).await?;
        for (place, certificate) in (0_i64..).zip(certificates) {
            sqlx::query("insert into issued (intent_id, place, certificate) values ($1, $2, $3)")
                .bind(intent.0)
                .bind(place)
                .bind(certificate.as_slice())
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn abandon(
        &self,
        intent: IntentId,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        let mut tx = self.write.begin_with("begin immediate").await?;
        insert_outcome(&mut tx, intent, "abandoned", reason, now).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn note_reported(
        &self,
        intent: IntentId,
        receipt: &Jws<Receipt>,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        sqlx::query(
            "insert into report (intent_id, at, receipt) values ($1, $2, $3) \
             on conflict do nothing",
        )
        .bind(intent.0)
        .bind(now.millis())
        .bind(receipt.as_str())
        .execute(&self.write)
        .await?;
        Ok(())
    }
}

async fn insert_outcome(
    tx: &mut Transaction<'static, Sqlite>,
    intent: IntentId,
    result: &'static str,
    note: &str,
    now: Timestamp,
) -> Result<(), JournalError> {
    sqlx::query("insert into outcome (intent_id, at, result, note) values ($1, $2, $3, $4)")
        .bind(intent.0)
        .bind(now.millis())
        .bind(result)
        .bind(note)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
