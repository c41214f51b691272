//! The one signature over what was prepared.

use yasna::models::ObjectIdentifier;

use crate::authority_key::AuthorityKey;
use crate::prepare::Prepared;
use crate::request::PreparedRequest;

const ECDSA_SHA256: &[u64] = &[1, 2, 840, 10045, 4, 3, 2];
const ECDSA_SHA384: &[u64] = &[1, 2, 840, 10045, 4, 3, 3];

/// An ECDSA signature in the form in which the key's keeper gives it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EcdsaSignature {
    /// `Ecdsa-Sig-Value` (RFC 3279 §2.2.3), as tokens and OpenSSL give it.
    Der(Vec<u8>),
    /// r and s one after the other, each as long as the curve's order, as PKCS#11 and TPMs give it.
    Fixed(Vec<u8>),
}

/// Who keeps an authority's private key: a file, a token, an HSM.
pub trait Signer {
    /// Why the keeper did not sign.
    type Error: std::error::Error + 'static;

    /// The public half.
    fn public_key(&self) -> &AuthorityKey;

    /// Signs `message`, hashing it with SHA-256 for a key on P-256 and SHA-384 for one on P-384.
    ///
    /// # Errors
    ///
    /// The keeper's own.
    fn sign(&mut self, message: &[u8]) -> Result<EcdsaSignature, Self::Error>;
}

/// Why something prepared was not signed. What was prepared is spent in every case.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError<E: std::error::Error + 'static> {
    /// Prepared for another authority's key than this signer keeps.
    #[error("the signer keeps another key than the issuer's")]
    OtherKey,
    /// The keeper failed.
    #[error("the key did not sign")]
    Signer(#[source] E),
    /// The keeper gave back something that does not verify under its own public key.
    #[error("the signature does not verify under the issuer's key")]
    Signature,
}

/// Redeems `prepared` for a certificate (DER); it is spent even if the signer fails.
///
/// The signature is verified before the certificate is given out.
///
/// # Errors
///
/// [`SignError`].
pub fn sign<S: Signer>(prepared: Prepared, signer: &mut S) -> Result<Vec<u8>, SignError<S::Error>> {
    let (tbs, key) = prepared.into_parts();
    seal(&tbs, &key, signer)
}

/// Redeems `prepared` for a certificate request (DER, PKCS#10), signed with the key it is for.
///
/// # Errors
///
/// [`SignError`].
pub fn sign_request<S: Signer>(
    prepared: PreparedRequest,
    signer: &mut S,
) -> Result<Vec<u8>, SignError<S::Error>> {
    let (info, key) = prepared.into_parts();
    seal(&info, &key, signer)
}

/// `SEQUENCE { what was signed, algorithm, signature }`, the frame of certificate and request alike.
fn seal<S: Signer>(
    message: &[u8],
    key: &AuthorityKey,
    signer: &mut S,
) -> Result<Vec<u8>, SignError<S::Error>> {
    if signer.public_key() != key {
        return Err(SignError::OtherKey);
    }
    let signature = signer.sign(message).map_err(SignError::Signer)?;
    let signature = to_der(signature, key).ok_or(SignError::Signature)?;
    if !key.verifies(message, &signature) {
        return Err(SignError::Signature);
    }
    let algorithm = match key {
        AuthorityKey::P256(_) => ECDSA_SHA256,
        AuthorityKey::P384(_) => ECDSA_SHA384,
    };
    Ok(yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_der(message);
            writer.next().write_sequence(|writer| {
                writer
                    .next()
                    .write_oid(&ObjectIdentifier::from_slice(algorithm));
            });
            writer
                .next()
                .write_bitvec_bytes(&signature, signature.len().saturating_mul(8));
        });
    }))
}

fn to_der(signature: EcdsaSignature, key: &AuthorityKey) -> Option<Vec<u8>> {
    let fixed = match signature {
        EcdsaSignature::Der(der) => return Some(der),
        EcdsaSignature::Fixed(fixed) => fixed,
    };
    let length = key.scalar_length();
    let (r, s) = fixed.split_at_checked(length)?;
    (s.len() == length).then(|| {
        yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer.next().write_bigint_bytes(r, true);
                writer.next().write_bigint_bytes(s, true);
            });
        })
    })
}
