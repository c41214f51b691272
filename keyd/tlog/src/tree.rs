//! The Merkle tree of RFC 6962 §2.1: its hashes, and which of them a proof is made of.
//!
//! A proof is planned first, as a list of ranges cut into complete subtrees ([`Node`]), and computed
//! when those are at hand; so whoever keeps tiles in a database, behind a network or in a folder
//! can fetch all that is needed at once.

use aws_lc_rs::digest;
use wardkey_schemas::bytes::Sha256;

/// The root of the empty tree.
pub fn empty_root() -> Sha256 {
    Sha256::of(b"")
}

/// The hash of a leaf.
pub fn leaf_hash(entry: &[u8]) -> Sha256 {
    let mut bytes = Vec::with_capacity(entry.len().saturating_add(1));
    bytes.push(0);
    bytes.extend_from_slice(entry);
    Sha256::of(&bytes)
}

/// The hash of a node above two others.
pub fn node_hash(left: &Sha256, right: &Sha256) -> Sha256 {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(&[1]);
    hash.update(left.as_bytes());
    hash.update(right.as_bytes());
    let mut bytes = [0; 32];
    // Both are 32 bytes long.
    for (to, from) in bytes.iter_mut().zip(hash.finish().as_ref()) {
        *to = *from;
    }
    Sha256::new(bytes)
}

/// A complete subtree: the `index`-th of 2^`level` leaves.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Node {
    /// 2^level leaves are below it.
    pub level: u8,
    /// Its number among the subtrees of its size, from 0.
    pub index: u64,
}

/// A run of leaves whose hash is one element of a proof: complete subtrees, left to right.
pub type Range = Vec<Node>;

/// The complete subtrees that make up the leaves from `from` up to, not including, `to`.
pub fn cover(from: u64, to: u64) -> Range {
    let mut nodes = Vec::new();
    let mut at = from;
    while at < to {
        // The largest complete subtree that begins here and does not reach beyond the end.
        let level = at
            .trailing_zeros()
            .min(to.saturating_sub(at).ilog2())
            .min(63);
        let index = at.checked_shr(level).unwrap_or(0);
        nodes.push(Node {
            level: u8::try_from(level).unwrap_or(63),
            index,
        });
        at = at.saturating_add(power(level));
    }
    nodes
}

/// The nodes whose hashes, folded from the right, are the root of a tree of `size` leaves.
pub fn root_plan(size: u64) -> Range {
    cover(0, size)
}

/// What the inclusion proof of leaf `index` in a tree of `size` leaves is made of, from the leaf up
/// (RFC 9162 §2.1.3.1); nothing if there is no such leaf.
pub fn inclusion_plan(index: u64, size: u64) -> Option<Vec<Range>> {
    if index >= size {
        return None;
    }
    let mut ranges = Vec::new();
    let (mut from, mut to) = (0_u64, size);
    while to.saturating_sub(from) > 1 {
        let middle = from.saturating_add(split(to.saturating_sub(from)));
        if index < middle {
            ranges.push(cover(middle, to));
            to = middle;
        } else {
            ranges.push(cover(from, middle));
            from = middle;
        }
    }
    ranges.reverse();
    Some(ranges)
}

/// What the consistency proof from `old` to `new` leaves is made of (RFC 9162 §2.1.4.1); nothing if
/// the old tree is the larger. From the empty tree, and from a tree to itself, the proof is empty.
pub fn consistency_plan(old: u64, new: u64) -> Option<Vec<Range>> {
    if old > new {
        return None;
    }
    let mut ranges = Vec::new();
    if old == 0 || old == new {
        return Some(ranges);
    }
    let (mut from, mut to) = (0_u64, new);
    // Whether the subtree looked at is the old tree itself, whose root the verifier has.
    let mut whole = true;
    while old < to {
        let middle = from.saturating_add(split(to.saturating_sub(from)));
        if old <= middle {
            ranges.push(cover(middle, to));
            to = middle;
        } else {
            ranges.push(cover(from, middle));
            from = middle;
            whole = false;
        }
    }
    if !whole {
        ranges.push(cover(from, to));
    }
    ranges.reverse();
    Some(ranges)
}

/// The hash of a range from the hashes of its subtrees, left to right; of none, the empty root.
pub fn fold(hashes: &[Sha256]) -> Sha256 {
    let mut from_right = hashes.iter().rev();
    let Some(last) = from_right.next() else {
        return empty_root();
    };
    from_right.fold(*last, |right, left| node_hash(left, &right))
}

/// The largest power of two below `count`, where a tree of `count` leaves (two at least) splits.
fn split(count: u64) -> u64 {
    power(count.saturating_sub(1).max(1).ilog2())
}

/// 2^level.
fn power(level: u32) -> u64 {
    1_u64.checked_shl(level).unwrap_or(u64::MAX)
}
