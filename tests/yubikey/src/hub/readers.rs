//! What pcscd sees: the hub says a card is plugged only when it does.

use std::ffi::CString;
use std::time::{Duration, Instant};

use pcsc::{Context, PNP_NOTIFICATION, ReaderState, Scope, State};

use super::HubError;

/// How long pcscd may take for anything; it polls every few hundred milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client of the hub's own pcscd.
pub(super) struct Readers {
    context: Context,
}

impl Readers {
    /// Connects.
    pub(super) fn open() -> Result<Self, HubError> {
        let context =
            Context::establish(Scope::System).map_err(|source| pcsc_error("connect", source))?;
        Ok(Self { context })
    }

    /// Waits until there are `count` readers.
    pub(super) fn await_count(&self, count: usize) -> Result<(), HubError> {
        let until = deadline();
        let mut states = [ReaderState::new(PNP_NOTIFICATION(), State::UNAWARE)];
        loop {
            let names = self
                .context
                .list_readers_owned()
                .map_err(|source| pcsc_error("list its readers", source))?;
            if names.len() >= count {
                return Ok(());
            }
            self.await_change(&mut states, until, "its readers")?;
        }
    }

    /// Waits until `reader` holds a card, or none.
    pub(super) fn await_card(&self, reader: &str, present: bool) -> Result<(), HubError> {
        let until = deadline();
        let wanted = if present {
            State::PRESENT
        } else {
            State::EMPTY
        };
        let name = CString::new(reader).unwrap_or_default();
        let mut states = [ReaderState::new(name, State::UNAWARE)];
        loop {
            self.await_change(&mut states, until, "the card's coming or going")?;
            let [state] = &mut states;
            let seen = state.event_state();
            // pcscd shows a card as present once it has powered it.
            if seen.contains(wanted) && !seen.contains(State::MUTE) {
                return Ok(());
            }
            state.sync_current_state();
        }
    }

    fn await_change(
        &self,
        states: &mut [ReaderState],
        until: Instant,
        what: &'static str,
    ) -> Result<(), HubError> {
        let left = until.saturating_duration_since(Instant::now());
        match self.context.get_status_change(left, states) {
            Ok(()) => Ok(()),
            Err(pcsc::Error::Timeout) => Err(HubError::Late(what)),
            Err(source) => Err(pcsc_error("watch its readers", source)),
        }
    }
}

fn deadline() -> Instant {
    Instant::now()
        .checked_add(PATIENCE)
        .unwrap_or_else(Instant::now)
}

fn pcsc_error(what: &'static str, source: pcsc::Error) -> HubError {
    HubError::Pcsc { what, source }
}
