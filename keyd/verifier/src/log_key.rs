//! Whose checkpoints of the record are believed: those of the key that the service authority names.

use wardkey_schemas::jws::Jws;
use wardkey_schemas::record::{LogKey, LogPublicKey};
use wardkey_schemas::{Code, Refusal};

use crate::bundle::VerifiedBundle;
use crate::envelope;

/// The key of the installation's log, named by its service authority.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedLogKey {
    origin: String,
    key: LogPublicKey,
}

impl VerifiedLogKey {
    /// Verifies the service authority's word.
    ///
    /// # Errors
    ///
    /// `ANSWER_NOT_BELIEVED` if the authority did not sign it or it speaks of another realm;
    /// `MESSAGE_MALFORMED`.
    pub fn verify(signed: &Jws<LogKey>, bundle: &VerifiedBundle) -> Result<Self, Refusal> {
        let wanted = "a key named by the service authority of the trust bundle";
        let authority = bundle.service_authority().certificate().p256();
        let authority = authority
            .ok_or_else(|| Refusal::new(Code::AnswerNotBelieved, "no P-256 authority", wanted))?;
        let opened = envelope::open(signed, authority)
            .map_err(|refusal| envelope::recode_signer(refusal, Code::AnswerNotBelieved))?;
        let LogKey { realm, key, .. } = opened.into_message();
        if realm != *bundle.realm() {
            let found = format!("the log of {realm}");
            let wanted = format!("the log of {}", bundle.realm());
            return Err(Refusal::new(Code::AnswerNotBelieved, found, wanted));
        }
        let origin = LogKey::origin(&realm);
        Ok(Self { origin, key })
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Its key.
    pub const fn key(&self) -> &LogPublicKey {
        &self.key
    }
}
