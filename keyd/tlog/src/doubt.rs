//! Reading a log without believing it: every entry from the first, against what was seen before and
//! against what is signed; and which entry is the first that does not fit.
//!
//! Three things hold an entry in place: the leaf that the reader kept from an earlier look, the link
//! to the entry before (`docs/record.md`), and the root that the log has signed. Whoever lies about
//! an entry breaks one of them at that entry or before.

use wardkey_schemas::bytes::Sha256;

use crate::checkpoint::Checkpoint;
use crate::frontier::Frontier;
use crate::tree::{empty_root, leaf_hash};

/// What is wrong with a log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wrong {
    /// It has fewer entries than it had, or than it has signed for.
    Shortened,
    /// An entry is another than the one that was seen at its place.
    Forked,
    /// An entry does not link to the one before, or is not the one that was signed.
    Edited,
}

/// The first entry that does not fit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FirstBad {
    /// What is wrong.
    pub wrong: Wrong,
    /// Its index, from 0; its place is one more.
    pub index: u64,
}

/// A reader that has come to some entry.
#[derive(Clone, Debug)]
pub struct Reader {
    /// Leaves of an earlier look, from the first entry on.
    kept: Vec<Sha256>,
    leaves: Vec<Sha256>,
    frontier: Frontier,
}

impl Reader {
    /// Begins at the first entry, with what was kept of an earlier look; without one, nothing.
    pub fn new(kept: Vec<Sha256>) -> Self {
        Self {
            kept,
            leaves: Vec::new(),
            frontier: Frontier::default(),
        }
    }

    /// Goes on where the earlier look ended, without reading its entries again.
    #[must_use]
    pub fn after_kept(mut self) -> Self {
        for leaf in &self.kept {
            self.frontier.push(*leaf);
        }
        self.leaves.clone_from(&self.kept);
        self
    }

    /// How many entries were read.
    pub const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root over what was read.
    pub fn root(&self) -> Sha256 {
        self.frontier.root()
    }

    /// The leaves of what was read: what to keep.
    pub fn leaves(&self) -> &[Sha256] {
        &self.leaves
    }

    /// Whether the log still has as many entries as were seen.
    ///
    /// # Errors
    ///
    /// [`Wrong::Shortened`] at the first that is missing.
    pub fn require_length(&self, size: u64) -> Result<(), FirstBad> {
        if size < u64::try_from(self.kept.len()).unwrap_or(u64::MAX) {
            return Err(FirstBad {
                wrong: Wrong::Shortened,
                index: size,
            });
        }
        Ok(())
    }

    /// Reads the next entry.
    ///
    /// # Errors
    ///
    /// [`Wrong::Forked`] or [`Wrong::Edited`] at this entry.
    pub fn read(&mut self, entry: &[u8]) -> Result<(), FirstBad> {
        let index = self.size();
        let bad = |wrong| Err(FirstBad { wrong, index });
        let leaf = leaf_hash(entry);
        let seen = usize::try_from(index).ok().and_then(|i| self.kept.get(i));
        if seen.is_some_and(|seen| *seen != leaf) {
            return bad(Wrong::Forked);
        }
        let previous = self.leaves.last().copied().unwrap_or_else(empty_root);
        if !links(entry, index.saturating_add(1), &previous) {
            return bad(Wrong::Edited);
        }
        self.leaves.push(leaf);
        self.frontier.push(leaf);
        Ok(())
    }

    /// Whether what was read is what was signed. `hashes` are the leaves that the log's own tiles
    /// show, as far as they can be had: they tell at which entry it goes wrong.
    ///
    /// # Errors
    ///
    /// [`Wrong::Shortened`] if entries are missing at the end; [`Wrong::Edited`] at the first entry
    /// that differs from the log's tiles, or, where none does, at the first that no earlier look
    /// vouches for.
    pub fn require_signed(
        &self,
        checkpoint: &Checkpoint,
        hashes: &[Sha256],
    ) -> Result<(), FirstBad> {
        let size = self.size();
        if size < checkpoint.size {
            return Err(FirstBad {
                wrong: Wrong::Shortened,
                index: size,
            });
        }
        if size == checkpoint.size && self.root() == checkpoint.root {
            return Ok(());
        }
        let differs = self.leaves.iter().zip(hashes).position(|(a, b)| a != b);
        let index = differs.unwrap_or(self.kept.len());
        Err(FirstBad {
            wrong: Wrong::Edited,
            index: u64::try_from(index).unwrap_or(u64::MAX),
        })
    }
}

/// Whether an entry says that it stands at `place` after the leaf `previous`. Both stand where keyd
/// writes them, first and last, so that nothing inside an entry can speak for them.
fn links(entry: &[u8], place: u64, previous: &Sha256) -> bool {
    let begins = format!("{{\"v\":1,\"place\":{place},");
    let ends = format!(",\"previous\":\"{previous}\"}}");
    entry.starts_with(begins.as_bytes()) && entry.ends_with(ends.as_bytes())
}
