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

/// A key without *noDA*, bit 10 of its attributes: its owner may be locked out by wrong tries, or not,
/// and either is accepted.
fn whatever_wrong_tries_do(public: &[u8]) -> Vec<u8> {
    let mut public = public.to_vec();
    if let Some(attributes) = public.get_mut(6) {
        *attributes &= !0x04;
    }
    public
}

fuzz_target!(init: begin_with("tpm_keys", samples()), |data: &[u8]| {
    let chip = &LAPTOP.chip;
    if let Ok(public) = PublicArea::parse(data) {
        assert_eq!(public.as_bytes(), data);
        let _ = std::hint::black_box(public.name());
        // The TPM says so itself: still only an attestation key as it must be passes.
        let ak = chip.attestation_key_as(data);
        let must_be = whatever_wrong_tries_do(&chip.ak_public());
        assert_eq!(
            VerifiedAk::verify(&ak).is_ok(),
            whatever_wrong_tries_do(data) == must_be
        );
        let binding = Sha256::of(b"a binding");
        let genuine = VerifiedAk::verify(&chip.attestation_key()).expect("a genuine key");
        let certified = chip.certify(&binding, data);
        if VerifiedDeviceKey::verify(data, &certified, &genuine, &binding).is_ok() {
            let [found, own] = [data, &chip.device_public()].map(whatever_wrong_tries_do);
            let [found, own] = [&found, &own].map(|key| PublicArea::parse(key).expect("a key"));
            assert_eq!(found.attributes(), own.attributes());
            assert_eq!(found.auth_policy(), own.auth_policy());
        }
    }
    if CreationData::parse(data).is_ok() {
        let mut ak = chip.attestation_key();
        let genuine = ak.creation_data.as_slice() == data;
        ak.creation_data = data.into();
        assert_eq!(VerifiedAk::verify(&ak).is_ok(), genuine);
    }
});
