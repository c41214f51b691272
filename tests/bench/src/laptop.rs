//! T14: from the plug of a security key to the open picture, every part real or virtual hardware.
//!
//! PIN and touch are those of the lab, at once; what is left is machine time. The way over the
//! network and through keyd is bounded by the two steps that hold it, each with a signature of the
//! TPM in it.

use serde_json::Value;
use wardkey_tests::frames::{Frames, boottime_ms};
use wardkey_tests::process::Said;
use wardkey_tests::world::{Key, Laptop, LaptopOptions, Options, Role, SITE, World};

use crate::failure::Failure;
use crate::outcome::{Outcome, figure, quantile};

/// Visits that are opened.
const VISITS: u32 = 10;

/// A world with one laptop and three people.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) laptop: Laptop,
    pub(crate) lead: Key,
    pub(crate) staff: Key,
    pub(crate) officer: Key,
    /// Gone last: everything lives in it.
    _folder: tempfile::TempDir,
}

impl Scene {
    pub(crate) fn set() -> Result<Self, Failure> {
        // Names of sockets are short.
        let folder = tempfile::Builder::new().prefix("wb-").tempdir_in("/tmp")?;
        let mut world = World::ready(folder.path(), Options::default())?;
        let lead = world.first_key(SITE, "lead", Role::Lead)?;
        let officer = world.first_key(SITE, "officer", Role::SecurityOfficer)?;
        let pending = world.enrol_key(&lead, "staff", Role::Staff)?;
        let staff = world.confirm_key(&officer, &pending)?;
        let mut laptop = world.laptop(LaptopOptions::new("LAPTOP-1", SITE))?;
        let phrase = world.enrol_laptop(&laptop, &lead)?;
        laptop.start()?;
        world.confirm_laptop(&officer, &laptop, &phrase)?;
        laptop.await_state("locked")?;
        Ok(Self {
            world,
            laptop,
            lead,
            staff,
            officer,
            _folder: folder,
        })
    }

    /// Opens a visit and takes the key away; milliseconds from the plug to the first frame.
    pub(crate) fn open(&self) -> Result<f64, Failure> {
        let frames = Frames::of(&self.laptop)?;
        let plugged = boottime_ms();
        self.laptop.plug(&self.staff).map_err(Failure::other)?;
        let said = self.world.activate(&self.laptop, &self.staff)?;
        require_done(&said, "activate")?;
        frames.await_after(plugged)?;
        let first = frames.first().unwrap_or(plugged);
        self.laptop.unplug(&self.staff).map_err(Failure::other)?;
        self.laptop.await_state("with-patient")?;
        Ok(as_millis(first.saturating_sub(plugged)))
    }
}

pub(crate) fn require_done(said: &Said, what: &str) -> Result<(), Failure> {
    if said.code() == 0 {
        return Ok(());
    }
    let code = said.code();
    Err(Failure::other(format!(
        "`{what}` ended with {code}: {}{}",
        said.out, said.err
    )))
}

/// Milliseconds as a figure.
pub(crate) fn as_millis(number: i64) -> f64 {
    f64::from(i32::try_from(number).unwrap_or(i32::MAX))
}

pub(crate) fn run() -> Result<Outcome, Failure> {
    let scene = Scene::set()?;
    let (mut opened, mut machine, mut network) = (Vec::new(), Vec::new(), Vec::new());
    let mut steps: Vec<(&'static str, Vec<f64>)> =
        STEPS.iter().map(|name| (*name, Vec::new())).collect();
    for _ in 0..VISITS {
        opened.push(scene.open()?);
        let status = scene.laptop.status()?;
        let number = |pointer: &str| status.pointer(pointer).and_then(Value::as_i64);
        machine.push(as_millis(
            number("/last_activation/plug_to_gate_open_ms").unwrap_or(i64::MAX),
        ));
        for (name, times) in &mut steps {
            times.push(as_millis(step(&status, name)));
        }
        network.push(as_millis(
            step(&status, "challenge").saturating_add(step(&status, "request")),
        ));
        require_done(&scene.laptop.agent(&["end", "--json"])?, "end")?;
        scene.laptop.await_state("locked")?;
    }
    let mut figures = vec![
        figure("the same, median", quantile(&opened, 0.5), "ms"),
        figure(
            "of which in the agent, median",
            quantile(&machine, 0.5),
            "ms",
        ),
        figure(
            "of which network, keyd and 2 TPM signatures",
            quantile(&network, 0.5),
            "ms",
        )
        .at_most(50.0),
    ];
    for (name, times) in steps {
        figures.push(figure(name, quantile(&times, 0.5), "ms"));
    }
    Ok(Outcome {
        value: quantile(&opened, 1.0),
        target: 1500.0,
        unit: "ms, slowest of 10 from plug to first frame",
        figures,
    })
}

/// The steps of an activation, as the agent calls them.
const STEPS: [&str; 9] = [
    "token",
    "pin",
    "nonce",
    "challenge",
    "quote",
    "sign",
    "touch",
    "request",
    "gate",
];

fn step(status: &Value, wanted: &str) -> i64 {
    let steps = status
        .pointer("/last_activation/steps")
        .and_then(Value::as_array);
    steps
        .into_iter()
        .flatten()
        .find(|step| step.get("name").and_then(Value::as_str) == Some(wanted))
        .and_then(|step| step.get("ms")?.as_i64())
        .unwrap_or(0)
}
