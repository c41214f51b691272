//! When a laptop's picture was to be seen: its first frame, its last one, and when no process of
//! the video program was left.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::time::{ClockId, clock_gettime};

use crate::world::{Laptop, WorldError, file};

/// How long a picture may take to open or close.
const WAIT: Duration = Duration::from_mins(1);

/// A picture that shows nothing for as long as several frames is closed.
const STILL: Duration = Duration::from_millis(250);

/// This moment on the clock with which frames are stamped, in milliseconds.
pub fn boottime_ms() -> i64 {
    millis(clock_gettime(ClockId::Boottime))
}

/// What to take from a time of day to get a frame's clock.
pub fn wall_minus_boottime_ms() -> i64 {
    millis(clock_gettime(ClockId::Realtime)).saturating_sub(boottime_ms())
}

fn millis(time: Timespec) -> i64 {
    let nanos = time.tv_nsec.checked_div(1_000_000).unwrap_or(0);
    time.tv_sec.saturating_mul(1000).saturating_add(nanos)
}

/// The frames that a laptop's picture shows.
#[derive(Debug)]
pub struct Frames {
    path: PathBuf,
    changes: OwnedFd,
}

impl Frames {
    /// Looks at a laptop's picture, which need not be open yet.
    ///
    /// # Errors
    ///
    /// [`WorldError`] if its folder cannot be watched.
    pub fn of(laptop: &Laptop) -> Result<Self, WorldError> {
        let path = laptop.frames();
        let folder = path.parent().unwrap_or(&path);
        let changes = watch(folder).map_err(|error| {
            WorldError::Unexpected(format!("`{}` cannot be watched: {error}", folder.display()))
        })?;
        Ok(Self { path, changes })
    }

    /// When the first frame of the picture that runs, or ran last, was shown.
    pub fn first(&self) -> Option<i64> {
        self.line(1)
    }

    /// When the last frame was shown.
    pub fn last(&self) -> Option<i64> {
        self.line(0)
    }

    fn line(&self, number: usize) -> Option<i64> {
        fs::read_to_string(&self.path)
            .ok()?
            .lines()
            .nth(number)?
            .parse()
            .ok()
    }

    /// Waits until a frame is shown after `moment`.
    ///
    /// # Errors
    ///
    /// [`WorldError`] if none is within a minute.
    pub fn await_after(&self, moment: i64) -> Result<(), WorldError> {
        let began = Instant::now();
        loop {
            if self.last().is_some_and(|frame| frame > moment) {
                return Ok(());
            }
            if !self.change(WAIT.saturating_sub(began.elapsed())) {
                return Err(WorldError::Unexpected(
                    "the picture does not run".to_owned(),
                ));
            }
        }
    }

    /// Waits until no frame is shown any more, and gives the time of the last.
    ///
    /// # Errors
    ///
    /// [`WorldError`] if they go on for a minute.
    pub fn await_end(&self) -> Result<i64, WorldError> {
        let began = Instant::now();
        while self.change(STILL) {
            if began.elapsed() > WAIT {
                return Err(WorldError::Unexpected(
                    "the picture did not close".to_owned(),
                ));
            }
        }
        self.last()
            .ok_or_else(|| WorldError::Unexpected("there was no picture".to_owned()))
    }

    /// Waits for a change, at most `within`; whether there was one.
    fn change(&self, within: Duration) -> bool {
        let within = Timespec::try_from(within).ok();
        let mut fds = [PollFd::new(&self.changes, PollFlags::IN)];
        let changed = matches!(poll(&mut fds, within.as_ref()), Ok(ready) if ready > 0);
        let mut notes = [0; 4096];
        while matches!(rustix::io::read(&self.changes, &mut notes), Ok(length) if length > 0) {}
        changed
    }
}

/// The processes of a laptop's video program, and of what confines it: all that name its frames.
#[derive(Debug)]
pub struct Picture(Vec<OwnedFd>);

impl Picture {
    /// Those that run now.
    ///
    /// # Errors
    ///
    /// [`WorldError`] if there are none.
    pub fn of(laptop: &Laptop) -> Result<Self, WorldError> {
        let found = Self::find(laptop)?;
        if found.is_empty() {
            return Err(WorldError::Unexpected("no picture runs".to_owned()));
        }
        Ok(Self(found))
    }

    /// Whether any runs now.
    ///
    /// # Errors
    ///
    /// [`WorldError`] if processes cannot be listed.
    pub fn runs(laptop: &Laptop) -> Result<bool, WorldError> {
        Self::find(laptop).map(|found| !found.is_empty())
    }

    /// Whether all of them still run: the picture has not been interrupted since.
    pub fn stands(&self) -> bool {
        self.0.iter().all(|process| {
            let mut ended = [PollFd::new(process, PollFlags::IN)];
            matches!(poll(&mut ended, Some(&Timespec::default())), Ok(0))
        })
    }

    /// Waits until none of them is left; when that was, on the clock of [`boottime_ms`].
    ///
    /// # Errors
    ///
    /// [`WorldError`] if one is left after `within`.
    pub fn await_end(&self, within: Duration) -> Result<i64, WorldError> {
        let began = Instant::now();
        for process in &self.0 {
            let left = Timespec::try_from(within.saturating_sub(began.elapsed())).ok();
            let mut ended = [PollFd::new(process, PollFlags::IN)];
            if !matches!(poll(&mut ended, left.as_ref()), Ok(1)) {
                let words = format!("the picture was not gone after {} s", within.as_secs());
                return Err(WorldError::Unexpected(words));
            }
        }
        Ok(boottime_ms())
    }

    fn find(laptop: &Laptop) -> Result<Vec<OwnedFd>, WorldError> {
        let frames = laptop.frames();
        let frames = frames.to_string_lossy();
        let proc = Path::new("/proc");
        let mut found = Vec::new();
        for entry in fs::read_dir(proc).map_err(file(proc))? {
            let name = entry.map_err(file(proc))?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            // Gone meanwhile, or not ours to read.
            let line = fs::read(proc.join(&name).join("cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&line).contains(frames.as_ref())
                && let Some(pid) = Pid::from_raw(pid)
                && let Ok(process) = pidfd_open(pid, PidfdFlags::empty())
            {
                found.push(process);
            }
        }
        Ok(found)
    }
}

fn watch(folder: &Path) -> io::Result<OwnedFd> {
    let changes = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let what = WatchFlags::CREATE | WatchFlags::MODIFY;
    inotify::add_watch(&changes, folder, what).map_err(|error: Errno| io::Error::from(error))?;
    Ok(changes)
}
