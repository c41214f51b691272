//! The laptop's disk from before a stop, put back: it stays closed until the laptop is enrolled anew.

use std::fs;
use std::path::Path;
use std::process::Command;

use wardkey_tpm::{NvCounter, NvIndex, Tpm};

use crate::ward::{TAG, Ward, code};

/// Where the gate's counter is.
const COUNTER: NvIndex = NvIndex::of_owner(0x57A9);

/// What the laptop writes to.
const WRITTEN: [&str; 3] = ["gate", "state", "identity.json"];

/// Copies everything that the laptop writes to from one folder to another, as a disk's copy would.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in WRITTEN {
        let old = to.join(name);
        if old.is_dir() {
            fs::remove_dir_all(&old).unwrap();
        }
        let copied = Command::new("cp")
            .arg("-a")
            .args([from.join(name), old])
            .status();
        assert!(copied.unwrap().success(), "{name}");
    }
}

/// Stops the laptop as lost; gives back the disk from before.
fn stop_and_put_the_disk_back(ward: &mut Ward) {
    let folder = ward.laptop.folder().to_owned();
    let before = folder.join("before");
    copy(&folder, &before);
    let officer = ward.officer.clone();
    let words = ["stop", TAG, "--lost"];
    ward.world.wardkey_done(&officer, &words).unwrap();
    ward.laptop.await_latch().unwrap();
    ward.await_told();
    ward.laptop.power_cut().unwrap();
    copy(&before, &folder);
    ward.laptop.start().unwrap();
}

#[test]
fn an_older_disk_stays_stopped_until_two_people_and_a_new_enrolment_let_it_in() {
    let mut ward = Ward::running(&[]);
    ward.activate();
    ward.done(&["end"]);
    stop_and_put_the_disk_back(&mut ward);
    let status = ward.laptop.await_state("stopped").unwrap();
    assert_eq!(status["reason"]["code"], "GATE_SEALED", "{status}");
    assert_eq!(status["heading"], "This laptop must be set up again");
    let said = ward.try_activate();
    assert_eq!((said.code(), code(&said).as_str()), (2, "GATE_SEALED"));

    // Two people lift the stop: the laptop is in quarantine, and what is sealed stays so.
    let (officer, lead) = (ward.officer.clone(), ward.lead.clone());
    let asked = ward.world.wardkey(&officer, &["resume", TAG]).unwrap();
    let asked = asked.json();
    let request = asked.pointer("/outcome/request").unwrap();
    let words = ["agree", request.as_str().unwrap()];
    ward.world.wardkey_done(&lead, &words).unwrap();
    let said = ward.try_activate();
    assert_eq!((said.code(), code(&said).as_str()), (2, "GATE_SEALED"));

    // Enrolled anew, it opens.
    let staff = ward.staff.clone();
    ward.laptop.unplug(&staff).unwrap();
    ward.laptop.kill_agent().unwrap();
    let phrase = ward.world.enrol_laptop(&ward.laptop, &lead).unwrap();
    let laptop = &ward.laptop;
    ward.world
        .confirm_laptop(&officer, laptop, &phrase)
        .unwrap();
    ward.laptop.start().unwrap();
    ward.laptop.await_state("locked").unwrap();
    ward.activate();
}

#[test]
fn a_chip_that_was_cleared_opens_nothing_and_gets_no_counter_by_itself() {
    let mut ward = Ward::running(&[]);
    ward.laptop.await_state("locked").unwrap();
    let tpm = Tpm::open(&ward.laptop.tpm().address()).unwrap();
    tpm.nv_undefine(COUNTER).unwrap();
    ward.laptop.kill_gate().unwrap();
    ward.laptop.start_gate().unwrap();
    let status = ward.laptop.await_state("stopped").unwrap();
    assert_eq!(status["reason"]["code"], "GATE_SEALED", "{status}");
    assert_eq!(tpm.read_nv_counter(COUNTER).unwrap(), NvCounter::Missing);
}
