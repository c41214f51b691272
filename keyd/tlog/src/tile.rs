//! Tiles (C2SP `tlog-tiles`): the hashes of a tree in files of 256, eight levels a file.
//!
//! Tile `index` of level `level` holds the hashes of the complete subtrees of 2^(8·level) leaves
//! with the numbers from 256·index on. A tile of 256 hashes never changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use wardkey_schemas::bytes::Sha256;

use crate::tree::{Node, Range, consistency_plan, fold, inclusion_plan, node_hash, root_plan};
use crate::{TlogError, malformed};

/// Hashes in a full tile.
pub const WIDTH: u64 = 256;

/// Levels of tiles of a tree of 2^63 leaves.
pub const LEVELS: u8 = 8;

/// Bytes of a full tile.
pub const TILE_BYTES: usize = 256 * 32;

/// Which tile.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TileId {
    /// Its level, from 0.
    pub level: u8,
    /// Its number within the level.
    pub index: u64,
}

impl TileId {
    /// How many hashes it has in a tree of `size` leaves.
    pub fn width(self, size: u64) -> u64 {
        let complete = complete_at(self.level, size);
        complete
            .saturating_sub(self.index.saturating_mul(WIDTH))
            .min(WIDTH)
    }
}

/// The number of complete subtrees of 2^(8·level) leaves in a tree of `size` leaves.
pub fn complete_at(level: u8, size: u64) -> u64 {
    size.checked_shr(u32::from(level).saturating_mul(8))
        .unwrap_or(0)
}

/// What a path below a log's address names.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Piece {
    /// Hashes.
    Tile(TileId),
    /// Entries, by their number: those whose hashes are in the tile of level 0 with that number.
    Entries(u64),
}

/// A piece of a log with its width: the address of something that never changes.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PiecePath {
    /// What.
    pub piece: Piece,
    /// How many hashes or entries, 1 to 256.
    pub width: u64,
}

impl fmt::Display for PiecePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = match self.piece {
            Piece::Tile(tile) => {
                write!(f, "tile/{}/", tile.level)?;
                tile.index
            }
            Piece::Entries(index) => {
                f.write_str("tile/entries/")?;
                index
            }
        };
        // Groups of three digits; all but the last begin with an x.
        let digits = index.to_string();
        let padding = (3_usize.saturating_sub(digits.len() % 3)) % 3;
        let padded = format!("{}{digits}", "0".repeat(padding));
        let groups = padded.len() / 3;
        for (number, group) in padded.as_bytes().chunks(3).enumerate() {
            let more = number.saturating_add(1) < groups;
            let group = std::str::from_utf8(group).unwrap_or_default();
            write!(
                f,
                "{}{group}{}",
                if more { "x" } else { "" },
                if more { "/" } else { "" }
            )?;
        }
        if self.width < WIDTH {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

impl std::str::FromStr for PiecePath {
    type Err = TlogError;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        let wrong = || malformed("the path of a tile", "not tile/<L>/<N>[.p/<W>]");
        let rest = path.strip_prefix("tile/").ok_or_else(wrong)?;
        let (level, rest) = rest.split_once('/').ok_or_else(wrong)?;
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().map_err(|_| wrong())?),
            None => (rest, WIDTH),
        };
        let mut digits = String::new();
        for group in number.split('/') {
            digits.push_str(group.strip_prefix('x').unwrap_or(group));
            if digits.len() > 21 {
                return Err(wrong());
            }
        }
        let index = digits.parse().map_err(|_| wrong())?;
        let piece = if level == "entries" {
            Piece::Entries(index)
        } else {
            let level = level.parse().map_err(|_| wrong())?;
            Piece::Tile(TileId { level, index })
        };
        let parsed = Self { piece, width };
        // One spelling only: what would not be printed so is not read so.
        let deep = matches!(piece, Piece::Tile(tile) if tile.level >= LEVELS);
        if width == 0 || width > WIDTH || deep || parsed.to_string() != path {
            return Err(wrong());
        }
        Ok(parsed)
    }
}

/// The hashes of a tile as they are sent: 32 bytes each.
pub fn to_bytes(hashes: &[Sha256]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// Reads the hashes of a tile.
///
/// # Errors
///
/// [`TlogError::Malformed`].
pub fn from_bytes(bytes: &[u8]) -> Result<Vec<Sha256>, TlogError> {
    let wrong = || malformed("a tile", "not 1 to 256 hashes of 32 bytes");
    if bytes.is_empty() || bytes.len() > TILE_BYTES {
        return Err(wrong());
    }
    bytes
        .chunks(32)
        .map(|chunk| Sha256::try_from(chunk).map_err(|_| wrong()))
        .collect()
}

/// The tile that holds what a node is made of.
pub const fn tile_of(node: Node) -> TileId {
    let (level, below) = (node.level / 8, node.level % 8);
    // 2^below hashes side by side; they never reach over the end of a tile.
    let index = node.index >> 8_u8.wrapping_sub(below);
    TileId { level, index }
}

/// Tiles at hand.
#[derive(Clone, Debug, Default)]
pub struct Tiles(BTreeMap<TileId, Vec<Sha256>>);

impl Tiles {
    /// Takes a tile.
    pub fn insert(&mut self, tile: TileId, hashes: Vec<Sha256>) {
        self.0.insert(tile, hashes);
    }

    /// A tile, as far as it is at hand.
    pub fn get(&self, tile: TileId) -> Option<&[Sha256]> {
        self.0.get(&tile).map(Vec::as_slice)
    }

    /// The tiles from which these nodes can be computed.
    pub fn needed<'a>(ranges: impl IntoIterator<Item = &'a Range>) -> BTreeSet<TileId> {
        ranges.into_iter().flatten().copied().map(tile_of).collect()
    }

    /// The hash of a complete subtree.
    ///
    /// # Errors
    ///
    /// [`TlogError::Missing`].
    pub fn node(&self, node: Node) -> Result<Sha256, TlogError> {
        let tile = tile_of(node);
        let missing = TlogError::Missing {
            level: tile.level,
            index: tile.index,
        };
        let count = 1_usize << (node.level % 8);
        let first =
            usize::try_from(node.index & (WIDTH - 1).wrapping_shr(u32::from(node.level % 8)))
                .unwrap_or(usize::MAX)
                .saturating_mul(count);
        let hashes = self.0.get(&tile).and_then(|hashes| {
            let end = first.checked_add(count)?;
            hashes.get(first..end)
        });
        let mut hashes = hashes.ok_or(missing)?.to_vec();
        while hashes.len() > 1 {
            hashes = hashes
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => node_hash(left, right),
                    // A power of two has no odd one out.
                    rest => fold(rest),
                })
                .collect();
        }
        hashes.first().copied().ok_or(TlogError::NotIncluded)
    }

    /// The hash of a range.
    ///
    /// # Errors
    ///
    /// [`TlogError::Missing`].
    pub fn range(&self, range: &Range) -> Result<Sha256, TlogError> {
        let hashes: Vec<Sha256> = range
            .iter()
            .map(|node| self.node(*node))
            .collect::<Result<_, _>>()?;
        Ok(fold(&hashes))
    }

    /// The root of the tree of `size` leaves.
    ///
    /// # Errors
    ///
    /// [`TlogError::Missing`].
    pub fn root(&self, size: u64) -> Result<Sha256, TlogError> {
        self.range(&root_plan(size))
    }

    /// The hashes of a planned proof.
    ///
    /// # Errors
    ///
    /// [`TlogError::Missing`].
    pub fn proof(&self, plan: &[Range]) -> Result<Vec<Sha256>, TlogError> {
        plan.iter().map(|range| self.range(range)).collect()
    }

    /// The inclusion proof of a leaf.
    ///
    /// # Errors
    ///
    /// [`TlogError::NotIncluded`] if there is no such leaf, [`TlogError::Missing`].
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Sha256>, TlogError> {
        self.proof(&inclusion_plan(index, size).ok_or(TlogError::NotIncluded)?)
    }

    /// The consistency proof between two sizes.
    ///
    /// # Errors
    ///
    /// [`TlogError::NotConsistent`] if the old tree is the larger, [`TlogError::Missing`].
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Sha256>, TlogError> {
        self.proof(&consistency_plan(old, new).ok_or(TlogError::NotConsistent)?)
    }

    /// Adds a leaf to a tree of `size` leaves whose right edge is at hand; gives the tiles that
    /// changed, lowest first.
    pub fn push(&mut self, size: u64, leaf: Sha256) -> Vec<TileId> {
        let mut changed = Vec::new();
        let (mut hash, mut number) = (leaf, size);
        for level in 0..LEVELS {
            let index = number / WIDTH;
            let tile = TileId { level, index };
            let hashes = self.0.entry(tile).or_default();
            hashes.push(hash);
            changed.push(tile);
            if hashes.len() < 256 {
                break;
            }
            // A full tile is one hash of the level above.
            hash = complete(hashes);
            number = index;
        }
        changed
    }

    /// The tiles at the right edge of a tree of `size` leaves: what [`Self::push`] and
    /// [`Self::root`] need.
    pub fn edge(size: u64) -> Vec<TileId> {
        (0..LEVELS)
            .filter_map(|level| {
                let complete = complete_at(level, size);
                (!complete.is_multiple_of(WIDTH)).then_some(TileId {
                    level,
                    index: complete / WIDTH,
                })
            })
            .collect()
    }
}

/// The hash of the complete subtree above a full tile.
fn complete(hashes: &[Sha256]) -> Sha256 {
    let mut hashes = hashes.to_vec();
    while hashes.len() > 1 {
        hashes = hashes.chunks(2).map(fold).collect();
    }
    fold(&hashes)
}
