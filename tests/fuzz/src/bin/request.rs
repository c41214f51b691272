//! Certificate requests of new authorities, and certificates that are to issue.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wardkey_fuzz::{House, begin_with, certificate_over};
use wardkey_issuance::{Issuer, Request};
use wardkey_schemas::key::SigningKey;
use wardkey_verifier::der::{Reader, SEQUENCE};

static HOUSE: LazyLock<House> = LazyLock::new(House::build);
static KEY: LazyLock<SigningKey> = LazyLock::new(|| HOUSE.seed.key("service authority"));

/// What was signed of a request or of a certificate.
fn signed_part(der: &[u8]) -> Vec<u8> {
    let contents = Reader::new(der).expect(SEQUENCE).expect("a sequence");
    let mut reader = Reader::new(contents);
    let part = reader.expect(SEQUENCE).expect("a signed part");
    wardkey_verifier::der::element(SEQUENCE, part)
}

fn samples() -> Vec<Vec<u8>> {
    let authority = &HOUSE.installation.sites[0].authority.certificate;
    vec![
        HOUSE.request.clone(),
        signed_part(&HOUSE.request),
        HOUSE.installation.root.clone(),
        authority.clone(),
    ]
}

fuzz_target!(init: begin_with("request", samples()), |data: &[u8]| {
    let _ = std::hint::black_box(Request::verify(data));
    if let Ok(request) = Request::verify(&certificate_over(data, &KEY)) {
        // Signed by this key, so it can only be for this key.
        assert_eq!(*request.key(), (*KEY.public()).into());
    }
    let _ = std::hint::black_box(Issuer::parse(data));
});
