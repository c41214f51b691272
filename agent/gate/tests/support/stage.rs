//! A gate in this process, with a real folder that can fail, a clock that the test sets, and a
//! picture that is only noted.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use tempfile::TempDir;
use wardkey_gate::boottime::{Boottime, Reading};
use wardkey_gate::chip::Chip;
use wardkey_gate::clock::Clock;
use wardkey_gate::folder::{Folder, StateFolder};
use wardkey_gate::gate::{Files, Gate};
use wardkey_gate::identity::Identity;
use wardkey_gate::picture::{Awake, Guard, Picture, PictureError, Showing};
use wardkey_gate::protocol::{Answer, Event, FromGate, Request, Status};
use wardkey_gate::store::STATE;
use wardkey_gate::trusted_file::Writers;
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::time::Seconds;
use wardkey_schemas::{Code, Refusal};
use wardkey_tpm::{NvCounter, TpmError};

use super::laptop::{Laptop, new_session};

/// A clock that stands until it is moved.
#[derive(Clone)]
pub struct SetClock(Rc<Cell<Reading>>);

impl Clock for SetClock {
    fn read(&self) -> Reading {
        self.0.get()
    }
}

/// What a picture does, as it would be seen.
#[derive(Clone, Default)]
pub struct Screen {
    pub showing: Rc<Cell<Option<Showing>>>,
    /// Whether the next thing asked of it fails.
    pub broken: Rc<Cell<bool>>,
    /// How often it was opened.
    pub openings: Rc<Cell<u32>>,
}

impl Picture for Screen {
    fn open(&mut self, showing: Showing) -> Result<(), PictureError> {
        if self.broken.take() {
            let why = "a broken screen".to_owned();
            return Err(PictureError::NotStarted { why });
        }
        assert_eq!(
            self.showing.replace(Some(showing)),
            None,
            "opened while open"
        );
        self.openings.set(self.openings.get().saturating_add(1));
        Ok(())
    }

    fn prolong(&mut self, until: Boottime) -> Result<(), PictureError> {
        if self.broken.take() {
            let source = io::ErrorKind::BrokenPipe.into();
            let deed = "told of more time";
            return Err(PictureError::Guardian { deed, source });
        }
        let showing = self.showing.get();
        self.showing
            .set(showing.map(|showing| Showing { until, ..showing }));
        Ok(())
    }

    fn close(&mut self) -> Result<(), PictureError> {
        if self.broken.take() {
            let why = "a screen that stays on".to_owned();
            return Err(PictureError::StillThere { why });
        }
        self.showing.set(None);
        Ok(())
    }

    fn awake(&mut self) -> Awake {
        Awake::NoProgram
    }
}

/// Where in the row of durable steps the disk fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The step is not done.
    NotDone(usize),
    /// The step is done and says that it is not.
    DoneAllTheSame(usize),
}

/// A real folder, each of whose steps can fail.
#[derive(Clone)]
pub struct FaultyFolder {
    folder: Rc<StateFolder>,
    row: Row,
}

/// The row of durable steps, of folder and chip together.
#[derive(Clone, Default)]
pub struct Row {
    pub fault: Rc<Cell<Option<Fault>>>,
    /// The steps since the test last cleared them, for the failing one included.
    pub steps: Rc<RefCell<Vec<&'static str>>>,
}

impl Row {
    /// Does the next step, or fails at it: the first value is whether it is done, the second
    /// whether that is said.
    fn step(&self, name: &'static str) -> (bool, bool) {
        let number = self.steps.borrow().len();
        self.steps.borrow_mut().push(name);
        match self.fault.get() {
            Some(Fault::NotDone(at)) if at <= number => (false, false),
            Some(Fault::DoneAllTheSame(at)) if at == number => (true, false),
            // After a step that failed nothing more is done: the power is off.
            Some(Fault::DoneAllTheSame(at)) if at < number => (false, false),
            _ => (true, true),
        }
    }
}

impl FaultyFolder {
    fn step(&self, name: &'static str, deed: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let (done, said) = self.row.step(name);
        if done {
            deed()?;
        }
        if said {
            Ok(())
        } else {
            Err(io::Error::other("a broken disk"))
        }
    }
}

/// A security chip whose counter outlives every gate, and which can fail to move it.
#[derive(Clone)]
pub struct FaultyChip {
    counter: Rc<Cell<NvCounter>>,
    secret: Rc<Cell<[u8; 32]>>,
    /// Whether it answers at all.
    pub silent: Rc<Cell<bool>>,
    row: Row,
}

impl FaultyChip {
    fn answers(&self) -> Result<(), TpmError> {
        if self.silent.get() {
            Err(TpmError::OutOfStep)
        } else {
            Ok(())
        }
    }

    /// What an enrolment does to it.
    pub fn make_counter(&self) {
        self.counter.set(NvCounter::Fresh);
    }

    /// What clearing it in the firmware's settings does.
    pub fn clear(&self) {
        self.counter.set(NvCounter::Missing);
    }

    /// Another chip in its place.
    pub fn exchange(&self) {
        self.secret.set([99; 32]);
    }

    /// Somebody else moves the counter.
    pub fn meddle(&self) {
        self.clone().count();
    }

    pub fn value(&self) -> u64 {
        match self.counter.get() {
            NvCounter::At(value) => value,
            NvCounter::Fresh | NvCounter::Missing => 0,
        }
    }

    fn count(&mut self) -> u64 {
        // A new counter begins above all that there were.
        let value = match self.counter.get() {
            NvCounter::At(value) => value.checked_add(1).unwrap(),
            NvCounter::Fresh | NvCounter::Missing => 40,
        };
        self.counter.set(NvCounter::At(value));
        value
    }
}

impl Chip for FaultyChip {
    fn counter(&mut self) -> Result<NvCounter, TpmError> {
        self.answers().map(|()| self.counter.get())
    }

    fn advance(&mut self) -> Result<u64, TpmError> {
        self.answers()?;
        let (done, said) = self.row.step("count");
        let value = if done { self.count() } else { 0 };
        if said {
            Ok(value)
        } else {
            Err(TpmError::OutOfStep)
        }
    }

    fn secret(&mut self) -> Result<[u8; 32], TpmError> {
        self.answers().map(|()| self.secret.get())
    }
}

impl Folder for FaultyFolder {
    fn read(&self, name: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        self.folder.read(name, most)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.step("write", || self.folder.write(name, bytes))
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.step("sync", || self.folder.sync(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.step("rename", || self.folder.rename(from, to))
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.step("sync folder", || self.folder.sync_folder())
    }
}

/// A gate with everything it needs.
pub struct Stage {
    place: TempDir,
    pub laptop: Laptop,
    pub gate: Gate<FaultyFolder, FaultyChip, Screen, SetClock>,
    pub row: Row,
    pub chip: FaultyChip,
    pub screen: Screen,
    clock: SetClock,
    pub events: Vec<Event>,
}

impl Stage {
    /// An enrolled laptop whose gate believes its installation.
    pub fn new() -> Self {
        let mut stage = Self::without_trust();
        let trust = stage.laptop.trust(1);
        assert!(matches!(stage.ask(trust), Answer::Trusted { .. }));
        stage
    }

    /// An enrolled laptop whose gate has just started for the first time.
    pub fn without_trust() -> Self {
        let place = tempfile::tempdir().unwrap();
        let laptop = Laptop::new();
        std::fs::create_dir(place.path().join("state")).unwrap();
        let pin = laptop.pki.pin().to_hex();
        std::fs::write(place.path().join("root.sha256"), pin).unwrap();
        let identity = place.path().join("identity.json");
        laptop.identity.write(&identity).unwrap();
        let clock = SetClock(Rc::new(Cell::new(Reading {
            now: Boottime::from_millis(50_000),
            asleep_at_least: 0,
            asleep_at_most: 1,
        })));
        let screen = Screen::default();
        let mut chip = FaultyChip {
            counter: Rc::new(Cell::new(NvCounter::Fresh)),
            secret: Rc::new(Cell::new([42; 32])),
            silent: Rc::default(),
            row: Row::default(),
        };
        let gate = start(&place, &screen, &clock, &mut chip);
        Self {
            place,
            laptop,
            gate,
            row: chip.row.clone(),
            chip,
            screen,
            clock,
            events: Vec::new(),
        }
    }

    /// Another enrolment, up to the file that the gate reads.
    pub fn enrol(&mut self, change: impl FnOnce(&mut Identity)) {
        change(&mut self.laptop.identity);
        self.chip.make_counter();
        self.write_identity();
    }

    /// The file that the gate reads, and nothing else of an enrolment.
    pub fn write_identity(&self) {
        let path = self.path("identity.json");
        self.laptop.identity.write(&path).unwrap();
    }

    /// Every file of the gate's folder, as a copy of the disk has it.
    pub fn copy_disk(&self) -> Vec<u8> {
        std::fs::read(self.path("state").join(STATE)).unwrap()
    }

    /// Puts the copy of a disk back.
    pub fn put_disk_back(&self, copy: &[u8]) {
        std::fs::write(self.path("state").join(STATE), copy).unwrap();
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.place.path().join(name)
    }

    /// The gate dies, and its picture with it; another one starts with the same folder.
    pub fn restart(self) -> Self {
        let mut stage = self.restart_without_trust();
        let trust = stage.laptop.trust(1);
        assert!(matches!(stage.ask(trust), Answer::Trusted { .. }));
        stage
    }

    /// The same, before the agent has said anything to the new gate.
    pub fn restart_without_trust(self) -> Self {
        let Self {
            place,
            laptop,
            gate,
            mut chip,
            screen,
            clock,
            ..
        } = self;
        // The lock on the folder goes with it.
        drop(gate);
        screen.showing.set(None);
        let gate = start(&place, &screen, &clock, &mut chip);
        Self {
            place,
            laptop,
            gate,
            row: chip.row.clone(),
            chip,
            screen,
            clock,
            events: Vec::new(),
        }
    }

    /// Asks, as the agent does.
    pub fn ask(&mut self, request: Request) -> Answer {
        self.try_ask(request).expect("the gate goes on")
    }

    /// The same, where the gate may have to give up.
    pub fn try_ask(&mut self, request: Request) -> Result<Answer, wardkey_gate::gate::GateError> {
        let mut said = Vec::new();
        let received = self.clock.read();
        let done = self.gate.answer(request, received, &mut said);
        let mut answer = None;
        for word in said {
            match word {
                FromGate::Answer(word) => assert_eq!(answer.replace(word), None),
                FromGate::Event(event) => self.events.push(event),
            }
        }
        done.map(|()| answer.expect("one answer"))
    }

    /// Time passes, and the gate looks up as often as it wants to.
    pub fn pass(&mut self, length: Seconds) {
        let end = self.clock.read().now.plus(length);
        loop {
            let next = self.gate.looks_again_at().min(end);
            self.set_now(next);
            self.look();
            if next == end {
                return;
            }
        }
    }

    /// Time passes while the gate is kept from looking.
    pub fn set_now(&self, now: Boottime) {
        let reading = self.clock.read();
        self.clock.0.set(Reading { now, ..reading });
    }

    /// The laptop sleeps.
    pub fn sleep(&self, length: Seconds) {
        let reading = self.clock.read();
        let millis = u64::from(length.number()).saturating_mul(1000);
        self.clock.0.set(Reading {
            now: reading.now.plus(length),
            asleep_at_least: reading.asleep_at_least.saturating_add(millis),
            asleep_at_most: reading.asleep_at_most.saturating_add(millis),
        });
    }

    pub fn now(&self) -> Boottime {
        self.clock.read().now
    }

    /// Lets the gate look at its clocks.
    pub fn look(&mut self) {
        let mut said = Vec::new();
        self.gate.look(&mut said).expect("the gate goes on");
        for word in said {
            let FromGate::Event(event) = word else {
                panic!("an answer that nobody asked for");
            };
            self.events.push(event);
        }
    }

    pub fn nonce(&mut self) -> Nonce {
        match self.ask(Request::Nonce {}) {
            Answer::Nonce { nonce, .. } => nonce,
            other => panic!("{other:?}"),
        }
    }

    /// An opening request for a new visit on a fresh nonce, good in every respect.
    pub fn opening(&mut self) -> Request {
        let nonce = self.nonce();
        let terms = self.laptop.terms(new_session(), nonce);
        self.laptop.open(terms)
    }

    /// Opens a visit; gives the request that did.
    pub fn open(&mut self) -> Request {
        let request = self.opening();
        let answer = self.ask(request.clone());
        assert!(matches!(answer, Answer::Opened(_)), "{answer:?}");
        request
    }

    /// The code with which a request is refused.
    pub fn refusal(&mut self, request: Request) -> Refusal {
        match self.ask(request) {
            Answer::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    }

    /// The code with which an opening on a fresh nonce is refused now.
    pub fn refusal_to_open(&mut self) -> Code {
        let request = self.opening();
        self.refusal(request).code()
    }

    pub fn status(&mut self) -> Status {
        match self.ask(Request::Status {}) {
            Answer::Status(status) => *status,
            other => panic!("{other:?}"),
        }
    }

    pub fn is_open(&self) -> bool {
        self.screen.showing.get().is_some()
    }
}

fn start(
    place: &TempDir,
    screen: &Screen,
    clock: &SetClock,
    chip: &mut FaultyChip,
) -> Gate<FaultyFolder, FaultyChip, Screen, SetClock> {
    chip.row = Row::default();
    let folder = FaultyFolder {
        folder: Rc::new(StateFolder::take(&place.path().join("state")).unwrap()),
        row: chip.row.clone(),
    };
    let files = Files {
        root_sha256: place.path().join("root.sha256"),
        identity: place.path().join("identity.json"),
        writers: Writers::of_this_process(),
    };
    Gate::new(
        files,
        folder,
        chip.clone(),
        screen.clone(),
        Guard::Both,
        clock.clone(),
    )
}
