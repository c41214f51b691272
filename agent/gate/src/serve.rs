//! The gate's one loop: the agent's requests, the guardian's word, and the clock.
//!
//! There is no handler for signals. A gate that is told to end ends at once, by whatever signal, and
//! its guardian ends the picture; nothing is left to be saved, because whatever must outlive the
//! gate was on the disk before it was acted on.

use std::convert::Infallible;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use wardkey_schemas::session::EndReason;
use wardkey_schemas::{Code, Refusal};

use crate::boottime::{Boottime, Reading};
use crate::chip::SecurityChip;
use crate::clock::{Alarm, Clock as _, SystemClock};
use crate::config::Config;
use crate::folder::{FolderError, StateFolder};
use crate::gate::{Files, Gate, GateError};
use crate::limits;
use crate::listener::{ListenError, Listener};
use crate::picture::{Inhibitor, PictureError, VideoStack};
use crate::protocol::{Answer, FromGate, parse_line, to_line, too_long};
use crate::trusted_file::{TrustedFileError, Writers};

/// Why the gate does not run, or does not run on. The picture is closed by its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The state folder cannot be taken.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// It cannot be proved that the picture is closed.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// Nobody can be heard.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// No guard works, or something of a predecessor is left.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// Somebody else could change what is run or what is remembered.
    #[error(transparent)]
    Files(#[from] TrustedFileError),
    /// The system did not do what every system does.
    #[error("the system failed")]
    System(#[from] io::Error),
}

/// Runs the gate until something makes it end.
///
/// # Errors
///
/// [`ServeError`]; there is no other way to return.
pub fn serve(config: &Config) -> Result<Infallible, ServeError> {
    let writers = Writers::of_this_process();
    writers.verify_program(config.video_program())?;
    if config.inhibitor.exists() {
        writers.verify_program(&config.inhibitor)?;
    }
    writers.verify_folder(&config.state_folder)?;
    let folder = StateFolder::take(&config.state_folder)?;
    // From here on we are the only gate with this folder.
    let picture = VideoStack::prepare(
        config.program.clone(),
        config.guard,
        config.cgroup.as_deref(),
        &config.bwrap,
        Inhibitor::new(&config.inhibitor),
        folder.path(),
    )?;
    let guard = picture.guard();
    let files = Files {
        root_sha256: config.root_sha256.clone(),
        identity: config.identity.clone(),
        writers,
    };
    let chip = SecurityChip::new(config.tpm.clone());
    let gate = Gate::new(files, folder, chip, picture, guard, SystemClock);
    let listener = Listener::bind(&config.socket, config.agent_uid)?;
    tracing::info!(
        socket = %config.socket.display(),
        guard = guard.as_str(),
        "Closed, and listening"
    );
    say_ready(&config.socket);
    let server = Server {
        gate,
        listener,
        alarm: Alarm::new()?,
        alarm_at: None,
        agent: None,
    };
    server.run()
}

/// Says on standard output that it listens, for whoever started it. Nobody need read it.
fn say_ready(socket: &Path) {
    let mut out = io::stdout();
    let line = writeln!(out, "ready socket={}", socket.display());
    drop(line.and_then(|()| out.flush()));
}

struct Server {
    gate: Gate<StateFolder, SecurityChip, VideoStack, SystemClock>,
    listener: Listener,
    alarm: Alarm,
    /// To when the alarm is set; `None` once it rang.
    alarm_at: Option<Boottime>,
    agent: Option<Agent>,
}

/// The agent's connection.
struct Agent {
    stream: UnixStream,
    /// What came of the next line so far.
    line: Vec<u8>,
    /// When it last said anything.
    heard: Reading,
}

/// Whom the loop waits for.
#[derive(Clone, Copy, Debug)]
enum Source {
    Alarm,
    Picture,
    Agent,
    Listener,
}

impl Server {
    fn run(mut self) -> Result<Infallible, ServeError> {
        loop {
            self.set_alarm()?;
            for source in self.wait()? {
                // Time first: whatever there is to be heard comes after the end of a lease.
                self.with_gate(Gate::look)?;
                match source {
                    Source::Alarm => self.alarm_at = None,
                    Source::Picture => self.hear_picture()?,
                    Source::Agent => self.hear_agent()?,
                    Source::Listener => self.admit()?,
                }
            }
            self.mind_silence()?;
        }
    }

    /// An agent that says nothing while the picture is open is frozen, and would hear no stop: it
    /// is treated as a dead one. What it said in time has been heard by now, however late we are.
    fn mind_silence(&mut self) -> Result<(), ServeError> {
        let Some(agent) = &self.agent else {
            return Ok(());
        };
        let silent = SystemClock.read().awake_since(agent.heard);
        let most = limits::AGENT_SILENT.duration().as_millis();
        if !self.gate.is_open() || u128::from(silent) < most {
            return Ok(());
        }
        tracing::error!(
            silent_ms = silent,
            "The agent says nothing: it counts as dead"
        );
        self.part_from_agent()
    }

    fn set_alarm(&mut self) -> io::Result<()> {
        let at = self.gate.looks_again_at();
        if self.alarm_at != Some(at) {
            self.alarm.set(at)?;
            self.alarm_at = Some(at);
        }
        Ok(())
    }

    /// Waits until somebody has something for us; gives them in the order in which to be heard.
    fn wait(&self) -> io::Result<Vec<Source>> {
        let sources = [
            (Source::Alarm, Some(self.alarm.as_fd())),
            (Source::Picture, self.gate.picture().events()),
            (
                Source::Agent,
                self.agent.as_ref().map(|agent| agent.stream.as_fd()),
            ),
            (Source::Listener, Some(self.listener.as_fd())),
        ];
        let (sources, mut fds): (Vec<Source>, Vec<PollFd<'_>>) = sources
            .into_iter()
            .filter_map(|(source, fd)| Some((source, PollFd::from_borrowed_fd(fd?, PollFlags::IN))))
            .unzip();
        retry_on_intr(|| poll(&mut fds, None))?;
        Ok(sources
            .into_iter()
            .zip(fds)
            .filter(|(_, fd)| !fd.revents().is_empty())
            .map(|(source, _)| source)
            .collect())
    }

    /// Lets the gate do something, and tells the agent what it said.
    fn with_gate<E>(
        &mut self,
        deed: impl FnOnce(
            &mut Gate<StateFolder, SecurityChip, VideoStack, SystemClock>,
            &mut Vec<FromGate>,
        ) -> Result<(), E>,
    ) -> Result<(), ServeError>
    where
        ServeError: From<E>,
    {
        let mut said = Vec::new();
        deed(&mut self.gate, &mut said)?;
        self.tell(&said)
    }

    /// Tells the agent; one that does not take it is gone.
    fn tell(&mut self, said: &[FromGate]) -> Result<(), ServeError> {
        let Some(agent) = &mut self.agent else {
            return Ok(());
        };
        match said.iter().try_for_each(|word| agent.tell(word)) {
            Ok(()) => Ok(()),
            Err(error) => {
                tracing::warn!(%error, "The agent does not listen");
                self.part_from_agent()
            }
        }
    }

    /// The agent is gone, and with it the picture.
    fn part_from_agent(&mut self) -> Result<(), ServeError> {
        self.agent = None;
        Ok(self.gate.close(EndReason::Shutdown, &mut Vec::new())?)
    }

    fn hear_picture(&mut self) -> Result<(), ServeError> {
        // It may have been closed since the wait.
        if self.gate.picture().events().is_none() {
            return Ok(());
        }
        let how = self.gate.picture_mut().how_it_ended();
        tracing::warn!(how, "The video program ended by itself");
        self.with_gate(|gate, said| gate.close(EndReason::VideoEnded, said))
    }

    fn hear_agent(&mut self) -> Result<(), ServeError> {
        let Some(agent) = &mut self.agent else {
            return Ok(());
        };
        let lines = match agent.hear() {
            Ok(Some(lines)) => lines,
            Ok(None) => {
                tracing::info!("The agent has gone");
                return self.part_from_agent();
            }
            Err(error) => {
                tracing::warn!(%error, "The agent cannot be heard");
                return self.part_from_agent();
            }
        };
        let received = SystemClock.read();
        for line in lines {
            self.answer(line, received)?;
            if self.agent.is_none() {
                break;
            }
        }
        // From now on: while we were busy with what it asked, it had to wait.
        if let Some(agent) = &mut self.agent {
            agent.heard = SystemClock.read();
        }
        Ok(())
    }

    fn answer(&mut self, line: Line, received: Reading) -> Result<(), ServeError> {
        match line {
            Line::Whole(text) => match parse_line(&text) {
                Ok(request) => self.with_gate(|gate, said| gate.answer(request, received, said)),
                Err(refusal) => self.tell(&[FromGate::Answer(Answer::Refused(refusal))]),
            },
            Line::TooLong => {
                // Where the next line begins cannot be known any more.
                self.tell(&[FromGate::Answer(Answer::Refused(too_long()))])?;
                tracing::warn!("The agent sent a line that does not end");
                self.part_from_agent()
            }
        }
    }

    fn admit(&mut self) -> Result<(), ServeError> {
        let (stream, verdict) = match self.listener.accept() {
            Ok(Some(peer)) => peer,
            Ok(None) => return Ok(()),
            Err(error) => {
                tracing::warn!(%error, "Somebody could not be let in");
                return Ok(());
            }
        };
        let verdict = verdict.and_then(|()| match self.agent {
            None => Ok(()),
            Some(_) => Err(Refusal::new(
                Code::Busy,
                "a second connection",
                "one agent at a time",
            )),
        });
        let mut peer = Agent::new(stream)?;
        match verdict {
            Ok(()) => {
                tracing::info!("The agent is here");
                self.agent = Some(peer);
            }
            Err(refusal) => {
                tracing::warn!(refusal.code = %refusal.code(), %refusal, "Sent somebody away");
                // Whoever does not wait to hear it need not.
                let _ = peer.tell(&FromGate::Answer(Answer::Refused(refusal)));
            }
        }
        Ok(())
    }
}

/// A line from the agent.
enum Line {
    /// All of it.
    Whole(Vec<u8>),
    /// The beginning of one that is longer than any may be.
    TooLong,
}

impl Agent {
    fn new(stream: UnixStream) -> io::Result<Self> {
        // Read only when there is something to read; written with a limit of patience.
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(limits::WRITE_WITHIN))?;
        Ok(Self {
            stream,
            line: Vec::new(),
            heard: SystemClock.read(),
        })
    }

    fn tell(&mut self, word: &FromGate) -> io::Result<()> {
        let line = to_line(word)?;
        (&self.stream).write_all(&line)
    }

    /// Reads what there is; gives the lines that it completes, or `None` at the end.
    fn hear(&mut self) -> io::Result<Option<Vec<Line>>> {
        let mut bytes = [0; 16 * 1024];
        let read = match (&self.stream).read(&mut bytes) {
            Ok(0) => return Ok(None),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                return Ok(Some(Vec::new()));
            }
            Err(error) => return Err(error),
        };
        let mut lines = Vec::new();
        for part in bytes
            .get(..read)
            .unwrap_or(&[])
            .split_inclusive(|byte| *byte == b'\n')
        {
            self.line.extend_from_slice(part);
            if self.line.len() > limits::LINE_BYTES {
                lines.push(Line::TooLong);
                break;
            }
            if part.ends_with(b"\n") {
                lines.push(Line::Whole(std::mem::take(&mut self.line)));
            }
        }
        Ok(Some(lines))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (UnixStream, Agent) {
        let (far, near) = UnixStream::pair().unwrap();
        (far, Agent::new(near).unwrap())
    }

    fn whole(lines: Vec<Line>) -> Vec<String> {
        lines
            .into_iter()
            .map(|line| match line {
                Line::Whole(text) => String::from_utf8(text).unwrap(),
                Line::TooLong => "too long".to_owned(),
            })
            .collect()
    }

    #[test]
    fn lines_are_put_together_from_whatever_pieces_come() {
        let (mut far, mut agent) = pair();
        far.write_all(b"on").unwrap();
        assert_eq!(whole(agent.hear().unwrap().unwrap()), [""; 0]);
        far.write_all(b"e\ntwo\nthr").unwrap();
        assert_eq!(whole(agent.hear().unwrap().unwrap()), ["one\n", "two\n"]);
        far.write_all(b"ee\n").unwrap();
        assert_eq!(whole(agent.hear().unwrap().unwrap()), ["three\n"]);
        drop(far);
        assert!(agent.hear().unwrap().is_none());
    }

    #[test]
    fn a_line_that_does_not_end_is_given_up() {
        let (mut far, mut agent) = pair();
        let piece = [b' '; 16 * 1024];
        let mut sent = 0;
        loop {
            far.write_all(&piece).unwrap();
            sent += piece.len();
            let lines = whole(agent.hear().unwrap().unwrap());
            if sent > limits::LINE_BYTES {
                assert_eq!(lines, ["too long"]);
                break;
            }
            assert_eq!(lines, [""; 0]);
        }
    }
}
