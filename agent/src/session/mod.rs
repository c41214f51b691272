//! What the laptop does: one state machine that knows no clock, no socket and no randomness.
//!
//! [`Session::step`] is told what happened ([`Input`]) and answers what is to be done ([`Action`]).
//! The states:
//!
//! ```text
//! LOCKED ─key in─► KEY IN ─activate─► PIN ─► TOUCH ─► CHECKING ─gate open─► IN ROOM
//!                                                                            │ key out
//!            STAFF CONTROL ◄─key in, PIN, touch─ WITH PATIENT ◄──────────────┘
//! any with an open room ─stop, end of time, end by staff─► ENDING ─10 s─► LOCKED | STOPPED
//! ```
//!
//! # Invariants
//!
//! - The gate is asked to open by one action in one place (`attempt`), which needs a lease that is
//!   [believed](crate::answers::Believed) in answer to this attempt, and the staff member's
//!   signature that the lease names.
//! - The gate is asked to close for five reasons and no other: a *stop* that keyd signed, a command
//!   of a person, a security key that was out before the room was open, a TPM that was reset, the
//!   end of this program.
//! - What is not signed changes nothing but when the question is asked again. A renewal that was not
//!   answered is said again in the same bytes; a signed *not now* brings a new nonce.
//! - Whatever comes twice, late, or with a ticket that nobody waits for, changes nothing.
//!
//! # Where to start
//!
//! [`Session::step`] is the table of what can happen. `attempt` goes from the key to the open
//! gate, `visit` keeps it open, `orders` closes it.

mod action;
mod attempt;
mod certificates;
mod fetching;
mod gate;
mod input;
mod keys;
mod link;
mod orders;
mod polling;
mod renewal;
mod sending;
mod steps;
mod view;
mod visit;

use wardkey_gate::boottime::Boottime;
use wardkey_gate::protocol::Request as GateRequest;
use wardkey_gate::store::NewestBundle;
use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::order::Hold;
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};
use wardkey_token::TokenEvent;

pub use self::action::{
    Action, ActivationDraft, ChallengeDraft, ProofWanted, Question, RenewalDraft,
};
use self::attempt::{Attempt, Orphan};
use self::certificates::Certificates;
use self::fetching::Fetching;
use self::gate::{GateQuestion, GateSide};
pub use self::input::{CallerId, Command, Input, KeyRead, PinNo, Reply, SignatureNo, Ticket};
use self::keys::Keys;
use self::link::LinkSide;
use self::polling::Polling;
use self::sending::Sending;
use self::visit::{Banner, Visit};
use crate::boot::BootId;
use crate::control::protocol::{Line, Timing, Word};
use crate::laptop::Laptop;
use crate::outbox::Outbox;
use crate::random::Draws;
use crate::trust_file::Trusted;

/// What the state folder held when the program started.
#[derive(Clone, Debug)]
pub struct Memory {
    /// The hash of the root.
    pub root_pin: Sha256,
    /// The laptop, once it is enrolled.
    pub laptop: Option<Laptop>,
    /// Whom to believe, verified.
    pub trusted: Option<Trusted>,
    /// The newest bundle that was ever believed.
    pub newest: Option<NewestBundle>,
    /// What keyd must be told.
    pub outbox: Outbox,
    /// Which boot this is.
    pub boot: BootId,
}

/// The state machine.
#[derive(Debug)]
pub struct Session {
    root_pin: Sha256,
    boot: BootId,
    laptop: Option<Laptop>,
    trusted: Option<Trusted>,
    newest: Option<NewestBundle>,
    /// A moment that is certainly past on keyd's clock: the latest that it has signed.
    past: Option<Timestamp>,
    keys: Keys,
    gate: GateSide,
    attempt: Option<Attempt>,
    orphans: Vec<Orphan>,
    visit: Option<Visit>,
    banner: Option<Banner>,
    /// The newest line for staff, and when it came.
    line: Option<(Line, Boottime)>,
    /// The laptop's state and holds, by keyd's last word.
    standing: Option<(ObjectState, Vec<Hold>)>,
    link: LinkSide,
    polling: Polling,
    fetching: Fetching,
    certificates: Certificates,
    outbox: Outbox,
    sending: Sending,
    timing: Option<Timing>,
    /// What is wrong with the TPM, if something is.
    chip_trouble: Option<Refusal>,
    clock_read_at: Boottime,
    leaving: bool,
    tickets: u64,
}

/// One step under way: its time, its randomness, and what is to be done.
struct Turn<'a> {
    now: Boottime,
    draws: &'a mut Draws,
    actions: Vec<Action>,
}

impl Turn<'_> {
    fn push(&mut self, action: Action) {
        self.actions.push(action);
    }

    fn tell(&mut self, caller: CallerId, word: Word) {
        self.push(Action::Tell { caller, word });
    }

    fn refuse(&mut self, caller: CallerId, refusal: Refusal) {
        tracing::info!(refusal.code = %refusal.code(), %refusal, "Refused");
        self.tell(caller, Word::Refused(refusal));
    }

    /// `length` milliseconds from now, give or take `percent`.
    fn later(&mut self, length: u64, percent: u32) -> Boottime {
        let length = self.draws.jittered(length, percent);
        Boottime::from_millis(self.now.millis().saturating_add(length))
    }

    /// The pause before try number `tries` is repeated: a second, then twice as long each time, at
    /// most `most`, give or take a quarter.
    fn pause(&mut self, tries: u32, most: u64) -> Boottime {
        let doubled = 1_000_u64.checked_shl(tries.min(32)).unwrap_or(most);
        self.later(doubled.min(most), 25)
    }
}

impl Session {
    /// A session that goes on from what was remembered; with its first actions.
    pub fn start(memory: Memory, now: Boottime, draws: &mut Draws) -> (Self, Vec<Action>) {
        let past = memory.newest.map(|newest| newest.certainly_past);
        let certificates = Certificates::of(memory.laptop.as_ref());
        let mut session = Self {
            root_pin: memory.root_pin,
            boot: memory.boot,
            laptop: memory.laptop,
            trusted: memory.trusted,
            newest: memory.newest,
            past,
            keys: Keys::default(),
            gate: GateSide::default(),
            attempt: None,
            orphans: Vec::new(),
            visit: None,
            banner: None,
            line: None,
            standing: None,
            link: LinkSide::default(),
            polling: Polling::default(),
            fetching: Fetching::default(),
            certificates,
            outbox: memory.outbox,
            sending: Sending::default(),
            timing: None,
            chip_trouble: None,
            clock_read_at: now,
            leaving: false,
            tickets: 0,
        };
        let mut turn = Turn {
            now,
            draws,
            actions: Vec::new(),
        };
        session.take_over(&mut turn);
        session.look(&mut turn);
        (session, turn.actions)
    }

    /// A visit that a run before left open has ended with that run.
    fn take_over(&mut self, turn: &mut Turn<'_>) {
        let Some(laptop) = &self.laptop else {
            return;
        };
        if self
            .outbox
            .take_over(turn.now, &self.boot, laptop.generation)
        {
            turn.push(Action::SaveOutbox(self.outbox.clone()));
        }
    }

    /// Takes in what happened at `now`; says what is to be done.
    pub fn step(&mut self, input: Input, now: Boottime, draws: &mut Draws) -> Vec<Action> {
        let mut turn = Turn {
            now,
            draws,
            actions: Vec::new(),
        };
        self.take_in(input, &mut turn);
        self.look(&mut turn);
        turn.actions
    }

    fn take_in(&mut self, input: Input, turn: &mut Turn<'_>) {
        match input {
            Input::Token(TokenEvent::Inserted(token)) => {
                self.keys.insert(token);
                self.tell_gate_of_key(turn);
            }
            Input::Token(TokenEvent::Removed { reader }) => self.key_out(&reader, turn),
            Input::Asked { caller, command } => self.asked(caller, command, turn),
            Input::CallerLeft(caller) => self.caller_left(caller, turn),
            Input::KeyRead { ticket, read } => self.key_read(ticket, read, turn),
            Input::PinShown { ticket, outcome } => self.pin_shown(ticket, outcome, turn),
            Input::TouchWanted { ticket } => self.touch_wanted(ticket, turn),
            Input::Signed { ticket, outcome } => self.signed(ticket, outcome, turn),
            Input::Quoted { ticket, quote } => self.quoted(ticket, quote, turn),
            Input::RenewalMade { ticket, made } => self.renewal_made(ticket, made, turn),
            Input::Heard { ticket, reply } => self.heard(ticket, reply, turn),
            Input::GateUp => self.gate_up(turn),
            Input::GateLost => self.gate_lost(turn),
            Input::GateSaid { ticket, answer } => self.gate_said(ticket, answer, turn),
            Input::GateTold(event) => self.gate_told(event, turn),
            Input::ClockRead(clock) => self.clock_read(clock, turn),
            Input::LinkFrame { ticket, frame } => self.link_frame(ticket, frame, turn),
            Input::LinkLost { ticket } => self.link_lost(ticket, turn),
            Input::TrustFetched { ticket, fetched } => self.trust_fetched(ticket, fetched, turn),
            Input::CertificatesRenewed { ticket, renewed } => {
                self.certificates_came(ticket, renewed, turn);
            }
            Input::Enrolled(laptop) => self.enrolled(*laptop, turn),
            Input::Leave => self.leave(turn),
            // Each key that was in has been reported gone before the service was reported lost.
            Input::Time | Input::Token(TokenEvent::ServiceLost) => {}
        }
    }

    fn asked(&mut self, caller: CallerId, command: Command, turn: &mut Turn<'_>) {
        match command {
            Command::Activate { room, serial } => self.activate(caller, room, serial, turn),
            Command::MoveHere { serial } => self.move_here(caller, serial, turn),
            Command::Extend { serial } => self.extend(caller, serial, turn),
            Command::Pin(pin) => self.pin_typed(caller, pin, turn),
            Command::End => self.end(caller, turn),
            Command::Renew => self.renew_now(caller, turn),
        }
    }

    /// One reply has one taker, by the ticket of its question.
    fn heard(&mut self, ticket: Ticket, reply: Reply, turn: &mut Turn<'_>) {
        if self
            .attempt
            .as_ref()
            .is_some_and(|attempt| attempt.awaits(ticket))
        {
            self.attempt_heard(ticket, reply, turn);
        } else if self
            .visit
            .as_ref()
            .is_some_and(|visit| visit.renewal.awaits(ticket))
        {
            self.renewal_heard(reply, turn);
        } else if self.polling.awaits(ticket) {
            self.poll_heard(reply, turn);
        } else if self.sending.awaits(ticket) {
            self.sending_heard(reply, turn);
        } else {
            self.orphan_heard(ticket, &reply, turn);
        }
    }

    /// Does what has become due.
    fn look(&mut self, turn: &mut Turn<'_>) {
        self.look_at_gate(turn);
        self.look_at_attempt(turn);
        self.look_at_visit(turn);
        self.look_at_link(turn);
        self.look_at_polling(turn);
        self.look_at_fetching(turn);
        self.look_at_certificates(turn);
        self.look_at_sending(turn);
        if self.leaving && self.visit.is_none() {
            turn.push(Action::Leave);
        }
    }

    /// When [`Input::Time`] is wanted if nothing else happens before.
    pub fn wakes_at(&self) -> Boottime {
        [
            self.gate.wakes_at(),
            self.attempt
                .as_ref()
                .map_or(Boottime::NEVER, Attempt::wakes_at),
            self.visit_wakes_at(),
            self.link_wakes_at(),
            self.polling_wakes_at(),
            self.fetching_wakes_at(),
            self.certificates_wake_at(),
            self.sending_wakes_at(),
            self.banner
                .as_ref()
                .map_or(Boottime::NEVER, |banner| banner.until),
        ]
        .into_iter()
        .min()
        .unwrap_or(Boottime::NEVER)
    }

    /// A moment that is certainly past on keyd's clock: the latest that it has signed.
    pub const fn certainly_past(&self) -> Option<Timestamp> {
        self.past
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets = self.tickets.saturating_add(1);
        Ticket(self.tickets)
    }

    /// Asks keyd something that the device key signs.
    fn ask(&mut self, question: Question, turn: &mut Turn<'_>) -> Ticket {
        let ticket = self.ticket();
        turn.push(Action::Ask { ticket, question });
        ticket
    }

    /// Asks the gate.
    fn ask_gate(
        &mut self,
        question: GateQuestion,
        request: GateRequest,
        turn: &mut Turn<'_>,
    ) -> Ticket {
        let ticket = self.ticket();
        self.gate.note(ticket, question);
        let request = Box::new(request);
        turn.push(Action::Gate { ticket, request });
        ticket
    }

    /// Who we are and whom we believe.
    fn standing_ground(&self) -> Result<(&Laptop, &Trusted), Refusal> {
        let laptop = self
            .laptop
            .as_ref()
            .ok_or_else(|| Refusal::new(Code::NotEnrolled, "no enrolment", "an enrolled laptop"))?;
        let trusted = self.trusted.as_ref().ok_or_else(|| {
            let wanted = "the trust bundle, fetched from the key service once";
            Refusal::new(Code::ServiceUnreachable, "no trust bundle yet", wanted)
        })?;
        Ok((laptop, trusted))
    }

    /// Believes an answer, or says why not. A key that is not known may be new: whom to believe is
    /// fetched again.
    fn believe<T: crate::answers::Answer>(
        &mut self,
        answer: &wardkey_schemas::jws::Jws<T>,
        nonce: &Nonce,
        turn: &Turn<'_>,
    ) -> Result<crate::answers::Believed<T>, Refusal> {
        let believed = self.standing_ground().and_then(|(laptop, trusted)| {
            crate::answers::Believed::verify(answer, trusted.trust(), laptop, nonce)
        });
        match &believed {
            Ok(answer) => self.past = self.past.max(Some(answer.get().server_time())),
            Err(refusal) => {
                tracing::warn!(refusal.code = %refusal.code(), %refusal, "An answer is not believed");
                self.fetching.hurry(turn.now);
            }
        }
        believed
    }

    /// The laptop was enrolled, or enrolled again.
    fn enrolled(&mut self, laptop: Laptop, turn: &mut Turn<'_>) {
        if self.laptop.as_ref() == Some(&laptop) {
            return;
        }
        tracing::info!(device.id = %laptop.device, generation = %laptop.generation, "Enrolled");
        self.certificates = Certificates::of(Some(&laptop));
        self.laptop = Some(laptop);
        self.standing = None;
        self.take_over(turn);
        self.hang_up(turn);
        self.polling.hurry(turn.now);
        self.fetching.hurry(turn.now);
        self.ask_gate_status(turn);
    }

    /// The program ends: what is open is closed, and told as that.
    fn leave(&mut self, turn: &mut Turn<'_>) {
        self.leaving = true;
        if let Some(attempt) = self.attempt.take() {
            let found = "the end of the agent";
            let refusal = Refusal::new(Code::StateOutOfTurn, found, "a running agent");
            self.abandon(
                attempt,
                refusal,
                wardkey_schemas::session::EndReason::Shutdown,
                turn,
            );
        }
        self.close(wardkey_schemas::session::EndReason::Shutdown, turn);
    }
}
