//! `TPM2_MakeCredential`, done in software: a secret that one TPM alone can open, and only while it
//! holds the attestation key with the right Name (TPM 2.0 Library, Part 1 §24).
//!
//! The secret is protected with the endorsement key; the Name goes into the keys that protect it. So
//! whoever gives the secret back has both keys in one TPM.
//!
//! # Invariants
//!
//! - The randomness is an argument; this crate has none ([`Randomness`]).
//! - Only a [`VerifiedEk`] is ever encrypted to.
//!
//! # Where to start
//!
//! [`make_credential`].

mod kdf;
mod oaep;

use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use p256::elliptic_curve::ops::ReduceNonZero as _;
use p256::elliptic_curve::sec1::{FromSec1Point as _, ToSec1Point as _};
use wardkey_schemas::evidence::Credential;
use wardkey_schemas::key::PublicKey;

use self::kdf::{kdfa, kdfe};
use crate::ek::{EkKey, VerifiedEk};
use crate::tpm::Name;

/// What the derivation of a credential's seed is called, with its terminating zero (Part 1 §24.4).
const IDENTITY: &[u8] = b"IDENTITY\0";

/// 64 random bytes for one credential, from a cryptographic generator; never to be used twice.
///
/// For an RSA key the first half is the seed and the second the randomness of the OAEP padding; for
/// an elliptic-curve key the first half is the ephemeral private key.
pub struct Randomness([u8; 64]);

impl Randomness {
    /// Wraps the bytes.
    pub const fn new(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    fn halves(&self) -> ([u8; 32], [u8; 32]) {
        let (mut one, mut two) = ([0; 32], [0; 32]);
        let both = one.iter_mut().chain(&mut two);
        both.zip(self.0).for_each(|(to, from)| *to = from);
        (one, two)
    }
}

impl std::fmt::Debug for Randomness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Randomness(..)")
    }
}

/// Why no credential could be made. None of these is anything the laptop did.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The cryptographic library did not encrypt.
    #[error("the cryptographic library did not encrypt")]
    Library,
    /// The endorsement key cannot be computed with, though it was verified.
    #[error("the endorsement key cannot be computed with")]
    Key,
}

/// Protects `secret` so that only the TPM with `ek` opens it, and only for the key called `ak`.
///
/// # Errors
///
/// [`CredentialError`], if the cryptographic library fails.
pub fn make_credential(
    ek: &VerifiedEk,
    ak: &Name,
    secret: &[u8; 32],
    randomness: &Randomness,
) -> Result<Credential, CredentialError> {
    let (seed, encrypted_secret) = match ek.key() {
        EkKey::Rsa2048(modulus) => {
            let (seed, padding) = randomness.halves();
            let encrypted = oaep::encrypt(modulus, &seed, IDENTITY, &padding);
            (seed, encrypted.ok_or(CredentialError::Key)?.to_vec())
        }
        EkKey::P256(key) => share_seed(key, randomness).ok_or(CredentialError::Key)?,
    };
    Ok(Credential {
        id_object: sized(&protect(&seed, ak, secret)?).into(),
        encrypted_secret: sized(&encrypted_secret).into(),
    })
}

/// Agrees on a seed with the TPM: an ephemeral key, ECDH and `KDFe` (Part 1 §C.6.4).
///
/// Returns the seed and the ephemeral public key as `TPMS_ECC_POINT`.
fn share_seed(ek: &PublicKey, randomness: &Randomness) -> Option<([u8; 32], Vec<u8>)> {
    let (scalar, _) = randomness.halves();
    // Reduced modulo n − 1, plus one: never zero, and as good as uniform, since n is within 2^-32 of
    // 2^256.
    let scalar = p256::U256::from_be_slice(&scalar);
    let scalar = p256::NonZeroScalar::reduce_nonzero(&scalar);
    let ephemeral = p256::PublicKey::from_secret_scalar(&scalar).to_sec1_point(false);
    let ephemeral = PublicKey::from_point(ephemeral.as_bytes()).ok()?;
    let point = p256::Sec1Point::from_bytes(ek.point()).ok()?;
    let theirs = p256::PublicKey::from_sec1_point(&point).into_option()?;
    let shared = p256::ecdh::diffie_hellman(scalar, theirs.as_affine());

    let (x, y) = ephemeral.coordinates();
    let (ek_x, _) = ek.coordinates();
    let seed = kdfe(shared.raw_secret_bytes(), IDENTITY, x, ek_x);
    let mut encrypted = sized(x);
    encrypted.extend(sized(y));
    Some((seed, encrypted))
}

/// Encrypts and authenticates `secret` under keys that `seed` and `ak` give: `TPMS_ID_OBJECT`.
fn protect(seed: &[u8; 32], ak: &Name, secret: &[u8; 32]) -> Result<Vec<u8>, CredentialError> {
    let [
        symmetric @ ..,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
    ] = kdfa(seed, b"STORAGE\0", ak.as_bytes(), 128);
    let mut identity = sized(secret);
    encrypt_cfb(&symmetric, &mut identity)?;

    let integrity = kdfa(seed, b"INTEGRITY\0", &[], 256);
    let mut outer = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &integrity));
    outer.update(&identity);
    outer.update(ak.as_bytes());

    let mut object = sized(outer.sign().as_ref());
    object.extend(identity);
    Ok(object)
}

/// AES-128 in CFB mode with a zero initialisation vector: the key is used for this one message.
fn encrypt_cfb(key: &[u8; 16], in_out: &mut [u8]) -> Result<(), CredentialError> {
    let library = |_| CredentialError::Library;
    let key = UnboundCipherKey::new(&AES_128, key).map_err(library)?;
    let key = EncryptingKey::cfb128(key).map_err(library)?;
    let zero = EncryptionContext::Iv128(FixedLength::from([0; 16]));
    key.less_safe_encrypt(in_out, zero).map_err(library)?;
    Ok(())
}

/// A `TPM2B_*`: two bytes of length, then the bytes. All of ours are under 300 bytes.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    let mut sized = length.to_be_bytes().to_vec();
    sized.extend_from_slice(bytes);
    sized
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of a credential that a TPM simulator opened.
    #[test]
    fn the_known_credential_comes_out() {
        let name = "000b1727b1c58ade01a48454644d7d3794c5716e34702c7a54f4af427bc636490665";
        let name = Name::try_from(hex::decode(name).unwrap().as_slice()).unwrap();
        let mut secret = [0_u8; 32];
        (0x20..)
            .zip(&mut secret)
            .for_each(|(value, byte)| *byte = value);
        let object = sized(&protect(&[0x11; 32], &name, &secret).unwrap());
        assert_eq!(
            hex::encode(object),
            "0044\
             00202c6d9c6bfc7b0150d952ef4ea4481936e5766f59c51f9045f5fa95525056b48d\
             08cd4fd21065d7d70a5161330a73959cfe3d620cfa609a079efe481713b4dfedc68f"
        );
    }

    #[test]
    fn a_name_changes_everything() {
        let one = Name::try_from([0; 34].as_slice()).unwrap();
        let two = Name::try_from([1; 34].as_slice()).unwrap();
        let of = |name| protect(&[7; 32], name, &[9; 32]).unwrap();
        assert_ne!(of(&one), of(&two));
    }

    #[test]
    fn randomness_is_never_printed() {
        let shown = format!("{:?}", Randomness::new([0xab; 64]));
        assert_eq!(shown, "Randomness(..)");
    }
}
