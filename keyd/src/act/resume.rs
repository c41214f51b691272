//! Letting something work again: lifting named holds, with a second person where the hold wants
//! one (`docs/walkthroughs/resume.md`).
//!
//! The rule who may lift what is [`wardkey_verifier::lifting`]; the gate applies the same one to
//! the approvals that the order carries.

use std::sync::Arc;

use wardkey_schemas::action::{Act, OrderSent, Outcome, Target};
use wardkey_schemas::ids::{ApprovalId, HoldId};
use wardkey_schemas::names::{Note, SiteCode};
use wardkey_schemas::order::{Command, Hold, HoldClass};
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::lifting::{Approver, verify_lifting, verify_lifting_from_nation};

use super::agree::{Deeds, ask};
use super::{Permitted, give_order, object, refuse};
use crate::app::App;
use crate::failure::Failure;
use crate::random;
use crate::states::Step;
use crate::store::approvals::Signatory;
use crate::store::audit::Draft;
use crate::store::{Committed, Lane, StoreError, Tx, Work};

impl App {
    pub(super) async fn resume(
        self: &Arc<Self>,
        permitted: &Permitted,
        target: Target,
        holds: Vec<HoldId>,
        note: Note,
    ) -> Result<(Outcome, Committed), Failure> {
        let work = Resume {
            act: Act::Resume {
                target: target.clone(),
                holds: holds.clone(),
                note,
            },
            lifting: Lifting::new(self, permitted.clone(), target, holds),
            new_request: ApprovalId::from_random(random::bytes()?),
        };
        Ok(self.store.write(Lane::Ordinary, work).await?)
    }
}

/// A resume that one person has signed: done if that is enough, else it waits.
struct Resume {
    act: Act,
    lifting: Lifting,
    new_request: ApprovalId,
}

impl Work for Resume {
    type Out = Outcome;

    async fn run(&mut self, tx: &mut Tx) -> Result<Outcome, StoreError> {
        let lifting = &self.lifting;
        lifting.permitted.take_nonce(tx).await?;
        let site = lifting.permitted.require_reach(tx, &lifting.target).await?;
        let named = lifting.named(tx).await?;
        match lifting.judge(&named) {
            Ok(()) => lifting.lift(tx, &named, site).await,
            Err(refusal) if refusal.code() == Code::ApprovalRequired => {
                let (app, permitted) = (&lifting.app, &lifting.permitted);
                ask(tx, app, permitted, self.new_request, &self.act, site).await
            }
            Err(refusal) => refuse(refusal),
        }
    }
}

/// The lifting of named holds from one thing.
pub(super) struct Lifting {
    app: Arc<App>,
    permitted: Permitted,
    target: Target,
    holds: Vec<HoldId>,
}

impl Deeds for Lifting {
    async fn carry_out(&self, tx: &mut Tx) -> Result<Outcome, StoreError> {
        let site = self.permitted.require_reach(tx, &self.target).await?;
        let named = self.named(tx).await?;
        if let Err(refusal) = self.judge(&named) {
            return refuse(refusal);
        }
        self.lift(tx, &named, site).await
    }

    fn target(&self) -> &Target {
        &self.target
    }
}

fn approver(signatory: &Signatory) -> Approver {
    Approver {
        person: signatory.person,
        key: signatory.key,
        role: signatory.role,
    }
}

impl Lifting {
    pub(super) fn new(
        app: &Arc<App>,
        permitted: Permitted,
        target: Target,
        holds: Vec<HoldId>,
    ) -> Self {
        Self {
            app: Arc::clone(app),
            permitted,
            target,
            holds,
        }
    }

    /// Whether those who have signed may lift each of these holds.
    fn judge(&self, named: &[Hold]) -> Result<(), Refusal> {
        let signatories = self.permitted.signatories();
        let approvers: Vec<Approver> = signatories.map(approver).collect();
        let verify = |hold| match self.target {
            Target::Nation => verify_lifting_from_nation(hold, &approvers),
            Target::Laptop { .. }
            | Target::Key { .. }
            | Target::Person { .. }
            | Target::Site { .. } => verify_lifting(hold, &approvers),
        };
        named.iter().try_for_each(verify)
    }

    /// The holds that are to be lifted: at least one, and all of them must stand.
    async fn named(&self, tx: &mut Tx) -> Result<Vec<Hold>, StoreError> {
        if self.holds.is_empty() {
            return refuse(Refusal::new(
                Code::HoldUnknown,
                "no hold named",
                "the holds to lift",
            ));
        }
        let standing = tx.holds_on(&self.target).await?;
        self.holds
            .iter()
            .map(|id| match standing.iter().find(|hold| hold.id == *id) {
                Some(hold) => Ok(*hold),
                None => refuse(Refusal::new(Code::HoldUnknown, id, "a hold that stands")),
            })
            .collect()
    }

    /// Lifts them; who may was judged.
    pub(super) async fn lift(
        &self,
        tx: &mut Tx,
        named: &[Hold],
        site: SiteCode,
    ) -> Result<Outcome, StoreError> {
        // However it came to be lifted: alone, by two, or taken back.
        tx.require_recovered()?;
        let now = self.permitted.now;
        // The row first, so that a stop at the same time is either seen here or sees this.
        self.recount(tx).await?;
        for hold in named {
            if !tx.lift_hold(&self.target, hold.id, now).await? {
                return refuse(Refusal::new(
                    Code::HoldUnknown,
                    hold.id,
                    "a hold that stands",
                ));
            }
        }
        self.recount(tx).await?;
        let was_lost = named
            .iter()
            .any(|hold| matches!(hold.class, HoldClass::Lost | HoldClass::Stolen));
        let orders = match &self.target {
            Target::Laptop { .. } => self.tell_laptop(tx, was_lost).await?,
            Target::Key { key } => {
                if was_lost {
                    tx.quarantine_key(*key).await?;
                }
                Vec::new()
            }
            // No laptop has latched these.
            Target::Person { .. } | Target::Site { .. } | Target::Nation => Vec::new(),
        };
        let remaining: Vec<HoldId> = tx
            .holds_on(&self.target)
            .await?
            .iter()
            .map(|hold| hold.id)
            .collect();
        let detail = serde_json::json!({
            "lifted": self.holds,
            "remaining": remaining,
            "orders": orders,
        });
        tx.audit(Draft {
            site,
            ..self
                .permitted
                .draft("resumed", object(&self.target), detail)
        });
        Ok(Outcome::Resumed { remaining, orders })
    }

    async fn recount(&self, tx: &mut Tx) -> Result<(), StoreError> {
        match &self.target {
            Target::Laptop { device } => tx.recount_device_holds(*device).await,
            Target::Key { key } => tx.recount_key_holds(*key).await,
            wide @ (Target::Person { .. } | Target::Site { .. } | Target::Nation) => {
                tx.recount_wide(wide).await.map(|_| ())
            }
        }
    }

    /// Tells the laptop, with the acts of those who agreed. What was lost comes back in quarantine:
    /// its image is installed anew and it is enrolled again before anybody uses it.
    async fn tell_laptop(&self, tx: &mut Tx, was_lost: bool) -> Result<Vec<OrderSent>, StoreError> {
        let Target::Laptop { device: id } = self.target else {
            return Ok(Vec::new());
        };
        let Some(device) = tx.device(id).await? else {
            return Ok(Vec::new());
        };
        let was_in_use = !matches!(device.state, ObjectState::Quarantine | ObjectState::Revoked);
        if was_lost && was_in_use {
            let step = Step::new(device.state, ObjectState::Quarantine)
                .map_err(|refusal| StoreError::Refused(Box::new(refusal)))?;
            if !tx.move_device(id, step, self.permitted.now).await? {
                let found = "moved meanwhile";
                return refuse(Refusal::new(Code::StateTransition, found, step.from()));
            }
        }
        let command = Command::Resume {
            holds: self.holds.clone(),
            approvals: self
                .permitted
                .signatories()
                .map(|signatory| signatory.act.clone())
                .collect(),
        };
        let order = give_order(tx, &self.app.signers, &device, command, self.permitted.now).await?;
        Ok(vec![order])
    }
}
