//! The agent's end: who may connect, and one line after the other.
//!
//! Whoever connects is known by what the kernel says of them (`SO_PEERCRED`, unix(7)): root, the
//! agent's own user, and the one user whom the settings name. Nobody else is heard.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::geteuid;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{MissedTickBehavior, interval};
use wardkey_schemas::{Code, Refusal};

use super::protocol::{Request, Word};
use crate::limits;
use crate::session::CallerId;

/// What a program did.
#[derive(Debug)]
pub enum Said {
    /// It connected, and reads what is put here.
    Came(Sender<Word>),
    /// It asks for something.
    Request(Request),
    /// It has gone.
    Left,
}

/// Why the agent cannot listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Something that is no socket has its name.
    #[error("`{path}` exists and is not a socket")]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// Another program listens there.
    #[error("another program listens at `{path}`")]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// The system did not do it.
    #[error("cannot {deed} the socket `{path}`")]
    System {
        /// What was tried.
        deed: &'static str,
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl ListenError {
    /// What to try next, if we know.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotASocket { path } => {
                let path = path.display();
                Some(format!("move `{path}` away, or set another `control`"))
            }
            Self::InUse { .. } => Some("stop the other agent first".to_owned()),
            Self::System { .. } => None,
        }
    }
}

/// The listening socket.
#[derive(Debug)]
pub struct Server {
    socket: UnixListener,
    own_uid: u32,
    uid: Option<u32>,
    said: Sender<(CallerId, Said)>,
}

impl Server {
    /// Listens at `path`, inside a runtime, for root, this process's user and `uid`. A socket that a
    /// dead agent left there is replaced. What programs say comes out of the receiver.
    ///
    /// # Errors
    ///
    /// [`ListenError`].
    pub fn bind(
        path: &Path,
        uid: Option<u32>,
    ) -> Result<(Self, Receiver<(CallerId, Said)>), ListenError> {
        let failed = |deed: &'static str| {
            let path = path.to_owned();
            move |source| ListenError::System { deed, path, source }
        };
        remove_left_over(path)?;
        let socket = UnixListener::bind(path).map_err(failed("make"))?;
        // Connecting takes write permission, and with a second user it cannot be for one alone: who
        // is not meant is refused by their user number.
        let mode = if uid.is_some() { 0o666 } else { 0o600 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed("protect"))?;
        let (said, heard) = channel(limits::EVENTS);
        let server = Self {
            socket,
            own_uid: geteuid().as_raw(),
            uid,
            said,
        };
        Ok((server, heard))
    }

    /// Accepts programs until it is dropped.
    pub async fn serve(self) {
        let places = Arc::new(Semaphore::new(limits::CALLERS));
        let mut number = 0_u64;
        let mut again = interval(limits::ACCEPT_AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let stream = match self.socket.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::error!(%error, "No connection can be accepted");
                    // As when descriptors run out: whoever goes gives one back.
                    again.tick().await;
                    continue;
                }
            };
            let (read, mut write) = match self.admit(&stream) {
                Ok(()) => stream.into_split(),
                Err(refusal) => {
                    tracing::warn!(%refusal, "A program was sent away");
                    let (_, mut write) = stream.into_split();
                    say(&mut write, &Word::Refused(refusal)).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                let wanted = "fewer programs at once";
                let refusal = Refusal::new(Code::Busy, "too many programs", wanted);
                say(&mut write, &Word::Refused(refusal)).await;
                continue;
            };
            number = number.saturating_add(1);
            let (caller, said) = (CallerId(number), self.said.clone());
            tokio::spawn(async move {
                attend(caller, read, write, &said).await;
                drop(place);
            });
        }
    }

    fn admit(&self, stream: &UnixStream) -> Result<(), Refusal> {
        let wanted = "root, the agent's user, or the user that the settings name";
        let found = stream
            .peer_cred()
            .map_err(|error| Refusal::new(Code::NotPermitted, error, wanted))?
            .uid();
        if found == 0 || found == self.own_uid || Some(found) == self.uid {
            return Ok(());
        }
        let found = format!("a process of user {found}");
        Err(Refusal::new(Code::NotPermitted, found, wanted))
    }
}

/// Attends to one program until it has gone.
async fn attend(
    caller: CallerId,
    read: OwnedReadHalf,
    mut write: OwnedWriteHalf,
    said: &Sender<(CallerId, Said)>,
) {
    let (words, mut waiting) = channel::<Word>(limits::WORDS_WAITING);
    if said.send((caller, Said::Came(words))).await.is_err() {
        return;
    }
    let telling = async {
        while let Some(word) = waiting.recv().await {
            if !say(&mut write, &word).await {
                return None;
            }
        }
        None
    };
    let refusal = tokio::select! {
        refusal = hear(caller, read, said) => refusal,
        refusal = telling => refusal,
    };
    if let Some(refusal) = refusal {
        say(&mut write, &Word::Refused(refusal)).await;
    }
    drop(said.send((caller, Said::Left)).await);
}

/// Hears one line after the other; at the end, why no more are heard, if that is for them to know.
async fn hear(
    caller: CallerId,
    read: OwnedReadHalf,
    said: &Sender<(CallerId, Said)>,
) -> Option<Refusal> {
    let most = u64::try_from(limits::COMMAND_BYTES).unwrap_or(u64::MAX);
    let mut read = BufReader::new(read);
    loop {
        // It may hold a PIN.
        let mut line = zeroize::Zeroizing::new(Vec::new());
        let length = (&mut read).take(most).read_until(b'\n', &mut line).await;
        if !matches!(length, Ok(1..)) {
            return None;
        }
        if line.len() >= limits::COMMAND_BYTES {
            let wanted = format!("at most {} bytes", limits::COMMAND_BYTES);
            return Some(Refusal::new(Code::MessageTooLarge, "a long line", wanted));
        }
        let request = match serde_json::from_slice(&line) {
            Ok(request) => Said::Request(request),
            Err(error) => {
                // The text stays out of it: it may hold a PIN.
                let found = format!("something else, at column {}", error.column());
                return Some(Refusal::new(Code::MessageMalformed, found, "a command"));
            }
        };
        if said.send((caller, request)).await.is_err() {
            return None;
        }
    }
}

async fn say(write: &mut OwnedWriteHalf, word: &Word) -> bool {
    let Ok(mut line) = serde_json::to_vec(word) else {
        return false;
    };
    line.push(b'\n');
    write.write_all(&line).await.is_ok()
}

fn remove_left_over(path: &Path) -> Result<(), ListenError> {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    let path = path.to_owned();
    if !metadata.file_type().is_socket() {
        return Err(ListenError::NotASocket { path });
    }
    if std::os::unix::net::UnixStream::connect(&path).is_ok() {
        return Err(ListenError::InUse { path });
    }
    fs::remove_file(&path).map_err(|source| ListenError::System {
        deed: "remove what was left of",
        path,
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn line(from: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> String {
        let mut line = String::new();
        from.read_line(&mut line).await.unwrap();
        line
    }

    #[tokio::test]
    async fn a_program_asks_is_told_and_goes() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("agent.sock");
        let (server, mut heard) = Server::bind(&path, None).unwrap();
        tokio::spawn(server.serve());
        let (read, mut write) = UnixStream::connect(&path).await.unwrap().into_split();
        let (caller, Said::Came(words)) = heard.recv().await.unwrap() else {
            panic!("somebody came")
        };
        write.write_all(b"{\"end\":{}}\n").await.unwrap();
        let said = heard.recv().await.unwrap();
        assert!(matches!(said, (by, Said::Request(Request::End {})) if by == caller));
        words.send(Word::Ended { session: None }).await.unwrap();
        let mut read = BufReader::new(read);
        assert_eq!(line(&mut read).await, "{\"ended\":{\"session\":null}}\n");
        drop((read, write));
        assert!(matches!(heard.recv().await.unwrap(), (by, Said::Left) if by == caller));
    }

    #[tokio::test]
    async fn nonsense_and_long_lines_are_refused_without_being_repeated() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("agent.sock");
        let (server, mut heard) = Server::bind(&path, None).unwrap();
        tokio::spawn(server.serve());
        let long = vec![b' '; limits::COMMAND_BYTES];
        for (wrong, code) in [
            (&b"{\"pin\":{\"pin\":583619}}\n"[..], "MESSAGE_MALFORMED"),
            (&long, "MESSAGE_TOO_LARGE"),
        ] {
            let (read, mut write) = UnixStream::connect(&path).await.unwrap().into_split();
            let (_, Said::Came(_words)) = heard.recv().await.unwrap() else {
                panic!("somebody came")
            };
            write.write_all(wrong).await.unwrap();
            let said = line(&mut BufReader::new(read)).await;
            assert!(said.contains(code), "{said}");
            assert!(!said.contains("583619"), "{said}");
            assert!(matches!(heard.recv().await.unwrap().1, Said::Left));
        }
    }

    #[tokio::test]
    async fn a_file_in_the_sockets_place_is_left_alone_and_a_living_agent_too() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("agent.sock");
        let living = Server::bind(&path, None).unwrap();
        let error = Server::bind(&path, None).unwrap_err();
        assert!(matches!(error, ListenError::InUse { .. }));
        drop(living);
        assert!(Server::bind(&path, None).is_ok());
        let file = place.path().join("file");
        fs::write(&file, b"text").unwrap();
        let error = Server::bind(&file, None).unwrap_err();
        assert!(matches!(error, ListenError::NotASocket { .. }));
        assert_eq!(fs::read(&file).unwrap(), b"text");
    }
}
