//! Programs that the lab starts, and ends by their process number.
//!
//! Each runs under `setpriv --pdeathsig KILL`, so that it is gone when the thread that started it
//! is gone, however that came about; its standard error goes into a file.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};

/// How long a program may take until it says that it is ready.
const READY: Duration = Duration::from_mins(1);

/// How long a program that was asked to stop may take.
const STOP: Duration = Duration::from_secs(15);

/// Why a program is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// It cannot be started.
    #[error("`{program}` cannot be started")]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It ended, or said nothing in time.
    #[error("`{program}` did not get ready ({what}); it wrote:\n{said}")]
    NotReady {
        /// The program.
        program: PathBuf,
        /// What happened instead.
        what: String,
        /// What it wrote to standard error.
        said: String,
    },
    /// It failed.
    #[error("`{program}` failed ({status}); it wrote:\n{said}")]
    Failed {
        /// The program with its arguments.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote to both outputs.
        said: String,
    },
    /// It cannot be waited for or signalled.
    #[error("a process cannot be handled")]
    Handle(#[source] io::Error),
}

/// The moment that is `wait` from now.
pub fn after(wait: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(wait).unwrap_or(now)
}

/// A command that dies with the thread that starts it.
pub fn tied(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// A program that runs until this is dropped.
#[derive(Debug)]
pub struct Running {
    program: PathBuf,
    child: Child,
    log: PathBuf,
    ready: String,
    output: BufReader<ChildStdout>,
}

impl Running {
    /// Starts `command` (made by [`tied`]) and waits for the first line on its standard output that
    /// begins with `ready`. Standard error is appended to `log`.
    ///
    /// # Errors
    ///
    /// [`ProcessError`] if it ends or stays silent instead.
    pub fn start(command: Command, program: &Path, log: &Path) -> Result<Self, ProcessError> {
        let mut running = Self::spawn(command, program, log)?;
        let deadline = after(READY);
        loop {
            let Some(line) = running.next_line(deadline)? else {
                return Err(running.not_ready("it ended, or closed its output"));
            };
            if line.starts_with("ready") {
                running.ready = line;
                return Ok(running);
            }
        }
    }

    /// Starts `command` (made by [`tied`]). Standard error is appended to `log`.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Start`].
    pub fn spawn(mut command: Command, program: &Path, log: &Path) -> Result<Self, ProcessError> {
        let failed = |source| ProcessError::Start {
            program: program.to_owned(),
            source,
        };
        let errors = File::options()
            .create(true)
            .append(true)
            .open(log)
            .map_err(failed)?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .map_err(failed)?;
        let output = child
            .stdout
            .take()
            .ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self {
            program: program.to_owned(),
            child,
            log: log.to_owned(),
            ready: String::new(),
            output: BufReader::new(output),
        })
    }

    /// The next line of its standard output; `None` at its end.
    ///
    /// # Errors
    ///
    /// [`ProcessError::NotReady`] if none comes before `deadline`.
    pub fn next_line(&mut self, deadline: Instant) -> Result<Option<String>, ProcessError> {
        if self.output.buffer().is_empty() && !readable(self.output.get_ref(), deadline) {
            return Err(self.not_ready("it said nothing in time"));
        }
        let mut line = String::new();
        match self
            .output
            .read_line(&mut line)
            .map_err(ProcessError::Handle)?
        {
            0 => Ok(None),
            _ => Ok(Some(line.trim_end().to_owned())),
        }
    }

    fn not_ready(&self, what: &str) -> ProcessError {
        ProcessError::NotReady {
            program: self.program.clone(),
            what: what.to_owned(),
            said: self.said(),
        }
    }

    /// A value of the line with which it said that it is ready: `ready address=… ops=…`.
    pub fn ready_value(&self, name: &str) -> Option<&str> {
        self.ready
            .split_whitespace()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard error.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it as a power cut would, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Handle`].
    pub fn kill(mut self) -> Result<(), ProcessError> {
        self.child.kill().map_err(ProcessError::Handle)?;
        self.child.wait().map_err(ProcessError::Handle)?;
        Ok(())
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Handle`].
    pub fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| ProcessError::Handle(io::ErrorKind::NotFound.into()))?;
        kill_process(pid, signal).map_err(|error| ProcessError::Handle(error.into()))
    }

    /// Waits for a program that ends by itself; how it ended, its name, and what it wrote.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Handle`].
    pub(crate) fn wait(mut self) -> Result<(ExitStatus, String, String), ProcessError> {
        let status = self.child.wait().map_err(ProcessError::Handle)?;
        Ok((status, self.program.display().to_string(), self.said()))
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    ///
    /// [`ProcessError`] if it fails, or does not stop in time.
    pub fn stop(mut self) -> Result<(), ProcessError> {
        self.signal(Signal::TERM)?;
        // Its output ends when it does.
        let deadline = after(STOP);
        while let Some(line) = self.next_line(deadline)? {
            drop(line);
        }
        let status = self.child.wait().map_err(ProcessError::Handle)?;
        if status.success() {
            return Ok(());
        }
        let (program, said) = (self.program.display().to_string(), self.said());
        Err(ProcessError::Failed {
            program,
            status,
            said,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already, or gone now: both are what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits until there is something to read, at most until `deadline`.
fn readable(output: &ChildStdout, deadline: Instant) -> bool {
    let left = deadline.saturating_duration_since(Instant::now());
    let left = Timespec::try_from(left).ok();
    let mut fds = [PollFd::new(output, PollFlags::IN)];
    matches!(poll(&mut fds, left.as_ref()), Ok(ready) if ready > 0)
}

/// What a program that runs to its end has said.
#[derive(Clone, Debug)]
pub struct Said {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// The exit status as a number; 255 for a signal.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(255)
    }

    /// The last JSON document of standard output; null where it is none. What goes on for a while
    /// prints one for each change before.
    pub fn json(&self) -> serde_json::Value {
        let documents = serde_json::Deserializer::from_str(&self.out).into_iter();
        let last = documents.last().and_then(Result::ok);
        last.unwrap_or_default()
    }
}

/// Runs a command to its end.
///
/// # Errors
///
/// [`ProcessError::Start`].
pub fn run(command: &mut Command) -> Result<Said, ProcessError> {
    run_with(command, Stdio::null())
}

/// Runs a command to its end, with something to read on its standard input.
///
/// # Errors
///
/// [`ProcessError::Start`].
pub fn run_with(command: &mut Command, input: impl Into<Stdio>) -> Result<Said, ProcessError> {
    let output = command
        .stdin(input)
        .output()
        .map_err(|source| ProcessError::Start {
            program: command.get_program().into(),
            source,
        })?;
    Ok(Said {
        status: output.status,
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs a command that must succeed.
///
/// # Errors
///
/// [`ProcessError`].
pub fn succeed(command: &mut Command) -> Result<Said, ProcessError> {
    let said = run(command)?;
    if said.status.success() {
        return Ok(said);
    }
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let said_both = format!("{}{}", said.out, said.err);
    Err(ProcessError::Failed {
        program: words.join(" "),
        status: said.status,
        said: said_both,
    })
}
