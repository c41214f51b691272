//! Attestation key and device key: properties, creation, certification.

use wardkey_schemas::Code;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::AttestationKey;
use wardkey_verifier::tpm::{VerifiedAk, VerifiedDeviceKey};

use crate::forge::tpm::{
    AES_128_CFB, AK_ATTRIBUTES, Attest, CREATION, DEVICE_ATTRIBUTES, ECDSA_SHA256, ENDORSEMENT,
    EccPublic, NULL, OWNER, QUOTE, SoftTpm, creation_data, name, qualified_name, sized,
};
use crate::forge::{key, refused};

fn binding() -> Sha256 {
    Sha256::of(b"this enrolment")
}

/// The attestation key of `tpm`, with the public area and creation as `spoil` leaves them; whatever
/// follows from the public area follows.
fn made(tpm: &SoftTpm, public: &EccPublic, parent: [u8; 4]) -> AttestationKey {
    let public = public.bytes();
    let creation_data = creation_data(parent);
    let attest = Attest {
        signer: qualified_name(ENDORSEMENT, &public),
        ..tpm.attest(
            CREATION,
            b"",
            [
                sized(&name(&public)),
                sized(Sha256::of(&creation_data).as_bytes()),
            ]
            .concat(),
        )
    };
    AttestationKey {
        creation: attest.signed(&tpm.ak),
        public: public.into(),
        creation_data: creation_data.into(),
    }
}

#[test]
fn an_attestation_key_with_its_creation_is_accepted() {
    let tpm = SoftTpm::new();
    let verified = VerifiedAk::verify(&tpm.attestation_key()).unwrap();
    assert_eq!(*verified.identity(), tpm.ak_identity());
    assert_eq!(verified.name().as_bytes()[..], name(&tpm.ak_public()));

    let without_no_da = EccPublic {
        attributes: AK_ATTRIBUTES & !0x400,
        ..EccPublic::ak(tpm.ak.public())
    };
    VerifiedAk::verify(&made(&tpm, &without_no_da, ENDORSEMENT)).unwrap();
}

#[test]
fn every_attribute_of_the_attestation_key_counts() {
    let tpm = SoftTpm::new();
    for bit in (0..32).filter(|bit| *bit != 10) {
        let public = EccPublic {
            attributes: AK_ATTRIBUTES ^ (1 << bit),
            ..EccPublic::ak(tpm.ak.public())
        };
        let refusal = VerifiedAk::verify(&made(&tpm, &public, ENDORSEMENT)).unwrap_err();
        assert_eq!(refusal.code(), Code::AkAttributes, "bit {bit}");
        assert!(
            refusal
                .found()
                .contains(&format!("{:#010x}", public.attributes)),
            "{refusal}"
        );
    }
}

#[test]
fn an_attestation_key_of_another_kind_is_refused() {
    let tpm = SoftTpm::new();
    let good = EccPublic::ak(tpm.ak.public());
    let spoiled: [(&str, EccPublic, Code); 8] = [
        (
            "no scheme",
            EccPublic {
                scheme: NULL.to_vec(),
                ..good.clone()
            },
            Code::AkAlgorithm,
        ),
        (
            "ECDSA with SHA-384",
            EccPublic {
                scheme: vec![0x00, 0x18, 0x00, 0x0c],
                ..good.clone()
            },
            Code::AkAlgorithm,
        ),
        (
            "a cipher for children",
            EccPublic {
                symmetric: AES_128_CFB.to_vec(),
                ..good.clone()
            },
            Code::AkAlgorithm,
        ),
        (
            "P-384",
            EccPublic {
                curve: 4,
                ..good.clone()
            },
            Code::AkAlgorithm,
        ),
        (
            "a point off the curve",
            EccPublic {
                x: vec![1; 32],
                ..good.clone()
            },
            Code::AkAlgorithm,
        ),
        (
            "a name with SHA-384",
            EccPublic {
                name_alg: 0x000c,
                ..good.clone()
            },
            Code::AkAlgorithm,
        ),
        (
            "a policy",
            EccPublic {
                policy: vec![7; 32],
                ..good.clone()
            },
            Code::AkAttributes,
        ),
        (
            "neither RSA nor ECC",
            EccPublic {
                kind: 0x0008,
                ..good
            },
            Code::TpmStructure,
        ),
    ];
    for (what, public, code) in spoiled {
        let result = VerifiedAk::verify(&made(&tpm, &public, ENDORSEMENT));
        assert_eq!(refused(result), code, "{what}");
    }
}

#[test]
fn a_creation_that_does_not_belong_to_the_key_is_refused() {
    let tpm = SoftTpm::new();
    let good = tpm.attestation_key();
    let public = tpm.ak_public();
    let hash = Sha256::of(good.creation_data.as_slice());
    let body = |name: &[u8], hash: &Sha256| [sized(name), sized(hash.as_bytes())].concat();
    let signed = |attest: Attest| attest.signed(&tpm.ak);
    let attest = tpm.attest(CREATION, b"", body(&name(&public), &hash));

    let cases = [
        (
            "signed by another key",
            attest.signed(&key()),
            Code::AkCreation,
        ),
        (
            "of another key",
            signed(Attest {
                body: body(&name(&tpm.device_public()), &hash),
                ..attest.clone()
            }),
            Code::AkCreation,
        ),
        (
            "over other creation data",
            signed(Attest {
                body: body(&name(&public), &Sha256::of(b"other")),
                ..attest.clone()
            }),
            Code::AkCreation,
        ),
        (
            "naming another signer",
            signed(Attest {
                signer: qualified_name(OWNER, &public),
                ..attest.clone()
            }),
            Code::AttestSigner,
        ),
        (
            "of another type",
            signed(Attest {
                kind: 0x8017,
                ..attest.clone()
            }),
            Code::AttestType,
        ),
        (
            "of a type nobody asks for",
            signed(Attest {
                kind: 0x8014,
                ..attest.clone()
            }),
            Code::AttestType,
        ),
        (
            "not made by a TPM",
            signed(Attest {
                magic: 0xff54_4348,
                ..attest.clone()
            }),
            Code::AttestMagic,
        ),
        (
            "with a byte too many",
            signed(Attest {
                body: [attest.body.clone(), vec![0]].concat(),
                ..attest
            }),
            Code::TpmStructure,
        ),
    ];
    for (what, creation, code) in cases {
        let ak = AttestationKey {
            creation,
            ..good.clone()
        };
        assert_eq!(refused(VerifiedAk::verify(&ak)), code, "{what}");
    }
}

#[test]
fn an_attestation_key_of_another_hierarchy_is_refused() {
    let tpm = SoftTpm::new();
    let public = EccPublic::ak(tpm.ak.public());
    let result = VerifiedAk::verify(&made(&tpm, &public, OWNER));
    assert_eq!(refused(result), Code::AkCreation);
}

#[test]
fn a_certified_device_key_is_accepted() {
    let tpm = SoftTpm::new();
    let ak = VerifiedAk::verify(&tpm.attestation_key()).unwrap();
    let certify = tpm.certify(&binding());
    let verified =
        VerifiedDeviceKey::verify(&tpm.device_public(), &certify, &ak, &binding()).unwrap();
    assert_eq!(verified.key(), tpm.device.public());
    assert_eq!(verified.name().as_bytes()[..], name(&tpm.device_public()));
}

#[test]
fn a_device_key_with_other_properties_is_refused() {
    let tpm = SoftTpm::new();
    let ak = VerifiedAk::verify(&tpm.attestation_key()).unwrap();
    let good = EccPublic::device(tpm.device.public());
    let with_scheme = EccPublic {
        scheme: ECDSA_SHA256.to_vec(),
        ..good.clone()
    };
    let certified = |public: &EccPublic| {
        let public = public.bytes();
        let attest = Attest {
            body: [sized(&name(&public)), sized(&name(&public))].concat(),
            ..tpm.certify_attest(&binding())
        };
        VerifiedDeviceKey::verify(&public, &attest.signed(&tpm.ak), &ak, &binding())
    };
    certified(&good).unwrap();
    certified(&with_scheme).unwrap();
    for bit in (0..32).filter(|bit| *bit != 10) {
        let public = EccPublic {
            attributes: DEVICE_ATTRIBUTES ^ (1 << bit),
            ..good.clone()
        };
        assert_eq!(
            refused(certified(&public)),
            Code::DeviceKeyAttributes,
            "bit {bit}"
        );
    }
    let p384 = EccPublic {
        curve: 4,
        ..good.clone()
    };
    let policy = EccPublic {
        policy: vec![7; 32],
        ..good.clone()
    };
    let ecdh = EccPublic {
        scheme: vec![0x00, 0x19, 0x00, 0x0b],
        ..good
    };
    for public in [p384, policy, ecdh] {
        assert_eq!(refused(certified(&public)), Code::DeviceKeyAttributes);
    }
}

#[test]
fn a_certification_of_something_else_is_refused() {
    let tpm = SoftTpm::new();
    let ak = VerifiedAk::verify(&tpm.attestation_key()).unwrap();
    let good = tpm.certify_attest(&binding());
    let other = SoftTpm::new();
    let cases = [
        (
            "by another key",
            good.signed(&other.ak),
            Code::CertifyMismatch,
        ),
        (
            "of another key",
            Attest {
                body: other.certify_attest(&binding()).body,
                ..good.clone()
            }
            .signed(&tpm.ak),
            Code::CertifyMismatch,
        ),
        (
            "for another enrolment",
            tpm.certify(&Sha256::of(b"another")),
            Code::CertifyMismatch,
        ),
        (
            "naming another signer",
            Attest {
                signer: other.certify_attest(&binding()).signer,
                ..good.clone()
            }
            .signed(&tpm.ak),
            Code::AttestSigner,
        ),
        (
            "of another type",
            Attest {
                kind: CREATION,
                ..good.clone()
            }
            .signed(&tpm.ak),
            Code::AttestType,
        ),
        (
            "not a certification but a quote",
            tpm.attest(
                QUOTE,
                binding().as_bytes(),
                crate::forge::tpm::quote_body(&[]),
            )
            .signed(&tpm.ak),
            Code::AttestType,
        ),
    ];
    for (what, certify, code) in cases {
        let result = VerifiedDeviceKey::verify(&tpm.device_public(), &certify, &ak, &binding());
        assert_eq!(refused(result), code, "{what}");
    }
}
