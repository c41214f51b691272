//! A loss that is reported from the nearest laptop, with any security key of the site.

use wardkey_tests::process::Said;
use wardkey_tests::world::{Key, Laptop};

use crate::ward::{TAG, Ward, code};

fn report(ward: &Ward, laptop: &Laptop, key: &Key, words: &[&str]) -> Said {
    laptop.plug(key).unwrap();
    let words = [&["report-lost", "--json", "--pin-fd", "3"], words].concat();
    let said = ward.world.with_pin(laptop, key, &words).unwrap();
    laptop.unplug(key).unwrap();
    said
}

#[test]
fn staff_report_a_laptop_lost_on_another_one_and_it_stops_at_once() {
    let mut ward = Ward::running(&[]);
    let nearest = ward.another_laptop("HMP-X-08");
    ward.activate();
    let lead = ward.lead.clone();
    let said = report(&ward, &nearest, &lead, &[TAG, "--stolen"]);
    assert_eq!(said.code(), 0, "{}{}", said.out, said.err);
    assert_eq!(said.json()["laptop"], TAG);
    assert_eq!(said.json()["orders"], 1);
    ward.await_darkness();
    let status = ward.laptop.await_latch().unwrap();
    assert_eq!(status["last_order"], 1, "{status}");
    ward.await_told();
    assert_eq!(ward.ends(), ["stopped"]);

    // What is no thing of the site is not found, and the reporter's own key is not lost.
    let said = report(&ward, &nearest, &lead, &["HMP-Z-99"]);
    assert_eq!((said.code(), code(&said).as_str()), (6, "NOT_FOUND"));
    let own = ward.staff.serial.to_string();
    let words = ["--key", &own, "--serial", &own];
    let said = report(&ward, &nearest, &lead, &words);
    assert_eq!(said.code(), 1, "{}{}", said.out, said.err);

    // A key: the one with which the visit was opened, by the lead's.
    let said = report(&ward, &nearest, &lead, &["--key", &own]);
    assert_eq!(said.code(), 0, "{}{}", said.out, said.err);
    ward.laptop.unplug(&ward.staff).unwrap();
    nearest.plug(&ward.staff).unwrap();
    let said = ward.world.activate(&nearest, &ward.staff).unwrap();
    assert_eq!((said.code(), code(&said).as_str()), (2, "KEY_LOST"));
}
