//! PIN, touch, and which security key is meant.

use std::time::Duration;

use wardkey_tests::reader::TouchMode;
use wardkey_tests::world::Key;

use crate::{desk, done, failed, refused};

#[test]
fn a_wrong_pin_takes_one_try_and_too_many_block_it() {
    let mut desk = desk();
    let staff = desk.staff("staff");
    let wrong = Key {
        pin: "135792".to_owned(),
        ..staff.clone()
    };
    let tries = |desk: &mut crate::Desk| {
        let shown = desk.world.wardkey(&staff, &["key", "show"]).unwrap();
        shown.json()["pin_tries_left"].as_u64().unwrap()
    };
    let all = tries(&mut desk);
    let said = desk.world.wardkey(&wrong, &["devices"]).unwrap();
    let report = refused(&said, 2, "PIN_WRONG");
    let left = all - 1;
    assert!(
        report["hint"]
            .as_str()
            .unwrap()
            .starts_with(&left.to_string()),
        "{report}"
    );
    assert_eq!(tries(&mut desk), left);
    // The right one gives all tries back.
    done(&desk.world.wardkey(&staff, &["login"]).unwrap());
    assert_eq!(tries(&mut desk), all);

    for _ in 1..all {
        let said = desk.world.wardkey(&wrong, &["login"]).unwrap();
        refused(&said, 2, "PIN_WRONG");
    }
    let last = desk.world.wardkey(&wrong, &["login"]).unwrap();
    refused(&last, 2, "PIN_BLOCKED");
    // Now the right one is refused as well, before anybody is asked for it.
    let right = desk.world.wardkey(&staff, &["login"]).unwrap();
    refused(&right, 2, "PIN_BLOCKED");
    let looked = desk.world.wardkey(&staff, &["doctor"]).unwrap();
    assert_eq!(looked.code(), 2, "{}", looked.out);
    assert!(looked.out.contains("PIN_BLOCKED"), "{}", looked.out);
}

#[test]
fn a_touch_that_never_comes_is_asked_for_three_times() {
    let mut desk = desk();
    let lead = desk.lead.clone();
    let reader = desk.world.reader_file(&lead);
    let pin = desk.world.pin_file(&lead.pin).unwrap();
    let readers = desk.world.desk().unwrap();
    readers.plug(&lead.name).unwrap();
    readers
        .set_touch_mode(&lead.name, TouchMode::Never)
        .unwrap();
    let soon = Duration::from_millis(200);
    readers.set_touch_timeout(&lead.name, soon).unwrap();
    let mut command = desk.command(&["login", "--pin-fd", "0", "--reader-file"]);
    command.arg(reader);
    let pin = std::fs::File::open(pin).unwrap();
    let said = wardkey_tests::process::run_with(&mut command, pin).unwrap();
    refused(&said, 2, "TOUCH_TIMEOUT");
    let asked = format!("touch security key {} now", lead.serial);
    assert_eq!(said.err.matches(&asked).count(), 3, "{}", said.err);
}

#[test]
fn which_key_is_meant_must_be_clear() {
    let mut desk = desk();
    let (lead, officer) = (desk.lead.clone(), desk.officer.clone());
    let none = desk.run(&["key", "show"]);
    refused(&none, 6, "TOKEN_MISSING");
    desk.world.desk().unwrap().plug(&lead.name).unwrap();
    let one = done(&desk.run(&["key", "show"]));
    assert_eq!(one["serial"], lead.serial);
    desk.world.desk().unwrap().plug(&officer.name).unwrap();
    let two = desk.run(&["key", "show"]);
    let report = failed(&two, 1, "several security keys");
    assert!(report["hint"].as_str().unwrap().contains("--serial"));
    let named = done(&desk.run(&["key", "show", "--serial", &officer.serial.to_string()]));
    assert_eq!(named["certificate"]["role"], "security-officer");
    let absent = desk.run(&["key", "show", "--serial", "7"]);
    refused(&absent, 6, "TOKEN_MISSING");
}

#[test]
fn a_key_from_the_shop_is_not_known_and_its_pin_opens_nothing() {
    let mut desk = desk();
    let serial = desk.world.new_key("new").unwrap();
    desk.world.desk().unwrap().plug("new").unwrap();
    let shown = desk.run(&["key", "show"]);
    assert_eq!(shown.code(), 4, "{}", shown.out);
    let said = shown.json();
    assert_eq!(said["serial"], serial);
    assert_eq!(said["pin_is_default"], true);
    assert_eq!(said["problem"]["code"], "KEY_NOT_RECOGNISED");
    refused(&desk.run(&["login"]), 4, "KEY_NOT_RECOGNISED");
}
