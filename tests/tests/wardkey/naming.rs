//! What a person means by what they typed.

use crate::{desk, done, failed};

#[test]
fn a_name_that_nothing_bears_is_not_found_and_the_nearest_is_named() {
    let mut desk = desk();
    let staff = desk.staff("staff");
    let lead = desk.lead.clone();
    for unknown in [
        "HMP-X-77",
        "99999999",
        "0193a7c2-5d1e-7b44-9c0f-2a6b1e8d4f70",
    ] {
        let said = desk.world.wardkey(&lead, &["stop", unknown, "--lost"]);
        let by_number = unknown.len() == 36;
        if by_number {
            // With --yes, a full number needs no list: keyd knows none such.
            assert_eq!(said.unwrap().code(), 6);
        } else {
            failed(&said.unwrap(), 6, "your site has no");
        }
    }
    let mut digits: Vec<char> = staff.serial.to_string().chars().collect();
    digits.swap(0, 7);
    let mistyped: String = digits.into_iter().collect();
    let said = desk
        .world
        .wardkey(&lead, &["stop", &mistyped, "--lost"])
        .unwrap();
    let report = failed(&said, 6, "your site has no");
    let hint = report["hint"].as_str().unwrap();
    assert!(hint.contains(&staff.serial.to_string()), "{hint}");
    let orders = desk.world.wardkey(&lead, &["orders", "HMP-X-77"]).unwrap();
    failed(&orders, 6, "no laptop");
}

#[test]
fn a_full_number_from_the_list_names_the_same_key() {
    let mut desk = desk();
    let staff = desk.staff("staff");
    let lead = desk.lead.clone();
    let row = desk.row(&lead, staff.serial);
    let key = row["key"].as_str().unwrap();
    done(
        &desk
            .world
            .wardkey(&lead, &["stop", key, "--maintenance"])
            .unwrap(),
    );
    let resumed = done(&desk.world.wardkey(&lead, &["resume", key]).unwrap());
    assert_eq!(resumed["target"]["key"]["serial"], staff.serial);
}

#[test]
fn a_serial_number_that_two_keys_had_names_neither() {
    let mut desk = desk();
    let (lead, officer) = (desk.lead.clone(), desk.officer.clone());
    let first = desk.staff("staff");
    let serial = first.serial.to_string();
    done(&desk.world.wardkey(&officer, &["revoke", &serial]).unwrap());
    // Wiped and enrolled again: the revoked one of that name no longer counts.
    let again = desk.world.enrol_key_again(&lead, &first).unwrap();
    let second = desk.world.confirm_key(&officer, &again).unwrap();
    let stop = ["stop", &serial, "--maintenance"];
    done(&desk.world.wardkey(&lead, &stop).unwrap());
    done(&desk.world.wardkey(&officer, &["revoke", &serial]).unwrap());
    // Now both are revoked, and nobody guesses.
    let said = desk.world.wardkey(&officer, &["revoke", &serial]).unwrap();
    let report = failed(&said, 7, "more than one thing");
    let list = desk.world.wardkey_done(&lead, &["keys"]).unwrap();
    let rows = list["keys"].as_array().unwrap().iter();
    let bearers = rows.filter(|row| row["serial"] == second.serial);
    for row in bearers {
        let key = row["key"].as_str().unwrap();
        assert!(report["error"].as_str().unwrap().contains(key), "{report}");
    }
}
