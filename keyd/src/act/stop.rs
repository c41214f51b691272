//! Stopping and revoking: hold, order, end of visits and entry in one transaction (architecture
//! §6.6 to §6.10). Stops are never slowed.

use std::sync::Arc;

use wardkey_schemas::action::{OrderSent, Outcome, Target};
use wardkey_schemas::ids::{DeviceId, HoldId};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::Note;
use wardkey_schemas::order::{AFTER_THIS_CALL_MOST, Command, Hold, HoldClass, Mode};
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::{Code, Refusal, limits};

use super::{Permitted, end_by_order, give_order, refuse};
use crate::app::App;
use crate::failure::Failure;
use crate::random;
use crate::states::Step;
use crate::store::audit::Object;
use crate::store::holds::NewHold;
use crate::store::{Committed, Lane, StoreError, Tx, Work};

impl App {
    pub(super) async fn stop(
        self: &Arc<Self>,
        permitted: &Permitted,
        target: Target,
        class: HoldClass,
        mode: Mode,
        note: Note,
    ) -> Result<(Outcome, Committed), Failure> {
        // Lost and stolen act at once, always.
        let mode = match class {
            HoldClass::Lost | HoldClass::Stolen | HoldClass::Revoked => Mode::Immediate,
            HoldClass::Incident | HoldClass::Misuse | HoldClass::Maintenance | HoldClass::Other => {
                mode
            }
        };
        let id = HoldId::from_random(random::bytes()?);
        let hold = Hold {
            id,
            class,
            mode,
            by: permitted.by.role,
        };
        let new = NewHold {
            hold,
            site: permitted.site.clone(),
            target,
            by_key: permitted.by.key,
            by_person: permitted.by.person,
            note,
        };
        let work = Stop {
            app: Arc::clone(self),
            permitted: permitted.clone(),
            new,
        };
        let (outcome, committed) = self.store.write(Lane::Kill, work).await?;
        tracing::warn!(hold.class = %class, hold.id = %id, "Something was stopped");
        Ok((outcome, committed))
    }

    pub(super) async fn revoke(
        self: &Arc<Self>,
        permitted: &Permitted,
        target: Target,
        note: Note,
    ) -> Result<(Outcome, Committed), Failure> {
        self.stop(permitted, target, HoldClass::Revoked, Mode::Immediate, note)
            .await
    }
}

/// One hold on one thing, with all that follows from it.
pub(super) struct Stop {
    pub(super) app: Arc<App>,
    pub(super) permitted: Permitted,
    pub(super) new: NewHold,
}

impl Work for Stop {
    type Out = Outcome;

    async fn run(&mut self, tx: &mut Tx) -> Result<Outcome, StoreError> {
        self.permitted.take_nonce(tx).await?;
        Ok(Outcome::Stopped {
            hold: self.new.hold.id,
            orders: self.place(tx).await?,
        })
    }
}

impl Stop {
    /// Hold, orders, end of visits and entry; the nonce is taken.
    pub(super) async fn place(&self, tx: &mut Tx) -> Result<Vec<OrderSent>, StoreError> {
        match self.new.target {
            Target::Laptop { device } => self.stop_laptop(tx, device).await,
            Target::Key { key } => self.stop_key(tx, key).await,
        }
    }

    const fn event(&self, stopped: &'static str, revoked: &'static str) -> &'static str {
        match self.new.hold.class {
            HoldClass::Revoked => revoked,
            HoldClass::Lost
            | HoldClass::Stolen
            | HoldClass::Incident
            | HoldClass::Misuse
            | HoldClass::Maintenance
            | HoldClass::Other => stopped,
        }
    }

    async fn stop_laptop(&self, tx: &mut Tx, id: DeviceId) -> Result<Vec<OrderSent>, StoreError> {
        let now = self.permitted.now;
        let found = tx.device(id).await?;
        let Some(device) = found.filter(|device| device.site == self.permitted.site) else {
            return refuse(Refusal::new(Code::NotFound, id, "a laptop of your site"));
        };
        tx.insert_hold(&self.new, now).await?;
        // The same row that every activation and renewal takes first.
        tx.recount_device_holds(id).await?;
        if self.new.hold.class == HoldClass::Revoked && device.state != ObjectState::Revoked {
            let step = Step::new(device.state, ObjectState::Revoked)
                .map_err(|refusal| StoreError::Refused(Box::new(refusal)))?;
            if !tx.move_device(id, step, now).await? {
                return refuse(Refusal::new(
                    Code::StateTransition,
                    "moved meanwhile",
                    step.from(),
                ));
            }
        }
        let holds = self.to_tell(tx.holds_on(&self.new.target).await?);
        let order =
            give_order(tx, &self.app.signers, &device, Command::Stop { holds }, now).await?;
        let running = match self.new.hold.mode {
            Mode::Immediate => tx.open_session_on(id).await?,
            Mode::AfterThisCall => None,
        };
        if let Some(session) = running {
            let reason = wardkey_schemas::session::EndReason::Stopped;
            tx.end_session(session, reason, now).await?;
        }
        let detail = serde_json::json!({
            "hold": self.new.hold,
            "order": order.seq,
            "session": running,
        });
        let event = self.event("laptop.stopped", "laptop.revoked");
        tx.audit(self.permitted.draft(event, Object::Laptop(id), detail));
        Ok(vec![order])
    }

    /// The holds that the order names: the new one, and as many of the others as an order carries.
    /// The laptop's latch becomes the union, so each was named in an order of its own. However many
    /// reasons stand already, another stop is never refused for them.
    fn to_tell(&self, standing: Vec<Hold>) -> Vec<Hold> {
        let new = self.new.hold;
        let others = standing.into_iter().filter(|hold| hold.id != new.id);
        std::iter::once(new)
            .chain(others)
            .take(limits::HOLDS)
            .collect()
    }

    async fn stop_key(&self, tx: &mut Tx, key: Thumbprint) -> Result<Vec<OrderSent>, StoreError> {
        let now = self.permitted.now;
        if tx.key(&self.permitted.site, key).await?.is_none() {
            return refuse(Refusal::new(
                Code::NotFound,
                key,
                "a security key of your site",
            ));
        }
        // Laptops before keys: the order of all locks.
        tx.lock_devices_with(key).await?;
        tx.insert_hold(&self.new, now).await?;
        tx.recount_key_holds(key).await?;
        if self.new.hold.class == HoldClass::Revoked {
            tx.revoke_key(key).await?;
        }
        let mut orders = Vec::new();
        match self.new.hold.mode {
            Mode::Immediate => {
                for session in tx.open_sessions_with(key).await? {
                    let Some(device) = tx.device(session.device).await? else {
                        continue;
                    };
                    let sent =
                        end_by_order(tx, &self.app.signers, &device, session.id, now).await?;
                    orders.push(sent);
                }
            }
            // No laptop is stopped; the next lease brings the nearer end to the gate.
            Mode::AfterThisCall => {
                tx.end_sessions_by(key, now.plus(AFTER_THIS_CALL_MOST))
                    .await?;
            }
        }
        let detail = serde_json::json!({ "hold": self.new.hold, "orders": orders });
        let event = self.event("key.stopped", "key.revoked");
        tx.audit(self.permitted.draft(event, Object::Key(key), detail));
        Ok(orders)
    }
}
