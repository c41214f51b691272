//! What the gate remembers over a power cut: its latch, and the newest trust bundle it has seen.

use std::io;

use serde::{Deserialize, Serialize};
use wardkey_schemas::bundle::BundleVersion;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::time::Timestamp;

use crate::folder::{Folder, replace};
use crate::latch::{Holds, Latch, Seal};
use crate::limits;

/// The latch's file.
pub const LATCH: &str = "latch.json";

/// The bundle note's file.
pub const BUNDLE: &str = "bundle.json";

/// The newest trust bundle that was accepted.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewestBundle {
    /// Its version.
    pub version: BundleVersion,
    /// SHA-256 of its payload: a version is one document.
    pub payload: Sha256,
    /// A moment that is certainly past, by what was signed under it.
    pub certainly_past: Timestamp,
}

/// Why the state could not be read or written. It is a fault: the gate cannot tell what holds.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The note of the newest bundle is there but says nothing that can be read.
    #[error("`{BUNDLE}` in the state folder is not a note of a trust bundle")]
    Note(#[source] serde_json::Error),
    /// Something has no JSON form.
    #[error("cannot write `{name}` as JSON")]
    Json {
        /// The file.
        name: &'static str,
        /// What the encoder said.
        source: serde_json::Error,
    },
    /// The disk did not do it.
    #[error("cannot {deed} `{name}` in the state folder")]
    Disk {
        /// What was tried.
        deed: &'static str,
        /// The file.
        name: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// The state folder as the gate uses it.
#[derive(Debug)]
pub struct Store<F> {
    folder: F,
}

impl<F: Folder> Store<F> {
    /// Opens the state. A folder that was never used gets an empty latch, so that from then on a
    /// latch that is missing is one that was taken away.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the folder cannot be read or the first latch cannot be written.
    pub fn open(folder: F) -> Result<(Self, Latch, Option<NewestBundle>), StoreError> {
        let store = Self { folder };
        let newest = store.newest_bundle()?;
        let latch = match store.folder.read(LATCH, limits::LATCH_FILE_BYTES) {
            Ok(Some(bytes)) => match Holds::parse(&bytes) {
                Ok(holds) => Latch::Kept(holds),
                Err(why) => Latch::Sealed(Seal::Unreadable(why)),
            },
            Ok(None) if newest.is_some() => Latch::Sealed(Seal::Gone),
            Ok(None) => {
                let empty = Holds::default();
                store.save_latch(&empty)?;
                Latch::Kept(empty)
            }
            Err(error) => Latch::Sealed(Seal::Unreadable(error.to_string())),
        };
        Ok((store, latch, newest))
    }

    /// Writes the latch. Once it returns, no power cut undoes it.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the file then holds the old latch or the new.
    pub fn save_latch(&self, holds: &Holds) -> Result<(), StoreError> {
        let bytes = holds.to_json().map_err(|source| StoreError::Json {
            name: LATCH,
            source,
        })?;
        self.replace(LATCH, &bytes)
    }

    /// Writes down the newest bundle.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the file then holds the old note or the new.
    pub fn save_newest_bundle(&self, newest: &NewestBundle) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(newest).map_err(|source| StoreError::Json {
            name: BUNDLE,
            source,
        })?;
        self.replace(BUNDLE, &bytes)
    }

    fn newest_bundle(&self) -> Result<Option<NewestBundle>, StoreError> {
        let bytes = self
            .folder
            .read(BUNDLE, limits::SMALL_FILE_BYTES)
            .map_err(|source| StoreError::Disk {
                deed: "read",
                name: BUNDLE,
                source,
            })?;
        bytes
            .map(|bytes| serde_json::from_slice(&bytes).map_err(StoreError::Note))
            .transpose()
    }

    fn replace(&self, name: &'static str, bytes: &[u8]) -> Result<(), StoreError> {
        replace(&self.folder, name, bytes).map_err(|source| StoreError::Disk {
            deed: "write",
            name,
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use wardkey_schemas::Code;
    use wardkey_schemas::ids::{HoldId, OrderSeq};
    use wardkey_schemas::order::{Hold, HoldClass, Mode};
    use wardkey_schemas::role::Role;

    use super::*;
    use crate::folder::StateFolder;

    fn open(place: &Path) -> (Store<StateFolder>, Latch, Option<NewestBundle>) {
        Store::open(StateFolder::take(place).unwrap()).unwrap()
    }

    fn newest() -> NewestBundle {
        NewestBundle {
            version: BundleVersion::new(3),
            payload: Sha256::of(b"bundle"),
            certainly_past: "2026-11-22T14:02:07Z".parse().unwrap(),
        }
    }

    fn stopped() -> Holds {
        let hold = Hold {
            id: HoldId::from_random([1; 16]),
            class: HoldClass::Lost,
            mode: Mode::Immediate,
            by: Role::Lead,
        };
        Holds::default().stop(OrderSeq::new(1), &[hold])
    }

    #[test]
    fn a_new_folder_gets_an_empty_latch_that_stays() {
        let place = tempfile::tempdir().unwrap();
        let (_, latch, newest) = open(place.path());
        assert_eq!(latch, Latch::Kept(Holds::default()));
        assert_eq!(newest, None);
        assert!(place.path().join(LATCH).exists());
    }

    #[test]
    fn what_was_saved_is_there_after_a_restart() {
        let place = tempfile::tempdir().unwrap();
        let (store, _, _) = open(place.path());
        store.save_latch(&stopped()).unwrap();
        store.save_newest_bundle(&newest()).unwrap();
        drop(store);
        let (_, latch, note) = open(place.path());
        assert_eq!(latch, Latch::Kept(stopped()));
        assert_eq!(note, Some(newest()));
        assert_eq!(
            latch.permits_opening().unwrap_err().code(),
            Code::GateLatched
        );
    }

    #[test]
    fn a_latch_that_cannot_be_read_is_latched_and_left_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        for wrong in [&b""[..], b"{", b"\xff\xff", b"{\"format\":1}"] {
            std::fs::write(place.path().join(LATCH), wrong).unwrap();
            let (_, latch, _) = open(place.path());
            assert!(matches!(latch, Latch::Sealed(Seal::Unreadable(_))));
            let refusal = latch.permits_opening().unwrap_err();
            assert_eq!(refusal.code(), Code::GateLatched);
            assert!(refusal.found().contains("cannot be read"), "{refusal}");
            assert_eq!(std::fs::read(place.path().join(LATCH)).unwrap(), wrong);
        }
    }

    #[test]
    fn a_latch_taken_away_from_a_folder_in_use_is_latched() {
        let place = tempfile::tempdir().unwrap();
        let (store, _, _) = open(place.path());
        store.save_newest_bundle(&newest()).unwrap();
        drop(store);
        std::fs::remove_file(place.path().join(LATCH)).unwrap();
        let (_, latch, _) = open(place.path());
        assert_eq!(latch, Latch::Sealed(Seal::Gone));
    }

    #[test]
    fn a_bundle_note_that_cannot_be_read_is_a_fault_and_not_a_fresh_start() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join(BUNDLE), b"{}").unwrap();
        let folder = StateFolder::take(place.path()).unwrap();
        assert!(matches!(Store::open(folder), Err(StoreError::Note(_))));
    }
}
