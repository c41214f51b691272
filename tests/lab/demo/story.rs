//! The story, step by step: from a root made offline to a stopped laptop that stays shut.

use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;
use wardkey_schemas::time::Timestamp;
use wardkey_tests::frames::{self, Frames};
use wardkey_tests::process::Said;
use wardkey_tests::world::{Key, Laptop, LaptopOptions, Options, Role, SITE, World, WorldError};

use crate::arguments::Story;
use crate::prompt;
use crate::telling::{Document, Teller, causes};

/// The tag on the laptop's lid.
pub(crate) const LAPTOP: &str = "LAPTOP-1";

/// Milliseconds from one frame of the lab's picture to the next, rounded up: after the last frame
/// the picture may have stood for as long.
const FRAME_MS: u64 = 34;

/// Everybody and everything in the story, once they are there.
#[derive(Debug)]
pub(crate) struct Cast {
    pub(crate) world: World,
    pub(crate) laptop: Laptop,
    pub(crate) lead: Key,
    pub(crate) staff: Key,
    pub(crate) officer: Key,
}

/// What was measured besides the steps.
#[derive(Debug, Default)]
struct Measured {
    plug_to_gate_open_ms: Option<u64>,
    stop_commit_to_gate_closed_ms: Option<u64>,
    refusal_after_stop: Option<String>,
}

/// Plays the story, then whatever was asked for.
pub(crate) fn play(story: &Story) -> ExitCode {
    let mut teller = Teller::new(story.demo.json);
    let mut measured = Measured::default();
    let played = begin(&story.folder, &mut teller).and_then(|mut cast| {
        let visited = visit(&mut cast, &mut teller, &mut measured);
        visited
            .and_then(|()| stop(&mut cast, &mut teller, &mut measured))
            .map(|()| cast)
    });
    let held = played.is_ok() && teller.all_held();
    summary(&teller, &measured, held);
    if story.demo.json {
        let document = Document {
            steps: teller.steps(),
            plug_to_gate_open_ms: measured.plug_to_gate_open_ms,
            stop_commit_to_gate_closed_ms: measured.stop_commit_to_gate_closed_ms,
            refusal_after_stop: measured.refusal_after_stop,
        };
        match serde_json::to_string_pretty(&document) {
            Ok(text) => println!("{text}"),
            Err(error) => {
                teller.say(&format!("error: {}", causes(&error)));
                return ExitCode::FAILURE;
            }
        }
    }
    match played {
        Ok(cast) if held => {
            if !story.demo.script && !story.demo.json {
                prompt::stay_up(cast, &teller);
            }
            ExitCode::SUCCESS
        }
        Ok(_) | Err(_) => ExitCode::FAILURE,
    }
}

fn summary(teller: &Teller, measured: &Measured, held: bool) {
    teller.say("");
    if let Some(ms) = measured.plug_to_gate_open_ms {
        teller.say(&format!(
            "security key plugged in -> picture open   {ms} ms"
        ));
    }
    if let Some(ms) = measured.stop_commit_to_gate_closed_ms {
        teller.say(&format!(
            "stop on record -> picture closed          {ms} ms"
        ));
    }
    teller.say(if held {
        "Every step held."
    } else {
        "The story did not hold: see the step that failed."
    });
}

/// From nothing to a confirmed laptop.
fn begin(folder: &Path, teller: &mut Teller) -> Result<Cast, WorldError> {
    teller
        .say("Wardkey, the whole story on this machine. Test profile: virtual security keys and a");
    teller.say("virtual TPM, under makers of their own; every check is the real one.");
    let mut world = teller.step(
        "root ceremony",
        "the installation's root is made, offline; everything else is pinned to it",
        |teller| {
            let world = World::new(folder, Options::default())?;
            world.root_ceremony()?;
            teller.note(&format!("root {}", world.root_sha256()?));
            Ok(world)
        },
    )?;
    teller.step(
        "site authority",
        "the site makes its own key authority; the root certifies it, for this site's names only",
        |_| {
            world.prepare_site(SITE)?;
            world.publish()
        },
    )?;
    teller.step(
        "keyd started",
        "the central service starts, then the site's authority",
        |teller| {
            world.start_keyd()?;
            world.start_authority(SITE)?;
            teller.note(&format!("keyd listens on {}", world.keyd_address()?));
            teller.note(&format!(
                "the authority of {SITE} listens on {}",
                world.authority_address(SITE)?
            ));
            Ok(())
        },
    )?;
    let lead = teller.step(
        "lead key",
        "the team lead's security key, in person, named in the charter that the root signs",
        |teller| {
            let lead = world.first_key(SITE, "lead", Role::Lead)?;
            tell_key(teller, &lead);
            Ok(lead)
        },
    )?;
    let pending = teller.step(
        "staff key",
        "the lead vouches for a member of staff; both touch their security keys",
        |teller| {
            let pending = world.enrol_key(&lead, "staff", Role::Staff)?;
            tell_key(teller, &pending.key);
            teller.note(&format!("the screen shows: {}", pending.phrase));
            Ok(pending)
        },
    )?;
    let (officer, staff) = teller.step(
        "officer key",
        "the security officer's, in person; then the officer confirms the staff key by its words",
        |teller| {
            let officer = world.first_key(SITE, "officer", Role::SecurityOfficer)?;
            tell_key(teller, &officer);
            let staff = world.confirm_key(&officer, &pending)?;
            teller.note("the staff key is confirmed");
            Ok((officer, staff))
        },
    )?;
    let (laptop, phrase) = teller.step(
        "laptop enrolled",
        "its TPM proves itself to the site's authority, and that to keyd; the lead vouches",
        |teller| {
            let mut laptop = world.laptop(LaptopOptions::new(LAPTOP, SITE))?;
            let phrase = world.enrol_laptop(&laptop, &lead)?;
            teller.note(&format!("the laptop's screen shows: {phrase}"));
            laptop.start()?;
            teller.note("gate and agent run; the gate is closed");
            Ok((laptop, phrase))
        },
    )?;
    teller.step(
        "laptop confirmed",
        "the officer reads tag and words from the laptop, and types them on another screen",
        |_| world.confirm_laptop(&officer, &laptop, &phrase),
    )?;
    Ok(Cast {
        world,
        laptop,
        lead,
        staff,
        officer,
    })
}

fn tell_key(teller: &Teller, key: &Key) {
    teller.note(&format!("serial number {}, PIN {}", key.serial, key.pin));
}

/// Staff plug a key; the room opens; the key goes with them.
fn visit(cast: &mut Cast, teller: &mut Teller, measured: &mut Measured) -> Result<(), WorldError> {
    let Cast {
        world,
        laptop,
        staff,
        ..
    } = cast;
    let plugged_at = teller.step(
        "session activated",
        "staff plug their security key, type its PIN and touch it",
        |teller| {
            let plugged_at = frames::boottime_ms();
            laptop.plug(staff)?;
            let said = world.activate(laptop, staff)?;
            if said.code() != 0 {
                return Err(unexpected("`activate`", &said));
            }
            for step in steps_of(&laptop.status()?) {
                teller.note(&step);
            }
            Ok(plugged_at)
        },
    )?;
    teller.step(
        "gate open",
        "the gate verified lease and signatures by itself; the picture runs",
        |_| {
            let frames = Frames::of(laptop)?;
            frames.await_after(plugged_at)?;
            let opened = frames.first().map(|first| first.saturating_sub(plugged_at));
            measured.plug_to_gate_open_ms = opened.and_then(|ms| u64::try_from(ms).ok());
            expect_state(laptop, "in-room")
        },
    )?;
    teller.step(
        "handover",
        "the security key comes out; the call goes on with the patient",
        |_| {
            laptop.unplug(staff)?;
            let out = frames::boottime_ms();
            laptop.await_state("with-patient")?;
            Frames::of(laptop)?.await_after(out)
        },
    )?;
    teller.step(
        "renewed",
        "the agent asks for the next lease, with the TPM's word that nothing changed",
        |teller| {
            let before = lease_number(&laptop.status()?);
            let said = laptop.agent(&["renew", "--json"])?;
            if said.code() != 0 {
                return Err(unexpected("`renew`", &said));
            }
            let after = lease_number(&laptop.status()?);
            if after <= before {
                return Err(WorldError::Unexpected(format!(
                    "the lease in use is number {after}, and was {before} before"
                )));
            }
            teller.note(&format!("lease number {after} is in use"));
            Ok(())
        },
    )
}

/// The laptop is lost; it closes, and stays closed.
fn stop(cast: &mut Cast, teller: &mut Teller, measured: &mut Measured) -> Result<(), WorldError> {
    let Cast {
        world,
        laptop,
        staff,
        officer,
        ..
    } = cast;
    let committed = teller.step(
        "stopped",
        "the officer stops the lost laptop from a distance",
        |teller| {
            let answer = world.wardkey_done(officer, &["stop", LAPTOP, "--lost"])?;
            let at = answer
                .get("committed_at")
                .and_then(Value::as_str)
                .unwrap_or_default();
            teller.note(&format!("on record at {at}"));
            let at: Timestamp = at.parse().map_err(|_| {
                WorldError::Unexpected(format!("`{answer}` names no time of commit"))
            })?;
            Ok(at.millis().saturating_sub(frames::wall_minus_boottime_ms()))
        },
    )?;
    teller.step(
        "gate closed",
        "the laptop obeyed, latched the order, and its TPM signed the receipt",
        |teller| {
            let last = Frames::of(laptop)?.await_end()?;
            let closed = u64::try_from(last.saturating_sub(committed)).unwrap_or(0);
            measured.stop_commit_to_gate_closed_ms = Some(closed.saturating_add(FRAME_MS));
            laptop.await_latch()?;
            let orders = world.wardkey_in_words(officer, &["orders", LAPTOP, "--watch"])?;
            if orders.code() != 0 {
                return Err(unexpected("`orders`", &orders));
            }
            for line in orders.out.lines() {
                teller.note(line);
            }
            Ok(())
        },
    )?;
    teller.step(
        "activation refused",
        "staff try again with their own security key",
        |teller| {
            laptop.plug(staff)?;
            let said = world.activate(laptop, staff)?;
            laptop.unplug(staff)?;
            let code = code_of(&said.json());
            measured.refusal_after_stop.clone_from(&code);
            match code {
                Some(code) if said.code() == 2 => {
                    teller.note(&format!("refused: {code}"));
                    Ok(())
                }
                Some(_) | None => Err(unexpected("`activate` on a stopped laptop", &said)),
            }
        },
    )
}

fn unexpected(what: &str, said: &Said) -> WorldError {
    let words = format!(
        "{what} ended with {}: {}{}",
        said.code(),
        said.err,
        said.out
    );
    WorldError::Unexpected(words)
}

/// The code of a refusal that a program printed as JSON.
pub(crate) fn code_of(said: &Value) -> Option<String> {
    let code = said.pointer("/error/code")?;
    code.as_str().map(str::to_owned)
}

fn lease_number(status: &Value) -> u64 {
    status
        .pointer("/visit/seq")
        .and_then(Value::as_u64)
        .unwrap_or(0)
}

/// The times of an activation's steps, a line each.
fn steps_of(status: &Value) -> Vec<String> {
    let steps = status
        .pointer("/last_activation/steps")
        .and_then(Value::as_array);
    steps
        .into_iter()
        .flatten()
        .filter_map(|step| {
            let name = step.get("name")?.as_str()?;
            Some(format!("{name:<10} {:>5} ms", step.get("ms")?.as_u64()?))
        })
        .collect()
}

fn state_of(status: &Value) -> &str {
    status
        .get("state")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn expect_state(laptop: &Laptop, wanted: &str) -> Result<(), WorldError> {
    let status = laptop.status()?;
    let found = state_of(&status);
    if found == wanted {
        return Ok(());
    }
    Err(WorldError::Unexpected(format!(
        "the laptop is `{found}` and should be `{wanted}`"
    )))
}
