//! Stopping and revoking: hold, order, end of visits and entry in one transaction (architecture
//! §6.6 to §6.10). Stops are never slowed.

use std::sync::Arc;

use wardkey_schemas::action::{OrderSent, Outcome, Target};
use wardkey_schemas::alert::AlertKind;
use wardkey_schemas::ids::{AlertId, DeviceId, HoldId, OrderId};
use wardkey_schemas::jws::Jws;
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::{Note, SiteCode};
use wardkey_schemas::order::{AFTER_THIS_CALL_MOST, Command, Hold, HoldClass, Mode, Order};
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::time::Seconds;
use wardkey_schemas::{Code, Refusal, limits};

use super::agree::Deeds;
use super::{Permitted, end_by_order, give_order, object, outside, refuse};
use crate::app::App;
use crate::failure::Failure;
use crate::random;
use crate::states::Step;
use crate::store::alerts::NewAlert;
use crate::store::audit::{Draft, Object};
use crate::store::holds::NewHold;
use crate::store::reach::Told;
use crate::store::{Committed, Lane, StoreError, Tx, Work};

/// More stops at once by one person, within [`STOPS_WITHIN`], are unusual.
const STOPS_MOST: i64 = 3;

/// The time in which they are counted.
const STOPS_WITHIN: Seconds = Seconds::new(600);

/// The same in milliseconds: one alert a person and window.
const STOPS_WINDOW: i64 = 600_000;

impl App {
    pub(super) async fn stop(
        self: &Arc<Self>,
        permitted: &Permitted,
        target: Target,
        class: HoldClass,
        mode: Mode,
        note: Note,
    ) -> Result<(Outcome, Committed), Failure> {
        let stopping = Stopping::new(self, permitted.clone(), target, class, mode, note)?;
        let id = stopping.new.hold.id;
        let (outcome, committed) = self.store.write(Lane::Kill, Stop(stopping)).await?;
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

/// A stop that one person places.
struct Stop(Stopping);

impl Work for Stop {
    type Out = Outcome;

    async fn run(&mut self, tx: &mut Tx) -> Result<Outcome, StoreError> {
        self.0.permitted.take_nonce(tx).await?;
        self.0.carry_out(tx).await
    }
}

/// The placing of a hold, whoever has agreed to it.
pub(super) struct Stopping {
    pub(super) app: Arc<App>,
    pub(super) permitted: Permitted,
    pub(super) new: NewHold,
    alert: AlertId,
}

impl Deeds for Stopping {
    async fn carry_out(&self, tx: &mut Tx) -> Result<Outcome, StoreError> {
        Ok(Outcome::Stopped {
            hold: self.new.hold.id,
            orders: self.place(tx).await?,
        })
    }

    fn target(&self) -> &Target {
        &self.new.target
    }
}

impl Stopping {
    pub(super) fn new(
        app: &Arc<App>,
        permitted: Permitted,
        target: Target,
        class: HoldClass,
        mode: Mode,
        note: Note,
    ) -> Result<Self, Failure> {
        // Lost and stolen act at once, always.
        let mode = match class {
            HoldClass::Lost | HoldClass::Stolen | HoldClass::Revoked => Mode::Immediate,
            HoldClass::Incident | HoldClass::Misuse | HoldClass::Maintenance | HoldClass::Other => {
                mode
            }
        };
        let hold = Hold {
            id: HoldId::from_random(random::bytes()?),
            class,
            mode,
            by: permitted.by.role,
        };
        let alert = AlertId::from_random(random::bytes()?);
        Ok(Self::placing(app, permitted, target, hold, note, alert))
    }

    /// The same with the numbers that it gets.
    pub(super) fn placing(
        app: &Arc<App>,
        permitted: Permitted,
        target: Target,
        hold: Hold,
        note: Note,
        alert: AlertId,
    ) -> Self {
        Self {
            app: Arc::clone(app),
            new: NewHold {
                hold,
                site: permitted.site.clone(),
                target,
                by_key: permitted.by.key,
                by_person: permitted.by.person,
                note,
            },
            permitted,
            alert,
        }
    }

    /// Hold, orders, end of visits and entry; the nonce is taken.
    pub(super) async fn place(&self, tx: &mut Tx) -> Result<Vec<OrderSent>, StoreError> {
        let site = self.permitted.require_reach(tx, &self.new.target).await?;
        let orders = match &self.new.target {
            Target::Laptop { device } => self.stop_laptop(tx, *device, &site).await?,
            Target::Key { key } => self.stop_key(tx, *key, &site).await?,
            wide @ (Target::Person { .. } | Target::Site { .. } | Target::Nation) => {
                self.stop_wide(tx, wide, &site).await?
            }
        };
        self.alert(tx, &site).await?;
        Ok(orders)
    }

    /// What is unusual about this stop. It is told after the stop was placed, and delays none.
    async fn alert(&self, tx: &mut Tx, site: &SiteCode) -> Result<(), StoreError> {
        let now = self.permitted.now;
        let person = self.permitted.by.person;
        let hold = self.new.hold.id.to_string();
        let alert = |kind, object, detail, once| NewAlert {
            id: self.alert,
            at: now,
            site,
            kind,
            object,
            detail,
            once,
        };
        match &self.new.target {
            Target::Site { .. } => {
                let detail = self.new.hold.mode.as_str();
                let alert = alert(AlertKind::SiteStopped, Object::Site, detail, &hold);
                tx.alert(&alert).await?;
            }
            Target::Nation => {
                let detail = self.new.hold.mode.as_str();
                let alert = alert(AlertKind::NationStopped, Object::Nation, detail, &hold);
                tx.alert(&alert).await?;
            }
            Target::Laptop { .. } | Target::Key { .. } | Target::Person { .. } => {
                let stops = tx.stops_by(person, now.minus(STOPS_WITHIN)).await?;
                if stops > STOPS_MOST {
                    let detail = format!("{stops} at once within ten minutes");
                    let window = now.millis().checked_div(STOPS_WINDOW).unwrap_or_default();
                    let once = format!("{person} {window}");
                    let object = Object::Person(person);
                    let alert = alert(AlertKind::ManyStops, object, &detail, &once);
                    tx.alert(&alert).await?;
                }
            }
        }
        Ok(())
    }

    /// One row is changed, and only laptops on which a visit runs hear of it now; every other one is
    /// told when it asks for anything.
    async fn stop_wide(
        &self,
        tx: &mut Tx,
        target: &Target,
        site: &SiteCode,
    ) -> Result<Vec<OrderSent>, StoreError> {
        let now = self.permitted.now;
        tx.insert_hold(&self.new, now).await?;
        // The same row that every start and renewal under it takes first.
        if !tx.recount_wide(target).await? {
            return refuse(Refusal::new(
                Code::NotFound,
                "no such target",
                "one that is there",
            ));
        }
        if let Target::Person { person } = target {
            tx.lock_devices_of(*person).await?;
            if self.new.hold.class == HoldClass::Revoked {
                tx.revoke_keys_of(*person).await?;
            }
        }
        let mut bounded = 0;
        let orders = match self.new.hold.mode {
            Mode::Immediate => {
                let told = tx.end_under(target, now).await?;
                self.tell(tx, told).await?
            }
            // No laptop is stopped; the next lease brings the nearer end to the gate.
            Mode::AfterThisCall => {
                bounded = tx
                    .bound_under(target, now.plus(AFTER_THIS_CALL_MOST))
                    .await?;
                Vec::new()
            }
        };
        let detail = serde_json::json!({
            "hold": self.new.hold,
            "ended": orders,
            "bounded": bounded,
        });
        let event = match (target, self.new.hold.class) {
            (Target::Person { .. }, HoldClass::Revoked) => "person.revoked",
            (Target::Person { .. }, _) => "person.stopped",
            (Target::Site { .. }, _) => "site.stopped",
            _ => "nation.stopped",
        };
        tx.audit(Draft {
            site: site.clone(),
            ..self.permitted.draft(event, object(target), detail)
        });
        Ok(orders)
    }

    /// Tells laptops that their visit has ended: one statement, however many there are.
    async fn tell(&self, tx: &mut Tx, told: Vec<Told>) -> Result<Vec<OrderSent>, StoreError> {
        let mut orders = Vec::with_capacity(told.len());
        for told in told {
            let order = Order {
                order: OrderId::from_random(random::bytes().map_err(outside)?),
                seq: told.seq,
                device: told.device,
                device_key: told.device_key,
                generation: told.generation,
                command: Command::EndSession {
                    session: told.session,
                },
                server_time: self.permitted.now,
            };
            let envelope = self.app.signers.order(&order).map_err(outside)?;
            orders.push((order, envelope, told.site));
        }
        tx.insert_orders(&orders, self.permitted.now).await?;
        let sent = |(order, _, _): &(Order, Jws<Order>, SiteCode)| OrderSent {
            device: order.device,
            seq: order.seq,
        };
        Ok(orders.iter().map(sent).collect())
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

    async fn stop_laptop(
        &self,
        tx: &mut Tx,
        id: DeviceId,
        site: &SiteCode,
    ) -> Result<Vec<OrderSent>, StoreError> {
        let now = self.permitted.now;
        let Some(device) = tx.device(id).await? else {
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
        tx.audit(Draft {
            site: site.clone(),
            ..self.permitted.draft(event, Object::Laptop(id), detail)
        });
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

    async fn stop_key(
        &self,
        tx: &mut Tx,
        key: Thumbprint,
        site: &SiteCode,
    ) -> Result<Vec<OrderSent>, StoreError> {
        let now = self.permitted.now;
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
        tx.audit(Draft {
            site: site.clone(),
            ..self.permitted.draft(event, Object::Key(key), detail)
        });
        Ok(orders)
    }
}
