//! The security key: one thread, which alone shows PINs and signs.
//!
//! A PIN that was accepted is kept here, beside the exclusive connection, for a touch that comes
//! late; it is wiped with the connection when the session lets go, when a signature fails for any
//! other reason than the touch, and after two minutes whatever happens.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use wardkey_schemas::activation::Activation;
use wardkey_schemas::jws::{Jws, Unsigned};
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::{Code, Refusal};
use wardkey_token::message::{MessageError, sign};
use wardkey_token::{Exclusive, Pin, Slot, Token, TokenError, TokenInfo};

use super::Events;
use crate::limits::PIN_KEPT;
use crate::session::{Input, KeyRead, PinNo, SignatureNo, Ticket};

/// What the thread is asked for.
#[derive(Debug)]
enum Job {
    Read {
        ticket: Ticket,
        token: TokenInfo,
    },
    ShowPin {
        ticket: Ticket,
        token: TokenInfo,
        pin: Pin,
    },
    Sign {
        ticket: Ticket,
        activation: Box<Activation>,
        key: PublicKey,
    },
    Release,
}

/// The way to the thread. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Hand(Sender<Job>);

impl Hand {
    /// Starts the thread.
    pub(super) fn start(events: Events) -> Self {
        let (jobs, queue) = channel();
        thread::spawn(move || {
            Worker { events, held: None }.run(&queue);
        });
        Self(jobs)
    }

    /// Reads a key; [`Input::KeyRead`] comes back.
    pub(super) fn read(&self, ticket: Ticket, token: TokenInfo) {
        self.ask(Job::Read { ticket, token });
    }

    /// Takes a key and shows it the PIN; [`Input::PinShown`] comes back.
    pub(super) fn show_pin(&self, ticket: Ticket, token: TokenInfo, pin: Pin) {
        self.ask(Job::ShowPin { ticket, token, pin });
    }

    /// Signs; [`Input::TouchWanted`] and [`Input::Signed`] come back.
    pub(super) fn sign(&self, ticket: Ticket, activation: Box<Activation>, key: PublicKey) {
        self.ask(Job::Sign {
            ticket,
            activation,
            key,
        });
    }

    /// Lets the key go, and forgets the PIN.
    pub(super) fn release(&self) {
        self.ask(Job::Release);
    }

    fn ask(&self, job: Job) {
        if self.0.send(job).is_err() {
            tracing::error!("The thread of the security keys is gone");
        }
    }
}

/// A key that nobody else can use, and its PIN.
#[derive(Debug)]
struct Held {
    exclusive: Exclusive,
    pin: Pin,
    /// Whether the PIN was shown and nothing was signed since.
    is_fresh: bool,
    until: Instant,
}

#[derive(Debug)]
struct Worker {
    events: Events,
    held: Option<Held>,
}

impl Worker {
    fn run(mut self, queue: &Receiver<Job>) {
        loop {
            let job = match &self.held {
                None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(held) => {
                    queue.recv_timeout(held.until.saturating_duration_since(Instant::now()))
                }
            };
            let goes_on = match job {
                Ok(job) => self.perform(job),
                Err(RecvTimeoutError::Timeout) => {
                    tracing::info!("The PIN was kept long enough; it is forgotten");
                    self.held = None;
                    true
                }
                Err(RecvTimeoutError::Disconnected) => false,
            };
            if !goes_on {
                return;
            }
        }
    }

    fn perform(&mut self, job: Job) -> bool {
        let input = match job {
            Job::Read { ticket, token } => {
                // Whatever was held would keep us out.
                self.held = None;
                let read = read(&token).map_err(|no| refusal_of(&no));
                Input::KeyRead { ticket, read }
            }
            Job::ShowPin { ticket, token, pin } => {
                let outcome = self.show_pin(&token, pin);
                Input::PinShown { ticket, outcome }
            }
            Job::Sign {
                ticket,
                activation,
                key,
            } => {
                let outcome = self.sign(ticket, &activation, &key);
                if !matches!(outcome, Ok(_) | Err(SignatureNo::NoTouch)) {
                    self.held = None;
                }
                Input::Signed { ticket, outcome }
            }
            Job::Release => {
                self.held = None;
                return true;
            }
        };
        self.events.tell(input)
    }

    fn show_pin(&mut self, token: &TokenInfo, pin: Pin) -> Result<(), PinNo> {
        self.held = None;
        let exclusive = open(token).and_then(|token| {
            let mut exclusive = Exclusive::open(&token)?;
            exclusive.verify_pin(&pin)?;
            Ok(exclusive)
        });
        match exclusive {
            Ok(exclusive) => {
                let kept = Duration::from_secs(PIN_KEPT.number().into());
                let now = Instant::now();
                self.held = Some(Held {
                    exclusive,
                    pin,
                    is_fresh: true,
                    until: now.checked_add(kept).unwrap_or(now),
                });
                Ok(())
            }
            Err(TokenError::WrongPin { tries_left }) => Err(PinNo::Wrong { tries_left }),
            Err(TokenError::PinBlocked) => Err(PinNo::Wrong { tries_left: 0 }),
            Err(error) => Err(PinNo::No(error.refusal())),
        }
    }

    fn sign(
        &mut self,
        ticket: Ticket,
        activation: &Activation,
        key: &PublicKey,
    ) -> Result<Jws<Activation>, SignatureNo> {
        let held = self.held.as_mut().ok_or_else(|| {
            let refusal = Refusal::new(Code::NonceExpired, "a PIN that was forgotten", "the PIN");
            SignatureNo::No(refusal)
        })?;
        let no = |error: MessageError| {
            if matches!(error, MessageError::Token(TokenError::TouchTimeout)) {
                SignatureNo::NoTouch
            } else {
                SignatureNo::No(error.refusal())
            }
        };
        if !std::mem::take(&mut held.is_fresh) {
            // The key wants its PIN before every signature.
            let shown = held.exclusive.verify_pin(&held.pin);
            shown.map_err(|error| no(error.into()))?;
        }
        let unsigned = Unsigned::new(activation, key.thumbprint())
            .map_err(|error| no(MessageError::Signing(error)))?;
        let events = &self.events;
        sign(unsigned, &mut held.exclusive, key, || {
            events.tell(Input::TouchWanted { ticket });
        })
        .map_err(no)
    }
}

/// The token that was seen, if it is still there.
fn open(seen: &TokenInfo) -> Result<Token, TokenError> {
    let token = Token::open(&seen.reader)?;
    if token.serial() == seen.serial {
        return Ok(token);
    }
    Err(TokenError::WrongToken {
        found: token.serial(),
        wanted: seen.serial,
        reader: seen.reader.clone(),
    })
}

/// What keeps a key from being read.
#[derive(Debug)]
enum NotRead {
    Token(TokenError),
    NoCertificate,
}

impl From<TokenError> for NotRead {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

fn refusal_of(no: &NotRead) -> Refusal {
    match no {
        NotRead::Token(error) => error.refusal(),
        NotRead::NoCertificate => Refusal::new(
            Code::KeyNotRecognised,
            "no certificate in slot 9c",
            "a security key that was enrolled",
        ),
    }
}

fn read(seen: &TokenInfo) -> Result<KeyRead, NotRead> {
    let token = open(seen)?;
    Ok(KeyRead {
        certificate: token
            .find_certificate(Slot::Signature)?
            .ok_or(NotRead::NoCertificate)?,
        pin_is_default: token.defaults()?.pin,
        tries_left: token.pin_tries()?.left,
    })
}
