//! What a witness is asked and how it judges (C2SP `tlog-witness`).

use std::fmt;

use wardkey_schemas::bytes::Sha256;

use crate::checkpoint::{Checkpoint, VerifiedCheckpoint};
use crate::key::VerifierKey;
use crate::note::NOTE_BYTES;
use crate::proof::verify_consistency;
use crate::{TlogError, malformed, text};

/// Where a witness listens, below its address.
pub const PATH: &str = "/add-checkpoint";

/// The type of the answer that says which size the witness knows.
pub const SIZE_TYPE: &str = "text/x.tlog.size";

/// Hashes in a request at most.
const MOST_LINES: usize = 63;

/// Bytes of a request at most: the proof and the note.
pub const REQUEST_BYTES: usize = NOTE_BYTES + 4 * 1024;

/// Please say that you saw this checkpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AddCheckpoint {
    /// The size that the log believes the witness has seen.
    pub old: u64,
    /// The consistency proof from there.
    pub proof: Vec<Sha256>,
    /// The checkpoint, as a note.
    pub checkpoint: String,
}

impl AddCheckpoint {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// [`TlogError::Malformed`].
    pub fn parse(request: &str) -> Result<Self, TlogError> {
        let wrong = |why| malformed("a request to a witness", why);
        if request.len() > REQUEST_BYTES {
            return Err(wrong("too long"));
        }
        let (head, checkpoint) = request
            .split_once("\n\n")
            .ok_or_else(|| wrong("no empty line before the checkpoint"))?;
        let mut lines = head.split('\n');
        let old = lines
            .next()
            .and_then(|line| line.strip_prefix("old "))
            .and_then(text::decimal)
            .ok_or_else(|| wrong("no old size"))?;
        let proof: Option<Vec<Sha256>> =
            lines.take(MOST_LINES + 1).map(text::decode_hash).collect();
        let proof = proof.ok_or_else(|| wrong("a line that is no hash"))?;
        if proof.len() > MOST_LINES {
            return Err(wrong("too many hashes"));
        }
        Ok(Self {
            old,
            proof,
            checkpoint: checkpoint.to_owned(),
        })
    }

    /// The log that the checkpoint says it is of: good for finding its key, for nothing else.
    pub fn claimed_origin(&self) -> &str {
        self.checkpoint.split('\n').next().unwrap_or_default()
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        for hash in &self.proof {
            writeln!(f, "{}", text::encode(hash.as_bytes()))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

/// Why a witness does not sign; each has its status.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum No {
    /// 400: not well formed, or the old size is beyond the checkpoint.
    Malformed,
    /// 403: the log's key has not signed it.
    Forbidden,
    /// 409: another size was seen last; the answer tells it.
    Seen(u64),
    /// 409: this very size was seen with another root.
    Forked,
    /// 422: the proof does not show that what was seen continues.
    Unproven,
}

impl No {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Forbidden => 403,
            Self::Seen(_) | Self::Forked => 409,
            Self::Unproven => 422,
        }
    }

    /// The body of the answer.
    pub fn body(self) -> String {
        match self {
            Self::Malformed => "the request is not well formed\n".to_owned(),
            Self::Forbidden => "the log has not signed the checkpoint\n".to_owned(),
            Self::Seen(size) => format!("{size}\n"),
            Self::Forked => "this size was seen with another root\n".to_owned(),
            Self::Unproven => "the proof does not continue what was seen\n".to_owned(),
        }
    }
}

/// Judges a request: the checkpoint to keep, durably, before it is signed.
///
/// `seen` is the last checkpoint of this log that the witness signed.
///
/// # Errors
///
/// [`No`].
pub fn judge(
    request: &AddCheckpoint,
    log: &VerifierKey,
    seen: Option<&Checkpoint>,
) -> Result<VerifiedCheckpoint, No> {
    let checkpoint =
        VerifiedCheckpoint::verify(&request.checkpoint, log).map_err(|error| match error {
            TlogError::Unsigned { .. } | TlogError::Signature { .. } => No::Forbidden,
            TlogError::Malformed { .. }
            | TlogError::Origin { .. }
            | TlogError::NotIncluded
            | TlogError::NotConsistent
            | TlogError::Missing { .. }
            | TlogError::Key => No::Malformed,
        })?;
    if request.old > checkpoint.size() {
        return Err(No::Malformed);
    }
    let empty = crate::tree::empty_root();
    let (size, root) = seen.map_or((0, &empty), |seen| (seen.size, &seen.root));
    if request.old != size {
        return Err(No::Seen(size));
    }
    if size == checkpoint.size() && root != checkpoint.root() {
        return Err(No::Forked);
    }
    let proof = &request.proof;
    verify_consistency(size, root, checkpoint.size(), checkpoint.root(), proof)
        .map_err(|_| No::Unproven)?;
    Ok(checkpoint)
}
