//! Times of the story that are more than a step's: from the plug to the first frame, from the
//! commit of a stop to the last one.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use wardkey_tests::world::{Laptop, WorldError};

/// How long a picture may take to open or close.
const WAIT: Duration = Duration::from_mins(1);

/// A picture that shows nothing for as long as several frames is closed.
const STILL: Duration = Duration::from_millis(250);

/// This moment on the clock with which frames are stamped, in milliseconds.
pub(crate) fn boottime_ms() -> i64 {
    millis(clock_gettime(ClockId::Boottime))
}

/// What to take from a time of day to get a frame's clock.
pub(crate) fn wall_minus_boottime_ms() -> i64 {
    millis(clock_gettime(ClockId::Realtime)).saturating_sub(boottime_ms())
}

fn millis(time: Timespec) -> i64 {
    let nanos = time.tv_nsec.checked_div(1_000_000).unwrap_or(0);
    time.tv_sec.saturating_mul(1000).saturating_add(nanos)
}

/// The frames that a laptop's picture shows.
#[derive(Debug)]
pub(crate) struct Frames {
    path: PathBuf,
    changes: OwnedFd,
}

impl Frames {
    /// Looks at a laptop's picture, which need not be open yet.
    pub(crate) fn of(laptop: &Laptop) -> Result<Self, WorldError> {
        let path = laptop.frames();
        let folder = path.parent().unwrap_or(&path);
        let changes = watch(folder).map_err(|error| {
            WorldError::Unexpected(format!("`{}` cannot be watched: {error}", folder.display()))
        })?;
        Ok(Self { path, changes })
    }

    /// When the first frame of the picture that runs, or ran last, was shown.
    pub(crate) fn first(&self) -> Option<i64> {
        self.line(1)
    }

    /// When the last frame was shown.
    pub(crate) fn last(&self) -> Option<i64> {
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
    pub(crate) fn await_after(&self, moment: i64) -> Result<(), WorldError> {
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
    pub(crate) fn await_end(&self) -> Result<i64, WorldError> {
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

fn watch(folder: &Path) -> io::Result<OwnedFd> {
    let changes = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let what = WatchFlags::CREATE | WatchFlags::MODIFY;
    inotify::add_watch(&changes, folder, what).map_err(|error: Errno| io::Error::from(error))?;
    Ok(changes)
}
