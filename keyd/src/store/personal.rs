//! Personal detail beside the record: what people are called, and what they typed.
//!
//! An entry holds a commitment only, SHA-256 over 32 random bytes and the words. The words and their
//! salt stand here, and can be erased for a person: the entry stays as it was signed, every proof
//! holds, and nobody can find out what was said by trying.
//!
//! # Invariants
//!
//! - No entry of the record holds a name or a note.
//! - A commitment gets into its entry and its words into this table in one transaction.

use serde::Serialize;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::PersonId;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};

use super::engine::Tx;
use super::rows::Column;
use super::{Store, StoreError};

/// What stands in the place of a name that was erased.
const NO_NAME: &str = "(erased)";

/// What words are.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// What a person is called.
    Name,
    /// What a person typed.
    Note,
}

impl Kind {
    /// The member of the entry that holds the commitment.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Note => "note",
        }
    }
}

/// Words of a person, with the salt that hides them in the record.
#[derive(Clone, Debug)]
pub struct Personal {
    person: PersonId,
    kind: Kind,
    salt: [u8; 32],
    words: String,
}

impl Personal {
    /// Words about or by a person; `salt` is fresh and random.
    pub fn new(person: PersonId, kind: Kind, words: &str, salt: [u8; 32]) -> Self {
        Self {
            person,
            kind,
            salt,
            words: words.to_owned(),
        }
    }

    /// What an entry says of them.
    pub fn commitment(&self) -> Sha256 {
        commitment(&self.salt, &self.words)
    }

    /// Puts the commitment into an entry's detail.
    pub fn commit(&self, detail: &mut serde_json::Value) {
        if let Some(members) = detail.as_object_mut() {
            let commitment = serde_json::json!(self.commitment());
            members.insert(self.kind.as_str().to_owned(), commitment);
        }
    }
}

/// SHA-256 over salt and words.
fn commitment(salt: &[u8], words: &str) -> Sha256 {
    Sha256::of(&[salt, words.as_bytes()].concat())
}

/// What is kept of a person's words.
#[derive(Clone, Debug, Serialize)]
pub struct Kept {
    /// What they are.
    pub kind: String,
    /// The words.
    pub words: String,
    /// When they were noted.
    pub at: Timestamp,
    /// What the entry says: SHA-256 over salt and words.
    pub commitment: Sha256,
    /// The salt, in hexadecimal.
    pub salt: Sha256,
}

/// What was erased of a person.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Erased {
    /// Names and notes with their salts.
    pub details: u64,
    /// Other rows in which words of theirs stood.
    pub rows: u64,
}

impl Store {
    /// Everything that is kept of a person's words.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn kept_of(&self, person: PersonId) -> Result<Vec<Kept>, StoreError> {
        let rows = read_all!(
            self,
            (String, String, i64, Vec<u8>, Vec<u8>),
            "select kind, words, noted_at, commitment, salt from personal_detail \
             where person_id = $1 order by noted_at, commitment",
            person.as_bytes().as_slice()
        )?;
        let column = |name| Column("personal_detail", name);
        rows.into_iter()
            .map(|(kind, words, at, said, salt)| {
                let found: Sha256 = column("commitment").fixed(&said)?;
                if found != commitment(&salt, &words) {
                    return Err(StoreError::Inconsistent {
                        table: "personal_detail",
                        column: "commitment",
                    });
                }
                Ok(Kept {
                    kind,
                    words,
                    at: column("noted_at").time(at)?,
                    commitment: found,
                    salt: column("salt").fixed(&salt)?,
                })
            })
            .collect()
    }
}

impl Tx {
    /// Keeps words whose commitment gets into an entry of this transaction.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn keep_personal(
        &mut self,
        personal: &Personal,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        execute!(
            self,
            "insert into personal_detail (commitment, person_id, kind, salt, words, noted_at) \
             values ($1, $2, $3, $4, $5, $6)",
            personal.commitment().as_bytes().as_slice(),
            personal.person.as_bytes().as_slice(),
            personal.kind.as_str(),
            personal.salt.as_slice(),
            personal.words.as_str(),
            now.millis()
        )?;
        Ok(())
    }

    /// Refuses to erase somebody who is not known, or who can still act.
    ///
    /// # Errors
    ///
    /// `NOT_FOUND`, `STATE_TRANSITION`.
    pub async fn require_has_left(&mut self, person: PersonId) -> Result<(), StoreError> {
        let refuse = |code, found: String, wanted| {
            let refusal = Refusal::new(code, found, wanted);
            Err(StoreError::Refused(Box::new(refusal)))
        };
        let known: Option<(i64,)> = fetch!(
            self,
            fetch_optional,
            (i64,),
            "select cast(1 as bigint) from person where person_id = $1",
            person.as_bytes().as_slice()
        )?;
        if known.is_none() {
            return refuse(Code::NotFound, person.to_string(), "a person who is known");
        }
        let (keys,): (i64,) = fetch!(
            self,
            fetch_one,
            (i64,),
            "select count(*) from staff_key where person_id = $1 and revoked = 0",
            person.as_bytes().as_slice()
        )?;
        if keys > 0 {
            let wanted = "somebody whose security keys are all revoked";
            return refuse(
                Code::StateTransition,
                format!("{keys} that are not revoked"),
                wanted,
            );
        }
        Ok(())
    }

    /// Erases a person's name and what they typed, with the salts: here, and where else words of
    /// theirs stand. Numbers stay, as do stops, keys, visits and the record.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn erase_person(
        &mut self,
        person: PersonId,
        now: Timestamp,
    ) -> Result<Erased, StoreError> {
        let id = person.as_bytes().as_slice();
        let mut erased = Erased {
            details: execute!(self, "delete from personal_detail where person_id = $1", id)?,
            rows: 0,
        };
        let (details, notes) = self.erase_notes_about(person).await?;
        erased.details = erased.details.saturating_add(details);
        let named = execute!(
            self,
            "update person set name = $2 where person_id = $1 and name <> $2",
            id,
            NO_NAME
        )?;
        let typed = execute!(
            self,
            "update hold set note = '' where by_person = $1 and note <> ''",
            id
        )?;
        // The enrolment that told the name; what it came to stands elsewhere.
        let enrolments = execute!(
            self,
            "update registration set request = '' where kind = 'key' and subject = $1 \
             and request <> '' and (stage <> 'open' or expires_at <= $2)",
            id,
            now.millis()
        )?;
        // Signed words that nothing waits for; the record has their hashes.
        let requests = execute!(
            self,
            "delete from approval where (requester_person = $1 or approver_person = $1) \
             and (approved_at is not null or expires_at <= $2)",
            id,
            now.millis()
        )?;
        for rows in [notes, named, typed, enrolments, requests] {
            erased.rows = erased.rows.saturating_add(rows);
        }
        Ok(erased)
    }

    /// What others typed when they stopped this person or their keys, or did something else to them.
    async fn erase_notes_about(&mut self, person: PersonId) -> Result<(u64, u64), StoreError> {
        let id = person.as_bytes().as_slice();
        let notes = execute!(
            self,
            "update hold set note = '' where note <> '' and ((target_kind = 'person' \
             and target = $1) or (target_kind = 'key' \
             and target in (select key from staff_key where person_id = $1)))",
            id
        )?;
        let keys: Vec<(Vec<u8>,)> = fetch!(
            self,
            fetch_all,
            (Vec<u8>,),
            "select key from staff_key where person_id = $1",
            id
        )?;
        let mut targets = vec![format!("person {person}")];
        for (key,) in keys {
            let key: wardkey_schemas::key::Thumbprint = Column("staff_key", "key").fixed(&key)?;
            targets.push(format!("key {key}"));
        }
        let mut details = 0_u64;
        for target in targets {
            let entries: Vec<(String,)> = fetch!(
                self,
                fetch_all,
                (String,),
                "select entry from audit where target = $1",
                target.as_str()
            )?;
            for (entry,) in entries {
                let entry: serde_json::Value = Column("audit", "entry").json(&entry)?;
                let Some(said) = entry.get("detail").and_then(|detail| detail.get("note")) else {
                    continue;
                };
                let said: Sha256 =
                    serde_json::from_value(said.clone()).map_err(|_| StoreError::Inconsistent {
                        table: "audit",
                        column: "entry",
                    })?;
                let gone = execute!(
                    self,
                    "delete from personal_detail where commitment = $1",
                    said.as_bytes().as_slice()
                )?;
                details = details.saturating_add(gone);
            }
        }
        Ok((details, notes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_are_another_commitment_each_time_and_the_salt_decides_it() {
        let person = PersonId::from_random([7; 16]);
        let said = |salt| Personal::new(person, Kind::Note, "left at the gate", salt).commitment();
        assert_eq!(said([1; 32]), said([1; 32]));
        assert_ne!(said([1; 32]), said([2; 32]));
        let plain = Sha256::of(&[[1; 32].as_slice(), b"left at the gate"].concat());
        assert_eq!(said([1; 32]), plain);
    }
}
