//! A TPM maker in memory, and endorsement keys that it certifies.

use aws_lc_rs::rsa::{KeySize, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use wardkey_schemas::bundle::EkAnchor;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::{EndorsementKey, TpmProperties};
use wardkey_schemas::time::Timestamp;
use wardkey_verifier::der;
use wardkey_verifier::ek::EkAnchors;

use super::certificate::{
    Extension, KEY_AGREEMENT, KEY_ENCIPHERMENT, Signer, Spec, authority, common_name, end_entity,
    extended_key_usage, integer, key_usage, name, p256_spki, rsa_spki,
};
use super::tpm::{AES_128_CFB, EccPublic, NULL, sized};

pub(crate) const EK_USAGE: &str = "2.23.133.8.1";
pub(crate) const ALTERNATIVE_NAMES: &str = "2.5.29.17";
pub(crate) const MANUFACTURER: &str = "2.23.133.2.1";
pub(crate) const MODEL: &str = "2.23.133.2.2";
pub(crate) const VERSION: &str = "2.23.133.2.3";

pub(crate) const RSA_ENCRYPTION: &str = "1.2.840.113549.1.1.1";
pub(crate) const RSAES_OAEP: &str = "1.2.840.113549.1.1.7";

pub(crate) const POLICY_A: &str =
    "837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa";
pub(crate) const POLICY_B: &str =
    "ca3d0a99a2b93906f7a3342414efcfb3a385d44cd1fd459089d19b5071c0b7a0";

/// 22 November 2026.
pub(crate) fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// The private half of an endorsement key, as its TPM holds it.
pub(crate) enum Private {
    Rsa(OaepPrivateDecryptingKey),
    P256(p256::SecretKey),
}

/// An endorsement key in a TPM.
pub(crate) struct Ek {
    pub(crate) private: Private,
    /// `TPMT_PUBLIC`.
    pub(crate) public: Vec<u8>,
    /// `SubjectPublicKeyInfo`.
    pub(crate) spki: Vec<u8>,
    pub(crate) usage: u8,
}

impl Ek {
    /// Template L-1.
    pub(crate) fn rsa() -> Self {
        use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let spki: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
        let modulus = spki.as_ref().strip_suffix(&[2, 3, 1, 0, 1]).unwrap();
        let modulus: [u8; 256] = *modulus.last_chunk().unwrap();
        Self {
            public: RsaPublic::low(&modulus).bytes(),
            spki: spki.as_ref().to_vec(),
            private: Private::Rsa(OaepPrivateDecryptingKey::new(key).unwrap()),
            usage: KEY_ENCIPHERMENT,
        }
    }

    /// Template L-2.
    pub(crate) fn p256() -> Self {
        // Any number below the order of the curve will do; this one differs in every test.
        let scalar = Sha256::of(super::key().public().point());
        let private = p256::SecretKey::from_slice(scalar.as_bytes()).unwrap();
        let point =
            p256::elliptic_curve::sec1::ToSec1Point::to_sec1_point(&private.public_key(), false);
        let key = wardkey_schemas::key::PublicKey::from_point(point.as_bytes()).unwrap();
        Self {
            public: low_ecc(&key).bytes(),
            spki: p256_spki(key.point()),
            private: Private::P256(private),
            usage: KEY_AGREEMENT,
        }
    }
}

/// The public area of an elliptic-curve endorsement key of template L-2.
pub(crate) fn low_ecc(key: &wardkey_schemas::key::PublicKey) -> EccPublic {
    EccPublic {
        attributes: 0x0003_00b2,
        policy: hex::decode(POLICY_A).unwrap(),
        symmetric: AES_128_CFB.to_vec(),
        scheme: NULL.to_vec(),
        ..EccPublic::ak(key)
    }
}

/// `TPMT_PUBLIC` of an RSA key, field by field.
#[derive(Clone)]
pub(crate) struct RsaPublic {
    pub(crate) name_alg: u16,
    pub(crate) attributes: u32,
    pub(crate) policy: Vec<u8>,
    pub(crate) symmetric: Vec<u8>,
    pub(crate) scheme: Vec<u8>,
    pub(crate) bits: u16,
    pub(crate) exponent: u32,
    pub(crate) modulus: Vec<u8>,
}

impl RsaPublic {
    /// Template L-1.
    pub(crate) fn low(modulus: &[u8]) -> Self {
        Self {
            name_alg: 0x000b,
            attributes: 0x0003_00b2,
            policy: hex::decode(POLICY_A).unwrap(),
            symmetric: AES_128_CFB.to_vec(),
            scheme: NULL.to_vec(),
            bits: 2048,
            exponent: 0,
            modulus: modulus.to_vec(),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        [
            vec![0x00, 0x01],
            self.name_alg.to_be_bytes().to_vec(),
            self.attributes.to_be_bytes().to_vec(),
            sized(&self.policy),
            self.symmetric.clone(),
            self.scheme.clone(),
            self.bits.to_be_bytes().to_vec(),
            self.exponent.to_be_bytes().to_vec(),
            sized(&self.modulus),
        ]
        .concat()
    }
}

/// An RSA key in a certificate, by its modulus.
pub(crate) fn rsa_key(algorithm: &str, modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = der::sequence(&[&integer(modulus), &integer(exponent)]);
    rsa_spki(algorithm, &key)
}

/// Alternative names with maker, model and version.
pub(crate) fn tpm_names(manufacturer: &str) -> Extension {
    alternative_names(&name(&[
        (MANUFACTURER, manufacturer),
        (MODEL, "SLB9672"),
        (VERSION, "id:000F0016"),
    ]))
}

/// Alternative names with this directory name.
pub(crate) fn alternative_names(directory_name: &[u8]) -> Extension {
    let general = der::element(der::context_constructed(4), directory_name);
    (ALTERNATIVE_NAMES, true, der::sequence(&[&general]))
}

/// A maker: a root, an intermediate, and a TPM below it.
pub(crate) struct Maker {
    root_key: Signer,
    root: Vec<u8>,
    intermediate_key: Signer,
    intermediate: Vec<u8>,
    pub(crate) manufacturer: &'static str,
}

impl Maker {
    /// A maker of hardware.
    pub(crate) fn new() -> Self {
        let (root_key, intermediate_key) = (Signer::p256(), Signer::p256());
        // ECDSA signs differently each time, and both are known by their hash.
        let root = Spec::authority("TPM root", "TPM root", &root_key).signed(&root_key);
        let intermediate = intermediate_spec(&intermediate_key).signed(&root_key);
        Self {
            root_key,
            root,
            intermediate_key,
            intermediate,
            manufacturer: "id:49465800",
        }
    }

    /// Whoever makes software TPMs.
    pub(crate) fn of_software() -> Self {
        Self {
            manufacturer: "id:00001014",
            ..Self::new()
        }
    }

    pub(crate) fn root(&self) -> Vec<u8> {
        self.root.clone()
    }

    pub(crate) fn intermediate_spec(&self) -> Spec {
        intermediate_spec(&self.intermediate_key)
    }

    pub(crate) fn sign_intermediate(&self, spec: &Spec) -> Vec<u8> {
        spec.signed(&self.root_key)
    }

    pub(crate) fn intermediate(&self) -> Vec<u8> {
        self.intermediate.clone()
    }

    /// The certificate of `ek`, before it is signed.
    pub(crate) fn certificate_spec(&self, ek: &Ek) -> Spec {
        Spec {
            issuer: common_name("TPM intermediate"),
            subject: name(&[]),
            not_before: "20240301000000Z",
            not_after: "99991231235959Z",
            spki: ek.spki.clone(),
            extensions: vec![
                tpm_names(self.manufacturer),
                end_entity(),
                extended_key_usage(EK_USAGE),
                key_usage(ek.usage),
            ],
        }
    }

    pub(crate) fn sign_certificate(&self, spec: &Spec) -> Vec<u8> {
        spec.signed(&self.intermediate_key)
    }

    /// What the laptop sends of `ek`.
    pub(crate) fn endorsement_key(&self, ek: &Ek) -> EndorsementKey {
        EndorsementKey {
            certificate: self.sign_certificate(&self.certificate_spec(ek)).into(),
            chain: vec![self.intermediate().into()],
            public: ek.public.clone().into(),
        }
    }

    /// What its TPMs say of themselves.
    pub(crate) fn properties(&self) -> TpmProperties {
        let manufacturer = match self.manufacturer {
            "id:00001014" => 0x4942_4d00,
            _ => 0x4946_5800,
        };
        TpmProperties {
            manufacturer,
            vendor: "SLB9672".to_owned(),
            firmware_version: 0x000f_0016,
            level: 0,
            revision: 159,
        }
    }

    pub(crate) fn pin(&self) -> EkAnchor {
        EkAnchor {
            sha256: Sha256::of(&self.root()),
            manufacturers: vec![self.manufacturer.to_owned()],
        }
    }

    /// Anchors that believe in this maker alone.
    pub(crate) fn anchors(&self) -> EkAnchors {
        EkAnchors::new(&[self.pin()], &[self.root()]).unwrap()
    }
}

fn intermediate_spec(key: &Signer) -> Spec {
    Spec::authority("TPM intermediate", "TPM root", key).with(authority(Some(0)))
}
