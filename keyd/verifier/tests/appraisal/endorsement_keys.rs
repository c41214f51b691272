//! Endorsement keys: certificate, path, maker, template.

use wardkey_schemas::Code;
use wardkey_schemas::Refusal;
use wardkey_schemas::bundle::EkAnchor;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::{EndorsementKey, TpmProperties};
use wardkey_schemas::time::Timestamp;
use wardkey_verifier::ek::{EkAnchors, EkKey, VerifiedEk};

use crate::forge::certificate::{
    DIGITAL_SIGNATURE, KEY_AGREEMENT, KEY_ENCIPHERMENT, Signer, Spec, authority, common_name,
    end_entity, extended_key_usage, key_usage, name, name_in_one_set,
};
use crate::forge::ek::{
    ALTERNATIVE_NAMES, EK_USAGE, Ek, MANUFACTURER, MODEL, Maker, POLICY_A, POLICY_B,
    RSA_ENCRYPTION, RSAES_OAEP, RsaPublic, VERSION, alternative_names, low_ecc, now, rsa_key,
    tpm_names,
};
use crate::forge::tpm::{EccPublic, NULL};
use crate::forge::{key, refused};
use crate::recorded;

fn verify(maker: &Maker, ek: &EndorsementKey) -> Result<VerifiedEk, Refusal> {
    VerifiedEk::verify(ek, &maker.properties(), &maker.anchors(), now())
}

/// The outcome for an endorsement key whose certificate is `spec`.
fn with_certificate(maker: &Maker, ek: &Ek, spec: &Spec) -> Result<VerifiedEk, Refusal> {
    verify(
        maker,
        &EndorsementKey {
            certificate: maker.sign_certificate(spec).into(),
            ..maker.endorsement_key(ek)
        },
    )
}

#[test]
fn an_endorsement_key_that_its_maker_certified_is_accepted() {
    let maker = Maker::new();
    for ek in [Ek::rsa(), Ek::p256()] {
        let sent = maker.endorsement_key(&ek);
        let verified = verify(&maker, &sent).unwrap();
        assert_eq!(verified.sha256(), Sha256::of(&ek.public));
        assert_eq!(verified.manufacturer().to_string(), "id:49465800");
        assert_eq!(verified.model(), "SLB9672");
        assert_eq!(verified.version(), "id:000F0016");
        assert_eq!(verified.certificate(), sent.certificate.sha256());
        assert_eq!(verified.anchor(), Sha256::of(&maker.root()));
    }
}

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
fn what_genuine_certificates_do_is_let_pass() {
    let maker = Maker::new();
    let (rsa, ecc) = (Ek::rsa(), Ek::p256());
    let good = maker.certificate_spec(&ecc);
    let policies = || {
        let policy = crate::forge::certificate::oid("1.2.3.4");
        let policies =
            wardkey_verifier::der::sequence(&[&wardkey_verifier::der::sequence(&[&policy])]);
        ("2.5.29.32", true, policies)
    };
    let (_, _, names) = tpm_names(maker.manufacturer);
    let cases: [(&str, Spec); 6] = [
        ("critical policies", good.clone().with(policies())),
        (
            "a subject",
            Spec {
                subject: common_name("unknown"),
                ..good.clone()
            },
        ),
        (
            "names that are not critical",
            good.clone().with((ALTERNATIVE_NAMES, false, names)),
        ),
        (
            "all names in one set",
            good.clone().with(alternative_names(&name_in_one_set(&[
                (MANUFACTURER, maker.manufacturer),
                (MODEL, "NPCT75x"),
                (VERSION, "id:00070002"),
            ]))),
        ),
        ("no basic constraints", good.clone().without("2.5.29.19")),
        (
            "an end",
            Spec {
                not_after: "20430418084954Z",
                ..good
            },
        ),
    ];
    for (what, spec) in cases {
        with_certificate(&maker, &ecc, &spec).expect(what);
    }
    // An RSA key marked for OAEP.
    let spec = Spec {
        spki: rsa_key(
            RSAES_OAEP,
            &rsa.public[rsa.public.len() - 256..],
            &[1, 0, 1],
        ),
        ..maker.certificate_spec(&rsa)
    };
    with_certificate(&maker, &rsa, &spec).unwrap();
}

#[test]
fn padding_of_the_tpms_memory_is_taken_off() {
    let maker = Maker::new();
    let good = maker.endorsement_key(&Ek::p256());
    let certificate = good.certificate.as_slice();
    let length = u16::try_from(certificate.len()).unwrap().to_be_bytes();
    let wrapped = [&[0x10, 0x01, 0x00][..], &length, certificate].concat();
    for padded in [
        [certificate, &[0; 100]].concat(),
        [certificate, &[0xff; 100]].concat(),
        wrapped.clone(),
        [&wrapped[..], &[0xff; 7]].concat(),
    ] {
        let ek = EndorsementKey {
            certificate: padded.into(),
            ..good.clone()
        };
        let verified = verify(&maker, &ek).unwrap();
        assert_eq!(verified.certificate(), Sha256::of(certificate));
    }
    let followed = EndorsementKey {
        certificate: [certificate, &[0, 0, 7]].concat().into(),
        ..good
    };
    assert_eq!(refused(verify(&maker, &followed)), Code::EkCertificate);
}

#[test]
fn a_certificate_with_one_thing_wrong_is_refused() {
    let maker = Maker::new();
    let ek = Ek::p256();
    let good = maker.certificate_spec(&ek);
    with_certificate(&maker, &ek, &good).unwrap();
    let names = |names: &[(&str, &str)]| good.clone().with(alternative_names(&name(names)));
    let (maker_name, model, version) = (
        (MANUFACTURER, maker.manufacturer),
        (MODEL, "SLB9672"),
        (VERSION, "id:000F0016"),
    );
    let cases: [(&str, Spec); 15] = [
        ("an authority", good.clone().with(authority(None))),
        ("no extended usage", good.clone().without("2.5.29.37")),
        (
            "the usage of an attestation key",
            good.clone().with(extended_key_usage("2.23.133.8.3")),
        ),
        ("no key usage", good.clone().without("2.5.29.15")),
        (
            "the key usage of an RSA key",
            good.clone().with(key_usage(KEY_ENCIPHERMENT)),
        ),
        (
            "the key usage of a signing key",
            good.clone().with(key_usage(DIGITAL_SIGNATURE)),
        ),
        (
            "an unknown critical extension",
            good.clone().with(("1.2.3.4", true, vec![])),
        ),
        ("no names", good.clone().without(ALTERNATIVE_NAMES)),
        ("no maker", names(&[model, version])),
        (
            "two makers",
            names(&[maker_name, maker_name, model, version]),
        ),
        ("no model", names(&[maker_name, version])),
        ("no version", names(&[maker_name, model])),
        (
            "a maker in words",
            names(&[(MANUFACTURER, "Infineon"), model, version]),
        ),
        (
            "an end that has come",
            Spec {
                not_after: "20261122115959Z",
                ..good.clone()
            },
        ),
        (
            "a beginning that has not",
            Spec {
                not_before: "20261122120001Z",
                ..good.clone()
            },
        ),
    ];
    for (what, spec) in cases {
        let result = with_certificate(&maker, &ek, &spec);
        assert_eq!(refused(result), Code::EkCertificate, "{what}");
    }
    let broken = |certificate: &[u8]| {
        refused(verify(
            &maker,
            &EndorsementKey {
                certificate: certificate.into(),
                ..maker.endorsement_key(&ek)
            },
        ))
    };
    assert_eq!(broken(b""), Code::EkCertificateMissing);
    assert_eq!(broken(b"junk"), Code::EkCertificate);
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
fn the_maker_must_be_one_for_whom_the_anchor_speaks_and_the_one_the_tpm_reports() {
    let maker = Maker::new();
    let ek = maker.endorsement_key(&Ek::p256());
    let other_pin = EkAnchor {
        manufacturers: vec!["id:53544D20".to_owned()],
        ..maker.pin()
    };
    let anchors = EkAnchors::new(&[other_pin], &[maker.root()]).unwrap();
    let result = VerifiedEk::verify(&ek, &maker.properties(), &anchors, now());
    assert_eq!(refused(result), Code::TpmManufacturer);

    let other_tpm = TpmProperties {
        manufacturer: 0x5354_4d20,
        ..maker.properties()
    };
    let result = VerifiedEk::verify(&ek, &other_tpm, &maker.anchors(), now());
    assert_eq!(refused(result), Code::TpmManufacturer);
}

#[test]
fn a_software_tpm_passes_only_below_an_anchor_for_software() {
    let (software, hardware) = (Maker::of_software(), Maker::new());
    let ek = software.endorsement_key(&Ek::p256());
    verify(&software, &ek).unwrap();

    // In production no anchor speaks for software.
    let result = VerifiedEk::verify(&ek, &software.properties(), &hardware.anchors(), now());
    assert_eq!(refused(result), Code::TpmSoftware);
    // Nor does a maker of hardware that suddenly certifies software.
    let pins = [
        EkAnchor {
            manufacturers: vec![hardware.manufacturer.to_owned()],
            ..software.pin()
        },
        EkAnchor {
            manufacturers: vec![software.manufacturer.to_owned()],
            ..hardware.pin()
        },
    ];
    let anchors = EkAnchors::new(&pins, &[software.root(), hardware.root()]).unwrap();
    let result = VerifiedEk::verify(&ek, &software.properties(), &anchors, now());
    assert_eq!(refused(result), Code::TpmSoftware);
}

#[test]
fn the_recorded_certificate_of_a_software_tpm_is_read() {
    let hardware = Maker::new();
    let ek = EndorsementKey {
        certificate: recorded::bytes("sb3", "ekcert.bin").into(),
        chain: Vec::new(),
        public: Ek::p256().public.into(),
    };
    let verify = |maker: &Maker| {
        VerifiedEk::verify(&ek, &maker.properties(), &maker.anchors(), now()).unwrap_err()
    };
    assert_eq!(verify(&hardware).code(), Code::TpmSoftware);
    // Its issuer was not recorded, so this is as far as it leads.
    let refusal = verify(&Maker::of_software());
    assert_eq!(refusal.code(), Code::EkUntrusted);
    assert_eq!(refusal.found(), "issued by swtpm-localca");
}

/// The outcome for an RSA key with this public area, certified as it is.
fn with_rsa(maker: &Maker, public: &RsaPublic, exponent: &[u8]) -> Result<VerifiedEk, Refusal> {
    let spec = Spec {
        spki: rsa_key(RSA_ENCRYPTION, &public.modulus, exponent),
        ..maker.certificate_spec(&Ek::p256())
    };
    let spec = spec.with(key_usage(KEY_ENCIPHERMENT));
    verify(
        maker,
        &EndorsementKey {
            certificate: maker.sign_certificate(&spec).into(),
            chain: vec![maker.intermediate().into()],
            public: public.bytes().into(),
        },
    )
}

#[test]
fn an_rsa_key_outside_the_templates_is_refused() {
    let maker = Maker::new();
    let modulus = Ek::rsa().public;
    let good = RsaPublic::low(&modulus[modulus.len() - 256..]);
    let accepted = [
        good.clone(),
        RsaPublic {
            exponent: 65_537,
            ..good.clone()
        },
        RsaPublic {
            attributes: 0x0003_00f2,
            policy: hex::decode(POLICY_B).unwrap(),
            ..good.clone()
        },
    ];
    for public in accepted {
        with_rsa(&maker, &public, &[1, 0, 1]).unwrap();
    }
    let mut even = good.clone();
    even.modulus[255] &= 0xfe;
    let mut short = good.clone();
    short.modulus[0] &= 0x7f;
    let spoiled = [
        RsaPublic {
            name_alg: 0x000c,
            ..good.clone()
        },
        RsaPublic {
            attributes: 0x0003_00f2,
            ..good.clone()
        },
        RsaPublic {
            policy: hex::decode(POLICY_B).unwrap(),
            ..good.clone()
        },
        RsaPublic {
            policy: Vec::new(),
            ..good.clone()
        },
        RsaPublic {
            symmetric: vec![0x00, 0x06, 0x01, 0x00, 0x00, 0x43],
            ..good.clone()
        },
        RsaPublic {
            symmetric: NULL.to_vec(),
            ..good.clone()
        },
        RsaPublic {
            scheme: vec![0x00, 0x17, 0x00, 0x0b],
            ..good.clone()
        },
        RsaPublic {
            bits: 3072,
            ..good.clone()
        },
        RsaPublic {
            exponent: 3,
            ..good.clone()
        },
        RsaPublic {
            modulus: vec![0xc3; 255],
            ..good.clone()
        },
        even,
        short,
    ];
    for (place, public) in spoiled.into_iter().enumerate() {
        let result = with_rsa(&maker, &public, &[1, 0, 1]);
        assert_eq!(refused(result), Code::EkTemplate, "case {place}");
    }
    for bit in 0..32 {
        let public = RsaPublic {
            attributes: good.attributes ^ (1 << bit),
            ..good.clone()
        };
        let result = with_rsa(&maker, &public, &[1, 0, 1]);
        assert_eq!(refused(result), Code::EkTemplate, "attribute {bit}");
    }
}

#[test]
fn an_elliptic_curve_key_outside_the_templates_is_refused() {
    let maker = Maker::new();
    let ek = Ek::p256();
    let public_key = key();
    let with_public = |public: &EccPublic| {
        let sent = EndorsementKey {
            public: public.bytes().into(),
            ..maker.endorsement_key(&ek)
        };
        verify(&maker, &sent)
    };
    let good = low_ecc(public_key.public());
    // Right in itself, but not the certified key.
    assert_eq!(refused(with_public(&good)), Code::EkKeyMismatch);
    let spoiled = [
        EccPublic {
            curve: 4,
            ..good.clone()
        },
        EccPublic {
            x: vec![1; 32],
            ..good.clone()
        },
        EccPublic {
            kdf: vec![0x00, 0x20, 0x00, 0x0b],
            ..good.clone()
        },
        EccPublic {
            scheme: vec![0x00, 0x19, 0x00, 0x0b],
            ..good.clone()
        },
        EccPublic {
            symmetric: NULL.to_vec(),
            ..good.clone()
        },
        EccPublic {
            attributes: 0x0003_0472,
            ..good.clone()
        },
        // Template H-3: P-384 with SHA-384 and AES-256.
        EccPublic {
            name_alg: 0x000c,
            attributes: 0x0003_00f2,
            curve: 4,
            symmetric: vec![0x00, 0x06, 0x01, 0x00, 0x00, 0x43],
            x: vec![1; 48],
            y: vec![2; 48],
            ..good.clone()
        },
    ];
    for (place, public) in spoiled.into_iter().enumerate() {
        assert_eq!(
            refused(with_public(&public)),
            Code::EkTemplate,
            "case {place}"
        );
    }
    let mut cut = good.bytes();
    cut.pop();
    let sent = EndorsementKey {
        public: cut.into(),
        ..maker.endorsement_key(&ek)
    };
    assert_eq!(refused(verify(&maker, &sent)), Code::TpmStructure);
    assert_eq!(hex::decode(POLICY_A).unwrap(), good.policy);
}

#[test]
fn a_key_that_is_not_the_certified_one_is_refused() {
    let maker = Maker::new();
    let (one, two, ecc) = (Ek::rsa(), Ek::rsa(), Ek::p256());
    for public in [&two.public, &ecc.public] {
        let sent = EndorsementKey {
            public: public.clone().into(),
            ..maker.endorsement_key(&one)
        };
        assert_eq!(refused(verify(&maker, &sent)), Code::EkKeyMismatch);
    }
    // The certificate says another exponent than every template.
    let public = RsaPublic::low(&one.public[one.public.len() - 256..]);
    let result = with_rsa(&maker, &public, &[3]);
    assert_eq!(refused(result), Code::EkKeyMismatch);
}

#[test]
fn a_key_that_can_be_factored_is_refused() {
    use p256::elliptic_curve::bigint::U2048;
    // 65537^5 plus a multiple of all odd primes up to 167 and more.
    let primes = (3..=167_u32).filter(|n| (2..*n).all(|d| n % d != 0));
    let product = primes.fold(U2048::ONE, |product, prime| {
        product.wrapping_mul(&U2048::from_u32(prime))
    });
    let power = (0..5).fold(U2048::ONE, |power, _| {
        power.wrapping_mul(&U2048::from_u32(65_537))
    });
    // The multiple must reach 2048 bits and be even, so that the sum is odd.
    let mut factor = U2048::ONE.shl(2048 - product.bits());
    let sum = loop {
        let sum = product.wrapping_mul(&factor).wrapping_add(&power);
        if sum.bits() == 2048 {
            break sum;
        }
        factor = factor.wrapping_add(&U2048::ONE.shl(1700));
    };
    let public = RsaPublic::low(sum.to_be_bytes().as_ref());
    let result = with_rsa(&Maker::new(), &public, &[1, 0, 1]);
    assert_eq!(refused(result), Code::TpmVulnerable);
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

#[test]
fn time_is_what_the_caller_says() {
    let maker = Maker::new();
    let ek = maker.endorsement_key(&Ek::p256());
    let at = |time: &str| {
        let now: Timestamp = time.parse().unwrap();
        VerifiedEk::verify(&ek, &maker.properties(), &maker.anchors(), now)
    };
    assert_eq!(refused(at("2024-02-29T23:59:59Z")), Code::EkCertificate);
    at("2024-03-01T00:00:00Z").unwrap();
    let verified = at("9999-12-01T00:00:00Z").unwrap();
    assert!(matches!(verified.key(), EkKey::P256(_)));
    assert_eq!(EK_USAGE, wardkey_schemas::oid::EKU_EK);
}
