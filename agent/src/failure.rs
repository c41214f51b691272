//! Why a command did not do what was asked, and what a person reads about it.
//!
//! A refusal is an answer and keeps its code; everything else says what was wrong and, where we
//! know, what to do. Which exit code it is, is said in [`Told::exit`] and nowhere else.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use wardkey_edge::client::{CallError, ClientError};
use wardkey_gate::identity::WriteIdentityError;
use wardkey_schemas::{Code, Refusal};
use wardkey_token::TokenError;
use wardkey_token::message::MessageError;
use wardkey_token::pin_entry::PinEntryError;
use wardkey_told::{Exit, Told};
use wardkey_tpm::TpmError;

use crate::config::ConfigError;
use crate::control::client::ClientError as AgentError;
use crate::drive::RunError;
use crate::files::StateError;
use crate::random::NoRandomness;
use crate::refusals;
use crate::root::RootError;

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What was typed does not go together.
    #[error("{what}")]
    Usage {
        /// Why.
        what: String,
        /// What to type instead.
        hint: String,
    },
    /// Somebody whose business it is said no, or we did.
    #[error("{}", .0.code().heading())]
    Refused(Box<Refusal>),
    /// Something is not genuine, so nothing was done with it.
    #[error("{}", .0.code().heading())]
    NotBelieved(Box<Refusal>),
    /// The root is not pinned, or another one is here.
    #[error("{}", .0.refusal().code().heading())]
    Root(#[source] RootError),
    /// No answer, or one that is not an answer of ours.
    #[error("{}", .0.refusal().code().heading())]
    Unreachable(#[source] Box<CallError>),
    /// An address in the settings cannot be called.
    #[error("a service cannot be called")]
    Client(#[from] ClientError),
    /// The security key did not do what was asked.
    #[error("{}", .0.refusal().code().heading())]
    Token(#[source] TokenError),
    /// The TPM did not do what was asked.
    #[error("{}", refusals::of_tpm(.0).code().heading())]
    Tpm(#[source] TpmError),
    /// No PIN came.
    #[error("there is no PIN to go on with")]
    Pin(#[from] PinEntryError),
    /// A message could not be signed, or was signed with another key.
    #[error("the message was not signed")]
    Signing(#[source] MessageError),
    /// A file of the state folder.
    #[error(transparent)]
    State(#[from] StateError),
    /// The identity that the gate reads.
    #[error("the gate cannot be told who this laptop is")]
    Identity(#[from] WriteIdentityError),
    /// Another file or folder.
    #[error("`{path}` {what}")]
    File {
        /// The file.
        path: PathBuf,
        /// What about it.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The running agent did not do it, or there is none.
    #[error(transparent)]
    Agent(AgentError),
    /// The agent cannot run.
    #[error("the agent cannot run")]
    Run(#[source] RunError),
    /// The program cannot wait for anything.
    #[error("the operating system refused what every program needs that waits for a network")]
    Runtime(#[source] io::Error),
    /// The operating system has no randomness to give.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// Standard output cannot be written.
    #[error("the output cannot be written")]
    Output(#[source] io::Error),
}

impl Failure {
    /// Says no.
    pub fn refused(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }

    /// Says no to something that is not genuine.
    pub fn not_believed(refusal: Refusal) -> Self {
        Self::NotBelieved(Box::new(refusal))
    }

    /// What was typed does not go together.
    pub fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage {
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// Something about a file.
    pub fn file(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, what, source }
    }
}

impl Told for Failure {
    fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused(refusal) | Self::NotBelieved(refusal) => Some(refusal.as_ref().clone()),
            Self::Root(error) => Some(error.refusal()),
            Self::Unreachable(error) => Some(error.refusal()),
            Self::Token(error) => Some(error.refusal()),
            Self::Tpm(error) => Some(refusals::of_tpm(error)),
            Self::Config(_)
            | Self::Usage { .. }
            | Self::Client(_)
            | Self::Pin(_)
            | Self::Signing(_)
            | Self::State(_)
            | Self::Identity(_)
            | Self::File { .. }
            | Self::Agent(_)
            | Self::Run(_)
            | Self::Runtime(_)
            | Self::Randomness(_)
            | Self::Output(_) => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Refused(refusal) => Exit::of_refusal(refusal.code().kind()),
            Self::Root(RootError::NotPinned(_))
            | Self::Pin(PinEntryError::Cancelled | PinEntryError::TimedOut) => Exit::Refused,
            Self::Root(RootError::Read { .. } | RootError::NotACertificate { .. })
            // Of PINs: a program that is not there, a descriptor that is not open.
            | Self::Pin(_)
            | Self::Config(_)
            | Self::Usage { .. }
            | Self::Client(_)
            | Self::State(StateError::Folder { .. } | StateError::Disk { .. })
            | Self::Identity(_)
            | Self::File { .. }
            | Self::Run(_)
            | Self::Runtime(_)
            | Self::Randomness(_)
            | Self::Output(_) => Exit::Usage,
            Self::Root(RootError::Mismatch { .. })
            | Self::NotBelieved(_)
            | Self::Signing(_)
            | Self::State(StateError::Content { .. }) => Exit::VerificationFailed,
            Self::State(StateError::InUse { .. }) => Exit::Conflict,
            Self::Unreachable(_) | Self::Tpm(_) | Self::Agent(_) => Exit::Unreachable,
            Self::Token(error) => Exit::of_refusal(error.refusal().code().kind()),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Refused(refusal) | Self::NotBelieved(refusal) => refusal.code().next_step(),
            Self::Root(error) => error.refusal().code().next_step(),
            Self::Unreachable(error) => error.refusal().code().next_step(),
            Self::Tpm(_) => Code::TpmUnavailable.next_step(),
            Self::Usage { hint, .. } => return Some(hint.clone()),
            Self::Token(error) => return Some(error.hint("wardkey-agent")),
            Self::State(error) => return error.hint(),
            Self::Config(_) => {
                "`/etc/wardkey/agent.toml` is read unless --config names another file"
            }
            Self::Client(_) => "look at the addresses and root certificates in the settings",
            Self::Pin(PinEntryError::NoProgram { .. }) => {
                "install `pinentry`, name another in the settings, or use --pin-fd"
            }
            Self::Signing(_) => "run `wardkey-agent doctor` with this security key plugged in",
            Self::Identity(_) => "run this as root, or as the owner of the file",
            Self::Agent(error) => return error.hint(),
            Self::Run(error) => return error.hint(),
            Self::Pin(_)
            | Self::File { .. }
            | Self::Runtime(_)
            | Self::Randomness(_)
            | Self::Output(_) => return None,
        };
        Some(hint.to_owned())
    }

    fn why(&self) -> Option<&(dyn Error + 'static)> {
        // What was found says what its causes would say again.
        if matches!(self, Self::Token(_) | Self::Tpm(_) | Self::Root(_)) {
            return None;
        }
        // What was wanted says what was called.
        if let Self::Unreachable(error) = self {
            return error.source();
        }
        self.source()
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        if let CallError::Refused(problem) = error {
            return Self::refused(problem.refusal());
        }
        Self::Unreachable(Box::new(error))
    }
}

impl From<AgentError> for Failure {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what other rooms know as well has its own variant; the rest stays as it is"
    )]
    fn from(error: AgentError) -> Self {
        match error {
            AgentError::Refused(refusal) => Self::refused(refusal),
            AgentError::Pin(error) => Self::Pin(error),
            other => Self::Agent(other),
        }
    }
}

impl From<RunError> for Failure {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what other rooms know as well has its own variant; the rest stays as it is"
    )]
    fn from(error: RunError) -> Self {
        match error {
            RunError::Root(error) => Self::Root(error),
            RunError::State(error) => Self::State(error),
            RunError::Keyd(error) => Self::Client(error),
            RunError::Randomness(error) => Self::Randomness(error),
            other => Self::Run(other),
        }
    }
}

impl From<MessageError> for Failure {
    fn from(error: MessageError) -> Self {
        if let MessageError::Token(error) = error {
            return Self::Token(error);
        }
        Self::Signing(error)
    }
}

impl From<RootError> for Failure {
    fn from(error: RootError) -> Self {
        Self::Root(error)
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

impl From<TpmError> for Failure {
    fn from(error: TpmError) -> Self {
        Self::Tpm(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_do_not_believe_ends_with_4_whatever_its_kind() {
        for code in [Code::RootMismatch, Code::BundleRollback, Code::SiteUnknown] {
            let failure = Failure::not_believed(Refusal::new(code, "a", "b"));
            assert_eq!(failure.exit(), Exit::VerificationFailed, "{code}");
        }
    }

    #[test]
    fn a_security_key_that_is_not_there_is_not_found() {
        let serial = wardkey_schemas::names::TokenSerial::new(7);
        let failure = Failure::from(TokenError::NotPluggedIn { serial });
        assert_eq!(failure.exit(), Exit::NotFound);
        assert_eq!(failure.refusal().unwrap().code(), Code::TokenMissing);
    }
}
