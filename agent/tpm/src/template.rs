//! What our keys look like: templates for `TPM2_CreatePrimary`.
//!
//! A primary key is derived from the hierarchy's seed and its template alone: the same template
//! makes the same key again, so nothing about our keys is stored.

use tpm2_protocol::{
    TpmMarshal, TpmSized, TpmWriter,
    data::{
        Tpm2bDigest, Tpm2bEccParameter, Tpm2bPublicKeyRsa, TpmAlgId, TpmEccCurve, TpmaObject,
        TpmsEccParms, TpmsEccPoint, TpmsKeyedhashParms, TpmsRsaParms, TpmsSchemeHash,
        TpmtEccScheme, TpmtKdfScheme, TpmtKeyedhashScheme, TpmtPublic, TpmtRsaScheme,
        TpmtSymDefObject, TpmuAsymScheme, TpmuKdfScheme, TpmuKeyedhashScheme, TpmuPublicId,
        TpmuPublicParms, TpmuSymKeyBits, TpmuSymMode,
    },
};

use crate::{MalformedAnswer, fields::Fields};

/// Size of a P-256 coordinate and of a salt, in bytes.
const COORDINATE: usize = 32;

/// Size of the modulus of template L-1, in bytes.
const MODULUS: usize = 256;

/// Size of a SHA-256 digest, in bytes: what tells a secret key from others.
const DIGEST: usize = 32;

/// `PolicyA` with SHA-256: `PolicySecret(TPM_RH_ENDORSEMENT)` (TCG EK Credential Profile 2.5,
/// B.6).
const POLICY_A: [u8; 32] = [
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
    0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
];

/// Which endorsement key is meant: the two that makers certify most (TCG EK Credential Profile
/// 2.5, B.3: low range).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum EkTemplate {
    /// L-1: RSA-2048.
    Rsa2048,
    /// L-2: ECC on P-256.
    EccP256,
}

impl EkTemplate {
    pub(crate) fn public(self) -> Result<TpmtPublic, tpm2_protocol::TpmError> {
        let aes_128_cfb = TpmtSymDefObject {
            algorithm: TpmAlgId::Aes,
            key_bits: TpmuSymKeyBits::Aes(128.into()),
            mode: TpmuSymMode::Aes(TpmAlgId::Cfb),
        };
        let (object_type, parameters, unique) = match self {
            Self::Rsa2048 => (
                TpmAlgId::Rsa,
                TpmuPublicParms::Rsa(TpmsRsaParms {
                    symmetric: aes_128_cfb,
                    scheme: TpmtRsaScheme::default(),
                    key_bits: 2048.into(),
                    exponent: 0.into(),
                }),
                TpmuPublicId::Rsa(Tpm2bPublicKeyRsa::try_from([0; MODULUS].as_slice())?),
            ),
            Self::EccP256 => (
                TpmAlgId::Ecc,
                ecc_p256(aes_128_cfb, TpmtEccScheme::default()),
                unique_point(&[0; COORDINATE])?,
            ),
        };
        Ok(TpmtPublic {
            object_type,
            name_alg: TpmAlgId::Sha256,
            object_attributes: TpmaObject::FIXED_TPM
                | TpmaObject::FIXED_PARENT
                | TpmaObject::SENSITIVE_DATA_ORIGIN
                | TpmaObject::ADMIN_WITH_POLICY
                | TpmaObject::RESTRICTED
                | TpmaObject::DECRYPT,
            auth_policy: Tpm2bDigest::try_from(POLICY_A.as_slice())?,
            parameters,
            unique,
        })
    }
}

/// Tells keys of one kind apart: each salt makes another key. No secret; a key is made again from
/// the same salt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Salt(pub [u8; 32]);

/// A restricted signing key: it signs only what the TPM says itself.
pub(crate) fn attestation_key(salt: Salt) -> Result<TpmtPublic, tpm2_protocol::TpmError> {
    let ecdsa_sha256 = TpmtEccScheme {
        scheme: TpmAlgId::Ecdsa,
        details: TpmuAsymScheme::Hash(TpmsSchemeHash {
            hash_alg: TpmAlgId::Sha256,
        }),
    };
    signing_key(salt, TpmaObject::RESTRICTED, ecdsa_sha256)
}

/// An unrestricted signing key: it signs any digest.
pub(crate) fn device_key(salt: Salt) -> Result<TpmtPublic, tpm2_protocol::TpmError> {
    signing_key(salt, TpmaObject::default(), TpmtEccScheme::default())
}

/// A key for HMAC-SHA256 that never leaves the TPM.
pub(crate) fn mac_key(salt: Salt) -> Result<TpmtPublic, tpm2_protocol::TpmError> {
    Ok(TpmtPublic {
        object_type: TpmAlgId::KeyedHash,
        name_alg: TpmAlgId::Sha256,
        object_attributes: TpmaObject::FIXED_TPM
            | TpmaObject::FIXED_PARENT
            | TpmaObject::SENSITIVE_DATA_ORIGIN
            | TpmaObject::USER_WITH_AUTH
            | TpmaObject::NO_DA
            | TpmaObject::SIGN_ENCRYPT,
        auth_policy: Tpm2bDigest::default(),
        parameters: TpmuPublicParms::KeyedHash(TpmsKeyedhashParms {
            scheme: TpmtKeyedhashScheme {
                scheme: TpmAlgId::Hmac,
                details: TpmuKeyedhashScheme::Hmac(TpmsSchemeHash {
                    hash_alg: TpmAlgId::Sha256,
                }),
            },
        }),
        unique: TpmuPublicId::KeyedHash(Tpm2bDigest::try_from(salt.0.as_slice())?),
    })
}

fn signing_key(
    salt: Salt,
    more: TpmaObject,
    scheme: TpmtEccScheme,
) -> Result<TpmtPublic, tpm2_protocol::TpmError> {
    Ok(TpmtPublic {
        object_type: TpmAlgId::Ecc,
        name_alg: TpmAlgId::Sha256,
        object_attributes: TpmaObject::FIXED_TPM
            | TpmaObject::FIXED_PARENT
            | TpmaObject::SENSITIVE_DATA_ORIGIN
            | TpmaObject::USER_WITH_AUTH
            // A lockout after wrong passwords for something else must not take the laptop away.
            | TpmaObject::NO_DA
            | TpmaObject::SIGN_ENCRYPT
            | more,
        auth_policy: Tpm2bDigest::default(),
        parameters: ecc_p256(
            TpmtSymDefObject {
                algorithm: TpmAlgId::Null,
                key_bits: TpmuSymKeyBits::Null,
                mode: TpmuSymMode::Null,
            },
            scheme,
        ),
        unique: unique_point(&salt.0)?,
    })
}

fn ecc_p256(symmetric: TpmtSymDefObject, scheme: TpmtEccScheme) -> TpmuPublicParms {
    TpmuPublicParms::Ecc(TpmsEccParms {
        symmetric,
        scheme,
        curve_id: TpmEccCurve::NistP256,
        kdf: TpmtKdfScheme {
            scheme: TpmAlgId::Null,
            details: TpmuKdfScheme::Null,
        },
    })
}

fn unique_point(x: &[u8; COORDINATE]) -> Result<TpmuPublicId, tpm2_protocol::TpmError> {
    Ok(TpmuPublicId::Ecc(TpmsEccPoint {
        x: Tpm2bEccParameter::try_from(x.as_slice())?,
        y: Tpm2bEccParameter::try_from([0; COORDINATE].as_slice())?,
    }))
}

/// A P-256 public key: x, then y, 32 bytes each, padded on the left.
pub(crate) type Point = ([u8; COORDINATE], [u8; COORDINATE]);

/// Reads the public area that a TPM made from `template`: the same to the last octet but for the
/// key itself. Returns the point of an ECC key, `None` for any other.
pub(crate) fn parse_public(
    area: &[u8],
    template: &TpmtPublic,
) -> Result<Option<Point>, MalformedAnswer> {
    let mut wanted = vec![0; template.len()];
    template
        .marshal(&mut TpmWriter::new(&mut wanted))
        .map_err(MalformedAnswer::Codec)?;
    wanted.truncate(wanted.len().saturating_sub(template.unique.len()));
    let unique = area
        .strip_prefix(wanted.as_slice())
        .ok_or(MalformedAnswer::NotAsAsked { field: "outPublic" })?;
    let mut fields = Fields::new(unique);
    let point = match template.unique {
        TpmuPublicId::Rsa(_) => {
            fields.sized_array::<MODULUS>("unique.rsa")?;
            None
        }
        TpmuPublicId::KeyedHash(_) => {
            fields.sized_array::<DIGEST>("unique.keyedHash")?;
            None
        }
        TpmuPublicId::Ecc(_) | TpmuPublicId::SymCipher(_) | TpmuPublicId::Null => Some((
            fields.padded_number("unique.ecc.x")?,
            fields.padded_number("unique.ecc.y")?,
        )),
    };
    fields.finish()?;
    Ok(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marshalled(template: &TpmtPublic) -> Vec<u8> {
        let mut bytes = vec![0; template.len()];
        template.marshal(&mut TpmWriter::new(&mut bytes)).unwrap();
        bytes
    }

    #[test]
    fn the_templates_of_makers_are_kept_to_the_octet() {
        let policy = hex::encode(POLICY_A);
        let rsa = format!(
            "0001000b000300b20020{policy}000600800043001008000000 00000100{}",
            "00".repeat(256)
        );
        let ecc = format!(
            "0023000b000300b20020{policy}0006008000430010000300100020{zeros}0020{zeros}",
            zeros = "00".repeat(32)
        );
        let template = EkTemplate::Rsa2048.public().unwrap();
        assert_eq!(hex::encode(marshalled(&template)), rsa.replace(' ', ""));
        let template = EkTemplate::EccP256.public().unwrap();
        assert_eq!(hex::encode(marshalled(&template)), ecc);
    }

    /// The AK and the device key of a recorded boot (tests/data/measured-boot/sb3).
    const AK: &str = "0023000b00050472000000100018000b00030010\
        0020370bf91bb54f8ec4024d29839dba525295190362d3d7ccbfdf88eee27cad71e9\
        0020534df9f929c168cc5f366d7155ebee3952e201b253edce5b9dde45677c6fce69";
    const DEVICE: &str = "0023000b0004047200000010001000030010\
        002043f9fcd4e91543d6dabf762ff2bf589dbe4668deb366b4dd4bd31568f30173c3\
        00207b2b9908af5022b617c371843edabcf668dbb2e2152c78042956d411b7953c7a";

    #[test]
    fn recorded_keys_match_their_templates_and_not_each_others() {
        let ak = attestation_key(Salt([1; 32])).unwrap();
        let device = device_key(Salt([2; 32])).unwrap();
        let ak_area = hex::decode(AK).unwrap();
        let device_area = hex::decode(DEVICE).unwrap();
        let (x, y) = parse_public(&ak_area, &ak).unwrap().unwrap();
        assert_eq!([x, y].concat(), [&ak_area[22..54], &ak_area[56..]].concat());
        assert!(parse_public(&device_area, &device).unwrap().is_some());
        assert!(parse_public(&ak_area, &device).is_err());
        assert!(parse_public(&device_area, &ak).is_err());
    }

    #[test]
    fn any_other_octet_before_the_point_is_refused() {
        let ak = attestation_key(Salt([1; 32])).unwrap();
        for at in 0..20 {
            for bit in 0..8 {
                let mut area = hex::decode(AK).unwrap();
                area[at] ^= 1 << bit;
                assert!(parse_public(&area, &ak).is_err(), "octet {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn a_short_coordinate_is_padded_on_the_left() {
        let ak = attestation_key(Salt([1; 32])).unwrap();
        let area = hex::decode("0023000b00050472000000100018000b000300100002abcd0001ef").unwrap();
        let (x, y) = parse_public(&area, &ak).unwrap().unwrap();
        assert_eq!((x[30], x[31], y[30], y[31]), (0xab, 0xcd, 0, 0xef));
    }
}
