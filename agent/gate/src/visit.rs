//! One open visit: what permits it, and when it ends.

use wardkey_schemas::activation::Activation;
use wardkey_schemas::challenge::Purpose;
use wardkey_schemas::ids::SessionId;
use wardkey_schemas::lease::Lease;
use wardkey_schemas::policy::Presence;
use wardkey_schemas::session::EndReason;
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::lease::{OpeningLease, RenewedLease};

use crate::boottime::Boottime;
use crate::limits;
use crate::picture::Showing;
use crate::protocol::Opened;

/// A visit that a lease and a signature opened.
///
/// Its end is the smallest of four: the end of the lease with its grace, the hard end, the end that
/// a stop *after this call* has set, and, where the security key must stay in, half a minute after
/// it was last known to be. All count from moments of this gate, on its own clock.
#[derive(Clone, Debug)]
pub struct Visit {
    opening: OpeningLease,
    seq: u32,
    lease_end: Boottime,
    hard_end: Boottime,
    drain_end: Option<Boottime>,
    /// Whether the laptop has slept, and no lease on a fresh quote has answered for it since.
    dark: bool,
    key: Key,
}

/// The security key in control.
#[derive(Clone, Copy, Debug)]
struct Key {
    presence: Presence,
    /// When it was last known to be in: at its touch, and whenever the agent says so.
    seen_at: Boottime,
    /// Whether the agent has said that it is out.
    is_out: bool,
}

impl Key {
    /// It was touched just now.
    const fn touched(lease: &Lease, now: Boottime) -> Self {
        Self {
            presence: lease.presence,
            seen_at: now,
            is_out: false,
        }
    }

    /// When it must have been seen again. Nobody need say that it is out: not to be heard of is the
    /// same.
    fn wanted_by(&self) -> Boottime {
        match self.presence {
            Presence::Present => self.seen_at.plus(limits::KEY_OUT_MOST),
            Presence::Carry => Boottime::NEVER,
        }
    }
}

impl Visit {
    /// A new visit by `opening`, whose nonce was made at `stamp`.
    ///
    /// # Errors
    ///
    /// `LEASE_OVER` if its time without the grace has passed: grace keeps a running call and opens
    /// nothing.
    pub fn open(opening: OpeningLease, stamp: Boottime, now: Boottime) -> Result<Self, Refusal> {
        let lease = opening.lease();
        starts_in_time(lease, stamp, now)?;
        Ok(Self {
            seq: lease.seq,
            lease_end: lease_end(lease, stamp),
            hard_end: stamp.plus(lease.hard_end_in),
            drain_end: None,
            dark: false,
            key: Key::touched(lease, now),
            opening,
        })
    }

    /// The same visit with more time, by a new signature of a member of staff.
    ///
    /// # Errors
    ///
    /// `LEASE_SESSION` if the signature was not given to extend this visit, `LEASE_ROOM` if it
    /// names another room, `LEASE_OVER` if the new lease's time has passed.
    pub fn extend(
        &mut self,
        opening: OpeningLease,
        stamp: Boottime,
        now: Boottime,
    ) -> Result<(), Refusal> {
        let lease = opening.lease();
        let session = self.session();
        let wanted = Purpose::Extend { session };
        if lease.session != session || opening.activation().purpose != wanted {
            return Err(Refusal::new(
                Code::LeaseSession,
                format!("a lease of visit {}", lease.session),
                format!("one that extends visit {session}, which is open"),
            ));
        }
        let room = self.opening.lease().room;
        if lease.room != room {
            return Err(Refusal::new(Code::LeaseRoom, lease.room, room));
        }
        starts_in_time(lease, stamp, now)?;
        self.seq = lease.seq;
        self.lease_end = lease_end(lease, stamp);
        self.hard_end = stamp.plus(lease.hard_end_in);
        self.key = Key::touched(lease, now);
        self.opening = opening;
        Ok(())
    }

    /// The same visit by its next lease. The new end takes the place of the old one, but for the
    /// hard end, which a renewal can bring nearer and never move away.
    ///
    /// # Errors
    ///
    /// `LEASE_SESSION` if the lease is not later than the one in use, `LEASE_OVER` if all its time
    /// has passed.
    pub fn renew(
        &mut self,
        renewed: &RenewedLease,
        stamp: Boottime,
        now: Boottime,
    ) -> Result<(), Refusal> {
        let lease = renewed.lease();
        if lease.seq <= self.seq {
            return Err(Refusal::new(
                Code::LeaseSession,
                format!("lease {} of the visit", lease.seq),
                format!("one after lease {}", self.seq),
            ));
        }
        let end = lease_end(lease, stamp);
        let hard_end = self.hard_end.min(stamp.plus(lease.hard_end_in));
        if end.min(hard_end) <= now {
            return Err(over());
        }
        self.seq = lease.seq;
        self.lease_end = end;
        self.hard_end = hard_end;
        Ok(())
    }

    /// Sets the end that a stop *after this call* leaves; a second one moves it only nearer.
    pub fn drain(&mut self, end: Boottime) {
        self.drain_end = Some(self.drain_end.map_or(end, |earlier| earlier.min(end)));
    }

    /// Takes back the end that a stop *after this call* had set.
    pub const fn drain_no_more(&mut self) {
        self.drain_end = None;
    }

    /// The security key is in at `now`, or out.
    pub const fn key(&mut self, is_in: bool, now: Boottime) {
        if is_in {
            self.key.seen_at = now;
        }
        self.key.is_out = !is_in;
    }

    /// When it ends.
    pub fn closes_at(&self) -> Boottime {
        let end = self.lease_end.min(self.hard_end);
        let end = self.drain_end.map_or(end, |drain| drain.min(end));
        self.key_wanted_by().map_or(end, |wanted| wanted.min(end))
    }

    /// When it ends unless the key is put back, if it is out and must stay in.
    fn key_wanted_by(&self) -> Option<Boottime> {
        let wanted = self.key.wanted_by();
        (self.key.is_out && wanted != Boottime::NEVER).then_some(wanted)
    }

    /// Whoever woke the laptop may not be who put it to sleep, and it may have been changed
    /// meanwhile: no picture until its boot is proved anew. Says whether there was one.
    pub const fn darken(&mut self) -> bool {
        !std::mem::replace(&mut self.dark, true)
    }

    /// A lease is in use, whose nonce was made while the laptop was awake as it is. If the visit was
    /// dark and the lease was given on a fresh quote, the picture may come back.
    pub const fn brighten(&mut self, lease: &Lease) -> bool {
        lease.quoted && std::mem::replace(&mut self.dark, false)
    }

    /// Why it must end at `now`, if it must.
    pub fn must_end(&self, now: Boottime) -> Option<EndReason> {
        if now >= self.hard_end {
            Some(EndReason::HardEnd)
        } else if self.drain_end.is_some_and(|drain| now >= drain) {
            Some(EndReason::Stopped)
        } else if now >= self.lease_end {
            Some(EndReason::LeaseOver)
        } else if now >= self.key.wanted_by() {
            Some(EndReason::KeyRemoved)
        } else {
            None
        }
    }

    /// What opened it, or extended it last.
    pub const fn opening(&self) -> &OpeningLease {
        &self.opening
    }

    /// Which visit it is.
    pub fn session(&self) -> SessionId {
        self.opening.lease().session
    }

    /// What the video program is to show.
    pub fn showing(&self) -> Showing {
        Showing {
            session: self.session(),
            room: self.opening.lease().room,
            until: self.closes_at(),
        }
    }

    /// What the agent is told of it.
    pub fn told(&self) -> Opened {
        Opened {
            session: self.session(),
            room: self.opening.lease().room,
            closes_at: self.closes_at(),
            hard_end: self.hard_end,
            dark: self.dark,
            presence: self.key.presence,
            key_wanted_by: self.key_wanted_by(),
        }
    }
}

/// Whether a signature was given to start a visit of its own.
pub fn starts_a_visit(activation: &Activation) -> bool {
    match activation.purpose {
        Purpose::Activate | Purpose::Move => true,
        Purpose::Extend { .. } => false,
    }
}

fn lease_end(lease: &Lease, stamp: Boottime) -> Boottime {
    stamp.plus(lease.runs_at_most())
}

fn starts_in_time(lease: &Lease, stamp: Boottime, now: Boottime) -> Result<(), Refusal> {
    if now < stamp.plus(lease.run_for.min(lease.hard_end_in)) {
        Ok(())
    } else {
        Err(over())
    }
}

fn over() -> Refusal {
    Refusal::new(
        Code::LeaseOver,
        "a lease whose time has passed since its nonce was made",
        "one with time left",
    )
}
