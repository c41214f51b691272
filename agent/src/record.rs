//! Whether keyd's record continues what this laptop saw of it last.
//!
//! A laptop has no part in the record and needs none. It remembers one checkpoint, and wants each
//! later one to be the same tree with entries added. Whoever rewrites the record, or puts an older
//! one in its place, would have to do so before every laptop has looked.
//!
//! What it finds is told to people, and ends no visit: a record in doubt is for those who run the
//! service ([`wardkey_schemas::Code::RecoveryHold`] is their brake).
//!
//! # Invariants
//!
//! - Only a checkpoint that continues the one before takes its place; what contradicts it never does.
//! - Nothing that keyd answers is believed: checkpoint and proof are verified here, the log's key is
//!   the one that the service authority of the verified trust bundle names.

use serde::{Deserialize, Serialize};
use wardkey_edge::client::Client;
use wardkey_edge::pieces::{PieceError, Pieces};
use wardkey_schemas::jws::Sealed;
use wardkey_schemas::record::LogKey;
use wardkey_schemas::{Code, Refusal};
use wardkey_tlog::TlogError;
use wardkey_tlog::checkpoint::VerifiedCheckpoint;
use wardkey_tlog::key::{Kind, VerifierKey};
use wardkey_tlog::proof::verify_consistency;
use wardkey_tlog::tile::{Piece, PiecePath, Tiles, from_bytes};
use wardkey_tlog::tree::consistency_plan;
use wardkey_verifier::bundle::VerifiedBundle;
use wardkey_verifier::log_key::VerifiedLogKey;

use crate::failure::Failure;
use crate::files::{StateError, StateFolder};

/// The file's name.
const FILE: &str = "record.json";

/// Where keyd serves its record.
const BELOW: &str = "/v1/log";

/// What is remembered.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// The log's key.
    key: String,
    /// The newest checkpoint that continued those before, as it was signed.
    checkpoint: String,
}

impl Seen {
    /// Finds what is remembered; nothing before the first look.
    ///
    /// # Errors
    ///
    /// [`StateError`].
    pub fn find(folder: &StateFolder) -> Result<Option<Self>, StateError> {
        folder.find(FILE)
    }

    /// Writes it down durably.
    ///
    /// # Errors
    ///
    /// [`StateError::Disk`].
    pub fn save(&self, folder: &StateFolder) -> Result<(), StateError> {
        folder.save(FILE, self)
    }
}

/// A record that continues what was seen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Continues {
    /// What is to be remembered now.
    pub seen: Seen,
    /// How many entries it has.
    pub entries: u64,
}

/// Looks at keyd's record.
///
/// # Errors
///
/// [`Failure`]: keyd cannot be reached, or a `RECORD_…` refusal that says what is wrong.
pub async fn look(
    keyd: &Client,
    bundle: &VerifiedBundle,
    seen: Option<&Seen>,
) -> Result<Continues, Failure> {
    let named: Sealed<LogKey> = keyd.read_from(&format!("{BELOW}/key")).await?;
    let log = key(&named, bundle).map_err(Failure::not_believed)?;
    let pieces = Pieces::Service(keyd.clone(), BELOW.to_owned());
    judge(&pieces, &log, seen).await
}

fn key(named: &Sealed<LogKey>, bundle: &VerifiedBundle) -> Result<VerifierKey, Refusal> {
    let named = VerifiedLogKey::verify(&named.message, bundle)?;
    let not_a_key =
        |error: TlogError| Refusal::new(Code::AnswerNotBelieved, error, "an Ed25519 key");
    let name = named.origin().parse().map_err(not_a_key)?;
    VerifierKey::new(name, Kind::Log, *named.key().as_bytes()).map_err(not_a_key)
}

/// Judges a log by what was seen of it.
async fn judge(
    pieces: &Pieces,
    log: &VerifierKey,
    seen: Option<&Seen>,
) -> Result<Continues, Failure> {
    let unsigned = |error: TlogError| {
        let wanted = "a checkpoint that the log has signed";
        Failure::not_believed(Refusal::new(Code::RecordUnsigned, error, wanted))
    };
    let text = read(pieces, "checkpoint").await?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let found = VerifiedCheckpoint::verify(&text, log).map_err(unsigned)?;
    if let Some(seen) = seen {
        if seen.key != log.to_string() {
            return Err(forked("the log has another key", "the key that was seen"));
        }
        let before = VerifiedCheckpoint::verify(&seen.checkpoint, log).map_err(unsigned)?;
        require_continues(pieces, &before, &found).await?;
    }
    let seen = Seen {
        key: log.to_string(),
        checkpoint: found.to_string(),
    };
    let entries = found.size();
    Ok(Continues { seen, entries })
}

fn forked(found: impl std::fmt::Display, wanted: impl std::fmt::Display) -> Failure {
    Failure::not_believed(Refusal::new(Code::RecordForked, found, wanted))
}

async fn require_continues(
    pieces: &Pieces,
    before: &VerifiedCheckpoint,
    found: &VerifiedCheckpoint,
) -> Result<(), Failure> {
    let (old, new) = (before.size(), found.size());
    let Some(plan) = consistency_plan(old, new) else {
        let (found, wanted) = (format!("{new} entries"), format!("at least {old}"));
        let refusal = Refusal::new(Code::RecordShortened, found, wanted);
        return Err(Failure::not_believed(refusal));
    };
    let wanted = format!("a record that begins with the {old} entries that were seen");
    let mut tiles = Tiles::default();
    for id in Tiles::needed(&plan) {
        let (piece, width) = (Piece::Tile(id), id.width(new));
        let path = PiecePath { piece, width }.to_string();
        let bytes = read(pieces, &path).await?.unwrap_or_default();
        let hashes = from_bytes(&bytes).map_err(|error| forked(error, &wanted))?;
        tiles.insert(id, hashes);
    }
    let proof = tiles.proof(&plan).map_err(|error| forked(error, &wanted))?;
    verify_consistency(old, before.root(), new, found.root(), &proof)
        .map_err(|error| forked(error, &wanted))
}

async fn read(pieces: &Pieces, path: &str) -> Result<Option<Vec<u8>>, Failure> {
    pieces.read(path).await.map_err(|error| match error {
        PieceError::Call(error) => Failure::from(error),
        PieceError::File { path, source } => Failure::File {
            path,
            what: "cannot be read",
            source,
        },
        other => forked(other, "a piece of the record"),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use wardkey_tlog::checkpoint::Checkpoint;
    use wardkey_tlog::key::SignerKey;
    use wardkey_tlog::tile::{LEVELS, TileId, WIDTH, complete_at, to_bytes};
    use wardkey_tlog::tree::leaf_hash;

    use super::*;

    fn signer(seed: u8) -> SignerKey {
        SignerKey::from_seed("log.test".parse().unwrap(), Kind::Log, &[seed; 32]).unwrap()
    }

    fn entries(count: u64) -> Vec<String> {
        (0..count).map(|number| format!("entry {number}")).collect()
    }

    fn code_of(failure: &Failure) -> Option<Code> {
        if let Failure::NotBelieved(refusal) = failure {
            return Some(refusal.code());
        }
        None
    }

    /// Writes a log of these entries as it would be served.
    fn serve(folder: &Path, entries: &[String], key: &SignerKey) {
        let mut tiles = Tiles::default();
        for (at, entry) in (0..).zip(entries) {
            tiles.push(at, leaf_hash(entry.as_bytes()));
        }
        let size = u64::try_from(entries.len()).unwrap();
        for level in 0..LEVELS {
            for index in 0..complete_at(level, size).div_ceil(WIDTH) {
                let id = TileId { level, index };
                let (piece, width) = (Piece::Tile(id), id.width(size));
                let path = folder.join(PiecePath { piece, width }.to_string());
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, to_bytes(tiles.get(id).unwrap())).unwrap();
            }
        }
        let checkpoint = Checkpoint {
            origin: key.verifier().name().clone(),
            size,
            root: tiles.root(size).unwrap(),
        };
        let signed = checkpoint.sign(key).to_string();
        fs::write(folder.join("checkpoint"), signed).unwrap();
    }

    async fn looked(
        entries: &[String],
        key: &SignerKey,
        seen: Option<&Seen>,
    ) -> Result<Continues, Option<Code>> {
        let folder = tempfile::tempdir().unwrap();
        serve(folder.path(), entries, key);
        let pieces = Pieces::Folder(folder.path().to_owned());
        let judged = judge(&pieces, signer(1).verifier(), seen).await;
        judged.map_err(|failure| code_of(&failure))
    }

    async fn seen(count: u64) -> Seen {
        let first = looked(&entries(count), &signer(1), None).await.unwrap();
        assert_eq!(first.entries, count);
        first.seen
    }

    #[tokio::test]
    async fn a_record_that_grows_continues_what_was_seen() {
        for (before, after) in [(0, 3), (1, 2), (3, 3), (5, 260), (256, 257), (300, 700)] {
            let seen = seen(before).await;
            let later = looked(&entries(after), &signer(1), Some(&seen)).await;
            assert_eq!(later.unwrap().entries, after, "{before} to {after}");
        }
    }

    #[tokio::test]
    async fn a_record_that_is_shorter_than_it_was_is_noticed() {
        let seen = seen(300).await;
        let later = looked(&entries(299), &signer(1), Some(&seen)).await;
        assert_eq!(later.unwrap_err(), Some(Code::RecordShortened));
    }

    #[tokio::test]
    async fn a_record_with_another_past_is_noticed_whether_it_has_grown_or_not() {
        let seen = seen(300).await;
        for after in [300, 301, 700] {
            let mut other = entries(after);
            other[17] = "another story".to_owned();
            let later = looked(&other, &signer(1), Some(&seen)).await;
            assert_eq!(later.unwrap_err(), Some(Code::RecordForked), "{after}");
        }
    }

    #[tokio::test]
    async fn a_checkpoint_that_another_key_has_signed_is_none() {
        let later = looked(&entries(3), &signer(2), None).await;
        assert_eq!(later.unwrap_err(), Some(Code::RecordUnsigned));
    }

    #[tokio::test]
    async fn another_key_of_the_log_does_not_make_what_was_seen_unseen() {
        let mut seen = seen(3).await;
        seen.key = signer(2).verifier().to_string();
        let later = looked(&entries(4), &signer(1), Some(&seen)).await;
        assert_eq!(later.unwrap_err(), Some(Code::RecordForked));
    }

    #[tokio::test]
    async fn without_the_pieces_of_the_proof_nothing_is_believed() {
        let seen = seen(300).await;
        let folder = tempfile::tempdir().unwrap();
        serve(folder.path(), &entries(700), &signer(1));
        fs::remove_dir_all(folder.path().join("tile")).unwrap();
        let pieces = Pieces::Folder(folder.path().to_owned());
        let judged = judge(&pieces, signer(1).verifier(), Some(&seen)).await;
        let code = code_of(&judged.unwrap_err());
        assert_eq!(code, Some(Code::RecordForked));
    }
}
