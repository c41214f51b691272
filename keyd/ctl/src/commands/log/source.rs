//! Where a record is read from, and whose signature it must have.

use std::path::PathBuf;

use wardkey_edge::client::{Client, Endpoint};
use wardkey_edge::dates::Dates;
use wardkey_edge::pieces::Pieces;
use wardkey_schemas::jws::Sealed;
use wardkey_schemas::record::LogKey;
use wardkey_schemas::{Code, Refusal};
use wardkey_tlog::checkpoint::VerifiedCheckpoint;
use wardkey_tlog::doubt::{FirstBad, Reader, Wrong};
use wardkey_tlog::key::{Kind, VerifierKey};
use wardkey_tlog::tile::{Piece, PiecePath, TileId, WIDTH};
use wardkey_tlog::tree::leaf_hash;
use wardkey_tlog::{TlogError, entries, tile};
use wardkey_verifier::log_key::VerifiedLogKey;

use super::{bad, unsigned};
use crate::cli::LogSource;
use crate::desk::Desk;
use crate::failure::Failure;

/// Where keyd keeps its record, below its address.
const BELOW: &str = "/v1/log";

/// A record somewhere, and its key.
pub(super) struct Source {
    pieces: Pieces,
    log: VerifierKey,
}

impl Source {
    /// Finds the record and the key that must have signed it.
    pub(super) async fn open(desk: &mut Desk, from: &LogSource) -> Result<Self, Failure> {
        let log = log_key(desk, from.log_key.as_ref()).await?;
        let pieces = match &from.from {
            None => Pieces::Service(desk.keyd.clone(), BELOW.to_owned()),
            Some(url) if url.starts_with("https://") || url.starts_with("http://") => {
                let endpoint = Endpoint {
                    url: url.clone(),
                    connect: None,
                    roots: desk.settings.keyd.roots.clone(),
                    dates: Dates::Calendar,
                };
                Pieces::Service(Client::new(&endpoint)?, String::new())
            }
            Some(folder) => Pieces::Folder(PathBuf::from(folder)),
        };
        Ok(Self { pieces, log })
    }

    /// The log's key.
    pub(super) const fn log(&self) -> &VerifierKey {
        &self.log
    }

    /// The checkpoint, signed by the log and each of these witnesses, whose names come with it.
    pub(super) async fn checkpoint(
        &self,
        witnesses: &[VerifierKey],
    ) -> Result<(VerifiedCheckpoint, Vec<String>), Failure> {
        // At keyd, what witnesses have signed is a little older than the newest.
        let own = matches!(&self.pieces, Pieces::Service(_, below) if !below.is_empty());
        let piece = if own && !witnesses.is_empty() {
            "witnessed"
        } else {
            "checkpoint"
        };
        let bytes = self.pieces.read(piece).await?;
        let missing = || {
            let wanted = "a checkpoint of the record";
            Failure::not_believed(Refusal::new(Code::RecordUnsigned, "none", wanted))
        };
        let text = String::from_utf8(bytes.ok_or_else(missing)?).map_err(|_| missing())?;
        let checkpoint = VerifiedCheckpoint::verify(&text, &self.log).map_err(unsigned)?;
        let mut names = Vec::new();
        for witness in witnesses {
            checkpoint.verify_witness(witness).map_err(unsigned)?;
            names.push(witness.name().to_string());
        }
        Ok((checkpoint, names))
    }

    /// Reads the entries from where `reader` is up to the checkpoint; `see` gets each new one.
    pub(super) async fn walk(
        &self,
        mut reader: Reader,
        checkpoint: &VerifiedCheckpoint,
        mut see: impl FnMut(u64, &[u8]),
    ) -> Result<Reader, Failure> {
        let size = checkpoint.size();
        reader.require_length(size).map_err(bad)?;
        for bundle in reader.size() / WIDTH..size.div_ceil(WIDTH) {
            let first = bundle.saturating_mul(WIDTH);
            let width = size.saturating_sub(first).min(WIDTH);
            let piece = Piece::Entries(bundle);
            let path = PiecePath { piece, width }.to_string();
            // What is signed for and not given out is missing.
            let bytes = self.pieces.read(&path).await?.unwrap_or_default();
            let found = entries::from_bytes(&bytes).map_err(|_| {
                let (wrong, index) = (Wrong::Edited, reader.size());
                bad(FirstBad { wrong, index })
            })?;
            for (index, entry) in (first..first.saturating_add(width)).zip(found) {
                let known = usize::try_from(index).ok();
                match known.and_then(|index| reader.leaves().get(index)) {
                    Some(known) if *known == leaf_hash(entry) => {}
                    Some(_) => {
                        let wrong = Wrong::Forked;
                        return Err(bad(FirstBad { wrong, index }));
                    }
                    None => reader.read(entry).map_err(bad)?,
                }
                see(index, entry);
            }
        }
        if reader.require_signed(checkpoint.checkpoint(), &[]).is_err() {
            let hashes = self.hashes(size).await?;
            let checked = reader.require_signed(checkpoint.checkpoint(), &hashes);
            checked.map_err(bad)?;
        }
        Ok(reader)
    }

    /// The leaves that the log's own tiles show, as far as they can be had: they tell which entry is
    /// not the signed one.
    async fn hashes(&self, size: u64) -> Result<Vec<wardkey_schemas::bytes::Sha256>, Failure> {
        let mut hashes = Vec::new();
        for index in 0..size.div_ceil(WIDTH) {
            let id = TileId { level: 0, index };
            let width = id.width(size);
            let piece = Piece::Tile(id);
            let path = PiecePath { piece, width }.to_string();
            let bytes = self.pieces.read(&path).await?.unwrap_or_default();
            let Ok(found) = tile::from_bytes(&bytes) else {
                break;
            };
            hashes.extend(found);
        }
        Ok(hashes)
    }
}

/// The log's key: the one that was typed, or the one that keyd's service authority names.
pub(super) async fn log_key(
    desk: &mut Desk,
    typed: Option<&VerifierKey>,
) -> Result<VerifierKey, Failure> {
    if let Some(key) = typed {
        return if key.kind() == Kind::Log {
            Ok(key.clone())
        } else {
            let hint = "give the log's key with --log-key, and witnesses with --witness";
            Err(Failure::usage("this is the key of a witness", hint))
        };
    }
    let bundle = desk.bundle().await?;
    let signed: Sealed<LogKey> = desk.keyd.read_from("/v1/log/key").await?;
    let verified =
        VerifiedLogKey::verify(&signed.message, &bundle).map_err(Failure::not_believed)?;
    let not_a_key = |error: TlogError| {
        let wanted = "an Ed25519 key";
        Failure::not_believed(Refusal::new(Code::AnswerNotBelieved, error, wanted))
    };
    let name = verified.origin().parse().map_err(not_a_key)?;
    VerifierKey::new(name, Kind::Log, *verified.key().as_bytes()).map_err(not_a_key)
}
