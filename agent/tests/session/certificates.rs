//! Certificates are renewed in their time, while nobody uses the laptop, until it is done.

use wardkey_agent::session::Command;
use wardkey_schemas::bytes::Bytes;
use wardkey_schemas::order::{Command as Order, HoldClass, Mode};
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Seconds;

use crate::gates::laptop::hold;
use crate::gates::stage::Stage;
use crate::theatre::Theatre;

const HOUR: Seconds = Seconds::new(3600);

/// A certificate that lives for 90 days: fewer than 125 are left.
fn near_its_end(stage: &Stage) -> Bytes {
    stage.laptop.pki.service_keys().certificates[0].clone()
}

/// One that lives for a year.
fn young(stage: &Stage) -> Bytes {
    stage.laptop.staff.certificate.clone()
}

/// A laptop whose authority cannot be reached.
fn waiting() -> Theatre {
    let mut theatre = Theatre::certified(near_its_end);
    theatre.heal(4);
    assert_eq!(theatre.asked_for_certificates, 1, "at its start");
    theatre
}

#[test]
fn they_are_asked_for_again_and_again_until_they_come_and_then_no_more() {
    let mut theatre = waiting();
    // Twice an hour would be a burden, never again a danger.
    for hours in 2..6 {
        theatre.heal(1);
        theatre.pass(HOUR);
        theatre.heal(180);
        assert!(theatre.asked_for_certificates >= hours, "{hours}");
        assert!(theatre.asked_for_certificates <= 2 * hours, "{hours}");
    }
    theatre.renewed = Some(young(theatre.stage()));
    theatre.pass(HOUR);
    theatre.heal(360);
    let asked = theatre.asked_for_certificates;
    theatre.pass(HOUR);
    theatre.heal(720);
    assert_eq!(theatre.asked_for_certificates, asked);
    // They are on the disk.
    theatre.agent_dies();
    theatre.heal(4);
    assert_eq!(theatre.asked_for_certificates, asked);
}

#[test]
fn what_is_not_near_its_end_is_left_alone() {
    let mut theatre = Theatre::certified(young);
    theatre.heal(4);
    theatre.pass(HOUR);
    theatre.heal(4);
    assert_eq!(theatre.asked_for_certificates, 0);
}

#[test]
fn a_visit_is_not_disturbed_and_a_laptop_that_is_stopped_does_not_ask() {
    let mut theatre = waiting();
    theatre.key_in();
    theatre.command(Command::Activate {
        room: None,
        serial: None,
    });
    theatre.heal(1);
    assert!(theatre.is_open(), "{:?}", theatre.words);
    theatre.heal(960);
    assert!(theatre.is_open());
    assert_eq!(theatre.asked_for_certificates, 1, "in a visit");
    theatre.command(Command::End);
    theatre.heal(4);
    assert_eq!(theatre.asked_for_certificates, 2, "after it");

    let mut theatre = Theatre::certified(near_its_end);
    let stop = hold(HoldClass::Maintenance, Mode::Immediate, Role::Lead);
    theatre.keyd.holds.push(stop);
    theatre.order(Order::Stop { holds: vec![stop] });
    theatre.heal(960);
    assert_eq!(theatre.asked_for_certificates, 0, "stopped");
}
