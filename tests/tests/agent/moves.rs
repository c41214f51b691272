//! A visit that goes on at another laptop.

use crate::ward::Ward;

const MOVE: [&str; 5] = ["activate", "--move", "--json", "--pin-fd", "3"];

#[test]
fn a_visit_goes_on_in_its_room_at_another_laptop_and_the_first_one_closes() {
    let mut ward = Ward::running(&[]);
    let second = ward.another_laptop("HMP-X-08");
    ward.activate();
    let before = ward.status()["visit"].clone();
    ward.laptop.unplug(&ward.staff).unwrap();
    second.plug(&ward.staff).unwrap();
    let said = ward.world.with_pin(&second, &ward.staff, &MOVE).unwrap();
    assert_eq!(said.code(), 0, "{}{}", said.out, said.err);
    assert_eq!(said.json()["room"], before["room"]);
    // The first laptop is alive: it is told, and its picture ends.
    ward.await_darkness();
    ward.await_told();
    let mut ends = ward.ends();
    ends.sort();
    assert_eq!(ends, ["", "moved"]);
    assert_eq!(second.agent(&["renew"]).unwrap().code(), 0);
}

#[test]
fn a_laptop_that_dies_does_not_hold_its_nurse_up() {
    let mut ward = Ward::running(&[]);
    let second = ward.another_laptop("HMP-X-08");
    ward.activate();
    let before = ward.status()["visit"].clone();
    ward.laptop.power_cut().unwrap();
    ward.laptop.unplug(&ward.staff).unwrap();
    second.plug(&ward.staff).unwrap();
    let said = ward.world.with_pin(&second, &ward.staff, &MOVE).unwrap();
    assert_eq!(said.code(), 0, "{}{}", said.out, said.err);
    assert_eq!(said.json()["room"], before["room"]);
    // The dead laptop comes back, tells what it knows, and disturbs nobody.
    ward.laptop.start().unwrap();
    ward.await_told();
    assert_eq!(second.agent(&["renew"]).unwrap().code(), 0);
    let mut ends = ward.ends();
    ends.sort();
    assert_eq!(ends, ["", "moved"]);
}
