//! Proofs as texts that can be kept and checked without a network (C2SP `tlog-proof`).

use std::fmt;

use wardkey_schemas::bytes::Sha256;

use crate::checkpoint::VerifiedCheckpoint;
use crate::key::VerifierKey;
use crate::proof::{MOST_HASHES, verify_inclusion};
use crate::{TlogError, malformed, text};

const HEADER: &str = "c2sp.org/tlog-proof@v1\n";

/// That an entry is in a log: its index, the path to the root, and the checkpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProofText {
    /// The index of the entry, from 0.
    pub index: u64,
    /// The inclusion proof.
    pub path: Vec<Sha256>,
    /// The checkpoint, as a note; nothing about it is believed yet.
    pub checkpoint: String,
}

impl ProofText {
    /// Reads a proof. Extra data has no meaning here and is refused.
    ///
    /// # Errors
    ///
    /// [`TlogError::Malformed`].
    pub fn parse(proof: &str) -> Result<Self, TlogError> {
        let wrong = |why| malformed("a proof", why);
        let rest = proof
            .strip_prefix(HEADER)
            .ok_or_else(|| wrong("another first line"))?;
        let (head, checkpoint) = rest
            .split_once("\n\n")
            .ok_or_else(|| wrong("no empty line before the checkpoint"))?;
        let mut lines = head.split('\n');
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(text::decimal)
            .ok_or_else(|| wrong("no index"))?;
        let path: Option<Vec<Sha256>> =
            lines.take(MOST_HASHES + 1).map(text::decode_hash).collect();
        let path = path.ok_or_else(|| wrong("a line that is no hash"))?;
        if path.len() > MOST_HASHES {
            return Err(wrong("too many hashes"));
        }
        Ok(Self {
            index,
            path,
            checkpoint: checkpoint.to_owned(),
        })
    }

    /// Verifies that the log has signed a tree with this leaf in it.
    ///
    /// # Errors
    ///
    /// [`TlogError`].
    pub fn verify(
        &self,
        leaf: &Sha256,
        log: &VerifierKey,
    ) -> Result<VerifiedCheckpoint, TlogError> {
        let checkpoint = VerifiedCheckpoint::verify(&self.checkpoint, log)?;
        let (size, root) = (checkpoint.size(), checkpoint.root());
        verify_inclusion(leaf, self.index, size, &self.path, root)?;
        Ok(checkpoint)
    }
}

impl fmt::Display for ProofText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}index {}", self.index)?;
        for hash in &self.path {
            writeln!(f, "{}", text::encode(hash.as_bytes()))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}
