//! The gate's side of the video program.

use std::fs;
use std::io::{self, BufReader};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::cgroup::{self, Cgroup};
use super::line::{self, Prolong, Start, Word};
use super::{
    Awake, Confinement, Guard, GuardChoice, Inhibitor, Picture, PictureError, Program,
    ROOM_VARIABLE, SESSION_VARIABLE, Showing, children,
};
use crate::boottime::Boottime;
use crate::causes::on_one_line;
use crate::clock::{Clock as _, SystemClock};
use crate::limits;

/// The video program of the settings, under its guard.
#[derive(Debug)]
pub struct VideoStack {
    program: Program,
    ground: Ground,
    guard: Guard,
    inhibitor: Inhibitor,
    running: Option<Running>,
}

/// Where confinements are made.
#[derive(Clone, Debug)]
struct Ground {
    /// The cgroup below which the gate makes its own; `None` if there is none to be found.
    cgroup_parent: Option<PathBuf>,
    /// How the gate's cgroups are called.
    cgroup_name: String,
    bwrap: PathBuf,
}

/// A guardian at work.
#[derive(Debug)]
struct Running {
    guardian: Child,
    /// Its end is the order to end.
    to_guardian: ChildStdin,
    from_guardian: BufReader<ChildStdout>,
    confinement: Confinement,
}

impl VideoStack {
    /// Ends what a dead predecessor left and finds out which guard works, by guarding a program
    /// that does nothing. This process must have one thread and no children but those made here.
    ///
    /// # Errors
    ///
    /// [`PictureError`] if something is left of a predecessor, or no guard of the `choice` works.
    pub fn prepare(
        program: Program,
        choice: GuardChoice,
        cgroup_parent: Option<&Path>,
        bwrap: &Path,
        inhibitor: Inhibitor,
        state_folder: &Path,
    ) -> Result<Self, PictureError> {
        children::adopt_orphans().map_err(guardian("set up"))?;
        let cgroup_parent = match cgroup_parent {
            Some(parent) => Some(parent.to_owned()),
            None => cgroup::find_own().ok(),
        };
        let ground = Ground {
            cgroup_parent,
            cgroup_name: cgroup::name(state_folder),
            bwrap: bwrap.to_owned(),
        };
        ground.clear_left_overs()?;
        let mut reasons = Vec::new();
        for guard in choice.candidates() {
            match ground.probe(*guard) {
                Ok(()) => {
                    return Ok(Self {
                        program,
                        ground,
                        guard: *guard,
                        inhibitor,
                        running: None,
                    });
                }
                Err(error) => reasons.push(format!("{}: {}", guard.as_str(), on_one_line(&error))),
            }
        }
        Err(PictureError::NotStarted {
            why: format!("no guard works here ({})", reasons.join("; ")),
        })
    }

    /// The guard in use.
    pub const fn guard(&self) -> Guard {
        self.guard
    }

    /// Becomes readable when the guardian has something to say; `None` while nothing runs.
    pub fn events(&self) -> Option<BorrowedFd<'_>> {
        self.running
            .as_ref()
            .map(|running| running.from_guardian.get_ref().as_fd())
    }

    /// How the video program ended without the gate's doing; for when [`Self::events`] is readable.
    /// [`Picture::close`] must follow.
    pub fn how_it_ended(&mut self) -> String {
        let Some(running) = &mut self.running else {
            return "nothing ran".to_owned();
        };
        match line::read(&mut running.from_guardian) {
            Ok(Some(Word::Ended { how })) => how,
            Ok(Some(Word::Started | Word::NotStarted { .. })) => "the guardian is confused".into(),
            Ok(None) => "the guardian died".to_owned(),
            Err(error) => format!("the guardian cannot be understood: {error}"),
        }
    }
}

impl Picture for VideoStack {
    fn open(&mut self, showing: Showing) -> Result<(), PictureError> {
        self.close()?;
        let mut program = self.program.clone();
        let ours = [
            (ROOM_VARIABLE, showing.room.to_string()),
            (SESSION_VARIABLE, showing.session.to_string()),
        ];
        for (name, value) in ours {
            program.environment.insert(name.to_owned(), value);
        }
        self.running = Some(self.ground.start(self.guard, program, showing.until)?);
        self.inhibitor.hold();
        Ok(())
    }

    fn prolong(&mut self, until: Boottime) -> Result<(), PictureError> {
        match &self.running {
            Some(running) => {
                self.inhibitor.keep();
                line::write(&running.to_guardian, &Prolong { until })
                    .map_err(guardian("told of more time"))
            }
            None => Ok(()),
        }
    }

    fn close(&mut self) -> Result<(), PictureError> {
        self.inhibitor.let_go();
        match self.running.take() {
            // It ends every child of this process.
            Some(running) => running.end(),
            None => Ok(()),
        }
    }

    fn awake(&mut self) -> Awake {
        self.inhibitor.look()
    }
}

impl Ground {
    fn confinement(&self, guard: Guard) -> Result<Confinement, PictureError> {
        let bwrap = self.bwrap.clone();
        let cgroup = || {
            let parent = self
                .cgroup_parent
                .as_ref()
                .ok_or(cgroup::CgroupError::NoMount)?;
            // A name that was never used in this boot: whoever still ends an earlier one cannot
            // meet the new one.
            let name = format!("{}-{}", self.cgroup_name, SystemClock.read().now.millis());
            Cgroup::make(parent.join(name), limits::CLOSE_WITHIN)
                .map(|cgroup| cgroup.path().to_owned())
        };
        Ok(match guard {
            Guard::Both => Confinement::Both {
                cgroup: cgroup()?,
                bwrap,
            },
            Guard::Cgroup => Confinement::Cgroup { cgroup: cgroup()? },
            Guard::Namespace => Confinement::Namespace { bwrap },
        })
    }

    /// Ends what the cgroups of a dead predecessor hold. What ran in a namespace alone died with
    /// its guardian.
    fn clear_left_overs(&self) -> Result<(), PictureError> {
        let Some(entries) = self
            .cgroup_parent
            .as_ref()
            .and_then(|parent| fs::read_dir(parent).ok())
        else {
            return Ok(());
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if name.to_string_lossy().starts_with(&self.cgroup_name) {
                tracing::warn!(cgroup = %name.display(), "Ending what a dead gate left running");
                Cgroup::at(entry.path()).clear(limits::CLOSE_WITHIN)?;
            }
        }
        Ok(())
    }

    /// Guards a program that ends by itself at once.
    fn probe(&self, guard: Guard) -> Result<(), PictureError> {
        let own = fs::read_link("/proc/self/exe").map_err(guardian("found"))?;
        let program = Program {
            command: vec![own.to_string_lossy().into_owned(), "nothing".to_owned()],
            folder: PathBuf::from("/"),
            environment: std::collections::BTreeMap::new(),
        };
        let mut running = self.start(guard, program, Boottime::NEVER)?;
        let word = running.next_word(limits::START_WITHIN);
        running.end()?;
        match word? {
            Some(Word::Ended { how }) if how == "exit status 0" => Ok(()),
            other => Err(PictureError::NotStarted {
                why: format!("{other:?}"),
            }),
        }
    }

    fn start(
        &self,
        guard: Guard,
        program: Program,
        until: Boottime,
    ) -> Result<Running, PictureError> {
        let confinement = self.confinement(guard)?;
        let mut child = Command::new("/proc/self/exe")
            .arg("guard")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(guardian("started"))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let Some((to_guardian, from_guardian)) = pipes else {
            return Err(guardian("started")(io::ErrorKind::BrokenPipe.into()));
        };
        let mut running = Running {
            guardian: child,
            to_guardian,
            from_guardian: BufReader::new(from_guardian),
            confinement,
        };
        let start = Start {
            program,
            confinement: running.confinement.clone(),
            until,
        };
        let word = line::write(&running.to_guardian, &start)
            .map_err(guardian("told what to run"))
            .and_then(|()| running.next_word(limits::START_WITHIN));
        let why = match word {
            Ok(Some(Word::Started)) => return Ok(running),
            Ok(Some(Word::NotStarted { why })) => why,
            Ok(Some(Word::Ended { how })) => how,
            Ok(None) => "the guardian died".to_owned(),
            Err(error) => on_one_line(&error),
        };
        running.end()?;
        Err(PictureError::NotStarted { why })
    }
}

impl Running {
    /// The guardian's next word; `None` if it died without one.
    fn next_word(&mut self, within: Duration) -> Result<Option<Word>, PictureError> {
        if self.from_guardian.buffer().is_empty() {
            let pipe = self.from_guardian.get_ref();
            if !readable_within(pipe.as_fd(), within).map_err(guardian("heard"))? {
                return Err(guardian("heard")(io::ErrorKind::TimedOut.into()));
            }
        }
        line::read(&mut self.from_guardian).map_err(guardian("heard"))
    }

    /// Ends everything, by every way there is, and returns when nothing is left.
    fn end(self) -> Result<(), PictureError> {
        let Self {
            guardian: child,
            to_guardian,
            from_guardian,
            confinement,
        } = self;
        let cgroup = confinement.cgroup().map(|path| Cgroup::at(path.to_owned()));
        // The fastest way first; what it does not reach, the guardian does.
        let killed = cgroup.as_ref().map_or(Ok(()), Cgroup::kill);
        drop(to_guardian);
        let finished = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())
            .map_err(io::Error::from)
            .and_then(|ended| readable_within(ended.as_fd(), limits::GUARDIAN_ENDS_WITHIN));
        if !matches!(finished, Ok(true)) {
            tracing::error!(?finished, "The guardian does not end; killing it");
        }
        // The guardian itself, and what became ours because it died before its work was done.
        let childless = children::end_all(limits::CLOSE_WITHIN);
        let cleared = cgroup
            .as_ref()
            .map_or(Ok(()), |cgroup| cgroup.clear(limits::CLOSE_WITHIN));
        drop(from_guardian);
        childless.map_err(|error| PictureError::StillThere {
            why: error.to_string(),
        })?;
        killed
            .and(cleared)
            .map_err(|error| PictureError::StillThere {
                why: on_one_line(&error),
            })
    }
}

fn readable_within(fd: BorrowedFd<'_>, within: Duration) -> io::Result<bool> {
    let within = Timespec::try_from(within).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    Ok(retry_on_intr(|| poll(&mut fds, Some(&within)))? > 0)
}

fn guardian(deed: &'static str) -> impl FnOnce(io::Error) -> PictureError {
    move |source| PictureError::Guardian { deed, source }
}
