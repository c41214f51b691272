//! Why a use case did not do what it was asked: a refusal, which is an answer, or a fault, which is
//! the lack of one. They never mix.

use wardkey_edge::problem::No;
use wardkey_schemas::jws::SigningError;
use wardkey_schemas::{Code, Refusal};

use crate::random::NoRandomness;
use crate::store::StoreError;

/// A refusal or a fault.
#[derive(Debug)]
pub enum Failure {
    /// The answer is no; it is not on record yet.
    Refused(Refusal),
    /// The answer is no, and the record has it.
    Recorded(Refusal),
    /// It cannot be told.
    Fault(Box<dyn std::error::Error + Send + Sync>),
}

impl Failure {
    /// A fault.
    pub fn fault(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Fault(error.into())
    }

    /// The answer for somebody to whom nothing is signed. A refusal is counted; a fault goes into
    /// the log.
    pub fn into_answer(self, doing: &'static str) -> No {
        match self {
            Self::Refused(refusal) | Self::Recorded(refusal) => {
                count(&refusal, doing);
                refusal.into()
            }
            Self::Fault(error) => No::fault(error.as_ref(), doing),
        }
    }
}

/// Counts a refusal and writes a line about it. Refusals are answers: never a warning.
pub fn count(refusal: &Refusal, doing: &'static str) {
    let code = refusal.code().as_str();
    metrics::counter!("wardkey_refusals_total", "code" => code).increment(1);
    tracing::info!(
        refusal.code = code,
        found = refusal.found(),
        wanted = refusal.wanted(),
        doing,
        "Refused"
    );
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if let StoreError::Refused(refusal) = error {
            // The record is what is in doubt: nothing more is written into it about such a no.
            return if refusal.code() == Code::RecoveryHold {
                Self::Recorded(*refusal)
            } else {
                Self::Refused(*refusal)
            };
        }
        if matches!(error, StoreError::Busy) {
            let wanted = "fewer than the service takes on at once";
            return Self::Refused(Refusal::new(Code::Busy, "too many changes waiting", wanted));
        }
        Self::fault(error)
    }
}

impl From<NoRandomness> for Failure {
    fn from(error: NoRandomness) -> Self {
        Self::fault(error)
    }
}

impl From<SigningError> for Failure {
    fn from(error: SigningError) -> Self {
        Self::fault(error)
    }
}
