//! The hash of all entries: a Merkle tree (RFC 6962 §2.1) over pieces of them, so that one entry
//! changes a few hashes and not all bytes are read again.

use wardkey_schemas::bytes::Sha256;

/// Bytes of a leaf: 1,024 entries. Smaller leaves would make more hashes to keep, larger ones more
/// bytes to read for one change.
const LEAF: usize = 256;

/// The hashes, leaves first, each level half as long as the one below; a hash without a neighbour
/// goes up as it is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Tree {
    levels: Vec<Vec<Sha256>>,
}

impl Tree {
    /// The tree over `bytes`.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut tree = Self::default();
        let leaves = bytes.len().div_ceil(LEAF);
        tree.renew(bytes, 0..leaves);
        tree
    }

    /// The leaf in which a byte stands.
    pub(super) const fn leaf_of(byte: usize) -> usize {
        byte / LEAF
    }

    /// Hashes these leaves and all above them anew; `leaves` ascend, and name every leaf whose bytes
    /// changed or that is new.
    pub(super) fn renew(&mut self, bytes: &[u8], leaves: impl IntoIterator<Item = usize>) {
        let mut length = bytes.len().div_ceil(LEAF);
        let mut changed: Vec<usize> = leaves.into_iter().collect();
        let mut height = 0;
        while length > 0 {
            if self.levels.len() == height {
                self.levels.push(Vec::new());
            }
            let (below, above) = self.levels.split_at_mut(height);
            let (below, Some(level)) = (below.last(), above.first_mut()) else {
                return;
            };
            level.resize(length, Sha256::new([0; 32]));
            for place in &changed {
                let hash = match below {
                    None => leaf(bytes, *place),
                    Some(below) => node(below, *place),
                };
                if let Some(to) = level.get_mut(*place) {
                    *to = hash;
                }
            }
            if length == 1 {
                return;
            }
            changed = changed.into_iter().map(|place| place / 2).collect();
            changed.dedup();
            length = length.div_ceil(2);
            height = height.saturating_add(1);
        }
    }

    /// The hash at the top; of nothing, the hash of nothing.
    pub(super) fn root(&self) -> Sha256 {
        let top = self.levels.last().and_then(|level| level.first());
        top.copied().unwrap_or_else(|| Sha256::of(&[]))
    }
}

fn leaf(bytes: &[u8], place: usize) -> Sha256 {
    let piece = bytes.chunks(LEAF).nth(place).unwrap_or_default();
    let mut text = Vec::with_capacity(LEAF.saturating_add(1));
    text.push(0);
    text.extend_from_slice(piece);
    Sha256::of(&text)
}

fn node(below: &[Sha256], place: usize) -> Sha256 {
    match below.chunks(2).nth(place) {
        Some([left, right]) => {
            let mut text = [1; 65];
            let both = left.as_bytes().iter().chain(right.as_bytes());
            for (to, from) in text.iter_mut().skip(1).zip(both) {
                *to = *from;
            }
            Sha256::of(&text)
        }
        Some([alone]) => *alone,
        // There is no such place.
        _ => Sha256::new([0; 32]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of RFC 6962 §2.1, word for word.
    fn by_definition(leaves: &[&[u8]]) -> Sha256 {
        match leaves {
            [] => Sha256::of(&[]),
            [only] => Sha256::of(&[&[0], *only].concat()),
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                let (left, right) = (
                    by_definition(&leaves[..split]),
                    by_definition(&leaves[split..]),
                );
                Sha256::of(&[&[1], left.as_bytes().as_slice(), right.as_bytes()].concat())
            }
        }
    }

    #[test]
    fn the_root_is_that_of_the_definition_for_every_number_of_leaves() {
        for length in (0..40)
            .map(|leaves| leaves * LEAF)
            .chain([1, 255, 257, 700])
        {
            let bytes: Vec<u8> = (0..length)
                .map(|n| u8::try_from(n % 251).unwrap())
                .collect();
            let leaves: Vec<&[u8]> = bytes.chunks(LEAF).collect();
            assert_eq!(Tree::of(&bytes).root(), by_definition(&leaves), "{length}");
        }
    }

    #[test]
    fn one_leaf_renewed_gives_the_same_tree_as_all_of_them() {
        let mut bytes = vec![7; 11 * LEAF];
        let mut tree = Tree::of(&bytes);
        for place in 0..11 {
            bytes[place * LEAF + 3] = 9;
            tree.renew(&bytes, [place]);
            assert_eq!(tree, Tree::of(&bytes), "{place}");
        }
        let before = Tree::leaf_of(bytes.len() - 1);
        bytes.resize(17 * LEAF + 1, 0);
        tree.renew(&bytes, before..18);
        assert_eq!(tree, Tree::of(&bytes));
    }
}
