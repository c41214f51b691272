//! Counters and areas in NV memory.

use wardkey_tpm::{NvAuthority, NvIndex};

use crate::laptop::Laptop;

#[test]
fn a_counter_only_goes_up_whatever_happens_to_the_power() {
    let laptop = Laptop::new();
    let index = NvIndex::new(0x0180_0001).unwrap();
    let tpm = laptop.open();
    assert_eq!(
        tpm.find_nv_counter(index).unwrap(),
        None,
        "there is none yet"
    );
    tpm.nv_define_counter(index).unwrap();
    assert_eq!(
        tpm.find_nv_counter(index).unwrap(),
        None,
        "it has no value yet"
    );
    tpm.nv_increment(index).unwrap();
    let first = tpm.find_nv_counter(index).unwrap().unwrap();
    let error = tpm.nv_define_counter(index).unwrap_err();
    assert_eq!(error.code().unwrap().name().unwrap(), "TPM_RC_NV_DEFINED");

    laptop.tpm.power_cut().unwrap();
    let tpm = laptop.open();
    assert_eq!(tpm.find_nv_counter(index).unwrap(), Some(first));
    tpm.nv_increment(index).unwrap();
    assert_eq!(tpm.find_nv_counter(index).unwrap(), first.checked_add(1));

    laptop.tpm.reboot().unwrap();
    let tpm = laptop.open();
    assert_eq!(tpm.find_nv_counter(index).unwrap(), first.checked_add(1));
}

#[test]
fn an_area_keeps_what_is_written() {
    let laptop = Laptop::new();
    let tpm = laptop.open();
    let contents: Vec<u8> = (0..2000_u32)
        .map(|number| number.to_be_bytes()[3])
        .collect();
    for (index, authority, length) in [
        (0x0180_0010, NvAuthority::Owner, 40),
        (0x01C0_0200, NvAuthority::Platform, 2000),
    ] {
        let index = NvIndex::new(index).unwrap();
        assert_eq!(tpm.find_nv(index).unwrap(), None);
        tpm.nv_store(index, authority, &contents[..length]).unwrap();
        assert_eq!(tpm.find_nv(index).unwrap().unwrap(), contents[..length]);
        assert!(tpm.find_nv_counter(index).is_err(), "it is no counter");
    }
    laptop.tpm.reboot().unwrap();
    let index = NvIndex::new(0x01C0_0200).unwrap();
    assert_eq!(laptop.open().find_nv(index).unwrap().unwrap(), contents);
}
