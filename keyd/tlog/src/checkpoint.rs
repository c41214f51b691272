//! Checkpoints (C2SP `tlog-checkpoint`): the size and root of a log, signed by the log and cosigned
//! by witnesses (C2SP `tlog-cosignature`).

use std::fmt;

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::time::Timestamp;

use crate::key::{KeyName, Kind, SignerKey, VerifierKey};
use crate::note::Note;
use crate::{TlogError, malformed, text};

/// How many entries a log has, and the root of their tree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: KeyName,
    /// The number of entries.
    pub size: u64,
    /// The root of the tree.
    pub root: Sha256,
}

impl Checkpoint {
    fn parse(body: &str) -> Result<Self, TlogError> {
        let wrong = |why| malformed("a checkpoint", why);
        let mut lines = body.split('\n');
        let mut next = || lines.next().ok_or_else(|| wrong("fewer than three lines"));
        let origin = next()?.parse()?;
        let size = text::decimal(next()?).ok_or_else(|| wrong("the size is no number"))?;
        let root = text::decode_hash(next()?).ok_or_else(|| wrong("the root is no hash"))?;
        let parsed = Self { origin, size, root };
        // Our logs write no further lines; what nobody understands is refused.
        if parsed.to_string() == body {
            Ok(parsed)
        } else {
            Err(wrong("lines after the root"))
        }
    }

    /// Signs it with the log's key, whose name is the origin.
    pub fn sign(self, key: &SignerKey) -> VerifiedCheckpoint {
        let mut note = Note::new(self.to_string());
        note.sign_log(key);
        VerifiedCheckpoint {
            checkpoint: self,
            note,
        }
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = text::encode(self.root.as_bytes());
        write!(f, "{}\n{}\n{root}\n", self.origin, self.size)
    }
}

/// A checkpoint that its log has signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

impl VerifiedCheckpoint {
    /// Verifies a checkpoint of the log whose key this is.
    ///
    /// # Errors
    ///
    /// [`TlogError`]: not well formed, of another log, or not signed by this key.
    pub fn verify(note: &str, log: &VerifierKey) -> Result<Self, TlogError> {
        let note = Note::parse(note)?;
        let checkpoint = Checkpoint::parse(note.body())?;
        if checkpoint.origin != *log.name() {
            return Err(TlogError::Origin {
                found: checkpoint.origin.to_string(),
                wanted: log.name().to_string(),
            });
        }
        note.verify_log(log)?;
        Ok(Self { checkpoint, note })
    }

    /// The number of entries.
    pub const fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// The root of the tree.
    pub const fn root(&self) -> &Sha256 {
        &self.checkpoint.root
    }

    /// What was signed.
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// When a witness saw it, by the witness's word.
    ///
    /// # Errors
    ///
    /// [`TlogError::Unsigned`], [`TlogError::Signature`].
    pub fn verify_witness(&self, witness: &VerifierKey) -> Result<Timestamp, TlogError> {
        let bytes = self.note.signature_of(witness)?;
        let wrong = || TlogError::Signature {
            name: witness.name().to_string(),
        };
        let (time, signature) = bytes.split_first_chunk::<8>().ok_or_else(wrong)?;
        let time = u64::from_be_bytes(*time);
        let said = cosigned(time, self.note.body());
        if witness.kind() != Kind::Witness || !witness.verifies(said.as_bytes(), signature) {
            return Err(wrong());
        }
        let seconds = i64::try_from(time).map_err(|_| wrong())?;
        Timestamp::from_seconds(seconds).map_err(|_| wrong())
    }

    /// A witness's signature line over this checkpoint, as it answers.
    ///
    /// # Errors
    ///
    /// [`TlogError::Key`] if the key is not a witness's or the time is before 1970.
    pub fn cosign(&self, witness: &SignerKey, now: Timestamp) -> Result<String, TlogError> {
        let time = u64::try_from(now.seconds()).map_err(|_| TlogError::Key)?;
        if witness.verifier().kind() != Kind::Witness {
            return Err(TlogError::Key);
        }
        let mut bytes = time.to_be_bytes().to_vec();
        bytes.extend(witness.sign(cosigned(time, self.note.body()).as_bytes()));
        let mut answer = Note::new(String::new());
        answer.push(witness.verifier(), bytes);
        Ok(answer.signature_lines())
    }

    /// Adds what a witness answered, if it is that witness's signature over this checkpoint.
    ///
    /// # Errors
    ///
    /// [`TlogError`].
    pub fn add_cosignature(
        &mut self,
        lines: &str,
        witness: &VerifierKey,
    ) -> Result<Timestamp, TlogError> {
        let mut with = self.clone();
        with.note.add_lines(lines)?;
        let at = with.verify_witness(witness)?;
        *self = with;
        Ok(at)
    }
}

impl fmt::Display for VerifiedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

/// What a witness signs.
fn cosigned(time: u64, body: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{body}")
}
