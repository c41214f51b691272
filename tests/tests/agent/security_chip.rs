//! A TPM that sleeps, hibernates or is reset under a visit.

use wardkey_tests::frames::Picture;
use wardkey_tests::world::Laptop;
use wardkey_tpm::Tpm;

use crate::ward::Ward;

#[test]
fn a_security_chip_that_is_reset_ends_the_visit() {
    let mut ward = Ward::running(&[]);
    ward.activate();
    ward.laptop.tpm().reset_alone().unwrap();
    ward.await_darkness();
    ward.await_told();
    assert_eq!(ward.ends(), ["tpm-reset"]);
    // The keys are made again from their salts; but what was measured is gone with the reset, so
    // that the laptop must start again before it may open.
    let said = ward.try_activate();
    assert_ne!(said.code(), 0, "{}", said.out);
    ward.laptop.power_cut().unwrap();
    ward.laptop.start().unwrap();
    assert_eq!(ward.try_activate().code(), 0);
    ward.await_frames();
}

#[test]
fn a_renewal_after_a_reset_is_answered_with_a_signed_stop() {
    let mut ward = Ward::running(&[]);
    ward.activate();
    ward.laptop.tpm().reset_alone().unwrap();
    let (exit, code) = ward.refused(&["renew"]);
    assert!(
        ["TPM_RESET_IN_SESSION", "GATE_CLOSED"].contains(&code.as_str()),
        "{exit} {code}"
    );
    ward.await_darkness();
    ward.await_told();
    assert_eq!(ward.ends(), ["tpm-reset"]);
}

#[test]
fn a_security_chip_that_slept_proves_itself_anew_and_the_call_goes_on() {
    let mut ward = Ward::running(&[]);
    ward.activate();
    ward.laptop.tpm().suspend_resume().unwrap();
    // keyd wants a quote; the agent brings it at once, and nobody in the room notices.
    let renewed = ward.done(&["renew"]);
    assert!(renewed["seq"].as_u64() >= Some(1), "{renewed}");
    ward.await_frames();
    let officer = ward.officer.clone();
    let record = ward.world.wardkey_done(&officer, &["log"]).unwrap();
    assert!(record.to_string().contains("session.quoted"), "{record}");
    ward.done(&["renew"]);
}

/// The counters of the chip: resets, and restarts since.
fn counters(ward: &Ward) -> (u32, u32) {
    let tpm = Tpm::open(&ward.laptop.tpm().address()).unwrap();
    let clock = tpm.read_clock().unwrap();
    (clock.reset_count, clock.restart_count)
}

#[test]
fn a_laptop_that_was_suspended_and_hibernated_keeps_its_visit_and_its_picture() {
    let ward = Ward::running(&[]);
    ward.activate();
    let picture = Picture::of(&ward.laptop).unwrap();
    let session = ward.status()["visit"]["session"].clone();
    let (resets, restarts) = counters(&ward);
    for (slept, sleep) in (1..).zip([
        |laptop: &Laptop| laptop.tpm().suspend_resume().unwrap(),
        // The firmware measures the same boot anew, so that the registers are what they were.
        |laptop: &Laptop| laptop.hibernate().unwrap(),
    ]) {
        sleep(&ward.laptop);
        assert_eq!(counters(&ward), (resets, restarts + slept));
        let before = ward.status()["visit"]["seq"].as_u64();
        let after = ward.done(&["renew"])["seq"].as_u64();
        assert!(after > before, "{after:?} after {before:?}");
        assert_eq!(ward.status()["visit"]["session"], session);
        ward.await_frames();
        assert!(picture.stands(), "the picture was interrupted");
    }
}

#[test]
fn a_laptop_that_wakes_into_another_boot_loses_its_visit() {
    let mut ward = Ward::running(&[]);
    ward.activate();
    // Nothing is measured, as if something else had woken it.
    ward.laptop.tpm().hibernate_resume().unwrap();
    let (_, code) = ward.refused(&["renew"]);
    assert!(
        ["PCR_CHANGED", "GATE_CLOSED"].contains(&code.as_str()),
        "{code}"
    );
    ward.await_darkness();
    ward.await_told();
    assert_eq!(ward.ends(), ["stopped"]);
    assert_ne!(ward.try_activate().code(), 0);
}
