//! Counters and areas in NV memory.

use wardkey_tpm::{NvAuthority, NvCounter, NvIndex, Salt, Tpm};

use crate::laptop::Laptop;

fn value(tpm: &Tpm, index: NvIndex) -> u64 {
    match tpm.read_nv_counter(index).unwrap() {
        NvCounter::At(value) => value,
        other @ (NvCounter::Missing | NvCounter::Fresh) => panic!("{other:?}"),
    }
}

#[test]
fn a_counter_only_goes_up_whatever_happens_to_the_power() {
    let laptop = Laptop::new();
    let index = NvIndex::new(0x0180_0001).unwrap();
    let tpm = laptop.open();
    assert_eq!(tpm.read_nv_counter(index).unwrap(), NvCounter::Missing);
    tpm.nv_define_counter(index).unwrap();
    assert_eq!(tpm.read_nv_counter(index).unwrap(), NvCounter::Fresh);
    tpm.nv_increment(index).unwrap();
    let first = value(&tpm, index);
    let error = tpm.nv_define_counter(index).unwrap_err();
    assert_eq!(error.code().unwrap().name().unwrap(), "TPM_RC_NV_DEFINED");

    laptop.tpm.power_cut().unwrap();
    let tpm = laptop.open();
    assert_eq!(value(&tpm, index), first);
    tpm.nv_increment(index).unwrap();
    assert_eq!(value(&tpm, index), first + 1);

    laptop.tpm.reboot().unwrap();
    let tpm = laptop.open();
    assert_eq!(value(&tpm, index), first + 1);
}

#[test]
fn a_counter_made_anew_starts_above_the_one_that_was_taken_away() {
    let laptop = Laptop::new();
    let index = NvIndex::new(0x0180_0001).unwrap();
    let tpm = laptop.open();
    tpm.nv_define_counter(index).unwrap();
    for _ in 0..3 {
        tpm.nv_increment(index).unwrap();
    }
    let last = value(&tpm, index);
    tpm.nv_undefine(index).unwrap();
    assert_eq!(tpm.read_nv_counter(index).unwrap(), NvCounter::Missing);
    tpm.nv_define_counter(index).unwrap();
    assert_eq!(tpm.read_nv_counter(index).unwrap(), NvCounter::Fresh);
    tpm.nv_increment(index).unwrap();
    assert!(value(&tpm, index) > last);
}

#[test]
fn a_secret_is_the_same_for_ever_and_another_in_every_tpm() {
    let (one, other) = (Laptop::new(), Laptop::new());
    let secret = |laptop: &Laptop, salt, purpose: &[u8]| {
        laptop.open().secret_for(Salt([salt; 32]), purpose).unwrap()
    };
    let first = secret(&one, 1, b"a");
    one.tpm.power_cut().unwrap();
    assert_eq!(secret(&one, 1, b"a"), first);
    for another in [
        secret(&other, 1, b"a"),
        secret(&one, 2, b"a"),
        secret(&one, 1, b"b"),
    ] {
        assert_ne!(another, first);
    }
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
        assert!(tpm.read_nv_counter(index).is_err(), "it is no counter");
    }
    laptop.tpm.reboot().unwrap();
    let index = NvIndex::new(0x01C0_0200).unwrap();
    assert_eq!(laptop.open().find_nv(index).unwrap().unwrap(), contents);
}
