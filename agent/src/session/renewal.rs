//! Keeping the gate open (`docs/walkthroughs/renewal.md`): one renewal after the other, as long as
//! the visit lasts.
//!
//! ```text
//! Due ─► Nonce ─► Making ─► Sent ─► Keeping ─► Due
//!  ▲                         │ ▲
//!  └──── signed *not now* ───┘ └ no answer that is signed: the same bytes again
//! ```
//!
//! A renewal that was sent is said again in the same bytes until something signed comes back: keyd
//! may have given the next lease already, and gives it again to the same bytes alone. By then the
//! lease may be too old for the gate; its nonce for the next renewal is not, so the chain goes on.

use wardkey_gate::boottime::Boottime;
use wardkey_gate::protocol::{Answer, Request as GateRequest};
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::denial::Denial;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::lease::Lease;
use wardkey_schemas::refusal::Verdict;
use wardkey_schemas::renewal::{RenewalBody, RenewalRequest};
use wardkey_schemas::time::Seconds;
use wardkey_schemas::{Code, Refusal};

use super::gate::{GateQuestion, refusal_of};
use super::{Action, Attempt, CallerId, ProofWanted, RenewalDraft, Reply, Session, Ticket, Turn};
use crate::control::protocol::Word;
use crate::limits;

/// How far the next renewal has come.
#[derive(Debug)]
pub(super) enum Renewal {
    /// It begins at this time.
    Due { at: Boottime, tries: u32 },
    /// The gate makes a nonce.
    Nonce { ticket: Ticket, tries: u32 },
    /// The TPM stamps and signs.
    Making {
        ticket: Ticket,
        gate_nonce: Nonce,
        tries: u32,
    },
    /// It was sent; and is sent again at this time, unless it is under way.
    Sent {
        ticket: Ticket,
        gate_nonce: Nonce,
        body: RenewalBody,
        again_at: Option<Boottime>,
        tries: u32,
    },
    /// The gate takes the lease.
    Keeping { ticket: Ticket },
}

impl Renewal {
    /// The next one, `length` from now, give or take a fifth: keyd sees the laptops of a site come
    /// one by one.
    pub(super) fn after(length: Seconds, turn: &mut Turn<'_>) -> Self {
        let length = u64::from(length.number()).saturating_mul(1000);
        Self::Due {
            at: turn.later(length, limits::RENEWAL_JITTER),
            tries: 0,
        }
    }

    /// Whether nothing is under way.
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self, Self::Due { .. })
    }

    /// Whether it waits for what this ticket brings.
    pub(super) fn awaits(&self, ticket: Ticket) -> bool {
        match self {
            Self::Due { .. } => false,
            Self::Nonce { ticket: own, .. }
            | Self::Making { ticket: own, .. }
            | Self::Sent { ticket: own, .. }
            | Self::Keeping { ticket: own } => *own == ticket,
        }
    }

    pub(super) const fn wakes_at(&self) -> Boottime {
        match self {
            Self::Due { at, .. }
            | Self::Sent {
                again_at: Some(at), ..
            } => *at,
            Self::Nonce { .. }
            | Self::Making { .. }
            | Self::Sent { again_at: None, .. }
            | Self::Keeping { .. } => Boottime::NEVER,
        }
    }
}

impl Session {
    /// Whether a renewal must wait for a lease that gives more time.
    pub(super) fn renewal_is_held(&self) -> bool {
        self.attempt.as_ref().is_some_and(Attempt::extends_now)
            && self
                .visit
                .as_ref()
                .is_some_and(|visit| visit.renewal.is_idle())
    }

    pub(super) fn renew_now(&mut self, caller: CallerId, turn: &mut Turn<'_>) {
        let Some(visit) = self.visit.as_mut().filter(|visit| !visit.is_closing()) else {
            let refusal = Refusal::new(Code::GateClosed, "no open visit", "an open visit");
            return turn.refuse(caller, refusal);
        };
        visit.waiting.push(caller);
        self.renew_soon(turn);
    }

    /// The next renewal, or what is to be said again of this one, comes now.
    pub(super) fn renew_soon(&mut self, turn: &Turn<'_>) {
        let Some(visit) = self.visit.as_mut().filter(|visit| !visit.is_closing()) else {
            return;
        };
        match &mut visit.renewal {
            Renewal::Due { at, .. } => *at = turn.now,
            Renewal::Sent { again_at, .. } => {
                if let Some(at) = again_at {
                    *at = turn.now;
                }
            }
            Renewal::Nonce { .. } | Renewal::Making { .. } | Renewal::Keeping { .. } => {}
        }
    }

    /// The next renewal comes now, and brings a quote.
    pub(super) fn requote_soon(&mut self, turn: &Turn<'_>) {
        if let Some(visit) = &mut self.visit {
            visit.requote = true;
        }
        self.renew_soon(turn);
    }

    pub(super) fn look_at_renewal(&mut self, turn: &mut Turn<'_>) {
        let is_held = self.renewal_is_held();
        let Some(visit) = self.visit.as_mut().filter(|visit| !visit.is_closing()) else {
            return;
        };
        if is_held || turn.now < visit.renewal.wakes_at() {
            return;
        }
        match &mut visit.renewal {
            Renewal::Due { tries, .. } => {
                let tries = *tries;
                let request = GateRequest::Nonce {};
                let ticket = self.ask_gate(GateQuestion::RenewalNonce, request, turn);
                self.set_renewal(Renewal::Nonce { ticket, tries });
            }
            Renewal::Sent {
                ticket,
                body,
                again_at,
                ..
            } => {
                *again_at = None;
                turn.push(Action::SendRenewal {
                    ticket: *ticket,
                    body: body.clone(),
                });
            }
            Renewal::Nonce { .. } | Renewal::Making { .. } | Renewal::Keeping { .. } => {}
        }
    }

    fn set_renewal(&mut self, renewal: Renewal) {
        if let Some(visit) = &mut self.visit {
            visit.renewal = renewal;
        }
    }

    pub(super) fn renewal_nonce(
        &mut self,
        ticket: Ticket,
        nonce: Result<Nonce, Refusal>,
        turn: &mut Turn<'_>,
    ) {
        let making = self.ticket();
        let Some(visit) = self
            .visit
            .as_mut()
            .filter(|visit| visit.renewal.awaits(ticket))
        else {
            return;
        };
        let Renewal::Nonce { tries, .. } = visit.renewal else {
            return;
        };
        match nonce {
            Ok(gate_nonce) => {
                let draft = RenewalDraft {
                    session: visit.session,
                    seq: visit.seq.saturating_add(1),
                    renew_nonce: visit.renew_nonce,
                    gate_nonce,
                    state: visit.presence,
                    proof: if visit.requote || visit.opened.dark {
                        ProofWanted::Quote {
                            pcrs: visit.pcrs.clone(),
                        }
                    } else {
                        ProofWanted::Time
                    },
                };
                visit.renewal = Renewal::Making {
                    ticket: making,
                    gate_nonce,
                    tries,
                };
                turn.push(Action::MakeRenewal {
                    ticket: making,
                    draft,
                });
            }
            Err(refusal) => self.renew_later(&refusal, tries, turn),
        }
    }

    pub(super) fn renewal_made(
        &mut self,
        ticket: Ticket,
        made: Result<Jws<RenewalRequest>, Refusal>,
        turn: &mut Turn<'_>,
    ) {
        let Some(visit) = self
            .visit
            .as_mut()
            .filter(|visit| visit.renewal.awaits(ticket))
        else {
            return;
        };
        let Renewal::Making {
            gate_nonce, tries, ..
        } = visit.renewal
        else {
            return;
        };
        match made {
            Ok(request) => {
                let session = visit.session;
                let body = RenewalBody { session, request };
                visit.renewal = Renewal::Sent {
                    ticket,
                    gate_nonce,
                    body: body.clone(),
                    again_at: None,
                    tries,
                };
                turn.push(Action::SendRenewal { ticket, body });
            }
            Err(refusal) => {
                self.chip_trouble = Some(refusal.clone());
                self.renew_later(&refusal, tries, turn);
            }
        }
    }

    /// A new renewal, with a new nonce, after a pause.
    fn renew_later(&mut self, refusal: &Refusal, tries: u32, turn: &mut Turn<'_>) {
        tracing::warn!(refusal.code = %refusal.code(), %refusal, tries, "Not renewed; again soon");
        let at = self.renewal_pause(tries, turn);
        let tries = tries.saturating_add(1);
        self.set_renewal(Renewal::Due { at, tries });
        self.tell_waiting(refusal, turn);
    }

    /// Who waits for a renewal is told that it takes longer.
    fn tell_waiting(&mut self, refusal: &Refusal, turn: &mut Turn<'_>) {
        let waiting = self
            .visit
            .as_mut()
            .map(|visit| std::mem::take(&mut visit.waiting));
        for caller in waiting.unwrap_or_default() {
            turn.refuse(caller, refusal.clone());
        }
    }

    /// A pause that grows with each try, and shrinks with what is left of the lease.
    fn renewal_pause(&self, tries: u32, turn: &mut Turn<'_>) -> Boottime {
        let closes_at = self
            .visit
            .as_ref()
            .map_or(Boottime::NEVER, |visit| visit.opened.closes_at);
        let left = closes_at.millis_since(turn.now) / 4;
        let most = limits::RENEWAL_PAUSE.min(left.max(1_000));
        turn.pause(tries, most)
    }

    pub(super) fn renewal_heard(&mut self, reply: Reply, turn: &mut Turn<'_>) {
        match reply {
            Reply::Lease(lease) => self.next_lease(&lease, turn),
            Reply::Denial(denial) => self.renewal_denied(&denial, turn),
            Reply::Weather(refusal) | Reply::NotAsked(refusal) => {
                self.say_again(&refusal, turn);
            }
            Reply::Challenge(_) | Reply::Status(_) | Reply::Recorded(_) => {
                let found = "the answer to another question";
                let refusal =
                    Refusal::new(Code::AnswerNotBelieved, found, "the answer to this one");
                self.say_again(&refusal, turn);
            }
        }
    }

    /// Nothing signed came: the same bytes, after a pause.
    fn say_again(&mut self, why: &Refusal, turn: &mut Turn<'_>) {
        let Some(visit) = &mut self.visit else {
            return;
        };
        let tries = match &mut visit.renewal {
            // A second copy of the same question is under way or done already.
            Renewal::Sent {
                again_at: Some(_), ..
            }
            | Renewal::Due { .. }
            | Renewal::Nonce { .. }
            | Renewal::Making { .. }
            | Renewal::Keeping { .. } => return,
            Renewal::Sent { tries, .. } => {
                let before = *tries;
                *tries = tries.saturating_add(1);
                before
            }
        };
        tracing::warn!(refusal.code = %why.code(), why = %why, tries, "No answer that is signed");
        visit.reachable = false;
        let at = self.renewal_pause(tries, turn);
        if let Some(visit) = &mut self.visit
            && let Renewal::Sent { again_at, .. } = &mut visit.renewal
        {
            *again_at = Some(at);
        }
        self.tell_waiting(why, turn);
    }

    fn sent_nonce(&self) -> Option<(Nonce, u32)> {
        match &self.visit.as_ref()?.renewal {
            Renewal::Sent {
                gate_nonce, tries, ..
            } => Some((*gate_nonce, *tries)),
            Renewal::Due { .. }
            | Renewal::Nonce { .. }
            | Renewal::Making { .. }
            | Renewal::Keeping { .. } => None,
        }
    }

    fn next_lease(&mut self, envelope: &Jws<Lease>, turn: &mut Turn<'_>) {
        let Some((gate_nonce, _)) = self.sent_nonce() else {
            return;
        };
        let lease = match self.believe(envelope, &gate_nonce, turn) {
            Ok(lease) => lease.into_inner(),
            Err(refusal) => return self.say_again(&refusal, turn),
        };
        let Some(visit) = &mut self.visit else {
            return;
        };
        if lease.session != visit.session || lease.seq != visit.seq.saturating_add(1) {
            let found = format!("lease {} of visit {}", lease.seq, lease.session);
            let wanted = format!(
                "lease {} of visit {}",
                visit.seq.saturating_add(1),
                visit.session
            );
            let refusal = Refusal::new(Code::LeaseSession, found, wanted);
            return self.say_again(&refusal, turn);
        }
        visit.continue_from(&lease, turn);
        let missing = lease.last_order > self.gate.last_order();
        let request = GateRequest::Renew {
            lease: envelope.clone(),
        };
        let ticket = self.ask_gate(GateQuestion::Renew, request, turn);
        self.set_renewal(Renewal::Keeping { ticket });
        if missing {
            self.polling.hurry(turn.now);
        }
    }

    fn renewal_denied(&mut self, denial: &Jws<Denial>, turn: &mut Turn<'_>) {
        let Some((gate_nonce, tries)) = self.sent_nonce() else {
            return;
        };
        let denial = match self.believe(denial, &gate_nonce, turn) {
            Ok(denial) => denial.into_inner(),
            Err(refusal) => return self.say_again(&refusal, turn),
        };
        if let Some(visit) = &mut self.visit {
            visit.reachable = true;
        }
        self.orders_came(denial.orders, false, turn);
        match denial.verdict {
            Verdict::Stop => {
                let code = denial.refusal.code();
                self.set_renewal(Renewal::Due {
                    at: Boottime::NEVER,
                    tries,
                });
                self.stop_by(code, turn);
            }
            Verdict::NotNow if self.wants_first_quote(denial.refusal.code()) => {
                tracing::info!(refusal = %denial.refusal, "The next renewal brings a quote");
                self.set_renewal(Renewal::Due {
                    at: turn.now,
                    tries,
                });
                self.requote_soon(turn);
            }
            Verdict::NotNow => {
                self.renew_later(&denial.refusal, tries, turn);
                let asked = turn.now.plus(denial.retry_after);
                if let Some(visit) = &mut self.visit
                    && let Renewal::Due { at, .. } = &mut visit.renewal
                {
                    // Later than asked is polite; later than the end of the lease helps nobody.
                    *at = (*at).max(asked.min(visit.opened.closes_at));
                }
            }
        }
    }

    /// Whether keyd wants a quote and was not given one: that needs no pause. A second time is a
    /// quarrel, which does.
    fn wants_first_quote(&self, code: Code) -> bool {
        let has_quoted = self.visit.as_ref().is_none_or(|visit| visit.requote);
        code == Code::RequoteWanted && !has_quoted
    }

    /// The gate answered to the next lease.
    pub(super) fn kept(&mut self, ticket: Ticket, answer: Answer, turn: &mut Turn<'_>) {
        let Some(visit) = self
            .visit
            .as_mut()
            .filter(|visit| visit.renewal.awaits(ticket))
        else {
            return;
        };
        match answer {
            Answer::Renewed(opened) => {
                visit.opened = opened;
                visit.not_taken = 0;
                visit.renewal = Renewal::after(visit.renew_after, turn);
                let word = Word::Renewed {
                    seq: visit.seq,
                    closes_in_ms: opened.closes_at.millis_since(turn.now),
                };
                for caller in std::mem::take(&mut visit.waiting) {
                    turn.tell(caller, word.clone());
                }
            }
            Answer::Trusted { .. }
            | Answer::Nonce { .. }
            | Answer::Opened(_)
            | Answer::Obeyed(_)
            | Answer::Closed { .. }
            | Answer::Status(_)
            | Answer::Refused(_)
            | Answer::Fault { .. } => {
                // As after an outage, when the lease that was asked for long ago is too old for the
                // gate. The chain goes on: the next one has a new nonce.
                let refusal = refusal_of(answer, "a gate that stays open");
                let tries = visit.not_taken;
                visit.not_taken = tries.saturating_add(1);
                self.renew_later(&refusal, tries, turn);
            }
        }
    }
}
