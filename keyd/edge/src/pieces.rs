//! The pieces of a log (C2SP `tlog-tiles`), from wherever they are: a service, or a folder that
//! somebody mirrored them into.

use std::io;
use std::path::PathBuf;

use crate::client::{CallError, Client};

/// Where the pieces of a log are.
#[derive(Clone, Debug)]
pub enum Pieces {
    /// Below a path of a service.
    Service(Client, String),
    /// In a folder.
    Folder(PathBuf),
}

/// Why a piece cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PieceError {
    /// The service.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The file.
    #[error("`{path}` cannot be read")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Pieces {
    /// Reads a piece; nothing where there is none.
    ///
    /// # Errors
    ///
    /// [`PieceError`].
    pub async fn read(&self, piece: &str) -> Result<Option<Vec<u8>>, PieceError> {
        match self {
            Self::Service(client, below) => {
                Ok(client.read_bytes(&format!("{below}/{piece}")).await?)
            }
            Self::Folder(folder) => {
                let path = folder.join(piece);
                match tokio::fs::read(&path).await {
                    Ok(bytes) => Ok(Some(bytes)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                    Err(source) => Err(PieceError::File { path, source }),
                }
            }
        }
    }
}
