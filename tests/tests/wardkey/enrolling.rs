//! Enrolling a security key on somebody's word, and confirming it on another screen.

use wardkey_tests::reader::Firmware;
use wardkey_tests::world::{Key, Role};

use crate::{desk, done, failed, refused};

#[test]
fn a_key_opens_nothing_until_its_words_are_confirmed() {
    let mut desk = desk();
    let lead = desk.lead.clone();
    let officer = desk.officer.clone();
    let pending = desk.world.enrol_key(&lead, "staff", Role::Staff).unwrap();
    let serial = pending.key.serial.to_string();
    assert_eq!(desk.row(&officer, pending.key.serial)["state"], "pending");
    let early = desk.world.wardkey(&pending.key, &["devices"]).unwrap();
    refused(&early, 2, "KEY_PENDING");

    let confirm = |words: &'static str| ["confirm", "key", "", "--phrase", words];
    let mut wrong = confirm("able able able able");
    wrong[2] = &serial;
    refused(
        &desk.world.wardkey(&officer, &wrong).unwrap(),
        2,
        "PHRASE_MISMATCH",
    );
    let right = ["confirm", "key", &serial, "--phrase", &pending.phrase];
    let confirmed = done(&desk.world.wardkey(&officer, &right).unwrap());
    assert_eq!(confirmed["outcome"]["result"], "confirmed");
    assert_eq!(confirmed["target"]["key"]["serial"], pending.key.serial);
    assert_eq!(confirmed["answer_is_signed"], false);
    refused(
        &desk.world.wardkey(&officer, &right).unwrap(),
        7,
        "STATE_TRANSITION",
    );

    let row = desk.row(&officer, pending.key.serial);
    assert_eq!(row["state"], "active");
    assert_eq!(row["name"], "staff");
    done(&desk.world.wardkey(&pending.key, &["devices"]).unwrap());
    let shown = done(&desk.world.wardkey(&pending.key, &["key", "show"]).unwrap());
    assert_eq!(shown["certificate"]["role"], "staff");
    assert_eq!(shown["certificate"]["person"], row["person"]);
    assert_eq!(shown["pin_is_default"], false);
}

#[test]
fn nobody_vouches_for_a_role_that_is_not_theirs_to_give() {
    let mut desk = desk();
    let staff = desk.staff("staff");
    let (lead, officer) = (desk.lead.clone(), desk.officer.clone());
    let cases: [(&Key, Role); 3] = [
        (&staff, Role::Staff),
        (&lead, Role::SecurityOfficer),
        (&officer, Role::Staff),
    ];
    let serial = desk.world.new_key("new").unwrap();
    for (voucher, role) in cases {
        let said = desk.world.try_enrol_key(voucher, "new", serial, role);
        refused(&said.unwrap(), 2, "KEY_ROLE");
    }
    // Nothing on the new one was changed by that: it is still as it was sold.
    let done = desk.world.try_enrol_key(&lead, "new", serial, Role::Staff);
    assert_eq!(done.unwrap().code(), 0);
}

#[test]
fn a_key_that_was_used_is_not_wiped_unasked() {
    let mut desk = desk();
    let lead = desk.lead.clone();
    let staff = desk.staff("staff");
    let again = desk
        .world
        .try_enrol_key(&lead, "staff", staff.serial, Role::Staff)
        .unwrap();
    let report = refused(&again, 7, "TOKEN_DUPLICATE");
    assert!(report["hint"].as_str().unwrap().contains("--reset"));
    // It works as before.
    done(&desk.world.wardkey(&staff, &["devices"]).unwrap());
}

#[test]
fn old_firmware_is_refused() {
    let mut desk = desk();
    let lead = desk.lead.clone();
    let serial = desk.world.new_key_with("old", Firmware(5, 4, 3)).unwrap();
    let said = desk.world.try_enrol_key(&lead, "old", serial, Role::Staff);
    refused(&said.unwrap(), 2, "TOKEN_TOO_OLD");
}

#[test]
fn a_new_key_has_a_holder_and_is_not_ones_own() {
    let mut desk = desk();
    let lead = desk.lead.clone();
    let own = desk
        .world
        .wardkey(
            &lead,
            &[
                "key",
                "enrol",
                "--role",
                "staff",
                "--name",
                "Sam",
                "--voucher-serial",
                &lead.serial.to_string(),
                "--new-pin-fd",
                "3",
            ],
        )
        .unwrap();
    failed(&own, 1, "is your own");
}
