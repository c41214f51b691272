//! A site's first people: certified by the charter that names their key, once, and by no other.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use wardkey_tests::reader::Firmware;
use wardkey_tests::world::{Ended, Options, PendingFirstKey, Role, SITE, World, WorldError};

const OTHER: &str = "hmp-abc";

fn short_folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("l")
        .rand_bytes(4)
        .tempdir_in("/tmp")
        .unwrap()
}

/// A key that was just made in a new token and waits for its charter.
fn begun(world: &mut World, site: &str, name: &str, role: Role) -> PendingFirstKey {
    let serial = world.new_key(name).unwrap();
    world.begin_first_key(site, name, serial, role).unwrap()
}

/// Puts a charter where it is waited for, as somebody who carries it does.
fn bring(charter: &Path, pending: &PendingFirstKey) {
    fs::copy(charter, pending.charter()).unwrap();
}

#[track_caller]
fn refused(ended: &Ended, code: &str) {
    assert_eq!(ended.code, 3, "{}", ended.said);
    assert!(ended.said.contains(code), "{}", ended.said);
}

/// What the journal of a site's authority says, line by line.
fn journal(world: &World, site: &str) -> Vec<String> {
    let said = world.authority(site, &["journal"]).unwrap();
    assert_eq!(said.code(), 0, "{}", said.err);
    said.out.lines().map(str::to_owned).collect()
}

#[test]
fn the_first_people_are_certified_by_one_charter_and_can_work() {
    let folder = short_folder();
    let mut world = World::ready(folder.path(), Options::default()).unwrap();
    let lead = begun(&mut world, SITE, "lead", Role::Lead);
    let officer = begun(&mut world, SITE, "officer", Role::SecurityOfficer);
    let charter = folder.path().join("charter.jws");
    let keys = [lead.request(), officer.request()];
    world.sign_charter(SITE, &keys, &charter).unwrap();
    let serials = [lead.serial(), officer.serial()];
    for pending in [lead, officer] {
        bring(&charter, &pending);
        let ended = world.end_first_key(pending).unwrap();
        assert_eq!(ended.code, 0, "{}", ended.said);
    }
    let lines = journal(&world, SITE);
    for (serial, role) in serials.iter().zip(["lead", "security-officer"]) {
        let entry = lines
            .iter()
            .find(|line| line.contains(&format!("key {serial} of person")));
        let entry = entry.unwrap();
        assert!(entry.contains(&format!("({role})")), "{entry}");
        assert!(entry.ends_with("reported and released"), "{entry}");
    }
}

#[test]
fn a_charter_certifies_the_keys_that_it_names_and_no_others() {
    let folder = short_folder();
    let mut world = World::ready(folder.path(), Options::default()).unwrap();
    let named = begun(&mut world, SITE, "named", Role::Lead);
    let charter = folder.path().join("charter.jws");
    world
        .sign_charter(SITE, &[named.request()], &charter)
        .unwrap();
    bring(&charter, &named);
    assert_eq!(world.end_first_key(named).unwrap().code, 0);

    // The same charter again, for a key that it does not name.
    let other = begun(&mut world, SITE, "other", Role::Lead);
    bring(&charter, &other);
    refused(&world.end_first_key(other).unwrap(), "CHARTER_INVALID");
    let keys = journal(&world, SITE);
    let keys = keys.iter().filter(|line| line.contains("of person"));
    assert_eq!(keys.count(), 1);
}

#[test]
fn a_charter_gives_a_key_the_role_that_it_names() {
    let folder = short_folder();
    let mut world = World::ready(folder.path(), Options::default()).unwrap();
    let pending = begun(&mut world, SITE, "lead", Role::Lead);
    // Somebody on the way to the ceremony makes more of it.
    let text = fs::read_to_string(pending.request()).unwrap();
    let altered = folder.path().join("altered.json");
    fs::write(&altered, text.replace("\"lead\"", "\"security-officer\"")).unwrap();
    world
        .sign_charter(SITE, &[&altered], pending.charter())
        .unwrap();
    refused(&world.end_first_key(pending).unwrap(), "CHARTER_INVALID");
}

#[test]
fn a_charter_of_another_site_certifies_nobody_here() {
    let folder = short_folder();
    let mut world = World::new(folder.path(), Options::default()).unwrap();
    world.root_ceremony().unwrap();
    for site in [SITE, OTHER] {
        world.prepare_site(site).unwrap();
    }
    world.publish().unwrap();
    world.start_keyd().unwrap();
    for site in [SITE, OTHER] {
        world.start_authority(site).unwrap();
    }
    let pending = begun(&mut world, SITE, "lead", Role::Lead);
    world
        .sign_charter(OTHER, &[pending.request()], pending.charter())
        .unwrap();
    refused(&world.end_first_key(pending).unwrap(), "CHARTER_INVALID");
    // Its own site's charter certifies a key there.
    world.first_key(OTHER, "other", Role::Lead).unwrap();
}

#[test]
fn an_older_charter_than_the_one_in_use_certifies_nobody() {
    let folder = short_folder();
    let mut world = World::ready(folder.path(), Options::default()).unwrap();
    let late = begun(&mut world, SITE, "late", Role::Lead);
    let older = folder.path().join("older.jws");
    world.sign_charter(SITE, &[late.request()], &older).unwrap();
    // In the meantime another charter was signed and taken into use.
    world.first_key(SITE, "lead", Role::Lead).unwrap();
    bring(&older, &late);
    refused(&world.end_first_key(late).unwrap(), "CHARTER_INVALID");
}

#[test]
fn no_charter_is_asked_for_with_a_token_that_would_be_refused() {
    let folder = short_folder();
    let mut world = World::ready(folder.path(), Options::default()).unwrap();
    let serial = world.new_key_with("old", Firmware(5, 4, 3)).unwrap();
    let error = world
        .begin_first_key(SITE, "old", serial, Role::Lead)
        .unwrap_err();
    assert!(matches!(error, WorldError::Process(_)), "{error}");
    assert!(error.to_string().contains("TOKEN_TOO_OLD"), "{error}");
    let request = world.authority_config(SITE).unwrap();
    let request = request.with_file_name("first-keys");
    assert!(!request.join(format!("{serial}.json")).exists());
}

#[test]
fn a_token_that_was_left_half_done_is_reset_first() {
    let folder = short_folder();
    let mut world = World::ready(folder.path(), Options::default()).unwrap();
    let pending = begun(&mut world, SITE, "lead", Role::Lead);
    let serial = pending.serial();
    let before = fs::read(pending.request()).unwrap();
    world.give_up_first_key(pending).unwrap();

    let error = world.begin_first_key(SITE, "lead", serial, Role::Lead);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("has been used before"), "{error}");
    assert!(error.contains("--reset"), "{error}");

    let again = world
        .begin_first_key_with(SITE, "lead", serial, Role::Lead, &["--reset"])
        .unwrap();
    assert_ne!(fs::read(again.request()).unwrap(), before, "another key");
    world
        .sign_charter(SITE, &[again.request()], again.charter())
        .unwrap();
    let ended = world.end_first_key(again).unwrap();
    assert_eq!(ended.code, 0, "{}", ended.said);
}

#[test]
fn a_charter_that_is_there_before_the_key_is_noticed_before_the_token_is_changed() {
    let folder = short_folder();
    let mut world = World::ready(folder.path(), Options::default()).unwrap();
    let serial = world.new_key("lead").unwrap();
    let charter = world.charter_of(SITE, serial);
    fs::write(&charter, "from last time\n").unwrap();
    let error = world.begin_first_key(SITE, "lead", serial, Role::Lead);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("is there already"), "{error}");
    fs::remove_file(&charter).unwrap();
    let pending = world
        .begin_first_key(SITE, "lead", serial, Role::Lead)
        .unwrap();
    // What is brought now is no charter either.
    fs::write(pending.charter(), "from last time\n").unwrap();
    let ended = world.end_first_key(pending).unwrap();
    assert_eq!(ended.code, 1, "{}", ended.said);
    assert!(
        ended.said.contains("does not hold a charter"),
        "{}",
        ended.said
    );
}
