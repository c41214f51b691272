//! Programs that talk to the agent, and what they are told.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;
use wardkey_gate::boottime::Boottime;

use crate::control::protocol::{Status, Word};
use crate::session::{CallerId, Session};

/// One program.
#[derive(Debug)]
struct Caller {
    words: Sender<Word>,
    /// What it was shown last, if it watches.
    shown: Option<Box<Status>>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Callers {
    zone: TimeZone,
    callers: BTreeMap<CallerId, Caller>,
}

impl Callers {
    /// Nobody yet; times are shown in `zone`.
    pub(super) const fn new(zone: TimeZone) -> Self {
        Self {
            zone,
            callers: BTreeMap::new(),
        }
    }

    pub(super) fn came(&mut self, caller: CallerId, words: Sender<Word>) {
        let shown = None;
        self.callers.insert(caller, Caller { words, shown });
    }

    pub(super) fn left(&mut self, caller: CallerId) {
        self.callers.remove(&caller);
    }

    /// Tells one program. One that does not read what it was told is sent away.
    pub(super) fn tell(&mut self, caller: CallerId, word: Word) {
        let Some(told) = self.callers.get(&caller) else {
            return;
        };
        match told.words.try_send(word) {
            Ok(()) => return,
            // It has gone, and will be reported as gone.
            Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(_)) => {
                tracing::warn!("A program does not read what it is told");
            }
        }
        self.callers.remove(&caller);
    }

    /// Tells one program how things stand.
    pub(super) fn tell_status(&mut self, caller: CallerId, session: &Session, now: Boottime) {
        let status = session.view(now, &self.zone);
        self.tell(caller, Word::Status(Box::new(status)));
    }

    /// From now on this program is told how things stand whenever that changes.
    pub(super) fn watch(&mut self, caller: CallerId, session: &Session, now: Boottime) {
        self.tell_status(caller, session, now);
        let status = session.view(now, &self.zone);
        if let Some(caller) = self.callers.get_mut(&caller) {
            caller.shown = Some(Box::new(timeless(status)));
        }
    }

    /// Tells those who watch, if something has changed.
    pub(super) fn show(&mut self, session: &Session, now: Boottime) {
        if self.callers.values().all(|caller| caller.shown.is_none()) {
            return;
        }
        let status = session.view(now, &self.zone);
        let bare = timeless(status.clone());
        let mut behind = Vec::new();
        for (id, caller) in &mut self.callers {
            if let Some(shown) = &mut caller.shown
                && **shown != bare
            {
                (**shown).clone_from(&bare);
                behind.push(*id);
            }
        }
        for caller in behind {
            self.tell(caller, Word::Status(Box::new(status.clone())));
        }
    }
}

/// The same without what counts down by itself.
fn timeless(mut status: Status) -> Status {
    if let Some(visit) = &mut status.visit {
        visit.closes_in_ms = 0;
        visit.hard_end_in_ms = 0;
    }
    status
}
