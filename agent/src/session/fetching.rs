//! Fetching whom to believe: the newest trust bundle and keyd's keys, verified from the pinned root.

use wardkey_gate::boottime::Boottime;
use wardkey_schemas::Refusal;
use wardkey_schemas::bundle::{BundlePackage, ServiceKeys};

use super::{Action, Session, Ticket, Turn};
use crate::limits;
use crate::trust_file::Trusted;

/// When to fetch next, and whether it is under way.
#[derive(Debug, Default)]
pub(super) struct Fetching {
    at: Boottime,
    /// Not before this, however much somebody wishes: whoever sends us nonsense must not make us
    /// send requests.
    rest: Boottime,
    asked: Option<Ticket>,
}

impl Fetching {
    /// Fetch soon.
    pub(super) fn hurry(&mut self, now: Boottime) {
        self.at = self.at.min(now.max(self.rest));
    }
}

impl Session {
    pub(super) fn fetching_wakes_at(&self) -> Boottime {
        if self.fetching.asked.is_some() || self.laptop.is_none() {
            Boottime::NEVER
        } else {
            self.fetching.at
        }
    }

    pub(super) fn look_at_fetching(&mut self, turn: &mut Turn<'_>) {
        if turn.now < self.fetching_wakes_at() {
            return;
        }
        let ticket = self.ticket();
        self.fetching.asked = Some(ticket);
        self.fetching.rest = turn.later(limits::TRUST_PAUSE, 10);
        self.fetching.at = turn.later(limits::TRUST_EVERY, 10);
        turn.push(Action::FetchTrust { ticket });
    }

    pub(super) fn trust_fetched(
        &mut self,
        ticket: Ticket,
        fetched: Result<Box<(BundlePackage, ServiceKeys)>, Refusal>,
        turn: &mut Turn<'_>,
    ) {
        if self.fetching.asked.take_if(|own| *own == ticket).is_none() {
            return;
        }
        let verified = fetched.and_then(|fetched| {
            let (package, keys) = *fetched;
            Trusted::verify(package, keys, &self.root_pin, self.newest.as_ref())
        });
        match verified {
            Ok(trusted) => self.trust(trusted, turn),
            Err(refusal) => {
                tracing::warn!(refusal.code = %refusal.code(), %refusal, "Trust was not renewed");
                // Sooner where there is none at all.
                let pause = if self.trusted.is_none() {
                    limits::POLL_EVERY
                } else {
                    limits::TRUST_PAUSE
                };
                self.fetching.at = turn.later(pause, 10);
            }
        }
    }

    fn trust(&mut self, trusted: Trusted, turn: &mut Turn<'_>) {
        let before = self.trusted.as_ref().map(Trusted::kept);
        let is_new = before.is_none_or(|before| {
            before.newest.payload != trusted.kept().newest.payload
                || before.service_keys != trusted.kept().service_keys
        });
        self.newest = Some(trusted.kept().newest);
        self.past = self.past.max(Some(trusted.kept().newest.certainly_past));
        if is_new {
            let version = trusted.trust().bundle().version();
            tracing::info!(bundle.version = %version, "Trust was renewed");
            turn.push(Action::SaveTrust(Box::new(trusted.kept().clone())));
        }
        self.trusted = Some(trusted);
        if is_new || !self.gate.is_ready() {
            self.make_gate_trust(turn);
        }
    }
}
