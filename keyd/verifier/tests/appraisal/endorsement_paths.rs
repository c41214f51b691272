//! Endorsement keys: the way to a pinned maker.

use wardkey_schemas::Code;
use wardkey_schemas::Refusal;
use wardkey_schemas::bundle::EkAnchor;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::EndorsementKey;
use wardkey_verifier::ek::{EkAnchors, VerifiedEk};

use crate::endorsement_keys::verify;
use crate::forge::certificate::{
    KEY_AGREEMENT, Signer, Spec, authority, common_name, end_entity, key_usage,
};
use crate::forge::ek::{Ek, Maker, now};
use crate::forge::refused;

#[test]
fn the_chain_may_come_from_the_laptop_or_lie_at_hand() {
    let maker = Maker::new();
    let ek = EndorsementKey {
        chain: Vec::new(),
        ..maker.endorsement_key(&Ek::p256())
    };
    assert_eq!(refused(verify(&maker, &ek)), Code::EkUntrusted);
    let folder = [maker.intermediate(), maker.root()];
    let anchors = EkAnchors::new(&[maker.pin()], &folder).unwrap();
    VerifiedEk::verify(&ek, &maker.properties(), &anchors, now()).unwrap();
    // An intermediate can be the anchor itself.
    let pin = EkAnchor {
        sha256: Sha256::of(&maker.intermediate()),
        ..maker.pin()
    };
    let anchors = EkAnchors::new(&[pin], &folder).unwrap();
    let verified = VerifiedEk::verify(&ek, &maker.properties(), &anchors, now()).unwrap();
    assert_eq!(verified.anchor(), Sha256::of(&maker.intermediate()));
}

#[test]
fn a_path_that_does_not_lead_to_a_pinned_maker_is_refused() {
    let (maker, other) = (Maker::new(), Maker::new());
    let ek = Ek::p256();
    let good = maker.endorsement_key(&ek);
    let intermediate = maker.intermediate_spec();
    let with_intermediate = |spec: &Spec| {
        verify(
            &maker,
            &EndorsementKey {
                chain: vec![maker.sign_intermediate(spec).into()],
                ..good.clone()
            },
        )
    };
    with_intermediate(&intermediate).unwrap();
    let cases: [(&str, Spec); 7] = [
        ("no authority", intermediate.clone().with(end_entity())),
        (
            "no basic constraints",
            intermediate.clone().without("2.5.29.19"),
        ),
        (
            "no right to sign certificates",
            intermediate.clone().with(key_usage(KEY_AGREEMENT)),
        ),
        (
            "an unknown critical extension",
            intermediate.clone().with(("1.2.3.4", true, vec![])),
        ),
        (
            "an end before it issued",
            Spec {
                not_after: "20240229235959Z",
                ..intermediate.clone()
            },
        ),
        (
            "a beginning in the future",
            Spec {
                not_before: "20270101000000Z",
                ..intermediate.clone()
            },
        ),
        (
            "another issuer",
            Spec {
                issuer: common_name("Another root"),
                ..intermediate.clone()
            },
        ),
    ];
    for (what, spec) in cases {
        assert_eq!(
            refused(with_intermediate(&spec)),
            Code::EkUntrusted,
            "{what}"
        );
    }
    // An authority that has ended since, as makers' intermediates do, issued all the same.
    let ended = Spec {
        not_after: "20250101000000Z",
        ..intermediate
    };
    with_intermediate(&ended).unwrap();

    let swapped = EndorsementKey {
        chain: vec![other.intermediate().into()],
        ..good.clone()
    };
    assert_eq!(refused(verify(&maker, &swapped)), Code::EkUntrusted);
    // The root that comes along is not believed for coming along.
    let brought = EndorsementKey {
        chain: vec![maker.intermediate().into(), maker.root().into()],
        ..good.clone()
    };
    let result = VerifiedEk::verify(&brought, &maker.properties(), &other.anchors(), now());
    let refusal = result.unwrap_err();
    assert_eq!(refusal.code(), Code::EkUntrusted);
    assert_eq!(refusal.found(), "TPM intermediate, issued by TPM root");

    let long = EndorsementKey {
        chain: vec![maker.intermediate().into(); 9],
        ..good.clone()
    };
    assert_eq!(refused(verify(&maker, &long)), Code::EkCertificate);
    let junk = EndorsementKey {
        chain: vec![b"junk"[..].into()],
        ..good
    };
    assert_eq!(refused(verify(&maker, &junk)), Code::EkCertificate);
}

/// An endorsement key below this many authorities, the lowest allowing `path_length` below it.
fn below(authorities: usize, path_length: Option<u8>) -> Result<VerifiedEk, Refusal> {
    let maker = Maker::new();
    let ek = Ek::p256();
    let keys: Vec<Signer> = (0..=authorities).map(|_| Signer::p256()).collect();
    let name = |tier: usize| format!("tier {tier}");
    let root = Spec::authority(&name(authorities), &name(authorities), &keys[authorities])
        .with(authority(path_length));
    let root = root.signed(&keys[authorities]);
    let chain = (0..authorities).map(|tier| {
        Spec::authority(&name(tier), &name(tier + 1), &keys[tier])
            .signed(&keys[tier + 1])
            .into()
    });
    let spec = Spec {
        issuer: common_name(&name(0)),
        ..maker.certificate_spec(&ek)
    };
    let sent = EndorsementKey {
        certificate: spec.signed(&keys[0]).into(),
        chain: chain.collect(),
        public: ek.public.clone().into(),
    };
    let pin = EkAnchor {
        sha256: Sha256::of(&root),
        ..maker.pin()
    };
    let anchors = EkAnchors::new(&[pin], &[root]).unwrap();
    VerifiedEk::verify(&sent, &maker.properties(), &anchors, now())
}

#[test]
fn a_path_has_as_many_authorities_as_its_root_allows_and_at_most_six() {
    below(0, Some(0)).unwrap();
    below(1, Some(1)).unwrap();
    below(6, None).unwrap();
    for (authorities, path_length) in [(1, Some(0)), (3, Some(2)), (7, None)] {
        let refusal = below(authorities, path_length).unwrap_err();
        assert_eq!(
            refusal.code(),
            Code::EkUntrusted,
            "{authorities} authorities"
        );
    }
}

#[test]
fn many_authorities_of_one_name_do_not_make_endless_work() {
    let maker = Maker::new();
    let ek = maker.endorsement_key(&Ek::p256());
    // A folder of hundreds with the right name and another key, all before the right one.
    let mut folder: Vec<Vec<u8>> = (0..200).map(|_| Maker::new().intermediate()).collect();
    folder.push(maker.root());
    let anchors = EkAnchors::new(&[maker.pin()], &folder).unwrap();
    // What the laptop sent is looked at first, so it is found.
    VerifiedEk::verify(&ek, &maker.properties(), &anchors, now()).unwrap();
    let without = EndorsementKey {
        chain: Vec::new(),
        ..ek
    };
    let result = VerifiedEk::verify(&without, &maker.properties(), &anchors, now());
    assert_eq!(refused(result), Code::EkUntrusted);
}

#[test]
fn believing_no_maker_is_refused() {
    let maker = Maker::new();
    let code = |pins: &[EkAnchor], certificates: &[Vec<u8>]| {
        refused(EkAnchors::new(pins, certificates).map(|_| ()))
    };
    assert_eq!(code(&[], &[maker.root()]), Code::BundleContent);
    assert_eq!(code(&[maker.pin()], &[]), Code::BundleContent);
    let speechless = EkAnchor {
        manufacturers: Vec::new(),
        ..maker.pin()
    };
    assert_eq!(code(&[speechless], &[maker.root()]), Code::BundleContent);
    let in_words = EkAnchor {
        manufacturers: vec!["Infineon".to_owned()],
        ..maker.pin()
    };
    assert_eq!(code(&[in_words], &[maker.root()]), Code::BundleContent);
    assert_eq!(
        code(&[maker.pin()], &[b"junk".to_vec()]),
        Code::CertificateMalformed
    );
    let other = Maker::new();
    let anchors = EkAnchors::new(&[maker.pin(), other.pin()], &[maker.root()]).unwrap();
    assert_eq!(anchors.missing(), [other.pin().sha256]);
}
