//! A site with its people and one laptop that was enrolled and confirmed.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use tempfile::TempDir;
use wardkey_tests::process::Said;
use wardkey_tests::world::{Key, Laptop, LaptopOptions, Options, Role, SITE, World};

/// The tag on the laptop's lid.
pub(crate) const TAG: &str = "HMP-X-07";

/// Longer than any machine needs that still works.
const PATIENCE: Duration = Duration::from_mins(1);

/// Longer than the lab's picture takes from one frame to the next, in milliseconds.
const STILL: u64 = 1500;

/// Everybody and everything.
pub(crate) struct Ward {
    pub(crate) laptop: Laptop,
    pub(crate) world: World,
    pub(crate) staff: Key,
    pub(crate) lead: Key,
    pub(crate) officer: Key,
    /// Dropped last: everything lives in it.
    _folder: TempDir,
}

impl Ward {
    /// A ward whose key service has these lines of policy. Gate and agent do not run yet.
    pub(crate) fn new(policy: &[&str]) -> Self {
        Self::with_calendar(policy, None)
    }

    /// The same with a laptop whose calendar is off by this much, from its enrolment on.
    pub(crate) fn with_calendar(policy: &[&str], calendar: Option<&str>) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("a")
            .rand_bytes(4)
            .tempdir_in("/tmp")
            .unwrap();
        let options = Options {
            policy: policy.iter().map(|line| (*line).to_owned()).collect(),
            ..Options::default()
        };
        let mut world = World::ready(folder.path(), options).unwrap();
        let lead = world.first_key(SITE, "lead", Role::Lead).unwrap();
        let officer = world
            .first_key(SITE, "officer", Role::SecurityOfficer)
            .unwrap();
        let pending = world.enrol_key(&lead, "staff", Role::Staff).unwrap();
        let staff = world.confirm_key(&officer, &pending).unwrap();
        let laptop = world
            .laptop(LaptopOptions {
                has_own_calendar: calendar.is_some(),
                ..LaptopOptions::new(TAG, SITE)
            })
            .unwrap();
        if let Some(calendar) = calendar {
            laptop.set_calendar(calendar).unwrap();
        }
        let phrase = world.enrol_laptop(&laptop, &lead).unwrap();
        world.confirm_laptop(&officer, &laptop, &phrase).unwrap();
        Self {
            laptop,
            world,
            staff,
            lead,
            officer,
            _folder: folder,
        }
    }

    /// Another laptop of the site, enrolled and confirmed, that runs.
    pub(crate) fn another_laptop(&mut self, tag: &str) -> Laptop {
        let mut laptop = self.world.laptop(LaptopOptions::new(tag, SITE)).unwrap();
        let lead = self.lead.clone();
        let phrase = self.world.enrol_laptop(&laptop, &lead).unwrap();
        let officer = self.officer.clone();
        self.world
            .confirm_laptop(&officer, &laptop, &phrase)
            .unwrap();
        laptop.start().unwrap();
        laptop
    }

    /// A ward whose laptop runs.
    pub(crate) fn running(policy: &[&str]) -> Self {
        let mut ward = Self::new(policy);
        ward.laptop.start().unwrap();
        ward
    }

    /// Starts a visit; the security key stays in.
    pub(crate) fn activate(&self) {
        self.laptop.plug(&self.staff).unwrap();
        let said = self.try_activate();
        assert_eq!(said.code(), 0, "{}{}", said.out, said.err);
        self.await_frames();
    }

    /// The same with a key that is in, and may be refused.
    pub(crate) fn try_activate(&self) -> Said {
        self.world.activate(&self.laptop, &self.staff).unwrap()
    }

    /// A command of the agent that prints JSON.
    pub(crate) fn agent(&self, words: &[&str]) -> Said {
        let words = [words, &["--json"]].concat();
        self.laptop.agent(&words).unwrap()
    }

    /// A command that must be done; what it printed.
    #[track_caller]
    pub(crate) fn done(&self, words: &[&str]) -> Value {
        let said = self.agent(words);
        assert_eq!(said.code(), 0, "{words:?}: {}{}", said.out, said.err);
        said.json()
    }

    /// A command that must be refused; exit status and code.
    #[track_caller]
    pub(crate) fn refused(&self, words: &[&str]) -> (i32, String) {
        let said = self.agent(words);
        assert_ne!(said.code(), 0, "{words:?}: {}", said.out);
        (said.code(), code(&said))
    }

    /// The agent's status.
    pub(crate) fn status(&self) -> Value {
        self.laptop.status().unwrap()
    }

    /// Waits until no visit runs and nothing is left that the key service must be told.
    pub(crate) fn await_told(&self) -> Value {
        let told = |status: &Value| {
            status["visit"].is_null() && status["outbox"] == 0 && status["linked"] == true
        };
        self.laptop.await_status("free of reports", told).unwrap()
    }

    /// Why each visit ended, by the key service's record; empty for one that runs. The newest first.
    pub(crate) fn ends(&mut self) -> Vec<String> {
        let officer = self.officer.clone();
        let said = self.world.wardkey_done(&officer, &["sessions"]).unwrap();
        said["sessions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["end_reason"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Waits until the picture runs.
    #[track_caller]
    pub(crate) fn await_frames(&self) {
        let since = now();
        self.wait_for("the picture does not run", |frame| frame > since);
    }

    /// Waits until no frame has come for a while.
    #[track_caller]
    pub(crate) fn await_darkness(&self) {
        self.wait_for("the picture runs on", |frame| {
            now().saturating_sub(frame) > STILL
        });
    }

    #[track_caller]
    fn wait_for(&self, what: &str, holds: impl Fn(u64) -> bool) {
        let began = Instant::now();
        while !holds(self.last_frame()) {
            assert!(began.elapsed() < PATIENCE, "{what}");
            std::thread::yield_now();
        }
    }

    /// When the last frame was shown, on the clock of [`now`]; zero before the first.
    fn last_frame(&self) -> u64 {
        let text = std::fs::read_to_string(self.laptop.frames()).unwrap_or_default();
        text.lines()
            .next()
            .and_then(|line| line.parse().ok())
            .unwrap_or(0)
    }
}

/// The code of a refusal.
pub(crate) fn code(said: &Said) -> String {
    let json = said.json();
    json["error"]["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// The clock with which frames are stamped, in milliseconds.
fn now() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap();
    let nanos = u64::try_from(now.tv_nsec).unwrap();
    seconds
        .saturating_mul(1000)
        .saturating_add(nanos / 1_000_000)
}
