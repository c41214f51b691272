//! `TPMS_ATTEST`: quotes, certifications, time stamps and creation proofs, signed by the
//! attestation key whatever they say.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wardkey_fleet::Laptop;
use wardkey_fleet::tpm::sign;
use wardkey_fuzz::{House, begin_with};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::{Attestation, Quote};
use wardkey_verifier::tpm::{
    Attest, PcrSet, VerifiedAk, VerifiedDeviceKey, VerifiedQuote, VerifiedTimeStamp,
};

static LAPTOP: LazyLock<Laptop> = LazyLock::new(|| House::build().laptop);

fn binding() -> Sha256 {
    Sha256::of(b"a binding")
}

fn samples() -> Vec<Vec<u8>> {
    let chip = &LAPTOP.chip;
    let said = |attestation: Attestation| attestation.attest.into_vec();
    vec![
        said(chip.quote(&binding(), &LAPTOP.boot.pcrs).attestation),
        said(chip.certify(&binding(), &chip.device_public())),
        said(chip.time(&binding())),
        said(chip.attestation_key().creation),
    ]
}

fuzz_target!(init: begin_with("tpm_attest", samples()), |data: &[u8]| {
    if Attest::parse(data).is_err() {
        return;
    }
    let chip = &LAPTOP.chip;
    let good = chip.attestation_key();
    let ak = VerifiedAk::verify(&good).expect("a genuine key");
    let said = sign(data, &chip.ak);
    let indices: Vec<u8> = LAPTOP.boot.pcrs.iter().map(|value| value.index).collect();
    let quote = Quote {
        attestation: said.clone(),
        pcrs: LAPTOP.boot.pcrs.clone(),
    };
    let wanted = PcrSet::new(&indices).expect("registers in order");
    let quoted = VerifiedQuote::verify(&quote, ak.identity(), &binding(), wanted).is_ok();
    let stamped = VerifiedTimeStamp::verify(&said, ak.identity(), &binding()).is_ok();
    let public = chip.device_public();
    let certified = VerifiedDeviceKey::verify(&public, &said, &ak, &binding()).is_ok();
    let mut made = good;
    made.creation = said;
    let created = VerifiedAk::verify(&made).is_ok();
    // One statement is never two things.
    let uses = [quoted, stamped, certified, created];
    assert!(uses.iter().filter(|used| **used).count() <= 1, "{uses:?}");
});
