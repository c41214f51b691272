//! The running visit: who is in control, until when, and what ends it.

use wardkey_gate::boottime::Boottime;
use wardkey_gate::protocol::{Opened, Request as GateRequest};
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::ids::{RoomId, SessionId};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::lease::Lease;
use wardkey_schemas::names::TokenSerial;
use wardkey_schemas::policy::Presence;
use wardkey_schemas::renewal::VisitState;
use wardkey_schemas::session::EndReason;
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_schemas::{Code, Refusal};
use wardkey_tpm::Clock;

use super::gate::GateQuestion;
use super::renewal::Renewal;
use super::{Action, CallerId, Session, Turn};
use crate::control::protocol::{EndsSoon, Word};
use crate::limits;

/// keyd's clock at a moment of ours: enough to show a time to people, never to decide by.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    server_time: Timestamp,
    at: Boottime,
}

/// One visit.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) session: SessionId,
    pub(super) room: RoomId,
    pub(super) staff_key: Thumbprint,
    /// The security key that opened it, or extended it last.
    key: TokenSerial,
    pub(super) presence: VisitState,
    reset_count: u32,
    pub(super) opened: Opened,
    /// The lease in use, and keyd's nonce for the next one.
    pub(super) seq: u32,
    pub(super) renew_nonce: Nonce,
    pub(super) renewal: Renewal,
    /// How long after this lease the next one is asked for.
    pub(super) renew_after: Seconds,
    /// The registers that a quote covers.
    pub(super) pcrs: Vec<u8>,
    /// Whether the next renewal brings a quote.
    pub(super) requote: bool,
    /// Why it may only be finished, by keyd's last word.
    pub(super) finish: Option<Code>,
    /// The TPM's restart counter when its clock was last read.
    restarts: Option<u32>,
    /// How often in a row the gate did not take a lease.
    pub(super) not_taken: u32,
    /// Programs that wait for a renewal.
    pub(super) waiting: Vec<CallerId>,
    /// How near its end is, as far as that was told.
    pub(super) ends_soon: Option<EndsSoon>,
    /// Whether the last word to keyd was answered.
    pub(super) reachable: bool,
    closing: bool,
    anchor: Anchor,
}

/// The end of a visit, as long as it stays on the screen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Banner {
    pub(super) reason: EndReason,
    pub(super) until: Boottime,
    /// When it ended, by keyd's clock.
    pub(super) at: Timestamp,
}

impl Visit {
    /// A visit that the gate has just opened by `lease`.
    pub(super) fn new(
        lease: &Lease,
        opened: Opened,
        key: TokenSerial,
        pcrs: Vec<u8>,
        turn: &mut Turn<'_>,
    ) -> Self {
        Self {
            session: lease.session,
            room: lease.room,
            staff_key: lease.staff_key,
            key,
            presence: VisitState::InRoom,
            reset_count: lease.reset_count,
            opened,
            seq: lease.seq,
            renew_nonce: lease.renew_nonce,
            renewal: Renewal::after(lease.renew_after, turn),
            renew_after: lease.renew_after,
            pcrs,
            requote: lease.requote,
            finish: lease.finish,
            restarts: None,
            not_taken: 0,
            waiting: Vec::new(),
            ends_soon: None,
            reachable: true,
            closing: false,
            anchor: Anchor::of(lease, turn.now),
        }
    }

    /// A member of staff gave it more time.
    pub(super) fn extended(
        &mut self,
        lease: &Lease,
        opened: Opened,
        key: TokenSerial,
        key_is_in: bool,
        turn: &mut Turn<'_>,
    ) {
        self.staff_key = lease.staff_key;
        self.key = key;
        self.opened = opened;
        // Where the key must stay nothing is handed over.
        self.presence = if key_is_in || self.key_must_stay() {
            VisitState::StaffControl
        } else {
            VisitState::WithPatient
        };
        self.continue_from(lease, turn);
        self.renewal = Renewal::after(lease.renew_after, turn);
    }

    /// keyd's chain goes on from this lease, whatever the gate says to it.
    pub(super) fn continue_from(&mut self, lease: &Lease, turn: &Turn<'_>) {
        self.seq = lease.seq;
        self.renew_nonce = lease.renew_nonce;
        self.renew_after = lease.renew_after;
        self.requote = lease.requote;
        self.finish = lease.finish;
        self.anchor = Anchor::of(lease, turn.now);
        self.reachable = true;
    }

    /// A security key was taken out: handover, if it was the one in control and need not stay.
    pub(super) fn key_out(&mut self, serial: TokenSerial) {
        if self.key == serial && self.key_must_stay() {
            tracing::warn!(session.id = %self.session, "The security key is out, and must be in");
        } else if self.key == serial && self.presence != VisitState::WithPatient {
            tracing::info!(session.id = %self.session, "The security key is out: with the patient");
            self.presence = VisitState::WithPatient;
        }
    }

    /// Whether the visit ends without its security key.
    pub(super) fn key_must_stay(&self) -> bool {
        self.opened.presence == Presence::Present
    }

    /// The security key that opened it, or extended it last.
    pub(super) const fn key(&self) -> TokenSerial {
        self.key
    }

    /// A program that waited has gone.
    pub(super) fn forget_caller(&mut self, caller: CallerId) {
        self.waiting.retain(|waiting| *waiting != caller);
    }

    /// Takes note of how near the end is; the view tells it from then on.
    fn look_at_end(&mut self, now: Boottime) {
        let left = self.opened.hard_end.millis_since(now);
        let ends_soon = if left <= millis(limits::WARN_LAST) {
            Some(EndsSoon::TwoMinutes)
        } else if left <= millis(limits::WARN_FIRST) {
            Some(EndsSoon::TenMinutes)
        } else {
            None
        };
        if self.ends_soon != ends_soon {
            tracing::info!(session.id = %self.session, left_ms = left, "The end of the visit is told");
            self.ends_soon = ends_soon;
        }
    }

    /// When to look at the end again.
    fn end_wakes_at(&self) -> Boottime {
        let before = |length| {
            let end = self.opened.hard_end.millis();
            Boottime::from_millis(end.saturating_sub(millis(length)))
        };
        match self.ends_soon {
            None => before(limits::WARN_FIRST),
            Some(EndsSoon::TenMinutes) => before(limits::WARN_LAST),
            Some(EndsSoon::TwoMinutes) => Boottime::NEVER,
        }
    }

    /// When it must end, by keyd's clock; to be shown, not to decide by.
    pub(super) fn hard_end(&self) -> Timestamp {
        self.anchor.at(self.opened.hard_end)
    }

    /// A moment of ours by keyd's clock; to be shown, not to decide by.
    pub(super) fn shown(&self, at: Boottime) -> Timestamp {
        self.anchor.at(at)
    }

    pub(super) const fn is_closing(&self) -> bool {
        self.closing
    }
}

fn millis(length: Seconds) -> u64 {
    u64::from(length.number()).saturating_mul(1000)
}

impl Anchor {
    fn of(lease: &Lease, now: Boottime) -> Self {
        Self {
            server_time: lease.server_time,
            at: now,
        }
    }

    fn at(self, later: Boottime) -> Timestamp {
        if later >= self.at {
            return self.server_time.plus_millis(later.millis_since(self.at));
        }
        let earlier = self.at.millis_since(later).div_ceil(1000);
        let earlier = u32::try_from(earlier).unwrap_or(u32::MAX);
        self.server_time.minus(Seconds::new(earlier))
    }
}

impl Session {
    /// A person ends the visit. That is never refused.
    pub(super) fn end(&mut self, caller: CallerId, turn: &mut Turn<'_>) {
        if let Some(visit) = &mut self.visit {
            visit.closing = true;
            let reason = EndReason::Staff;
            let caller = Some(caller);
            let request = GateRequest::Close { reason };
            self.ask_gate(GateQuestion::Close { caller }, request, turn);
        } else {
            turn.tell(caller, Word::Ended { session: None });
        }
    }

    /// Closes the visit, if one is open.
    pub(super) fn close(&mut self, reason: EndReason, turn: &mut Turn<'_>) {
        let Some(visit) = self.visit.as_mut().filter(|visit| !visit.closing) else {
            return;
        };
        visit.closing = true;
        let request = GateRequest::Close { reason };
        self.ask_gate(GateQuestion::Close { caller: None }, request, turn);
    }

    /// keyd has signed *stop*.
    pub(super) fn stop_by(&mut self, code: Code, turn: &mut Turn<'_>) {
        tracing::warn!(refusal.code = %code, "The key service has ended the visit");
        let reason = if code == Code::SessionHardEnd {
            EndReason::HardEnd
        } else if code == Code::TpmResetInSession {
            EndReason::TpmReset
        } else {
            EndReason::Stopped
        };
        self.close(reason, turn);
    }

    /// The gate has closed, or is gone.
    pub(super) fn visit_over(
        &mut self,
        session: SessionId,
        reason: EndReason,
        at: Boottime,
        turn: &mut Turn<'_>,
    ) {
        self.tell_end(session, reason, at, turn);
        let Some(visit) = self.visit.take_if(|visit| visit.session == session) else {
            return;
        };
        self.banner = Some(Banner {
            reason,
            until: at.plus(limits::BANNER),
            at: visit.shown(at),
        });
        let over = || Refusal::new(Code::GateClosed, "a visit that has ended", "an open visit");
        for caller in visit.waiting {
            turn.refuse(caller, over());
        }
        let is_for_it = |attempt: &mut super::Attempt| attempt.gives_more_time();
        if let Some(attempt) = self.attempt.take_if(is_for_it) {
            self.abandon(attempt, over(), reason, turn);
        }
    }

    pub(super) fn clock_read(&mut self, clock: Result<Clock, Refusal>, turn: &mut Turn<'_>) {
        match clock {
            Ok(clock) => {
                self.chip_trouble = None;
                let was_reset = self
                    .visit
                    .as_ref()
                    .is_some_and(|visit| visit.reset_count != clock.reset_count);
                if was_reset {
                    tracing::error!(reset_count = clock.reset_count, "The TPM was reset");
                    self.close(EndReason::TpmReset, turn);
                }
                let has_slept = self.visit.as_mut().is_some_and(|visit| {
                    let before = visit.restarts.replace(clock.restart_count);
                    before.is_some_and(|before| before != clock.restart_count)
                });
                if has_slept {
                    tracing::info!("The laptop was asleep; it proves itself anew");
                    self.requote_soon(turn);
                }
            }
            Err(refusal) => {
                tracing::error!(%refusal, "The TPM's clock cannot be read");
                self.chip_trouble = Some(refusal);
            }
        }
    }

    pub(super) fn look_at_visit(&mut self, turn: &mut Turn<'_>) {
        self.banner.take_if(|banner| banner.until <= turn.now);
        let Some(visit) = &mut self.visit else {
            return;
        };
        visit.look_at_end(turn.now);
        self.look_at_renewal(turn);
        if turn.now.millis_since(self.clock_read_at) >= limits::CLOCK_EVERY {
            self.clock_read_at = turn.now;
            turn.push(Action::ReadClock);
        }
        if turn.now >= self.gate.wants_word_at() {
            self.ask_gate_status(turn);
        }
    }

    pub(super) fn visit_wakes_at(&self) -> Boottime {
        self.visit.as_ref().map_or(Boottime::NEVER, |visit| {
            let clock = self
                .clock_read_at
                .millis()
                .saturating_add(limits::CLOCK_EVERY);
            let clock = Boottime::from_millis(clock)
                .min(visit.end_wakes_at())
                .min(self.gate.wants_word_at());
            if visit.closing || self.renewal_is_held() {
                clock
            } else {
                clock.min(visit.renewal.wakes_at())
            }
        })
    }
}
