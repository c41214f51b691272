//! Endorsement keys, and the opening of credentials that were made for them (TPM 2.0 Library,
//! Part 1 §24).

use aws_lc_rs::cipher::{AES_128, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey,
};
use p256::elliptic_curve::sec1::ToSec1Point as _;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::Credential;
use wardkey_schemas::key::PublicKey;

use super::structures::{AES_128_CFB, EccPublic, NULL, sized, take_sized};
use crate::seed::Seed;
use crate::x509;

/// The policy of the endorsement key templates L-1 and L-2 (TCG EK Credential Profile §B.3).
const POLICY_A: &str = "837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa";

/// Which kind of endorsement key a TPM has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EkKind {
    /// RSA 2048, template L-1. Slow to make, and not from the seed: no library makes RSA keys from
    /// given bytes.
    Rsa,
    /// P-256, template L-2.
    P256,
}

enum Private {
    Rsa(OaepPrivateDecryptingKey),
    P256(p256::SecretKey),
}

/// An endorsement key in a TPM.
pub struct EndorsementPair {
    private: Private,
    /// `TPMT_PUBLIC`.
    pub public: Vec<u8>,
    /// `SubjectPublicKeyInfo`, for its certificate.
    pub spki: Vec<u8>,
    /// The key usage in its certificate.
    pub usage: u8,
}

impl std::fmt::Debug for EndorsementPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EndorsementPair({})", Sha256::of(&self.public))
    }
}

impl EndorsementPair {
    /// A key of this kind.
    pub fn new(kind: EkKind, seed: &Seed) -> Self {
        match kind {
            EkKind::Rsa => Self::rsa(),
            EkKind::P256 => Self::p256(seed),
        }
    }

    fn rsa() -> Self {
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let spki: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
        // The exponent 65537 stands at the end, right after the modulus.
        let modulus = spki.as_ref().strip_suffix(&[2, 3, 1, 0, 1]).unwrap();
        let modulus: [u8; 256] = *modulus.last_chunk().unwrap();
        let public = [
            vec![0x00, 0x01, 0x00, 0x0b],
            0x0003_00b2_u32.to_be_bytes().to_vec(),
            sized(&hex::decode(POLICY_A).unwrap()),
            AES_128_CFB.to_vec(),
            NULL.to_vec(),
            2048_u16.to_be_bytes().to_vec(),
            0_u32.to_be_bytes().to_vec(),
            sized(&modulus),
        ]
        .concat();
        Self {
            public,
            spki: spki.as_ref().to_vec(),
            private: Private::Rsa(OaepPrivateDecryptingKey::new(key).unwrap()),
            usage: x509::KEY_ENCIPHERMENT,
        }
    }

    fn p256(seed: &Seed) -> Self {
        let private = seed.scalar("endorsement key");
        let point = private.public_key().to_sec1_point(false);
        let key = PublicKey::from_point(point.as_bytes()).unwrap();
        let public = EccPublic {
            attributes: 0x0003_00b2,
            policy: hex::decode(POLICY_A).unwrap(),
            symmetric: AES_128_CFB.to_vec(),
            scheme: NULL.to_vec(),
            ..EccPublic::ak(&key)
        };
        Self {
            public: public.bytes(),
            spki: x509::p256_spki(key.point()),
            private: Private::P256(private),
            usage: x509::KEY_AGREEMENT,
        }
    }

    /// What `TPM2_ActivateCredential` gives for an attestation key called `name`; `None` where the
    /// TPM would answer with an error.
    pub fn activate(&self, name: &[u8], credential: &Credential) -> Option<[u8; 32]> {
        let (encrypted, _) = take_sized(credential.encrypted_secret.as_slice());
        let seed = self.recover_seed(encrypted)?;
        let (object, _) = take_sized(credential.id_object.as_slice());
        let (integrity, identity) = take_sized(object);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &kdfa(&seed, b"INTEGRITY", b"", 256));
        hmac::verify(&key, &[identity, name].concat(), integrity).ok()?;
        let symmetric = kdfa(&seed, b"STORAGE", name, 128);
        let key = UnboundCipherKey::new(&AES_128, &symmetric[..16]).ok()?;
        let mut identity = identity.to_vec();
        let zero = DecryptionContext::Iv128(FixedLength::from([0; 16]));
        let opened = DecryptingKey::cfb128(key)
            .ok()?
            .decrypt(&mut identity, zero)
            .ok()?;
        take_sized(opened).0.try_into().ok()
    }

    fn recover_seed(&self, encrypted: &[u8]) -> Option<Vec<u8>> {
        match &self.private {
            Private::Rsa(key) => {
                let mut buffer = vec![0; 256];
                let label = Some(&b"IDENTITY\0"[..]);
                let seed = key.decrypt(&OAEP_SHA256_MGF1SHA256, encrypted, &mut buffer, label);
                Some(seed.ok()?.to_vec())
            }
            Private::P256(key) => {
                let (x, rest) = take_sized(encrypted);
                let (y, _) = take_sized(rest);
                let point = [&[4], x, y].concat();
                let theirs = p256::PublicKey::from_sec1_bytes(&point).ok()?;
                let shared =
                    p256::ecdh::diffie_hellman(key.to_nonzero_scalar(), theirs.as_affine());
                let own = key.public_key().to_sec1_point(false);
                let input = [
                    &1_u32.to_be_bytes(),
                    &shared.raw_secret_bytes()[..],
                    b"IDENTITY\0",
                    x,
                    &own.as_bytes()[1..33],
                ]
                .concat();
                Some(Sha256::of(&input).as_bytes().to_vec())
            }
        }
    }
}

/// `KDFa` with HMAC-SHA256, one block.
fn kdfa(key: &[u8], label: &[u8], context: &[u8], bits: u32) -> Vec<u8> {
    let one = 1_u32.to_be_bytes();
    let input = [&one, label, &[0], context, &bits.to_be_bytes()].concat();
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, &input).as_ref().to_vec()
}
