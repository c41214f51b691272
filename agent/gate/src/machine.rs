//! What the gate decides: a state machine over verified inputs and points in time.
//!
//! It has no hands. Each step says what is to be done, in order, as [`Deed`]s; the one that calls it
//! does them, and what a stop leaves behind it writes down *before*.
//!
//! # Invariants
//!
//! - There is a visit only by an [`OpeningLease`], on a nonce of this run that was not accepted
//!   before, while no hold stood.
//! - A session that has ended does not open again.

use std::collections::VecDeque;

use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::ids::{OrderSeq, SessionId};
use wardkey_schemas::lease::Lease;
use wardkey_schemas::order::{AFTER_THIS_CALL_MOST, Command, Hold, Mode, Order, OrderResult};
use wardkey_schemas::session::EndReason;
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::lease::{OpeningLease, RenewedLease};
use wardkey_verifier::order::VerifiedOrder;

use crate::boottime::{Boottime, Reading};
use crate::latch::{Latch, Outcome};
use crate::limits;
use crate::nonces::Nonces;
use crate::picture::Showing;
use crate::visit::{Visit, starts_a_visit};

/// Something that is to be done now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deed {
    /// Open the picture.
    Open(Showing),
    /// Tell the guardian of another end.
    Prolong(Boottime),
    /// Close the picture of a visit that goes on.
    Darken {
        /// The visit.
        session: SessionId,
    },
    /// Open the picture of such a visit again.
    Show(Showing),
    /// Close the picture.
    Close {
        /// The visit that ends.
        session: SessionId,
        /// Why.
        reason: EndReason,
    },
}

/// What an order comes to.
#[derive(Clone, Debug)]
pub struct Ruling {
    /// The latch as it must stand on the disk; the same as now if nothing changes.
    pub latch: Latch,
    /// What is to be done once it does.
    pub deeds: Vec<Deed>,
    /// What the key service is told.
    pub result: OrderResult,
}

/// The gate's state.
#[derive(Clone, Debug)]
pub struct Machine {
    nonces: Nonces,
    latch: Latch,
    visit: Option<Visit>,
    /// A look at the clocks since which the laptop has not slept.
    awake: Option<Reading>,
    /// Sessions that have ended in this run, oldest first.
    ended: VecDeque<SessionId>,
}

impl Machine {
    /// Closed, with the latch that was found.
    pub fn new(latch: Latch) -> Self {
        Self {
            nonces: Nonces::default(),
            latch,
            visit: None,
            awake: None,
            ended: VecDeque::new(),
        }
    }

    /// The latch.
    pub const fn latch(&self) -> &Latch {
        &self.latch
    }

    /// The open visit.
    pub const fn visit(&self) -> Option<&Visit> {
        self.visit.as_ref()
    }

    /// When to look at the clocks again, if nothing else happens before.
    pub fn looks_again_at(&self, now: Boottime) -> Boottime {
        self.visit.as_ref().map_or(Boottime::NEVER, |visit| {
            visit.closes_at().min(now.plus(limits::LOOK_EVERY))
        })
    }

    /// Writes down a nonce that was just made.
    pub fn give_out(&mut self, nonce: Nonce, now: Boottime) {
        self.nonces.give_out(nonce, now);
    }

    /// Opens the picture, or gives the open visit more time.
    ///
    /// # Errors
    ///
    /// `GATE_LATCHED` while a hold stands, `LEASE_NONCE_UNKNOWN`, `LEASE_NONCE_USED`, `LEASE_OVER`,
    /// `LEASE_SESSION`, `LEASE_ROOM`; `GATE_CLOSED` for a signature that extends a visit that is
    /// not open, `SESSION_ENDED` for one that has ended.
    pub fn open(&mut self, opening: OpeningLease, now: Reading) -> Result<Vec<Deed>, Refusal> {
        self.latch.permits_opening()?;
        let nonce = opening.lease().eat_nonce;
        let session = opening.lease().session;
        let stamp = self.nonces.stamp(&nonce, now.now)?;
        if self.ended.contains(&session) {
            return Err(Refusal::new(
                Code::SessionEnded,
                format!("visit {session}, which has ended"),
                "a new visit",
            ));
        }
        let deeds = if starts_a_visit(opening.activation()) {
            if self
                .visit
                .as_ref()
                .is_some_and(|visit| visit.session() == session)
            {
                return Err(Refusal::new(
                    Code::LeaseSession,
                    format!("a signature that starts visit {session} again"),
                    "one that extends it",
                ));
            }
            let visit = Visit::open(opening, stamp, now.now)?;
            let showing = visit.showing();
            let mut deeds = self.end(EndReason::Superseded);
            self.visit = Some(visit);
            deeds.push(Deed::Open(showing));
            deeds
        } else {
            let visit = self.visit.as_mut().ok_or_else(closed)?;
            let lease = opening.lease().clone();
            visit.extend(opening, stamp, now.now)?;
            vec![go_on(visit, &lease)]
        };
        self.nonces.spend(&nonce);
        Ok(deeds)
    }

    /// Keeps the picture open.
    ///
    /// # Errors
    ///
    /// `GATE_CLOSED` if nothing is open, `LEASE_NONCE_UNKNOWN`, `LEASE_NONCE_USED`, `LEASE_SESSION`,
    /// `LEASE_OVER`.
    pub fn renew(&mut self, renewed: &RenewedLease, now: Reading) -> Result<Vec<Deed>, Refusal> {
        let visit = self.visit.as_mut().ok_or_else(closed)?;
        let nonce = renewed.lease().eat_nonce;
        let stamp = self.nonces.stamp(&nonce, now.now)?;
        visit.renew(renewed, stamp, now.now)?;
        self.nonces.spend(&nonce);
        Ok(vec![go_on(visit, renewed.lease())])
    }

    /// The security key of a visit is in at `now`, or out. What is said of another visit than the
    /// open one says nothing.
    pub fn key(&mut self, session: SessionId, is_in: bool, now: Reading) -> Vec<Deed> {
        let Some(visit) = self
            .visit
            .as_mut()
            .filter(|visit| visit.session() == session)
        else {
            return Vec::new();
        };
        let before = visit.closes_at();
        visit.key(is_in, now.now);
        let after = visit.closes_at();
        if before == after {
            Vec::new()
        } else {
            vec![Deed::Prolong(after)]
        }
    }

    /// The open visit must end at `now` if its time is over, and go on in the dark if the laptop has
    /// slept. No nonce outlives a sleep: what answers it was asked for by the laptop as it was.
    pub fn look(&mut self, now: Reading) -> Vec<Deed> {
        let awake = *self.awake.get_or_insert(now);
        let slept = now.slept_since(awake, limits::SUSPEND_MILLIS);
        if slept {
            self.awake = Some(now);
            self.nonces.forget_waiting();
        }
        let Some(visit) = &mut self.visit else {
            return Vec::new();
        };
        if let Some(reason) = visit.must_end(now.now) {
            self.end(reason)
        } else if slept && visit.darken() {
            let session = visit.session();
            vec![Deed::Darken { session }]
        } else {
            Vec::new()
        }
    }

    /// Ends the open visit, if there is one. Nothing can keep it from doing so.
    pub fn end(&mut self, reason: EndReason) -> Vec<Deed> {
        let Some(visit) = self.visit.take() else {
            return Vec::new();
        };
        let session = visit.session();
        self.note_ended(session);
        vec![Deed::Close { session, reason }]
    }

    fn note_ended(&mut self, session: SessionId) {
        if self.ended.contains(&session) {
            return;
        }
        while self.ended.len() >= limits::SESSIONS_ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back(session);
    }

    /// Takes over the latch of the laptop, once it is known which that is.
    pub fn bind(&mut self, latch: Latch) {
        self.latch = latch;
    }

    /// Every hold that a resume may name, standing or lifted.
    pub fn known_holds(&self) -> Vec<Hold> {
        match &self.latch {
            Latch::Kept(holds) => holds.known(),
            Latch::Sealed(_) => Vec::new(),
        }
    }

    /// What a verified order comes to. Nothing changes by it: see [`Self::adopt`].
    ///
    /// # Errors
    ///
    /// `GATE_SEALED` or `TPM_UNAVAILABLE` for a resume while the latch is sealed; `HOLD_UNKNOWN` or `ORDER_APPROVAL`
    /// for one that lifts what it cannot lift. Everything else is never refused.
    pub fn rule(&self, order: &VerifiedOrder, received: Boottime) -> Result<Ruling, Refusal> {
        let order = order.order();
        match &order.command {
            Command::Stop { holds } => Ok(self.rule_stop(order, holds, received)),
            Command::EndSession { session } => Ok(self.rule_end(order, *session)),
            // The gate has no screen: whoever hands it over shows it.
            Command::Message { .. } => Ok(self.rule_message(order)),
            Command::Resume { holds, .. } => {
                let kept = match &self.latch {
                    Latch::Kept(kept) => kept.clone(),
                    Latch::Sealed(seal) => return Err(seal.refusal()),
                };
                let result = OrderResult::Resumed;
                let latch = kept.lift(order.seq, holds)?.record(outcome(order, result));
                Ok(Ruling {
                    latch: Latch::Kept(latch),
                    deeds: Vec::new(),
                    result,
                })
            }
        }
    }

    fn rule_stop(&self, order: &Order, holds: &[Hold], received: Boottime) -> Ruling {
        let (latched, remembered) = match &self.latch {
            Latch::Kept(kept) => (
                Latch::Kept(kept.clone().stop(order.seq, holds)),
                kept.outcome(order.order),
            ),
            // Closed for good as it is; a latch written over it would say less.
            Latch::Sealed(_) => (self.latch.clone(), None),
        };
        let stands = |hold: &&Hold| match &latched {
            Latch::Kept(kept) => kept.stands(hold.id),
            Latch::Sealed(_) => true,
        };
        let standing: Vec<&Hold> = holds.iter().filter(stands).collect();
        let open = self.visit.as_ref();
        let (deeds, result) = if standing.is_empty() && !holds.is_empty() {
            // An old stop, all of which people have lifted since.
            (Vec::new(), remembered.unwrap_or(OrderResult::Resumed))
        } else if let Some(visit) = open {
            // A stop that names no hold at all is obeyed as the strictest.
            let at_once =
                standing.is_empty() || standing.iter().any(|hold| hold.mode == Mode::Immediate);
            if at_once {
                let deed = Deed::Close {
                    session: visit.session(),
                    reason: EndReason::Stopped,
                };
                (vec![deed], OrderResult::Stopped)
            } else {
                let end = visit.closes_at().min(received.plus(AFTER_THIS_CALL_MOST));
                (vec![Deed::Prolong(end)], OrderResult::AfterThisCall)
            }
        } else {
            let result = remembered.unwrap_or(OrderResult::AlreadyClosed);
            (Vec::new(), result)
        };
        let latch = match latched {
            Latch::Kept(kept) => Latch::Kept(kept.record(outcome(order, result))),
            sealed @ Latch::Sealed(_) => sealed,
        };
        Ruling {
            latch,
            deeds,
            result,
        }
    }

    fn rule_end(&self, order: &Order, session: SessionId) -> Ruling {
        let result = OrderResult::SessionEnded;
        let latch = match &self.latch {
            Latch::Kept(kept) => Latch::Kept(kept.clone().record(outcome(order, result))),
            sealed @ Latch::Sealed(_) => sealed.clone(),
        };
        let is_open = self
            .visit
            .as_ref()
            .is_some_and(|visit| visit.session() == session);
        let deeds = if is_open {
            vec![Deed::Close {
                session,
                reason: EndReason::Stopped,
            }]
        } else {
            Vec::new()
        };
        Ruling {
            latch,
            deeds,
            result,
        }
    }

    fn rule_message(&self, order: &Order) -> Ruling {
        let result = OrderResult::Shown;
        let latch = match &self.latch {
            Latch::Kept(kept) => Latch::Kept(kept.clone().record(outcome(order, result))),
            sealed @ Latch::Sealed(_) => sealed.clone(),
        };
        Ruling {
            latch,
            deeds: Vec::new(),
            result,
        }
    }

    /// Takes over what an order came to.
    pub fn adopt(&mut self, order: &VerifiedOrder, ruling: &Ruling, received: Boottime) {
        self.latch = ruling.latch.clone();
        for deed in &ruling.deeds {
            match deed {
                Deed::Close { session, .. } => {
                    self.visit = None;
                    self.note_ended(*session);
                }
                Deed::Prolong(_) => {
                    if let Some(visit) = &mut self.visit {
                        visit.drain(received.plus(AFTER_THIS_CALL_MOST));
                    }
                }
                Deed::Open(_) | Deed::Show(_) | Deed::Darken { .. } => (),
            }
        }
        // A lease for it may be under way; it must not open what the order has ended.
        if let Command::EndSession { session } = &order.order().command {
            self.note_ended(*session);
        }
        if self.latch.permits_opening().is_ok()
            && let Some(visit) = &mut self.visit
        {
            visit.drain_no_more();
        }
    }

    /// The highest place of an order that was acted on.
    pub fn last_order(&self) -> OrderSeq {
        match &self.latch {
            Latch::Kept(holds) => holds.last_order(),
            Latch::Sealed(_) => OrderSeq::NONE,
        }
    }
}

/// What a lease that is in use from now on comes to.
fn go_on(visit: &mut Visit, lease: &Lease) -> Deed {
    if visit.brighten(lease) {
        Deed::Show(visit.showing())
    } else {
        Deed::Prolong(visit.closes_at())
    }
}

fn outcome(order: &Order, result: OrderResult) -> Outcome {
    Outcome {
        order: order.order,
        seq: order.seq,
        result,
    }
}

fn closed() -> Refusal {
    Refusal::new(Code::GateClosed, "a closed gate", "an open visit")
}
