//! Credentials: opened here as a TPM opens them (TPM 2.0 Library, Part 1 §24).

use aws_lc_rs::cipher::{AES_128, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::OAEP_SHA256_MGF1SHA256;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::Credential;
use wardkey_verifier::credential::{Randomness, make_credential};
use wardkey_verifier::ek::VerifiedEk;
use wardkey_verifier::tpm::{Name, VerifiedAk};

use crate::forge::ek::{Ek, Maker, Private, now};
use crate::forge::tpm::SoftTpm;

/// A `TPM2B_*` at the front, and the rest.
fn sized(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = bytes.split_first_chunk().unwrap();
    rest.split_at(usize::from(u16::from_be_bytes(*length)))
}

fn whole(bytes: &[u8]) -> &[u8] {
    let (inner, rest) = sized(bytes);
    assert!(rest.is_empty());
    inner
}

fn kdfa(key: &[u8], label: &[u8], context: &[u8], bits: u32) -> Vec<u8> {
    let input = [
        &1_u32.to_be_bytes(),
        label,
        &[0],
        context,
        &bits.to_be_bytes(),
    ]
    .concat();
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &input)
        .as_ref()
        .to_vec()
}

/// The seed, as the TPM with this endorsement key recovers it.
fn seed(ek: &Ek, encrypted: &[u8]) -> Vec<u8> {
    match &ek.private {
        Private::Rsa(key) => {
            let mut buffer = vec![0; 256];
            key.decrypt(
                &OAEP_SHA256_MGF1SHA256,
                encrypted,
                &mut buffer,
                Some(b"IDENTITY\0"),
            )
            .unwrap()
            .to_vec()
        }
        Private::P256(key) => {
            let (x, rest) = sized(encrypted);
            let y = whole(rest);
            let point = [&[4], x, y].concat();
            let ephemeral = p256::PublicKey::from_sec1_bytes(&point).unwrap();
            let shared = p256::ecdh::diffie_hellman(key.to_nonzero_scalar(), ephemeral.as_affine());
            let own =
                p256::elliptic_curve::sec1::ToSec1Point::to_sec1_point(&key.public_key(), false);
            let input = [
                &1_u32.to_be_bytes(),
                &shared.raw_secret_bytes()[..],
                b"IDENTITY\0",
                x,
                &own.as_bytes()[1..33],
            ]
            .concat();
            Sha256::of(&input).as_bytes().to_vec()
        }
    }
}

/// What `TPM2_ActivateCredential` gives for an attestation key called `name`.
fn activate(ek: &Ek, name: &[u8], credential: &Credential) -> Option<Vec<u8>> {
    let seed = seed(ek, whole(credential.encrypted_secret.as_slice()));
    let (integrity, identity) = sized(whole(credential.id_object.as_slice()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, &kdfa(&seed, b"INTEGRITY", b"", 256));
    hmac::verify(&key, &[identity, name].concat(), integrity).ok()?;
    let symmetric = kdfa(&seed, b"STORAGE", name, 128);
    let key = UnboundCipherKey::new(&AES_128, &symmetric[..16]).unwrap();
    let mut identity = identity.to_vec();
    let context = DecryptionContext::Iv128(FixedLength::from([0; 16]));
    let opened = DecryptingKey::cfb128(key)
        .unwrap()
        .decrypt(&mut identity, context)
        .unwrap();
    Some(whole(opened).to_vec())
}

fn verified(ek: &Ek) -> VerifiedEk {
    let maker = Maker::new();
    VerifiedEk::verify(
        &maker.endorsement_key(ek),
        &maker.properties(),
        &maker.anchors(),
        now(),
    )
    .unwrap()
}

#[test]
fn the_tpm_with_both_keys_opens_the_credential() {
    for ek in [Ek::rsa(), Ek::p256()] {
        let (verified, tpm) = (verified(&ek), SoftTpm::new());
        let ak = VerifiedAk::verify(&tpm.attestation_key()).unwrap();
        for round in 0..8_u8 {
            let secret = [round; 32];
            let randomness = Randomness::new([round.wrapping_mul(37); 64]);
            let credential = make_credential(&verified, ak.name(), &secret, &randomness).unwrap();
            let opened = activate(&ek, ak.name().as_bytes(), &credential);
            assert_eq!(opened.as_deref(), Some(&secret[..]));
        }
    }
}

#[test]
fn another_attestation_key_does_not_open_it() {
    let ek = Ek::p256();
    let verified = verified(&ek);
    let name = Name::try_from([7; 34].as_slice()).unwrap();
    let credential =
        make_credential(&verified, &name, &[1; 32], &Randomness::new([9; 64])).unwrap();
    assert!(activate(&ek, name.as_bytes(), &credential).is_some());
    assert_eq!(activate(&ek, &[8; 34], &credential), None);
}

#[test]
fn all_of_the_randomness_that_is_used_counts() {
    let name = Name::try_from([7; 34].as_slice()).unwrap();
    for (ek, used) in [(Ek::rsa(), 64), (Ek::p256(), 32)] {
        let verified = verified(&ek);
        let with =
            |bytes| make_credential(&verified, &name, &[1; 32], &Randomness::new(bytes)).unwrap();
        let good = with([0x5a; 64]);
        assert_eq!(good, with([0x5a; 64]));
        for at in 0..used {
            let mut bytes = [0x5a; 64];
            bytes[at] ^= 1;
            assert_ne!(good, with(bytes), "byte {at}");
        }
    }
}

#[test]
fn randomness_at_the_ends_of_its_range_works() {
    let ek = Ek::p256();
    let verified = verified(&ek);
    let name = Name::try_from([7; 34].as_slice()).unwrap();
    for bytes in [[0; 64], [0xff; 64]] {
        let credential =
            make_credential(&verified, &name, &[1; 32], &Randomness::new(bytes)).unwrap();
        assert!(activate(&ek, name.as_bytes(), &credential).is_some());
    }
}
