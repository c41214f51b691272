//! Nothing that xtask started outlives it: seen from outside, with the real program and a real
//! PostgreSQL. Each test is skipped, with a message, where no PostgreSQL is installed.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![expect(
    clippy::print_stdout,
    reason = "a skipped test says why it was skipped"
)]

use std::io::{BufRead as _, BufReader};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

/// Far more than anything here takes; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// xtask, and the lines that it and its command print.
struct Running {
    xtask: Child,
    lines: Receiver<String>,
}

impl Running {
    /// Runs a shell script beside a private PostgreSQL.
    fn start(script: &str) -> Self {
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["postgres", "sh", "-c", script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(xtask.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { xtask, lines }
    }

    /// The rest of the next line that starts with `word`.
    fn told(&self, word: &str) -> String {
        let begun = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            let line = self.lines.recv_timeout(left).unwrap();
            if let Some(rest) = line.strip_prefix(word) {
                return rest.trim().to_owned();
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.xtask), signal).unwrap();
    }

    /// Waits for the end; what was printed last closes the channel.
    fn end(mut self) -> ExitStatus {
        while self.lines.recv_timeout(PATIENCE).is_ok() {}
        self.xtask.wait().unwrap()
    }
}

fn no_postgres() -> bool {
    let missing = !Path::new("/usr/lib/postgresql").is_dir();
    if missing {
        println!("skipped: no PostgreSQL is installed");
    }
    missing
}

/// The folder in an address that ends with `?host=FOLDER`.
fn folder(address: &str) -> PathBuf {
    PathBuf::from(address.rsplit('=').next().unwrap().replace("%2F", "/"))
}

/// The number of the PostgreSQL that runs in a folder.
fn server(folder: &Path) -> String {
    let file = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
    file.lines().next().unwrap().to_owned()
}

fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    // A zombie has ended, whoever is slow to notice.
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

fn number(pid: &str) -> Pid {
    Pid::from_raw(pid.parse().unwrap()).unwrap()
}

/// Readable once the process has ended, whoever its parent is.
fn ending_of(pid: &str) -> OwnedFd {
    pidfd_open(number(pid), PidfdFlags::empty()).unwrap()
}

fn ends_within(ending: &OwnedFd, most: Duration) -> bool {
    let mut wanted = [PollFd::new(ending, PollFlags::IN)];
    let most = Timespec::try_from(most).unwrap();
    poll(&mut wanted, Some(&most)).unwrap() == 1
}

#[test]
fn a_command_finds_an_administrators_connection_and_nothing_is_left_afterwards() {
    if no_postgres() {
        return;
    }
    let running = Running::start(
        "echo address $WARDKEY_TEST_POSTGRES
         psql --no-psqlrc --quiet --command 'create database one' $WARDKEY_TEST_POSTGRES
         echo role $(psql --no-psqlrc -At --command 'select current_user' $WARDKEY_TEST_POSTGRES)
         exit 7",
    );
    let folder = folder(&running.told("address"));
    assert_eq!(running.told("role"), "postgres");
    let status = running.end();
    assert_eq!(status.code(), Some(7), "the command's own exit status");
    assert!(!folder.exists(), "{} is still there", folder.display());
}

#[test]
fn what_a_command_leaves_running_in_another_session_is_ended() {
    if no_postgres() {
        return;
    }
    let running = Running::start("setsid sh -c 'echo escaped $$; exec sleep 1000' & read never");
    let escaped = running.told("escaped");
    let status = running.end();
    assert!(status.code().is_some());
    assert!(!runs(&escaped), "process {escaped} still runs");
}

#[test]
fn an_interrupt_ends_everything_even_what_left_its_session_and_its_parent() {
    if no_postgres() {
        return;
    }
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let running = Running::start(
            "echo address $WARDKEY_TEST_POSTGRES
             (setsid sh -c 'echo escaped $$; exec sleep 1000' &)
             echo command $$
             exec sleep 1000",
        );
        let folder = folder(&running.told("address"));
        let server = server(&folder);
        assert!(runs(&server));
        // Two processes print; which one comes first is nobody's business.
        let mut pids = Vec::new();
        while pids.len() < 2 {
            let line = running.told("");
            pids.extend(line.split(' ').nth(1).map(str::to_owned));
        }
        running.signal(signal);
        assert_eq!(running.end().code(), Some(130));
        for pid in pids.iter().chain([&server]) {
            assert!(!runs(pid), "process {pid} still runs after {signal:?}");
        }
        assert!(!folder.exists(), "{} is still there", folder.display());
    }
}

#[test]
fn a_second_interrupt_ends_at_once_what_does_not_listen_to_the_first() {
    if no_postgres() {
        return;
    }
    let running = Running::start(
        "trap 'echo heard' TERM
         echo address $WARDKEY_TEST_POSTGRES
         echo command $$
         while :; do :; done",
    );
    let folder = folder(&running.told("address"));
    let command = running.told("command");
    let end = ending_of(&command);
    running.signal(Signal::INT);
    running.told("heard");
    running.signal(Signal::INT);
    // Without the second one it would have five seconds to think about the first.
    assert!(ends_within(&end, Duration::from_secs(4)), "{command} runs");
    assert_eq!(running.end().code(), Some(130));
    assert!(!folder.exists(), "{} is still there", folder.display());
}

#[test]
fn postgres_does_not_outlive_an_xtask_that_was_killed() {
    if no_postgres() {
        return;
    }
    let running = Running::start(
        "echo address $WARDKEY_TEST_POSTGRES
         echo command $$
         exec sleep 1000",
    );
    let folder = folder(&running.told("address"));
    let command = running.told("command");
    let server = ending_of(&server(&folder));
    running.signal(Signal::KILL);
    assert!(ends_within(&server, PATIENCE), "PostgreSQL still runs");
    // Nobody is left to do this.
    kill_process(number(&command), Signal::KILL).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}
