//! What may happen in a state, and what comes of it.

use wardkey_keyd::standing::For;
use wardkey_schemas::order::OrderResult;

use crate::account::Wrong;
use crate::forge::{Answered, Forge, Said};
use crate::keyd::Renewed;
use crate::laptop::End;
use crate::scene::{Scene, Stopped, Who, Without};
use crate::world::{Move, World};

impl World {
    pub(crate) fn moves(&self, scene: &Scene, moves: &mut Vec<Move>) {
        let used = self.used;
        if self.now < scene.ends {
            moves.push(Move::Tick);
        }
        if used.nonces < scene.nonces {
            moves.push(Move::Nonce);
        }
        if used.visits < scene.visits && !self.laptop.nonces().is_empty() {
            moves.push(Move::Challenge);
        }
        let activate = |(visit, nonce): &(u8, u8)| Move::Activate(*visit, *nonce);
        moves.extend(self.keyd.challenges().iter().map(activate));
        moves.extend(self.network.leases.iter().copied().map(Move::Lease));
        // One question at a time; it is said again by arriving again.
        let may_ask = self.asked.is_none() && self.laptop.open_visit().is_some();
        if used.renewals < scene.renewals && may_ask {
            moves.push(Move::Ask);
        }
        let renewal = |(visit, seq, nonce): &(u8, u32, u8)| Move::Renewal(*visit, *seq, *nonce);
        moves.extend(self.network.renewals.iter().map(renewal));
        self.answers(scene, moves);
        if usize::from(used.stops) < scene.stops.len() {
            moves.push(Move::Stop);
            moves.push(Move::StopAndDie);
        }
        moves.extend(
            (0..self.keyd.orders.len())
                .filter_map(|i| u8::try_from(i).ok())
                .map(Move::Order),
        );
        self.consents(scene, moves);
        if used.gate_deaths < scene.gate_deaths {
            moves.push(Move::GateDies);
        }
        if used.agent_deaths < scene.agent_deaths && self.laptop.open_visit().is_some() {
            moves.push(Move::AgentDies);
        }
        if scene.restored && !self.restored {
            moves.push(if self.backup.is_none() {
                Move::Backup
            } else {
                Move::Restore
            });
        }
    }

    fn answers(&self, scene: &Scene, moves: &mut Vec<Move>) {
        moves.extend(self.network.answers.iter().copied().map(Move::Answer));
        if let Some(nonce) = self.asked.filter(|_| scene.strangers) {
            for stops in [true, false] {
                moves.push(Move::Answer(Answered {
                    stops,
                    nonce,
                    genuine: false,
                }));
            }
        }
    }

    fn consents(&self, scene: &Scene, moves: &mut Vec<Move>) {
        for number in 0..self.used.stops {
            if scene.stops[usize::from(number)].target == Stopped::Key {
                continue;
            }
            let has_agreed = |who: &Who| self.account.agreed.contains(&(number, *who));
            let (agreed, others): (Vec<Who>, Vec<Who>) =
                scene.people.iter().partition(|who| has_agreed(who));
            moves.extend(others.into_iter().map(|who| Move::Agree(number, who)));
            for (place, one) in agreed.iter().enumerate() {
                moves.push(Move::Lift(number, vec![*one]));
                for other in agreed.iter().skip(place.saturating_add(1)) {
                    moves.push(Move::Lift(number, vec![*one, *other]));
                }
            }
        }
    }

    pub(crate) fn happens(&mut self, happens: Move, scene: &Scene, forge: &Forge) {
        match happens {
            Move::Tick => {
                self.now = self.now.saturating_add(1);
                self.laptop.look(self.now, scene);
            }
            Move::Nonce => {
                self.used.nonces = self.used.nonces.saturating_add(1);
                self.laptop.give_out(self.used.nonces, self.now, scene);
            }
            Move::Challenge => self.challenge(scene),
            Move::Activate(visit, nonce) => self.activate(visit, nonce, scene, forge),
            Move::Lease(terms) if terms.seq == 0 => {
                let bound = self.account.binds(false);
                if self.laptop.open(terms, self.now, forge, scene) {
                    self.account.note(Wrong::Opened, bound);
                }
            }
            Move::Lease(terms) => {
                self.laptop.renew(terms, self.now, forge, scene);
                if self.asked == Some(terms.nonce) {
                    self.asked = None;
                }
            }
            Move::Ask => self.ask(scene),
            Move::Renewal(visit, seq, nonce) => self.renewal(visit, seq, nonce, scene, forge),
            Move::Answer(answered) => self.answer(answered, scene, forge),
            Move::Stop => self.stop(scene),
            Move::StopAndDie => {
                // Without the rule the person has read that it was done.
                if !scene.keeps(Without::CommitBeforeAnswer) {
                    let mut lost = self.clone();
                    lost.stop(scene);
                    self.account.bounds = lost.account.bounds;
                    self.used.stops = lost.used.stops;
                }
            }
            Move::Order(place) => self.order(place, scene, forge),
            Move::Agree(number, who) => {
                self.account.agreed.insert((number, who));
            }
            Move::Lift(number, people) => {
                let stop = scene.stops[usize::from(number)];
                let was_lifted = self.keyd.lift(number, people, self.now, forge, scene);
                let enough = self.account.may_be_lifted(number, stop);
                self.account
                    .note(Wrong::Lifted, was_lifted && !enough && !scene.taken_over);
            }
            Move::GateDies => {
                self.used.gate_deaths = self.used.gate_deaths.saturating_add(1);
                self.asked = None;
                self.laptop.restart(self.now, scene);
            }
            Move::AgentDies => {
                self.used.agent_deaths = self.used.agent_deaths.saturating_add(1);
                self.asked = None;
                self.laptop.end(End::Death);
            }
            Move::Backup => self.backup = Some(self.keyd.clone()),
            Move::Restore => {
                self.restored = true;
                if let Some(backup) = self.backup.take() {
                    self.keyd = backup;
                }
                // What people were told before is not the restored service's word.
                self.account.bounds.clear();
            }
        }
    }

    fn challenge(&mut self, scene: &Scene) {
        let Some((nonce, _)) = self.laptop.nonces().last().copied() else {
            return;
        };
        let visit = self.used.visits.saturating_add(1);
        if self.keyd.challenge(visit, nonce, scene) {
            self.used.visits = visit;
        }
    }

    fn activate(&mut self, visit: u8, nonce: u8, scene: &Scene, forge: &Forge) {
        let permitted = self.keyd.permits(For::Starting);
        if let Some(lease) = self.keyd.activate(visit, nonce, self.now, forge, scene) {
            self.account
                .note(Wrong::Leased, !permitted && !scene.taken_over);
            self.network.leases.insert(lease);
        }
    }

    /// The agent asks: a new nonce of the gate, and the next number.
    fn ask(&mut self, scene: &Scene) {
        let Some(lease) = self.laptop.lease() else {
            return;
        };
        self.used.renewals = self.used.renewals.saturating_add(1);
        // Renewals have nonces of their own, so that they do not use up those of the openings.
        let nonce = self.used.renewals.saturating_add(100);
        self.laptop.give_out(nonce, self.now, scene);
        let seq = lease.seq.saturating_add(1);
        self.network.renewals.insert((lease.visit, seq, nonce));
        self.asked = Some(nonce);
    }

    fn renewal(&mut self, visit: u8, seq: u32, nonce: u8, scene: &Scene, forge: &Forge) {
        let permitted = self.keyd.permits(For::GoingOn);
        match self.keyd.renew(visit, seq, nonce, self.now, forge, scene) {
            Renewed::Lease(lease) => {
                self.account
                    .note(Wrong::Leased, !permitted && !scene.taken_over);
                self.network.leases.insert(lease);
            }
            said @ (Renewed::Stop | Renewed::NotNow) => {
                self.network.answers.insert(Answered {
                    stops: said == Renewed::Stop,
                    nonce,
                    genuine: true,
                });
            }
        }
    }

    fn answer(&mut self, answered: Answered, scene: &Scene, forge: &Forge) {
        let Some(question) = self.asked else {
            return;
        };
        let believed = if scene.keeps(Without::BeliefInAnswers) {
            forge.believes_stop(answered, question)
        } else {
            answered.stops
        };
        if believed {
            let was_open = self.laptop.open_visit().is_some();
            self.laptop.end(End::Answer);
            self.asked = None;
            let honest = answered.genuine && answered.stops && answered.nonce == question;
            self.account.note(Wrong::Ended, was_open && !honest);
        } else if forge.believes_not_now(answered, question) {
            self.asked = None;
        }
    }

    fn stop(&mut self, scene: &Scene) {
        let number = self.used.stops;
        let stop = scene.stops[usize::from(number)];
        self.used.stops = number.saturating_add(1);
        if let Some((visit, past)) = self.keyd.stop(number, stop, self.now) {
            self.account.bounds.insert(visit, past);
        }
    }

    fn order(&mut self, place: u8, scene: &Scene, forge: &Forge) {
        let Some(told) = self.keyd.orders.get(usize::from(place)).cloned() else {
            return;
        };
        let Some(result) = self.laptop.obey(&told, self.now, forge, scene) else {
            return;
        };
        match (&told.said, result) {
            (
                Said::Stop(stops),
                OrderResult::Stopped | OrderResult::AlreadyClosed | OrderResult::AfterThisCall,
            ) => self.account.latched.extend(stops.iter().copied()),
            (Said::Stop(_) | Said::Resume(..) | Said::End(_), _) => {}
        }
    }
}
