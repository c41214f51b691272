//! `TPMT_PUBLIC`: the public half of a TPM key, with what the TPM will let it do (Part 2 §12.2.4).

use std::fmt;

use wardkey_schemas::Refusal;
use wardkey_schemas::key::PublicKey;

use super::name::Name;
use super::wire::Wire;
use super::{CURVE_P256, alg};

/// Attributes of an object (`TPMA_OBJECT`, Part 2 §8.3).
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct ObjectAttributes(u32);

impl ObjectAttributes {
    /// *noDA*: the key is not subject to the lockout after wrong authorisations. It says nothing
    /// about what the key may do, so either value is accepted.
    const NO_DA: u32 = 1 << 10;

    /// The bits.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether these are exactly `wanted`, leaving *noDA* aside.
    pub const fn are(self, wanted: u32) -> bool {
        self.0 & !Self::NO_DA == wanted
    }
}

impl fmt::Display for ObjectAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl fmt::Debug for ObjectAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectAttributes({self})")
    }
}

/// A symmetric algorithm (`TPMT_SYM_DEF_OBJECT`, Part 2 §11.1.7).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Symmetric {
    /// None: the key is no parent.
    Null,
    /// A block cipher.
    Cipher {
        /// `TPM_ALG_ID`.
        algorithm: u16,
        /// Bits of the key.
        bits: u16,
        /// `TPM_ALG_ID` of the mode.
        mode: u16,
    },
}

/// A signing, encryption or key-derivation scheme (`TPMT_*_SCHEME`, Part 2 §11.2 and §11.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// None is fixed.
    Null,
    /// One is fixed.
    Fixed {
        /// `TPM_ALG_ID`.
        algorithm: u16,
        /// `TPM_ALG_ID` of its hash, or of nothing where the scheme has none.
        hash: u16,
    },
}

/// An RSA key (`TPMS_RSA_PARMS`, Part 2 §12.2.3.5).
#[derive(Clone, Copy, Debug)]
pub struct RsaArea<'a> {
    /// The cipher with which it protects its children.
    pub symmetric: Symmetric,
    /// Its scheme.
    pub scheme: Scheme,
    /// Bits of the modulus.
    pub bits: u16,
    /// Public exponent; 0 stands for 65537.
    pub exponent: u32,
    /// Modulus, big-endian.
    pub modulus: &'a [u8],
}

/// An elliptic-curve key (`TPMS_ECC_PARMS`, Part 2 §12.2.3.6).
#[derive(Clone, Copy, Debug)]
pub struct EccArea<'a> {
    /// The cipher with which it protects its children.
    pub symmetric: Symmetric,
    /// Its scheme.
    pub scheme: Scheme,
    /// `TPM_ECC_CURVE`.
    pub curve: u16,
    /// Its key-derivation scheme.
    pub kdf: Scheme,
    /// First coordinate, big-endian, perhaps without leading zeros.
    pub x: &'a [u8],
    /// Second coordinate, big-endian, perhaps without leading zeros.
    pub y: &'a [u8],
}

impl EccArea<'_> {
    /// The key as a point of P-256; `None` if it is on another curve or on none.
    pub fn p256(&self) -> Option<PublicKey> {
        if self.curve != CURVE_P256 {
            return None;
        }
        PublicKey::from_coordinates(&padded(self.x)?, &padded(self.y)?).ok()
    }
}

/// `bytes` with leading zeros up to 32; `None` if there are more than 32.
fn padded(bytes: &[u8]) -> Option<[u8; 32]> {
    let mut padded = [0; 32];
    let zeros = padded.len().checked_sub(bytes.len())?;
    padded
        .iter_mut()
        .skip(zeros)
        .zip(bytes)
        .for_each(|(to, from)| *to = *from);
    Some(padded)
}

/// What kind of key it is.
#[derive(Clone, Copy, Debug)]
pub enum KeyArea<'a> {
    /// RSA.
    Rsa(RsaArea<'a>),
    /// Elliptic curve.
    Ecc(EccArea<'a>),
}

/// A parsed `TPMT_PUBLIC`.
#[derive(Clone, Copy, Debug)]
pub struct PublicArea<'a> {
    bytes: &'a [u8],
    name_alg: u16,
    attributes: ObjectAttributes,
    auth_policy: &'a [u8],
    key: KeyArea<'a>,
}

impl<'a> PublicArea<'a> {
    /// Parses a `TPMT_PUBLIC` of an RSA or elliptic-curve key.
    ///
    /// # Errors
    ///
    /// `TPM_STRUCTURE` for anything else, and if a byte is missing or left over.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let mut wire = Wire::whole(bytes, "TPMT_PUBLIC")?;
        let kind = wire.u16()?;
        let name_alg = wire.u16()?;
        let attributes = ObjectAttributes(wire.u32()?);
        let auth_policy = wire.sized()?;
        let key = match kind {
            alg::RSA => KeyArea::Rsa(parse_rsa(&mut wire)?),
            alg::ECC => KeyArea::Ecc(parse_ecc(&mut wire)?),
            other => {
                return Err(wire.refuse(
                    format_args!("type {other:#06x}"),
                    "type 0x0001 (RSA) or 0x0023 (ECC)",
                ));
            }
        };
        wire.finish()?;
        Ok(Self {
            bytes,
            name_alg,
            attributes,
            auth_policy,
            key,
        })
    }

    /// The bytes as they arrived.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Its attributes.
    pub const fn attributes(&self) -> ObjectAttributes {
        self.attributes
    }

    /// Its authorisation policy: a digest, or nothing.
    pub const fn auth_policy(&self) -> &'a [u8] {
        self.auth_policy
    }

    /// The key itself.
    pub const fn key(&self) -> &KeyArea<'a> {
        &self.key
    }

    /// The hash algorithm of its name, `TPM_ALG_ID`.
    pub const fn name_alg(&self) -> u16 {
        self.name_alg
    }

    /// Its Name; `None` unless `nameAlg` is SHA-256.
    pub fn name(&self) -> Option<Name> {
        (self.name_alg == alg::SHA256).then(|| Name::of_public(self.bytes))
    }
}

fn parse_rsa<'a>(wire: &mut Wire<'a>) -> Result<RsaArea<'a>, Refusal> {
    Ok(RsaArea {
        symmetric: parse_symmetric(wire)?,
        scheme: parse_scheme(wire)?,
        bits: wire.u16()?,
        exponent: wire.u32()?,
        modulus: wire.sized()?,
    })
}

fn parse_ecc<'a>(wire: &mut Wire<'a>) -> Result<EccArea<'a>, Refusal> {
    Ok(EccArea {
        symmetric: parse_symmetric(wire)?,
        scheme: parse_scheme(wire)?,
        curve: wire.u16()?,
        kdf: parse_scheme(wire)?,
        x: wire.sized()?,
        y: wire.sized()?,
    })
}

fn parse_symmetric(wire: &mut Wire<'_>) -> Result<Symmetric, Refusal> {
    match wire.u16()? {
        alg::NULL => Ok(Symmetric::Null),
        algorithm => Ok(Symmetric::Cipher {
            algorithm,
            bits: wire.u16()?,
            mode: wire.u16()?,
        }),
    }
}

fn parse_scheme(wire: &mut Wire<'_>) -> Result<Scheme, Refusal> {
    match wire.u16()? {
        alg::NULL => Ok(Scheme::Null),
        // RSAES has no hash (Part 2 §11.2.2.2).
        alg::RSAES => Ok(Scheme::Fixed {
            algorithm: alg::RSAES,
            hash: alg::NULL,
        }),
        // ECDAA has a counter after its hash (Part 2 §11.2.1.3); no key of ours uses it.
        alg::ECDAA => Err(wire.refuse("scheme ECDAA", "another scheme")),
        algorithm => Ok(Scheme::Fixed {
            algorithm,
            hash: wire.u16()?,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coordinate_without_its_leading_zeros_is_padded() {
        assert_eq!(padded(&[1, 2]).unwrap()[29..], [0, 1, 2]);
        assert_eq!(padded(&[7; 32]), Some([7; 32]));
        assert_eq!(padded(&[7; 33]), None);
    }

    #[test]
    fn only_no_da_may_differ() {
        assert!(ObjectAttributes(0x0005_0472).are(0x0005_0072));
        assert!(ObjectAttributes(0x0005_0072).are(0x0005_0072));
        assert!(!ObjectAttributes(0x0005_0073).are(0x0005_0072));
    }
}
