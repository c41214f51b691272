//! Runs children so that nothing outlives xtask.
//!
//! # Invariants
//!
//! - While a child runs, its orphans become ours (`PR_SET_CHILD_SUBREAPER`, prctl(2)), so what it
//!   started can be found however it tried to leave: another session, another process group.
//! - When a child has ended, whatever it left behind is ended too, and named.
//! - SIGINT, SIGTERM and SIGHUP end everything below this process, first politely; [`Supervisor::run`]
//!   returns only when it is gone. A second signal skips the politeness.
//! - Nobody but this module reaps, so a process number is never taken for another's.

use std::cell::{Cell, RefCell};
use std::io::{self, Read as _};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getpid, kill_process, pidfd_open, set_child_subreaper,
    waitpid,
};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use crate::failure::{Failure, Result};
use crate::processes::{self, Process};
use crate::watch::Watch;

/// How long children may take to end after SIGTERM, and how long the kernel may take after SIGKILL.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs children, hears signals.
#[derive(Debug)]
pub(crate) struct Supervisor {
    /// Readable when somebody wants us to stop.
    stop: UnixStream,
    /// Readable when a child has ended.
    child_ended: UnixStream,
    stopping: Cell<bool>,
    /// Servers with an owner of their own, who ends them.
    spared: RefCell<Vec<i32>>,
}

/// How a child ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit status.
    pub(crate) status: ExitStatus,
    /// Processes that it left running; they have been ended.
    pub(crate) left_behind: Vec<String>,
}

/// Who hears what a child prints.
pub(crate) enum Output<'a> {
    /// Whoever hears us.
    Inherit,
    /// Whoever hears us, and this function line by line.
    Watched(&'a mut dyn FnMut(&str)),
}

impl Supervisor {
    /// Starts to hear signals.
    pub(crate) fn start() -> Result<Self> {
        let listen = |signals: &[i32]| -> io::Result<UnixStream> {
            let (reader, writer) = UnixStream::pair()?;
            for signal in signals {
                pipe::register(*signal, writer.try_clone()?)?;
            }
            reader.set_nonblocking(true)?;
            Ok(reader)
        };
        let cannot = |error: io::Error| Failure::io("cannot listen for signals", &error);
        Ok(Self {
            stop: listen(&[SIGINT, SIGTERM, SIGHUP]).map_err(cannot)?,
            child_ended: listen(&[SIGCHLD]).map_err(cannot)?,
            stopping: Cell::new(false),
            spared: RefCell::new(Vec::new()),
        })
    }

    /// Leaves this child alone from now on: its owner ends it.
    pub(crate) fn spare(&self, child: &Child) {
        self.spared.borrow_mut().extend(number(child));
    }

    /// The opposite of [`Self::spare`].
    pub(crate) fn no_longer_spare(&self, child: &Child) {
        let number = number(child);
        self.spared.borrow_mut().retain(|pid| Some(*pid) != number);
    }

    /// Runs `command` to its end.
    ///
    /// # Errors
    ///
    /// [`Failure::Interrupted`] if somebody wants us to stop; everything is gone by then. Another
    /// failure if the program could not be started. An exit status other than 0 is no failure here.
    pub(crate) fn run(&self, command: Command, output: Output<'_>) -> Result<Ended> {
        let name = command.get_program().to_string_lossy().into_owned();
        let _orphans = OrphansComeHere::begin();
        let ended = self.run_to_end(command, output).map_err(|error| {
            self.end_everything();
            Failure::io(format!("cannot run `{name}`"), &error)
        })?;
        match ended {
            Some(status) => Ok(Ended {
                status,
                left_behind: self.end_left_behind()?,
            }),
            None => Err(Failure::Interrupted),
        }
    }

    /// Runs `commands` to their ends, all at once, and returns their exit statuses in that order.
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    pub(crate) fn run_together(&self, commands: Vec<Command>) -> Result<Vec<ExitStatus>> {
        let _orphans = OrphansComeHere::begin();
        self.check()?;
        let ended = self.run_all_to_end(commands).map_err(|error| {
            self.end_everything();
            Failure::io("cannot run programs side by side", &error)
        })?;
        self.end_left_behind()?;
        ended.ok_or(Failure::Interrupted)
    }

    /// `None` if it was interrupted.
    fn run_all_to_end(&self, commands: Vec<Command>) -> io::Result<Option<Vec<ExitStatus>>> {
        let mut children = commands
            .into_iter()
            .map(|mut command| command.spawn())
            .collect::<io::Result<Vec<Child>>>()?;
        let exits = children
            .iter()
            .map(|child| pidfd_open(Pid::from_child(child), PidfdFlags::empty()))
            .collect::<rustix::io::Result<Vec<_>>>()?;
        let mine: Vec<i32> = children.iter().filter_map(number).collect();
        for exit in &exits {
            // A process that has ended stays readable, so the order does not matter.
            loop {
                let ended = {
                    let mut wanted = [
                        PollFd::new(exit, PollFlags::IN),
                        PollFd::new(&self.stop, PollFlags::IN),
                        PollFd::new(&self.child_ended, PollFlags::IN),
                    ];
                    wait(&mut wanted, None)?;
                    wanted.first().is_some_and(|fd| !fd.revents().is_empty())
                };
                if self.heard_stop() {
                    self.end_everything();
                    return Ok(None);
                }
                if drained(&self.child_ended) {
                    self.reap_orphans(&mine);
                }
                if ended {
                    break;
                }
            }
        }
        children
            .iter_mut()
            .map(Child::wait)
            .collect::<io::Result<Vec<ExitStatus>>>()
            .map(Some)
    }

    /// Runs a program that starts services of the machine: they are to stay.
    pub(crate) fn run_installer(&self, mut command: Command) -> Result<ExitStatus> {
        let name = command.get_program().to_string_lossy().into_owned();
        let status = command
            .status()
            .map_err(|error| Failure::io(format!("cannot run `{name}`"), &error))?;
        self.check()?;
        Ok(status)
    }

    /// Waits until somebody wants us to stop.
    pub(crate) fn wait_for_stop(&self) -> io::Result<()> {
        while !self.heard_stop() {
            let mut wanted = [PollFd::new(&self.stop, PollFlags::IN)];
            wait(&mut wanted, None)?;
        }
        Ok(())
    }

    /// Whether we may go on.
    ///
    /// # Errors
    ///
    /// [`Failure::Interrupted`] if not.
    pub(crate) fn check(&self) -> Result<()> {
        if self.heard_stop() {
            return Err(Failure::Interrupted);
        }
        Ok(())
    }

    /// `None` if it was interrupted.
    fn run_to_end(
        &self,
        mut command: Command,
        output: Output<'_>,
    ) -> io::Result<Option<ExitStatus>> {
        let mut watch = match output {
            Output::Inherit => None,
            Output::Watched(line) => {
                let (reader, writer) = io::pipe()?;
                command.stdout(writer.try_clone()?).stderr(writer);
                rustix::io::ioctl_fionbio(&reader, true)?;
                Some(Watch::new(reader, line))
            }
        };
        if self.heard_stop() {
            return Ok(None);
        }
        let mut child = command.spawn()?;
        // Closes our copy of the pipe's other end.
        drop(command);
        let exit = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        loop {
            let (ended, printed) = {
                let mut wanted = vec![
                    PollFd::new(&exit, PollFlags::IN),
                    PollFd::new(&self.stop, PollFlags::IN),
                    PollFd::new(&self.child_ended, PollFlags::IN),
                ];
                if let Some(watch) = watch.as_ref().filter(|watch| watch.is_open()) {
                    wanted.push(PollFd::new(watch.reader(), PollFlags::IN));
                }
                wait(&mut wanted, None)?;
                let ready =
                    |place: usize| wanted.get(place).is_some_and(|fd| !fd.revents().is_empty());
                (ready(0), ready(3))
            };
            if self.heard_stop() {
                // This reaps the child as well, so that waiting for it would find nothing.
                self.end_everything();
                return Ok(None);
            }
            if drained(&self.child_ended) {
                self.reap_orphans(number(&child).as_slice());
            }
            if let Some(watch) = watch.as_mut().filter(|_| printed || ended) {
                watch.pump()?;
            }
            if ended {
                if let Some(watch) = watch.as_mut() {
                    watch.last_line();
                }
                return child.wait().map(Some);
            }
        }
    }

    fn heard_stop(&self) -> bool {
        if drained(&self.stop) {
            self.stopping.set(true);
        }
        self.stopping.get()
    }

    /// Everything below us that runs and has no owner of its own.
    fn running(&self) -> Vec<Process> {
        let me = getpid().as_raw_nonzero().get();
        let mut found = processes::below(me, &self.spared.borrow(), &processes::all());
        found.retain(|process| !process.ended);
        found
    }

    /// Ends what a child left behind and tells its names. What is just ending gets the time for it.
    fn end_left_behind(&self) -> Result<Vec<String>> {
        let deadline = Instant::now().checked_add(Duration::from_secs(2));
        loop {
            self.reap_orphans(&[]);
            let left = self.running();
            if left.is_empty() {
                return Ok(Vec::new());
            }
            self.check().inspect_err(|_| self.end_everything())?;
            if !self.wait_for_child(deadline) {
                self.end_everything();
                return Ok(left
                    .iter()
                    .map(|process| format!("{} ({})", process.name, process.pid))
                    .collect());
            }
        }
    }

    /// SIGTERM to all, then SIGKILL to those that stay; returns when none is left, or when even the
    /// kernel cannot end one in time.
    fn end_everything(&self) {
        for signal in [Signal::TERM, Signal::KILL] {
            let deadline = Instant::now().checked_add(PATIENCE);
            let mut told: Vec<i32> = Vec::new();
            loop {
                self.reap_orphans(&[]);
                let left = self.running();
                if left.is_empty() {
                    return;
                }
                for process in &left {
                    if !told.contains(&process.pid) {
                        told.push(process.pid);
                        if let Some(pid) = Pid::from_raw(process.pid) {
                            // It may have ended meanwhile; the next round sees.
                            let _ = kill_process(pid, signal);
                        }
                    }
                }
                let second_signal = signal == Signal::TERM && drained(&self.stop);
                if second_signal || !self.wait_for_child(deadline) {
                    break;
                }
            }
        }
    }

    /// Waits until a child ends or somebody wants us to stop; false at the deadline.
    fn wait_for_child(&self, deadline: Option<Instant>) -> bool {
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let Some(left) = left.filter(|left| !left.is_zero()) else {
            return false;
        };
        // A process that is no child of ours yet ends without a signal to us: look again soon.
        let soon = left.min(Duration::from_millis(100));
        let mut wanted = [
            PollFd::new(&self.child_ended, PollFlags::IN),
            PollFd::new(&self.stop, PollFlags::IN),
        ];
        let _ = wait(&mut wanted, Some(soon));
        let _ = drained(&self.child_ended);
        true
    }

    /// Reaps what was orphaned below us and has ended; `mine` are waited for elsewhere.
    fn reap_orphans(&self, mine: &[i32]) {
        let me = getpid().as_raw_nonzero().get();
        let spared = self.spared.borrow();
        for process in processes::all() {
            let ours = process.parent == me && process.ended;
            if ours && !mine.contains(&process.pid) && !spared.contains(&process.pid) {
                let _ = waitpid(Pid::from_raw(process.pid), WaitOptions::NOHANG);
            }
        }
    }
}

/// While this lives, orphans below us become our children.
struct OrphansComeHere;

impl OrphansComeHere {
    fn begin() -> Self {
        // Any pid but none means *yes* to prctl(2). Without it, what leaves its session is missed.
        let _ = set_child_subreaper(Some(getpid()));
        Self
    }
}

impl Drop for OrphansComeHere {
    fn drop(&mut self) {
        let _ = set_child_subreaper(None);
    }
}

fn number(child: &Child) -> Option<i32> {
    i32::try_from(child.id()).ok()
}

/// Takes all bytes out of a signal's pipe; whether there were any.
fn drained(stream: &UnixStream) -> bool {
    let mut stream = stream;
    let mut bytes = [0; 64];
    let mut any = false;
    while let Ok(1..) = stream.read(&mut bytes) {
        any = true;
    }
    any
}

/// poll(2) that a signal handler cannot cut short.
fn wait(wanted: &mut [PollFd<'_>], most: Option<Duration>) -> io::Result<()> {
    let most = most.and_then(|most| Timespec::try_from(most).ok());
    match poll(wanted, most.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A file descriptor that can be waited for, with a limit; false when the limit comes first.
pub(crate) fn readable_within(fd: impl AsFd, most: Duration) -> bool {
    let deadline = Instant::now().checked_add(most);
    loop {
        let left = deadline.map_or(Duration::ZERO, |at| {
            at.saturating_duration_since(Instant::now())
        });
        let mut wanted = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)];
        if wait(&mut wanted, Some(left)).is_err() {
            return false;
        }
        if wanted.iter().any(|fd| !fd.revents().is_empty()) {
            return true;
        }
        if left.is_zero() {
            return false;
        }
    }
}
