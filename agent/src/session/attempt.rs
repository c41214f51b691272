//! From the security key to the open gate (`docs/walkthroughs/activation.md`): one attempt at a time.
//!
//! ```text
//! Reading ► Pin ► ShowingPin ► Nonce ► Challenge ► Quote ► Touch ► Request ► Opening
//!            ▲────────┘ wrong    ▲─────────────────────────┘ not touched in time
//! ```
//!
//! An attempt that is given up before the staff member has signed leaves nothing behind. One that is
//! given up later may have begun a visit at keyd: it becomes an [`Orphan`], whose end is told.

mod beginning;
mod evidence;
mod opening;

use wardkey_gate::boottime::Boottime;
use wardkey_schemas::bytes::{Bytes, Nonce, Sha256};
use wardkey_schemas::challenge::{Challenge, Purpose, RoomChoice};
use wardkey_schemas::evidence::Quote;
use wardkey_schemas::ids::{RoomId, SessionId};
use wardkey_schemas::jws::Jws;
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::lease::Lease;
use wardkey_schemas::session::EndReason;
use wardkey_schemas::{Code, Refusal};
use wardkey_token::TokenInfo;

pub(super) use self::opening::Orphan;
use super::steps::Steps;
use super::{Action, CallerId, Session, Ticket, Turn};
use crate::control::protocol::State;

/// What the staff member wants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Goal {
    /// A new visit.
    Visit(RoomChoice),
    /// The visit of this key, from the laptop where it runs to this one.
    MoveHere,
    /// More time for the running one.
    MoreTime { session: SessionId, room: RoomId },
}

impl Goal {
    const fn purpose(self) -> Purpose {
        match self {
            Self::Visit(_) => Purpose::Activate,
            Self::MoveHere => Purpose::Move,
            Self::MoreTime { session, .. } => Purpose::Extend { session },
        }
    }

    const fn room(self) -> RoomChoice {
        match self {
            Self::Visit(room) => room,
            Self::MoveHere => RoomChoice::New,
            Self::MoreTime { room, .. } => RoomChoice::Existing { room },
        }
    }

    /// Whether it is to begin a visit on this laptop.
    const fn begins(self) -> bool {
        matches!(self, Self::Visit(_) | Self::MoveHere)
    }
}

/// The staff member's key, as its certificate says.
#[derive(Clone, Debug)]
struct StaffKey {
    certificate: Bytes,
    sha256: Sha256,
    key: PublicKey,
}

/// How far it has come.
#[derive(Debug)]
enum Stage {
    /// The key is being read.
    Reading { ticket: Ticket },
    /// Somebody is to type the PIN.
    Pin {
        until: Boottime,
        tries_left: u8,
        wrong: bool,
    },
    /// The PIN is being shown to the key.
    ShowingPin { ticket: Ticket },
    /// The gate makes a nonce.
    Nonce { ticket: Ticket },
    /// keyd makes a challenge.
    Challenge { ticket: Ticket, gate_nonce: Nonce },
    /// The TPM quotes.
    Quote {
        ticket: Ticket,
        challenge: Box<Challenge>,
    },
    /// The key signs, once it is touched.
    Touch {
        ticket: Ticket,
        challenge: Box<Challenge>,
        quote: Box<Quote>,
        waiting: bool,
    },
    /// Everything is signed; a renewal is under way and goes first, or no answer came and it is said
    /// again soon.
    Held { signed: Box<opening::Signed> },
    /// keyd judges.
    Request {
        ticket: Ticket,
        gate_nonce: Nonce,
        challenge_nonce: Nonce,
        activation: Jws<wardkey_schemas::activation::Activation>,
        room: RoomId,
        signed: Box<opening::Signed>,
    },
    /// The gate opens.
    Opening { ticket: Ticket, lease: Box<Lease> },
}

/// One attempt.
#[derive(Debug)]
pub(super) struct Attempt {
    caller: CallerId,
    goal: Goal,
    token: TokenInfo,
    staff: Option<StaffKey>,
    /// The registers that keyd wanted quoted, once it said so.
    pcrs: Vec<u8>,
    /// Until when the PIN may stay in memory, once it was typed.
    pin_until: Option<Boottime>,
    /// When to say again what was signed.
    again_at: Option<Boottime>,
    /// How often that was said without an answer, and until when it is.
    unanswered: u32,
    said_until: Option<Boottime>,
    stage: Stage,
    steps: Steps,
}

impl Attempt {
    /// Whether it waits for what this ticket brings.
    pub(super) fn awaits(&self, ticket: Ticket) -> bool {
        match &self.stage {
            Stage::Pin { .. } | Stage::Held { .. } => false,
            Stage::Reading { ticket: own }
            | Stage::ShowingPin { ticket: own }
            | Stage::Nonce { ticket: own }
            | Stage::Challenge { ticket: own, .. }
            | Stage::Quote { ticket: own, .. }
            | Stage::Touch { ticket: own, .. }
            | Stage::Request { ticket: own, .. }
            | Stage::Opening { ticket: own, .. } => *own == ticket,
        }
    }

    /// Whether the staff member has signed, so that keyd may know of a visit.
    const fn is_signed(&self) -> bool {
        matches!(
            self.stage,
            Stage::Held { .. } | Stage::Request { .. } | Stage::Opening { .. }
        )
    }

    /// Whether it is to give the running visit more time.
    pub(super) const fn gives_more_time(&self) -> bool {
        matches!(self.goal, Goal::MoreTime { .. })
    }

    /// Whether a lease for more time is being asked for or taken: no renewal may begin now, since
    /// both would continue the same lease.
    pub(super) const fn extends_now(&self) -> bool {
        matches!(self.goal, Goal::MoreTime { .. }) && self.is_signed()
    }

    /// When to look at it again.
    pub(super) fn wakes_at(&self) -> Boottime {
        match self.stage {
            Stage::Pin { until, .. } => until,
            Stage::Held { .. } => self.again_at.unwrap_or(Boottime::NEVER),
            Stage::Request { .. } | Stage::Opening { .. } => Boottime::NEVER,
            Stage::Reading { .. }
            | Stage::ShowingPin { .. }
            | Stage::Nonce { .. }
            | Stage::Challenge { .. }
            | Stage::Quote { .. }
            | Stage::Touch { .. } => self.pin_until.unwrap_or(Boottime::NEVER),
        }
    }

    /// Where the laptop stands with it; `None` where the running visit says more.
    pub(super) const fn state(&self) -> State {
        match self.stage {
            Stage::Reading { .. } => State::KeyIn,
            Stage::Pin { .. } => State::Pin,
            Stage::Touch { waiting: true, .. } => State::Touch,
            Stage::ShowingPin { .. }
            | Stage::Nonce { .. }
            | Stage::Challenge { .. }
            | Stage::Quote { .. }
            | Stage::Touch { .. }
            | Stage::Held { .. }
            | Stage::Request { .. }
            | Stage::Opening { .. } => State::Checking,
        }
    }

    /// Whether the last PIN was wrong, and the tries left.
    pub(super) const fn pin(&self) -> Option<(u8, bool)> {
        if let Stage::Pin {
            tries_left, wrong, ..
        } = self.stage
        {
            Some((tries_left, wrong))
        } else {
            None
        }
    }

    /// The nonce of the question that keyd was asked last.
    fn nonce_of_question(&self) -> Option<Nonce> {
        match &self.stage {
            Stage::Challenge { gate_nonce, .. } => Some(*gate_nonce),
            Stage::Request {
                challenge_nonce, ..
            } => Some(*challenge_nonce),
            Stage::Reading { .. }
            | Stage::Pin { .. }
            | Stage::ShowingPin { .. }
            | Stage::Nonce { .. }
            | Stage::Quote { .. }
            | Stage::Touch { .. }
            | Stage::Held { .. }
            | Stage::Opening { .. } => None,
        }
    }
}

/// Gives up an attempt that has left nothing behind.
fn give_up(attempt: Attempt, refusal: Refusal, turn: &mut Turn<'_>) {
    turn.push(Action::ReleaseKey);
    turn.refuse(attempt.caller, refusal);
}

impl Session {
    /// Gives up an attempt, wherever it is. If it may have begun a visit, that visit has ended with
    /// `reason`.
    pub(super) fn abandon(
        &mut self,
        attempt: Attempt,
        refusal: Refusal,
        reason: EndReason,
        turn: &mut Turn<'_>,
    ) {
        if attempt.goal.begins() {
            let orphan = Orphan::of(&attempt, reason);
            self.remember_orphan(orphan);
        }
        give_up(attempt, refusal, turn);
    }

    pub(super) fn caller_left(&mut self, caller: CallerId, turn: &mut Turn<'_>) {
        // What the staff member has signed goes on; nobody need watch.
        let is_idle = |attempt: &mut Attempt| attempt.caller == caller && !attempt.is_signed();
        if self.attempt.take_if(is_idle).is_some() {
            tracing::info!("The program that asked has gone");
            turn.push(Action::ReleaseKey);
        }
        if let Some(visit) = &mut self.visit {
            visit.forget_caller(caller);
        }
    }

    pub(super) fn key_out(&mut self, reader: &str, turn: &mut Turn<'_>) {
        let Some(token) = self.keys.remove(reader) else {
            return;
        };
        let is_lost = |attempt: &mut Attempt| {
            let more_time = matches!(attempt.goal, Goal::MoreTime { .. });
            // What was signed to give more time is good without the key.
            attempt.token.serial == token.serial && !(more_time && attempt.is_signed())
        };
        if let Some(attempt) = self.attempt.take_if(is_lost) {
            let refusal = Refusal::new(
                Code::TokenRemoved,
                format!("security key {} was taken out", token.serial),
                "a security key that stays in until the room is open",
            );
            self.abandon(attempt, refusal, EndReason::KeyRemoved, turn);
        }
        if let Some(visit) = &mut self.visit {
            visit.key_out(token.serial);
        }
        self.tell_gate_of_key(turn);
    }

    pub(super) fn look_at_attempt(&mut self, turn: &mut Turn<'_>) {
        self.go_on_if_held(turn);
        let is_late = |attempt: &mut Attempt| attempt.wakes_at() <= turn.now;
        if let Some(attempt) = self.attempt.take_if(is_late) {
            let refusal = if attempt.steps.timing().late_touches > 0 {
                Refusal::new(Code::TouchTimeout, "no touch", "a touch in time")
            } else {
                let wanted = "PIN and touch within about two minutes";
                Refusal::new(Code::NonceExpired, "nothing in time", wanted)
            };
            give_up(attempt, refusal, turn);
        }
    }
}
