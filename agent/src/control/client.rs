//! The caller's end: commands to the running agent, for programs that may wait.
//!
//! [`activate`] and [`extend`] talk with a person on the way: they ask [`PinEntry`] for the PIN and
//! tell [`Progress`] what is waited for.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;
use wardkey_schemas::ids::{RoomId, SessionId};
use wardkey_schemas::names::TokenSerial;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};
use wardkey_token::pin_entry::{PinEntry, PinEntryError, PinRequest};
use zeroize::Zeroizing;

use super::protocol::{PinText, Request, State, Status, Timing, Word};
use crate::limits;
use crate::words;

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No agent listens there.
    #[error("no agent answers at `{path}`")]
    NoAgent {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The agent ended, or the connection to it.
    #[error("the agent has ended the connection")]
    Ended,
    /// The connection failed, or nothing came in time.
    #[error("the agent cannot be spoken to")]
    Connection(#[from] io::Error),
    /// What came is no word of an agent, or the command has no JSON form.
    #[error("what the agent said cannot be understood")]
    Malformed(#[from] serde_json::Error),
    /// The agent answered another question.
    #[error("the agent answered another question")]
    AnotherQuestion,
    /// The agent, the gate or the key service said no.
    #[error("{0}")]
    Refused(Refusal),
    /// The agent could not tell.
    #[error("the agent failed: {0}")]
    Fault(String),
    /// No PIN came.
    #[error("no PIN was given")]
    Pin(#[from] PinEntryError),
}

impl ClientError {
    /// The refusal, if it is one.
    pub const fn refusal(&self) -> Option<&Refusal> {
        if let Self::Refused(refusal) = self {
            Some(refusal)
        } else {
            None
        }
    }

    /// What to try next, if we know.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoAgent { .. } => {
                let hint = "start it with `wardkey-agent run`, or look why the service has ended";
                Some(hint.to_owned())
            }
            Self::Refused(refusal) => Some(refusal.code().next_step().to_owned()),
            Self::Ended
            | Self::Connection(_)
            | Self::Malformed(_)
            | Self::AnotherQuestion
            | Self::Fault(_)
            | Self::Pin(_) => None,
        }
    }
}

/// What a person is to do, or is waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// Agent, gate and key service are not ready yet.
    GettingReady,
    /// To plug in a security key.
    KeyWanted,
    /// To type another PIN.
    PinWrong {
        /// How often it may still be wrong.
        tries_left: u8,
    },
    /// To touch the security key.
    TouchWanted,
    /// Nothing: key and laptop are being checked.
    Checking,
}

/// Which security key, and how long to wait for it.
#[derive(Clone, Copy, Debug)]
pub struct With {
    /// Its serial number, if not the one that was plugged in last.
    pub serial: Option<TokenSerial>,
    /// How long to wait for it, and for an agent that is getting ready.
    pub wait: Duration,
}

/// A visit that was started.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Opened {
    /// The visit.
    pub session: SessionId,
    /// The room.
    pub room: RoomId,
    /// How long it took.
    pub timing: Timing,
}

/// A visit that has more time.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Extended {
    /// The visit.
    pub session: SessionId,
    /// When it ends now, by keyd's clock.
    pub hard_end: Timestamp,
}

/// A lease that was renewed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Renewed {
    /// The lease in use now.
    pub seq: u32,
    /// Milliseconds until the gate closes if nothing else comes.
    pub closes_in_ms: u64,
}

/// Starts a visit, in `room` or a new one, with the person's PIN and touch.
///
/// # Errors
///
/// [`ClientError`].
pub fn activate(
    control: &Path,
    room: Option<RoomId>,
    with: With,
    pin: &mut PinEntry,
    progress: &mut dyn FnMut(Progress),
) -> Result<Opened, ClientError> {
    let serial = with.serial;
    start(
        control,
        &Request::Activate { room, serial },
        with,
        pin,
        progress,
    )
}

/// Moves the running visit of the security key from another laptop to this one, with the person's
/// PIN and touch.
///
/// # Errors
///
/// [`ClientError`].
pub fn move_here(
    control: &Path,
    with: With,
    pin: &mut PinEntry,
    progress: &mut dyn FnMut(Progress),
) -> Result<Opened, ClientError> {
    let serial = with.serial;
    start(control, &Request::MoveHere { serial }, with, pin, progress)
}

fn start(
    control: &Path,
    request: &Request,
    with: With,
    pin: &mut PinEntry,
    progress: &mut dyn FnMut(Progress),
) -> Result<Opened, ClientError> {
    await_readiness(control, with, progress)?;
    let mut agent = Agent::connect(control)?;
    agent.say(request)?;
    let word = agent.attend(pin, progress)?;
    if let Word::Opened {
        session,
        room,
        timing,
    } = word
    {
        Ok(Opened {
            session,
            room,
            timing,
        })
    } else {
        Err(no(word))
    }
}

/// Gives the running visit more time, with the person's PIN and touch.
///
/// # Errors
///
/// [`ClientError`].
pub fn extend(
    control: &Path,
    with: With,
    pin: &mut PinEntry,
    progress: &mut dyn FnMut(Progress),
) -> Result<Extended, ClientError> {
    await_readiness(control, with, progress)?;
    let mut agent = Agent::connect(control)?;
    agent.say(&Request::Extend {
        serial: with.serial,
    })?;
    let word = agent.attend(pin, progress)?;
    if let Word::Extended { session, hard_end } = word {
        Ok(Extended { session, hard_end })
    } else {
        Err(no(word))
    }
}

/// Ends the running visit; which it was, if one was open.
///
/// # Errors
///
/// [`ClientError`].
pub fn end(control: &Path) -> Result<Option<SessionId>, ClientError> {
    let word = ask(control, &Request::End {})?;
    if let Word::Ended { session } = word {
        Ok(session)
    } else {
        Err(no(word))
    }
}

/// Renews the lease now.
///
/// # Errors
///
/// [`ClientError`].
pub fn renew(control: &Path) -> Result<Renewed, ClientError> {
    let word = ask(control, &Request::Renew {})?;
    if let Word::Renewed { seq, closes_in_ms } = word {
        Ok(Renewed { seq, closes_in_ms })
    } else {
        Err(no(word))
    }
}

/// Has the agent read the state folder again, after an enrolment.
///
/// # Errors
///
/// [`ClientError`]; [`ClientError::NoAgent`] where none runs that would need it.
pub fn reload(control: &Path) -> Result<(), ClientError> {
    let word = ask(control, &Request::Reload {})?;
    if let Word::Reloaded {} = word {
        Ok(())
    } else {
        Err(no(word))
    }
}

/// How things stand.
///
/// # Errors
///
/// [`ClientError`].
pub fn status(control: &Path) -> Result<Box<Status>, ClientError> {
    let word = ask(control, &Request::Status {})?;
    if let Word::Status(status) = word {
        Ok(status)
    } else {
        Err(no(word))
    }
}

/// How things stand, and again whenever that changes, as long as `show` wants more.
///
/// # Errors
///
/// [`ClientError`]; [`ClientError::Ended`] when the agent ends.
pub fn watch(
    control: &Path,
    show: &mut dyn FnMut(&Status) -> io::Result<bool>,
) -> Result<(), ClientError> {
    let mut agent = Agent::connect(control)?;
    agent.say(&Request::Watch {})?;
    loop {
        let word = agent.hear()?;
        let Word::Status(status) = word else {
            return Err(no(word));
        };
        if !show(&status)? {
            return Ok(());
        }
    }
}

/// Waits until a command has a chance: a security key is in, and the agent has found gate and key
/// service. What is not so in time is for the agent to refuse.
fn await_readiness(
    control: &Path,
    with: With,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), ClientError> {
    let began = Instant::now();
    let mut agent = Agent::connect(control)?;
    agent.say(&Request::Watch {})?;
    let mut told = None;
    loop {
        let status = match agent.hear() {
            Ok(Word::Status(status)) => status,
            Ok(other) => return Err(no(other)),
            Err(ClientError::Connection(error)) if is_timeout(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        let Some(missing) = what_is_missing(&status, with.serial) else {
            return Ok(());
        };
        if told.replace(missing) != Some(missing) {
            progress(missing);
        }
        let left = with.wait.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        agent.from.get_ref().set_read_timeout(Some(left))?;
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// What a visit cannot begin without and may come by itself.
fn what_is_missing(status: &Status, serial: Option<TokenSerial>) -> Option<Progress> {
    if matches!(status.state, State::NotEnrolled | State::Stopped) {
        return None;
    }
    let comes_by_itself = |refusal: &Refusal| {
        matches!(
            refusal.code(),
            Code::GateUnavailable | Code::ServiceUnreachable
        )
    };
    if status.reason.as_ref().is_some_and(comes_by_itself) {
        return Some(Progress::GettingReady);
    }
    let is_in = status
        .keys
        .iter()
        .any(|key| serial.is_none_or(|serial| key.serial == serial));
    (!is_in).then_some(Progress::KeyWanted)
}

/// One question, one answer.
fn ask(control: &Path, request: &Request) -> Result<Word, ClientError> {
    let mut agent = Agent::connect(control)?;
    agent.say(request)?;
    loop {
        let word = agent.hear()?;
        if word.is_last() {
            return Ok(word);
        }
    }
}

/// The error that a word is which was not wanted.
fn no(word: Word) -> ClientError {
    match word {
        Word::Refused(refusal) => ClientError::Refused(refusal),
        Word::Fault { what } => ClientError::Fault(what),
        Word::PinWanted { .. }
        | Word::TouchWanted {}
        | Word::Checking {}
        | Word::Opened { .. }
        | Word::Extended { .. }
        | Word::Ended { .. }
        | Word::Renewed { .. }
        | Word::Reloaded {}
        | Word::Status(_) => ClientError::AnotherQuestion,
    }
}

/// A connection to the agent.
#[derive(Debug)]
struct Agent {
    to: UnixStream,
    from: BufReader<UnixStream>,
}

impl Agent {
    fn connect(control: &Path) -> Result<Self, ClientError> {
        let to = UnixStream::connect(control).map_err(|source| ClientError::NoAgent {
            path: control.to_owned(),
            source,
        })?;
        let from = BufReader::new(to.try_clone()?);
        Ok(Self { to, from })
    }

    fn say(&mut self, request: &Request) -> Result<(), ClientError> {
        let mut line = Zeroizing::new(serde_json::to_vec(request)?);
        line.push(b'\n');
        Ok(self.to.write_all(&line)?)
    }

    fn hear(&mut self) -> Result<Word, ClientError> {
        let most = u64::try_from(limits::WORD_BYTES).unwrap_or(u64::MAX);
        let mut line = Vec::new();
        self.from.by_ref().take(most).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(ClientError::Ended);
        }
        Ok(serde_json::from_slice(&line)?)
    }

    /// Answers for the person until the last word.
    fn attend(
        &mut self,
        pin: &mut PinEntry,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Word, ClientError> {
        loop {
            match self.hear()? {
                Word::PinWanted {
                    serial,
                    tries_left,
                    wrong,
                } => {
                    if wrong {
                        progress(Progress::PinWrong { tries_left });
                        if !pin.can_ask_again() {
                            let found = format!("a wrong PIN, {tries_left} tries left");
                            let wanted = format!("the PIN of security key {serial}");
                            let refusal = Refusal::new(Code::PinWrong, found, wanted);
                            return Err(ClientError::Refused(refusal));
                        }
                    }
                    let error = wrong.then(|| words::pin(Some((tries_left, true))));
                    let pin = pin.ask(&PinRequest {
                        title: "Wardkey",
                        description: &format!("Enter the PIN of security key {serial}."),
                        error: error.as_deref(),
                    })?;
                    self.say(&Request::Pin {
                        pin: PinText::new(&pin),
                    })?;
                }
                Word::TouchWanted {} => progress(Progress::TouchWanted),
                Word::Checking {} => progress(Progress::Checking),
                last @ (Word::Opened { .. }
                | Word::Extended { .. }
                | Word::Ended { .. }
                | Word::Renewed { .. }
                | Word::Reloaded {}
                | Word::Status(_)
                | Word::Refused(_)
                | Word::Fault { .. }) => return Ok(last),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// An agent that says `words` after each request, on as many connections as there are lists.
    fn agent(path: &Path, connections: Vec<Vec<Word>>) -> thread::JoinHandle<Vec<String>> {
        let listener = UnixListener::bind(path).unwrap();
        thread::spawn(move || {
            let mut heard = Vec::new();
            for words in connections {
                let (stream, _) = listener.accept().unwrap();
                let mut from = BufReader::new(stream.try_clone().unwrap());
                for word in words {
                    let mut line = String::new();
                    from.read_line(&mut line).unwrap();
                    heard.push(line.trim().to_owned());
                    let mut to = &stream;
                    writeln!(to, "{}", serde_json::to_string(&word).unwrap()).unwrap();
                }
            }
            heard
        })
    }

    fn status(state: State, keys: bool) -> Status {
        let key = super::super::protocol::KeyStatus {
            serial: TokenSerial::new(7),
            firmware: wardkey_schemas::names::Firmware {
                major: 5,
                minor: 7,
                patch: 1,
            },
            reader: "reader".to_owned(),
        };
        Status {
            state,
            heading: String::new(),
            body: String::new(),
            reason: None,
            line: None,
            laptop: None,
            visit: None,
            keys: keys.then_some(key).into_iter().collect(),
            gate: true,
            latched: false,
            awake: None,
            holds: Vec::new(),
            last_order: wardkey_schemas::ids::OrderSeq::NONE,
            linked: false,
            bundle: None,
            outbox: 0,
            last_activation: None,
        }
    }

    #[test]
    fn a_stopped_laptop_is_not_waited_for_and_a_missing_key_is() {
        assert_eq!(what_is_missing(&status(State::Stopped, false), None), None);
        assert_eq!(what_is_missing(&status(State::KeyIn, true), None), None);
        let locked = status(State::Locked, false);
        assert_eq!(what_is_missing(&locked, None), Some(Progress::KeyWanted));
        let other = Some(TokenSerial::new(8));
        let another_key = status(State::KeyIn, true);
        assert_eq!(
            what_is_missing(&another_key, other),
            Some(Progress::KeyWanted)
        );
    }

    #[test]
    fn a_gate_that_is_starting_is_waited_for_and_an_unconfirmed_laptop_is_not() {
        let with = |code| Status {
            reason: Some(Refusal::new(code, "a", "b")),
            ..status(State::Attention, true)
        };
        let missing = |code| what_is_missing(&with(code), None);
        assert_eq!(missing(Code::GateUnavailable), Some(Progress::GettingReady));
        assert_eq!(missing(Code::DevicePending), None);
    }

    #[test]
    fn a_refusal_comes_back_as_one_and_a_missing_agent_with_a_hint() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("agent.sock");
        let error = end(&path).unwrap_err();
        assert!(matches!(error, ClientError::NoAgent { .. }));
        assert!(error.hint().unwrap().contains("wardkey-agent run"));
        let refusal = Refusal::new(Code::GateClosed, "no open visit", "an open visit");
        let heard = agent(&path, vec![vec![Word::Refused(refusal.clone())]]);
        assert_eq!(renew(&path).unwrap_err().refusal(), Some(&refusal));
        assert_eq!(heard.join().unwrap(), [r#"{"renew":{}}"#]);
    }

    #[test]
    fn a_wrong_pin_from_a_descriptor_is_tried_once() {
        use std::os::fd::AsRawFd as _;
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("agent.sock");
        let (pin, mut writer) = io::pipe().unwrap();
        writer.write_all(b"583619\n").unwrap();
        drop(writer);
        let wanted = |wrong| Word::PinWanted {
            serial: TokenSerial::new(7),
            tries_left: 4,
            wrong,
        };
        let ready = Word::Status(Box::new(status(State::KeyIn, true)));
        let heard = agent(&path, vec![vec![ready], vec![wanted(false), wanted(true)]]);
        let number = u32::try_from(pin.as_raw_fd()).unwrap();
        let mut entry = PinEntry::descriptor(number).unwrap();
        let mut told = Vec::new();
        let with = With {
            serial: None,
            wait: Duration::from_secs(5),
        };
        let error =
            activate(&path, None, with, &mut entry, &mut |said| told.push(said)).unwrap_err();
        assert_eq!(error.refusal().unwrap().code(), Code::PinWrong);
        assert_eq!(told, [Progress::PinWrong { tries_left: 4 }]);
        let heard = heard.join().unwrap();
        assert_eq!(heard[0], r#"{"watch":{}}"#);
        assert_eq!(heard[2], r#"{"pin":{"pin":"583619"}}"#);
    }
}
