//! What is remembered of the record: the last checkpoint, and the leaf of every entry under it.
//!
//! The leaves are what names the entry at which a log begins to tell another story; a root alone
//! would only say that it does.

use std::fs;
use std::io;
use std::path::PathBuf;

use wardkey_schemas::bytes::Sha256;
use wardkey_tlog::checkpoint::VerifiedCheckpoint;
use wardkey_tlog::frontier::Frontier;
use wardkey_tlog::key::VerifierKey;

use super::unsigned;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::private_file::{self, Lock};

/// The memory of one log, locked.
pub(super) struct Memory {
    checkpoint: PathBuf,
    leaves: PathBuf,
    _lock: Lock,
}

impl Memory {
    /// Opens the memory of the log with this key.
    pub(super) fn open(desk: &Desk, log: &VerifierKey) -> Result<Self, Failure> {
        let folder = desk.state_folder()?;
        let name: String = Sha256::of(log.name().as_str().as_bytes())
            .to_hex()
            .chars()
            .take(16)
            .collect();
        let checkpoint = folder.join(format!("log-{name}.checkpoint"));
        let lock = private_file::lock(&checkpoint, || ())?;
        Ok(Self {
            leaves: folder.join(format!("log-{name}.leaves")),
            checkpoint,
            _lock: lock,
        })
    }

    /// The leaves of the last look; none if there was none.
    pub(super) fn load(&self, log: &VerifierKey) -> Result<Vec<Sha256>, Failure> {
        let Some(note) = private_file::read(&self.checkpoint)? else {
            return Ok(Vec::new());
        };
        // To forget what was seen because it cannot be read would let another history in.
        let spoilt = |what| Failure::UnsafeFile {
            path: self.checkpoint.clone(),
            what,
        };
        let note = std::str::from_utf8(&note).map_err(|_| spoilt("it holds no checkpoint"))?;
        let seen = VerifiedCheckpoint::verify(note, log).map_err(unsigned)?;
        let bytes = match fs::read(&self.leaves) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(Failure::file(&self.leaves, "cannot be read")(error)),
        };
        let size = usize::try_from(seen.size()).unwrap_or(usize::MAX);
        let mut frontier = Frontier::default();
        let mut leaves = Vec::new();
        // A crash may have left more leaves than the checkpoint is about, never fewer.
        for chunk in bytes.chunks_exact(32).take(size) {
            let leaf = Sha256::try_from(chunk).map_err(|_| spoilt("its leaves are spoilt"))?;
            frontier.push(leaf);
            leaves.push(leaf);
        }
        if frontier.size() != seen.size() || frontier.root() != *seen.root() {
            return Err(spoilt("the leaves beside it are not those that it signs"));
        }
        Ok(leaves)
    }

    /// Remembers a look.
    pub(super) fn replace(
        &self,
        checkpoint: &VerifiedCheckpoint,
        leaves: &[Sha256],
    ) -> Result<(), Failure> {
        private_file::replace(&self.leaves, &wardkey_tlog::tile::to_bytes(leaves))?;
        private_file::replace(&self.checkpoint, checkpoint.to_string().as_bytes())
    }
}
