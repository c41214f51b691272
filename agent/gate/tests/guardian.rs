//! The guardian by itself: the test plays the gate.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use support::video::Video;

/// The kinds of confinement that this machine grants.
const KINDS: [&str; 3] = ["both", "cgroup", "namespace"];

struct Guardian {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    cgroup: Option<PathBuf>,
}

/// A cgroup for a test, below the one in which it runs.
fn new_cgroup(name: &str) -> PathBuf {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = own
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .unwrap();
    let mount = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
        .into_iter()
        .map(Path::new)
        .find(|path| path.join("cgroup.procs").exists())
        .unwrap();
    let path = mount
        .join(own)
        .join(format!("wardkey-test-{}-{name}", std::process::id()));
    std::fs::create_dir(&path).unwrap();
    path
}

impl Guardian {
    fn start(kind: &str, name: &str, command: &[String]) -> Self {
        let cgroup = (kind != "namespace").then(|| new_cgroup(name));
        let confinement = match kind {
            "both" => json!({"both": {"cgroup": cgroup, "bwrap": "/usr/bin/bwrap"}}),
            "cgroup" => json!({"cgroup": {"cgroup": cgroup}}),
            _ => json!({"namespace": {"bwrap": "/usr/bin/bwrap"}}),
        };
        let mut child = Command::new(env!("CARGO_BIN_EXE_wardkey-gate"))
            .arg("guard")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = child.stdin.take();
        let from = BufReader::new(child.stdout.take().unwrap());
        let mut guardian = Self {
            child,
            to,
            from,
            cgroup,
        };
        guardian.say(&json!({
            "program": {
                "command": command,
                "folder": "/",
                "environment": {"PATH": "/usr/bin:/bin", "WARDKEY_ROOM": "r", "WARDKEY_SESSION": "s"},
            },
            "confinement": confinement,
            "until": u64::MAX,
        }));
        guardian
    }

    fn say(&mut self, line: &Value) {
        let to = self.to.as_mut().unwrap();
        to.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        if line.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&line).unwrap()
        }
    }

    fn kill(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the guardian's end, which must be a good one, and for the cgroup's.
    fn finish(mut self) {
        assert!(self.child.wait().unwrap().success());
        if let Some(cgroup) = &self.cgroup {
            assert!(!cgroup.exists(), "{}", cgroup.display());
        }
    }
}

#[test]
fn the_end_of_the_pipe_ends_everything() {
    for kind in KINDS {
        let place = tempfile::tempdir().unwrap();
        let mut video = Video::new(place.path());
        let mut guardian = Guardian::start(kind, "pipe", &video.command());
        assert_eq!(guardian.hear(), json!("started"));
        assert_eq!(video.wait_until_up(), ("r".to_owned(), "s".to_owned()));
        assert!(video.is_up());
        let cause = Instant::now();
        guardian.to = None;
        video.wait_until_gone(&format!("{kind}: end of the pipe"), cause);
        assert_eq!(guardian.hear(), Value::Null);
        guardian.finish();
    }
}

#[test]
fn a_program_that_ends_by_itself_takes_its_escaped_children_with_it() {
    for kind in KINDS {
        let place = tempfile::tempdir().unwrap();
        let mut video = Video::new(place.path());
        let mut guardian = Guardian::start(kind, "itself", &video.command_with_fuse());
        assert_eq!(guardian.hear(), json!("started"));
        video.wait_until_up();
        let cause = Instant::now();
        video.let_it_end();
        video.wait_until_gone(&format!("{kind}: end of the program"), cause);
        assert_eq!(guardian.hear(), json!({"ended": {"how": "exit status 3"}}));
        guardian.finish();
    }
}

#[test]
fn a_time_that_is_over_ends_everything_though_the_gate_says_nothing() {
    for kind in KINDS {
        let place = tempfile::tempdir().unwrap();
        let mut video = Video::new(place.path());
        let mut guardian = Guardian::start(kind, "time", &video.command());
        assert_eq!(guardian.hear(), json!("started"));
        video.wait_until_up();
        let cause = Instant::now();
        guardian.say(&json!({"until": 0}));
        // It waits a second for the gate only where the time lies less than that in the past.
        video.wait_until_gone(&format!("{kind}: time over"), cause);
        let how = "its time was over and the gate did not end it";
        assert_eq!(guardian.hear(), json!({"ended": {"how": how}}));
        guardian.finish();
    }
}

#[test]
fn the_guardians_own_death_ends_the_program_and_with_a_namespace_everything() {
    for kind in KINDS {
        let place = tempfile::tempdir().unwrap();
        let mut video = Video::new(place.path());
        let mut guardian = Guardian::start(kind, "death", &video.command());
        assert_eq!(guardian.hear(), json!("started"));
        video.wait_until_up();
        let cause = Instant::now();
        guardian.kill(Signal::KILL);
        if let Some(cgroup) = guardian.cgroup.clone()
            && kind == "cgroup"
        {
            // What escaped its parents is for the gate to end, which hears the pipe close.
            assert_eq!(guardian.hear(), Value::Null);
            std::fs::write(cgroup.join("cgroup.kill"), b"1").unwrap();
        }
        video.wait_until_gone(&format!("{kind}: death of the guardian"), cause);
        guardian.child.wait().unwrap();
        if let Some(cgroup) = &guardian.cgroup {
            remove_when_empty(cgroup);
        }
    }
}

#[test]
fn a_program_that_stays_does_not_outlive_its_guardian_even_if_nobody_ends_its_cgroup() {
    let place = tempfile::tempdir().unwrap();
    let mut video = Video::new(place.path());
    let mut guardian = Guardian::start("cgroup", "stays", &video.command_that_stays());
    assert_eq!(guardian.hear(), json!("started"));
    video.wait_until_up();
    let cause = Instant::now();
    guardian.kill(Signal::KILL);
    video.wait_until_gone("cgroup: death of the guardian, by the kernel", cause);
    guardian.child.wait().unwrap();
    remove_when_empty(guardian.cgroup.as_ref().unwrap());
}

/// Removes a cgroup whose last process is just being taken away.
fn remove_when_empty(cgroup: &Path) {
    let events = cgroup.join("cgroup.events");
    loop {
        let file = std::fs::File::open(&events).unwrap();
        let text = std::io::read_to_string(&file).unwrap();
        if text.lines().any(|line| line == "populated 0") {
            std::fs::remove_dir(cgroup).unwrap();
            return;
        }
        let mut fds = [rustix::event::PollFd::new(
            &file,
            rustix::event::PollFlags::PRI,
        )];
        let patience = rustix::event::Timespec::try_from(support::video::PATIENCE).unwrap();
        assert_eq!(rustix::event::poll(&mut fds, Some(&patience)).unwrap(), 1);
    }
}

#[test]
fn a_program_that_cannot_start_is_told_with_its_reason() {
    let command = ["/nowhere/to/be/found".to_owned()];
    let mut guardian = Guardian::start("cgroup", "missing", &command);
    let word = guardian.hear();
    let why = word["not-started"]["why"].as_str().unwrap();
    assert!(why.contains("/nowhere/to/be/found"), "{why}");
    guardian.finish();
}

#[test]
fn a_gate_that_dies_before_its_first_line_starts_nothing() {
    let place = tempfile::tempdir().unwrap();
    let mut video = Video::new(place.path());
    let mut child = Command::new(env!("CARGO_BIN_EXE_wardkey-gate"))
        .arg("guard")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = child.stdin.take().unwrap();
    to.write_all(b"{\"program\":{\"command\":").unwrap();
    drop(to);
    assert!(child.wait().unwrap().success());
    assert!(!video.is_up());
}
