//! The right edge of a growing tree: all that is needed to add leaves and to know the root.

use wardkey_schemas::bytes::Sha256;

use crate::tree::{fold, node_hash};

/// The complete subtrees that a tree consists of, left to right.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Frontier {
    size: u64,
    subtrees: Vec<Sha256>,
}

impl Frontier {
    /// How many leaves there are.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf by its hash.
    pub fn push(&mut self, leaf: Sha256) {
        self.size = self.size.saturating_add(1);
        let mut hash = leaf;
        // Each trailing zero of the new size is a subtree that has just become complete.
        for _ in 0..self.size.trailing_zeros() {
            let Some(left) = self.subtrees.pop() else {
                break;
            };
            hash = node_hash(&left, &hash);
        }
        self.subtrees.push(hash);
    }

    /// The root of the tree.
    pub fn root(&self) -> Sha256 {
        fold(&self.subtrees)
    }
}
