//! The end of an attempt: the request, the lease, the gate. Nowhere else is the gate asked to open.

use wardkey_gate::boottime::Boottime;
use wardkey_gate::protocol::{Answer, Opened, Request as GateRequest};
use wardkey_schemas::activation::Activation;
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::challenge::Challenge;
use wardkey_schemas::evidence::Quote;
use wardkey_schemas::ids::SessionId;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::lease::Lease;
use wardkey_schemas::session::EndReason;
use wardkey_schemas::{Code, Refusal};

use super::{Attempt, Goal, Stage, give_up};
use crate::control::protocol::{StepName, Word};
use crate::limits;
use crate::outbox::{Fact, Item};
use crate::session::gate::{GateQuestion, refusal_of};
use crate::session::visit::Visit;
use crate::session::{Action, ActivationDraft, Question, Reply, Session, Ticket, Turn};

/// Everything that keyd judges.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) challenge: Box<Challenge>,
    pub(super) quote: Box<Quote>,
    pub(super) activation: Jws<Activation>,
}

/// What an attempt left behind that was given up after the staff member had signed.
#[derive(Clone, Debug)]
pub(in crate::session) struct Orphan {
    ticket: Ticket,
    reason: EndReason,
    left: Left,
}

#[derive(Clone, Debug)]
enum Left {
    /// A request: if a lease comes for it, keyd has begun a visit.
    Request(Nonce),
    /// A gate that is opening: if it opens, it is closed.
    Opening(SessionId),
}

/// Orphans that are remembered. Each takes a touch, and its reply comes or its connection ends
/// within half a minute.
const ORPHANS: usize = 4;

impl Orphan {
    /// What this attempt leaves, if anything.
    pub(super) fn of(attempt: &Attempt, reason: EndReason) -> Option<Self> {
        let (ticket, left) = match &attempt.stage {
            Stage::Request {
                ticket, gate_nonce, ..
            } => (*ticket, Left::Request(*gate_nonce)),
            Stage::Opening { ticket, lease } => (*ticket, Left::Opening(lease.session)),
            Stage::Reading { .. }
            | Stage::Pin { .. }
            | Stage::ShowingPin { .. }
            | Stage::Nonce { .. }
            | Stage::Challenge { .. }
            | Stage::Quote { .. }
            | Stage::Touch { .. }
            | Stage::Held { .. } => return None,
        };
        Some(Self {
            ticket,
            reason,
            left,
        })
    }
}

impl Session {
    /// Sends the request, once no renewal is under way: both would continue the same lease.
    pub(super) fn go_on_if_held(&mut self, turn: &mut Turn<'_>) {
        let is_free = self
            .visit
            .as_ref()
            .is_none_or(|visit| visit.renewal.is_idle());
        if let Some(attempt) = &mut self.attempt {
            attempt.again_at.take_if(|at| *at <= turn.now);
        }
        let is_held = |attempt: &mut Attempt| {
            let is_due = is_free && attempt.again_at.is_none();
            is_due && matches!(attempt.stage, Stage::Held { .. })
        };
        let Some(mut attempt) = self.attempt.take_if(is_held) else {
            return;
        };
        let Stage::Held { signed } = attempt.stage else {
            return;
        };
        let challenge = &signed.challenge;
        let draft = ActivationDraft {
            challenge: challenge.challenge,
            nonce: challenge.nonce,
            activation: signed.activation.clone(),
            quote: (*signed.quote).clone(),
            with_event_log: challenge.event_log_wanted,
        };
        let ticket = self.ask(Question::Activation(Box::new(draft)), turn);
        let said_until = turn.now.plus(limits::EXTENSION_SAID);
        attempt.said_until.get_or_insert(said_until);
        attempt.stage = Stage::Request {
            ticket,
            gate_nonce: challenge.gate_nonce,
            challenge_nonce: challenge.nonce,
            activation: signed.activation.clone(),
            room: challenge.room,
            signed,
        };
        self.attempt = Some(attempt);
    }

    /// No answer that is signed came. keyd may have given more time all the same, and then its chain
    /// of renewals goes on from that lease alone: so the same signature is said again, and keyd
    /// gives the same lease for it. A new visit is not, because the next try takes its place.
    pub(super) fn not_answered(
        &mut self,
        mut attempt: Attempt,
        refusal: Refusal,
        turn: &mut Turn<'_>,
    ) {
        let is_in_time = attempt.said_until.is_some_and(|until| turn.now < until);
        if !(is_in_time && attempt.extends_now()) {
            return self.abandon(attempt, refusal, EndReason::Shutdown, turn);
        }
        let Stage::Request { signed, .. } = attempt.stage else {
            return;
        };
        tracing::warn!(refusal.code = %refusal.code(), %refusal, "No answer; it is said again");
        attempt.again_at = Some(turn.pause(attempt.unanswered, limits::RENEWAL_PAUSE));
        attempt.unanswered = attempt.unanswered.saturating_add(1);
        attempt.stage = Stage::Held { signed };
        self.attempt = Some(attempt);
    }

    pub(super) fn lease_came(
        &mut self,
        mut attempt: Attempt,
        envelope: &Jws<Lease>,
        turn: &mut Turn<'_>,
    ) {
        let lease = self.judge_lease(&attempt, envelope, turn);
        let staff = attempt.staff().map(|staff| staff.certificate.clone());
        let (lease, staff_certificate) = match lease.and_then(|lease| Ok((lease, staff?))) {
            Ok(both) => both,
            Err(refusal) => return self.not_answered(attempt, refusal, turn),
        };
        let Stage::Request { activation, .. } = attempt.stage else {
            return;
        };
        attempt.steps.done(StepName::Request, turn.now);
        if attempt.goal.begins() {
            // From here on the visit's end is told, whatever becomes of this program.
            self.outbox.note_opening(lease.session);
            turn.push(Action::SaveOutbox(self.outbox.clone()));
        }
        let request = GateRequest::Open {
            lease: envelope.clone(),
            activation,
            staff_certificate,
        };
        let ticket = self.ask_gate(GateQuestion::Open, request, turn);
        let lease = Box::new(lease);
        attempt.stage = Stage::Opening { ticket, lease };
        self.attempt = Some(attempt);
    }

    /// A lease is taken if keyd signed it in answer to this request: it names the gate's nonce, what
    /// the staff member signed, the room, and for more time the visit. The gate judges all of it
    /// again, by itself.
    fn judge_lease(
        &mut self,
        attempt: &Attempt,
        envelope: &Jws<Lease>,
        turn: &Turn<'_>,
    ) -> Result<Lease, Refusal> {
        let Stage::Request {
            gate_nonce,
            activation,
            room,
            ..
        } = &attempt.stage
        else {
            return Err(Refusal::new(
                Code::AnswerNotBelieved,
                "a lease",
                "no lease now",
            ));
        };
        let lease = self.believe(envelope, gate_nonce, turn)?.into_inner();
        if lease.activation != activation.sha256() {
            let found = "a lease for another signature";
            return Err(Refusal::new(
                Code::ActivationMismatch,
                found,
                "one for this signature",
            ));
        }
        if lease.room != *room {
            return Err(Refusal::new(Code::LeaseRoom, lease.room, room));
        }
        match attempt.goal {
            Goal::MoreTime { session, .. } if lease.session != session => {
                Err(Refusal::new(Code::LeaseSession, lease.session, session))
            }
            Goal::MoreTime { .. } | Goal::Visit(_) | Goal::MoveHere => Ok(lease),
        }
    }

    /// The gate answered to a lease and a signature.
    pub(in crate::session) fn opened(
        &mut self,
        ticket: Ticket,
        answer: Answer,
        turn: &mut Turn<'_>,
    ) {
        let Some(mut attempt) = self.attempt.take_if(|attempt| attempt.awaits(ticket)) else {
            return self.orphan_opened(ticket, &answer, turn);
        };
        let Stage::Opening { lease, .. } = &attempt.stage else {
            return;
        };
        let lease = lease.clone();
        attempt.steps.done(StepName::Gate, turn.now);
        if let Answer::Opened(opened) = answer
            && opened.session == lease.session
        {
            return self.take_up(&attempt, &lease, opened, turn);
        }
        let refusal = refusal_of(answer, "an open gate");
        if attempt.goal.begins() {
            self.never_opened(&lease, &refusal, turn);
        }
        give_up(attempt, refusal, turn);
        self.ask_gate_status(turn);
    }

    fn take_up(&mut self, attempt: &Attempt, lease: &Lease, opened: Opened, turn: &mut Turn<'_>) {
        let serial = attempt.token.serial;
        match (attempt.goal, &mut self.visit) {
            (Goal::MoreTime { .. }, Some(visit)) => {
                let key_is_in = self.keys.has(serial);
                visit.extended(lease, opened, serial, key_is_in, turn);
                visit.pcrs.clone_from(&attempt.pcrs);
                let hard_end = visit.hard_end();
                let session = lease.session;
                turn.tell(attempt.caller, Word::Extended { session, hard_end });
            }
            (Goal::Visit(_) | Goal::MoveHere | Goal::MoreTime { .. }, _) => {
                self.banner = None;
                self.visit = Some(Visit::new(
                    lease,
                    opened,
                    serial,
                    attempt.pcrs.clone(),
                    turn,
                ));
                let timing = attempt.steps.timing();
                tracing::info!(
                    session.id = %lease.session,
                    plug_to_gate_open_ms = timing.plug_to_gate_open_ms,
                    "The room is open"
                );
                self.timing = Some(timing.clone());
                turn.tell(
                    attempt.caller,
                    Word::Opened {
                        session: lease.session,
                        room: lease.room,
                        timing,
                    },
                );
            }
        }
    }

    /// keyd began a visit that the gate did not open.
    fn never_opened(&mut self, lease: &Lease, refusal: &Refusal, turn: &mut Turn<'_>) {
        let code = refusal.code();
        let reason = if matches!(code, Code::GateLatched | Code::GateSealed) {
            EndReason::Stopped
        } else if matches!(code, Code::LeaseOver | Code::LeaseNonceUnknown) {
            EndReason::LeaseOver
        } else {
            EndReason::VideoEnded
        };
        self.tell_end(lease.session, reason, turn.now, turn);
    }

    /// Puts the end of a visit into the outbox.
    pub(in crate::session) fn tell_end(
        &mut self,
        session: SessionId,
        reason: EndReason,
        at: Boottime,
        turn: &mut Turn<'_>,
    ) {
        let Some(laptop) = &self.laptop else {
            return;
        };
        self.outbox.put(Item {
            fact: Fact::Ended { session, reason },
            at,
            boot: self.boot.clone(),
            generation: laptop.generation,
        });
        turn.push(Action::SaveOutbox(self.outbox.clone()));
    }

    /// A reply for which nobody waits any more: if it is a lease, its visit has ended.
    pub(in crate::session) fn orphan_heard(
        &mut self,
        ticket: Ticket,
        reply: &Reply,
        turn: &mut Turn<'_>,
    ) {
        let Some(place) = self
            .orphans
            .iter()
            .position(|orphan| orphan.ticket == ticket)
        else {
            return;
        };
        let orphan = self.orphans.remove(place);
        if let (Left::Request(nonce), Reply::Lease(lease)) = (&orphan.left, reply)
            && let Ok(lease) = self.believe(lease, nonce, turn)
        {
            self.tell_end(lease.get().session, orphan.reason, turn.now, turn);
        }
    }

    fn orphan_opened(&mut self, ticket: Ticket, answer: &Answer, turn: &mut Turn<'_>) {
        let Some(place) = self
            .orphans
            .iter()
            .position(|orphan| orphan.ticket == ticket)
        else {
            return;
        };
        let Orphan { reason, left, .. } = self.orphans.remove(place);
        let Left::Opening(session) = left else {
            return;
        };
        if matches!(answer, Answer::Opened(_)) {
            tracing::info!(session.id = %session, "Nobody waits for the room any more");
            let request = GateRequest::Close { reason };
            self.ask_gate(GateQuestion::Close { caller: None }, request, turn);
        } else {
            self.tell_end(session, reason, turn.now, turn);
        }
    }

    /// The gate is gone, and with it whatever was opening.
    pub(in crate::session) fn orphans_closed(&mut self, turn: &mut Turn<'_>) {
        let orphans = std::mem::take(&mut self.orphans);
        for orphan in orphans {
            match orphan.left {
                Left::Opening(session) => self.tell_end(session, orphan.reason, turn.now, turn),
                Left::Request(_) => self.orphans.push(orphan),
            }
        }
    }

    /// Remembers what an attempt left, and forgets what is oldest.
    pub(super) fn remember_orphan(&mut self, orphan: Option<Orphan>) {
        self.orphans.extend(orphan);
        while self.orphans.len() > ORPHANS {
            self.orphans.remove(0);
        }
    }
}
