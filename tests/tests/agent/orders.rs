//! Orders of the key service: over the link at once, by poll without one, and nothing twice.

use crate::ward::{TAG, Ward, code};

#[test]
fn a_stop_over_the_link_closes_the_room_latches_it_and_is_receipted() {
    let mut ward = Ward::running(&[]);
    ward.activate();
    ward.laptop
        .await_status("linked", |status| status["linked"] == true)
        .unwrap();
    let officer = ward.officer.clone();
    let words = ["stop", TAG, "--lost"];
    ward.world.wardkey_done(&officer, &words).unwrap();
    ward.await_darkness();
    let status = ward.laptop.await_latch().unwrap();
    assert_eq!(status["last_order"], 1, "{status}");
    ward.await_told();
    let words = ["orders", TAG, "--watch"];
    let orders = ward.world.wardkey_done(&officer, &words).unwrap();
    assert_eq!(orders["orders"][0]["result"], "stopped", "{orders}");
    assert_eq!(ward.ends(), ["stopped"]);
    let said = ward.try_activate();
    assert_eq!((said.code(), code(&said).as_str()), (2, "GATE_LATCHED"));
    // A restart of everything lifts nothing.
    ward.laptop.power_cut().unwrap();
    ward.laptop.start().unwrap();
    ward.laptop.await_state("stopped").unwrap();
    assert_eq!(ward.try_activate().code(), 2);
}

#[test]
fn a_stop_after_this_call_lets_it_finish_and_starts_no_other() {
    let mut ward = Ward::running(&[]);
    ward.activate();
    let officer = ward.officer.clone();
    let words = ["stop", TAG, "--misuse", "--after-this-call"];
    ward.world.wardkey_done(&officer, &words).unwrap();
    let status = ward.laptop.await_latch().unwrap();
    assert_eq!(status["visit"]["finishing"], true, "{status}");
    assert_eq!(status["heading"], "Please finish the visit");
    ward.await_frames();
    ward.done(&["end"]);
    ward.await_darkness();
    assert_eq!(ward.try_activate().code(), 2);
}

#[test]
fn one_visit_that_is_ended_from_a_distance_stops_nothing_else() {
    let mut ward = Ward::running(&[]);
    ward.activate();
    let session = ward.status()["visit"]["session"].clone();
    let officer = ward.officer.clone();
    let words = ["end", session.as_str().unwrap()];
    let said = ward.world.wardkey(&officer, &words).unwrap();
    assert_eq!(said.code(), 0, "{}{}", said.out, said.err);
    ward.await_darkness();
    ward.await_told();
    assert_eq!(ward.status()["latched"], false);
    assert_eq!(ward.try_activate().code(), 0);
    ward.await_frames();
}
