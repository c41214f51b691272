//! Confirming an enrolment on another screen: phrase and tag must be those of what was signed.

use std::sync::Arc;

use wardkey_schemas::action::Outcome;
use wardkey_schemas::ids::{DeviceId, PersonId};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::{AssetTag, SiteCode};
use wardkey_schemas::phrase::Phrase;
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::{Code, Refusal};

use super::{Permitted, refuse};
use crate::app::App;
use crate::failure::Failure;
use crate::standing::{self, For};
use crate::states::Step;
use crate::store::audit::Object;
use crate::store::{Committed, Lane, StoreError, Tx, Work};

impl App {
    pub(super) async fn confirm_laptop(
        self: &Arc<Self>,
        permitted: &Permitted,
        device: DeviceId,
        asset: AssetTag,
        phrase: Phrase,
    ) -> Result<(Outcome, Committed), Failure> {
        let policy = self.policy_at(&permitted.site).await?;
        let (permitted, another) = (permitted.clone(), policy.confirm_by_another_person);
        let work = ConfirmLaptop {
            permitted,
            device,
            asset,
            phrase,
            another,
        };
        Ok(self.store.write(Lane::Ordinary, work).await?)
    }

    pub(super) async fn confirm_key(
        self: &Arc<Self>,
        permitted: &Permitted,
        key: Thumbprint,
        phrase: Phrase,
    ) -> Result<(Outcome, Committed), Failure> {
        let policy = self.policy_at(&permitted.site).await?;
        let (permitted, another) = (permitted.clone(), policy.confirm_by_another_person);
        let work = ConfirmKey {
            permitted,
            key,
            phrase,
            another,
        };
        Ok(self.store.write(Lane::Ordinary, work).await?)
    }
}

struct ConfirmLaptop {
    permitted: Permitted,
    device: DeviceId,
    asset: AssetTag,
    phrase: Phrase,
    another: bool,
}

impl Work for ConfirmLaptop {
    type Out = Outcome;

    async fn run(&mut self, tx: &mut Tx) -> Result<Outcome, StoreError> {
        tx.require_recovered()?;
        self.permitted.take_nonce(tx).await?;
        let found = tx.device(self.device).await?;
        let Some(device) = found.filter(|device| device.site == self.permitted.site) else {
            return refuse(Refusal::new(
                Code::NotFound,
                self.device,
                "a laptop of your site",
            ));
        };
        if device.asset != self.asset {
            return refuse(Refusal::new(
                Code::AssetMismatch,
                &self.asset,
                "the tag on its lid",
            ));
        }
        require_phrase(&self.phrase, &device.phrase)?;
        require_another(self.another, device.lead, self.permitted.by.person)?;
        require_site_free(tx, &device.site).await?;
        let step = step_from(device.state)?;
        if !tx.move_device(device.id, step, self.permitted.now).await? {
            return refuse(Refusal::new(
                Code::StateTransition,
                "moved meanwhile",
                step.from(),
            ));
        }
        let detail = serde_json::json!({
            "asset": device.asset,
            "generation": device.generation,
            "baseline": device.baseline,
        });
        tx.audit(
            self.permitted
                .draft("laptop.confirmed", Object::Laptop(device.id), detail),
        );
        Ok(Outcome::Confirmed)
    }
}

struct ConfirmKey {
    permitted: Permitted,
    key: Thumbprint,
    phrase: Phrase,
    another: bool,
}

impl Work for ConfirmKey {
    type Out = Outcome;

    async fn run(&mut self, tx: &mut Tx) -> Result<Outcome, StoreError> {
        tx.require_recovered()?;
        self.permitted.take_nonce(tx).await?;
        let site = self.permitted.site.clone();
        let Some(key) = tx.key(&site, self.key).await? else {
            return refuse(Refusal::new(
                Code::NotFound,
                self.key,
                "a security key of your site",
            ));
        };
        require_phrase(&self.phrase, &key.phrase)?;
        require_another(self.another, key.approved_by, self.permitted.by.person)?;
        if key.person == self.permitted.by.person {
            return refuse(Refusal::new(
                Code::ConfirmSelf,
                "the person whose key it is",
                "another person",
            ));
        }
        require_site_free(tx, &site).await?;
        let person = tx.take_person(key.person).await?;
        if let Err(refusal) = standing::require_person(person, For::Starting) {
            return refuse(refusal);
        }
        let step = step_from(key.state)?;
        if !tx
            .move_grant(&site, self.key, step, self.permitted.now)
            .await?
        {
            return refuse(Refusal::new(
                Code::StateTransition,
                "moved meanwhile",
                step.from(),
            ));
        }
        let detail = serde_json::json!({ "serial": key.serial, "role": key.role });
        tx.audit(
            self.permitted
                .draft("key.confirmed", Object::Key(self.key), detail),
        );
        Ok(Outcome::Confirmed)
    }
}

/// The arrow from where it stands to *active*; only one is drawn, from *pending*.
fn step_from(state: ObjectState) -> Result<Step, StoreError> {
    Step::new(state, ObjectState::Active).map_err(|refusal| StoreError::Refused(Box::new(refusal)))
}

fn require_phrase(found: &Phrase, wanted: &Phrase) -> Result<(), StoreError> {
    if found == wanted {
        return Ok(());
    }
    // The right phrase stays where it is: on the other screen.
    refuse(Refusal::new(
        Code::PhraseMismatch,
        found,
        "the phrase on the other screen",
    ))
}

/// Nothing is taken into use while its site is stopped at once.
async fn require_site_free(tx: &mut Tx, site: &SiteCode) -> Result<(), StoreError> {
    let above = tx.take_site(site).await?;
    standing::require_site(above.site, above.nation, For::GoingOn).or_else(refuse)
}

fn require_another(wanted: bool, enrolled: PersonId, confirms: PersonId) -> Result<(), StoreError> {
    if wanted && enrolled == confirms {
        let found = "the person who enrolled it";
        return refuse(Refusal::new(Code::ConfirmSelf, found, "another person"));
    }
    Ok(())
}
