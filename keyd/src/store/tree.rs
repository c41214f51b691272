//! The Merkle tree over the record (`docs/record.md`): tiles, the checkpoint, what witnesses said.
//!
//! Entries have their places from the transaction that decided; the tree follows them. One work
//! reads the entries beyond the tree, adds their leaves, signs the root and writes tiles and
//! checkpoint in one transaction. It locks the head of the tree first, so that nodes take turns and
//! none ever signs two roots for one size.

use std::sync::Arc;

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::time::Timestamp;
use wardkey_tlog::checkpoint::Checkpoint;
use wardkey_tlog::key::SignerKey;
use wardkey_tlog::tile::{self, TileId, Tiles};

use super::audit::leaf_hash;
use super::engine::Tx;
use super::rows::{Column, to_i64};
use super::work::Work;
use super::{Store, StoreError};

/// Entries that are placed in one transaction, at most.
const BATCH: i64 = 2048;

/// How far the record and its tree have come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Extent {
    /// Entries in the record.
    pub entries: u64,
    /// Entries in the tree.
    pub placed: u64,
}

/// Adds the entries that are beyond the tree, and signs what it then is.
#[derive(Debug)]
pub struct Place {
    /// The log's key.
    pub key: Arc<SignerKey>,
}

impl Work for Place {
    type Out = u64;

    async fn run(&mut self, tx: &mut Tx) -> Result<u64, StoreError> {
        // Whoever may have lost entries must not sign others in their places.
        tx.require_recovered()?;
        tx.place(&self.key).await
    }
}

/// What a witness said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Word {
    /// The witness's name.
    pub witness: String,
    /// The size it signed.
    pub size: u64,
    /// The checkpoint with its signature.
    pub checkpoint: String,
    /// When, by its own word.
    pub said_at: Timestamp,
}

/// Keeps what a witness said, if it is newer than what was kept.
#[derive(Clone, Debug)]
pub struct Hear(pub Word);

impl Work for Hear {
    type Out = ();

    async fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        execute!(
            tx,
            "insert into witness_word (witness, size, checkpoint, said_at) \
             values ($1, $2, $3, $4) on conflict (witness) do update set \
             size = excluded.size, checkpoint = excluded.checkpoint, said_at = excluded.said_at \
             where witness_word.size <= excluded.size",
            self.0.witness.as_str(),
            to_i64(self.0.size),
            self.0.checkpoint.as_str(),
            self.0.said_at.millis()
        )?;
        Ok(())
    }
}

impl Tx {
    /// Places entries; gives the size of the tree afterwards.
    async fn place(&mut self, key: &SignerKey) -> Result<u64, StoreError> {
        // The update takes the row's lock: nodes take turns.
        let (size, checkpoint): (i64, Option<String>) = fetch!(
            self,
            fetch_one,
            (i64, Option<String>),
            "update tree_head set size = size where id = 1 returning size, checkpoint"
        )?;
        let entries: Vec<(i64, String, Vec<u8>)> = fetch!(
            self,
            fetch_all,
            (i64, String, Vec<u8>),
            "select place, entry, leaf from audit where place > $1 order by place limit $2",
            size,
            BATCH
        )?;
        let mut at: u64 = Column("tree_head", "size").number(size)?;
        if entries.is_empty() && checkpoint.is_some() {
            return Ok(at);
        }
        let mut tiles = self.edge(at).await?;
        let mut changed = std::collections::BTreeSet::new();
        for (place, text, leaf) in entries {
            let next = at.saturating_add(1);
            let found: u64 = Column("audit", "place").number(place)?;
            let leaf: Sha256 = Column("audit", "leaf").fixed(&leaf)?;
            if found != next || leaf != leaf_hash(&text) {
                return Err(StoreError::Inconsistent {
                    table: "audit",
                    column: "leaf",
                });
            }
            changed.extend(tiles.push(at, leaf));
            at = next;
        }
        for id in changed {
            let hashes = tiles.get(id).map(tile::to_bytes).unwrap_or_default();
            execute!(
                self,
                "insert into tree_tile (level, tile, hashes) values ($1, $2, $3) \
                 on conflict (level, tile) do update set hashes = excluded.hashes",
                i64::from(id.level),
                to_i64(id.index),
                hashes.as_slice()
            )?;
        }
        let broken = |_| StoreError::Inconsistent {
            table: "tree_tile",
            column: "hashes",
        };
        let checkpoint = Checkpoint {
            origin: key.verifier().name().clone(),
            size: at,
            root: tiles.root(at).map_err(broken)?,
        };
        execute!(
            self,
            "update tree_head set size = $1, checkpoint = $2 where id = 1",
            to_i64(at),
            checkpoint.sign(key).to_string().as_str()
        )?;
        Ok(at)
    }

    /// The right edge of the tree of `size` leaves: at most one tile a level.
    async fn edge(&mut self, size: u64) -> Result<Tiles, StoreError> {
        let mut tiles = Tiles::default();
        for id in Tiles::edge(size) {
            let row: Option<(Vec<u8>,)> = fetch!(
                self,
                fetch_optional,
                (Vec<u8>,),
                "select hashes from tree_tile where level = $1 and tile = $2",
                i64::from(id.level),
                to_i64(id.index)
            )?;
            tiles.insert(id, hashes_of(id, size, row)?);
        }
        Ok(tiles)
    }
}

/// The hashes of a tile as it is in a tree of `size` leaves.
fn hashes_of(id: TileId, size: u64, row: Option<(Vec<u8>,)>) -> Result<Vec<Sha256>, StoreError> {
    let broken = || StoreError::Inconsistent {
        table: "tree_tile",
        column: "hashes",
    };
    let (bytes,) = row.ok_or_else(broken)?;
    let mut hashes = tile::from_bytes(&bytes).map_err(|_| broken())?;
    let width = usize::try_from(id.width(size)).map_err(|_| broken())?;
    if hashes.len() < width {
        return Err(broken());
    }
    hashes.truncate(width);
    Ok(hashes)
}

impl Store {
    /// How far the record and its tree have come.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn extent(&self) -> Result<Extent, StoreError> {
        let (entries, placed) = read_one!(
            self,
            (i64, i64),
            "select audit_head.place, tree_head.size from audit_head, tree_head \
             where audit_head.id = 1 and tree_head.id = 1"
        )?;
        Ok(Extent {
            entries: Column("audit_head", "place").number(entries)?,
            placed: Column("tree_head", "size").number(placed)?,
        })
    }

    /// The newest checkpoint; none before the first entry was placed.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn checkpoint(&self) -> Result<Option<String>, StoreError> {
        let sql = "select checkpoint from tree_head where id = 1";
        let (checkpoint,) = read_one!(self, (Option<String>,), sql)?;
        Ok(checkpoint)
    }

    /// A tile as it is in a tree of `size` leaves; none where it has no hash in it.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn tile(&self, id: TileId, size: u64) -> Result<Option<Vec<Sha256>>, StoreError> {
        if id.width(size) == 0 {
            return Ok(None);
        }
        let row = read_optional!(
            self,
            (Vec<u8>,),
            "select hashes from tree_tile where level = $1 and tile = $2",
            i64::from(id.level),
            to_i64(id.index)
        )?;
        hashes_of(id, size, row).map(Some)
    }

    /// The tiles from which proofs of these nodes are made, in a tree of `size` leaves.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn tiles(
        &self,
        ids: impl IntoIterator<Item = TileId> + Send,
        size: u64,
    ) -> Result<Tiles, StoreError> {
        let mut tiles = Tiles::default();
        // At most two a level of tiles, eight levels.
        let ids: Vec<TileId> = ids.into_iter().collect();
        for id in ids {
            if let Some(hashes) = self.tile(id, size).await? {
                tiles.insert(id, hashes);
            }
        }
        Ok(tiles)
    }

    /// The texts of entries: `count` from the place after `after`, fewer at the end of the tree.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn entries(&self, after: u64, count: u64) -> Result<Vec<String>, StoreError> {
        let rows = read_all!(
            self,
            (String,),
            "select entry from audit where place > $1 and place <= $2 order by place",
            to_i64(after),
            to_i64(after.saturating_add(count))
        )?;
        Ok(rows.into_iter().map(|(entry,)| entry).collect())
    }

    /// What all witnesses said last.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn witness_words(&self) -> Result<Vec<Word>, StoreError> {
        let rows = read_all!(
            self,
            (String, i64, String, i64),
            "select witness, size, checkpoint, said_at from witness_word order by witness"
        )?;
        rows.into_iter()
            .map(|(witness, size, checkpoint, said_at)| {
                Ok(Word {
                    witness,
                    size: Column("witness_word", "size").number(size)?,
                    checkpoint,
                    said_at: Column("witness_word", "said_at").time(said_at)?,
                })
            })
            .collect()
    }
}
