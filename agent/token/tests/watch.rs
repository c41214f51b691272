//! A token that is its own reader: the reader comes and goes with it.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use wardkey_token::{
    Firmware, ReaderSource, Seen, Sighting, TokenError, TokenEvent, TokenInfo, TokenSerial, Watcher,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// What happens to the ports of a laptop.
enum Happening {
    /// These readers are there now, each with its token in it.
    Readers(Vec<&'static str>),
    /// The service cannot be reached.
    Outage,
    /// Somebody wants the watcher to return.
    Cancelled,
}

/// Readers that come with their token, as a USB token does.
struct Ports {
    happenings: Receiver<Happening>,
    cancel: Sender<Happening>,
    readers: Vec<&'static str>,
}

fn ports() -> (Sender<Happening>, Ports) {
    let (happen, happenings) = mpsc::channel();
    (
        happen.clone(),
        Ports {
            happenings,
            cancel: happen,
            readers: Vec::new(),
        },
    )
}

fn token(reader: &str) -> TokenInfo {
    TokenInfo {
        reader: reader.to_owned(),
        serial: TokenSerial::new(u32::try_from(reader.len()).unwrap()),
        firmware: Firmware {
            major: 5,
            minor: 7,
            patch: 4,
        },
    }
}

impl ReaderSource for Ports {
    fn next(&mut self, _: Option<Duration>) -> Result<Vec<Sighting>, TokenError> {
        match self.happenings.recv().unwrap() {
            Happening::Readers(readers) => self.readers = readers,
            Happening::Outage => {
                return Err(TokenError::ServiceUnavailable {
                    source: pcsc::Error::NoService,
                });
            }
            Happening::Cancelled => {}
        }
        let sighting = |reader: &&str| Sighting {
            reader: (*reader).to_owned(),
            seen: Seen::Card { event: 0 },
        };
        Ok(self.readers.iter().map(sighting).collect())
    }

    fn canceller(&self) -> Box<dyn Fn() + Send + Sync> {
        let cancel = self.cancel.clone();
        Box::new(move || {
            // The watcher may have ended by itself.
            let _ = cancel.send(Happening::Cancelled);
        })
    }

    fn identify(&mut self, reader: &str) -> Result<TokenInfo, TokenError> {
        Ok(token(reader))
    }
}

fn watch(ports: Ports) -> (Watcher, Receiver<TokenEvent>) {
    let (send, events) = mpsc::channel();
    (
        Watcher::start_with(ports, move |event| send.send(event).is_ok()),
        events,
    )
}

#[test]
fn a_reader_that_comes_with_its_token_is_an_insertion() {
    let (happen, ports) = ports();
    let (_watcher, events) = watch(ports);
    happen.send(Happening::Readers(vec!["left"])).unwrap();
    assert_eq!(
        events.recv_timeout(PATIENCE),
        Ok(TokenEvent::Inserted(token("left")))
    );
    happen
        .send(Happening::Readers(vec!["left", "right"]))
        .unwrap();
    assert_eq!(
        events.recv_timeout(PATIENCE),
        Ok(TokenEvent::Inserted(token("right")))
    );
    happen.send(Happening::Readers(vec!["right"])).unwrap();
    let left = "left".to_owned();
    assert_eq!(
        events.recv_timeout(PATIENCE),
        Ok(TokenEvent::Removed { reader: left })
    );
}

#[test]
fn an_outage_takes_every_token_away_and_the_end_of_it_brings_them_back() {
    let (happen, ports) = ports();
    let (_watcher, events) = watch(ports);
    happen.send(Happening::Readers(vec!["left"])).unwrap();
    assert_eq!(
        events.recv_timeout(PATIENCE),
        Ok(TokenEvent::Inserted(token("left")))
    );
    happen.send(Happening::Outage).unwrap();
    happen.send(Happening::Outage).unwrap();
    let left = "left".to_owned();
    assert_eq!(
        events.recv_timeout(PATIENCE),
        Ok(TokenEvent::Removed { reader: left })
    );
    assert_eq!(events.recv_timeout(PATIENCE), Ok(TokenEvent::ServiceLost));
    happen.send(Happening::Readers(vec!["left"])).unwrap();
    assert_eq!(
        events.recv_timeout(PATIENCE),
        Ok(TokenEvent::Inserted(token("left")))
    );
}

#[test]
fn dropping_the_watcher_ends_its_thread() {
    let (_happen, ports) = ports();
    let (watcher, events) = watch(ports);
    drop(watcher);
    // The thread held the only sender.
    assert_eq!(events.recv(), Err(mpsc::RecvError));
}

#[test]
fn a_sink_that_has_enough_ends_the_thread() {
    let (happen, ports) = ports();
    let (send, events) = mpsc::channel();
    let _watcher = Watcher::start_with(ports, move |event| {
        let _ = send.send(event);
        false
    });
    happen.send(Happening::Readers(vec!["left"])).unwrap();
    assert_eq!(events.recv(), Ok(TokenEvent::Inserted(token("left"))));
    assert_eq!(events.recv(), Err(mpsc::RecvError));
}
