//! A private PostgreSQL: its own folder, its own unix socket, gone when it is dropped.
//!
//! It listens on no network address, so it needs no port and no password; its folder belongs to the
//! user it runs as. PostgreSQL refuses to run as root: root starts it as user `postgres`.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, geteuid, kill_process, pidfd_open};
use tempfile::TempDir;

use crate::failure::{Failure, Result};
use crate::supervise::{Output, Supervisor, readable_within};

/// The environment variable in which tests look for the address.
pub(crate) const VARIABLE: &str = "WARDKEY_TEST_POSTGRES";

/// Where Debian keeps one folder a version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Starting takes a second or two; a busy machine may take longer.
const START: Duration = Duration::from_mins(1);

/// How long a fast shutdown may take before it is killed.
const STOP: Duration = Duration::from_secs(10);

/// Lines of the server's log that are shown when it does not start.
const KEPT_LINES: usize = 20;

/// A running server.
#[derive(Debug)]
pub(crate) struct Postgres<'a> {
    supervisor: &'a Supervisor,
    server: Child,
    folder: TempDir,
    version: String,
    sessions: Arc<AtomicU64>,
}

impl<'a> Postgres<'a> {
    /// Makes a new cluster and starts it.
    pub(crate) fn start(supervisor: &'a Supervisor) -> Result<Self> {
        let (version, programs) = newest(Path::new(DEBIAN))?;
        let folder = tempfile::Builder::new()
            .prefix("wardkey-postgres-")
            .tempdir()
            .map_err(|error| Failure::io("cannot make a temporary folder", &error))?;
        let user = if geteuid().is_root() {
            give_to_postgres(folder.path())?;
            Some("postgres")
        } else {
            None
        };
        let data = folder.path().join("data");

        let mut initdb = as_user(user, &programs.join("initdb"));
        initdb
            .arg("--pgdata")
            .arg(&data)
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
            .args(["--no-locale", "--no-sync", "--no-instructions"])
            .current_dir(folder.path())
            .stdout(Stdio::null());
        let ended = supervisor.run(initdb, Output::Inherit)?;
        if !ended.status.success() {
            return Err(Failure::new("PostgreSQL could not make its folder"));
        }

        let mut command = as_user(user, &programs.join("postgres"));
        command
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args(["-c", "listen_addresses="])
            .args(["-c", "max_connections=200", "-c", "log_connections=on"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut server = command
            .spawn()
            .map_err(|error| Failure::io("cannot start PostgreSQL", &error))?;
        supervisor.spare(&server);
        let log = server.stderr.take();
        let sessions = Arc::new(AtomicU64::new(0));
        let postgres = Self {
            supervisor,
            server,
            folder,
            version,
            sessions: Arc::clone(&sessions),
        };
        if let Some(log) = log {
            wait_until_ready(log, sessions)?;
        }
        supervisor.check()?;
        Ok(postgres)
    }

    /// Its address, as an administrator who may create databases.
    pub(crate) fn url(&self) -> String {
        // The parameter overrules the host before it: a folder is a unix socket. Its slashes are
        // encoded, so that the database's name is what stands behind the last slash.
        let folder = self.folder.path().display().to_string();
        let folder = folder.replace('/', "%2F");
        format!("postgres://postgres@localhost/postgres?host={folder}")
    }

    /// Its major version.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// How many sessions it has opened since it started.
    pub(crate) fn sessions(&self) -> u64 {
        self.sessions.load(Ordering::Relaxed)
    }
}

impl Drop for Postgres<'_> {
    fn drop(&mut self) {
        let pid = Pid::from_child(&self.server);
        // SIGINT is PostgreSQL's fast shutdown. It may have ended by itself.
        let _ = kill_process(pid, Signal::INT);
        let gone =
            pidfd_open(pid, PidfdFlags::empty()).is_ok_and(|exit| readable_within(&exit, STOP));
        if !gone {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.server.wait();
        self.supervisor.no_longer_spare(&self.server);
    }
}

/// The newest version below Debian's folder, and its programs.
fn newest(folder: &Path) -> Result<(String, PathBuf)> {
    let versions = fs::read_dir(folder).into_iter().flatten().flatten();
    versions
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let number: u32 = name.parse().ok()?;
            let programs = entry.path().join("bin");
            programs
                .join("postgres")
                .is_file()
                .then_some((number, name, programs))
        })
        .max_by_key(|(number, ..)| *number)
        .map(|(_, name, programs)| (name, programs))
        .ok_or_else(|| Failure::new(format!("there is no PostgreSQL server below {DEBIAN}")))
        .map_err(|failure| failure.hint("`cargo xtask test --only packages` installs it"))
}

fn give_to_postgres(folder: &Path) -> Result<()> {
    let mut chown = Command::new("chown");
    chown.arg("postgres:").arg(folder);
    crate::workspace::read_output(chown)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        .map_err(|error| Failure::io("cannot protect the temporary folder", &error))
}

/// A program that runs as this user and dies with us, even if we die of SIGKILL.
fn as_user(user: Option<&str>, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if let Some(user) = user {
        command.args(["--reuid", user, "--regid", user, "--init-groups"]);
    }
    command.args(["--pdeathsig", "INT", "--"]).arg(program);
    command
}

/// Reads the log until the server takes connections; goes on reading in a thread, so that it never
/// waits for us, and counts the sessions.
fn wait_until_ready(log: ChildStderr, sessions: Arc<AtomicU64>) -> Result<()> {
    let (ready, readiness) = mpsc::channel();
    let last = Arc::new(Mutex::new(VecDeque::new()));
    let kept = Arc::clone(&last);
    std::thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(std::io::Result::ok) {
            if line.contains("ready to accept connections") {
                // Nobody listens any more once we gave up.
                let _ = ready.send(());
            }
            if line.contains("connection authorized") {
                sessions.fetch_add(1, Ordering::Relaxed);
            }
            if let Ok(mut kept) = kept.lock() {
                kept.push_back(line);
                if kept.len() > KEPT_LINES {
                    kept.pop_front();
                }
            }
        }
    });
    readiness.recv_timeout(START).map_err(|_| {
        let said: Vec<String> = last
            .lock()
            .map(|lines| lines.iter().cloned().collect())
            .unwrap_or_default();
        Failure::new(format!("PostgreSQL did not start\n{}", said.join("\n")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_is_chosen_by_number() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["9", "15", "common"] {
            let bin = folder.path().join(version).join("bin");
            fs::create_dir_all(&bin).unwrap();
            fs::write(bin.join("postgres"), "").unwrap();
        }
        fs::create_dir_all(folder.path().join("16/bin")).unwrap();
        let (version, programs) = newest(folder.path()).unwrap();
        assert_eq!(version, "15", "16 has no server in it");
        assert_eq!(programs, folder.path().join("15/bin"));
    }

    #[test]
    fn no_server_at_all_is_told_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let failure = newest(folder.path()).unwrap_err();
        assert!(failure.to_string().contains("--only packages"), "{failure}");
    }
}
