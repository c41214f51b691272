//! `wardkey-lab demo`: the whole story on one machine, told as it happens.
//!
//! The program that is started only watches over a second one, which plays the story: whatever ends
//! the story, Ctrl-C included, everything that it started is ended here, and its folder removed.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that tells a story to a person"
)]

mod arguments;
mod ending;
mod measure;
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

use self::arguments::{Arguments, Demo};
use self::ending::Guardian;

/// How long the story may take to end once it was asked to.
const END: Duration = Duration::from_secs(15);

/// The longest path below which every socket of the story has a name that is short enough.
const LONGEST: usize = 24;

/// The exit status of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    match Arguments::parse() {
        Arguments::Demo(demo) => match watch_over(&demo) {
            Ok(code) => code,
            Err(error) => {
                eprintln!("error: the demonstration cannot be run: {error}");
                ExitCode::FAILURE
            }
        },
        Arguments::Story(story) => story::play(&story),
    }
}

fn watch_over(demo: &Demo) -> io::Result<ExitCode> {
    let folder = tempfile::Builder::new()
        .prefix("wk-")
        .tempdir_in(short_folder())?;
    let guardian = Guardian::adopt()?;
    let played = play(demo, &folder);
    guardian.end_all()?;
    let code = match played? {
        Some(status) if status.signal() != Some(Signal::INT.as_raw()) => exit_code(status),
        Some(_) | None => {
            eprintln!("\nEnded. Everything that was started is gone.");
            ExitCode::from(INTERRUPTED)
        }
    };
    if demo.keep {
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

/// Plays the story in a program of its own; how it ended, nothing if somebody ended it.
#[tokio::main(flavor = "current_thread")]
async fn play(demo: &Demo, folder: &tempfile::TempDir) -> io::Result<Option<ExitStatus>> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let mut story = Command::new("setpriv");
    story
        .args(["--pdeathsig", "KILL", "--"])
        .arg(std::env::current_exe()?)
        .arg("story");
    story.args(demo.words()).arg("--folder").arg(folder.path());
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
