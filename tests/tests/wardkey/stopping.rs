//! Stopping and revoking security keys, and who may not.

use wardkey_tests::world::Role;

use crate::{desk, done, refused};

#[test]
fn a_stopped_key_does_nothing_more() {
    let mut desk = desk();
    let staff = desk.staff("staff");
    let lead = desk.lead.clone();
    let serial = staff.serial.to_string();
    done(&desk.world.wardkey(&staff, &["devices"]).unwrap());
    let stop = ["stop", &serial, "--stolen", "--note", "taken from a bag"];
    let said = desk.world.wardkey(&lead, &stop).unwrap();
    let stopped = done(&said);
    assert_eq!(stopped["outcome"]["result"], "stopped");
    // What was about to happen stands on standard error, also where nobody was asked.
    assert!(said.err.contains("takes two people"), "{}", said.err);
    let row = desk.row(&lead, staff.serial);
    assert_eq!(row["holds"][0]["id"], stopped["outcome"]["hold"]);
    assert_eq!(row["holds"][0]["class"], "stolen");
    // Neither by a signature nor with the permission to read that it gave before.
    let again = desk.world.wardkey(&staff, &["devices"]).unwrap();
    refused(&again, 2, "KEY_LOST");
    let act = desk.world.wardkey(&staff, &["stop", &serial, "--lost"]);
    refused(&act.unwrap(), 2, "KEY_LOST");
}

#[test]
fn each_role_does_what_is_its_own() {
    let mut desk = desk();
    let staff = desk.staff("staff");
    let other = desk.staff("other");
    let (lead, officer) = (desk.lead.clone(), desk.officer.clone());
    let pending = desk.world.enrol_key(&officer, "auditor", Role::Auditor);
    let auditor = desk.world.confirm_key(&lead, &pending.unwrap()).unwrap();
    let row = desk.row(&lead, other.serial);
    // Staff may not read the list of keys, so they name one by its full number.
    let target = row["key"].as_str().unwrap();
    let may_not = [
        (&staff, vec!["stop", target, "--maintenance"]),
        (&staff, vec!["resume", target, "--hold", NO_HOLD]),
        (&staff, vec!["revoke", target]),
        (&staff, vec!["keys"]),
        (&staff, vec!["log"]),
        (&lead, vec!["revoke", target]),
        (&lead, vec!["log"]),
        (&auditor, vec!["stop", target, "--lost"]),
        (&auditor, vec!["end", NO_HOLD]),
    ];
    for (by, words) in may_not {
        let said = desk.world.wardkey(by, &words).unwrap();
        let report = refused(&said, 2, "NOT_PERMITTED");
        let found = report["found"].as_str().unwrap();
        assert!(found.starts_with(by.role.as_str()), "{found}");
    }
    assert_eq!(
        desk.row(&lead, other.serial)["holds"],
        serde_json::json!([])
    );
    let may = [
        (&auditor, vec!["keys"]),
        (&auditor, vec!["sessions"]),
        (&auditor, vec!["log"]),
        (&staff, vec!["devices"]),
        (&staff, vec!["stop", target, "--lost"]),
    ];
    for (by, words) in may {
        done(&desk.world.wardkey(by, &words).unwrap());
    }
}

/// A number that nothing has.
const NO_HOLD: &str = "00000000-0000-4000-8000-000000000000";

#[test]
fn what_was_revoked_never_comes_back() {
    let mut desk = desk();
    let staff = desk.staff("staff");
    let (lead, officer) = (desk.lead.clone(), desk.officer.clone());
    let serial = staff.serial.to_string();
    done(&desk.world.wardkey(&officer, &["revoke", &serial]).unwrap());
    assert_eq!(desk.row(&lead, staff.serial)["state"], "revoked");
    let used = desk.world.wardkey(&staff, &["devices"]).unwrap();
    refused(&used, 2, "KEY_REVOKED");
    for by in [&officer, &lead] {
        let said = desk.world.wardkey(by, &["resume", &serial]).unwrap();
        refused(&said, 7, "STATE_TRANSITION");
    }
}

#[test]
fn a_visit_that_nobody_knows_does_not_end() {
    let mut desk = desk();
    let lead = desk.lead.clone();
    let said = desk.world.wardkey(&lead, &["end", NO_HOLD]).unwrap();
    refused(&said, 6, "NOT_FOUND");
}
