//! One act of issuing, with all that the journal knows of it.

use std::fmt;

use serde::{Deserialize, Serialize};
use wardkey_schemas::bytes::{Bytes, Sha256};
use wardkey_schemas::ids::{
    CharterId, DeviceId, EnrolmentId, Generation, PersonId, RegistrationId,
};
use wardkey_schemas::jws::Jws;
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::TokenSerial;
use wardkey_schemas::registration::Receipt;
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Timestamp;

use super::columns::Column;
use super::{Journal, JournalError};
use crate::plan::Plan;

/// The number of an intent: 1, 2, 3, …
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct IntentId(pub(super) i64);

impl fmt::Display for IntentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The registration at keyd under which something is issued.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// ca's number.
    pub enrolment: EnrolmentId,
    /// keyd's number.
    pub registration: RegistrationId,
    /// SHA-256 of the completion, so that the same one said again is known.
    pub completion: Sha256,
    /// keyd's word that it has recorded what will be signed.
    pub receipt: Jws<Receipt>,
}

/// On whose word a security key is certified.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Vouched {
    /// A person's.
    Person {
        /// Their number.
        person: PersonId,
        /// Their key.
        key: Thumbprint,
    },
    /// The charter's.
    Charter {
        /// Its number.
        charter: CharterId,
    },
}

/// Why something is issued.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "for")]
pub enum Purpose {
    /// A laptop is enrolled.
    Laptop {
        /// The registration.
        registered: Registered,
        /// SHA-256 of its endorsement key.
        ek: Sha256,
        /// Its number.
        device: DeviceId,
        /// Which enrolment of it this is.
        generation: Generation,
    },
    /// The certificates of a laptop are renewed.
    Recertification {
        /// The registration.
        registered: Registered,
        /// SHA-256 of its endorsement key.
        ek: Sha256,
        /// Its number.
        device: DeviceId,
        /// Which enrolment of it this is.
        generation: Generation,
    },
    /// A security key is enrolled.
    Key {
        /// The registration.
        registered: Registered,
        /// Whose it is.
        person: PersonId,
        /// For which role.
        role: Role,
        /// The key.
        key: Thumbprint,
        /// The token.
        serial: TokenSerial,
        /// On whose word.
        vouched: Vouched,
    },
    /// This ca's own listener.
    Listener,
}

impl Purpose {
    /// The word in the journal.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Laptop { .. } => "laptop",
            Self::Recertification { .. } => "recertification",
            Self::Key { .. } => "key",
            Self::Listener => "listener",
        }
    }

    /// The registration; `None` for the listener, of which keyd need not know.
    pub const fn registered(&self) -> Option<&Registered> {
        match self {
            Self::Laptop { registered, .. }
            | Self::Recertification { registered, .. }
            | Self::Key { registered, .. } => Some(registered),
            Self::Listener => None,
        }
    }
}

/// A certificate that was planned, with the hash of the bytes that were announced.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Planned {
    /// What goes into it.
    pub plan: Plan,
    /// SHA-256 of what the signature covers.
    pub tbs_sha256: Sha256,
}

/// How far it has come.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Intended; whether the key was used is not known.
    Open,
    /// Signed; keyd has not been told, or its answer was lost.
    Signed {
        /// When.
        at: Timestamp,
        /// The certificates (DER), in the order announced.
        certificates: Vec<Bytes>,
    },
    /// Signed, and keyd has it: released.
    Reported {
        /// When it was signed.
        at: Timestamp,
        /// The certificates (DER), in the order announced.
        certificates: Vec<Bytes>,
        /// keyd's receipt.
        receipt: Jws<Receipt>,
    },
    /// Given up.
    Abandoned {
        /// When.
        at: Timestamp,
        /// Why.
        reason: String,
    },
}

/// One act of issuing.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Entry {
    /// Its number.
    pub intent: IntentId,
    /// When it was intended.
    pub at: Timestamp,
    /// Why.
    pub purpose: Purpose,
    /// What was planned.
    pub planned: Vec<Planned>,
    /// How far it has come.
    pub state: State,
}

/// An intent with its outcome and report, as the query gives them.
type Row = (
    i64,
    i64,
    String,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<String>,
);

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select i.intent_id, i.at, i.purpose, o.at, o.result, o.note, r.receipt \
             from intent i left join outcome o on o.intent_id = i.intent_id \
             left join report r on r.intent_id = i.intent_id ",
            $rest
        )
    };
}

impl Journal {
    /// The act of issuing under one of ca's enrolments.
    ///
    /// # Errors
    ///
    /// [`JournalError`].
    pub async fn find_by_enrolment(
        &self,
        enrolment: EnrolmentId,
    ) -> Result<Option<Entry>, JournalError> {
        let row: Option<Row> = sqlx::query_as(select!("where i.enrolment_id = $1"))
            .bind(enrolment.as_bytes().as_slice())
            .fetch_optional(&self.read)
            .await?;
        match row {
            Some(row) => self.entry(row).await.map(Some),
            None => Ok(None),
        }
    }

    /// What was last signed for a laptop.
    ///
    /// # Errors
    ///
    /// [`JournalError`].
    pub async fn newest_of_laptop(&self, device: DeviceId) -> Result<Option<Entry>, JournalError> {
        let row: Option<Row> = sqlx::query_as(select!(
            "where i.device_id = $1 and o.result = 'signed' order by i.intent_id desc limit 1"
        ))
        .bind(device.as_bytes().as_slice())
        .fetch_optional(&self.read)
        .await?;
        match row {
            Some(row) => self.entry(row).await.map(Some),
            None => Ok(None),
        }
    }

    /// Intents without an outcome, the oldest first.
    ///
    /// # Errors
    ///
    /// [`JournalError`].
    pub async fn find_open(&self) -> Result<Vec<Entry>, JournalError> {
        let rows = sqlx::query_as(select!("where o.intent_id is null order by i.intent_id"))
            .fetch_all(&self.read)
            .await?;
        self.entries(rows).await
    }

    /// What was signed and of which keyd's receipt is not here, the oldest first.
    ///
    /// # Errors
    ///
    /// [`JournalError`].
    pub async fn find_unreported(&self) -> Result<Vec<Entry>, JournalError> {
        let rows = sqlx::query_as(select!(
            "where o.result = 'signed' and r.intent_id is null and i.kind <> 'listener' \
             order by i.intent_id"
        ))
        .fetch_all(&self.read)
        .await?;
        self.entries(rows).await
    }

    /// The newest acts, the newest first.
    ///
    /// # Errors
    ///
    /// [`JournalError`].
    pub async fn newest(&self, most: u32) -> Result<Vec<Entry>, JournalError> {
        let rows = sqlx::query_as(select!("order by i.intent_id desc limit $1"))
            .bind(most)
            .fetch_all(&self.read)
            .await?;
        self.entries(rows).await
    }

    /// The newest certificate of the listener that was signed.
    ///
    /// # Errors
    ///
    /// [`JournalError`].
    pub async fn newest_listener(&self) -> Result<Option<Entry>, JournalError> {
        let row: Option<Row> = sqlx::query_as(select!(
            "where i.kind = 'listener' and o.result = 'signed' order by i.intent_id desc limit 1"
        ))
        .fetch_optional(&self.read)
        .await?;
        match row {
            Some(row) => self.entry(row).await.map(Some),
            None => Ok(None),
        }
    }

    async fn entries(&self, rows: Vec<Row>) -> Result<Vec<Entry>, JournalError> {
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            entries.push(self.entry(row).await?);
        }
        Ok(entries)
    }

    async fn entry(&self, row: Row) -> Result<Entry, JournalError> {
        let (intent, at, purpose, decided_at, result, note, receipt) = row;
        let planned = self.planned(intent).await?;
        let decided_at = decided_at
            .map(|at| Column("outcome", "at").time(at))
            .transpose()?;
        let receipt = receipt
            .map(|text| Column("report", "receipt").found(Jws::parse(text).ok()))
            .transpose()?;
        let state = match (result.as_deref(), decided_at, note, receipt) {
            (None, None, None, None) => State::Open,
            (Some("signed"), Some(at), Some(_), None) => State::Signed {
                at,
                certificates: self.certificates(intent).await?,
            },
            (Some("signed"), Some(at), Some(_), Some(receipt)) => State::Reported {
                at,
                certificates: self.certificates(intent).await?,
                receipt,
            },
            (Some("abandoned"), Some(at), Some(reason), None) => State::Abandoned { at, reason },
            _ => return Column("outcome", "result").found(None),
        };
        Ok(Entry {
            intent: IntentId(intent),
            at: Column("intent", "at").time(at)?,
            purpose: Column("intent", "purpose").json(&purpose)?,
            planned,
            state,
        })
    }

    async fn planned(&self, intent: i64) -> Result<Vec<Planned>, JournalError> {
        let rows: Vec<(String, Vec<u8>)> = sqlx::query_as(
            "select plan, tbs_sha256 from planned where intent_id = $1 order by place",
        )
        .bind(intent)
        .fetch_all(&self.read)
        .await?;
        rows.iter()
            .map(|(plan, tbs_sha256)| {
                Ok(Planned {
                    plan: Column("planned", "plan").json(plan)?,
                    tbs_sha256: Column("planned", "tbs_sha256").fixed(tbs_sha256)?,
                })
            })
            .collect()
    }

    async fn certificates(&self, intent: i64) -> Result<Vec<Bytes>, JournalError> {
        let rows: Vec<(Vec<u8>,)> =
            sqlx::query_as("select certificate from issued where intent_id = $1 order by place")
                .bind(intent)
                .fetch_all(&self.read)
                .await?;
        Ok(rows.into_iter().map(|(der,)| der.into()).collect())
    }
}
