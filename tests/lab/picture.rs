//! `lab-picture FILE`: a program that shows a picture thirty times a second, until the room lands.
//!
//! It opens the picture, and for each frame that it shows it writes the steady clock
//! (`CLOCK_BOOTTIME`, milliseconds) into FILE, so that a test can tell when the last frame was; the
//! second line there is the first frame's. What it would need a permission for, it does not get
//! anywhere else.
#![expect(
    clippy::print_stderr,
    reason = "the program's only way to tell what is wrong"
)]

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::process::ExitCode;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};

/// Nanoseconds from one frame to the next.
const FRAME: i64 = 33_333_333;

/// A picture of eight by eight grey points (portable greymap): what there is to see.
const PICTURE: &[u8] =
    b"P5 8 8 255\n................................................................";

fn main() -> ExitCode {
    match show() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab-picture: {error}");
            ExitCode::FAILURE
        }
    }
}

fn show() -> io::Result<()> {
    let path = std::env::args_os()
        .nth(1)
        .ok_or(io::ErrorKind::InvalidInput)?;
    let frames = File::create(&path)?;
    let picture_path = std::path::Path::new(&path).with_extension("pgm");
    std::fs::write(&picture_path, PICTURE)?;
    let mut picture = Vec::new();
    File::open(&picture_path)?.read_to_end(&mut picture)?;

    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
    let every = Timespec {
        tv_sec: 0,
        tv_nsec: FRAME,
    };
    let spec = Itimerspec {
        it_interval: every,
        it_value: every,
    };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &spec)?;
    let mut timer = File::from(timer);
    let mut ticks = [0; 8];
    let first = stamp();
    loop {
        // Both lines at once: whoever reads never sees half of them.
        frames.write_all_at(format!("{}{first}", stamp()).as_bytes(), 0)?;
        io::sink().write_all(&picture)?;
        timer.read_exact(&mut ticks)?;
    }
}

/// This moment as a line of the file.
fn stamp() -> String {
    let now = clock_gettime(ClockId::Boottime);
    let millis = now
        .tv_sec
        .saturating_mul(1000)
        .saturating_add(now.tv_nsec / 1_000_000);
    format!("{millis:020}\n")
}
