//! The certificate of this ca's own listener, which the authority issues to itself and writes into the
//! journal like any other.

use wardkey_issuance::BACKDATED;
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_verifier::certificate::Certificate;

use crate::app::App;
use crate::failure::Failure;
use crate::issue::Announced;
use crate::journal::{Ledger, State};
use crate::keyd::Keyd;
use crate::plan::{Plan, Saying};
use crate::random;

/// How much of a certificate's time must be left for it to be used on.
const REISSUE_BEFORE: Seconds = Seconds::new(30 * 24 * 3600);

impl<K: Keyd, L: Ledger> App<K, L> {
    /// The chain of the listener, leaf first: the newest certificate in the journal if it is for this
    /// name, key and authority and has time left, else a new one.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn listener_chain(
        &self,
        name: &str,
        key: &PublicKey,
        now: Timestamp,
    ) -> Result<Vec<Vec<u8>>, Failure> {
        let trust = self.trust();
        let authority = trust.authority(&self.sources.site)?;
        if let Some(leaf) = self
            .find_listener_certificate(name, key, &authority, now)
            .await?
        {
            return Ok(vec![leaf, authority]);
        }
        let plan = Plan {
            saying: Saying::Tls {
                name: name.to_owned(),
            },
            key: *key,
            serial: random::bytes()?,
            at: now,
        };
        let announced = Announced::listener(plan, &trust)?;
        let recorded = self.sign_on_record(announced).await?;
        let leaf = recorded
            .into_listener_certificate()
            .ok_or_else(|| Failure::fault("the listener's certificate was not signed"))?;
        Ok(vec![leaf.into_vec(), authority])
    }

    async fn find_listener_certificate(
        &self,
        name: &str,
        key: &PublicKey,
        authority: &[u8],
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let Some(entry) = self.journal.newest_listener().await? else {
            return Ok(None);
        };
        let ([planned], State::Signed { certificates, .. }) =
            (entry.planned.as_slice(), &entry.state)
        else {
            return Ok(None);
        };
        let wanted = Saying::Tls {
            name: name.to_owned(),
        };
        if planned.plan.saying != wanted || planned.plan.key != *key {
            return Ok(None);
        }
        let issuer = Certificate::parse(authority).ok();
        Ok(certificates
            .first()
            .map(|der| der.as_slice().to_vec())
            .filter(|der| {
                let leaf = Certificate::parse(der).ok();
                leaf.zip(issuer).is_some_and(|(leaf, issuer)| {
                    // An authority with a new key has a new name.
                    leaf.issuer() == issuer.subject()
                        && leaf.validity().not_before <= now.plus(BACKDATED)
                        && now.plus(REISSUE_BEFORE) < leaf.validity().not_after
                })
            }))
    }
}
