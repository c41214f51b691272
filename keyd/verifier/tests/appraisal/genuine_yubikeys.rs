//! Attestation of security keys: two genuine tokens.

use std::path::Path;

use wardkey_schemas::Code;
use wardkey_schemas::bundle::TokenAnchor;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::names::TokenSerial;
use wardkey_verifier::piv::{GenuineStatement, TokenAnchors};

use crate::forge::yubikey::policy;
use crate::forge::{key, refused};
use crate::pem;

const OLD_ROOT: &str = "63ece914e54dd87915f34033c85af4c0696ba1512f8add66ced738331207b546";
const ROOT_1: &str = "62760c6a6ef91679f454c8902b80fd009825b3f25da90f1fbace2ec6586cd5a8";
const INTERMEDIATE_A: &str = "4698a1d3389c3ec60016c216250f1d0439922832d65142327436376dc2942b55";
const INTERMEDIATE_B: &str = "d4cc3f456fdaf4e7812a21aab1dfe9d8e27d24e2fd2d6f21c9940109f0daa754";
const PIV_A: &str = "6de693f05376f5d8ca29069261e1c8626c75d503bd2edbfd75354cad1f722870";
const PIV_B: &str = "2d55b7998f4e42569d6d8fa382b6dc77d1dacf07358b19701163892922b17052";
const PIV_B2: &str = "0c90b7d184a36edf50a35f9be935f0c5689bfdcfe5bdd073366cafb49061a440";

const ALL: [&str; 7] = [
    OLD_ROOT,
    ROOT_1,
    INTERMEDIATE_A,
    INTERMEDIATE_B,
    PIV_A,
    PIV_B,
    PIV_B2,
];

fn believing(pins: &[&str]) -> TokenAnchors {
    let pins: Vec<TokenAnchor> = pins
        .iter()
        .map(|hex| TokenAnchor {
            sha256: Sha256::from_hex(hex).unwrap(),
        })
        .collect();
    TokenAnchors::new::<&[u8]>(&pins, &[]).unwrap()
}

fn yubico(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/yubico")
        .join(format!("{name}.pem"));
    let text = std::fs::read_to_string(path).unwrap();
    pem::certificates(&text).remove(0)
}

fn old_token() -> (Vec<u8>, Vec<u8>) {
    (
        yubico("yubikey-5ci-attestation"),
        yubico("yubikey-5ci-intermediate"),
    )
}

fn new_token() -> (Vec<u8>, Vec<u8>) {
    (
        yubico("yubikey-5c-5-7-4-attestation"),
        yubico("yubikey-5c-5-7-4-intermediate"),
    )
}

#[test]
fn the_shipped_certificates_are_the_published_ones() {
    assert_eq!(believing(&ALL).missing(), []);
}

#[test]
fn a_genuine_token_of_before_5_7_is_genuine_and_too_old() {
    let (leaf, f9) = old_token();
    let statement = GenuineStatement::verify(&leaf, &f9, &believing(&[OLD_ROOT])).unwrap();
    assert_eq!(statement.root().to_hex(), OLD_ROOT);
    assert_eq!(statement.serial(), TokenSerial::new(11_778_047));
    assert_eq!(statement.firmware().to_string(), "5.2.4");
    assert_eq!(statement.slot(), 0x93);
    let judged = statement.judge(key().public(), statement.serial(), &policy());
    let refusal = judged.unwrap_err();
    assert_eq!(refusal.code(), Code::TokenTooOld);
    assert_eq!(refusal.found(), "firmware 5.2.4");
    assert_eq!(refusal.wanted(), "5.7.0 or newer");
}

#[test]
fn a_genuine_token_of_5_7_4_is_genuine_and_new_enough() {
    let (leaf, f9) = new_token();
    let statement =
        GenuineStatement::verify(&leaf, &f9, &believing(&[ROOT_1, INTERMEDIATE_B, PIV_B])).unwrap();
    assert_eq!(statement.root().to_hex(), ROOT_1);
    assert_eq!(statement.serial(), TokenSerial::new(33_162_554));
    assert_eq!(statement.firmware().to_string(), "5.7.4");
    // What it says is about a key on P-384 in a retired slot, with PIN never and touch always, so the
    // first thing that does not fit is the slot.
    assert_eq!(statement.slot(), 0x82);
    assert_eq!(statement.key(), None);
    let judged = statement.judge(key().public(), statement.serial(), &policy());
    assert_eq!(refused(judged), Code::TokenSlot);
}

#[test]
fn every_authority_on_the_way_must_be_pinned() {
    let (leaf, f9) = new_token();
    GenuineStatement::verify(&leaf, &f9, &believing(&ALL)).unwrap();
    for missing in [ROOT_1, INTERMEDIATE_B, PIV_B] {
        let rest: Vec<&str> = ALL.into_iter().filter(|pin| *pin != missing).collect();
        let result = GenuineStatement::verify(&leaf, &f9, &believing(&rest));
        assert_eq!(refused(result), Code::TokenNotGenuine, "{missing}");
    }
    let (leaf, f9) = old_token();
    let rest: Vec<&str> = ALL.into_iter().filter(|pin| *pin != OLD_ROOT).collect();
    let result = GenuineStatement::verify(&leaf, &f9, &believing(&rest));
    assert_eq!(refused(result), Code::TokenNotGenuine);
}

#[test]
fn only_an_authority_for_piv_certifies_tokens() {
    // Genuine certificates, one tier too high: these authorities certify FIDO and OpenPGP as well.
    let too_high = [
        (
            yubico("yubikey-5c-5-7-4-intermediate"),
            yubico("yubico-piv-attestation-b-1"),
        ),
        (
            yubico("yubico-piv-attestation-a-1"),
            yubico("yubico-attestation-intermediate-a-1"),
        ),
        (
            yubico("yubico-attestation-intermediate-a-1"),
            yubico("yubico-attestation-root-1"),
        ),
    ];
    for (leaf, f9) in too_high {
        let result = GenuineStatement::verify(&leaf, &f9, &believing(&ALL));
        assert_eq!(refused(result), Code::TokenNotGenuine);
    }
}

#[test]
fn the_f9_certificate_of_another_token_is_refused() {
    let ((old_leaf, old_f9), (new_leaf, new_f9)) = (old_token(), new_token());
    for (leaf, f9) in [(old_leaf, new_f9), (new_leaf, old_f9)] {
        let result = GenuineStatement::verify(&leaf, &f9, &believing(&ALL));
        assert_eq!(refused(result), Code::TokenNotGenuine);
    }
}

#[test]
fn any_byte_of_a_genuine_statement_counts() {
    let (leaf, f9) = new_token();
    let anchors = believing(&ALL);
    for at in 0..leaf.len() {
        let mut changed = leaf.clone();
        changed[at] ^= 1;
        let result = GenuineStatement::verify(&changed, &f9, &anchors);
        assert!(result.is_err(), "byte {at} of the statement");
    }
    for at in 0..f9.len() {
        let mut changed = f9.clone();
        changed[at] ^= 1;
        let result = GenuineStatement::verify(&leaf, &changed, &anchors);
        assert!(result.is_err(), "byte {at} of F9");
    }
}
