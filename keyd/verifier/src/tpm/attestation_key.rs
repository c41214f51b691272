//! The attestation key: what it must be, and the proof of how it was made.
//!
//! The proof is `TPM2_CertifyCreation` of the key by itself. On its own it only shows that the four
//! parts belong together; that they come from the TPM with the endorsement key is shown afterwards,
//! when that TPM opens a credential made for this very Name ([`crate::credential`]).

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::AttestationKey;
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::{Code, Refusal};

use super::alg;
use super::attest::{Attest, Attested, Hex};
use super::creation::CreationData;
use super::name::{Name, QualifiedName};
use super::public::{EccArea, KeyArea, PublicArea, Scheme, Symmetric};

/// *fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, restricted, sign*, and nothing else.
const ATTRIBUTES: u32 = 0x0005_0072;

/// By what an enrolled laptop's attestation key is known: what verifies its signatures, and the name
/// under which its TPM signs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AkIdentity {
    /// The key.
    pub key: PublicKey,
    /// Its Qualified Name, as recorded at enrolment.
    pub qualified_name: QualifiedName,
}

/// An attestation key that has the right properties and a matching creation proof.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedAk {
    identity: AkIdentity,
    name: Name,
}

impl VerifiedAk {
    /// Verifies properties and creation proof of `ak`.
    ///
    /// # Errors
    ///
    /// `AK_ALGORITHM`, `AK_ATTRIBUTES`, `AK_CREATION`, `ATTEST_*` or `TPM_STRUCTURE`.
    pub fn verify(ak: &AttestationKey) -> Result<Self, Refusal> {
        let public = PublicArea::parse(ak.public.as_slice())?;
        let (key, name) = require_properties(&public)?;
        let qualified_name = QualifiedName::under_endorsement(&name);

        let attest = Attest::signed_by(&ak.creation, &key, Code::AkCreation)?;
        let Attested::Creation {
            name: made,
            creation_hash,
        } = *attest.attested()
        else {
            return Err(attest.another_type("CREATION"));
        };
        attest.require_signer(&qualified_name)?;
        if made != name.as_bytes() {
            return Err(Refusal::new(
                Code::AkCreation,
                format_args!("creation of {}", Hex(made)),
                name,
            ));
        }
        let wanted = Sha256::of(ak.creation_data.as_slice());
        if creation_hash != wanted.as_bytes() {
            return Err(Refusal::new(
                Code::AkCreation,
                format_args!("creation hash {}", Hex(creation_hash)),
                wanted.to_hex(),
            ));
        }
        let creation = CreationData::parse(ak.creation_data.as_slice())?;
        if !creation.is_endorsement_primary() {
            return Err(Refusal::new(
                Code::AkCreation,
                format_args!("parent {}", Hex(creation.parent_name())),
                "the endorsement hierarchy, 4000000b",
            ));
        }
        Ok(Self {
            identity: AkIdentity {
                key,
                qualified_name,
            },
            name,
        })
    }

    /// The key and its Qualified Name.
    pub const fn identity(&self) -> &AkIdentity {
        &self.identity
    }

    /// The key.
    pub const fn key(&self) -> &PublicKey {
        &self.identity.key
    }

    /// Its Name.
    pub const fn name(&self) -> &Name {
        &self.name
    }
}

fn require_properties(public: &PublicArea<'_>) -> Result<(PublicKey, Name), Refusal> {
    let (key, name) = p256_signer(public).ok_or_else(|| {
        Refusal::new(
            Code::AkAlgorithm,
            Described(public),
            "an ECDSA key with SHA-256 on P-256",
        )
    })?;
    if !public.attributes().are(ATTRIBUTES) || !public.auth_policy().is_empty() {
        return Err(Refusal::new(
            Code::AkAttributes,
            format_args!(
                "attributes {}, policy {}",
                public.attributes(),
                Hex(public.auth_policy())
            ),
            format_args!("{ATTRIBUTES:#010x} without a policy"),
        ));
    }
    Ok((key, name))
}

/// The key and its Name, if it signs with ECDSA and SHA-256 on P-256 and does nothing else.
fn p256_signer(public: &PublicArea<'_>) -> Option<(PublicKey, Name)> {
    let KeyArea::Ecc(area) = public.key() else {
        return None;
    };
    let ecdsa_sha256 = Scheme::Fixed {
        algorithm: alg::ECDSA,
        hash: alg::SHA256,
    };
    let plain = area.scheme == ecdsa_sha256
        && area.symmetric == Symmetric::Null
        && area.kdf == Scheme::Null;
    if !plain {
        return None;
    }
    Some((area.p256()?, public.name()?))
}

/// A key's algorithms, for a refusal.
pub(crate) struct Described<'a, 'b>(pub(crate) &'a PublicArea<'b>);

impl std::fmt::Display for Described<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "nameAlg {:#06x}, ", self.0.name_alg())?;
        match self.0.key() {
            KeyArea::Rsa(area) => write!(f, "RSA-{}, scheme {:?}", area.bits, area.scheme),
            KeyArea::Ecc(EccArea { curve, scheme, .. }) => {
                write!(f, "curve {curve:#06x}, scheme {scheme:?}")
            }
        }
    }
}
