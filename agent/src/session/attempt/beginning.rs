//! The beginning of an attempt: what is wanted, with which key, and its PIN.

use wardkey_schemas::challenge::RoomChoice;
use wardkey_schemas::ids::RoomId;
use wardkey_schemas::names::TokenSerial;
use wardkey_schemas::{Code, Refusal};
use wardkey_token::{Pin, TokenInfo};
use wardkey_verifier::certificate::Certificate;
use wardkey_verifier::person::VerifiedPerson;

use super::{Attempt, Goal, StaffKey, Stage, give_up};
use crate::control::protocol::{StepName, Word};
use crate::limits;
use crate::session::steps::Steps;
use crate::session::{Action, CallerId, KeyRead, PinNo, Session, Ticket, Turn};

impl Session {
    pub(in crate::session) fn activate(
        &mut self,
        caller: CallerId,
        room: Option<RoomId>,
        serial: Option<TokenSerial>,
        turn: &mut Turn<'_>,
    ) {
        let room = room.map_or(RoomChoice::New, |room| RoomChoice::Existing { room });
        self.begin_visit(caller, Goal::Visit(room), serial, turn);
    }

    pub(in crate::session) fn move_here(
        &mut self,
        caller: CallerId,
        serial: Option<TokenSerial>,
        turn: &mut Turn<'_>,
    ) {
        self.begin_visit(caller, Goal::MoveHere, serial, turn);
    }

    fn begin_visit(
        &mut self,
        caller: CallerId,
        goal: Goal,
        serial: Option<TokenSerial>,
        turn: &mut Turn<'_>,
    ) {
        let goal = match self.visit {
            Some(_) => Err(Refusal::new(
                Code::SessionLimit,
                "a visit that is running",
                "no running visit",
            )),
            None => self.require_unlatched().map(|()| goal),
        };
        self.begin(caller, goal, serial, turn);
    }

    pub(in crate::session) fn extend(
        &mut self,
        caller: CallerId,
        serial: Option<TokenSerial>,
        turn: &mut Turn<'_>,
    ) {
        let goal = self.visit.as_ref().map(|visit| Goal::MoreTime {
            session: visit.session,
            room: visit.room,
        });
        let goal = goal.ok_or_else(|| {
            Refusal::new(Code::StateOutOfTurn, "no running visit", "a running visit")
        });
        // A visit that was asked to finish gets no more time.
        let goal = goal.and_then(|goal| self.require_unlatched().map(|()| goal));
        let goal = goal.and_then(|goal| self.require_unchanged().map(|()| goal));
        self.begin(caller, goal, serial, turn);
    }

    fn begin(
        &mut self,
        caller: CallerId,
        goal: Result<Goal, Refusal>,
        serial: Option<TokenSerial>,
        turn: &mut Turn<'_>,
    ) {
        match goal.and_then(|goal| self.may_begin(serial).map(|token| (goal, token))) {
            Ok((goal, token)) => {
                let ticket = self.ticket();
                turn.push(Action::ReadKey {
                    ticket,
                    token: token.clone(),
                });
                self.attempt = Some(Attempt {
                    caller,
                    goal,
                    token,
                    staff: None,
                    pcrs: Vec::new(),
                    pin_until: None,
                    again_at: None,
                    unanswered: 0,
                    said_until: None,
                    stage: Stage::Reading { ticket },
                    steps: Steps::start(turn.now),
                });
            }
            Err(refusal) => turn.refuse(caller, refusal),
        }
    }

    fn may_begin(&self, serial: Option<TokenSerial>) -> Result<TokenInfo, Refusal> {
        if self.attempt.is_some() || self.leaving {
            let found = "a laptop that is busy with another command";
            return Err(Refusal::new(Code::StateOutOfTurn, found, "one that waits"));
        }
        self.standing_ground()?;
        self.gate.require_ready()?;
        self.keys.choose(serial)
    }

    /// Refuses more time for a visit that is to be finished because the laptop has changed.
    fn require_unchanged(&self) -> Result<(), Refusal> {
        let finish = self.visit.as_ref().and_then(|visit| visit.finish);
        finish.map_or(Ok(()), |code| {
            let found = "a visit that is to be finished";
            Err(Refusal::new(code, found, "a laptop that is as it was"))
        })
    }

    fn require_unlatched(&self) -> Result<(), Refusal> {
        if !self.gate.is_latched() {
            return Ok(());
        }
        if let Some(sealed) = self.gate.status().and_then(|status| status.sealed.clone()) {
            return Err(sealed);
        }
        let holds = self.gate.status().map_or(&[][..], |status| &status.holds);
        let mut classes: Vec<&str> = holds.iter().map(|hold| hold.class.as_str()).collect();
        classes.sort_unstable();
        classes.dedup();
        let found = format!("stopped: {}", classes.join(", "));
        Err(Refusal::new(
            Code::GateLatched,
            found,
            "no stop that stands",
        ))
    }

    pub(in crate::session) fn key_read(
        &mut self,
        ticket: Ticket,
        read: Result<KeyRead, Refusal>,
        turn: &mut Turn<'_>,
    ) {
        let Some(mut attempt) = self.attempt.take_if(|attempt| attempt.awaits(ticket)) else {
            return;
        };
        let judged = read.and_then(|read| {
            let staff = self.judge_key(&read)?;
            Ok((staff, read.tries_left))
        });
        match judged {
            Ok((staff, tries_left)) => {
                attempt.staff = Some(staff);
                attempt.steps.done(StepName::Token, turn.now);
                self.want_pin(attempt, tries_left, false, turn);
            }
            Err(refusal) => give_up(attempt, refusal, turn),
        }
    }

    /// What can be told of a key before its PIN is typed.
    fn judge_key(&self, read: &KeyRead) -> Result<StaffKey, Refusal> {
        let (laptop, trusted) = self.standing_ground()?;
        if read.pin_is_default {
            let wanted = "a PIN that its holder chose";
            return Err(Refusal::new(
                Code::PinIsDefault,
                "the factory's PIN",
                wanted,
            ));
        }
        if read.tries_left == 0 {
            return Err(Refusal::new(
                Code::PinBlocked,
                "no tries left",
                "a PIN with tries left",
            ));
        }
        let bundle = trusted.trust().bundle();
        let begins = Certificate::parse(&read.certificate)
            .map(|certificate| certificate.validity().not_before)
            .ok();
        // The laptop has no calendar; keyd, which has one, judges again.
        let now = self.past.max(begins).ok_or_else(|| {
            let wanted = "an X.509 certificate in slot 9c";
            Refusal::new(Code::CertificateMalformed, "something else", wanted)
        })?;
        let person = VerifiedPerson::verify(&read.certificate, bundle, now)?;
        person.verify_site(&laptop.site)?;
        person.verify_may_activate()?;
        Ok(StaffKey {
            certificate: read.certificate.as_slice().into(),
            sha256: person.certificate(),
            key: *person.key(),
        })
    }

    fn want_pin(&mut self, mut attempt: Attempt, tries_left: u8, wrong: bool, turn: &mut Turn<'_>) {
        let serial = attempt.token.serial;
        turn.tell(
            attempt.caller,
            Word::PinWanted {
                serial,
                tries_left,
                wrong,
            },
        );
        let until = turn.now.plus(limits::PIN_WAITS);
        attempt.pin_until = None;
        attempt.stage = Stage::Pin {
            until,
            tries_left,
            wrong,
        };
        self.attempt = Some(attempt);
    }

    pub(in crate::session) fn pin_typed(
        &mut self,
        caller: CallerId,
        pin: Pin,
        turn: &mut Turn<'_>,
    ) {
        let is_wanted = |attempt: &mut Attempt| {
            attempt.caller == caller && matches!(attempt.stage, Stage::Pin { .. })
        };
        let Some(mut attempt) = self.attempt.take_if(is_wanted) else {
            let refusal = Refusal::new(Code::StateOutOfTurn, "a PIN", "no PIN now");
            return turn.refuse(caller, refusal);
        };
        let ticket = self.ticket();
        attempt.steps.go_on(turn.now);
        attempt.pin_until = Some(turn.now.plus(limits::PIN_KEPT));
        attempt.stage = Stage::ShowingPin { ticket };
        turn.push(Action::ShowPin {
            ticket,
            token: attempt.token.clone(),
            pin,
        });
        self.attempt = Some(attempt);
    }

    pub(in crate::session) fn pin_shown(
        &mut self,
        ticket: Ticket,
        outcome: Result<(), PinNo>,
        turn: &mut Turn<'_>,
    ) {
        let Some(mut attempt) = self.attempt.take_if(|attempt| attempt.awaits(ticket)) else {
            // It was given up meanwhile; whatever was taken is let go.
            if self.attempt.is_none() {
                turn.push(Action::ReleaseKey);
            }
            return;
        };
        match outcome {
            Ok(()) => {
                attempt.steps.done(StepName::Pin, turn.now);
                turn.tell(attempt.caller, Word::Checking {});
                self.next_round(attempt, turn);
            }
            Err(PinNo::Wrong { tries_left: 0 }) => {
                let refusal = Refusal::new(Code::PinBlocked, "no tries left", "the right PIN");
                give_up(attempt, refusal, turn);
            }
            Err(PinNo::Wrong { tries_left }) => self.want_pin(attempt, tries_left, true, turn),
            Err(PinNo::No(refusal)) => give_up(attempt, refusal, turn),
        }
    }
}
