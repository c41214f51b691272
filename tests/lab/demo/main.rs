//! `wardkey-lab demo`: the whole story on one machine, told as it happens. `wardkey-lab bounds`: how
//! long a picture may go on after a stop, measured.
//!
//! The program that is started only watches over a second one, which plays: whatever ends that, Ctrl-C
//! included, everything that it started is ended here, and its folder removed.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that tells a story to a person"
)]

mod arguments;
mod bounds;
mod ending;
mod prompt;
mod story;
mod telling;

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use clap::Parser as _;
use rustix::process::Signal;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use self::arguments::Arguments;
use self::ending::Guardian;

/// How long the story may take to end once it was asked to.
const END: Duration = Duration::from_secs(15);

/// The longest path below which every socket of the story has a name that is short enough.
const LONGEST: usize = 24;

/// The exit status of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    match Arguments::parse() {
        Arguments::Demo(demo) => watch_over("story", &demo.words(), demo.keep),
        Arguments::Story(story) => story::play(&story),
        Arguments::Bounds(bounds) => watch_over("measure", &bounds.words(), bounds.keep),
        Arguments::Measure(measure) => bounds::play(&measure),
    }
}

/// Has a part played in a program of its own and a folder of its own, and leaves nothing behind.
fn watch_over(part: &str, words: &[String], keep: bool) -> ExitCode {
    try_to_watch_over(part, words, keep).unwrap_or_else(|error| {
        eprintln!("error: the {part} cannot be run: {error}");
        ExitCode::FAILURE
    })
}

fn try_to_watch_over(part: &str, words: &[String], keep: bool) -> io::Result<ExitCode> {
    let folder = tempfile::Builder::new()
        .prefix("wk-")
        .tempdir_in(short_folder())?;
    let guardian = Guardian::adopt()?;
    let played = play(part, words, &folder);
    guardian.end_all()?;
    let code = match played? {
        Some(status) if status.signal() != Some(Signal::INT.as_raw()) => exit_code(status),
        Some(_) | None => {
            eprintln!("\nEnded. Everything that was started is gone.");
            ExitCode::from(INTERRUPTED)
        }
    };
    if keep {
        eprintln!("The folder stays: {}", folder.keep().display());
    } else {
        folder.close()?;
    }
    Ok(code)
}

/// Where the story's folder lies: sockets live in it, and their names have 107 characters at most.
fn short_folder() -> PathBuf {
    let usual = std::env::temp_dir();
    if usual.as_os_str().len() > LONGEST {
        return PathBuf::from("/tmp");
    }
    usual
}

/// Plays a part in a program of its own; how it ended, nothing if somebody ended it.
#[tokio::main(flavor = "current_thread")]
async fn play(
    part: &str,
    words: &[String],
    folder: &tempfile::TempDir,
) -> io::Result<Option<ExitStatus>> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let mut story = Command::new("setpriv");
    story
        .args(["--pdeathsig", "KILL", "--"])
        .arg(std::env::current_exe()?)
        .arg(part);
    story.args(words).arg("--folder").arg(folder.path());
    let mut story = story.kill_on_drop(true).spawn()?;
    tokio::select! {
        ended = story.wait() => return ended.map(Some),
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    end(&mut story).await?;
    Ok(None)
}

/// Lets the story end by itself, or ends it.
async fn end(story: &mut Child) -> io::Result<()> {
    if let Some(pid) = story.id().and_then(|pid| i32::try_from(pid).ok())
        && let Some(pid) = rustix::process::Pid::from_raw(pid)
    {
        match rustix::process::kill_process(pid, Signal::TERM) {
            // It may have ended by the same Ctrl-C.
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if timeout(END, story.wait()).await.is_err() {
        story.kill().await?;
    }
    Ok(())
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}
