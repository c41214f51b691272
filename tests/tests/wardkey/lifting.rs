//! Letting a security key work again: alone, or with a second person of another role.

use serde_json::json;
use wardkey_tests::world::Role;

use crate::{desk, done, refused};

#[test]
fn what_was_lost_comes_back_when_two_people_of_two_roles_agree() {
    let mut desk = desk();
    let staff = desk.staff("staff");
    let (lead, officer) = (desk.lead.clone(), desk.officer.clone());
    let pending = desk.world.enrol_key(&lead, "second lead", Role::Lead);
    let second = desk.world.confirm_key(&officer, &pending.unwrap()).unwrap();
    let serial = staff.serial.to_string();
    done(
        &desk
            .world
            .wardkey(&lead, &["stop", &serial, "--lost"])
            .unwrap(),
    );

    let asked = desk.world.wardkey(&lead, &["resume", &serial]).unwrap();
    assert_eq!(asked.code(), 3, "{}{}", asked.out, asked.err);
    let request = asked.json()["outcome"]["request"]
        .as_str()
        .unwrap()
        .to_owned();
    // What the next person types is said.
    let next = format!("wardkey agree {request}");
    assert!(asked.err.contains(&next), "{}", asked.err);
    assert_eq!(desk.row(&lead, staff.serial)["holds"][0]["class"], "lost");

    let agree = ["agree", &request];
    let own = desk.world.wardkey(&lead, &agree).unwrap();
    refused(&own, 2, "APPROVAL_SELF");
    let same_role = desk.world.wardkey(&second, &agree).unwrap();
    refused(&same_role, 2, "APPROVAL_ROLE");
    let nobody = ["agree", NO_REQUEST];
    let unknown = desk.world.wardkey(&officer, &nobody).unwrap();
    refused(&unknown, 6, "NOT_FOUND");
    let said = desk.world.wardkey(&officer, &agree).unwrap();
    let agreed = done(&said);
    assert_eq!(agreed["outcome"]["result"], "resumed");
    assert_eq!(agreed["outcome"]["remaining"], json!([]));
    // What was lost is not simply back.
    assert_eq!(desk.row(&lead, staff.serial)["state"], "quarantine");
    // Once is enough: nothing waits any more.
    let again = desk.world.wardkey(&officer, &agree).unwrap();
    refused(&again, 6, "NOT_FOUND");
}

/// A request that nobody made.
const NO_REQUEST: &str = "00000000-0000-4000-8000-000000000000";

#[test]
fn an_approval_is_for_the_holds_that_were_asked_for() {
    let mut desk = desk();
    let staff = desk.staff("staff");
    let (lead, officer) = (desk.lead.clone(), desk.officer.clone());
    let serial = staff.serial.to_string();
    done(
        &desk
            .world
            .wardkey(&lead, &["stop", &serial, "--lost"])
            .unwrap(),
    );
    let asked = desk.world.wardkey(&lead, &["resume", &serial]).unwrap();
    let request = asked.json()["outcome"]["request"]
        .as_str()
        .unwrap()
        .to_owned();
    // A second stop came in between: it is not what they agree to, and stands.
    done(
        &desk
            .world
            .wardkey(&officer, &["stop", &serial, "--misuse"])
            .unwrap(),
    );
    let lifted = done(&desk.world.wardkey(&officer, &["agree", &request]).unwrap());
    assert_eq!(lifted["outcome"]["remaining"].as_array().unwrap().len(), 1);
    assert_eq!(
        desk.row(&officer, staff.serial)["holds"][0]["class"],
        "misuse"
    );
}

#[test]
fn a_lead_frees_alone_what_a_lead_stopped_and_not_what_an_officer_did() {
    let mut desk = desk();
    let staff = desk.staff("staff");
    let (lead, officer) = (desk.lead.clone(), desk.officer.clone());
    let serial = staff.serial.to_string();
    let stop = ["stop", &serial, "--maintenance", "--after-this-call"];
    done(&desk.world.wardkey(&lead, &stop).unwrap());
    assert_eq!(
        desk.row(&lead, staff.serial)["holds"][0]["mode"],
        "after-this-call"
    );
    done(&desk.world.wardkey(&lead, &["resume", &serial]).unwrap());
    done(&desk.world.wardkey(&staff, &["devices"]).unwrap());

    done(&desk.world.wardkey(&officer, &stop).unwrap());
    let asked = desk.world.wardkey(&lead, &["resume", &serial]).unwrap();
    assert_eq!(asked.code(), 3, "{}{}", asked.out, asked.err);
    done(&desk.world.wardkey(&officer, &["resume", &serial]).unwrap());
    let nothing = desk.world.wardkey(&lead, &["resume", &serial]).unwrap();
    refused(&nothing, 6, "HOLD_UNKNOWN");
}
