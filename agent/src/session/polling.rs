//! The poll: how a laptop without a link learns of orders, and every laptop of its own state.

use wardkey_gate::boottime::Boottime;
use wardkey_schemas::Refusal;
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::policy::Policy;
use wardkey_schemas::refusal::Verdict;
use wardkey_schemas::status::{ObjectState, Status, StatusRequest};
use wardkey_schemas::time::Seconds;

use super::{Question, Reply, Session, Ticket, Turn};
use crate::limits;

/// When to ask next, and what was asked.
#[derive(Debug)]
pub(super) struct Polling {
    at: Boottime,
    asked: Option<(Ticket, Nonce)>,
    /// How often without a link, in milliseconds: as keyd said last.
    every: u64,
}

impl Default for Polling {
    fn default() -> Self {
        Self {
            at: Boottime::default(),
            asked: None,
            every: limits::POLL_EVERY,
        }
    }
}

/// What keyd says counts within the limits of every policy: a laptop without a link goes on asking.
fn within_limits(every: Seconds) -> u64 {
    let limits = Policy::LIMITS
        .iter()
        .find(|limits| limits.name == "poll_every");
    let every = limits.map_or(every, |limits| every.clamp(limits.least, limits.most));
    u64::from(every.number()).saturating_mul(1_000)
}

impl Polling {
    pub(super) fn awaits(&self, ticket: Ticket) -> bool {
        self.asked.is_some_and(|(own, _)| own == ticket)
    }

    /// Ask at once, or as soon as the question that is under way is answered.
    pub(super) fn hurry(&mut self, now: Boottime) {
        self.at = self.at.min(now);
    }

    /// Ask at this time, if it is earlier than planned.
    pub(super) fn later(&mut self, at: Boottime) {
        self.at = self.at.min(at);
    }
}

impl Session {
    pub(super) fn polling_wakes_at(&self) -> Boottime {
        if self.polling.asked.is_some() || self.standing_ground().is_err() {
            Boottime::NEVER
        } else {
            self.polling.at
        }
    }

    pub(super) fn look_at_polling(&mut self, turn: &mut Turn<'_>) {
        if turn.now < self.polling_wakes_at() {
            return;
        }
        let Some(laptop) = &self.laptop else {
            return;
        };
        let nonce = turn.draws.nonce();
        let request = StatusRequest {
            device: laptop.device,
            generation: laptop.generation,
            nonce,
            last_order: self.gate.last_order(),
        };
        let ticket = self.ask(Question::Status(request), turn);
        self.polling.asked = Some((ticket, nonce));
        let is_in_use =
            matches!(&self.standing, Some((ObjectState::Active, holds)) if holds.is_empty());
        // Who waits for a colleague to confirm the laptop looks at its screen.
        let length = if self.link.is_alive() && is_in_use {
            limits::POLL_LINKED
        } else {
            self.polling.every
        };
        self.polling.at = turn.later(length, 10);
    }

    pub(super) fn poll_heard(&mut self, reply: Reply, turn: &mut Turn<'_>) {
        let Some((_, nonce)) = self.polling.asked.take() else {
            return;
        };
        let heard = match reply {
            Reply::Status(status) => self.status_came(&status, &nonce, turn),
            Reply::Denial(denial) => self.believe(&denial, &nonce, turn).map(|denial| {
                let denial = denial.into_inner();
                tracing::warn!(refusal = %denial.refusal, "The poll was denied");
                self.orders_came(denial.orders, true, turn);
                if denial.verdict == Verdict::Stop {
                    self.stop_by(denial.refusal.code(), turn);
                }
            }),
            Reply::Weather(refusal) | Reply::NotAsked(refusal) => Err(refusal),
            Reply::Challenge(_) | Reply::Lease(_) | Reply::Recorded(_) => Ok(()),
        };
        if let Err(refusal) = heard {
            tracing::warn!(refusal.code = %refusal.code(), %refusal, "The poll was not answered");
            self.polling.later(turn.later(self.polling.every, 10));
        }
    }

    fn status_came(
        &mut self,
        status: &Jws<Status>,
        nonce: &Nonce,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        let status = self.believe(status, nonce, turn)?.into_inner();
        self.polling.every = within_limits(status.poll_every);
        if self.standing.as_ref().map(|(state, _)| *state) != Some(status.state) {
            tracing::info!(state = %status.state, holds = status.holds.len(), "How we stand");
        }
        self.standing = Some((status.state, status.holds));
        self.orders_came(status.orders, true, turn);
        let ours = self
            .trusted
            .as_ref()
            .map(|trusted| trusted.trust().bundle().version());
        if ours < Some(status.bundle) {
            self.fetching.hurry(turn.now);
        }
        Ok(())
    }
}
