//! The gate, as the session knows it: whether it is there, what it was asked, what it said.

use std::collections::BTreeMap;

use wardkey_gate::boottime::Boottime;
use wardkey_gate::protocol::{Answer, Event, Request, Status};
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::ids::OrderSeq;
use wardkey_schemas::session::EndReason;
use wardkey_schemas::{Code, Refusal};

use super::{Action, CallerId, Session, Ticket, Turn, Visit};
use crate::answers::GenuineOrder;
use crate::control::protocol::Word;
use crate::limits;

/// What the gate was asked for.
#[derive(Debug)]
pub(super) enum GateQuestion {
    /// To believe a bundle.
    Trust,
    /// How it stands.
    Status,
    /// A nonce for an attempt.
    AttemptNonce,
    /// To open, or to give more time.
    Open,
    /// A nonce for a renewal.
    RenewalNonce,
    /// To stay open.
    Renew,
    /// To obey an order; whether a poll brought it, so that nothing earlier waits.
    Order {
        order: GenuineOrder,
        from_poll: bool,
    },
    /// To close, for whoever asked.
    Close { caller: Option<CallerId> },
}

/// The gate's side.
#[derive(Debug, Default)]
pub(super) struct GateSide {
    up: bool,
    /// When to connect again.
    again_at: Boottime,
    connecting: bool,
    trusted: bool,
    status: Option<Status>,
    trouble: Option<Refusal>,
    asked: BTreeMap<Ticket, GateQuestion>,
    /// When it last answered, or came up.
    spoke_at: Boottime,
}

impl GateSide {
    pub(super) fn note(&mut self, ticket: Ticket, question: GateQuestion) {
        self.asked.insert(ticket, question);
    }

    /// When it wants to hear from us again, so that it knows that we live. While it is busy with a
    /// question of ours it does.
    pub(super) fn wants_word_at(&self) -> Boottime {
        if self.up && self.asked.is_empty() {
            let at = self.spoke_at.millis();
            Boottime::from_millis(at.saturating_add(limits::GATE_SPOKEN_TO))
        } else {
            Boottime::NEVER
        }
    }

    /// Whether it is there and believes keyd.
    pub(super) const fn is_ready(&self) -> bool {
        self.up && self.trusted
    }

    pub(super) const fn status(&self) -> Option<&Status> {
        self.status.as_ref()
    }

    pub(super) const fn trouble(&self) -> Option<&Refusal> {
        self.trouble.as_ref()
    }

    /// The last order that it acted on.
    pub(super) fn last_order(&self) -> OrderSeq {
        self.status
            .as_ref()
            .map_or(OrderSeq::NONE, |status| status.last_order)
    }

    pub(super) fn is_latched(&self) -> bool {
        self.status.as_ref().is_some_and(|status| status.latched)
    }

    /// Whether it is acting on this order.
    pub(super) fn has_in_hand(&self, id: wardkey_schemas::ids::OrderId) -> bool {
        self.asked.values().any(|question| {
            matches!(question, GateQuestion::Order { order, .. } if order.order().order == id)
        })
    }

    /// Whether it is acting on any order.
    pub(super) fn is_busy(&self) -> bool {
        self.asked
            .values()
            .any(|question| matches!(question, GateQuestion::Order { .. }))
    }

    pub(super) const fn wakes_at(&self) -> Boottime {
        if self.up || self.connecting {
            Boottime::NEVER
        } else {
            self.again_at
        }
    }

    /// Why nothing can be opened, if so.
    pub(super) fn require_ready(&self) -> Result<(), Refusal> {
        if self.is_ready() {
            return Ok(());
        }
        let found = match (&self.trouble, self.up) {
            (Some(trouble), _) => trouble.to_string(),
            (None, true) => "a gate that does not trust the key service yet".to_owned(),
            (None, false) => "no gate".to_owned(),
        };
        Err(Refusal::new(
            Code::GateUnavailable,
            found,
            "a gate that answers",
        ))
    }
}

impl Session {
    pub(super) fn look_at_gate(&mut self, turn: &mut Turn<'_>) {
        if self.gate.wakes_at() <= turn.now {
            self.gate.connecting = true;
            turn.push(Action::ConnectGate);
        }
    }

    pub(super) fn gate_up(&mut self, turn: &mut Turn<'_>) {
        tracing::info!("The gate is connected");
        self.gate = GateSide {
            up: true,
            spoke_at: turn.now,
            ..GateSide::default()
        };
        self.make_gate_trust(turn);
        self.ask_gate_status(turn);
        // Orders that came while there was no gate.
        self.polling.hurry(turn.now);
    }

    /// Hands over whom to believe.
    pub(super) fn make_gate_trust(&mut self, turn: &mut Turn<'_>) {
        let Some(trusted) = self.trusted.as_ref().filter(|_| self.gate.up) else {
            return;
        };
        let kept = trusted.kept();
        let request = Request::Trust {
            bundle: Box::new(kept.package.clone()),
            service_keys: kept.service_keys.clone(),
        };
        self.ask_gate(GateQuestion::Trust, request, turn);
    }

    /// Asks how it stands; where the security key must stay in, by saying whether it is.
    pub(super) fn ask_gate_status(&mut self, turn: &mut Turn<'_>) {
        if !self.gate.up {
            return;
        }
        let visit = self.visit.as_ref().filter(|visit| visit.key_must_stay());
        let request = visit.map_or(Request::Status {}, |visit| Request::Key {
            session: visit.session,
            is_in: self.keys.has(visit.key()),
        });
        self.ask_gate(GateQuestion::Status, request, turn);
    }

    /// A security key came or went: the gate hears of it at once where it matters.
    pub(super) fn tell_gate_of_key(&mut self, turn: &mut Turn<'_>) {
        if self.visit.as_ref().is_some_and(Visit::key_must_stay) {
            self.ask_gate_status(turn);
        }
    }

    pub(super) fn gate_lost(&mut self, turn: &mut Turn<'_>) {
        if self.gate.up {
            tracing::error!("The gate is gone");
        }
        let asked = std::mem::take(&mut self.gate.asked);
        self.gate = GateSide {
            again_at: turn.later(limits::GATE_AGAIN, 0),
            ..GateSide::default()
        };
        // With the connection the picture has closed.
        if let Some(session) = self.visit.as_ref().map(|visit| visit.session) {
            self.visit_over(session, EndReason::Shutdown, turn.now, turn);
        }
        if let Some(attempt) = self.attempt.take() {
            let refusal = Refusal::new(Code::GateUnavailable, "no gate", "a gate that answers");
            self.abandon(attempt, refusal, EndReason::Shutdown, turn);
        }
        self.orphans_closed(turn);
        for question in asked.into_values() {
            if let GateQuestion::Close {
                caller: Some(caller),
            } = question
            {
                turn.tell(caller, Word::Ended { session: None });
            }
        }
    }

    pub(super) fn gate_said(&mut self, ticket: Ticket, answer: Answer, turn: &mut Turn<'_>) {
        let Some(question) = self.gate.asked.remove(&ticket) else {
            return;
        };
        self.gate.spoke_at = turn.now;
        match question {
            GateQuestion::Trust => self.gate_trusts(answer, turn),
            GateQuestion::Status => {
                if let Answer::Status(status) = answer {
                    if let (Some(visit), Some(open)) = (&mut self.visit, status.open)
                        && open.session == visit.session
                    {
                        visit.opened = open;
                    }
                    self.gate.status = Some(*status);
                }
            }
            GateQuestion::AttemptNonce => {
                let nonce = take_nonce(answer);
                self.attempt_nonce(ticket, nonce, turn);
            }
            GateQuestion::Open => self.opened(ticket, answer, turn),
            GateQuestion::RenewalNonce => {
                let nonce = take_nonce(answer);
                self.renewal_nonce(ticket, nonce, turn);
            }
            GateQuestion::Renew => self.kept(ticket, answer, turn),
            GateQuestion::Order { order, from_poll } => {
                self.order_answered(&order, from_poll, answer, turn);
            }
            GateQuestion::Close { caller } => {
                if let (Some(caller), Answer::Closed { session }) = (caller, answer) {
                    turn.tell(caller, Word::Ended { session });
                }
                self.ask_gate_status(turn);
            }
        }
    }

    fn gate_trusts(&mut self, answer: Answer, turn: &mut Turn<'_>) {
        let Answer::Trusted { version } = answer else {
            let refusal = refusal_of(answer, "a gate that trusts the key service");
            tracing::error!(%refusal, "The gate does not trust what we trust");
            // It may have seen a newer bundle than we.
            self.fetching.hurry(turn.now);
            self.gate.trouble = Some(refusal);
            return;
        };
        tracing::info!(bundle.version = %version, "The gate trusts the key service");
        self.gate.trusted = true;
        self.gate.trouble = None;
        self.polling.hurry(turn.now);
    }

    pub(super) fn gate_told(&mut self, event: Event, turn: &mut Turn<'_>) {
        match event {
            Event::Closed {
                session,
                reason,
                at,
            } => {
                let reason_word = reason.as_str();
                tracing::info!(session.id = %session, reason = reason_word, "The gate has closed");
                self.visit_over(session, reason, at, turn);
                self.ask_gate_status(turn);
            }
            Event::Darkened { session, .. } => {
                tracing::warn!(session.id = %session, "The laptop has slept: no picture for now");
                if let Some(visit) = self.visit.as_mut().filter(|visit| visit.session == session) {
                    visit.opened.dark = true;
                }
                // Every timer of ours stood on the clock of a laptop that was awake.
                self.clock_read_at = Boottime::from_millis(0);
                self.requote_soon(turn);
                self.hang_up(turn);
            }
        }
    }
}

fn take_nonce(answer: Answer) -> Result<Nonce, Refusal> {
    if let Answer::Nonce { nonce, .. } = answer {
        Ok(nonce)
    } else {
        Err(refusal_of(answer, "a nonce of the gate"))
    }
}

/// The refusal that an answer stands for which is not the one that was wanted.
pub(super) fn refusal_of(answer: Answer, wanted: &str) -> Refusal {
    match answer {
        Answer::Refused(refusal) => refusal,
        Answer::Fault { what } => Refusal::new(Code::GateUnavailable, what, wanted),
        Answer::Trusted { .. }
        | Answer::Nonce { .. }
        | Answer::Opened(_)
        | Answer::Renewed(_)
        | Answer::Obeyed(_)
        | Answer::Closed { .. }
        | Answer::Status(_) => Refusal::new(
            Code::GateUnavailable,
            "the answer to another question",
            wanted,
        ),
    }
}
