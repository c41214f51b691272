//! Security keys: in, out, early, late, with the wrong PIN, and again for more time.

use std::time::{Duration, Instant};

use wardkey_tests::reader::TouchMode;

use crate::ward::{Ward, code};

/// Longer than any machine needs that still works.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn a_visit_goes_on_without_the_key_and_ends_when_staff_say_so() {
    let mut ward = Ward::running(&[]);
    ward.activate();
    let status = ward.laptop.await_state("in-room").unwrap();
    let timing = &status["last_activation"];
    assert!(timing["plug_to_gate_open_ms"].as_u64().unwrap() > 0);
    let steps: Vec<_> = timing["steps"].as_array().unwrap().iter().collect();
    let names: Vec<_> = steps.iter().map(|step| step["name"].as_str()).collect();
    let wanted = [
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
    assert_eq!(names, wanted.map(Some));

    ward.laptop.unplug(&ward.staff).unwrap();
    let status = ward.laptop.await_state("with-patient").unwrap();
    assert!(
        status["heading"]
            .as_str()
            .unwrap()
            .starts_with("Visit ends at")
    );
    assert_eq!(status["body"], "");
    assert_eq!(ward.done(&["renew"])["seq"], 1);
    ward.await_frames();

    let session = status["visit"]["session"].clone();
    assert_eq!(ward.done(&["end"])["session"], session);
    ward.await_darkness();
    ward.await_told();
    assert_eq!(ward.ends(), ["staff"]);
    assert_eq!(ward.refused(&["renew"]), (7, "GATE_CLOSED".to_owned()));
    assert_eq!(ward.done(&["end"])["session"], serde_json::Value::Null);
}

#[test]
fn a_site_that_wants_the_key_to_stay_in_ends_visits_without_it() {
    let mut ward = Ward::running(&["presence = \"present\""]);
    ward.activate();
    let status = ward.laptop.await_state("in-room").unwrap();
    assert_eq!(status["visit"]["key"], "present");
    let body = status["body"].as_str().unwrap();
    assert!(body.starts_with("Leave your security key in."), "{body}");

    ward.laptop.unplug(&ward.staff).unwrap();
    let is_wanted = |status: &serde_json::Value| status["visit"]["key_wanted_in_ms"].is_u64();
    let status = ward.laptop.await_status("wanted", is_wanted).unwrap();
    assert_eq!(status["heading"], "Put the security key back in");
    ward.laptop.plug(&ward.staff).unwrap();
    let is_there = |status: &serde_json::Value| status["visit"]["key_wanted_in_ms"].is_null();
    ward.laptop.await_status("there", is_there).unwrap();
    assert_eq!(ward.done(&["renew"])["seq"], 1);
    ward.await_frames();

    let out = Instant::now();
    ward.laptop.unplug(&ward.staff).unwrap();
    ward.laptop.await_state("ending").unwrap();
    ward.await_darkness();
    // Seen last a little before it went.
    assert!(
        out.elapsed() > Duration::from_secs(25),
        "{:?}",
        out.elapsed()
    );
    ward.await_told();
    assert_eq!(ward.ends(), ["key-removed"]);
}

#[test]
fn a_key_that_comes_back_gives_the_visit_more_time() {
    let ward = Ward::running(&["session_most = 600", "extend_by = 1800"]);
    ward.activate();
    ward.laptop.unplug(&ward.staff).unwrap();
    let before = ward.laptop.await_state("with-patient").unwrap();
    let left = |status: &serde_json::Value| status["visit"]["hard_end_in_ms"].as_u64().unwrap();
    assert!(left(&before) <= 600_000);
    ward.laptop.plug(&ward.staff).unwrap();
    let words = ["extend", "--json", "--pin-fd", "3"];
    let said = ward.world.with_pin(&ward.laptop, &ward.staff, &words);
    let said = said.unwrap();
    assert_eq!(said.code(), 0, "{}{}", said.out, said.err);
    let after = ward.laptop.await_state("staff-control").unwrap();
    assert!(left(&after) > 600_000, "{after}");
    assert_eq!(after["visit"]["session"], before["visit"]["session"]);
    ward.await_frames();
    // The chain of renewals goes on from the new lease.
    ward.done(&["renew"]);
    ward.laptop.unplug(&ward.staff).unwrap();
    ward.laptop.await_state("with-patient").unwrap();
}

#[test]
fn a_key_that_is_taken_out_before_the_room_is_open_leaves_it_closed() {
    let ward = Ward::running(&[]);
    let (laptop, staff) = (&ward.laptop, &ward.staff);
    laptop.plug(staff).unwrap();
    let readers = laptop.readers();
    readers
        .set_touch_mode(&staff.name, TouchMode::Manual)
        .unwrap();
    let said = std::thread::scope(|scope| {
        let activation = scope.spawn(|| ward.try_activate());
        readers.await_touch(&staff.name, PATIENCE).unwrap();
        laptop.await_state("touch").unwrap();
        laptop.unplug(staff).unwrap();
        activation.join().unwrap()
    });
    assert_eq!((said.code(), code(&said).as_str()), (7, "TOKEN_REMOVED"));
    laptop.await_state("locked").unwrap();
    ward.await_darkness();
    ward.activate();
}

#[test]
fn a_touch_that_comes_late_is_waited_for_again_without_the_pin() {
    let ward = Ward::running(&[]);
    let (laptop, staff) = (&ward.laptop, &ward.staff);
    laptop.plug(staff).unwrap();
    let readers = laptop.readers();
    readers
        .set_touch_mode(&staff.name, TouchMode::Manual)
        .unwrap();
    let short = Duration::from_millis(300);
    readers.set_touch_timeout(&staff.name, short).unwrap();
    let said = std::thread::scope(|scope| {
        let activation = scope.spawn(|| ward.try_activate());
        readers.await_touch(&staff.name, PATIENCE).unwrap();
        let is_late = |log: &str| log.contains("Nobody touched the security key");
        let log = laptop.folder().join("agent.log");
        while !is_late(&std::fs::read_to_string(&log).unwrap()) {
            std::thread::yield_now();
        }
        readers.set_touch_timeout(&staff.name, PATIENCE).unwrap();
        readers
            .set_touch_mode(&staff.name, TouchMode::Auto)
            .unwrap();
        // One wait may have begun before anybody touched at once.
        while !activation.is_finished() {
            let _ = readers.touch(&staff.name);
        }
        activation.join().unwrap()
    });
    assert_eq!(said.code(), 0, "{}{}", said.out, said.err);
    let late = said.json()["timing"]["late_touches"].as_u64().unwrap();
    assert!(late > 0, "{}", said.out);
}

#[test]
fn a_wrong_pin_is_counted_and_opens_nothing() {
    let ward = Ward::running(&[]);
    ward.laptop.plug(&ward.staff).unwrap();
    let mut stranger = ward.staff.clone();
    "000111".clone_into(&mut stranger.pin);
    let said = ward.world.activate(&ward.laptop, &stranger).unwrap();
    assert_eq!((said.code(), code(&said).as_str()), (2, "PIN_WRONG"));
    let found = said.json()["error"]["found"].as_str().unwrap().to_owned();
    assert!(found.contains("tries left"), "{found}");
    ward.laptop.await_state("key-in").unwrap();
    assert_eq!(ward.try_activate().code(), 0);
}

#[test]
fn a_second_visit_and_a_second_agent_are_refused_while_one_runs() {
    let ward = Ward::running(&[]);
    ward.activate();
    let said = ward.try_activate();
    assert_eq!((said.code(), code(&said).as_str()), (7, "SESSION_LIMIT"));
    let said = ward.agent(&["run"]);
    assert_eq!(said.code(), 7, "{}", said.err);
    assert!(said.err.contains("another agent"), "{}", said.err);
    ward.await_frames();
}
