//! Why a use case did not do what it was asked: a refusal, which is an answer, or a fault, which is
//! the lack of one. They never mix.

use wardkey_edge::client::CallError;
use wardkey_edge::problem::No;
use wardkey_issuance::{IssuanceError, SignError};
use wardkey_schemas::Refusal;
use wardkey_schemas::jws::SigningError;
use wardkey_schemas::refusal::Kind;
use wardkey_verifier::credential::CredentialError;

use crate::journal::JournalError;
use crate::random::NoRandomness;
use crate::signer::SignerError;
use crate::trust::TrustError;

/// A refusal or a fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The answer is no.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// It cannot be told.
    #[error("the authority could not do its work")]
    Fault(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Failure {
    /// A fault.
    pub fn fault(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Fault(error.into())
    }

    /// Whether asking again may help: keyd could not be reached, or something of ours failed.
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Refused(refusal) => matches!(refusal.code().kind(), Kind::Unavailable),
            Self::Fault(_) => true,
        }
    }

    /// The answer for whoever asked. A refusal gets a line in the log; a fault goes there whole.
    pub fn into_answer(self, doing: &'static str) -> No {
        match self {
            Self::Refused(refusal) => {
                tracing::info!(
                    refusal.code = refusal.code().as_str(),
                    found = refusal.found(),
                    wanted = refusal.wanted(),
                    doing,
                    "Refused"
                );
                refusal.into()
            }
            Self::Fault(error) => No::fault(error.as_ref(), doing),
        }
    }
}

impl From<CallError> for Failure {
    /// What keyd refused is refused here, in its words.
    fn from(error: CallError) -> Self {
        if !matches!(error, CallError::Refused(_)) {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, cause, "keyd gave no answer");
        }
        Self::Refused(error.refusal())
    }
}

impl From<TrustError> for Failure {
    fn from(error: TrustError) -> Self {
        match error {
            TrustError::Refused(refusal) => Self::Refused(refusal),
            fault @ (TrustError::NoBundle
            | TrustError::OtherAuthority
            | TrustError::Issuer(_)
            | TrustError::Anchors(_)) => Self::fault(fault),
        }
    }
}

macro_rules! faults {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::fault(error)
            }
        }
    )*};
}

faults!(
    CredentialError,
    IssuanceError,
    JournalError,
    NoRandomness,
    SignError<SignerError>,
    SigningError,
    std::io::Error,
);
