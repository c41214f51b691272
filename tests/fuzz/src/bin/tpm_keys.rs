//! `TPMT_PUBLIC` and `TPMS_CREATION_DATA`: the keys of a laptop and the proof of how they were made.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wardkey_fleet::Laptop;
use wardkey_fuzz::{House, begin_with};
use wardkey_schemas::bytes::Sha256;
use wardkey_verifier::tpm::creation::CreationData;
use wardkey_verifier::tpm::{PublicArea, VerifiedAk, VerifiedDeviceKey};

static LAPTOP: LazyLock<Laptop> = LazyLock::new(|| House::build().laptop);

fn samples() -> Vec<Vec<u8>> {
    let chip = &LAPTOP.chip;
    vec![
        chip.ak_public(),
        chip.device_public(),
        chip.ek.public.clone(),
        chip.attestation_key().creation_data.into_vec(),
    ]
}

fuzz_target!(init: begin_with("tpm_keys", samples()), |data: &[u8]| {
    let chip = &LAPTOP.chip;
    if let Ok(public) = PublicArea::parse(data) {
        assert_eq!(public.as_bytes(), data);
        let _ = std::hint::black_box(public.name());
        // The TPM says so itself: still only an attestation key as it must be passes.
        let ak = chip.attestation_key_as(data);
        assert_eq!(VerifiedAk::verify(&ak).is_ok(), data == chip.ak_public());
        let binding = Sha256::of(b"a binding");
        let genuine = VerifiedAk::verify(&chip.attestation_key()).expect("a genuine key");
        let certified = chip.certify(&binding, data);
        if VerifiedDeviceKey::verify(data, &certified, &genuine, &binding).is_ok() {
            // A key that its owner may lock out by wrong tries, or not; else as it must be.
            const NO_DA: u32 = 0x400;
            let own = chip.device_public();
            let own = PublicArea::parse(&own).expect("our own key");
            let (found, wanted) = (public.attributes().bits(), own.attributes().bits());
            assert_eq!(found & !NO_DA, wanted & !NO_DA);
            assert_eq!(public.auth_policy(), own.auth_policy());
        }
    }
    if CreationData::parse(data).is_ok() {
        let mut ak = chip.attestation_key();
        let genuine = ak.creation_data.as_slice() == data;
        ak.creation_data = data.into();
        assert_eq!(VerifiedAk::verify(&ak).is_ok(), genuine);
    }
});
