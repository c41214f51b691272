//! The site's spare security key: sealed in the safe, for the day on which somebody's own is missing
//! or broken. It opens what any key of its role opens, and each use of it is told
//! (`docs/walkthroughs/key.md`).

use std::sync::Arc;

use wardkey_schemas::action::Outcome;
use wardkey_schemas::alert::AlertKind;
use wardkey_schemas::ids::AlertId;
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};

use super::{Permitted, outside, refuse};
use crate::app::App;
use crate::failure::Failure;
use crate::random;
use crate::store::alerts::NewAlert;
use crate::store::audit::Object;
use crate::store::{Committed, Lane, StoreError, Tx, Work};

/// Tells that a spare was used: an alert and its entry, before the entry that says for what.
///
/// # Errors
///
/// [`StoreError`].
pub(crate) async fn tell(
    tx: &mut Tx,
    site: &SiteCode,
    key: Thumbprint,
    used_for: &'static str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let id = AlertId::from_random(random::bytes().map_err(outside)?);
    let alert = NewAlert {
        id,
        at: now,
        site,
        kind: AlertKind::SpareKeyUsed,
        object: Object::Key(key),
        detail: used_for,
        // Each use is told.
        once: &id.to_string(),
    };
    tx.alert(&alert).await?;
    Ok(())
}

impl App {
    pub(super) async fn mark_spare(
        self: &Arc<Self>,
        permitted: &Permitted,
        key: Thumbprint,
        spare: bool,
    ) -> Result<(Outcome, Committed), Failure> {
        let work = MarkSpare {
            permitted: permitted.clone(),
            key,
            spare,
        };
        Ok(self.store.write(Lane::Ordinary, work).await?)
    }
}

struct MarkSpare {
    permitted: Permitted,
    key: Thumbprint,
    spare: bool,
}

impl Work for MarkSpare {
    type Out = Outcome;

    async fn run(&mut self, tx: &mut Tx) -> Result<Outcome, StoreError> {
        self.permitted.take_nonce(tx).await?;
        let site = &self.permitted.site;
        let Some(key) = tx.key(site, self.key).await? else {
            let wanted = "a security key of your site";
            return refuse(Refusal::new(Code::NotFound, self.key, wanted));
        };
        // Whoever holds the spare would else hide its use.
        if self.key == self.permitted.by.key {
            let wanted = "another person's security key";
            return refuse(Refusal::new(Code::ConfirmSelf, "your own key", wanted));
        }
        if self.spare && (key.revoked || key.state != ObjectState::Active) {
            let found = if key.revoked {
                ObjectState::Revoked
            } else {
                key.state
            };
            return refuse(Refusal::new(Code::StateTransition, found, "a key in use"));
        }
        tx.mark_spare(site, self.key, self.spare).await?;
        let detail = serde_json::json!({
            "serial": key.serial,
            "spare": self.spare,
        });
        let event = "key.spare-marked";
        tx.audit(self.permitted.draft(event, Object::Key(self.key), detail));
        Ok(Outcome::SpareMarked { spare: self.spare })
    }
}
