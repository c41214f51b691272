//! What a witness keeps: its key, and the last checkpoint of each log.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::signature::Ed25519KeyPair;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::time::Timestamp;
use wardkey_tlog::TlogError;
use wardkey_tlog::checkpoint::{Checkpoint, VerifiedCheckpoint};
use wardkey_tlog::key::{KeyName, Kind, SignerKey, VerifierKey};
use wardkey_tlog::witness::{AddCheckpoint, No, judge};
use zeroize::Zeroizing;

/// Why a witness cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// A file.
    #[error("`{path}` cannot be used")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The key can be read by others.
    #[error("`{path}` can be read by others; it must be 600")]
    Readable {
        /// The file.
        path: PathBuf,
    },
    /// A file that does not hold what it should.
    #[error("`{path}` does not hold what it should")]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: TlogError,
    },
    /// No randomness for a key.
    #[error("the operating system gives no randomness")]
    Randomness,
}

/// What a request comes to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// The signature lines.
    Signed(String),
    /// 404: no log of this name is looked after here.
    UnknownLog,
    /// Another no.
    No(No),
}

/// A witness in a folder.
#[derive(Debug)]
pub struct State {
    folder: PathBuf,
    key: SignerKey,
    /// Held from the reading of what was seen to the writing of what is seen now: two requests must
    /// not be judged by the same memory. The only I/O under it is that of one small file.
    turn: Mutex<()>,
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> WitnessError {
    let path = path.to_owned();
    move |source| WitnessError::File { path, source }
}

impl State {
    /// Makes a witness; a key that is there stays.
    ///
    /// # Errors
    ///
    /// [`WitnessError`].
    pub fn create(folder: &Path, name: &KeyName) -> Result<Self, WitnessError> {
        fs::create_dir_all(folder).map_err(file(folder))?;
        let private = fs::Permissions::from_mode(0o700);
        fs::set_permissions(folder, private).map_err(file(folder))?;
        let pair = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8());
        let pkcs8 = pair.map_err(|_| WitnessError::Randomness)?;
        write_new(&folder.join("witness.p8"), pkcs8.as_ref())?;
        write_new(&folder.join("witness.name"), name.as_str().as_bytes())?;
        sync(folder)?;
        Self::open(folder)
    }

    /// Opens a witness.
    ///
    /// # Errors
    ///
    /// [`WitnessError`].
    pub fn open(folder: &Path) -> Result<Self, WitnessError> {
        let path = folder.join("witness.p8");
        let mode = fs::metadata(&path)
            .map_err(file(&path))?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            return Err(WitnessError::Readable { path });
        }
        let pkcs8 = Zeroizing::new(fs::read(&path).map_err(file(&path))?);
        let named = folder.join("witness.name");
        let name = fs::read_to_string(&named).map_err(file(&named))?;
        let content = |path: &Path| {
            let path = path.to_owned();
            move |source| WitnessError::Content { path, source }
        };
        let name: KeyName = name.trim().parse().map_err(content(&named))?;
        let key = SignerKey::from_pkcs8(name, Kind::Witness, &pkcs8).map_err(content(&path))?;
        Ok(Self {
            folder: folder.to_owned(),
            key,
            turn: Mutex::new(()),
        })
    }

    /// The key by which others know this witness.
    pub const fn verifier(&self) -> &VerifierKey {
        self.key.verifier()
    }

    fn place(&self, log: &VerifierKey) -> PathBuf {
        let name = Sha256::of(log.name().as_str().as_bytes()).to_hex();
        self.folder.join(format!("{name}.checkpoint"))
    }

    /// The last checkpoint of a log that this witness signed.
    ///
    /// # Errors
    ///
    /// [`WitnessError`]; a memory that cannot be read is never taken for none.
    pub fn seen(&self, log: &VerifierKey) -> Result<Option<Checkpoint>, WitnessError> {
        let path = self.place(log);
        let note = match fs::read_to_string(&path) {
            Ok(note) => note,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(file(&path)(error)),
        };
        let verified = VerifiedCheckpoint::verify(&note, log);
        match verified {
            Ok(verified) => Ok(Some(verified.checkpoint().clone())),
            Err(source) => Err(WitnessError::Content { path, source }),
        }
    }

    /// Judges a request, remembers the checkpoint, and signs it; in this order.
    ///
    /// # Errors
    ///
    /// [`WitnessError`]: nothing was signed.
    pub fn answer(
        &self,
        request: &str,
        logs: &[VerifierKey],
        now: Timestamp,
    ) -> Result<Answer, WitnessError> {
        let Ok(request) = AddCheckpoint::parse(request) else {
            return Ok(Answer::No(No::Malformed));
        };
        let origin = request.claimed_origin();
        let Some(log) = logs.iter().find(|log| log.name().as_str() == origin) else {
            return Ok(Answer::UnknownLog);
        };
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = self.seen(log)?;
        let checkpoint = match judge(&request, log, seen.as_ref()) {
            Ok(checkpoint) => checkpoint,
            Err(no) => return Ok(Answer::No(no)),
        };
        let path = self.place(log);
        let lines = checkpoint.cosign(&self.key, now);
        let lines = lines.map_err(|source| WitnessError::Content {
            path: self.folder.clone(),
            source,
        })?;
        if seen.as_ref() != Some(checkpoint.checkpoint()) {
            let beside = path.with_extension("new");
            let written = (|| {
                let mut to = File::create(&beside)?;
                to.write_all(checkpoint.to_string().as_bytes())?;
                to.sync_all()?;
                fs::rename(&beside, &path)
            })();
            written.map_err(file(&path))?;
            sync(&self.folder)?;
        }
        Ok(Answer::Signed(lines))
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), WitnessError> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    match opened {
        Ok(mut to) => to
            .write_all(bytes)
            .and_then(|()| to.sync_all())
            .map_err(file(path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(file(path)(error)),
    }
}

/// A name is durable once its folder is.
fn sync(folder: &Path) -> Result<(), WitnessError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(file(folder))
}

#[cfg(test)]
mod tests {
    use wardkey_tlog::tile::Tiles;
    use wardkey_tlog::tree::leaf_hash;

    use super::*;

    fn log() -> SignerKey {
        SignerKey::from_seed("log".parse().unwrap(), Kind::Log, &[1; 32]).unwrap()
    }

    fn request(tiles: &Tiles, old: u64, size: u64) -> String {
        let origin = log().verifier().name().clone();
        let root = tiles.root(size).unwrap();
        let request = AddCheckpoint {
            old,
            proof: tiles.consistency(old, size).unwrap(),
            checkpoint: Checkpoint { origin, size, root }.sign(&log()).to_string(),
        };
        request.to_string()
    }

    fn tree(word: &str) -> Tiles {
        let mut tiles = Tiles::default();
        for size in 0..9 {
            tiles.push(size, leaf_hash(format!("{word} {size}").as_bytes()));
        }
        tiles
    }

    #[test]
    fn a_witness_signs_what_continues_and_remembers_it_over_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let name = "witness.test".parse().unwrap();
        let now = Timestamp::from_seconds(1_767_225_600).unwrap();
        let (tiles, logs) = (tree("one"), [log().verifier().clone()]);
        let witness = State::create(folder.path(), &name).unwrap();
        let key = witness.verifier().clone();
        let Answer::Signed(lines) = witness.answer(&request(&tiles, 0, 5), &logs, now).unwrap()
        else {
            panic!("not signed");
        };
        let origin = log().verifier().name().clone();
        let (size, root) = (5, tiles.root(5).unwrap());
        let mut checkpoint = Checkpoint { origin, size, root }.sign(&log());
        assert_eq!(checkpoint.add_cosignature(&lines, &key).unwrap(), now);

        let witness = State::open(folder.path()).unwrap();
        assert_eq!(*witness.verifier(), key);
        let answer = |request: &str| witness.answer(request, &logs, now).unwrap();
        assert_eq!(answer(&request(&tiles, 0, 9)), Answer::No(No::Seen(5)));
        assert_eq!(
            answer(&request(&tree("two"), 5, 9)),
            Answer::No(No::Unproven)
        );
        assert_eq!(answer(&request(&tree("two"), 5, 5)), Answer::No(No::Forked));
        assert_eq!(answer("no request"), Answer::No(No::Malformed));
        assert!(matches!(answer(&request(&tiles, 5, 9)), Answer::Signed(_)));
        // The same again is signed again.
        assert!(matches!(answer(&request(&tiles, 9, 9)), Answer::Signed(_)));
        let none = witness.answer(&request(&tiles, 9, 9), &[], now).unwrap();
        assert_eq!(none, Answer::UnknownLog);
    }

    #[test]
    fn a_memory_that_cannot_be_read_or_written_signs_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let name = "witness.test".parse().unwrap();
        let now = Timestamp::from_seconds(1_767_225_600).unwrap();
        let (tiles, logs) = (tree("one"), [log().verifier().clone()]);
        let witness = State::create(folder.path(), &name).unwrap();
        let path = witness.place(log().verifier());
        fs::write(&path, "spoilt").unwrap();
        assert!(witness.answer(&request(&tiles, 0, 5), &logs, now).is_err());
        fs::remove_file(&path).unwrap();
        // A folder where the file should be.
        fs::create_dir(path.with_extension("new")).unwrap();
        assert!(witness.answer(&request(&tiles, 0, 5), &logs, now).is_err());
        assert_eq!(witness.seen(log().verifier()).unwrap(), None);
        fs::set_permissions(
            folder.path().join("witness.p8"),
            fs::Permissions::from_mode(0o640),
        )
        .unwrap();
        assert!(matches!(
            State::open(folder.path()),
            Err(WitnessError::Readable { .. })
        ));
    }
}
