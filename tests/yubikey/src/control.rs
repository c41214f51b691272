//! How a hub is told what to do: one JSON document a line over a unix socket.
//!
//! Each line asks one thing and gets one line back, when it is done: a card *plugged* is one that
//! pcscd reports as present. Lines on different connections do not wait for each other, so a
//! finger can be held over a card while somebody else waits for it to be wanted.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::touch::TouchMode;

/// Name of the hub's control socket in its folder.
pub const CONTROL_SOCKET: &str = "control.sock";

/// Name of the private pcscd's socket in the hub's folder.
pub const PCSC_SOCKET: &str = "pcscd.sock";

/// What can be asked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Put the card `name` into `slot`, or into the first free one.
    Plug {
        /// Name of the card's folder among the cards.
        name: String,
        /// Number of the slot, from 0.
        slot: Option<usize>,
    },
    /// Take the card out.
    Unplug {
        /// Which.
        name: String,
    },
    /// Touch the card's disc, which must be waiting for it.
    Touch {
        /// Which.
        name: String,
    },
    /// Change who touches.
    TouchMode {
        /// Which.
        name: String,
        /// Who touches from now on.
        mode: TouchMode,
    },
    /// Change how long the card waits for a touch.
    TouchTimeout {
        /// Which.
        name: String,
        /// How long, in milliseconds.
        milliseconds: u64,
    },
    /// Wait until the card wants a touch.
    AwaitTouch {
        /// Which.
        name: String,
        /// How long to wait for that, in milliseconds.
        milliseconds: u64,
    },
    /// Say which cards are where.
    State,
    /// End the hub.
    Quit,
}

/// What comes back.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Reply {
    /// It is done.
    Done,
    /// The card is present in this reader.
    Plugged {
        /// The reader's name, as PC/SC clients see it.
        reader: String,
    },
    /// The answer to [`Request::State`].
    State {
        /// The plugged cards, by slot.
        cards: Vec<CardState>,
        /// How many slots there are.
        slots: usize,
    },
    /// It could not be done.
    Refused {
        /// Why, for people.
        reason: String,
    },
}

/// One plugged card.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CardState {
    /// Its name.
    pub name: String,
    /// Its slot.
    pub slot: usize,
    /// The slot's reader.
    pub reader: String,
    /// Its serial number.
    pub serial: u32,
    /// Who touches.
    pub touch_mode: TouchMode,
    /// Whether it waits for a touch at this moment.
    pub waiting_for_touch: bool,
}

/// The line a hub prints once cards can be plugged.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Ready {
    /// How many slots it has.
    pub ready: usize,
}

/// A line to a hub.
#[derive(Debug)]
pub struct Control {
    stream: BufReader<UnixStream>,
}

impl Control {
    /// Connects to the hub in `folder`.
    ///
    /// # Errors
    ///
    /// The socket's.
    pub fn connect(folder: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(folder.join(CONTROL_SOCKET))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Asks one thing and waits for the answer.
    ///
    /// # Errors
    ///
    /// The socket's; [`io::ErrorKind::UnexpectedEof`] if the hub went away.
    pub fn ask(&mut self, request: &Request) -> io::Result<Reply> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line)?;
        let mut answer = String::new();
        if self.stream.read_line(&mut answer)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_str(&answer)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_read_as_a_person_would_type_them() {
        let typed = r#"{"do":"plug","name":"lead"}"#;
        let request: Request = serde_json::from_str(typed).unwrap();
        assert_eq!(
            request,
            Request::Plug {
                name: "lead".to_owned(),
                slot: None
            }
        );
        let typed = r#"{"do":"touch-mode","name":"lead","mode":"never"}"#;
        let request: Request = serde_json::from_str(typed).unwrap();
        assert_eq!(
            request,
            Request::TouchMode {
                name: "lead".to_owned(),
                mode: TouchMode::Never
            }
        );
    }

    #[test]
    fn what_a_request_does_not_know_is_refused() {
        assert!(serde_json::from_str::<Request>(r#"{"do":"plug","name":"a","slott":1}"#).is_err());
        assert!(serde_json::from_str::<Request>(r#"{"do":"polish","name":"a"}"#).is_err());
    }
}
