//! P-256 public keys, their names, and keys held in memory.
//!
//! A key's name is its JWK thumbprint (RFC 7638), SHA-256, base64url: it appears as `kid`, as
//! `cnf.jkt`, in charters, orders and the record.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    ParsedPublicKey, UnparsedPublicKey,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::bytes::{self, Signature};

bytes::fixed_bytes!(
    /// The name of a key: SHA-256 of its canonical JWK (RFC 7638).
    Thumbprint, 32, "43", "RFC 7638 thumbprint (SHA-256) of a P-256 key as base64url"
);

/// Why bytes or a JWK are not a P-256 public key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not the 65 bytes of an uncompressed point.
    #[error("not an uncompressed P-256 point of 65 bytes")]
    Length,
    /// 65 bytes, but no point of the curve.
    #[error("not a point on P-256")]
    NotOnCurve,
    /// A JWK of another kind.
    #[error("not a JWK with kty EC and crv P-256")]
    NotP256,
    /// A coordinate that is not 32 bytes of base64url.
    #[error("a coordinate is not 32 bytes of base64url")]
    Coordinate,
    /// Not a PKCS#8 P-256 private key.
    #[error("not a PKCS#8 P-256 private key")]
    Private,
}

/// A P-256 public key: a point that was checked to lie on the curve.
///
/// On the wire it is a JWK (RFC 7517) with exactly `kty`, `crv`, `x`, `y`.
#[derive(Clone, Copy, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(try_from = "Jwk", into = "Jwk")]
pub struct PublicKey {
    /// SEC 1 uncompressed: 04, x, y.
    point: [u8; 65],
}

#[derive(Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
struct Jwk {
    crv: String,
    kty: String,
    x: String,
    y: String,
}

impl PublicKey {
    /// Parses an uncompressed point (SEC 1 §2.3.3): 65 bytes, the first is 04.
    ///
    /// # Errors
    ///
    /// [`KeyError::Length`] or [`KeyError::NotOnCurve`].
    pub fn from_point(point: &[u8]) -> Result<Self, KeyError> {
        let point: [u8; 65] = point.try_into().map_err(|_| KeyError::Length)?;
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(|_| KeyError::NotOnCurve)?;
        Ok(Self { point })
    }

    /// Parses the two coordinates, 32 bytes each, as TPMs give them.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotOnCurve`].
    pub fn from_coordinates(x: &[u8; 32], y: &[u8; 32]) -> Result<Self, KeyError> {
        let mut point = Vec::with_capacity(65);
        point.push(4);
        point.extend_from_slice(x);
        point.extend_from_slice(y);
        Self::from_point(&point)
    }

    /// The uncompressed point, 65 bytes.
    pub const fn point(&self) -> &[u8; 65] {
        &self.point
    }

    /// The coordinates x and y, 32 bytes each.
    pub fn coordinates(&self) -> (&[u8], &[u8]) {
        let (_, both) = self.point.split_at(1);
        both.split_at(32)
    }

    /// The RFC 7638 thumbprint.
    pub fn thumbprint(&self) -> Thumbprint {
        // RFC 7638 §3: required members only, in lexicographic order, without white space.
        let (x, y) = self.coordinates();
        let mut canonical = String::with_capacity(128);
        canonical.push_str(r#"{"crv":"P-256","kty":"EC","x":""#);
        bytes::encode_onto(&mut canonical, x);
        canonical.push_str(r#"","y":""#);
        bytes::encode_onto(&mut canonical, y);
        canonical.push_str(r#""}"#);
        Thumbprint::new(*bytes::Sha256::of(canonical.as_bytes()).as_bytes())
    }

    /// Whether `signature` (ES256, r and s) over `message` was made with this key.
    pub fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.point)
            .verify(message, signature.as_bytes())
            .is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.thumbprint())
    }
}

impl TryFrom<Jwk> for PublicKey {
    type Error = KeyError;

    fn try_from(jwk: Jwk) -> Result<Self, Self::Error> {
        if jwk.kty != "EC" || jwk.crv != "P-256" {
            return Err(KeyError::NotP256);
        }
        let coordinate = |text: &str| {
            bytes::decode(text)
                .ok()
                .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
                .ok_or(KeyError::Coordinate)
        };
        Self::from_coordinates(&coordinate(&jwk.x)?, &coordinate(&jwk.y)?)
    }
}

impl From<PublicKey> for Jwk {
    fn from(key: PublicKey) -> Self {
        let (x, y) = key.coordinates();
        Self {
            crv: "P-256".to_owned(),
            kty: "EC".to_owned(),
            x: bytes::encode(x),
            y: bytes::encode(y),
        }
    }
}

impl JsonSchema for PublicKey {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PublicKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "a P-256 public key as JWK (RFC 7517)",
            "additionalProperties": false,
            "required": ["crv", "kty", "x", "y"],
            "properties": {
                "crv": { "const": "P-256" },
                "kty": { "const": "EC" },
                "x": { "type": "string", "pattern": "^[A-Za-z0-9_-]{43}$" },
                "y": { "type": "string", "pattern": "^[A-Za-z0-9_-]{43}$" },
            },
        })
    }
}

/// A P-256 private key held in this process's memory, with its public half.
///
/// For the services' own function keys and for tests. Laptops and people sign in hardware.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
    random: SystemRandom,
}

impl SigningKey {
    /// Makes a new key and its PKCS#8 encoding (RFC 5958).
    ///
    /// # Errors
    ///
    /// [`KeyError::Private`] if the operating system has no randomness to give.
    pub fn generate() -> Result<(Self, Zeroizing<Vec<u8>>), KeyError> {
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                .map_err(|_| KeyError::Private)?;
        let pkcs8 = Zeroizing::new(document.as_ref().to_vec());
        Ok((Self::from_pkcs8(&pkcs8)?, pkcs8))
    }

    /// Parses a PKCS#8 private key.
    ///
    /// # Errors
    ///
    /// [`KeyError::Private`] for anything else.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
            .map_err(|_| KeyError::Private)?;
        let public = PublicKey::from_point(pair.public_key().as_ref())?;
        Ok(Self {
            pair,
            public,
            random: SystemRandom::new(),
        })
    }

    /// The public half.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `message` (SHA-256 inside), r and s.
    ///
    /// # Errors
    ///
    /// [`KeyError::Private`] if the operating system has no randomness to give.
    pub fn sign(&self, message: &[u8]) -> Result<Signature, KeyError> {
        let signature = self
            .pair
            .sign(&self.random, message)
            .map_err(|_| KeyError::Private)?;
        Signature::try_from(signature.as_ref()).map_err(|_| KeyError::Private)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.thumbprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_jwk() {
        let (key, pkcs8) = SigningKey::generate().unwrap();
        let text = serde_json::to_string(key.public()).unwrap();
        assert_eq!(
            serde_json::from_str::<PublicKey>(&text).unwrap(),
            *key.public()
        );
        let again = SigningKey::from_pkcs8(&pkcs8).unwrap();
        assert_eq!(again.public(), key.public());
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_7638_for_the_key_of_rfc_7515() {
        // The P-256 key of RFC 7515 appendix A.3; the thumbprint was computed with Python's
        // hashlib over the canonical JWK.
        let jwk = r#"{"kty":"EC","crv":"P-256",
            "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
        let key: PublicKey = serde_json::from_str(jwk).unwrap();
        assert_eq!(
            key.thumbprint().to_string(),
            "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"
        );
    }

    #[test]
    fn a_point_off_the_curve_is_refused() {
        let (key, _) = SigningKey::generate().unwrap();
        let mut point = *key.public().point();
        point[64] ^= 1;
        assert_eq!(PublicKey::from_point(&point), Err(KeyError::NotOnCurve));
        assert_eq!(PublicKey::from_point(&point[..64]), Err(KeyError::Length));
        assert_eq!(PublicKey::from_point(&[0; 65]), Err(KeyError::NotOnCurve));
    }

    #[test]
    fn a_jwk_with_a_private_half_is_refused() {
        let jwk = r#"{"kty":"EC","crv":"P-256","d":"AA",
            "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
        assert!(serde_json::from_str::<PublicKey>(jwk).is_err());
    }

    #[test]
    fn a_signature_verifies_under_its_own_key_only() {
        let (key, _) = SigningKey::generate().unwrap();
        let (other, _) = SigningKey::generate().unwrap();
        let signature = key.sign(b"message").unwrap();
        assert!(key.public().verifies(b"message", &signature));
        assert!(!key.public().verifies(b"massage", &signature));
        assert!(!other.public().verifies(b"message", &signature));
    }
}
