//! Endorsement keys: the maker's certificate, the walk to a pinned root, the public area beside it.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wardkey_fuzz::{House, begin_with, certificate_over, spoilt};
use wardkey_schemas::evidence::{EndorsementKey, TpmProperties};
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::time::Timestamp;
use wardkey_verifier::certificate::Certificate;
use wardkey_verifier::ek::{EkAnchors, VerifiedEk};

struct Maker {
    genuine: EndorsementKey,
    signer: SigningKey,
    root_key: SigningKey,
    anchors: EkAnchors,
    properties: TpmProperties,
    now: Timestamp,
}

static MAKER: LazyLock<Maker> = LazyLock::new(|| {
    let house = House::build();
    let maker = &house.installation.tpm_maker;
    Maker {
        genuine: maker.endorsement_key(&house.laptop.chip.ek),
        signer: house.seed.key("TPM intermediate"),
        root_key: house.seed.key("TPM root"),
        anchors: EkAnchors::new(&[maker.anchor()], &[&maker.root]).expect("one anchor"),
        properties: maker.properties(),
        now: house.now,
    }
});

fn samples() -> Vec<Vec<u8>> {
    let ek = &MAKER.genuine;
    let mut samples = vec![ek.public.as_slice().to_vec()];
    let certificates = ek.chain.iter().chain([&ek.certificate]);
    for der in certificates {
        let certificate = Certificate::parse(der.as_slice()).expect("a maker's certificate");
        samples.push(certificate.tbs().to_vec());
        samples.push(spoilt(der.as_slice()));
    }
    samples
}

fn passes(ek: &EndorsementKey) -> bool {
    VerifiedEk::verify(ek, &MAKER.properties, &MAKER.anchors, MAKER.now).is_ok()
}

fuzz_target!(init: begin_with("endorsement", samples()), |data: &[u8]| {
    let genuine = &MAKER.genuine;
    // Each part as it comes: nobody can sign for the maker, and the key must be the certified one.
    let mut ek = genuine.clone();
    ek.certificate = data.into();
    assert!(!passes(&ek));
    let mut ek = genuine.clone();
    ek.chain = vec![data.into()];
    assert!(!passes(&ek));
    let mut ek = genuine.clone();
    ek.public = data.into();
    assert_eq!(passes(&ek), ek == *genuine);
    // Said by the maker.
    let mut ek = genuine.clone();
    ek.certificate = certificate_over(data, &MAKER.signer).into();
    let _ = std::hint::black_box(passes(&ek));
    let mut ek = genuine.clone();
    ek.chain = vec![certificate_over(data, &MAKER.root_key).into()];
    let _ = std::hint::black_box(passes(&ek));
});
