//! A copy of the record in a folder, in the form in which logs are served (C2SP `tlog-tiles`).
//!
//! The folder is its own memory: what it holds already is what the record must continue. Tiles are
//! made here from the entries that were checked. The checkpoint is written last.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use wardkey_schemas::bytes::Sha256;
use wardkey_tlog::checkpoint::VerifiedCheckpoint;
use wardkey_tlog::doubt::Reader;
use wardkey_tlog::tile::{LEVELS, Piece, PiecePath, TileId, Tiles, WIDTH, complete_at, to_bytes};
use wardkey_tlog::tree::leaf_hash;
use wardkey_tlog::{TlogError, entries};
use wardkey_told::Exit;

use super::source::Source;
use super::unsigned;
use crate::cli::MirrorLog;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::private_file;

/// `wardkey log mirror`
pub(super) async fn mirror(desk: &mut Desk, mirror: MirrorLog) -> Result<Exit, Failure> {
    let folder = &mirror.folder;
    private_file::make_folder(folder)?;
    let _lock = private_file::lock(&folder.join("checkpoint"), || ())?;
    let source = Source::open(desk, &mirror.source).await?;
    let kept = kept(folder, &source)?;
    let before = kept.len();
    let (checkpoint, _) = source.checkpoint(&mirror.source.witnesses).await?;
    let reader = Reader::new(kept.iter().map(|entry| leaf_hash(entry)).collect());
    let mut all = kept;
    let reader = source
        .walk(reader.after_kept(), &checkpoint, |index, entry| {
            if usize::try_from(index) == Ok(all.len()) {
                all.push(entry.to_vec());
            }
        })
        .await?;
    write(folder, &all, reader.leaves(), before)?;
    replace(
        &folder.join("checkpoint"),
        checkpoint.to_string().as_bytes(),
    )?;
    let (size, shown) = (checkpoint.size(), folder.display());
    let text = format!("{shown} holds the record: {size} entries, of which {before} were there.\n");
    let json = serde_json::json!({ "entries": size, "before": before });
    desk.output.data(&text, &json)?;
    Ok(Exit::Done)
}

/// The entries that the folder holds already, under a checkpoint that signs them.
fn kept(folder: &Path, source: &Source) -> Result<Vec<Vec<u8>>, Failure> {
    let path = folder.join("checkpoint");
    let Some(note) = read(&path)? else {
        return Ok(Vec::new());
    };
    let note = String::from_utf8_lossy(&note);
    let checkpoint = VerifiedCheckpoint::verify(&note, source.log()).map_err(unsigned)?;
    let size = checkpoint.size();
    let mut all = Vec::new();
    let mut reader = Reader::new(Vec::new());
    for bundle in 0..size.div_ceil(WIDTH) {
        let width = size.saturating_sub(bundle.saturating_mul(WIDTH)).min(WIDTH);
        let piece = Piece::Entries(bundle);
        let bytes = read(&folder.join(PiecePath { piece, width }.to_string()))?;
        let bytes = bytes.unwrap_or_default();
        for entry in entries::from_bytes(&bytes).map_err(unsigned)? {
            reader.read(entry).map_err(super::bad)?;
            all.push(entry.to_vec());
        }
    }
    let signed = reader.require_signed(checkpoint.checkpoint(), &[]);
    signed.map_err(super::bad)?;
    Ok(all)
}

/// Writes what is new: every full piece that was not there, and the last of each level.
fn write(folder: &Path, all: &[Vec<u8>], leaves: &[Sha256], before: usize) -> Result<(), Failure> {
    let size = u64::try_from(leaves.len()).unwrap_or(u64::MAX);
    let before = u64::try_from(before).unwrap_or(u64::MAX);
    let mut tiles = Tiles::default();
    for (at, leaf) in (0..).zip(leaves) {
        tiles.push(at, *leaf);
    }
    for level in 0..LEVELS {
        let from = complete_at(level, before) / WIDTH;
        for index in from..complete_at(level, size).div_ceil(WIDTH) {
            let id = TileId { level, index };
            let width = id.width(size);
            let missing = TlogError::Missing { level, index };
            let hashes = tiles.get(id).ok_or_else(|| unsigned(missing))?;
            let piece = Piece::Tile(id);
            put(folder, PiecePath { piece, width }, &to_bytes(hashes))?;
        }
    }
    let whole = usize::try_from(WIDTH).unwrap_or(256);
    for (bundle, part) in (0_u64..).zip(all.chunks(whole)) {
        if bundle < before / WIDTH {
            continue;
        }
        let bytes = entries::to_bytes(part.iter().map(Vec::as_slice)).map_err(unsigned)?;
        let width = u64::try_from(part.len()).unwrap_or(WIDTH);
        let piece = Piece::Entries(bundle);
        put(folder, PiecePath { piece, width }, &bytes)?;
    }
    Ok(())
}

fn put(folder: &Path, piece: PiecePath, bytes: &[u8]) -> Result<(), Failure> {
    let path = folder.join(piece.to_string());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Failure::file(parent, "cannot be made"))?;
    }
    replace(&path, bytes)
}

/// Puts a file there, all or nothing. Whoever serves the folder may read it, so it is no private
/// file; entries hold no names.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let beside = path.with_extension("new");
    let written = (|| {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    written.map_err(Failure::file(path, "cannot be written"))
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::file(path, "cannot be read")(error)),
    }
}
