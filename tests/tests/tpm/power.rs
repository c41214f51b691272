//! Counters, PCRs and keys through reboots, power cuts, sleep and resets.

use wardkey_tpm::{Clock, PcrSelection, Tpm};

use crate::laptop::{AK_SALT, Attest, DEVICE_SALT, Laptop, NONCE, sha256, verifies};

fn pcr_0(tpm: &Tpm) -> [u8; 32] {
    tpm.read_pcrs(PcrSelection::new([0]).unwrap()).unwrap()[&0]
}

/// What an event does: counters before, the event, counters and PCR 0 after.
fn after(laptop: &Laptop, event: impl FnOnce(&Laptop)) -> (Clock, Clock, [u8; 32]) {
    let tpm = laptop.open();
    tpm.pcr_extend(0, &[7; 32]).unwrap();
    let before = tpm.read_clock().unwrap();
    event(laptop);
    let tpm = laptop.open();
    (before, tpm.read_clock().unwrap(), pcr_0(&tpm))
}

#[test]
fn counters_move_as_the_events_demand() {
    let laptop = Laptop::new();
    let cleared = [0; 32];

    let (before, now, pcr) = after(&laptop, |laptop| laptop.tpm.reboot().unwrap());
    assert_eq!(now.reset_count, before.reset_count + 1);
    assert_eq!((now.restart_count, pcr, now.safe), (0, cleared, true));

    let (before, now, pcr) = after(&laptop, |laptop| laptop.tpm.suspend_resume().unwrap());
    assert_eq!(
        (now.reset_count, now.restart_count),
        (before.reset_count, 1)
    );
    assert_eq!(
        (pcr, now.safe),
        (sha256(&[[0; 32], [7; 32]].concat()), true)
    );

    let (before, now, pcr) = after(&laptop, |laptop| laptop.tpm.hibernate_resume().unwrap());
    assert_eq!(
        (now.reset_count, now.restart_count),
        (before.reset_count, 2)
    );
    assert_eq!((pcr, now.safe), (cleared, true));

    let (before, now, pcr) = after(&laptop, |laptop| laptop.tpm.power_cut().unwrap());
    assert_eq!(now.reset_count, before.reset_count + 1);
    assert_eq!((now.restart_count, pcr, now.safe), (0, cleared, false));

    let (before, now, pcr) = after(&laptop, |laptop| laptop.tpm.reset_alone().unwrap());
    assert_eq!(now.reset_count, before.reset_count + 1);
    assert_eq!((now.restart_count, pcr), (0, cleared));
}

#[test]
fn a_reboot_cuts_programs_off_and_a_new_start_finds_the_same_keys() {
    let laptop = Laptop::new();
    for event in [
        |laptop: &Laptop| laptop.tpm.reboot().unwrap(),
        |laptop: &Laptop| laptop.tpm.power_cut().unwrap(),
    ] {
        let tpm = laptop.open();
        let device = tpm.load_device_key(DEVICE_SALT).unwrap();
        event(&laptop);
        let error = device.sign(&NONCE).unwrap_err();
        assert!(error.calls_for_reopening(), "{error}");
        let again = laptop.open().load_device_key(DEVICE_SALT).unwrap();
        assert_eq!(again.public(), device.public());
        again.sign(&NONCE).unwrap();
    }
}

#[test]
fn keys_outlive_sleep() {
    let laptop = Laptop::new();
    let tpm = laptop.open();
    let ak = tpm.load_attestation_key(AK_SALT).unwrap();
    let device = tpm.load_device_key(DEVICE_SALT).unwrap();
    let reset_count = tpm.read_clock().unwrap().reset_count;
    for (sleep, restarts) in [(false, 1), (true, 2)] {
        if sleep {
            laptop.tpm.hibernate_resume().unwrap();
        } else {
            laptop.tpm.suspend_resume().unwrap();
        }
        let signature = device.sign(&sha256(b"awake")).unwrap();
        assert!(verifies(device.public(), b"awake", &signature));
        let word = ak.attest_time(&NONCE).unwrap();
        assert!(verifies(ak.public(), &word.attest, word.signature.as_r_s()));
        let read = Attest::read(&word.attest);
        assert_eq!(
            (read.reset_count, read.restart_count),
            (reset_count.into(), restarts)
        );
    }
}

#[test]
fn a_reset_under_a_running_system_takes_the_keys_and_they_can_be_made_again() {
    let laptop = Laptop::new();
    let tpm = laptop.open();
    let device = tpm.load_device_key(DEVICE_SALT).unwrap();
    laptop.tpm.reset_alone().unwrap();
    let error = device.sign(&NONCE).unwrap_err();
    assert!(
        error.calls_for_reloading() && !error.calls_for_reopening(),
        "{error}"
    );
    let again = tpm.load_device_key(DEVICE_SALT).unwrap();
    assert_eq!(again.public(), device.public());
    again.sign(&NONCE).unwrap();
}
