//! Checking proofs: RFC 9162 §2.1.3.2 and §2.1.4.2.

use wardkey_schemas::bytes::Sha256;

use crate::TlogError;
use crate::tree::{empty_root, node_hash};

/// Hashes in a proof at most: one a level of a tree of 2^63 leaves, and one to begin with.
pub const MOST_HASHES: usize = 64;

/// Verifies that `leaf` is at `index` of the tree of `size` leaves with this root.
///
/// # Errors
///
/// [`TlogError::NotIncluded`].
pub fn verify_inclusion(
    leaf: &Sha256,
    index: u64,
    size: u64,
    path: &[Sha256],
    root: &Sha256,
) -> Result<(), TlogError> {
    if index >= size {
        return Err(TlogError::NotIncluded);
    }
    let mut walk = Walk::new(index, size.saturating_sub(1));
    let mut hash = *leaf;
    for sibling in path {
        hash = match walk.step().ok_or(TlogError::NotIncluded)? {
            Side::Left => node_hash(sibling, &hash),
            Side::Right => node_hash(&hash, sibling),
        };
    }
    if walk.is_at_root() && hash == *root {
        Ok(())
    } else {
        Err(TlogError::NotIncluded)
    }
}

/// Verifies that the tree of `new` leaves begins with the leaves of the tree of `old` leaves.
///
/// # Errors
///
/// [`TlogError::NotConsistent`].
pub fn verify_consistency(
    old: u64,
    old_root: &Sha256,
    new: u64,
    new_root: &Sha256,
    proof: &[Sha256],
) -> Result<(), TlogError> {
    let no = Err(TlogError::NotConsistent);
    if old > new {
        return no;
    }
    // Every tree continues the empty one, and itself; then there is nothing to prove.
    if old == 0 || old == new {
        let same = if old == new {
            old_root == new_root
        } else {
            *old_root == empty_root()
        };
        let empty_is_empty = new > 0 || *new_root == empty_root();
        return if proof.is_empty() && same && empty_is_empty {
            Ok(())
        } else {
            no
        };
    }
    // A complete old tree is a node of the new one, and its root is not repeated in the proof.
    let (first, rest) = if old.is_power_of_two() {
        (*old_root, proof)
    } else {
        let (first, rest) = proof.split_first().ok_or(TlogError::NotConsistent)?;
        (*first, rest)
    };
    let mut walk = Walk::new(old.saturating_sub(1), new.saturating_sub(1));
    walk.skip_right_edges();
    let (mut old_hash, mut new_hash) = (first, first);
    for sibling in rest {
        match walk.step().ok_or(TlogError::NotConsistent)? {
            Side::Left => {
                old_hash = node_hash(sibling, &old_hash);
                new_hash = node_hash(sibling, &new_hash);
            }
            Side::Right => new_hash = node_hash(&new_hash, sibling),
        }
    }
    if walk.is_at_root() && old_hash == *old_root && new_hash == *new_root {
        Ok(())
    } else {
        no
    }
}

/// On which side of the path the next hash of a proof stands.
enum Side {
    Left,
    Right,
}

/// The way from a leaf to the root: the leaf's number and the last leaf's, level by level.
struct Walk {
    here: u64,
    last: u64,
}

impl Walk {
    const fn new(here: u64, last: u64) -> Self {
        Self { here, last }
    }

    const fn up(&mut self) {
        self.here /= 2;
        self.last /= 2;
    }

    const fn is_right_child(&self) -> bool {
        self.here & 1 == 1
    }

    fn skip_right_edges(&mut self) {
        while self.is_right_child() {
            self.up();
        }
    }

    /// Goes up one level that has a sibling; nothing above the root.
    fn step(&mut self) -> Option<Side> {
        if self.is_at_root() {
            return None;
        }
        let side = if self.is_right_child() || self.here == self.last {
            // On the right edge there are levels without a sibling.
            while !self.is_right_child() && self.here != 0 {
                self.up();
            }
            Side::Left
        } else {
            Side::Right
        };
        self.up();
        Some(side)
    }

    const fn is_at_root(&self) -> bool {
        self.last == 0
    }
}
