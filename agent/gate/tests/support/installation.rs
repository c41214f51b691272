//! The real binary with real settings, and a video program that tries to get away.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;
use wardkey_gate::chip::make_counter;
use wardkey_gate::client::Client;
use wardkey_gate::protocol::{Answer, Event, FromGate, Request, Status};
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::session::EndReason;

use super::chip::VirtualChip;
use super::laptop::{Laptop, Terms, new_session};
use super::video::{PATIENCE, Video};

/// A laptop's files.
pub struct Installation {
    place: TempDir,
    pub laptop: Laptop,
    pub video: Video,
    chip: VirtualChip,
    /// What the gate's environment holds beside ours.
    environment: Vec<(String, String)>,
}

impl Installation {
    /// A laptop whose video program runs until it is ended, under this guard.
    pub fn new(guard: &str) -> Self {
        Self::build(guard, geteuid().as_raw(), Video::command)
    }

    /// The same with a program that can end by itself.
    pub fn with_fuse(guard: &str) -> Self {
        Self::build(guard, geteuid().as_raw(), Video::command_with_fuse)
    }

    /// The same for an agent of another user.
    pub fn for_agent(uid: u32) -> Self {
        Self::build("auto", uid, Video::command)
    }

    fn build(guard: &str, uid: u32, command: impl Fn(&Video) -> Vec<String>) -> Self {
        let place = tempfile::tempdir().unwrap();
        let laptop = Laptop::new();
        let video = Video::new(place.path());
        let chip = VirtualChip::start(place.path());
        make_counter(&chip.open()).unwrap();
        let at = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
        fs::create_dir(at("state")).unwrap();
        fs::write(at("root.sha256"), laptop.pki.pin().to_hex() + "\n").unwrap();
        laptop
            .identity
            .write(Path::new(&at("identity.json")))
            .unwrap();
        let settings = format!(
            r#"
            [trust]
            root_sha256 = {:?}
            identity = {:?}
            [state]
            folder = {:?}
            tpm = {:?}
            [agent]
            socket = {:?}
            uid = {uid}
            [sleep]
            inhibitor = {:?}
            [video]
            command = {:?}
            environment = {{ PATH = "/usr/bin:/bin" }}
            guard = {guard:?}
            "#,
            at("root.sha256"),
            at("identity.json"),
            at("state"),
            chip.address().to_string(),
            at("gate.sock"),
            at("no-inhibitor"),
            command(&video),
        );
        fs::write(at("gate.toml"), settings).unwrap();
        Self {
            place,
            laptop,
            video,
            chip,
            environment: Vec::new(),
        }
    }

    /// This program keeps the laptop awake, and finds this in its environment.
    pub fn kept_awake_by(&mut self, program: &Path, environment: Option<(&str, &str)>) {
        let path = self.path("gate.toml");
        let settings = fs::read_to_string(&path).unwrap();
        let none = self.path("no-inhibitor");
        let (none, some) = (none.to_str().unwrap(), program.to_str().unwrap());
        fs::write(&path, settings.replace(none, some)).unwrap();
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.environment = environment.into_iter().collect();
    }

    /// Nothing is left of what the gate knew, as after another enrolment of a wiped laptop.
    pub fn enrol_anew(&self) {
        fs::remove_dir_all(self.path("state")).unwrap();
        fs::create_dir(self.path("state")).unwrap();
        make_counter(&self.chip.open()).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Starts the gate and waits until it listens.
    pub fn start(&self) -> Running {
        let mut child = self.spawn();
        // Somebody must read the log, or the gate would wait for it one day.
        let log = BufReader::new(child.stderr.take().unwrap());
        let (to, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                println!("  {line}");
                if to.send(line).is_err() {
                    // The test is over; go on reading.
                }
            }
        });
        let mut running = Running {
            child,
            lines,
            socket: self.path("gate.sock"),
            client: None,
        };
        running.wait_for_line("Closed, and listening");
        running
    }

    /// Starts the gate, and stops listening to its log once it listens.
    pub fn start_unheard(&self) -> Running {
        let mut child = self.spawn();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("Closed, and listening") {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "the gate ended");
        }
        let (_, lines) = mpsc::channel();
        Running {
            child,
            lines,
            socket: self.path("gate.sock"),
            client: None,
        }
    }

    fn spawn(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_wardkey-gate"))
            .arg("serve")
            .arg("--config")
            .arg(self.path("gate.toml"))
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Starts a gate that must not start; how it ended.
    pub fn refuses_to_start(&self) -> ExitStatus {
        self.spawn().wait().unwrap()
    }

    /// Runs `wardkey-gate check` on these settings.
    pub fn check(&self) -> (ExitStatus, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_wardkey-gate"))
            .arg("check")
            .arg("--config")
            .arg(self.path("gate.toml"))
            .envs(self.environment.iter().cloned())
            .output()
            .unwrap();
        (output.status, String::from_utf8(output.stdout).unwrap())
    }

    /// Starts the gate, connects, opens the picture, and waits until all of it is up.
    pub fn open(&mut self) -> (Running, Request) {
        self.open_with(|_| ())
    }

    /// The same on other terms.
    pub fn open_with(&mut self, change: impl FnOnce(&mut Terms)) -> (Running, Request) {
        let mut running = self.start();
        running.trust(&self.laptop);
        let nonce = running.nonce();
        let mut terms = self.laptop.terms(new_session(), nonce);
        change(&mut terms);
        let request = self.laptop.open(terms);
        let answer = running.ask(&request);
        assert!(matches!(answer, Answer::Opened(_)), "{answer:?}");
        let lease = self.laptop.lease_of(&request);
        assert_eq!(
            self.video.wait_until_up(),
            (lease.room.to_string(), lease.session.to_string())
        );
        (running, request)
    }
}

/// A gate that runs.
pub struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    socket: PathBuf,
    client: Option<Client>,
}

impl Running {
    pub fn wait_for_line(&mut self, text: &str) {
        loop {
            let line = self
                .lines
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("the gate never said {text:?}"));
            if line.contains(text) {
                return;
            }
        }
    }

    pub fn connect(&self) -> Client {
        Client::connect(&self.socket, PATIENCE).unwrap()
    }

    /// A connection without the protocol.
    pub fn connect_raw(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// The agent's connection, made when it is first used.
    pub fn client(&mut self) -> &mut Client {
        if self.client.is_none() {
            self.client = Some(self.connect());
        }
        self.client.as_mut().unwrap()
    }

    /// The agent's connection without the protocol. What the gate still says is left in it.
    pub fn take_stream(&mut self) -> UnixStream {
        self.client.take().unwrap().into_stream()
    }

    pub fn hang_up(&mut self) {
        self.client = None;
    }

    pub fn ask(&mut self, request: &Request) -> Answer {
        self.client().ask(request).unwrap()
    }

    pub fn trust(&mut self, laptop: &Laptop) {
        let answer = self.ask(&laptop.trust(1));
        assert!(matches!(answer, Answer::Trusted { .. }), "{answer:?}");
    }

    pub fn nonce(&mut self) -> Nonce {
        match self.ask(&Request::Nonce {}) {
            Answer::Nonce { nonce, .. } => nonce,
            other => panic!("{other:?}"),
        }
    }

    pub fn status(&mut self) -> Status {
        match self.ask(&Request::Status {}) {
            Answer::Status(status) => *status,
            other => panic!("{other:?}"),
        }
    }

    /// Waits for the event of the picture's end.
    pub fn wait_for_end(&mut self) -> EndReason {
        if let Some(Event::Closed { reason, .. }) = self.client().take_events().pop() {
            return reason;
        }
        match self.client().hear().unwrap() {
            FromGate::Event(Event::Closed { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    }

    /// Gives the agent's connection to a process of its own, which holds it until it dies.
    pub fn give_connection_away(&mut self, stream: UnixStream) -> Child {
        self.client = None;
        Command::new("sleep")
            .arg("1000")
            .stdin(OwnedFd::from(stream))
            .spawn()
            .unwrap()
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// The guardian: the gate's only child.
    pub fn guardian(&self) -> Pid {
        let children = children_of(self.pid());
        match children.as_slice() {
            [guardian] => *guardian,
            other => panic!("{other:?}"),
        }
    }

    /// Waits for the end of the gate.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The children of a process.
pub fn children_of(parent: Pid) -> Vec<Pid> {
    let parent = parent.to_string();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| {
            fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
                let after_name = stat.rsplit_once(')').unwrap().1;
                after_name.split_ascii_whitespace().nth(1) == Some(&parent)
            })
        })
        .filter_map(Pid::from_raw)
        .collect()
}
