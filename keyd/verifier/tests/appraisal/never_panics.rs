//! Whatever the bytes, every parser answers.

use proptest::prelude::*;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::{Attestation, AttestationKey, EndorsementKey};
use wardkey_verifier::credential::{Randomness, make_credential};
use wardkey_verifier::ek::VerifiedEk;
use wardkey_verifier::event_log::EventLog;
use wardkey_verifier::piv::GenuineStatement;
use wardkey_verifier::tpm::creation::CreationData;
use wardkey_verifier::tpm::{Attest, Name, PcrSet, PublicArea, VerifiedAk};

use crate::forge::ek::{Ek, Maker, RsaPublic, low_ecc, now};
use crate::forge::tpm::{ENDORSEMENT, EccPublic, SoftTpm, creation_data};
use crate::forge::yubikey::Token;
use crate::forge::{event_log, key};
use crate::recorded;

/// `bytes` with some changed, some cut off and some added.
fn mutated(bytes: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let length = bytes.len();
    let changes = prop::collection::vec((0..length, any::<u8>()), 0..4);
    (
        changes,
        0..=length,
        prop::collection::vec(any::<u8>(), 0..4),
        0..4_u8,
    )
        .prop_map(move |(changes, cut, more, what)| {
            let mut bytes = bytes.clone();
            for (at, value) in changes {
                bytes[at] = value;
            }
            match what {
                0 => bytes.truncate(cut),
                1 => bytes.extend(more),
                _ => {}
            }
            bytes
        })
}

/// Bytes of any kind, or close to one of `samples`.
fn bytes_near(samples: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let near = prop::sample::select(samples).prop_flat_map(mutated);
    prop_oneof![1 => prop::collection::vec(any::<u8>(), 0..600), 4 => near]
}

fn public_areas() -> Vec<Vec<u8>> {
    let key = key();
    vec![
        EccPublic::ak(key.public()).bytes(),
        EccPublic::device(key.public()).bytes(),
        low_ecc(key.public()).bytes(),
        RsaPublic::low(&[0xc3; 256]).bytes(),
        recorded::bytes("sb3", "ak_pub.bin"),
    ]
}

fn attests() -> Vec<Vec<u8>> {
    let tpm = SoftTpm::new();
    vec![
        recorded::bytes("sb3", "quote.bin"),
        recorded::bytes("sb3", "certify.bin"),
        tpm.time_attest(&Sha256::of(b"")).bytes(),
        tpm.attestation_key().creation.attest.into_vec(),
    ]
}

#[test]
fn tpm_structures() {
    proptest!(|(public in bytes_near(public_areas()), attest in bytes_near(attests()),
        creation in bytes_near(vec![creation_data(ENDORSEMENT)]))| {
        if let Ok(public) = PublicArea::parse(&public) {
            let _ = public.name();
        }
        let _ = Attest::parse(&attest);
        let _ = CreationData::parse(&creation);
        let ak = AttestationKey {
            public: public.into(),
            creation_data: creation.into(),
            creation: Attestation {
                attest: attest.into(),
                signature: wardkey_schemas::bytes::Signature::new([1; 64]),
            },
        };
        prop_assert!(VerifiedAk::verify(&ak).is_err());
    });
}

#[test]
fn signed_tpm_structures() {
    // Signed by the right key, so that what is parsed after the signature is reached.
    let tpm = SoftTpm::new();
    let good = tpm.attestation_key();
    proptest!(|(attest in bytes_near(attests()), creation in bytes_near(vec![creation_data(ENDORSEMENT)]))| {
        let ak = AttestationKey {
            creation: crate::forge::tpm::sign(&attest, &tpm.ak),
            creation_data: creation.into(),
            public: good.public.clone(),
        };
        let _ = VerifiedAk::verify(&ak);
    });
}

#[test]
fn event_logs() {
    let samples = vec![
        event_log::boot(),
        recorded::bytes("tcg1", "binary_bios_measurements"),
        recorded::bytes("sb3", "binary_bios_measurements"),
    ];
    proptest!(|(log in bytes_near(samples))| {
        if let Ok(log) = EventLog::parse(&log) {
            let _ = log.replay();
            let _ = log.bound_data().count();
        }
    });
}

#[test]
fn statements_of_tokens() {
    let token = Token::new();
    let (anchors, leaf, f9) = (token.anchors(), token.leaf(), token.f9());
    proptest!(|(changed in bytes_near(vec![leaf.clone(), f9.clone()]))| {
        if changed != leaf {
            prop_assert!(GenuineStatement::verify(&changed, &f9, &anchors).is_err());
        }
        if changed != f9 {
            prop_assert!(GenuineStatement::verify(&leaf, &changed, &anchors).is_err());
        }
    });
}

#[test]
fn extensions_of_genuine_statements() {
    let token = Token::new();
    let (anchors, f9, good) = (token.anchors(), token.f9(), token.leaf_spec());
    let names = prop::sample::select(vec![
        crate::forge::yubikey::FIRMWARE,
        crate::forge::yubikey::SERIAL,
        crate::forge::yubikey::POLICY,
        crate::forge::yubikey::FORM_FACTOR,
    ]);
    let config = ProptestConfig::with_cases(64);
    proptest!(config, |(name in names, value in prop::collection::vec(any::<u8>(), 0..8))| {
        let leaf = token.sign_leaf(&good.clone().with((name, false, value)));
        if let Ok(statement) = GenuineStatement::verify(&leaf, &f9, &anchors) {
            let _ = statement.judge(token.public(), token.serial, &crate::forge::yubikey::policy());
        }
    });
}

#[test]
fn endorsement_keys() {
    let maker = Maker::new();
    let ek = maker.endorsement_key(&Ek::p256());
    let (anchors, properties) = (maker.anchors(), maker.properties());
    let certificate = ek.certificate.as_slice().to_vec();
    let chain = ek.chain[0].as_slice().to_vec();
    let samples = vec![certificate, chain, recorded::bytes("sb3", "ekcert.bin")];
    proptest!(|(certificate in bytes_near(samples.clone()), chain in bytes_near(samples),
        public in bytes_near(public_areas()))| {
        let ek = EndorsementKey {
            certificate: certificate.into(),
            chain: vec![chain.into()],
            public: public.into(),
        };
        prop_assert!(VerifiedEk::verify(&ek, &properties, &anchors, now()).is_err());
    });
}

#[test]
fn names_in_endorsement_certificates() {
    let (maker, ek) = (Maker::new(), Ek::p256());
    let (anchors, properties) = (maker.anchors(), maker.properties());
    let good = maker.certificate_spec(&ek);
    let names = good.extensions[0].2.clone();
    let config = ProptestConfig::with_cases(64);
    proptest!(config, |(names in bytes_near(vec![names]))| {
        let spec = good.clone().with((crate::forge::ek::ALTERNATIVE_NAMES, true, names));
        let ek = EndorsementKey {
            certificate: maker.sign_certificate(&spec).into(),
            ..maker.endorsement_key(&ek)
        };
        let _ = VerifiedEk::verify(&ek, &properties, &anchors, now());
    });
}

#[test]
fn credentials_for_any_randomness() {
    let maker = Maker::new();
    let ek = Ek::p256();
    let verified = VerifiedEk::verify(
        &maker.endorsement_key(&ek),
        &maker.properties(),
        &maker.anchors(),
        now(),
    )
    .unwrap();
    let name = Name::try_from([7; 34].as_slice()).unwrap();
    proptest!(|(one in any::<[u8; 32]>(), two in any::<[u8; 32]>(), secret in any::<[u8; 32]>())| {
        let both = [one, two].concat();
        let randomness = Randomness::new(both.try_into().unwrap());
        prop_assert!(make_credential(&verified, &name, &secret, &randomness).is_ok());
    });
}

#[test]
fn sets_of_registers() {
    proptest!(|(indices in prop::collection::vec(any::<u8>(), 0..30))| {
        if let Some(set) = PcrSet::new(&indices) {
            prop_assert_eq!(set.indices().collect::<Vec<u8>>(), indices);
        }
    });
    let all: Vec<u8> = (0..24).collect();
    assert!(PcrSet::new(&all).is_some());
}
