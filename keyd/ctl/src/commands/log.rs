//! The whole record, without believing the service that keeps it.

mod copy;
mod export;
mod memory;
mod proving;
mod source;

use std::collections::BTreeMap;

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::{Code, Refusal};
use wardkey_tlog::TlogError;
use wardkey_tlog::checkpoint::VerifiedCheckpoint;
use wardkey_tlog::doubt::{FirstBad, Reader, Wrong};
use wardkey_tlog::tile::Tiles;
use wardkey_told::Exit;

use self::memory::Memory;
use self::source::Source;
use crate::cli::{LogCommand, LogSource, VerifyLog};
use crate::desk::Desk;
use crate::failure::Failure;

/// Does what is wanted with the record.
///
/// # Errors
///
/// [`Failure`]; [`Failure::NotBelieved`] with the first entry that does not fit.
pub(super) async fn run(desk: &mut Desk, command: LogCommand) -> Result<Exit, Failure> {
    match command {
        LogCommand::Verify(verify) => check(desk, verify).await,
        LogCommand::Prove(prove) => proving::prove(desk, prove).await,
        LogCommand::Check(check) => proving::check(desk, check).await,
        LogCommand::Mirror(mirror) => copy::mirror(desk, mirror).await,
        LogCommand::Export(export) => export::export(desk, export).await,
    }
}

/// `wardkey log verify`
async fn check(desk: &mut Desk, verify: VerifyLog) -> Result<Exit, Failure> {
    let read = look(desk, &verify.source, verify.new_only, false).await?;
    let (size, root) = (read.checkpoint.size(), *read.checkpoint.root());
    let known = match read.before {
        0 => "nothing was remembered of an earlier look".to_owned(),
        before => format!("it continues the {before} entries of the last look"),
    };
    let witnesses = match read.witnesses.len() {
        0 => "no witness was asked for".to_owned(),
        1 => "one witness has signed it".to_owned(),
        count => format!("{count} witnesses have signed it"),
    };
    let text =
        format!("The record holds together: {size} entries, root {root}; {known}; {witnesses}.\n");
    let json = serde_json::json!({
        "entries": size,
        "root": root,
        "continues": read.before,
        "witnesses": read.witnesses,
        "checkpoint": read.checkpoint.to_string(),
    });
    desk.output.data(&text, &json)?;
    Ok(Exit::Done)
}

/// A record that was read and holds together.
struct Read {
    /// What was signed.
    checkpoint: VerifiedCheckpoint,
    /// Each leaf.
    leaves: Vec<Sha256>,
    /// The entries themselves, where they were wanted.
    entries: Vec<Vec<u8>>,
    /// How many entries were known from an earlier look.
    before: u64,
    /// The names of the witnesses that have signed it.
    witnesses: Vec<String>,
}

impl Read {
    /// The tree over it, made here and not taken from anybody.
    fn tiles(&self) -> Tiles {
        let mut tiles = Tiles::default();
        for (size, leaf) in (0..).zip(&self.leaves) {
            tiles.push(size, *leaf);
        }
        tiles
    }
}

/// Reads the whole record from its first entry, or from where the last look ended, and remembers
/// what was seen.
async fn look(
    desk: &mut Desk,
    from: &LogSource,
    new_only: bool,
    keep_entries: bool,
) -> Result<Read, Failure> {
    let source = Source::open(desk, from).await?;
    let memory = Memory::open(desk, source.log())?;
    let kept = memory.load(source.log())?;
    let before = kept.len();
    let reader = Reader::new(kept);
    let reader = if new_only {
        reader.after_kept()
    } else {
        reader
    };
    let (checkpoint, witnesses) = source.checkpoint(&from.witnesses).await?;
    let mut entries = BTreeMap::new();
    let reader = source
        .walk(reader, &checkpoint, |index, entry| {
            if keep_entries {
                entries.insert(index, entry.to_vec());
            }
        })
        .await?;
    memory.replace(&checkpoint, reader.leaves())?;
    Ok(Read {
        checkpoint,
        leaves: reader.leaves().to_vec(),
        entries: entries.into_values().collect(),
        before: u64::try_from(before).unwrap_or(u64::MAX),
        witnesses,
    })
}

/// The refusal that the first bad entry stands for.
fn bad(found: FirstBad) -> Failure {
    let FirstBad { wrong, index } = found;
    let place = index.saturating_add(1);
    let (code, what, wanted) = match wrong {
        Wrong::Shortened => (
            Code::RecordShortened,
            format!("entry {place} (index {index}) is missing"),
            "every entry that was there before or was signed for",
        ),
        Wrong::Forked => (
            Code::RecordForked,
            format!("entry {place} (index {index}) is another than at the last look"),
            "the entries of the last look",
        ),
        Wrong::Edited => (
            Code::RecordEdited,
            format!("entry {place} (index {index}) does not fit"),
            "entries that link to each other and make the signed root",
        ),
    };
    Failure::not_believed(Refusal::new(code, what, wanted))
}

/// The refusal of a text of a log that is not what it should be.
fn unsigned(error: TlogError) -> Failure {
    let wanted = "a checkpoint signed by the log and every wanted witness";
    Failure::not_believed(Refusal::new(Code::RecordUnsigned, error, wanted))
}
