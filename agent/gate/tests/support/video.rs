//! A video program that tries to get away, and a way to see when the last of it is gone.

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};

/// Longer than any machine needs that still works.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The bound of target T15, in milliseconds.
pub const T15: u128 = 250;

/// What a shared machine may take: a measurement over the target is printed, one over this fails.
pub const SLACK: Duration = Duration::from_secs(5);

/// The program: a session of its own, a double fork, a process that ignores every signal it can,
/// and the program itself. All of them hold the FIFO open.
const SCRIPT: &str = r#"#!/bin/sh
exec 9>"$1"
setsid sleep 1000 &
( ( setsid sleep 1000 & ) & )
( setsid sh -c 'trap "" HUP INT TERM; sleep 1000; sleep 1000' & )
printf 'up %s %s\n' "$WARDKEY_ROOM" "$WARDKEY_SESSION" >&9
if [ -n "$2" ]; then read -r line <"$2"; exit 3; fi
sleep 1000
"#;

/// A showing as its processes show it: a FIFO that each of them holds open for writing.
pub struct Video {
    program: PathBuf,
    fifo: PathBuf,
    fuse: PathBuf,
    reader: File,
}

impl Video {
    /// Writes the program and makes its FIFO, both in `place`.
    pub fn new(place: &Path) -> Self {
        let program = place.join("video.sh");
        fs::write(&program, SCRIPT).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let (fifo, fuse) = (place.join("alive"), place.join("fuse"));
        let mode = Mode::RUSR | Mode::WUSR;
        for path in [&fifo, &fuse] {
            mknodat(CWD, path, FileType::Fifo, mode, 0).unwrap();
        }
        let reader = open(&fifo);
        Self {
            program,
            fifo,
            fuse,
            reader,
        }
    }

    /// The command that runs until it is ended.
    pub fn command(&self) -> Vec<String> {
        [&self.program, &self.fifo]
            .map(|path| path.to_str().unwrap().to_owned())
            .to_vec()
    }

    /// The command that ends by itself once [`Self::let_it_end`] is called.
    pub fn command_with_fuse(&self) -> Vec<String> {
        let mut command = self.command();
        command.push(self.fuse.to_str().unwrap().to_owned());
        command
    }

    /// A command that runs until it is ended and does not try to get away.
    pub fn command_that_stays(&self) -> Vec<String> {
        let fifo = self.fifo.to_str().unwrap();
        let script = "exec 9>\"$0\"; echo up >&9; exec sleep 1000";
        ["/bin/sh", "-c", script, fifo].map(str::to_owned).to_vec()
    }

    /// Lets a program with a fuse end by itself, with exit status 3.
    pub fn let_it_end(&self) {
        fs::write(&self.fuse, b"now\n").unwrap();
    }

    /// Waits until all of the program runs; gives the room and the session it was told.
    pub fn wait_until_up(&mut self) -> (String, String) {
        let mut text = String::new();
        while !text.ends_with('\n') {
            self.wait_for_change(PATIENCE);
            let mut bytes = [0; 256];
            let read = self.reader.read(&mut bytes).unwrap();
            assert_ne!(read, 0, "the program ended after it had said {text:?}");
            text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        let mut words = text.split_whitespace().skip(1).map(str::to_owned);
        (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        )
    }

    /// Waits until no process of the program is left; gives the time since `cause`, prints it
    /// beside the target, and fails beyond what a shared machine may take.
    pub fn wait_until_gone(&mut self, what: &str, cause: Instant) -> Duration {
        self.wait_for_change(PATIENCE);
        assert_eq!(self.reader.read(&mut [0; 1]).unwrap(), 0);
        let took = cause.elapsed();
        println!("{what}: {} ms (target {T15} ms)", took.as_millis());
        assert!(took < SLACK, "{what}: {took:?}");
        // A reader that has seen the end goes on seeing it; the next showing needs a new one.
        self.reader = open(&self.fifo);
        took
    }

    /// Whether a process of the program is left at this moment.
    pub fn is_up(&mut self) -> bool {
        // A FIFO whose writers are all gone reads as ended; one that has writers has nothing to
        // read just now.
        match self.reader.read(&mut [0; 1]) {
            Ok(0) => false,
            Ok(_) => panic!("the program says something"),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                true
            }
        }
    }

    fn wait_for_change(&self, within: Duration) {
        let within = Timespec::try_from(within).unwrap();
        let mut fds = [PollFd::new(&self.reader, PollFlags::IN)];
        assert_eq!(poll(&mut fds, Some(&within)).unwrap(), 1, "nothing came");
    }
}

/// Opens a FIFO for reading without waiting for anybody to write.
fn open(fifo: &Path) -> File {
    OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(OFlags::NONBLOCK.bits()).unwrap())
        .open(fifo)
        .unwrap()
}
