//! PC/SC as a source of sightings.

use std::ffi::CString;
use std::time::Duration;

use pcsc::{Context, PNP_NOTIFICATION, ReaderState, State};

use super::{ReaderSource, Seen, Sighting};
use crate::card::{establish, explain};
use crate::error::TokenError;
use crate::limits::LIST_AGAIN;
use crate::readers::TokenInfo;
use crate::token::Token;

/// The daemon, through a context that does nothing but wait.
pub(super) struct PcscSource {
    context: Context,
    /// The pseudo reader that tells of readers, then each reader as last seen.
    states: Vec<ReaderState>,
    is_first: bool,
    is_lost: bool,
}

impl PcscSource {
    pub(super) fn connect() -> Result<Self, TokenError> {
        Ok(Self {
            context: establish()?,
            states: vec![ReaderState::new(PNP_NOTIFICATION(), State::UNAWARE)],
            is_first: true,
            is_lost: false,
        })
    }

    /// Brings the list of readers up to date: new ones are not yet known, vanished ones go.
    fn list(&mut self) -> Result<(), pcsc::Error> {
        let names = self.context.list_readers_owned()?;
        let is_there = |name: &std::ffi::CStr| {
            name == PNP_NOTIFICATION() || names.iter().any(|n| **n == *name)
        };
        self.states.retain(|state| is_there(state.name()));
        let new: Vec<CString> = names
            .iter()
            .filter(|name| {
                self.states
                    .iter()
                    .all(|state| state.name() != name.as_c_str())
            })
            .cloned()
            .collect();
        self.states.extend(
            new.into_iter()
                .map(|name| ReaderState::new(name, State::UNAWARE)),
        );
        Ok(())
    }

    fn wait(&mut self, patience: Duration) -> Result<(), pcsc::Error> {
        self.list()?;
        // With a reader that is not yet known, this returns at once.
        match self.context.get_status_change(patience, &mut self.states) {
            Ok(()) => self
                .states
                .iter_mut()
                .for_each(ReaderState::sync_current_state),
            // Nothing happened, or a reader vanished between listing and waiting.
            Err(pcsc::Error::Timeout | pcsc::Error::Cancelled | pcsc::Error::UnknownReader) => {}
            Err(error) => return Err(error),
        }
        self.list()
    }

    fn sightings(&self) -> Vec<Sighting> {
        self.states
            .iter()
            .filter(|state| state.name() != PNP_NOTIFICATION())
            .map(|state| {
                let now = state.event_state();
                let is_there = now.contains(State::PRESENT)
                    && !now.intersects(State::UNKNOWN | State::UNAVAILABLE);
                let event = state.event_count();
                let seen = if is_there {
                    Seen::Card { event }
                } else {
                    Seen::Empty
                };
                Sighting {
                    reader: state.name().to_string_lossy().into_owned(),
                    seen,
                }
            })
            .collect()
    }
}

impl ReaderSource for PcscSource {
    fn next(&mut self, patience: Option<Duration>) -> Result<Vec<Sighting>, TokenError> {
        if self.is_lost {
            *self = Self::connect()?;
        }
        let patience = if std::mem::take(&mut self.is_first) {
            Duration::ZERO
        } else {
            patience.unwrap_or(LIST_AGAIN).min(LIST_AGAIN)
        };
        self.wait(patience).map_err(|source| {
            self.is_lost = true;
            explain("watch readers", "", source)
        })?;
        Ok(self.sightings())
    }

    fn canceller(&self) -> Box<dyn Fn() + Send + Sync> {
        let context = self.context.clone();
        Box::new(move || {
            // There may be nothing to cancel.
            let _ = context.cancel();
        })
    }

    fn identify(&mut self, reader: &str) -> Result<TokenInfo, TokenError> {
        Token::open(reader).map(TokenInfo::from)
    }
}
