//! A TPM in memory, as far as its statements go: every byte can be set before it signs.

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::{Attestation, AttestationKey, PcrValue, Quote};
use wardkey_schemas::key::{PublicKey, SigningKey};
use wardkey_verifier::tpm::{AkIdentity, ClockInfo, Name, QualifiedName};

pub(crate) const AK_ATTRIBUTES: u32 = 0x0005_0472;
pub(crate) const DEVICE_ATTRIBUTES: u32 = 0x0004_0472;

/// `TPMT_PUBLIC` of a key on P-256, field by field.
#[derive(Clone)]
pub(crate) struct EccPublic {
    pub(crate) kind: u16,
    pub(crate) name_alg: u16,
    pub(crate) attributes: u32,
    pub(crate) policy: Vec<u8>,
    /// `TPMT_SYM_DEF_OBJECT`.
    pub(crate) symmetric: Vec<u8>,
    /// `TPMT_ECC_SCHEME`.
    pub(crate) scheme: Vec<u8>,
    pub(crate) curve: u16,
    /// `TPMT_KDF_SCHEME`.
    pub(crate) kdf: Vec<u8>,
    pub(crate) x: Vec<u8>,
    pub(crate) y: Vec<u8>,
}

/// ECDSA with SHA-256 as a scheme.
pub(crate) const ECDSA_SHA256: [u8; 4] = [0x00, 0x18, 0x00, 0x0b];
/// No scheme.
pub(crate) const NULL: [u8; 2] = [0x00, 0x10];
/// AES-128 in CFB mode.
pub(crate) const AES_128_CFB: [u8; 6] = [0x00, 0x06, 0x00, 0x80, 0x00, 0x43];

impl EccPublic {
    /// An attestation key as the agent makes it.
    pub(crate) fn ak(key: &PublicKey) -> Self {
        let (x, y) = key.coordinates();
        Self {
            kind: 0x0023,
            name_alg: 0x000b,
            attributes: AK_ATTRIBUTES,
            policy: Vec::new(),
            symmetric: NULL.to_vec(),
            scheme: ECDSA_SHA256.to_vec(),
            curve: 3,
            kdf: NULL.to_vec(),
            x: x.to_vec(),
            y: y.to_vec(),
        }
    }

    /// A device key as the agent makes it.
    pub(crate) fn device(key: &PublicKey) -> Self {
        Self {
            attributes: DEVICE_ATTRIBUTES,
            scheme: NULL.to_vec(),
            ..Self::ak(key)
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        [
            self.kind.to_be_bytes().to_vec(),
            self.name_alg.to_be_bytes().to_vec(),
            self.attributes.to_be_bytes().to_vec(),
            sized(&self.policy),
            self.symmetric.clone(),
            self.scheme.clone(),
            self.curve.to_be_bytes().to_vec(),
            self.kdf.clone(),
            sized(&self.x),
            sized(&self.y),
        ]
        .concat()
    }
}

/// `TPM2B`: length, then bytes.
pub(crate) fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    [&length.to_be_bytes(), bytes].concat()
}

/// The Name of a public area with SHA-256.
pub(crate) fn name(public: &[u8]) -> Vec<u8> {
    [&[0x00, 0x0b][..], Sha256::of(public).as_bytes()].concat()
}

/// The Qualified Name of a primary key in the hierarchy with this handle.
pub(crate) fn qualified_name(hierarchy: [u8; 4], public: &[u8]) -> Vec<u8> {
    name(&[&hierarchy[..], &name(public)].concat())
}

pub(crate) const ENDORSEMENT: [u8; 4] = [0x40, 0x00, 0x00, 0x0b];
pub(crate) const OWNER: [u8; 4] = [0x40, 0x00, 0x00, 0x01];

pub(crate) const CERTIFY: u16 = 0x8017;
pub(crate) const QUOTE: u16 = 0x8018;
pub(crate) const TIME: u16 = 0x8019;
pub(crate) const CREATION: u16 = 0x801a;

/// `TPMS_ATTEST`, field by field.
#[derive(Clone)]
pub(crate) struct Attest {
    pub(crate) magic: u32,
    pub(crate) kind: u16,
    pub(crate) signer: Vec<u8>,
    pub(crate) extra_data: Vec<u8>,
    pub(crate) clock: ClockInfo,
    pub(crate) body: Vec<u8>,
}

impl Attest {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [
            self.magic.to_be_bytes().to_vec(),
            self.kind.to_be_bytes().to_vec(),
            sized(&self.signer),
            sized(&self.extra_data),
            clock_bytes(&self.clock),
            0x2019_1023_0016_3636_u64.to_be_bytes().to_vec(),
            self.body.clone(),
        ]
        .concat()
    }

    pub(crate) fn signed(&self, key: &SigningKey) -> Attestation {
        sign(&self.bytes(), key)
    }
}

pub(crate) fn clock_bytes(clock: &ClockInfo) -> Vec<u8> {
    [
        clock.clock_ms.to_be_bytes().to_vec(),
        clock.reset_count.to_be_bytes().to_vec(),
        clock.restart_count.to_be_bytes().to_vec(),
        vec![u8::from(clock.safe)],
    ]
    .concat()
}

/// Signs bytes as they are.
pub(crate) fn sign(bytes: &[u8], key: &SigningKey) -> Attestation {
    Attestation {
        attest: bytes.to_vec().into(),
        signature: key.sign(bytes).unwrap(),
    }
}

/// `TPMS_QUOTE_INFO` over one SHA-256 bank.
pub(crate) fn quote_body(pcrs: &[PcrValue]) -> Vec<u8> {
    let mut bitmap = [0_u8; 3];
    let mut values = Vec::new();
    for value in pcrs {
        bitmap[usize::from(value.index / 8)] |= 1 << (value.index % 8);
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
pub(crate) fn creation_data(hierarchy: [u8; 4]) -> Vec<u8> {
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

/// A TPM with an attestation key and a device key.
pub(crate) struct SoftTpm {
    pub(crate) ak: SigningKey,
    pub(crate) device: SigningKey,
    pub(crate) clock: ClockInfo,
}

impl SoftTpm {
    pub(crate) fn new() -> Self {
        Self {
            ak: super::key(),
            device: super::key(),
            clock: ClockInfo {
                clock_ms: 1_000_000,
                reset_count: 7,
                restart_count: 0,
                safe: true,
            },
        }
    }

    pub(crate) fn ak_public(&self) -> Vec<u8> {
        EccPublic::ak(self.ak.public()).bytes()
    }

    pub(crate) fn device_public(&self) -> Vec<u8> {
        EccPublic::device(self.device.public()).bytes()
    }

    pub(crate) fn ak_identity(&self) -> AkIdentity {
        let name = Name::try_from(name(&self.ak_public()).as_slice()).unwrap();
        AkIdentity {
            key: *self.ak.public(),
            qualified_name: QualifiedName::under_endorsement(&name),
        }
    }

    /// An attest structure by the attestation key, to be changed and signed.
    pub(crate) fn attest(&self, kind: u16, extra_data: &[u8], body: Vec<u8>) -> Attest {
        Attest {
            magic: 0xff54_4347,
            kind,
            signer: qualified_name(ENDORSEMENT, &self.ak_public()),
            extra_data: extra_data.to_vec(),
            clock: self.clock,
            body,
        }
    }

    /// The attestation key with its creation proof.
    pub(crate) fn attestation_key(&self) -> AttestationKey {
        let public = self.ak_public();
        let creation_data = creation_data(ENDORSEMENT);
        let body = [
            sized(&name(&public)),
            sized(Sha256::of(&creation_data).as_bytes()),
        ]
        .concat();
        AttestationKey {
            creation: self.attest(CREATION, b"", body).signed(&self.ak),
            public: public.into(),
            creation_data: creation_data.into(),
        }
    }

    /// `TPM2_Certify` of the device key.
    pub(crate) fn certify(&self, binding: &Sha256) -> Attestation {
        self.certify_attest(binding).signed(&self.ak)
    }

    pub(crate) fn certify_attest(&self, binding: &Sha256) -> Attest {
        let public = self.device_public();
        let body = [
            sized(&name(&public)),
            sized(&qualified_name(ENDORSEMENT, &public)),
        ]
        .concat();
        self.attest(CERTIFY, binding.as_bytes(), body)
    }

    /// `TPM2_Quote`.
    pub(crate) fn quote(&self, binding: &Sha256, pcrs: &[PcrValue]) -> Quote {
        Quote {
            attestation: self
                .attest(QUOTE, binding.as_bytes(), quote_body(pcrs))
                .signed(&self.ak),
            pcrs: pcrs.to_vec(),
        }
    }

    /// `TPM2_GetTime`.
    pub(crate) fn time(&self, binding: &Sha256) -> Attestation {
        self.time_attest(binding).signed(&self.ak)
    }

    pub(crate) fn time_attest(&self, binding: &Sha256) -> Attest {
        let body = [
            5_000_u64.to_be_bytes().to_vec(),
            clock_bytes(&self.clock),
            0x2019_1023_0016_3636_u64.to_be_bytes().to_vec(),
        ]
        .concat();
        self.attest(TIME, binding.as_bytes(), body)
    }
}
