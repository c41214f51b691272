//! The guardian: ends the video program when the gate goes away, says so, or its time is over.
//!
//! It reads lines from the gate on standard input and answers on standard output. It knows nothing
//! of leases: only a time, and a pipe whose end means *end it*.

use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::os::fd::AsFd as _;
use std::process::{Child, Command, ExitCode, ExitStatus};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, getpid, pidfd_open, setsid};

use super::cgroup::Cgroup;
use super::line::{self, Prolong, Start, Word};
use super::{Confinement, children};
use crate::clock::Alarm;
use crate::limits;

/// Guards one showing, from the gate's first line to the end. The exit status is success exactly if
/// nothing of the video program is left.
pub fn guard() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "The guardian failed");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    // Ctrl-C in the gate's terminal is for the gate; what it means for us comes through the pipe.
    // Leading a session already is no reason to stop.
    let _ = setsid();
    children::adopt_orphans()?;
    // Copies that close on exec, so that the video program has neither.
    let gate = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let answers = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut gate = BufReader::new(gate);
    let Some(start) = line::read::<Start>(&mut gate)? else {
        return Ok(());
    };
    let last_word = match spawn(&start) {
        Ok(mut program) => {
            let ended = line::write(&answers, &Word::Started)
                .and_then(|()| watch(&mut gate, &mut program, &start));
            // Whatever happened, the video program ends now, and that comes first.
            end(&start.confinement)?;
            ended?.map(|how| Word::Ended { how })
        }
        Err(error) => {
            end(&start.confinement)?;
            Some(Word::NotStarted {
                why: error.to_string(),
            })
        }
    };
    match last_word {
        Some(word) => line::write(&answers, &word),
        None => Ok(()),
    }
}

/// Starts the launcher and waits until it has become the program.
fn spawn(start: &Start) -> io::Result<Child> {
    let (report, launchers_end) = pipe_with(PipeFlags::CLOEXEC)?;
    let mut command = Command::new("/proc/self/exe");
    command.arg("launch");
    command.arg("--guardian").arg(getpid().to_string());
    if let Some(cgroup) = start.confinement.cgroup() {
        command.arg("--cgroup").arg(cgroup);
    }
    let program = command
        .arg("--")
        .args(start.confinement.wrap(&start.program.command))
        .current_dir(&start.program.folder)
        .env_clear()
        .envs(&start.program.environment)
        .stdin(launchers_end)
        // What it prints goes where our own log goes; our standard output speaks to the gate.
        .stdout(io::stderr().as_fd().try_clone_to_owned()?)
        .spawn()?;
    // The command still holds our copy of the launcher's end of the report.
    drop(command);
    wait_for_exec(File::from(report))?;
    Ok(program)
}

/// Waits for the end of the launcher's report. Empty, it says that the program took its place.
fn wait_for_exec(mut report: File) -> io::Result<()> {
    let within =
        Timespec::try_from(limits::START_WITHIN).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut fds = [PollFd::new(&report, PollFlags::IN)];
    if retry_on_intr(|| poll(&mut fds, Some(&within)))? == 0 {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let mut text = String::new();
    report.read_to_string(&mut text)?;
    if text.is_empty() {
        Ok(())
    } else {
        Err(io::Error::other(text.trim_end().to_owned()))
    }
}

/// Watches until the program must end (`None`) or has ended by itself (how it did).
fn watch(
    gate: &mut BufReader<File>,
    program: &mut Child,
    start: &Start,
) -> io::Result<Option<String>> {
    let pid = Pid::from_child(program);
    let ended = pidfd_open(pid, PidfdFlags::empty())?;
    let alarm = Alarm::new()?;
    // The gate ends it in time. Only where the gate is not able to does this alarm ring.
    alarm.set(start.until.plus(limits::GUARDIAN_WAITS))?;
    loop {
        let mut fds = [
            PollFd::new(gate.get_ref(), PollFlags::IN),
            PollFd::new(&ended, PollFlags::IN),
            PollFd::new(&alarm, PollFlags::IN),
        ];
        retry_on_intr(|| poll(&mut fds, None))?;
        let [gate_spoke, program_ended, time_is_over] = fds.map(|fd| !fd.revents().is_empty());
        if time_is_over {
            return Ok(Some(
                "its time was over and the gate did not end it".to_owned(),
            ));
        }
        if gate_spoke {
            loop {
                match line::read::<Prolong>(&mut *gate)? {
                    Some(Prolong { until }) => alarm.set(until.plus(limits::GUARDIAN_WAITS))?,
                    None => return Ok(None),
                }
                if gate.buffer().is_empty() {
                    break;
                }
            }
        }
        if program_ended && let Some(status) = program.try_wait()? {
            return Ok(Some(describe(status)));
        }
        children::reap(pid)?;
    }
}

/// Ends the program with everything it started, and returns when nothing of it is left.
fn end(confinement: &Confinement) -> io::Result<()> {
    let cgroup = confinement.cgroup().map(|path| Cgroup::at(path.to_owned()));
    // Each way is gone, even if an earlier one failed.
    let killed = cgroup.as_ref().map_or(Ok(()), Cgroup::kill);
    let childless = children::end_all(limits::CLOSE_WITHIN);
    let cleared = cgroup
        .as_ref()
        .map_or(Ok(()), |cgroup| cgroup.clear(limits::CLOSE_WITHIN));
    childless?;
    killed.and(cleared).map_err(io::Error::other)
}

/// How a program ended, in a few words.
fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown end".to_owned(),
    }
}
