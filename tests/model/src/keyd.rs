//! The key service: what its database holds, and its decisions by the product's rules.
//!
//! A decision is one transaction here as there: it is on disk or it never was. What is answered may
//! still be lost on the way; that is the network's part.

use wardkey_keyd::leasing;
use wardkey_keyd::standing::{For, require_grant, require_laptop};
use wardkey_keyd::states::Step;
use wardkey_schemas::order::{Hold, HoldClass};
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::time::Timestamp;
use wardkey_verifier::lifting::{Approver, verify_lifting};

use crate::forge::{self, Forge, Said, Terms, Told};
use crate::scene::{Scene, Stop, Stopped, Who, Without};
use crate::time::{self, Tick};

/// A hold as it is written.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Placed {
    /// Its number.
    pub number: u8,
    /// What was placed.
    pub stop: Stop,
    /// Whether it was lifted.
    pub lifted: bool,
}

/// A visit as it is written.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Row {
    /// Its newest lease.
    pub lease: Terms,
    /// When its laptop must have stopped at the latest.
    pub past: Tick,
    /// Whether it is over.
    pub ended: bool,
}

/// The database.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Keyd {
    laptop: ObjectState,
    key: ObjectState,
    placed: Vec<Placed>,
    visits: Vec<Row>,
    /// Challenges that nobody has used: a visit's number and a nonce.
    challenges: Vec<(u8, u8)>,
    /// Orders to the laptop, all ever given.
    pub orders: Vec<Told>,
}

/// What keyd says to a renewal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Renewed {
    /// The next lease.
    Lease(Terms),
    /// A signed *stop*.
    Stop,
    /// A signed *not now*.
    NotNow,
}

impl Default for Keyd {
    fn default() -> Self {
        Self {
            laptop: ObjectState::Active,
            key: ObjectState::Active,
            placed: Vec::new(),
            visits: Vec::new(),
            challenges: Vec::new(),
            orders: Vec::new(),
        }
    }
}

impl Keyd {
    /// The visits.
    pub fn visits(&self) -> &[Row] {
        &self.visits
    }

    /// The holds, standing and lifted.
    pub fn placed(&self) -> &[Placed] {
        &self.placed
    }

    fn holds(&self, target: Stopped) -> Vec<Hold> {
        self.placed
            .iter()
            .filter(|placed| placed.stop.target == target && !placed.lifted)
            .map(|placed| forge::hold(placed.number, placed.stop))
            .collect()
    }

    /// Whether laptop and key may be used now: the product's own rule.
    pub fn permits(&self, use_for: For) -> bool {
        require_laptop(self.laptop, &self.holds(Stopped::Laptop), use_for).is_ok()
            && require_grant(self.key, &self.holds(Stopped::Key), use_for).is_ok()
    }

    /// Gives a challenge for a new visit.
    pub fn challenge(&mut self, visit: u8, nonce: u8, scene: &Scene) -> bool {
        let given = scene.taken_over || self.permits(For::Starting);
        if given {
            self.challenges.push((visit, nonce));
        }
        given
    }

    /// Challenges that wait.
    pub fn challenges(&self) -> &[(u8, u8)] {
        &self.challenges
    }

    /// Answers an activation: one transaction.
    pub fn activate(
        &mut self,
        visit: u8,
        nonce: u8,
        now: Tick,
        forge: &Forge,
        scene: &Scene,
    ) -> Option<Terms> {
        let place = self.challenges.iter().position(|c| *c == (visit, nonce))?;
        self.challenges.remove(place);
        let looks = scene.keeps(Without::AnotherLook) && !scene.taken_over;
        if looks && !self.permits(For::Starting) {
            return None;
        }
        if !scene.taken_over && self.visits.iter().any(|row| !row.ended && now < row.past) {
            return None;
        }
        let began = now;
        let policy = time::policy();
        let ends = leasing::first_hard_end(&policy, forge.server_time(began), Timestamp::MAX);
        let lease = Terms {
            visit,
            opened_on: nonce,
            nonce,
            seq: 0,
            at: now,
            hard_end: forge.tick_of(ends),
            last_order: self.last_order(),
        };
        for row in &mut self.visits {
            row.ended = true;
        }
        let past = Self::past(lease, forge, scene);
        self.visits.push(Row {
            lease,
            past,
            ended: false,
        });
        Some(lease)
    }

    fn past(lease: Terms, forge: &Forge, scene: &Scene) -> Tick {
        if scene.keeps(Without::GraceInTheBound) {
            forge.cannot_run_past(lease)
        } else {
            lease.at.saturating_add(2).min(lease.hard_end)
        }
    }

    /// Answers a renewal: one transaction.
    pub fn renew(
        &mut self,
        visit: u8,
        seq: u32,
        nonce: u8,
        now: Tick,
        forge: &Forge,
        scene: &Scene,
    ) -> Renewed {
        let looks = scene.keeps(Without::ALookAtRenewals) && !scene.taken_over;
        if looks && !self.permits(For::GoingOn) {
            return Renewed::Stop;
        }
        let last_order = self.last_order();
        let Some(place) = self.visits.iter().position(|row| row.lease.visit == visit) else {
            return Renewed::Stop;
        };
        let row = self.visits[place];
        let is_over = row.ended || now >= row.lease.hard_end;
        if is_over && looks {
            return Renewed::Stop;
        }
        // The same question again has the same answer.
        if (seq, nonce) == (row.lease.seq, row.lease.nonce) {
            return Renewed::Lease(row.lease);
        }
        if seq != row.lease.seq.saturating_add(1) {
            return Renewed::NotNow;
        }
        let lease = Terms {
            nonce,
            seq,
            at: now,
            last_order,
            ..row.lease
        };
        let past = Self::past(lease, forge, scene);
        self.visits[place].lease = lease;
        self.visits[place].past = past;
        Renewed::Lease(lease)
    }

    fn last_order(&self) -> u8 {
        self.orders.last().map_or(0, |order| order.seq)
    }

    fn order(&mut self, said: Said, now: Tick) {
        let seq = self.last_order().saturating_add(1);
        self.orders.push(Told { seq, at: now, said });
    }

    /// Places a stop: hold, order and end of visits in one transaction. Answers the visit that it
    /// ends with the bound that people are told.
    pub fn stop(&mut self, number: u8, stop: Stop, now: Tick) -> Option<(u8, Tick)> {
        self.placed.push(Placed {
            number,
            stop,
            lifted: false,
        });
        let state = match stop.target {
            Stopped::Laptop => &mut self.laptop,
            Stopped::Key => &mut self.key,
        };
        if stop.class == HoldClass::Revoked && *state != ObjectState::Revoked {
            *state = Step::new(*state, ObjectState::Revoked).unwrap().to();
        }
        if stop.target == Stopped::Laptop {
            let standing = self
                .placed
                .iter()
                .filter(|placed| placed.stop.target == Stopped::Laptop && !placed.lifted);
            let said = standing
                .map(|placed| (placed.number, placed.stop))
                .collect();
            self.order(Said::Stop(said), now);
        }
        let running = self.visits.iter_mut().find(|row| !row.ended);
        let row = running.filter(|_| !stop.waits)?;
        row.ended = true;
        let (visit, past) = (row.lease.visit, row.past);
        if stop.target == Stopped::Key {
            self.order(Said::End(visit), now);
        }
        Some((visit, past))
    }

    /// Lifts a hold of the laptop if these people may. A keyd in wrong hands asks nobody, and needs
    /// no hold of its own to order a resume.
    pub fn lift(
        &mut self,
        number: u8,
        people: Vec<Who>,
        now: Tick,
        forge: &Forge,
        scene: &Scene,
    ) -> bool {
        let asks = scene.keeps(Without::LiftingAtKeyd) && !scene.taken_over;
        let said = Said::Resume(number, people.clone());
        if self.orders.iter().any(|order| order.said == said) {
            return false;
        }
        let found = self
            .placed
            .iter_mut()
            .find(|placed| placed.number == number && !placed.lifted);
        if let Some(placed) = found {
            let approvers: Vec<Approver> = people.iter().map(|who| forge.approver(*who)).collect();
            let hold = forge::hold(number, placed.stop);
            if asks && verify_lifting(&hold, &approvers).is_err() {
                return false;
            }
            placed.lifted = true;
            let was_lost = placed.stop.class == HoldClass::Lost;
            if was_lost && self.laptop == ObjectState::Active && !scene.taken_over {
                let step = Step::new(ObjectState::Active, ObjectState::Quarantine);
                self.laptop = step.unwrap().to();
            }
        } else if asks {
            return false;
        }
        self.order(said, now);
        true
    }
}
