//! The structures that a TPM marshals (TPM 2.0 Library, Part 2), field by field.

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::{Attestation, PcrValue};
use wardkey_schemas::key::{PublicKey, SigningKey};
use wardkey_verifier::tpm::ClockInfo;

/// Attributes of an attestation key.
pub const AK_ATTRIBUTES: u32 = 0x0005_0472;
/// Attributes of a device key.
pub const DEVICE_ATTRIBUTES: u32 = 0x0004_0472;

/// The handle of the endorsement hierarchy.
pub const ENDORSEMENT: [u8; 4] = [0x40, 0x00, 0x00, 0x0b];
/// The handle of the owner hierarchy.
pub const OWNER: [u8; 4] = [0x40, 0x00, 0x00, 0x01];

/// ECDSA with SHA-256 as a scheme.
const ECDSA_SHA256: [u8; 4] = [0x00, 0x18, 0x00, 0x0b];
/// No scheme.
pub(super) const NULL: [u8; 2] = [0x00, 0x10];
/// AES-128 in CFB mode.
pub(super) const AES_128_CFB: [u8; 6] = [0x00, 0x06, 0x00, 0x80, 0x00, 0x43];

/// The firmware version in all statements.
const FIRMWARE: u64 = 0x2019_1023_0016_3636;

/// `TPMT_PUBLIC` of a key on P-256.
#[derive(Clone, Debug)]
pub struct EccPublic {
    /// `objectAttributes`.
    pub attributes: u32,
    /// `authPolicy`.
    pub policy: Vec<u8>,
    /// `TPMT_SYM_DEF_OBJECT`.
    pub symmetric: Vec<u8>,
    /// `TPMT_ECC_SCHEME`.
    pub scheme: Vec<u8>,
    /// The point.
    pub key: PublicKey,
}

impl EccPublic {
    /// An attestation key as the agent makes it.
    pub fn ak(key: &PublicKey) -> Self {
        Self {
            attributes: AK_ATTRIBUTES,
            policy: Vec::new(),
            symmetric: NULL.to_vec(),
            scheme: ECDSA_SHA256.to_vec(),
            key: *key,
        }
    }

    /// A device key as the agent makes it.
    pub fn device(key: &PublicKey) -> Self {
        Self {
            attributes: DEVICE_ATTRIBUTES,
            scheme: NULL.to_vec(),
            ..Self::ak(key)
        }
    }

    /// As the TPM marshals it.
    pub fn bytes(&self) -> Vec<u8> {
        let (x, y) = self.key.coordinates();
        [
            vec![0x00, 0x23, 0x00, 0x0b],
            self.attributes.to_be_bytes().to_vec(),
            sized(&self.policy),
            self.symmetric.clone(),
            self.scheme.clone(),
            vec![0x00, 0x03],
            NULL.to_vec(),
            sized(x),
            sized(y),
        ]
        .concat()
    }
}

/// `TPM2B`: length, then bytes.
pub fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    [&length.to_be_bytes(), bytes].concat()
}

/// A `TPM2B` at the front, and the rest.
pub(super) fn take_sized(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = bytes.split_first_chunk().unwrap();
    rest.split_at(usize::from(u16::from_be_bytes(*length)))
}

/// The Name of a public area with SHA-256.
pub fn name(public: &[u8]) -> Vec<u8> {
    [&[0x00, 0x0b][..], Sha256::of(public).as_bytes()].concat()
}

/// The Qualified Name of a primary key in the hierarchy with this handle.
pub fn qualified_name(hierarchy: [u8; 4], public: &[u8]) -> Vec<u8> {
    name(&[&hierarchy[..], &name(public)].concat())
}

/// What an attest structure is about: its type and its own part.
#[derive(Clone, Debug)]
pub enum Statement {
    /// `TPM_ST_ATTEST_CERTIFY`.
    Certify(Vec<u8>),
    /// `TPM_ST_ATTEST_QUOTE`.
    Quote(Vec<u8>),
    /// `TPM_ST_ATTEST_TIME`.
    Time(Vec<u8>),
    /// `TPM_ST_ATTEST_CREATION`.
    Creation(Vec<u8>),
}

impl Statement {
    fn parts(&self) -> (u16, &[u8]) {
        match self {
            Self::Certify(body) => (0x8017, body),
            Self::Quote(body) => (0x8018, body),
            Self::Time(body) => (0x8019, body),
            Self::Creation(body) => (0x801a, body),
        }
    }
}

/// `TPMS_ATTEST`.
#[derive(Clone, Debug)]
pub struct Attest {
    /// `magic`; a TPM writes its own only into what it made itself.
    pub magic: u32,
    /// `qualifiedSigner`.
    pub signer: Vec<u8>,
    /// `extraData`.
    pub extra_data: Vec<u8>,
    /// `clockInfo`.
    pub clock: ClockInfo,
    /// `type` and `attested`.
    pub statement: Statement,
}

impl Attest {
    /// As the TPM marshals it.
    pub fn bytes(&self) -> Vec<u8> {
        let (kind, body) = self.statement.parts();
        [
            self.magic.to_be_bytes().to_vec(),
            kind.to_be_bytes().to_vec(),
            sized(&self.signer),
            sized(&self.extra_data),
            clock_bytes(&self.clock),
            FIRMWARE.to_be_bytes().to_vec(),
            body.to_vec(),
        ]
        .concat()
    }

    /// Marshalled and signed.
    pub fn signed(&self, key: &SigningKey) -> Attestation {
        sign(&self.bytes(), key)
    }
}

/// Signs bytes as they are.
pub fn sign(bytes: &[u8], key: &SigningKey) -> Attestation {
    Attestation {
        attest: bytes.to_vec().into(),
        signature: key.sign(bytes).unwrap(),
    }
}

/// `TPMS_CLOCK_INFO`.
pub(super) fn clock_bytes(clock: &ClockInfo) -> Vec<u8> {
    [
        clock.clock_ms.to_be_bytes().to_vec(),
        clock.reset_count.to_be_bytes().to_vec(),
        clock.restart_count.to_be_bytes().to_vec(),
        vec![u8::from(clock.safe)],
    ]
    .concat()
}

/// `TPMS_TIME_ATTEST_INFO`.
pub(super) fn time_body(clock: &ClockInfo) -> Vec<u8> {
    [
        5_000_u64.to_be_bytes().to_vec(),
        clock_bytes(clock),
        FIRMWARE.to_be_bytes().to_vec(),
    ]
    .concat()
}

/// `TPMS_QUOTE_INFO` over the SHA-256 bank.
pub fn quote_body(pcrs: &[PcrValue]) -> Vec<u8> {
    let mut bitmap = [0_u8; 3];
    let mut values = Vec::new();
    for value in pcrs {
        let (byte, bit) = (value.index >> 3, value.index & 7);
        bitmap[usize::from(byte)] |= 1 << bit;
        values.extend_from_slice(value.sha256.as_bytes());
    }
    [
        vec![0, 0, 0, 1, 0, 0x0b, 3],
        bitmap.to_vec(),
        sized(Sha256::of(&values).as_bytes()),
    ]
    .concat()
}

/// `TPMS_CREATION_DATA` of a primary key in the hierarchy with this handle.
pub(super) fn creation_data(hierarchy: [u8; 4]) -> Vec<u8> {
    [
        vec![0, 0, 0, 0],
        sized(Sha256::of(b"").as_bytes()),
        vec![1],
        vec![0x00, 0x10],
        sized(&hierarchy),
        sized(&hierarchy),
        sized(b""),
    ]
    .concat()
}
