//! Endorsement keys: the public area must follow a template and be the certified key.

use wardkey_schemas::Code;
use wardkey_schemas::Refusal;
use wardkey_schemas::evidence::EndorsementKey;
use wardkey_verifier::ek::VerifiedEk;

use crate::endorsement_keys::verify;
use crate::forge::certificate::{KEY_ENCIPHERMENT, Spec, key_usage};
use crate::forge::ek::{
    Ek, Maker, POLICY_A, POLICY_B, RSA_ENCRYPTION, RsaPublic, low_ecc, rsa_key,
};
use crate::forge::tpm::{EccPublic, NULL};
use crate::forge::{key, refused};

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
