//! What a security key says of its keys: attestation certificates and the walk to a pinned root.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wardkey_fleet::Token;
use wardkey_fuzz::{House, begin_with, certificate_over, spoilt};
use wardkey_schemas::bundle::PolicyFloor;
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::names::Firmware;
use wardkey_verifier::certificate::Certificate;
use wardkey_verifier::piv::{GenuineStatement, TokenAnchors, TokenPolicy};

struct Maker {
    token: Token,
    f9_key: SigningKey,
    anchors: TokenAnchors,
    policy: TokenPolicy,
}

static MAKER: LazyLock<Maker> = LazyLock::new(|| {
    let house = House::build();
    let maker = &house.installation.token_maker;
    Maker {
        anchors: TokenAnchors::new(&[maker.anchor()], &[&maker.root]).expect("one anchor"),
        f9_key: house.seed.child("token").key("f9"),
        policy: TokenPolicy::of_floor(&PolicyFloor {
            oldest_token_firmware: Firmware {
                major: 5,
                minor: 7,
                patch: 0,
            },
            pcrs: Vec::new(),
        }),
        token: house.token,
    }
});

fn samples() -> Vec<Vec<u8>> {
    let token = &MAKER.token;
    let leaf = Certificate::parse(&token.attestation).expect("a statement");
    vec![
        leaf.tbs().to_vec(),
        spoilt(&token.attestation),
        spoilt(&token.intermediate),
    ]
}

fuzz_target!(init: begin_with("statement", samples()), |data: &[u8]| {
    let Maker { token, f9_key, anchors, policy } = &*MAKER;
    // As it comes: nobody can sign for the token or for its maker.
    assert!(GenuineStatement::verify(data, &token.intermediate, anchors).is_err());
    assert!(GenuineStatement::verify(&token.attestation, data, anchors).is_err());
    // Said by a genuine token.
    let leaf = certificate_over(data, f9_key);
    if let Ok(statement) = GenuineStatement::verify(&leaf, &token.intermediate, anchors) {
        let _ = std::hint::black_box(statement.judge(token.key.public(), token.serial, policy));
    }
});
