//! The agent's end of the connection, for programs that may wait.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use wardkey_schemas::Refusal;

use crate::limits;
use crate::protocol::{Answer, Event, FromGate, Request, parse_line, to_line};

/// A connection to the gate. While it lives the gate has no other; when it goes the picture closes.
#[derive(Debug)]
pub struct Client {
    to: UnixStream,
    from: BufReader<UnixStream>,
    events: Vec<Event>,
}

/// Why the gate could not be spoken to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The gate ended the connection.
    #[error("the gate has ended the connection")]
    Ended,
    /// What came is no line of a gate.
    #[error("what the gate said cannot be understood")]
    Malformed(#[source] Refusal),
    /// The connection failed, or nothing came in time.
    #[error("the gate cannot be reached")]
    Connection(#[from] io::Error),
    /// The question cannot be written.
    #[error("the question has no JSON form")]
    Json(#[source] serde_json::Error),
}

impl Client {
    /// Connects; every answer must come within `within`.
    ///
    /// # Errors
    ///
    /// [`ClientError::Connection`].
    pub fn connect(socket: &Path, within: Duration) -> Result<Self, ClientError> {
        let to = UnixStream::connect(socket)?;
        to.set_read_timeout(Some(within))?;
        to.set_write_timeout(Some(within))?;
        let from = BufReader::new(to.try_clone()?);
        Ok(Self {
            to,
            from,
            events: Vec::new(),
        })
    }

    /// Asks, and waits for the answer. Events that come before it are kept for
    /// [`Self::take_events`].
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub fn ask(&mut self, request: &Request) -> Result<Answer, ClientError> {
        let line = to_line(request).map_err(ClientError::Json)?;
        self.to.write_all(&line)?;
        loop {
            match self.hear()? {
                FromGate::Answer(answer) => return Ok(answer),
                FromGate::Event(event) => self.events.push(event),
            }
        }
    }

    /// The next line, whichever it is.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub fn hear(&mut self) -> Result<FromGate, ClientError> {
        let most = u64::try_from(limits::LINE_BYTES).unwrap_or(u64::MAX);
        let mut line = Vec::new();
        self.from.by_ref().take(most).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(ClientError::Ended);
        }
        parse_line(&line).map_err(ClientError::Malformed)
    }

    /// The connection itself, for a program with its own way to wait. What was heard and not taken
    /// is lost.
    pub fn into_stream(self) -> UnixStream {
        self.to
    }

    /// The events so far, oldest first.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}
