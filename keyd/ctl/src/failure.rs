//! Why a command did not do what was asked, and what a person reads about it.
//!
//! A refusal is an answer and keeps its code; everything else says what was wrong and, where we
//! know, what to do. Which exit code it is, is said in [`Told::exit`] and nowhere else.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use wardkey_edge::client::{CallError, ClientError};
use wardkey_edge::pieces::PieceError;
use wardkey_schemas::key::KeyError;
use wardkey_schemas::{Code, Refusal};
use wardkey_token::TokenError;
use wardkey_token::message::MessageError;
use wardkey_token::pin_entry::PinEntryError;
use wardkey_told::{Exit, Told};

use crate::settings::SettingsError;
use crate::target::NoTarget;

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
    #[error("{}", .0.refusal().code().heading())]
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

    /// Whether a service refused with this code.
    pub fn is_refused_with(&self, codes: &[Code]) -> bool {
        matches!(self, Self::Refused(refusal) if codes.contains(&refusal.code()))
    }
}

impl Told for Failure {
    fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused(refusal) | Self::NotBelieved(refusal) => Some(refusal.as_ref().clone()),
            Self::Unreachable(error) => Some(error.refusal()),
            Self::Token(error) => Some(error.refusal()),
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

    fn exit(&self) -> Exit {
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
            Self::Token(error) => Exit::of_refusal(error.refusal().code().kind()),
            Self::NoTarget(NoTarget::Unknown { .. }) | Self::NotPlugged { .. } => Exit::NotFound,
            Self::NoTarget(NoTarget::Ambiguous { .. }) => Exit::Conflict,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Refused(refusal) | Self::NotBelieved(refusal) => refusal.code().next_step(),
            Self::Unreachable(error) => return Some(error.refusal().code().next_step().to_owned()),
            Self::Usage { hint, .. } => return Some(hint.clone()),
            Self::Token(error) => return Some(error.hint("wardkey")),
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

    fn why(&self) -> Option<&(dyn Error + 'static)> {
        // What was found says what its causes would say again.
        if matches!(self, Self::Token(_)) {
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
            return Self::Refused(Box::new(problem.refusal()));
        }
        Self::Unreachable(Box::new(error))
    }
}

impl From<PieceError> for Failure {
    fn from(error: PieceError) -> Self {
        match error {
            PieceError::Call(error) => error.into(),
            PieceError::File { path, source } => Self::File {
                path,
                what: "cannot be read",
                source,
            },
            other => Self::usage(other.to_string(), "name another place with --from"),
        }
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

#[cfg(test)]
mod tests {
    use wardkey_schemas::problem::Problem;
    use wardkey_told::Report;

    use super::*;

    #[test]
    fn a_problem_document_becomes_error_found_wanted_and_hint() {
        let wanted = "a role that may do this";
        let refusal = Refusal::new(Code::NotPermitted, "staff: revoke", wanted);
        let problem = Problem::new(&refusal, 403);
        let failure = Failure::from(CallError::Refused(Box::new(problem)));
        assert_eq!(
            Report::from(&failure).to_string(),
            "error: Your role cannot do this [NOT_PERMITTED]\n\
             found: staff: revoke\n\
             wanted: a role that may do this\n\
             \n\
             hint: Ask a person whose role can do this.\n"
        );
        assert_eq!(failure.exit(), Exit::Refused);
    }

    #[test]
    fn a_wrong_pin_says_how_many_tries_are_left() {
        let failure = Failure::from(TokenError::WrongPin { tries_left: 2 });
        assert_eq!(
            Report::from(&failure).to_string(),
            "error: That is not the PIN of this security key [PIN_WRONG]\n\
             found: wrong PIN, 2 tries left\n\
             wanted: the PIN of the security key that is plugged in\n\
             \n\
             hint: 2 tries left before the PIN is blocked\n"
        );
    }

    #[test]
    fn what_we_do_not_believe_ends_with_4_whatever_its_kind() {
        for code in [Code::RootMismatch, Code::BundleRollback, Code::SiteUnknown] {
            let failure = Failure::not_believed(Refusal::new(code, "a", "b"));
            assert_eq!(failure.exit(), Exit::VerificationFailed, "{code}");
        }
    }
}
