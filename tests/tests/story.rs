//! The three stories from end to end, every part real, on both databases: a healthcare team enrols
//! a laptop, staff activate a session, a security officer revokes what is lost; and the way back.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![expect(clippy::print_stderr, reason = "a test says what it skips")]

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use wardkey_tests::process::Said;
use wardkey_tests::world::{Database, Key, Laptop, LaptopOptions, Options, Role, SITE, World};

/// The tag of the laptop in the story.
const TAG: &str = "HMP-X-01";

fn short_folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("s")
        .rand_bytes(4)
        .tempdir_in("/tmp")
        .unwrap()
}

/// Everybody in the story.
struct People {
    lead: Key,
    staff: Key,
    officer: Key,
}

fn people(world: &mut World) -> People {
    let lead = world.first_key(SITE, "lead", Role::Lead).unwrap();
    let officer = world
        .first_key(SITE, "officer", Role::SecurityOfficer)
        .unwrap();
    let pending = world.enrol_key(&lead, "staff", Role::Staff).unwrap();
    let staff = world.confirm_key(&officer, &pending).unwrap();
    People {
        lead,
        staff,
        officer,
    }
}

fn activated(world: &World, laptop: &Laptop, key: &Key) {
    laptop.plug(key).unwrap();
    let said = world.activate(laptop, key).unwrap();
    assert_eq!(said.code(), 0, "{}{}", said.out, said.err);
    laptop.await_state("in-room").unwrap();
    laptop.unplug(key).unwrap();
    laptop.await_state("with-patient").unwrap();
}

/// The code of a refusal.
fn code(said: &Said) -> String {
    let json = said.json();
    json.pointer("/error/code")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// What became of the laptop's orders, by keyd: command and result of each, the newest first.
fn orders(world: &mut World, by: &Key) -> Vec<(String, String)> {
    let said = world.wardkey_done(by, &["orders", TAG]).unwrap();
    let rows = said.get("orders").and_then(Value::as_array).unwrap();
    let text = |row: &Value, name: &str| {
        row.get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    rows.iter()
        .map(|row| (text(row, "command"), text(row, "result")))
        .collect()
}

fn the_story(database: Database) {
    let folder = short_folder();
    let options = Options {
        database,
        ..Options::default()
    };
    let mut world = World::ready(folder.path(), options).unwrap();
    let People {
        lead,
        staff,
        officer,
    } = people(&mut world);

    // A healthcare team enrols a laptop; before it is confirmed it opens nothing.
    let mut laptop = world.laptop(LaptopOptions::new(TAG, SITE)).unwrap();
    let phrase = world.enrol_laptop(&laptop, &lead).unwrap();
    laptop.start().unwrap();
    laptop.plug(&staff).unwrap();
    let early = world.activate(&laptop, &staff).unwrap();
    laptop.unplug(&staff).unwrap();
    assert_eq!(early.code(), 2, "{}{}", early.out, early.err);
    assert_eq!(code(&early), "DEVICE_PENDING", "{}", early.out);
    world.confirm_laptop(&officer, &laptop, &phrase).unwrap();

    // Staff activate a session, and it goes on without their key, lease after lease.
    activated(&world, &laptop, &staff);
    let renewed = laptop.agent(&["renew", "--json"]).unwrap();
    assert_eq!(renewed.code(), 0, "{}{}", renewed.out, renewed.err);
    let ended = laptop.agent(&["end", "--json"]).unwrap();
    assert_eq!(ended.code(), 0, "{}{}", ended.out, ended.err);

    // A lost laptop is stopped, and says so under its own key.
    activated(&world, &laptop, &staff);
    world
        .wardkey_done(&officer, &["stop", TAG, "--lost"])
        .unwrap();
    laptop.await_latch().unwrap();
    world
        .wardkey_done(&officer, &["orders", TAG, "--watch"])
        .unwrap();
    let newest = orders(&mut world, &officer).remove(0);
    assert_eq!(newest, ("stop".to_owned(), "stopped".to_owned()));
    laptop.plug(&staff).unwrap();
    let refused = world.activate(&laptop, &staff).unwrap();
    laptop.unplug(&staff).unwrap();
    assert_eq!(
        (refused.code(), code(&refused).as_str()),
        (2, "GATE_LATCHED")
    );

    // A power cut undoes nothing.
    laptop.power_cut().unwrap();
    laptop.start().unwrap();
    laptop.await_latch().unwrap();

    // Two people of two roles let it back in, and it proves itself anew.
    let asked = world.wardkey(&officer, &["resume", TAG]).unwrap();
    assert_eq!(asked.code(), 3, "{}{}", asked.out, asked.err);
    let answer = asked.json();
    let request = answer
        .pointer("/outcome/request")
        .and_then(Value::as_str)
        .unwrap();
    world.wardkey_done(&lead, &["agree", request]).unwrap();
    let phrase = world.enrol_laptop(&laptop, &lead).unwrap();
    world.confirm_laptop(&officer, &laptop, &phrase).unwrap();
    laptop.await_state("locked").unwrap();
    activated(&world, &laptop, &staff);

    // What the service recorded of it holds together, entry by entry.
    let log = world.wardkey_done(&officer, &["log"]).unwrap();
    assert!(!log.as_object().unwrap().is_empty());
    world.stop_keyd().unwrap();
    drop(laptop);
    let pins = [&lead, &staff, &officer].map(|key| key.pin.as_str());
    assert_logs_tell_no_secret(world.folder(), &pins);
}

/// Logs are read by people who may not act: no PIN stands in them, and no signed message, which is
/// where nonces and secrets travel.
fn assert_logs_tell_no_secret(folder: &Path, pins: &[&str]) {
    let mut logs = Vec::new();
    find_logs(folder, &mut logs);
    for program in ["keyd", "ca-", "agent", "gate"] {
        let of_program = logs
            .iter()
            .filter(|(name, text)| name.starts_with(program) && !text.is_empty());
        assert!(of_program.count() > 0, "there is no log of {program}");
    }
    for (name, text) in logs {
        let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
        // `eyJhbGciOi` is `{"alg":` in base64url, the beginning of every envelope.
        let told = words.find(|word| pins.contains(word) || word.starts_with("eyJhbGciOi"));
        assert_eq!(told, None, "{name}");
    }
}

/// Every log below a folder, by its name.
fn find_logs(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find_logs(&path, found);
        } else if path.extension().is_some_and(|end| end == "log") {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            found.push((
                name,
                String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned(),
            ));
        }
    }
}

#[test]
fn the_three_stories_hold_on_sqlite() {
    the_story(Database::Sqlite);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the address comes from whoever runs the tests"
)]
fn the_three_stories_hold_on_postgresql() {
    match std::env::var("WARDKEY_TEST_POSTGRES") {
        Ok(server) => the_story(Database::Postgres(server)),
        Err(_) => eprintln!("skipped: WARDKEY_TEST_POSTGRES names no server"),
    }
}
