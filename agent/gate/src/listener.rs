//! The gate's socket: who may connect, and one at a time.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;
use wardkey_schemas::{Code, Refusal};

/// The listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    agent_uid: u32,
}

/// Why the gate cannot listen.
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

impl Listener {
    /// Listens at `path`, for processes of the user `agent_uid` alone. A socket that a dead gate
    /// left there is replaced.
    ///
    /// # Errors
    ///
    /// [`ListenError`].
    pub fn bind(path: &Path, agent_uid: u32) -> Result<Self, ListenError> {
        let failed = |deed: &'static str| {
            let path = path.to_owned();
            move |source| ListenError::System { deed, path, source }
        };
        remove_left_over(path)?;
        let socket = UnixListener::bind(path).map_err(failed("make"))?;
        // Connecting takes write permission. Between bind and this line nobody but we have it, or
        // who has it is refused by their user number below.
        if geteuid().as_raw() != agent_uid {
            chown(path, Some(agent_uid), None).map_err(failed("hand to the agent"))?;
        }
        let owner_only = fs::Permissions::from_mode(0o600);
        fs::set_permissions(path, owner_only).map_err(failed("protect"))?;
        socket.set_nonblocking(true).map_err(failed("set up"))?;
        Ok(Self { socket, agent_uid })
    }

    /// The next connection, if one waits: the peer, or why it is sent away.
    ///
    /// # Errors
    ///
    /// What the system said.
    pub fn accept(&self) -> io::Result<Option<(UnixStream, Result<(), Refusal>)>> {
        let stream = match self.socket.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        let found = socket_peercred(&stream)?.uid.as_raw();
        let verdict = if found == self.agent_uid {
            Ok(())
        } else {
            Err(Refusal::new(
                Code::NotPermitted,
                format!("a process of user {found}"),
                format!("one of user {}, the agent's", self.agent_uid),
            ))
        };
        Ok(Some((stream, verdict)))
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn remove_left_over(path: &Path) -> Result<(), ListenError> {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !metadata.file_type().is_socket() {
        return Err(ListenError::NotASocket {
            path: path.to_owned(),
        });
    }
    if UnixStream::connect(path).is_ok() {
        return Err(ListenError::InUse {
            path: path.to_owned(),
        });
    }
    fs::remove_file(path).map_err(|source| ListenError::System {
        deed: "remove what was left of",
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn own_uid() -> u32 {
        geteuid().as_raw()
    }

    #[test]
    fn the_agents_user_may_connect() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("gate.sock");
        let listener = Listener::bind(&path, own_uid()).unwrap();
        assert!(listener.accept().unwrap().is_none());
        let _agent = UnixStream::connect(&path).unwrap();
        let (_, verdict) = listener.accept().unwrap().unwrap();
        assert_eq!(verdict, Ok(()));
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_process_of_another_user_is_sent_away_by_its_credentials() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("gate.sock");
        let other = own_uid().wrapping_add(4711);
        match Listener::bind(&path, other) {
            Ok(listener) => {
                // Root may connect to everybody's sockets, and is not the agent all the same.
                let _root = UnixStream::connect(&path).unwrap();
                let (_, verdict) = listener.accept().unwrap().unwrap();
                assert_eq!(verdict.unwrap_err().code(), Code::NotPermitted);
            }
            Err(error) => {
                assert!(matches!(error, ListenError::System { .. }));
                writeln!(
                    io::stderr(),
                    "skipped: only root can listen for another user"
                )
                .unwrap();
            }
        }
    }

    #[test]
    fn the_socket_of_a_dead_gate_is_replaced_and_that_of_a_living_one_is_not() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("gate.sock");
        let living = Listener::bind(&path, own_uid()).unwrap();
        assert!(matches!(
            Listener::bind(&path, own_uid()),
            Err(ListenError::InUse { .. })
        ));
        drop(living);
        assert!(Listener::bind(&path, own_uid()).is_ok());
    }

    #[test]
    fn a_file_in_the_sockets_place_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("gate.sock");
        fs::write(&path, b"text").unwrap();
        assert!(matches!(
            Listener::bind(&path, own_uid()),
            Err(ListenError::NotASocket { .. })
        ));
        assert_eq!(fs::read(&path).unwrap(), b"text");
    }
}
