//! How things stand, for people and for programs.

use jiff::tz::TimeZone;
use wardkey_gate::boottime::Boottime;
use wardkey_schemas::order::{Hold, HoldClass};
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::{Code, Refusal};

use super::{Attempt, Session, Visit};
use crate::control::protocol::{KeyStatus, LaptopStatus, State, Status, VisitStatus};
use crate::words::{Situation, words};
use wardkey_schemas::renewal::VisitState;

impl Session {
    /// How things stand at `now`, with times for people in `zone`.
    pub fn view(&self, now: Boottime, zone: &TimeZone) -> Status {
        let (state, reason) = self.state();
        let visit = self
            .visit
            .as_ref()
            .map(|visit| self.visit_status(visit, now));
        let situation = Situation {
            state,
            reason: reason.as_ref(),
            visit: visit.as_ref(),
            closes_at: self
                .visit
                .as_ref()
                .map(|visit| visit.shown(visit.opened.closes_at)),
            ended: self.banner.map(|banner| (banner.reason, banner.at)),
            pin: self.attempt.as_ref().and_then(Attempt::pin),
        };
        let (heading, body) = words(&situation, zone);
        let gate = self.gate.status();
        Status {
            state,
            heading,
            body,
            reason,
            line: self.line_at(now),
            laptop: self.laptop.as_ref().map(|laptop| LaptopStatus {
                device: laptop.device,
                asset: laptop.asset.clone(),
                site: laptop.site.clone(),
                generation: laptop.generation,
                state: self.standing.as_ref().map(|(state, _)| *state),
            }),
            visit,
            keys: self.keys.all().iter().map(key_status).collect(),
            gate: self.gate.is_ready(),
            latched: self.gate.is_latched(),
            holds: gate.map(|status| status.holds.clone()).unwrap_or_default(),
            awake: gate.map(|status| status.awake),
            last_order: self.gate.last_order(),
            linked: self.link.is_alive(),
            bundle: self
                .trusted
                .as_ref()
                .map(|trusted| trusted.trust().bundle().version()),
            outbox: self.outbox.len(),
            last_activation: self.timing.clone(),
        }
    }

    fn visit_status(&self, visit: &Visit, now: Boottime) -> VisitStatus {
        VisitStatus {
            session: visit.session,
            room: visit.room,
            presence: visit.presence,
            staff_key: visit.staff_key,
            seq: visit.seq,
            closes_in_ms: visit.opened.closes_at.millis_since(now),
            hard_end_in_ms: visit.opened.hard_end.millis_since(now),
            hard_end: visit.hard_end(),
            service_reachable: visit.reachable,
            ends_soon: visit.ends_soon,
            finishing: self.gate.is_latched() || visit.finish.is_some(),
            finish: visit.finish,
            dark: visit.opened.dark,
            key: visit.opened.presence,
            key_wanted_in_ms: visit
                .opened
                .key_wanted_by
                .map(|wanted| wanted.millis_since(now)),
        }
    }

    /// Where the laptop stands, and why, where something is wrong.
    fn state(&self) -> (State, Option<Refusal>) {
        if self.laptop.is_none() {
            let wanted = "an enrolled laptop";
            let refusal = Refusal::new(Code::NotEnrolled, "no enrolment", wanted);
            return (State::NotEnrolled, Some(refusal));
        }
        if let Some(visit) = &self.visit {
            return (self.state_of_visit(visit), None);
        }
        if self.banner.is_some() {
            return (State::Ending, None);
        }
        if let Some(attempt) = &self.attempt {
            return (attempt.state(), None);
        }
        if let Some(refusal) = self.why_stopped() {
            return (State::Stopped, Some(refusal));
        }
        if let Some(refusal) = self.why_attention() {
            return (State::Attention, Some(refusal));
        }
        let state = if self.keys.all().is_empty() {
            State::Locked
        } else {
            State::KeyIn
        };
        (state, None)
    }

    fn state_of_visit(&self, visit: &Visit) -> State {
        if visit.is_closing() {
            return State::Ending;
        }
        if let Some(attempt) = &self.attempt {
            return attempt.state();
        }
        if self.gate.is_latched() || visit.finish.is_some() {
            return State::Ending;
        }
        match visit.presence {
            VisitState::InRoom => State::InRoom,
            VisitState::WithPatient => State::WithPatient,
            VisitState::StaffControl => State::StaffControl,
        }
    }

    /// What keeps the laptop closed until people lift it.
    fn why_stopped(&self) -> Option<Refusal> {
        let status = self.gate.status();
        if let Some(sealed) = status.and_then(|status| status.sealed.as_ref()) {
            return Some(sealed.clone());
        }
        let in_gate = status.map_or(&[][..], |status| &status.holds);
        let at_keyd = self.standing.as_ref().map_or(&[][..], |(_, holds)| holds);
        let holds: Vec<&Hold> = in_gate.iter().chain(at_keyd).collect();
        if !holds.is_empty() {
            return Some(held(&holds));
        }
        let code = match self.standing.as_ref().map(|(state, _)| *state)? {
            ObjectState::Revoked => Code::DeviceRevoked,
            ObjectState::Quarantine => Code::DeviceQuarantined,
            ObjectState::Announced | ObjectState::Pending | ObjectState::Active => return None,
        };
        let found = self.standing.as_ref().map(|(state, _)| state.to_string());
        Some(Refusal::new(
            code,
            found.unwrap_or_default(),
            "a laptop in use",
        ))
    }

    /// What does not work, so that nothing can be opened now.
    fn why_attention(&self) -> Option<Refusal> {
        if let Err(refusal) = self.standing_ground() {
            return Some(refusal);
        }
        if let Some(trouble) = self.gate.trouble() {
            return Some(trouble.clone());
        }
        if let Err(refusal) = self.gate.require_ready() {
            return Some(refusal);
        }
        if let Some(trouble) = &self.chip_trouble {
            return Some(trouble.clone());
        }
        match self.standing.as_ref().map(|(state, _)| *state) {
            Some(state @ (ObjectState::Announced | ObjectState::Pending)) => {
                let wanted = "a laptop that was confirmed on another screen";
                Some(Refusal::new(Code::DevicePending, state, wanted))
            }
            Some(ObjectState::Active | ObjectState::Quarantine | ObjectState::Revoked) | None => {
                None
            }
        }
    }
}

fn held(holds: &[&Hold]) -> Refusal {
    let mut classes: Vec<&str> = holds.iter().map(|hold| hold.class.as_str()).collect();
    classes.sort_unstable();
    classes.dedup();
    let is_gone = |hold: &&&Hold| matches!(hold.class, HoldClass::Lost | HoldClass::Stolen);
    let code = if holds.iter().any(|hold| is_gone(&hold)) {
        Code::DeviceLost
    } else {
        Code::DeviceSuspended
    };
    let found = format!("stopped: {}", classes.join(", "));
    Refusal::new(code, found, "a laptop that nobody has stopped")
}

fn key_status(token: &wardkey_token::TokenInfo) -> KeyStatus {
    KeyStatus {
        serial: token.serial,
        firmware: token.firmware,
        reader: token.reader.clone(),
    }
}
