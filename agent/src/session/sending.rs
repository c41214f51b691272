//! Emptying the outbox: one item at a time, until keyd has said that it is on record.

use wardkey_gate::boottime::Boottime;
use wardkey_schemas::Refusal;
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::denial::Denial;
use wardkey_schemas::refusal::Kind;

use super::{Action, Question, Reply, Session, Ticket, Turn};
use crate::limits;
use crate::outbox::{About, Telling};

/// What is under way, and when to go on.
#[derive(Debug, Default)]
pub(super) struct Sending {
    at: Boottime,
    tries: u32,
    asked: Option<(Ticket, Nonce, About)>,
}

impl Sending {
    pub(super) fn awaits(&self, ticket: Ticket) -> bool {
        self.asked.is_some_and(|(own, _, _)| own == ticket)
    }
}

impl Session {
    pub(super) fn sending_wakes_at(&self) -> Boottime {
        let is_idle = self.sending.asked.is_none() && !self.outbox.is_empty();
        if is_idle && self.standing_ground().is_ok() {
            self.sending.at
        } else {
            Boottime::NEVER
        }
    }

    pub(super) fn look_at_sending(&mut self, turn: &mut Turn<'_>) {
        if turn.now < self.sending_wakes_at() {
            return;
        }
        let (Some(laptop), Some(item)) = (&self.laptop, self.outbox.next()) else {
            return;
        };
        let nonce = turn.draws.nonce();
        let about = item.fact.about();
        let question = match item.tell(laptop, turn.now, &self.boot, nonce) {
            Telling::End(end) => Question::End(end),
            Telling::Receipt(receipt) => Question::Receipt(receipt),
        };
        let ticket = self.ask(question, turn);
        self.sending.asked = Some((ticket, nonce, about));
    }

    pub(super) fn sending_heard(&mut self, reply: Reply, turn: &mut Turn<'_>) {
        let Some((_, nonce, about)) = self.sending.asked.take() else {
            return;
        };
        let heard = match reply {
            Reply::Recorded(recorded) => self.believe(&recorded, &nonce, turn).map(|_| true),
            Reply::Denial(denial) => self
                .believe(&denial, &nonce, turn)
                .map(|denial| self.is_refused_for_good(&denial.into_inner(), turn)),
            Reply::Weather(refusal) | Reply::NotAsked(refusal) => Err(refusal),
            Reply::Challenge(_) | Reply::Lease(_) | Reply::Status(_) => Ok(false),
        };
        if matches!(heard, Ok(true)) {
            self.outbox.remove(about);
            self.sending.tries = 0;
            turn.push(Action::SaveOutbox(self.outbox.clone()));
            return;
        }
        if let Err(refusal) = heard {
            tracing::warn!(refusal.code = %refusal.code(), %refusal, "Not on record yet");
        }
        self.sending.at = turn.pause(self.sending.tries, limits::OUTBOX_PAUSE);
        self.sending.tries = self.sending.tries.saturating_add(1);
    }

    /// Whether keyd will never write this down, so that there is no sense in saying it again.
    fn is_refused_for_good(&mut self, denial: &Denial, turn: &mut Turn<'_>) -> bool {
        let refusal: &Refusal = &denial.refusal;
        tracing::warn!(refusal.code = %refusal.code(), %refusal, "The record does not take it");
        self.orders_came(denial.orders.clone(), false, turn);
        match refusal.code().kind() {
            Kind::TooOften | Kind::Unavailable => false,
            Kind::Malformed
            | Kind::Unknown
            | Kind::Refused
            | Kind::NotFound
            | Kind::Conflict
            | Kind::TooLarge => true,
        }
    }
}
