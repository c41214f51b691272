//! Reporting a loss: a laptop, a security key, or both as one report (`docs/walkthroughs/stop.md`).
//!
//! Whoever misses something names it as people do, by the tag on its lid and the number on the key,
//! and need not be able to read any list. A pair is one act in one transaction: both are stopped, or
//! the report is refused and neither is.

use std::sync::Arc;

use wardkey_schemas::action::{OrderSent, Outcome, Placed, Target};
use wardkey_schemas::ids::{AlertId, HoldId};
use wardkey_schemas::names::{AssetTag, Note, TokenSerial};
use wardkey_schemas::order::{Hold, HoldClass, Mode};
use wardkey_schemas::role::Role;
use wardkey_schemas::{Code, Refusal};

use super::stop::Stopping;
use super::{Permitted, refuse};
use crate::app::App;
use crate::failure::Failure;
use crate::random;
use crate::store::{Committed, Lane, StoreError, Tx, Work};

/// What is missed.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) laptop: Option<AssetTag>,
    pub(super) key: Option<TokenSerial>,
    pub(super) stolen: bool,
    pub(super) pin_may_be_known: bool,
    pub(super) note: Note,
}

impl Report {
    /// Why the laptop is stopped.
    const fn class_of_laptop(&self) -> HoldClass {
        if self.stolen {
            HoldClass::Stolen
        } else {
            HoldClass::Lost
        }
    }

    /// Why the key is stopped. A key whose PIN somebody may know never comes back; only an officer
    /// can say that for good, and for all others it is stolen.
    const fn class_of_key(&self, by: Role) -> HoldClass {
        match (self.pin_may_be_known, by) {
            (true, Role::SecurityOfficer | Role::NationalAdministrator) => HoldClass::Revoked,
            (true, Role::Staff | Role::Lead | Role::Auditor) => HoldClass::Stolen,
            (false, _) => self.class_of_laptop(),
        }
    }

    fn require_sense(&self) -> Result<(), Refusal> {
        let refuse = |found| {
            let wanted = "a laptop, a security key, or both; a PIN belongs to a key";
            Err(Refusal::new(Code::MessageMalformed, found, wanted))
        };
        match (&self.laptop, self.key, self.pin_may_be_known) {
            (None, None, _) => refuse("a report of nothing"),
            (Some(_), None, true) => refuse("a PIN that may be known, and no key"),
            (Some(_), None, false) | (_, Some(_), _) => Ok(()),
        }
    }
}

impl App {
    pub(super) async fn report_lost(
        self: &Arc<Self>,
        permitted: &Permitted,
        report: Report,
    ) -> Result<(Outcome, Committed), Failure> {
        report.require_sense()?;
        let (stolen, pair) = (
            report.stolen,
            report.laptop.is_some() && report.key.is_some(),
        );
        let work = ReportLost {
            app: Arc::clone(self),
            permitted: permitted.clone(),
            report,
            laptop: Numbers::new()?,
            key: Numbers::new()?,
        };
        let done = self.store.write(Lane::Kill, work).await?;
        tracing::warn!(stolen, pair, "Something was reported lost");
        Ok(done)
    }
}

/// The numbers of one stop, made before its transaction.
#[derive(Clone, Copy)]
struct Numbers {
    hold: HoldId,
    alert: AlertId,
}

impl Numbers {
    fn new() -> Result<Self, Failure> {
        Ok(Self {
            hold: HoldId::from_random(random::bytes()?),
            alert: AlertId::from_random(random::bytes()?),
        })
    }
}

struct ReportLost {
    app: Arc<App>,
    permitted: Permitted,
    report: Report,
    laptop: Numbers,
    key: Numbers,
}

impl Work for ReportLost {
    type Out = Outcome;

    async fn run(&mut self, tx: &mut Tx) -> Result<Outcome, StoreError> {
        self.permitted.take_nonce(tx).await?;
        let (site, report) = (&self.permitted.site, &self.report);
        let mut missed = Vec::new();
        if let Some(tag) = &report.laptop {
            let Some(device) = tx.device_with_tag(site, tag).await? else {
                return refuse(Refusal::new(Code::NotFound, tag, "a laptop of your site"));
            };
            let class = report.class_of_laptop();
            missed.push((Target::Laptop { device }, self.laptop, class));
        }
        if let Some(serial) = report.key {
            let Some(key) = tx.key_with_serial(site, serial).await? else {
                let wanted = "a security key of your site";
                return refuse(Refusal::new(Code::NotFound, serial, wanted));
            };
            let class = report.class_of_key(self.permitted.by.role);
            missed.push((Target::Key { key }, self.key, class));
        }
        let mut placed = Vec::new();
        let mut orders: Vec<OrderSent> = Vec::new();
        for (target, numbers, class) in missed {
            let stopping = self.stopping(target.clone(), numbers, class);
            orders.extend(stopping.place(tx).await?);
            let hold = numbers.hold;
            placed.push(Placed { target, hold });
        }
        Ok(Outcome::ReportedLost { placed, orders })
    }
}

impl ReportLost {
    fn stopping(&self, target: Target, numbers: Numbers, class: HoldClass) -> Stopping {
        let hold = Hold {
            id: numbers.hold,
            class,
            mode: Mode::Immediate,
            by: self.permitted.by.role,
        };
        let note = self.report.note.clone();
        let permitted = self.permitted.clone();
        Stopping::placing(&self.app, permitted, target, hold, note, numbers.alert)
    }
}
