//! Somebody leaves a site: one act, one transaction, all their keys (`docs/states.md`).
//!
//! Nothing starts with their keys from that moment on. A visit that runs is finished, one hour at
//! most: the patient in the room has not left. Whoever must be stopped at once is stopped, not let go.

use std::sync::Arc;

use wardkey_schemas::action::Outcome;
use wardkey_schemas::ids::PersonId;
use wardkey_schemas::order::AFTER_THIS_CALL_MOST;
use wardkey_schemas::role::Role;
use wardkey_schemas::{Code, Refusal};

use super::{Permitted, refuse};
use crate::app::App;
use crate::failure::Failure;
use crate::store::audit::Object;
use crate::store::{Committed, Lane, StoreError, Tx, Work};

impl App {
    pub(super) async fn let_go(
        self: &Arc<Self>,
        permitted: &Permitted,
        person: PersonId,
    ) -> Result<(Outcome, Committed), Failure> {
        let work = LetGo {
            permitted: permitted.clone(),
            person,
        };
        Ok(self.store.write(Lane::Kill, work).await?)
    }
}

struct LetGo {
    permitted: Permitted,
    person: PersonId,
}

impl Work for LetGo {
    type Out = Outcome;

    async fn run(&mut self, tx: &mut Tx) -> Result<Outcome, StoreError> {
        self.permitted.take_nonce(tx).await?;
        let (site, by, now) = (&self.permitted.site, &self.permitted.by, self.permitted.now);
        if self.person == by.person {
            let refusal = Refusal::new(Code::ConfirmSelf, "yourself", "another person");
            return refuse(refusal);
        }
        let keys = tx.take_keys_of(site, self.person).await?;
        if keys.is_empty() {
            let wanted = "a person with a security key of your site";
            return refuse(Refusal::new(Code::NotFound, self.person, wanted));
        }
        // Whoever may not vouch for a role does not end it either.
        let above = |role| matches!(role, Role::SecurityOfficer | Role::Auditor);
        if let Some(key) = keys.iter().find(|key| above(key.role))
            && by.role == Role::Lead
        {
            let found = format!("{} for a person with role {}", by.role, key.role);
            return refuse(Refusal::new(Code::NotPermitted, found, "an officer"));
        }
        let end = now.plus(AFTER_THIS_CALL_MOST);
        let revoked = tx.leave(site, self.person, now).await?;
        let visits = tx.finish_visits_of(site, self.person, end).await?;
        let keys: Vec<_> = keys.iter().map(|key| key.key).collect();
        let detail = serde_json::json!({
            "class": "leaver",
            "keys": keys,
            "revoked": revoked,
            "visits": visits,
        });
        let object = Object::Person(self.person);
        tx.audit(self.permitted.draft("person.left", object, detail));
        Ok(Outcome::PersonLeft {
            keys,
            visits: u32::try_from(visits).unwrap_or(u32::MAX),
        })
    }
}
