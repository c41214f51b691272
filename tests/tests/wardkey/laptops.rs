//! Laptops: confirmed, seen in the lists, stopped while their orders are watched, let go again.

use serde_json::{Value, json};
use wardkey_tests::world::{Key, Laptop, LaptopOptions, SITE};

use crate::{Desk, desk, done, failed, refused};

/// All digits, so that it could be a serial number as well.
const TAG: &str = "4711";

/// A laptop that was enrolled, and the four words on its screen.
fn enrolled(desk: &mut Desk) -> (Laptop, String) {
    let laptop = desk.world.laptop(LaptopOptions::new(TAG, SITE)).unwrap();
    let lead = desk.lead.clone();
    let phrase = desk.world.enrol_laptop(&laptop, &lead).unwrap();
    (laptop, phrase)
}

/// A confirmed laptop on which everything runs.
fn running(desk: &mut Desk) -> Laptop {
    let (mut laptop, phrase) = enrolled(desk);
    let officer = desk.officer.clone();
    desk.world
        .confirm_laptop(&officer, &laptop, &phrase)
        .unwrap();
    laptop.start().unwrap();
    laptop.await_state("locked").unwrap();
    laptop
}

fn visit(desk: &Desk, laptop: &Laptop, staff: &Key) {
    laptop.plug(staff).unwrap();
    let said = desk.world.activate(laptop, staff).unwrap();
    assert_eq!(said.code(), 0, "{}{}", said.out, said.err);
    laptop.await_state("in-room").unwrap();
    laptop.unplug(staff).unwrap();
    laptop.await_state("with-patient").unwrap();
}

fn listed(desk: &mut Desk, by: &Key) -> Value {
    let list = desk.world.wardkey_done(by, &["devices"]).unwrap();
    assert_eq!(list["laptops"].as_array().unwrap().len(), 1);
    list["laptops"][0].clone()
}

#[test]
fn a_laptop_is_confirmed_by_its_tag_and_its_words() {
    let mut desk = desk();
    let (lead, officer) = (desk.lead.clone(), desk.officer.clone());
    let (laptop, phrase) = enrolled(&mut desk);
    assert_eq!(listed(&mut desk, &lead)["state"], "pending");
    let confirm = |tag, words| ["confirm", "laptop", tag, "--phrase", words];
    let words = desk
        .world
        .wardkey(&officer, &confirm(TAG, "able able able able"));
    refused(&words.unwrap(), 2, "PHRASE_MISMATCH");
    let tag = desk.world.wardkey(&officer, &confirm("HMP-X-99", &phrase));
    failed(&tag.unwrap(), 6, "no laptop");
    let said = desk.world.wardkey(&officer, &confirm(TAG, &phrase));
    assert_eq!(done(&said.unwrap())["outcome"]["result"], "confirmed");
    let row = listed(&mut desk, &lead);
    assert_eq!(
        (&row["state"], &row["asset"]),
        (&json!("active"), &json!(laptop.asset()))
    );
}

#[test]
fn a_stop_is_watched_until_the_laptop_says_that_it_stopped() {
    let mut desk = desk();
    let staff = desk.staff("staff");
    let (lead, officer) = (desk.lead.clone(), desk.officer.clone());
    let laptop = running(&mut desk);
    visit(&desk, &laptop, &staff);

    let sessions = desk.world.wardkey_done(&lead, &["sessions"]).unwrap();
    let session = &sessions["sessions"][0];
    assert_eq!(session["asset"], TAG);
    assert_eq!(session["ended_at"], Value::Null);
    let row = listed(&mut desk, &lead);
    assert_eq!(row["session"], session["session"]);
    assert_eq!(row["linked"], true);

    let stop = ["stop", TAG, "--incident", "--watch"];
    let said = desk.world.wardkey_in_words(&lead, &stop).unwrap();
    assert_eq!(said.code(), 0, "{}{}", said.out, said.err);
    assert!(said.err.contains("a visit is running"), "{}", said.err);
    for step in [
        "laptop 4711 is stopped",
        "4711: laptop says stopped ",
        "removed from room is not known",
    ] {
        assert!(said.out.contains(step), "{step} in {}", said.out);
    }
    assert!(!said.out.contains('\u{1b}'), "nobody draws in a pipe");
    laptop.await_state("stopped").unwrap();
    let orders = desk.world.wardkey_done(&lead, &["orders", TAG]).unwrap();
    let newest = &orders["orders"][0];
    assert_eq!(newest["command"], "stop");
    assert_eq!(newest["result"], "stopped");
    let words = desk.world.wardkey_in_words(&lead, &["orders", TAG]);
    let words = words.unwrap().out;
    assert!(words.contains("  stopped    "), "{words}");

    let asked = desk.world.wardkey(&lead, &["resume", TAG]).unwrap();
    assert_eq!(asked.code(), 3, "{}{}", asked.out, asked.err);
    let answer = asked.json();
    let request = answer["outcome"]["request"].as_str().unwrap();
    let agree = ["agree", request, "--watch"];
    let resumed = done(&desk.world.wardkey(&officer, &agree).unwrap());
    assert_eq!(resumed["outcome"]["remaining"], json!([]));
    assert_eq!(resumed["orders"][0]["result"], "resumed");
    laptop.await_state("locked").unwrap();
}

#[test]
fn a_visit_ends_by_the_tag_of_its_laptop() {
    let mut desk = desk();
    let staff = desk.staff("staff");
    let lead = desk.lead.clone();
    let laptop = running(&mut desk);
    let early = desk.world.wardkey(&lead, &["end", TAG]).unwrap();
    refused(&early, 6, "SESSION_UNKNOWN");
    visit(&desk, &laptop, &staff);
    let other = desk.staff("other");
    let not_own = desk.world.wardkey(&other, &["end", TAG]).unwrap();
    refused(&not_own, 2, "NOT_PERMITTED");
    let ended = done(&desk.world.wardkey(&lead, &["end", TAG, "--watch"]).unwrap());
    assert_eq!(ended["outcome"]["result"], "session-ended");
    assert_eq!(ended["orders"][0]["result"], "session-ended");
    laptop.await_state("locked").unwrap();
    // The next visit can begin at once.
    visit(&desk, &laptop, &staff);
    // A laptop that loses its key's holder goes as well.
    let serial = staff.serial.to_string();
    let stop = ["stop", &serial, "--stolen", "--watch"];
    let stopped = done(&desk.world.wardkey(&lead, &stop).unwrap());
    assert_eq!(stopped["orders"].as_array().unwrap().len(), 1);
    laptop.await_state("locked").unwrap();
}

#[test]
fn a_laptop_that_does_not_answer_has_a_time_past_which_it_cannot_run() {
    let mut desk = desk();
    let staff = desk.staff("staff");
    let lead = desk.lead.clone();
    let mut laptop = running(&mut desk);
    visit(&desk, &laptop, &staff);
    laptop.kill_agent().unwrap();
    done(&desk.world.wardkey(&lead, &["stop", TAG, "--lost"]).unwrap());
    let orders = desk.world.wardkey_done(&lead, &["orders", TAG]).unwrap();
    let newest = &orders["orders"][0];
    assert_eq!(newest["acted_at"], Value::Null);
    assert!(newest["cannot_run_past"].is_string(), "{newest}");
    let words = desk.world.wardkey_in_words(&lead, &["orders", TAG]);
    let words = words.unwrap().out;
    assert!(words.contains("not reached: cannot run past"), "{words}");
}
