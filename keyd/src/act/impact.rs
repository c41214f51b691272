//! What a stop would do, read and never done: who is shown it decides better.

use wardkey_schemas::action::Target;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::order::{HoldClass, Mode};
use wardkey_schemas::query::Impact;
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};

use crate::app::App;
use crate::authority::Deed;
use crate::failure::Failure;

impl App {
    /// What a stop of `target` would do if somebody with `role` at `site` asked for it now.
    pub(super) async fn impact(
        &self,
        (site, role): (&SiteCode, Role),
        target: &Target,
        mode: Mode,
        most: u32,
        now: Timestamp,
    ) -> Result<Impact, Failure> {
        if !self.store.is_within(site, target).await? {
            let wanted = "a target within your reach";
            return Err(Refusal::new(Code::NotFound, "no such target", wanted).into());
        }
        let (laptops, keys) = self.store.count_under(target).await?;
        let (visits, touched) = self.store.visits_under(target, mode, now, most).await?;
        // Every class but a loss is judged alike, and a loss never takes a second person.
        let deed = Deed::of_stop(target, HoldClass::Other, mode);
        Ok(Impact {
            laptops,
            keys,
            visits,
            touched,
            standing: self.store.standing_holds(target).await?,
            second: deed.second_roles(role),
        })
    }
}
