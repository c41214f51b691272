//! Letting something work again: lifting named holds, with a second person where the hold wants
//! one (`docs/walkthroughs/resume.md`).
//!
//! The rule who may lift what is [`wardkey_verifier::lifting`]; the gate applies the same one to
//! the approvals that the order carries.

use std::sync::Arc;

use wardkey_schemas::action::{OrderSent, Outcome, Target};
use wardkey_schemas::ids::{ApprovalId, HoldId};
use wardkey_schemas::order::{Command, Hold, HoldClass};
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::lifting::{Approver, verify_lifting};

use super::{Permitted, give_order, refuse};
use crate::app::App;
use crate::failure::Failure;
use crate::random;
use crate::states::Step;
use crate::store::approvals::{Request, Signatory};
use crate::store::audit::Object;
use crate::store::{Committed, Lane, StoreError, Tx, Work};

impl App {
    pub(super) async fn resume(
        self: &Arc<Self>,
        permitted: &Permitted,
        target: Target,
        holds: Vec<HoldId>,
        request: Option<ApprovalId>,
    ) -> Result<(Outcome, Committed), Failure> {
        let work = Resume {
            app: Arc::clone(self),
            permitted: permitted.clone(),
            target,
            holds,
            request,
            new_request: ApprovalId::from_random(random::bytes()?),
        };
        Ok(self.store.write(Lane::Ordinary, work).await?)
    }
}

struct Resume {
    app: Arc<App>,
    permitted: Permitted,
    target: Target,
    holds: Vec<HoldId>,
    request: Option<ApprovalId>,
    new_request: ApprovalId,
}

impl Work for Resume {
    type Out = Outcome;

    async fn run(&mut self, tx: &mut Tx) -> Result<Outcome, StoreError> {
        tx.require_recovered()?;
        self.permitted.take_nonce(tx).await?;
        self.require_own_site(tx).await?;
        let standing = tx.holds_on(&self.target).await?;
        let named = self.named(&standing)?;
        let signatories = match self.request {
            None => vec![self.permitted.by.clone()],
            Some(id) => vec![
                self.asked(tx, id).await?.requester,
                self.permitted.by.clone(),
            ],
        };
        let approvers: Vec<Approver> = signatories.iter().map(approver).collect();
        let refused = named
            .iter()
            .find_map(|hold| verify_lifting(hold, &approvers).err());
        match refused {
            None => {
                if let Some(id) = self.request
                    && !tx
                        .approve(id, &self.permitted.by, self.permitted.now)
                        .await?
                {
                    let wanted = "a request that waits";
                    return refuse(Refusal::new(Code::ApprovalExpired, "too late", wanted));
                }
                self.lift(tx, &named, signatories).await
            }
            Some(refusal) if refusal.code() == Code::ApprovalRequired && self.request.is_none() => {
                self.ask(tx).await
            }
            Some(refusal) => refuse(refusal),
        }
    }
}

fn approver(signatory: &Signatory) -> Approver {
    Approver {
        person: signatory.person,
        key: signatory.key,
        role: signatory.role,
    }
}

impl Resume {
    const fn object(&self) -> Object {
        match self.target {
            Target::Laptop { device } => Object::Laptop(device),
            Target::Key { key } => Object::Key(key),
        }
    }

    async fn require_own_site(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let site = &self.permitted.site;
        let own = match self.target {
            Target::Laptop { device } => tx
                .device(device)
                .await?
                .is_some_and(|device| device.site == *site),
            Target::Key { key } => tx.key(site, key).await?.is_some(),
        };
        if own {
            return Ok(());
        }
        refuse(Refusal::new(
            Code::NotFound,
            "no such target",
            "one of your site",
        ))
    }

    /// The holds that are to be lifted: at least one, and all of them must stand.
    fn named(&self, standing: &[Hold]) -> Result<Vec<Hold>, StoreError> {
        if self.holds.is_empty() {
            return refuse(Refusal::new(
                Code::HoldUnknown,
                "no hold named",
                "the holds to lift",
            ));
        }
        self.holds
            .iter()
            .map(|id| match standing.iter().find(|hold| hold.id == *id) {
                Some(hold) => Ok(*hold),
                None => refuse(Refusal::new(Code::HoldUnknown, id, "a hold that stands")),
            })
            .collect()
    }

    /// The request that this act answers: the same target, the same holds, in time.
    async fn asked(&self, tx: &mut Tx, id: ApprovalId) -> Result<Request, StoreError> {
        let Some(request) = tx.approval(&self.permitted.site, id).await? else {
            return refuse(Refusal::new(Code::NotFound, id, "a request of your site"));
        };
        if request.approved || self.permitted.now >= request.expires_at {
            let found = if request.approved {
                "approved before"
            } else {
                "waited too long"
            };
            return refuse(Refusal::new(
                Code::ApprovalExpired,
                found,
                "a request that waits",
            ));
        }
        let sorted = |holds: &[HoldId]| {
            let mut holds = holds.to_vec();
            holds.sort_unstable();
            holds
        };
        if request.target != self.target || sorted(&request.holds) != sorted(&self.holds) {
            let wanted = "the target and holds of the request";
            return refuse(Refusal::new(
                Code::ApprovalMismatch,
                "another target or holds",
                wanted,
            ));
        }
        let (asker, approver) = (&request.requester, &self.permitted.by);
        if asker.person == approver.person || asker.key == approver.key {
            let found = "the person who asked";
            return refuse(Refusal::new(Code::ApprovalSelf, found, "another person"));
        }
        if asker.role == approver.role {
            let wanted = format!("another role than {}", asker.role);
            return refuse(Refusal::new(Code::ApprovalRole, approver.role, wanted));
        }
        // The first of the two must still be somebody who may act.
        let still = tx.key(&self.permitted.site, asker.key).await?;
        let usable = still.is_some_and(|key| {
            key.state == ObjectState::Active && !key.revoked && key.holds == 0 && key.drains == 0
        });
        if !usable {
            let found = "a requester whose key was stopped since";
            return refuse(Refusal::new(Code::ApprovalRequired, found, "a new request"));
        }
        Ok(request)
    }

    async fn ask(&self, tx: &mut Tx) -> Result<Outcome, StoreError> {
        let waits = self.app.policy.approval_waits;
        let request = Request {
            id: self.new_request,
            site: self.permitted.site.clone(),
            target: self.target,
            holds: self.holds.clone(),
            requester: self.permitted.by.clone(),
            expires_at: self.permitted.now.plus(waits),
            approved: false,
        };
        tx.insert_approval(&request, self.permitted.now).await?;
        let detail = serde_json::json!({ "request": request.id, "holds": request.holds });
        tx.audit(
            self.permitted
                .draft("resume.requested", self.object(), detail),
        );
        Ok(Outcome::WaitsForSecondPerson {
            request: request.id,
            expires_in: waits,
        })
    }

    async fn lift(
        &self,
        tx: &mut Tx,
        named: &[Hold],
        signatories: Vec<Signatory>,
    ) -> Result<Outcome, StoreError> {
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
        let orders = match self.target {
            Target::Laptop { .. } => self.tell_laptop(tx, was_lost, signatories).await?,
            Target::Key { key } => {
                if was_lost {
                    tx.quarantine_key(key).await?;
                }
                Vec::new()
            }
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
            "request": self.request,
            "orders": orders,
        });
        tx.audit(self.permitted.draft("resumed", self.object(), detail));
        Ok(Outcome::Resumed { remaining, orders })
    }

    async fn recount(&self, tx: &mut Tx) -> Result<(), StoreError> {
        match self.target {
            Target::Laptop { device } => tx.recount_device_holds(device).await,
            Target::Key { key } => tx.recount_key_holds(key).await,
        }
    }

    /// Tells the laptop, with the acts of those who agreed. What was lost comes back in quarantine:
    /// its image is installed anew and it is enrolled again before anybody uses it.
    async fn tell_laptop(
        &self,
        tx: &mut Tx,
        was_lost: bool,
        signatories: Vec<Signatory>,
    ) -> Result<Vec<OrderSent>, StoreError> {
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
            approvals: signatories
                .into_iter()
                .map(|signatory| signatory.act)
                .collect(),
        };
        let order = give_order(tx, &self.app.signers, &device, command, self.permitted.now).await?;
        Ok(vec![order])
    }
}
