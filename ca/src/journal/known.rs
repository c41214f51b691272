//! What this authority has certified before, and for whom. What was given up does not count, but for
//! numbers of people: no number is given out twice.

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::{DeviceId, Generation, PersonId};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::role::Role;

use super::columns::Column;
use super::entries::Purpose;
use super::{Journal, JournalError};

/// A laptop that was certified here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KnownLaptop {
    /// SHA-256 of its endorsement key.
    pub ek: Sha256,
    /// Its number.
    pub device: DeviceId,
    /// Its newest enrolment.
    pub generation: Generation,
}

impl Journal {
    /// The laptop with this endorsement key, and the one with this number, each with its newest
    /// enrolment: the same one, or there is something wrong.
    ///
    /// # Errors
    ///
    /// [`JournalError`].
    pub async fn find_laptops(
        &self,
        ek: &Sha256,
        device: DeviceId,
    ) -> Result<Vec<KnownLaptop>, JournalError> {
        let rows: Vec<(Vec<u8>, Vec<u8>, i64)> = sqlx::query_as(
            "select i.ek, i.device_id, max(i.generation) from intent i \
             left join outcome o on o.intent_id = i.intent_id \
             where (i.ek = $1 or i.device_id = $2) and coalesce(o.result, 'open') <> 'abandoned' \
             group by i.ek, i.device_id",
        )
        .bind(ek.as_bytes().as_slice())
        .bind(device.as_bytes().as_slice())
        .fetch_all(&self.read)
        .await?;
        rows.iter()
            .map(|(ek, device, generation)| {
                let generation = Column("intent", "generation").number(*generation)?;
                Ok(KnownLaptop {
                    ek: Column("intent", "ek").fixed(ek)?,
                    device: Column("intent", "device_id").fixed(device)?,
                    generation: Generation::new(generation),
                })
            })
            .collect()
    }

    /// For what a key of a person was certified here before.
    ///
    /// # Errors
    ///
    /// [`JournalError`].
    pub async fn find_key(&self, key: Thumbprint) -> Result<Option<Purpose>, JournalError> {
        let row: Option<(String,)> = sqlx::query_as(
            "select i.purpose from intent i left join outcome o on o.intent_id = i.intent_id \
             where i.key = $1 and coalesce(o.result, 'open') <> 'abandoned' \
             order by i.intent_id desc limit 1",
        )
        .bind(key.as_bytes().as_slice())
        .fetch_optional(&self.read)
        .await?;
        row.map(|(purpose,)| Column("intent", "purpose").json(&purpose))
            .transpose()
    }

    /// Whether a key of this person was ever to be certified here.
    ///
    /// # Errors
    ///
    /// [`JournalError`].
    pub async fn person_is_known(&self, person: PersonId) -> Result<bool, JournalError> {
        let row: Option<(i64,)> =
            sqlx::query_as("select intent_id from intent where person_id = $1 limit 1")
                .bind(person.as_bytes().as_slice())
                .fetch_optional(&self.read)
                .await?;
        Ok(row.is_some())
    }

    /// How many people have a certified key for this role.
    ///
    /// # Errors
    ///
    /// [`JournalError`].
    pub async fn count_people(&self, role: Role) -> Result<usize, JournalError> {
        let rows: Vec<(Vec<u8>, String)> = sqlx::query_as(
            "select i.person_id, i.purpose from intent i \
             join outcome o on o.intent_id = i.intent_id \
             where i.kind = 'key' and o.result = 'signed'",
        )
        .fetch_all(&self.read)
        .await?;
        let mut people = std::collections::BTreeSet::new();
        for (person, purpose) in rows {
            let purpose = Column("intent", "purpose").json(&purpose)?;
            if matches!(purpose, Purpose::Key { role: found, .. } if found == role) {
                people.insert(person);
            }
        }
        Ok(people.len())
    }
}
