//! The laptop: the gate's own machine, what is on its disk, and the agent's belief.

use std::collections::BTreeSet;
use std::sync::Arc;

use wardkey_gate::latch::{Holds, Latch};
use wardkey_gate::machine::{Deed, Machine};
use wardkey_schemas::ids::OrderSeq;
use wardkey_schemas::order::OrderResult;
use wardkey_schemas::session::EndReason;

use crate::forge::{self, Forge, Said, Terms, Told};
use crate::scene::{Scene, Without};
use crate::time::{self, Tick};

/// Why the last call ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum End {
    /// An order.
    Order,
    /// A signed answer.
    Answer,
    /// The time.
    Time,
    /// The agent, or the gate, died.
    Death,
    /// Another visit.
    Superseded,
}

/// What tells one state of the gate from another. The machine follows from it.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
struct Shape {
    given: Vec<(u8, Tick)>,
    accepted: BTreeSet<u8>,
    ended: BTreeSet<u8>,
    open: Option<(Terms, u64)>,
    latch: String,
    disk: String,
}

/// The laptop.
#[derive(Clone, Debug)]
pub struct Laptop {
    machine: Arc<Machine>,
    disk: Arc<Latch>,
    shape: Shape,
    /// Why the last call ended.
    pub last_end: Option<End>,
}

impl PartialEq for Laptop {
    fn eq(&self, other: &Self) -> bool {
        (&self.shape, self.last_end) == (&other.shape, other.last_end)
    }
}

impl Eq for Laptop {}

impl std::hash::Hash for Laptop {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (&self.shape, self.last_end).hash(state);
    }
}

impl Default for Laptop {
    fn default() -> Self {
        let latch = Latch::Kept(Holds::default());
        Self {
            machine: Arc::new(Machine::new(latch.clone())),
            disk: Arc::new(latch),
            shape: Shape::default(),
            last_end: None,
        }
    }
}

impl Laptop {
    /// The visit whose picture is open.
    pub fn open_visit(&self) -> Option<u8> {
        let visit = self.machine.visit()?;
        Some(Forge::visit_of(visit.session()))
    }

    /// The newest lease of the open visit.
    pub fn lease(&self) -> Option<Terms> {
        self.shape.open.map(|(lease, _)| lease)
    }

    /// The numbers of the stops that the latch has lifted, and of those that stand in it.
    pub fn latched(&self, number: u8) -> Option<bool> {
        let id = forge::hold_id(number);
        let known = self.machine.known_holds().iter().any(|hold| hold.id == id);
        known.then(|| {
            let standing = self.machine.latch().standing();
            standing.iter().any(|hold| hold.id == id)
        })
    }

    /// Whether the latch keeps it closed.
    pub fn is_latched(&self) -> bool {
        self.machine.latch().permits_opening().is_err()
    }

    /// Nonces that were given out, and when.
    pub fn nonces(&self) -> &[(u8, Tick)] {
        &self.shape.given
    }

    fn reshape(&mut self) {
        let open = self.machine.visit().map(|visit| visit.closes_at().millis());
        self.shape.open = match (self.shape.open, open) {
            (Some((lease, _)), Some(closes_at)) => Some((lease, closes_at)),
            (None, _) | (_, None) => None,
        };
    }

    fn note_end(&mut self, deeds: &[Deed], why: End) {
        for deed in deeds {
            if let Deed::Close { session, .. } = deed {
                self.shape.ended.insert(Forge::visit_of(*session));
                self.last_end = Some(why);
            }
        }
        self.reshape();
    }

    /// Gives out a nonce.
    pub fn give_out(&mut self, nonce: u8, now: Tick, scene: &Scene) {
        self.shape.given.push((nonce, now));
        if scene.keeps(Without::StampAtTheMaking) {
            let stamp = time::reading(now).now;
            Arc::make_mut(&mut self.machine).give_out(forge::gate_nonce(nonce), stamp);
        }
    }

    /// The stamp of a gate that counts from the arrival of a lease.
    fn stamp_late(&mut self, nonce: u8, now: Tick, scene: &Scene) {
        if !scene.keeps(Without::StampAtTheMaking)
            && self.shape.given.iter().any(|(n, _)| *n == nonce)
        {
            let stamp = time::reading(now).now;
            Arc::make_mut(&mut self.machine).give_out(forge::gate_nonce(nonce), stamp);
        }
    }

    /// A lease with the signature of staff arrives. Whether it opened.
    pub fn open(&mut self, terms: Terms, now: Tick, forge: &Forge, scene: &Scene) -> bool {
        self.stamp_late(terms.nonce, now, scene);
        let opening = forge.opening(terms);
        let mut machine = Machine::clone(&self.machine);
        let Ok(deeds) = machine.open((*opening).clone(), time::reading(now)) else {
            return false;
        };
        self.machine = Arc::new(machine);
        self.note_end(&deeds, End::Superseded);
        self.shape.open = Some((terms, 0));
        self.shape.accepted.insert(terms.nonce);
        self.reshape();
        true
    }

    /// A later lease arrives. Whether the gate took it.
    pub fn renew(&mut self, terms: Terms, now: Tick, forge: &Forge, scene: &Scene) -> bool {
        self.stamp_late(terms.nonce, now, scene);
        let Some(visit) = self.machine.visit() else {
            return false;
        };
        if Forge::visit_of(visit.session()) != terms.visit {
            return false;
        }
        let renewed = forge.renewal(terms, visit.opening());
        let mut machine = Machine::clone(&self.machine);
        if machine.renew(&renewed, time::reading(now)).is_err() {
            return false;
        }
        self.machine = Arc::new(machine);
        self.shape.open = Some((terms, 0));
        self.shape.accepted.insert(terms.nonce);
        self.reshape();
        true
    }

    /// An order arrives. What the laptop says of it, unless it refuses.
    pub fn obey(
        &mut self,
        told: &Told,
        now: Tick,
        forge: &Forge,
        scene: &Scene,
    ) -> Option<OrderResult> {
        if let Said::Resume(number, _) = &told.said
            && !scene.keeps(Without::LiftingAtTheGate)
        {
            return self.lift_unasked(*number, told);
        }
        let verified = forge.verified(told, &self.machine.known_holds());
        let verified = Result::as_ref(&verified).ok()?;
        let received = time::reading(now).now;
        let ruling = self.machine.rule(verified, received).ok()?;
        // Written first, then acted on.
        if scene.keeps(Without::LatchOnTheDisk) {
            self.keep(ruling.latch.clone());
        }
        let machine = Arc::make_mut(&mut self.machine);
        machine.adopt(verified, &ruling, received);
        self.shape.latch = format!("{:?}", self.machine.latch());
        self.note_end(&ruling.deeds, End::Order);
        Some(ruling.result)
    }

    fn keep(&mut self, latch: Latch) {
        self.shape.disk = format!("{latch:?}");
        self.disk = Arc::new(latch);
    }

    /// What a gate would do that believes keyd alone.
    fn lift_unasked(&mut self, number: u8, told: &Told) -> Option<OrderResult> {
        let Latch::Kept(kept) = self.machine.latch().clone() else {
            return None;
        };
        let seq = OrderSeq::new(u64::from(told.seq));
        let latch = Latch::Kept(kept.lift(seq, &[forge::hold_id(number)]).ok()?);
        self.keep(latch.clone());
        Arc::make_mut(&mut self.machine).bind(latch);
        self.shape.latch = format!("{:?}", self.machine.latch());
        Some(OrderResult::Resumed)
    }

    /// Time has passed.
    pub fn look(&mut self, now: Tick, scene: &Scene) {
        if scene.keeps(Without::EndOfTime) && self.machine.visit().is_some() {
            let mut machine = Machine::clone(&self.machine);
            let deeds = machine.look(time::reading(now));
            if !deeds.is_empty() {
                self.machine = Arc::new(machine);
                self.note_end(&deeds, End::Time);
            }
        }
    }

    /// Closes what is open.
    pub fn end(&mut self, why: End) {
        let reason = if why == End::Answer {
            EndReason::Stopped
        } else {
            EndReason::Shutdown
        };
        let mut machine = Machine::clone(&self.machine);
        let deeds = machine.end(reason);
        self.machine = Arc::new(machine);
        self.note_end(&deeds, why);
    }

    /// The gate dies and starts again: what it knows is what is on the disk.
    pub fn restart(&mut self, now: Tick, scene: &Scene) {
        let was_open = self.machine.visit().is_some();
        let given = std::mem::take(&mut self.shape.given);
        let mut machine = Machine::new(Latch::clone(&self.disk));
        if !scene.keeps(Without::NoncesOfOneRun) {
            for (nonce, _) in &given {
                machine.give_out(forge::gate_nonce(*nonce), time::reading(now).now);
            }
            self.shape.given = given.into_iter().map(|(nonce, _)| (nonce, now)).collect();
        }
        self.machine = Arc::new(machine);
        self.shape.open = None;
        self.shape.ended.clear();
        self.shape.accepted.clear();
        self.shape.latch = self.shape.disk.clone();
        if was_open {
            self.last_end = Some(End::Death);
        }
    }
}
