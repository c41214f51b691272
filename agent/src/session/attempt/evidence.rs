//! The middle of an attempt: nonces, quote and signature, each round anew.

use wardkey_gate::protocol::Request as GateRequest;
use wardkey_schemas::activation::Activation;
use wardkey_schemas::binding::ActivationBinding;
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::challenge::{Challenge, RoomChoice};
use wardkey_schemas::evidence::Quote;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::refusal::Verdict;
use wardkey_schemas::session::EndReason;
use wardkey_schemas::{Code, Refusal};

use super::opening::Signed;
use super::{Attempt, Goal, StaffKey, Stage, give_up};
use crate::control::protocol::{StepName, Word};
use crate::session::gate::GateQuestion;
use crate::session::{Action, ChallengeDraft, Question, Reply, Session, SignatureNo, Ticket, Turn};

impl Session {
    /// Begins a round: a lease counts from a nonce of the gate, so each round has its own.
    pub(super) fn next_round(&mut self, mut attempt: Attempt, turn: &mut Turn<'_>) {
        let ticket = self.ask_gate(GateQuestion::AttemptNonce, GateRequest::Nonce {}, turn);
        attempt.stage = Stage::Nonce { ticket };
        self.attempt = Some(attempt);
    }

    pub(in crate::session) fn attempt_nonce(
        &mut self,
        ticket: Ticket,
        nonce: Result<Nonce, Refusal>,
        turn: &mut Turn<'_>,
    ) {
        let Some(mut attempt) = self.attempt.take_if(|attempt| attempt.awaits(ticket)) else {
            return;
        };
        let draft = nonce.and_then(|gate_nonce| self.draft_challenge(&attempt, gate_nonce));
        match draft {
            Ok(draft) => {
                attempt.steps.done(StepName::Nonce, turn.now);
                let gate_nonce = draft.gate_nonce;
                let ticket = self.ask(Question::Challenge(draft), turn);
                attempt.stage = Stage::Challenge { ticket, gate_nonce };
                self.attempt = Some(attempt);
            }
            Err(refusal) => give_up(attempt, refusal, turn),
        }
    }

    fn draft_challenge(
        &self,
        attempt: &Attempt,
        gate_nonce: Nonce,
    ) -> Result<ChallengeDraft, Refusal> {
        let (_, trusted) = self.standing_ground()?;
        Ok(ChallengeDraft {
            purpose: attempt.goal.purpose(),
            room: attempt.goal.room(),
            staff_certificate: attempt.staff()?.certificate.clone(),
            gate_nonce,
            bundle: trusted.trust().bundle().version(),
        })
    }

    /// Something came back from keyd for the attempt.
    pub(in crate::session) fn attempt_heard(
        &mut self,
        ticket: Ticket,
        reply: Reply,
        turn: &mut Turn<'_>,
    ) {
        let Some(attempt) = self.attempt.take_if(|attempt| attempt.awaits(ticket)) else {
            return;
        };
        match (&attempt.stage, reply) {
            (Stage::Challenge { gate_nonce, .. }, Reply::Challenge(challenge)) => {
                let gate_nonce = *gate_nonce;
                let challenge = self
                    .believe(&challenge, &gate_nonce, turn)
                    .and_then(|challenge| self.require_what_was_asked(&attempt, challenge.get()));
                match challenge {
                    Ok(challenge) => self.quote(attempt, challenge, turn),
                    Err(refusal) => give_up(attempt, refusal, turn),
                }
            }
            (Stage::Request { .. }, Reply::Lease(lease)) => self.lease_came(attempt, &lease, turn),
            (_, Reply::Denial(denial)) => self.attempt_denied(attempt, &denial, turn),
            (Stage::Request { .. }, Reply::Weather(refusal)) => {
                self.not_answered(attempt, refusal, turn);
            }
            (Stage::Request { .. }, Reply::NotAsked(refusal)) if attempt.unanswered > 0 => {
                self.not_answered(attempt, refusal, turn);
            }
            (_, Reply::Weather(refusal) | Reply::NotAsked(refusal)) => {
                // The person can try again at once; a visit that keyd may have begun is superseded.
                self.abandon(attempt, refusal, EndReason::Shutdown, turn);
            }
            (_, Reply::Challenge(_) | Reply::Lease(_) | Reply::Status(_) | Reply::Recorded(_)) => {
                let found = "the answer to another question";
                let refusal =
                    Refusal::new(Code::AnswerNotBelieved, found, "the answer to this one");
                self.abandon(attempt, refusal, EndReason::Shutdown, turn);
            }
        }
    }

    fn require_what_was_asked(
        &self,
        attempt: &Attempt,
        challenge: &Challenge,
    ) -> Result<Box<Challenge>, Refusal> {
        let (laptop, _) = self.standing_ground()?;
        if challenge.site != laptop.site {
            return Err(Refusal::new(
                Code::SiteMismatch,
                &challenge.site,
                &laptop.site,
            ));
        }
        match attempt.goal.room() {
            RoomChoice::Existing { room } if room != challenge.room => {
                Err(Refusal::new(Code::ContextRoom, challenge.room, room))
            }
            RoomChoice::Existing { .. } | RoomChoice::New => Ok(Box::new(challenge.clone())),
        }
    }

    fn attempt_denied(
        &mut self,
        attempt: Attempt,
        denial: &Jws<wardkey_schemas::denial::Denial>,
        turn: &mut Turn<'_>,
    ) {
        let nonce = attempt.nonce_of_question();
        let denial = nonce
            .ok_or_else(|| Refusal::new(Code::AnswerNotBelieved, "a signed no", "no answer"))
            .and_then(|nonce| self.believe(denial, &nonce, turn));
        let denial = match denial {
            Ok(denial) => denial.into_inner(),
            Err(refusal) if attempt.extends_now() => {
                return self.not_answered(attempt, refusal, turn);
            }
            Err(refusal) => return self.abandon(attempt, refusal, EndReason::Shutdown, turn),
        };
        if denial.refusal.code() == Code::NonceUsed && attempt.unanswered > 0 {
            // By the same signature, perhaps, whose answer is on its way to the record still.
            return self.not_answered(attempt, denial.refusal, turn);
        }
        self.orders_came(denial.orders, false, turn);
        let ends_the_visit = denial.verdict == Verdict::Stop
            && matches!(attempt.goal, Goal::MoreTime { .. })
            && self.is_about_the_visit(&denial.refusal, attempt.staff.as_ref());
        let code = denial.refusal.code();
        // keyd has begun nothing: it said no.
        give_up(attempt, denial.refusal, turn);
        if !ends_the_visit {
            return;
        }
        if matches!(code, Code::DeviceSuspended | Code::KeySuspended) {
            // It may be a stop that waits for the end of this call. The renewal says which.
            self.renew_soon(turn);
        } else {
            self.stop_by(code, turn);
        }
    }

    /// A colleague's key that is stopped says nothing against the visit that another key opened.
    fn is_about_the_visit(&self, refusal: &Refusal, staff: Option<&StaffKey>) -> bool {
        let about_the_key = refusal.code().as_str().starts_with("KEY_");
        let own = self.visit.as_ref().map(|visit| visit.staff_key);
        !about_the_key || staff.map(|staff| staff.key.thumbprint()) == own
    }

    fn quote(&mut self, mut attempt: Attempt, challenge: Box<Challenge>, turn: &mut Turn<'_>) {
        let qualifying = match self.qualifying(&attempt, &challenge) {
            Ok(qualifying) => qualifying,
            Err(refusal) => return give_up(attempt, refusal, turn),
        };
        attempt.steps.done(StepName::Challenge, turn.now);
        attempt.pcrs.clone_from(&challenge.pcrs);
        let ticket = self.ticket();
        turn.push(Action::Quote {
            ticket,
            pcrs: challenge.pcrs.clone(),
            qualifying,
        });
        attempt.stage = Stage::Quote { ticket, challenge };
        self.attempt = Some(attempt);
    }

    fn qualifying(
        &self,
        attempt: &Attempt,
        challenge: &Challenge,
    ) -> Result<wardkey_schemas::bytes::Sha256, Refusal> {
        let (laptop, _) = self.standing_ground()?;
        let binding = ActivationBinding {
            challenge: challenge.challenge,
            nonce: &challenge.nonce,
            gate_nonce: &challenge.gate_nonce,
            device: laptop.device,
            generation: laptop.generation,
            device_key: laptop.device_key.thumbprint(),
            site: &laptop.site,
            room: challenge.room,
            staff_certificate: attempt.staff()?.sha256,
        };
        Ok(binding.quote())
    }

    pub(in crate::session) fn quoted(
        &mut self,
        ticket: Ticket,
        quote: Result<Quote, Refusal>,
        turn: &mut Turn<'_>,
    ) {
        let Some(mut attempt) = self.attempt.take_if(|attempt| attempt.awaits(ticket)) else {
            return;
        };
        let Stage::Quote { challenge, .. } = &attempt.stage else {
            return;
        };
        let challenge = challenge.clone();
        let prepared = quote.and_then(|quote| {
            let activation = self.prepare(&attempt, &challenge, &quote)?;
            Ok((Box::new(quote), activation, attempt.staff()?.key))
        });
        match prepared {
            Ok((quote, activation, key)) => {
                attempt.steps.done(StepName::Quote, turn.now);
                let ticket = self.ticket();
                turn.push(Action::SignActivation {
                    ticket,
                    activation: Box::new(activation),
                    key,
                });
                let waiting = false;
                attempt.stage = Stage::Touch {
                    ticket,
                    challenge,
                    quote,
                    waiting,
                };
                self.attempt = Some(attempt);
            }
            Err(refusal) => give_up(attempt, refusal, turn),
        }
    }

    /// What the staff member is asked to sign.
    fn prepare(
        &self,
        attempt: &Attempt,
        challenge: &Challenge,
        quote: &Quote,
    ) -> Result<Activation, Refusal> {
        let (laptop, _) = self.standing_ground()?;
        let staff = attempt.staff()?;
        Ok(Activation {
            challenge: challenge.challenge,
            nonce: challenge.nonce,
            gate_nonce: challenge.gate_nonce,
            device: laptop.device,
            generation: laptop.generation,
            device_key: laptop.device_key.thumbprint(),
            site: laptop.site.clone(),
            room: challenge.room,
            purpose: attempt.goal.purpose(),
            staff_key: staff.key.thumbprint(),
            staff_certificate: staff.sha256,
            quote: quote.sha256(),
        })
    }

    pub(in crate::session) fn touch_wanted(&mut self, ticket: Ticket, turn: &mut Turn<'_>) {
        let Some(attempt) = self
            .attempt
            .as_mut()
            .filter(|attempt| attempt.awaits(ticket))
        else {
            return;
        };
        if let Stage::Touch { waiting, .. } = &mut attempt.stage {
            *waiting = true;
            attempt.steps.done(StepName::Sign, turn.now);
            let caller = attempt.caller;
            turn.tell(caller, Word::TouchWanted {});
        }
    }

    pub(in crate::session) fn signed(
        &mut self,
        ticket: Ticket,
        outcome: Result<Jws<Activation>, SignatureNo>,
        turn: &mut Turn<'_>,
    ) {
        let Some(mut attempt) = self.attempt.take_if(|attempt| attempt.awaits(ticket)) else {
            return;
        };
        match outcome {
            Ok(activation) => {
                let Stage::Touch {
                    challenge, quote, ..
                } = attempt.stage
                else {
                    return;
                };
                attempt.steps.done(StepName::Touch, turn.now);
                turn.push(Action::ReleaseKey);
                turn.tell(attempt.caller, Word::Checking {});
                let signed = Box::new(Signed {
                    challenge,
                    quote,
                    activation,
                });
                attempt.stage = Stage::Held { signed };
                self.attempt = Some(attempt);
                self.go_on_if_held(turn);
            }
            Err(SignatureNo::NoTouch) => {
                tracing::info!("Nobody touched the security key; a new round begins");
                attempt.steps.again(turn.now);
                self.next_round(attempt, turn);
            }
            Err(SignatureNo::No(refusal)) => give_up(attempt, refusal, turn),
        }
    }
}

impl Attempt {
    /// The staff member's key; it was read before anything else was done.
    pub(super) fn staff(&self) -> Result<&StaffKey, Refusal> {
        self.staff.as_ref().ok_or_else(|| {
            Refusal::new(
                Code::KeyNotRecognised,
                "no certificate",
                "a certificate in slot 9c",
            )
        })
    }
}
