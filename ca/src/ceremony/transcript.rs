//! The transcript: every act, before the key is used and when it is done. Lines are only ever added.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use wardkey_schemas::time::Timestamp;

use super::error::CeremonyError;
use crate::durable::{self, FileError};

/// The file in the root's folder.
pub const TRANSCRIPT: &str = "transcript.jsonl";

/// The transcript of one root, locked for one act.
#[derive(Debug)]
pub struct Transcript {
    path: PathBuf,
    file: File,
}

/// How far an act has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// It begins; the key was not used.
    Begun,
    /// It is done, and what it made is on disk.
    Done,
}

#[derive(Serialize)]
struct Line<'a> {
    at: Timestamp,
    act: &'a str,
    step: Step,
    program: &'a str,
    detail: serde_json::Value,
}

impl Transcript {
    /// Opens the transcript of the root in `folder`, and keeps everybody else out.
    ///
    /// # Errors
    ///
    /// [`CeremonyError::Busy`] while another act is under way; [`CeremonyError::File`].
    pub fn open(folder: &Path) -> Result<Self, CeremonyError> {
        let path = folder.join(TRANSCRIPT);
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(durable::PRIVATE)
            .open(&path)
            .map_err(FileError::of(&path, "written"))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path, file }),
            Err(TryLockError::WouldBlock) => Err(CeremonyError::Busy {
                folder: folder.to_owned(),
            }),
            Err(TryLockError::Error(error)) => Err(FileError::of(&path, "locked")(error).into()),
        }
    }

    /// Adds a line; it is on disk when this returns.
    ///
    /// # Errors
    ///
    /// [`CeremonyError::File`].
    pub fn note(
        &mut self,
        at: Timestamp,
        act: &str,
        step: Step,
        detail: serde_json::Value,
    ) -> Result<(), CeremonyError> {
        let line = Line {
            at,
            act,
            step,
            program: concat!("wardkey-ca ", env!("CARGO_PKG_VERSION")),
            detail,
        };
        let mut write = || {
            let mut line = serde_json::to_vec(&line).map_err(io::Error::other)?;
            line.push(b'\n');
            self.file.write_all(&line)?;
            self.file.sync_all()
        };
        Ok(write().map_err(FileError::of(&self.path, "written"))?)
    }
}
