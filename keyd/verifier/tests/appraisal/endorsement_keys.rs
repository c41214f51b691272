//! Endorsement keys: the certificate and its maker.

use wardkey_schemas::Code;
use wardkey_schemas::Refusal;
use wardkey_schemas::bundle::EkAnchor;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::{EndorsementKey, TpmProperties};
use wardkey_schemas::time::Timestamp;
use wardkey_verifier::ek::{EkAnchors, EkKey, VerifiedEk};

use crate::forge::certificate::{
    DIGITAL_SIGNATURE, KEY_ENCIPHERMENT, Spec, authority, common_name, extended_key_usage,
    key_usage, name, name_in_one_set,
};
use crate::forge::ek::{
    ALTERNATIVE_NAMES, EK_USAGE, Ek, MANUFACTURER, MODEL, Maker, RSAES_OAEP, VERSION,
    alternative_names, now, rsa_key, tpm_names,
};
use crate::forge::refused;
use crate::recorded;

/// The outcome where this maker alone is believed.
pub(crate) fn verify(maker: &Maker, ek: &EndorsementKey) -> Result<VerifiedEk, Refusal> {
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
