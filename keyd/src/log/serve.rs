//! What a log answers (C2SP `tlog-tiles`), and proofs for those who have no tiles.

use wardkey_schemas::jws::Sealed;
use wardkey_schemas::record::LogKey;
use wardkey_schemas::{Code, Refusal};
use wardkey_tlog::checkpoint::VerifiedCheckpoint;
use wardkey_tlog::note::Note;
use wardkey_tlog::proof_text::ProofText;
use wardkey_tlog::tile::{Piece, PiecePath, Tiles};
use wardkey_tlog::tree::inclusion_plan;
use wardkey_tlog::{TlogError, entries, tile};

use crate::app::App;
use crate::failure::Failure;
use crate::store::StoreError;

impl App {
    /// With which key checkpoints are signed; signed by the service authority.
    pub fn log_key(&self) -> Sealed<LogKey> {
        Sealed::new(self.trust().log_key.clone())
    }

    /// The newest checkpoint, with what witnesses said about it.
    ///
    /// # Errors
    ///
    /// `NOT_FOUND` before the first entry was placed.
    pub async fn checkpoint(&self) -> Result<VerifiedCheckpoint, Failure> {
        let text = self.store.checkpoint().await?;
        let none = || Refusal::new(Code::NotFound, "no checkpoint yet", "a record with entries");
        let text = text.ok_or_else(none)?;
        let log = self.signers.log().verifier();
        VerifiedCheckpoint::verify(&text, log).map_err(Failure::fault)
    }

    /// The newest checkpoint that a witness has signed, with the signatures of all who signed that
    /// size: a few seconds older than the newest.
    ///
    /// # Errors
    ///
    /// `NOT_FOUND` where no witness has signed one.
    pub async fn witnessed(&self) -> Result<String, Failure> {
        let words = self.store.witness_words().await?;
        let wanted = "a witness in the settings";
        let none = || Refusal::new(Code::NotFound, "nothing a witness has signed", wanted);
        let newest = words.iter().max_by_key(|word| word.size).ok_or_else(none)?;
        let mut signed = Note::parse(&newest.checkpoint).map_err(Failure::fault)?;
        for word in words.iter().filter(|word| word.size == newest.size) {
            // All are of one log and one size, so that they are about one text.
            let other = Note::parse(&word.checkpoint).map_err(Failure::fault)?;
            signed.join(&other);
        }
        Ok(signed.to_string())
    }

    /// A tile or a bundle of entries.
    ///
    /// # Errors
    ///
    /// `ROUTE_UNKNOWN` if it is no address of a tile, `NOT_FOUND` if it is beyond the tree.
    pub async fn piece(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let wanted = "a tile of the tree, tile/<L>/<N>[.p/<W>]";
        let none = || Refusal::new(Code::NotFound, "a tile beyond the tree", wanted);
        let path: PiecePath = path
            .parse()
            .map_err(|error: TlogError| Refusal::new(Code::RouteUnknown, error, wanted))?;
        let size = self.store.extent().await?.placed;
        match path.piece {
            Piece::Tile(id) => {
                if id.width(size) < path.width {
                    return Err(none().into());
                }
                let hashes = self.store.tile(id, size).await?.ok_or_else(none)?;
                let width = usize::try_from(path.width).unwrap_or(usize::MAX);
                let hashes = hashes.get(..width).ok_or_else(none)?;
                Ok(tile::to_bytes(hashes))
            }
            Piece::Entries(index) => {
                let first = index.saturating_mul(tile::WIDTH);
                if size.saturating_sub(first) < path.width {
                    return Err(none().into());
                }
                let texts = self.store.entries(first, path.width).await?;
                entries::to_bytes(texts.iter().map(String::as_bytes)).map_err(Failure::fault)
            }
        }
    }

    /// That the entry at `place` (from 1) is in the tree of the newest checkpoint.
    ///
    /// # Errors
    ///
    /// `NOT_FOUND` if it is not placed yet.
    pub async fn proof(&self, place: &str) -> Result<ProofText, Failure> {
        let wanted = "the place of an entry";
        let place: u64 = place
            .parse()
            .map_err(|_| Refusal::new(Code::NotFound, "no number", wanted))?;
        let checkpoint = self.checkpoint().await?;
        let size = checkpoint.size();
        let index = place.checked_sub(1);
        let plan = index.and_then(|index| inclusion_plan(index, size));
        let none = || {
            let found = format!("entry {place}");
            Refusal::new(Code::NotFound, found, format!("an entry from 1 to {size}"))
        };
        let (index, plan) = index.zip(plan).ok_or_else(none)?;
        let tiles = self.store.tiles(Tiles::needed(&plan), size).await?;
        let path = tiles.proof(&plan).map_err(|_| StoreError::Inconsistent {
            table: "tree_tile",
            column: "hashes",
        })?;
        Ok(ProofText {
            index,
            path,
            checkpoint: checkpoint.to_string(),
        })
    }
}
