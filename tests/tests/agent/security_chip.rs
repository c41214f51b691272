//! A TPM that is reset under a visit.

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
