//! The public area of an endorsement key: one of the TCG's templates or nothing (EK Credential
//! Profile, Annex B).

use wardkey_schemas::{Code, Refusal};

use super::EkKey;
use crate::tpm::alg;
use crate::tpm::public::{EccArea, KeyArea, PublicArea, RsaArea, Scheme, Symmetric};

/// *fixedTPM, fixedParent, sensitiveDataOrigin, adminWithPolicy, restricted, decrypt*: the templates
/// of the low range.
const LOW: u32 = 0x0003_00b2;

/// The same with *userWithAuth*: the templates of the high range.
const HIGH: u32 = 0x0003_00f2;

/// `PolicySecret(TPM_RH_ENDORSEMENT)` with SHA-256, "policy A".
const POLICY_A: [u8; 32] = [
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
    0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
];

/// Policy A or an authorised one from NV memory, with SHA-256, "policy B".
const POLICY_B: [u8; 32] = [
    0xca, 0x3d, 0x0a, 0x99, 0xa2, 0xb9, 0x39, 0x06, 0xf7, 0xa3, 0x34, 0x24, 0x14, 0xef, 0xcf, 0xb3,
    0xa3, 0x85, 0xd4, 0x4c, 0xd1, 0xfd, 0x45, 0x90, 0x89, 0xd1, 0x9b, 0x50, 0x71, 0xc0, 0xb7, 0xa0,
];

/// The cipher of all templates with SHA-256.
const AES_128_CFB: Symmetric = Symmetric::Cipher {
    algorithm: alg::AES,
    bits: 128,
    mode: alg::CFB,
};

/// Reads a `TPMT_PUBLIC` that follows template L-1, L-2, H-1 or H-2.
///
/// Keys on P-384 and larger RSA keys have templates as well (H-3 and up), with SHA-384 and AES-256;
/// they are refused.
pub(super) fn read(public: &[u8]) -> Result<EkKey, Refusal> {
    let public = PublicArea::parse(public)?;
    let (attributes, policy) = (public.attributes().bits(), public.auth_policy());
    let known =
        (attributes == LOW && policy == POLICY_A) || (attributes == HIGH && policy == POLICY_B);
    if !known {
        return Err(refuse(
            format_args!(
                "attributes {attributes:#010x}, policy {}",
                crate::tpm::attest::Hex(policy)
            ),
            "0x000300b2 with policy A or 0x000300f2 with policy B",
        ));
    }
    let key = match public.key() {
        _ if public.name_alg() != alg::SHA256 => None,
        KeyArea::Rsa(area) => rsa(area),
        KeyArea::Ecc(area) => ecc(area),
    };
    key.ok_or_else(|| {
        refuse(
            crate::tpm::attestation_key::Described(&public),
            "RSA-2048 or P-256 with SHA-256 and AES-128-CFB",
        )
    })
}

fn rsa(area: &RsaArea<'_>) -> Option<EkKey> {
    let follows = area.bits == 2048
        && matches!(area.exponent, 0 | 65_537)
        && area.scheme == Scheme::Null
        && area.symmetric == AES_128_CFB;
    let modulus: &[u8; 256] = area.modulus.try_into().ok()?;
    let [first, .., last] = modulus;
    let whole = first & 0x80 != 0 && last & 1 != 0;
    (follows && whole).then(|| EkKey::Rsa2048(Box::new(*modulus)))
}

fn ecc(area: &EccArea<'_>) -> Option<EkKey> {
    let follows =
        area.scheme == Scheme::Null && area.kdf == Scheme::Null && area.symmetric == AES_128_CFB;
    area.p256().filter(|_| follows).map(EkKey::P256)
}

fn refuse(found: impl std::fmt::Display, wanted: &str) -> Refusal {
    Refusal::new(Code::EkTemplate, found, wanted)
}
