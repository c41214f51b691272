//! Why a command did not do what was asked, and what a person reads about it.
//!
//! A refusal is an answer and keeps its code; everything else says what was wrong and, where we
//! know, what to do. Which exit code it is, is said in [`Failure::exit`] and nowhere else.

mod report;

use std::io;
use std::path::{Path, PathBuf};

use wardkey_edge::client::{CallError, ClientError};
use wardkey_schemas::key::KeyError;
use wardkey_schemas::{Code, Refusal};
use wardkey_token::TokenError;
use wardkey_token::message::MessageError;
use wardkey_token::pin_entry::PinEntryError;

pub use self::report::Report;
use crate::exit::Exit;
use crate::settings::SettingsError;
use crate::target::NoTarget;
use crate::token_refusal;

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// What was typed does not go together.
    #[error("{what}")]
    Usage {
        /// Why.
        what: String,
        /// What to type instead.
        hint: String,
    },
    /// A service said no.
    #[error("{}", .0.code().heading())]
    Refused(Box<Refusal>),
    /// We said no: something is not genuine, so nothing was signed for it.
    #[error("{}", .0.code().heading())]
    NotBelieved(Box<Refusal>),
    /// No answer, or one that is not an answer of ours.
    #[error("{}", .0.refusal().code().heading())]
    Unreachable(#[source] Box<CallError>),
    /// An address in the settings cannot be called.
    #[error("a service cannot be called")]
    Client(#[from] ClientError),
    /// The security key did not do what was asked.
    #[error("{}", token_refusal::of(.0).code().heading())]
    Token(#[source] TokenError),
    /// No PIN came.
    #[error("there is no PIN to go on with")]
    Pin(#[from] PinEntryError),
    /// A message could not be signed, or was signed with another key.
    #[error("the message was not signed")]
    Signing(#[source] MessageError),
    /// No thing, or more than one, fits what was typed.
    #[error(transparent)]
    NoTarget(#[from] NoTarget),
    /// The person said no.
    #[error("nothing was done")]
    Declined,
    /// There is no terminal on which to ask whether it is meant.
    #[error("nobody can be asked whether this is meant: there is no terminal")]
    NobodyToAsk,
    /// Nobody plugged in the security key that was asked for.
    #[error("nobody plugged in {wanted} in time")]
    NotPlugged {
        /// Which one.
        wanted: String,
    },
    /// A file of ours.
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
    /// A file of ours that others may read or change, or that holds something else.
    #[error("`{path}` is not used: {what}")]
    UnsafeFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The operating system has no randomness to give.
    #[error("the operating system gives no randomness")]
    Randomness,
    /// Neither output can be written.
    #[error("the output cannot be written")]
    Output(#[source] io::Error),
}

impl Failure {
    /// Says no to something that is not genuine.
    pub fn not_believed(refusal: Refusal) -> Self {
        Self::NotBelieved(Box::new(refusal))
    }

    /// Something about a file of ours.
    pub fn file(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, what, source }
    }

    /// What was typed does not go together.
    pub fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage {
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// The refusal behind it, where there is one with a code.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused(refusal) | Self::NotBelieved(refusal) => Some(refusal.as_ref().clone()),
            Self::Unreachable(error) => Some(error.refusal()),
            Self::Token(error) => Some(token_refusal::of(error)),
            Self::Settings(_)
            | Self::Usage { .. }
            | Self::Client(_)
            | Self::Pin(_)
            | Self::Signing(_)
            | Self::NoTarget(_)
            | Self::Declined
            | Self::NobodyToAsk
            | Self::NotPlugged { .. }
            | Self::File { .. }
            | Self::UnsafeFile { .. }
            | Self::Randomness
            | Self::Output(_) => None,
        }
    }

    /// Whether a service refused with this code.
    pub fn is_refused_with(&self, codes: &[Code]) -> bool {
        matches!(self, Self::Refused(refusal) if codes.contains(&refusal.code()))
    }

    /// What the shell is told.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Pin(PinEntryError::Cancelled | PinEntryError::TimedOut) => Exit::Refused,
            // Of PINs: a program that is not there, a descriptor that is not open.
            Self::Pin(_)
            | Self::Settings(_)
            | Self::Usage { .. }
            | Self::Client(_)
            | Self::Declined
            | Self::NobodyToAsk
            | Self::File { .. }
            | Self::Randomness
            | Self::Output(_) => Exit::Usage,
            Self::Refused(refusal) => Exit::of_refusal(refusal.code().kind()),
            Self::NotBelieved(_) | Self::Signing(_) | Self::UnsafeFile { .. } => {
                Exit::VerificationFailed
            }
            Self::Unreachable(_) => Exit::Unreachable,
            Self::Token(error) => Exit::of_refusal(token_refusal::of(error).code().kind()),
            Self::NoTarget(NoTarget::Unknown { .. }) | Self::NotPlugged { .. } => Exit::NotFound,
            Self::NoTarget(NoTarget::Ambiguous { .. }) => Exit::Conflict,
        }
    }

    /// What to do next, where we know.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Refused(refusal) | Self::NotBelieved(refusal) => refusal.code().next_step(),
            Self::Unreachable(error) => return Some(error.refusal().code().next_step().to_owned()),
            Self::Usage { hint, .. } => return Some(hint.clone()),
            Self::Token(error) => return Some(token_refusal::hint(error)),
            Self::NoTarget(target) => return Some(target.hint()),
            Self::Settings(_) | Self::Client(_) => "`wardkey --help` says what settings there are",
            Self::Pin(PinEntryError::NoProgram { .. }) => {
                "install `pinentry`, name another with --pinentry, or use --pin-fd"
            }
            Self::NobodyToAsk => "add --yes if it is",
            Self::UnsafeFile { .. } => "look at who made it, then remove it",
            Self::Signing(_) => {
                "run `wardkey key show`: does the security key hold its own \
                                 certificate?"
            }
            Self::NotPlugged { .. } => "plug it in and start again",
            Self::Pin(_)
            | Self::Declined
            | Self::File { .. }
            | Self::Randomness
            | Self::Output(_) => {
                return None;
            }
        };
        Some(hint.to_owned())
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        if let CallError::Refused(problem) = error {
            return Self::Refused(Box::new(problem.refusal()));
        }
        Self::Unreachable(Box::new(error))
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
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

impl From<KeyError> for Failure {
    fn from(_: KeyError) -> Self {
        Self::Randomness
    }
}
