//! Why a first key was not enrolled.

use std::io;
use std::path::PathBuf;

use wardkey_schemas::jws::EnvelopeError;
use wardkey_schemas::names::TokenSerial;
use wardkey_schemas::{Code, Refusal};
use wardkey_token::TokenError;
use wardkey_token::message::MessageError;
use wardkey_token::pin_entry::PinEntryError;

use crate::config::ConfigError;
use crate::durable::FileError;
use crate::failure::Failure;
use crate::open::OpenError;
use crate::random::NoRandomness;

/// Why a first key was not enrolled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeadError {
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Settings, keys, journal or trust.
    #[error("the authority cannot work")]
    Open(#[from] OpenError),
    /// There is a charter already.
    #[error("`{}` is there already; the charter for a new key is signed after the key is made", path.display())]
    CharterIsThere {
        /// The file.
        path: PathBuf,
    },
    /// What came is no charter.
    #[error("`{}` does not hold a charter", path.display())]
    NotACharter {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: EnvelopeError,
    },
    /// No security key is plugged in.
    #[error("no security key is plugged in")]
    NoToken,
    /// Several are.
    #[error("several security keys are plugged in: {}", list(found))]
    SeveralTokens {
        /// Their serial numbers.
        found: Vec<TokenSerial>,
    },
    /// No PIN was chosen.
    #[error("no PIN was chosen")]
    Pin(#[from] PinEntryError),
    /// The token did not do its work.
    #[error("the security key did not do what was asked")]
    Token(#[from] TokenError),
    /// The token did not sign.
    #[error("the security key did not sign")]
    Message(#[from] MessageError),
    /// The authority or keyd said no, or could not tell.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The first key cannot be written as JSON.
    #[error("the first key cannot be written")]
    Json(#[from] serde_json::Error),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// Standard output or input.
    #[error("the terminal cannot be used")]
    Terminal(#[source] io::Error),
}

impl From<Refusal> for LeadError {
    fn from(refusal: Refusal) -> Self {
        Self::Failure(refusal.into())
    }
}

impl LeadError {
    /// Whether the same step may do another time: somebody touches, plugs in, or keyd comes back.
    pub(super) const fn may_pass(&self) -> bool {
        match self {
            Self::Failure(failure) => failure.may_pass(),
            Self::Token(_) | Self::Message(_) => true,
            Self::Config(_)
            | Self::Open(_)
            | Self::CharterIsThere { .. }
            | Self::NotACharter { .. }
            | Self::NoToken
            | Self::SeveralTokens { .. }
            | Self::Pin(_)
            | Self::File(_)
            | Self::Json(_)
            | Self::Random(_)
            | Self::Terminal(_) => false,
        }
    }

    /// The refusal, if the answer was no.
    pub const fn refusal(&self) -> Option<&Refusal> {
        if let Self::Failure(Failure::Refused(refusal)) = self {
            Some(refusal)
        } else {
            None
        }
    }

    /// What to try next, if we know.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::CharterIsThere { .. } => Some("name another file with --charter"),
            Self::NoToken => Some("plug in the security key that is to be enrolled"),
            Self::SeveralTokens { .. } => Some("say which with --serial"),
            Self::Token(TokenError::AlreadyUsed { .. }) => Some(
                "if nothing on it is needed any more, add --reset: every key, certificate and PIN \
                 on it is lost",
            ),
            Self::Failure(Failure::Refused(refusal)) => hint_for(refusal.code()),
            Self::Message(_) | Self::NotACharter { .. } => Some(
                "start again with --reset, and have a charter signed for the key that is made then",
            ),
            Self::Config(_)
            | Self::Open(_)
            | Self::Pin(_)
            | Self::Token(_)
            | Self::Failure(_)
            | Self::File(_)
            | Self::Json(_)
            | Self::Random(_)
            | Self::Terminal(_) => None,
        }
    }
}

fn hint_for(code: Code) -> Option<&'static str> {
    (code == Code::CharterInvalid).then_some(
        "start again with --reset; the charter must be this site's newest, and name the key that is \
         made then",
    )
}

fn list(serials: &[TokenSerial]) -> String {
    let serials: Vec<String> = serials.iter().map(ToString::to_string).collect();
    serials.join(", ")
}
