//! Why something could not be measured.

use std::io;

use wardkey_edge::client::CallError;
use wardkey_edge::socket::SocketError;
use wardkey_schemas::Refusal;
use wardkey_tests::binary::MissingBinary;
use wardkey_tests::world::WorldError;

/// Why something could not be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A program is not built.
    #[error(transparent)]
    Missing(#[from] MissingBinary),
    /// The operating system.
    #[error(transparent)]
    System(#[from] io::Error),
    /// keyd refused or did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A link broke.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The verifier refused what it should accept.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The lab.
    #[error(transparent)]
    World(#[from] WorldError),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Failure {
    pub(crate) fn other(what: impl std::fmt::Display) -> Self {
        Self::Other(what.to_string())
    }
}
