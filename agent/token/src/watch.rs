//! What comes and goes: tokens in readers that stay, and readers that come with their token.
//!
//! A USB token *is* its reader, so plugging one adds a reader; a card reader stays and is empty
//! or not. Both are one thing here: a source says which readers hold what ([`ReaderSource`]), and
//! the watcher says what changed ([`TokenEvent`]).

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::error::TokenError;
use crate::limits::TRY_AGAIN;
use crate::readers::TokenInfo;
use crate::token::Token;

mod changes;
mod source;

use self::changes::Changes;
use self::source::PcscSource;

/// A token came or went.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TokenEvent {
    /// A token is there and answered.
    Inserted(TokenInfo),
    /// The token that was in this reader is gone.
    Removed {
        /// The reader's name.
        reader: String,
    },
    /// The smart card service cannot be reached; tokens reported before are to be taken for gone.
    /// Watching goes on, and what is there is reported anew once the service is back.
    ServiceLost,
}

/// What one reader holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Seen {
    /// Nothing.
    Empty,
    /// A card.
    Card {
        /// Counts what came and went in this reader: another number is another insertion.
        event: u32,
    },
}

/// One reader at one moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sighting {
    /// The reader's name.
    pub reader: String,
    /// What it holds.
    pub seen: Seen,
}

/// Whoever knows which readers there are: PC/SC, or a test that plays a reader which comes and
/// goes.
pub trait ReaderSource: Send {
    /// Returns all readers: at once the first time, later when something may have changed, or
    /// after `patience`, or when [`Self::canceller`]'s function was called.
    ///
    /// # Errors
    ///
    /// [`TokenError::ServiceUnavailable`]; the next call starts anew.
    fn next(&mut self, patience: Option<Duration>) -> Result<Vec<Sighting>, TokenError>;

    /// A function that makes [`Self::next`] return. It may be called at any time, from any
    /// thread; called while [`Self::next`] does not run, it may be lost.
    fn canceller(&self) -> Box<dyn Fn() + Send + Sync>;

    /// Asks the card in `reader` who it is.
    ///
    /// # Errors
    ///
    /// As [`Token::open`].
    fn identify(&mut self, reader: &str) -> Result<TokenInfo, TokenError>;
}

/// Watches for tokens in a thread of its own, until it is dropped.
pub struct Watcher {
    stop: Arc<Stop>,
    cancel: Arc<Mutex<Box<dyn Fn() + Send + Sync>>>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher").finish_non_exhaustive()
    }
}

impl Watcher {
    /// Starts watching what PC/SC sees. What is plugged in already is reported first.
    ///
    /// `sink` is called in the watcher's thread and returns whether to go on; the drop of the
    /// watcher waits for it, so it must not block.
    ///
    /// # Errors
    ///
    /// [`TokenError::ServiceUnavailable`] if there is no PC/SC daemon to begin with.
    pub fn start(
        sink: impl FnMut(TokenEvent) -> bool + Send + 'static,
    ) -> Result<Self, TokenError> {
        Ok(Self::start_with(PcscSource::connect()?, sink))
    }

    /// Starts watching what `source` sees.
    pub fn start_with(
        source: impl ReaderSource + 'static,
        mut sink: impl FnMut(TokenEvent) -> bool + Send + 'static,
    ) -> Self {
        let stop = Arc::new(Stop::default());
        let cancel = Arc::new(Mutex::new(source.canceller()));
        let (stop_inside, cancel_inside) = (Arc::clone(&stop), Arc::clone(&cancel));
        let thread = thread::spawn(move || {
            watch(source, &stop_inside, &cancel_inside, &mut sink);
            stop_inside.ended();
        });
        Self {
            stop,
            cancel,
            thread: Some(thread),
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.ask();
        // A cancellation that comes between two waits of the source is lost, so it is repeated
        // until the thread has ended.
        while !self.stop.has_ended_within(CANCEL_AGAIN) {
            self.cancel.lock().unwrap_or_else(PoisonError::into_inner)();
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How long a cancellation may take to be heard.
const CANCEL_AGAIN: Duration = Duration::from_millis(5);

fn watch(
    mut source: impl ReaderSource,
    stop: &Stop,
    cancel: &Mutex<Box<dyn Fn() + Send + Sync>>,
    sink: &mut dyn FnMut(TokenEvent) -> bool,
) {
    let mut changes = Changes::default();
    while !stop.is_asked() {
        let patience = changes.has_unidentified().then_some(TRY_AGAIN);
        let events = if let Ok(sightings) = source.next(patience) {
            changes.compare(&sightings, &mut |reader| source.identify(reader))
        } else {
            stop.is_asked_within(TRY_AGAIN);
            changes.lose_everything()
        };
        // The source may have connected anew.
        *cancel.lock().unwrap_or_else(PoisonError::into_inner) = source.canceller();
        for event in events {
            if !sink(event) {
                return;
            }
        }
    }
}

/// The wish to stop, and its fulfilment.
#[derive(Debug, Default)]
struct Stop {
    state: Mutex<StopState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct StopState {
    asked: bool,
    ended: bool,
}

impl Stop {
    fn lock(&self) -> MutexGuard<'_, StopState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self) {
        self.lock().asked = true;
        self.changed.notify_all();
    }

    fn ended(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn is_asked(&self) -> bool {
        self.lock().asked
    }

    fn is_asked_within(&self, patience: Duration) -> bool {
        self.await_that(patience, |state| state.asked)
    }

    fn has_ended_within(&self, patience: Duration) -> bool {
        self.await_that(patience, |state| state.ended)
    }

    fn await_that(&self, patience: Duration, holds: impl Fn(&StopState) -> bool) -> bool {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.lock(), patience, |state| !holds(state))
            .unwrap_or_else(PoisonError::into_inner);
        holds(&state)
    }
}

impl From<Token> for TokenInfo {
    fn from(token: Token) -> Self {
        token.info()
    }
}
