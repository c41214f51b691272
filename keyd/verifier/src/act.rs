//! What a person did, by their signature.

use wardkey_schemas::Refusal;
use wardkey_schemas::action::Action;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::order::SignedAct;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, names::SiteCode};

use crate::bundle::VerifiedBundle;
use crate::envelope;
use crate::person::VerifiedPerson;

/// An act that a person signed with their 9c key, for the site of their certificate.
///
/// Whether the nonce in it is fresh, and whether the role may do the act, is for who acts on it.
#[derive(Clone, Debug)]
pub struct VerifiedAct {
    action: Action,
    person: VerifiedPerson,
    sha256: Sha256,
}

impl VerifiedAct {
    /// Verifies the certificate at `now`, and that its key signed the act for its own site.
    ///
    /// # Errors
    ///
    /// Those of [`VerifiedPerson::verify`], `SIGNER_UNKNOWN`, `SIGNATURE_WRONG`,
    /// `MESSAGE_MALFORMED`, `SITE_MISMATCH`.
    pub fn verify(
        act: &SignedAct,
        bundle: &VerifiedBundle,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let person = VerifiedPerson::verify(act.certificate.as_ref(), bundle, now)?;
        let action = envelope::open(&act.action, person.key())?.into_message();
        if action.site != *person.site() {
            return Err(Refusal::new(
                Code::SiteMismatch,
                &action.site,
                person.site(),
            ));
        }
        Ok(Self {
            action,
            person,
            sha256: act.action.sha256(),
        })
    }

    /// The act, with keyd's nonce.
    pub const fn action(&self) -> &Action {
        &self.action
    }

    /// Who signed it.
    pub const fn person(&self) -> &VerifiedPerson {
        &self.person
    }

    /// The site for which the person acted.
    pub const fn site(&self) -> &SiteCode {
        self.person.site()
    }

    /// SHA-256 of the act's envelope.
    pub const fn sha256(&self) -> Sha256 {
        self.sha256
    }
}
