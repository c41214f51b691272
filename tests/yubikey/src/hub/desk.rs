//! The hub's desk: takes requests, one connection a thread, and keeps the slots.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::exit;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::plugged::Plugged;
use super::readers::Readers;
use super::{HubError, HubOptions, daemon, file_error};
use crate::control::{CONTROL_SOCKET, CardState, Ready, Reply, Request};
use crate::touch::TouchSensor;

/// Runs the hub inside its namespaces: prints [`Ready`] when cards can be plugged, answers
/// requests, and ends the process when told or when standard input ends.
///
/// # Errors
///
/// [`HubError`] if it could not start.
pub fn run(options: &HubOptions) -> Result<(), HubError> {
    let slots = daemon::rounded_up(options.slots);
    let mut pcscd = daemon::start(&options.folder, slots)?;
    let path = options.folder.join(CONTROL_SOCKET);
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).map_err(file_error(&path))?;
    Readers::open()?.await_count(slots)?;

    let desk = Arc::new(Desk {
        cards: options.cards.clone(),
        slots,
        plugged: Mutex::new(BTreeMap::new()),
    });
    // Whoever started us is gone when our input is.
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        exit(0)
    });
    thread::spawn(move || {
        let _ = pcscd.wait();
        exit(1)
    });
    announce(slots).map_err(file_error(&path))?;
    for stream in listener.incoming() {
        let stream = stream.map_err(file_error(&path))?;
        let desk = Arc::clone(&desk);
        thread::spawn(move || desk.serve(&stream));
    }
    Ok(())
}

fn announce(slots: usize) -> io::Result<()> {
    let mut line = serde_json::to_vec(&Ready { ready: slots })?;
    line.push(b'\n');
    let mut output = io::stdout().lock();
    output.write_all(&line)?;
    output.flush()
}

struct Desk {
    cards: PathBuf,
    slots: usize,
    plugged: Mutex<BTreeMap<String, Plugged>>,
}

/// No request is longer.
const LONGEST_REQUEST: u64 = 4096;

impl Desk {
    fn serve(&self, stream: &UnixStream) {
        let mut input = BufReader::new(stream);
        let mut line = String::new();
        while matches!(
            input.by_ref().take(LONGEST_REQUEST).read_line(&mut line),
            Ok(1..)
        ) {
            let request = serde_json::from_str(&line);
            let ends = matches!(request, Ok(Request::Quit));
            let reply = match request {
                Ok(request) => self.answer(request),
                Err(error) => Reply::Refused {
                    reason: error.to_string(),
                },
            };
            let Ok(mut bytes) = serde_json::to_vec(&reply) else {
                return;
            };
            bytes.push(b'\n');
            let mut output = stream;
            let sent = output.write_all(&bytes);
            if ends {
                exit(0);
            }
            if sent.is_err() {
                return;
            }
            line.clear();
        }
    }

    fn answer(&self, request: Request) -> Reply {
        let result = match request {
            Request::Plug { name, slot } => self.plug(name, slot),
            Request::Unplug { name } => self.unplug(&name),
            Request::Touch { name } => self.touch(&name, |sensor| {
                if sensor.touch() {
                    Ok(Reply::Done)
                } else {
                    Err(DeskError::NotWaiting)
                }
            }),
            Request::TouchMode { name, mode } => self.touch(&name, |sensor| {
                sensor.set_mode(mode);
                Ok(Reply::Done)
            }),
            Request::TouchTimeout { name, milliseconds } => self.touch(&name, |sensor| {
                sensor.set_timeout(Duration::from_millis(milliseconds));
                Ok(Reply::Done)
            }),
            Request::AwaitTouch { name, milliseconds } => self.touch(&name, |sensor| {
                if sensor.await_demand(Duration::from_millis(milliseconds)) {
                    Ok(Reply::Done)
                } else {
                    Err(DeskError::NotWaiting)
                }
            }),
            Request::State => Ok(self.state()),
            Request::Quit => Ok(Reply::Done),
        };
        result.unwrap_or_else(|error| Reply::Refused {
            reason: explained(&error),
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Plugged>> {
        self.plugged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plug(&self, name: String, slot: Option<usize>) -> Result<Reply, DeskError> {
        if name.is_empty() || name.contains(['/', '\0']) || name.starts_with('.') {
            return Err(DeskError::Name(name));
        }
        let mut plugged = self.lock();
        if plugged.contains_key(&name) {
            return Err(DeskError::PluggedHere(name));
        }
        let is_free = |slot: usize| plugged.values().all(|card| card.slot != slot);
        let slot = match slot {
            Some(slot) if slot >= self.slots => return Err(DeskError::NoSlot(slot)),
            Some(slot) if !is_free(slot) => return Err(DeskError::Occupied(slot)),
            Some(slot) => slot,
            None => (0..self.slots)
                .find(|slot| is_free(*slot))
                .ok_or(DeskError::Full)?,
        };
        let card = Plugged::plug(&self.cards.join(&name), slot)?;
        let reader = card.reader.clone();
        plugged.insert(name, card);
        Readers::open()?.await_card(&reader, true)?;
        Ok(Reply::Plugged { reader })
    }

    fn unplug(&self, name: &str) -> Result<Reply, DeskError> {
        let mut plugged = self.lock();
        let card = plugged
            .remove(name)
            .ok_or_else(|| DeskError::NotPlugged(name.to_owned()))?;
        let reader = card.reader.clone();
        card.unplug();
        Readers::open()?.await_card(&reader, false)?;
        Ok(Reply::Done)
    }

    /// Does something with the disc of a plugged card, without keeping the desk meanwhile.
    fn touch(
        &self,
        name: &str,
        act: impl FnOnce(&TouchSensor) -> Result<Reply, DeskError>,
    ) -> Result<Reply, DeskError> {
        let sensor = self
            .lock()
            .get(name)
            .map(|card| Arc::clone(&card.touch))
            .ok_or_else(|| DeskError::NotPlugged(name.to_owned()))?;
        act(&sensor)
    }

    fn state(&self) -> Reply {
        let plugged = self.lock();
        let mut cards: Vec<CardState> = plugged
            .iter()
            .map(|(name, card)| {
                let (touch_mode, waiting_for_touch) = card.touch.state();
                CardState {
                    name: name.clone(),
                    slot: card.slot,
                    reader: card.reader.clone(),
                    serial: card.serial,
                    touch_mode,
                    waiting_for_touch,
                }
            })
            .collect();
        cards.sort_by_key(|card| card.slot);
        Reply::State {
            cards,
            slots: self.slots,
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum DeskError {
    #[error("{0:?} is no name of a card")]
    Name(String),
    #[error("{0} is plugged in already")]
    PluggedHere(String),
    #[error("{0} is not plugged in")]
    NotPlugged(String),
    #[error("there is no slot {0}")]
    NoSlot(usize),
    #[error("slot {0} is occupied")]
    Occupied(usize),
    #[error("every slot is occupied")]
    Full,
    #[error("the card is not waiting for a touch")]
    NotWaiting,
    #[error(transparent)]
    Hub(#[from] HubError),
}

/// The error and what caused it, in one line.
fn explained(error: &DeskError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
