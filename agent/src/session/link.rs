//! The link: how orders come at once. Alive is what keyd has signed, not what a proxy answers.
//!
//! A heartbeat counts if keyd signed it for this laptop, for the nonce of this link, with a number
//! higher than the one before. When two of them are missed the link is dead, and the laptop polls.

use wardkey_gate::boottime::Boottime;
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::link::{Frame, Heartbeat};

use super::{Action, Session, Ticket, Turn};
use crate::limits;

/// The link's side.
#[derive(Debug)]
pub(super) enum LinkSide {
    /// There is none; it is opened at this time.
    Down { again_at: Boottime, tries: u32 },
    /// It is being opened; no heartbeat has come.
    Opening {
        ticket: Ticket,
        link_nonce: Nonce,
        until: Boottime,
        tries: u32,
    },
    /// It is alive until this time, unless another heartbeat comes.
    Alive {
        ticket: Ticket,
        link_nonce: Nonce,
        beat: u64,
        until: Boottime,
    },
}

impl Default for LinkSide {
    fn default() -> Self {
        Self::Down {
            again_at: Boottime::default(),
            tries: 0,
        }
    }
}

impl LinkSide {
    pub(super) const fn is_alive(&self) -> bool {
        matches!(self, Self::Alive { .. })
    }

    fn is_this(&self, ticket: Ticket) -> bool {
        match self {
            Self::Down { .. } => false,
            Self::Opening { ticket: own, .. } | Self::Alive { ticket: own, .. } => *own == ticket,
        }
    }
}

impl Session {
    pub(super) fn link_wakes_at(&self) -> Boottime {
        match &self.link {
            LinkSide::Down { again_at, .. } => {
                if self.may_link() {
                    *again_at
                } else {
                    Boottime::NEVER
                }
            }
            LinkSide::Opening { until, .. } | LinkSide::Alive { until, .. } => *until,
        }
    }

    /// A link is of use once there is a gate that can act on what comes over it.
    fn may_link(&self) -> bool {
        self.standing_ground().is_ok() && self.gate.is_ready() && self.gate.status().is_some()
    }

    pub(super) fn look_at_link(&mut self, turn: &mut Turn<'_>) {
        if turn.now < self.link_wakes_at() {
            return;
        }
        match &self.link {
            LinkSide::Down { tries, .. } => {
                let tries = *tries;
                let ticket = self.ticket();
                let link_nonce = turn.draws.nonce();
                turn.push(Action::OpenLink {
                    ticket,
                    link_nonce,
                    last_order: self.gate.last_order(),
                });
                self.link = LinkSide::Opening {
                    ticket,
                    link_nonce,
                    until: turn.later(limits::LINK_OPENS, 0),
                    tries,
                };
            }
            LinkSide::Opening { .. } | LinkSide::Alive { .. } => {
                tracing::warn!("No heartbeat in time: the link is dead");
                self.hang_up(turn);
            }
        }
    }

    /// Ends the link; it is opened again after a pause.
    pub(super) fn hang_up(&mut self, turn: &mut Turn<'_>) {
        let (ticket, tries) = match &self.link {
            LinkSide::Down { .. } => return,
            LinkSide::Opening { ticket, tries, .. } => (*ticket, tries.saturating_add(1)),
            LinkSide::Alive { ticket, .. } => (*ticket, 0),
        };
        turn.push(Action::CloseLink { ticket });
        self.link_is_down(tries, turn);
    }

    pub(super) fn link_lost(&mut self, ticket: Ticket, turn: &mut Turn<'_>) {
        let tries = match &self.link {
            LinkSide::Opening {
                ticket: own, tries, ..
            } if *own == ticket => tries.saturating_add(1),
            LinkSide::Alive { ticket: own, .. } if *own == ticket => 0,
            LinkSide::Down { .. } | LinkSide::Opening { .. } | LinkSide::Alive { .. } => return,
        };
        self.link_is_down(tries, turn);
    }

    fn link_is_down(&mut self, tries: u32, turn: &mut Turn<'_>) {
        if self.link.is_alive() {
            tracing::warn!("The link is down: orders come by poll");
            self.polling.hurry(turn.now);
        }
        let again_at = turn.pause(tries, limits::LINK_PAUSE);
        self.link = LinkSide::Down { again_at, tries };
    }

    pub(super) fn link_frame(&mut self, ticket: Ticket, frame: Frame, turn: &mut Turn<'_>) {
        if !self.link.is_this(ticket) {
            return;
        }
        match frame {
            Frame::Order(order) => self.order_came(order, false, turn),
            Frame::Heartbeat(heartbeat) => self.heartbeat_came(&heartbeat, turn),
        }
    }

    fn heartbeat_came(&mut self, heartbeat: &Jws<Heartbeat>, turn: &mut Turn<'_>) {
        let (ticket, link_nonce, before) = match &self.link {
            LinkSide::Down { .. } => return,
            LinkSide::Opening {
                ticket, link_nonce, ..
            } => (*ticket, *link_nonce, 0),
            LinkSide::Alive {
                ticket,
                link_nonce,
                beat,
                ..
            } => (*ticket, *link_nonce, *beat),
        };
        let Ok(heartbeat) = self.believe(heartbeat, &link_nonce, turn) else {
            return;
        };
        let heartbeat = heartbeat.get();
        if heartbeat.beat <= before {
            tracing::warn!(
                beat = heartbeat.beat,
                before,
                "An old heartbeat proves nothing"
            );
            return;
        }
        let interval = u64::from(heartbeat.next_within.number()).saturating_mul(1000);
        let patience = interval
            .saturating_mul(limits::BEATS_MISSED)
            .saturating_add(limits::BEAT_LATE);
        if !self.link.is_alive() {
            tracing::info!("The link is alive");
            // Whatever came before it stood; and from now on there is no hurry.
            self.polling.hurry(turn.now);
        }
        self.link = LinkSide::Alive {
            ticket,
            link_nonce,
            beat: heartbeat.beat,
            until: turn.later(patience, 0),
        };
        let is_missing = heartbeat.last_order > self.gate.last_order() && !self.gate.is_busy();
        if is_missing {
            // Orders leave before the heartbeat that counts them: it was kept from us.
            tracing::warn!("An order is missing on the link: it is asked for");
            self.polling.hurry(turn.now);
        }
    }
}
