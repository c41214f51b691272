//! One link of a path: does this issuer's key really stand behind this certificate?

use aws_lc_rs::signature as algorithms;
use aws_lc_rs::signature::{UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::AlgorithmIdentifier;

use super::{Certificate, SubjectKey, dotted};

const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";
const ECDSA_SHA384: &str = "1.2.840.10045.4.3.3";
const ECDSA_SHA512: &str = "1.2.840.10045.4.3.4";
const RSA_SHA256: &str = "1.2.840.113549.1.1.11";
const RSA_SHA384: &str = "1.2.840.113549.1.1.12";
const RSA_SHA512: &str = "1.2.840.113549.1.1.13";
const RSA_PSS: &str = "1.2.840.113549.1.1.10";
const MGF1: &str = "1.2.840.113549.1.1.8";
const SHA256: &str = "2.16.840.1.101.3.4.2.1";
const SHA384: &str = "2.16.840.1.101.3.4.2.2";
const SHA512: &str = "2.16.840.1.101.3.4.2.3";

/// RSA moduli that are believed, in bits: below, they can be factored; above, one signature costs
/// too much to check.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// Why one certificate did not issue another.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The issuer named in the certificate is not the subject of the other one.
    #[error("the certificate names another issuer")]
    Name,
    /// Signed in a way that is not believed: SHA-1, unusual parameters, an unknown algorithm.
    #[error("signed with algorithm {0}, which is not believed")]
    Algorithm(String),
    /// The issuer's key cannot have made a signature of this algorithm, or is not believed.
    #[error("the issuer's key ({0}) does not go with the signature's algorithm")]
    Key(String),
    /// The signature does not verify.
    #[error("the issuer's key did not sign this certificate")]
    Signature,
}

/// A signature algorithm, as far as it is believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Algorithm {
    Ecdsa(Hash),
    RsaPkcs1(Hash),
    RsaPss(Hash),
    Unbelieved(String),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// Whether this is RSA with PKCS#1 v1.5 padding, whose parameters are NULL or nothing.
pub(super) fn is_pkcs1(oid: &str) -> bool {
    matches!(oid, RSA_SHA256 | RSA_SHA384 | RSA_SHA512)
}

impl Algorithm {
    pub(super) fn of(identifier: &AlgorithmIdentifier<'_>) -> Self {
        let oid = dotted(&identifier.algorithm);
        match oid.as_str() {
            ECDSA_SHA256 => Self::Ecdsa(Hash::Sha256),
            ECDSA_SHA384 => Self::Ecdsa(Hash::Sha384),
            ECDSA_SHA512 => Self::Ecdsa(Hash::Sha512),
            RSA_SHA256 => Self::RsaPkcs1(Hash::Sha256),
            RSA_SHA384 => Self::RsaPkcs1(Hash::Sha384),
            RSA_SHA512 => Self::RsaPkcs1(Hash::Sha512),
            RSA_PSS => match pss(identifier) {
                Some(hash) => Self::RsaPss(hash),
                None => Self::Unbelieved(format!("{RSA_PSS} with unusual parameters")),
            },
            _ => Self::Unbelieved(oid),
        }
    }
}

/// The hash of RSASSA-PSS parameters (RFC 4055 §3.1), if they are the usual ones: MGF1 with the
/// same hash, a salt as long as the hash, trailer field 1.
fn pss(identifier: &AlgorithmIdentifier<'_>) -> Option<Hash> {
    let parameters = RsaSsaPssParams::try_from(identifier.parameters.as_ref()?).ok()?;
    let (hash, salt) = match parameters.hash_algorithm_oid().to_id_string().as_str() {
        SHA256 => (Hash::Sha256, 32),
        SHA384 => (Hash::Sha384, 48),
        SHA512 => (Hash::Sha512, 64),
        _ => return None,
    };
    let mask = parameters.mask_gen_algorithm().ok()?;
    let usual = mask.mgf.to_id_string() == MGF1
        && mask.hash == *parameters.hash_algorithm_oid()
        && parameters.salt_length() == salt
        && parameters.trailer_field() == 1;
    usual.then_some(hash)
}

/// Verifies that `issuer` issued `certificate`: the names fit byte for byte, and the issuer's key
/// signed.
///
/// Believed are ECDSA on P-256 and P-384 with SHA-256 or SHA-384, on P-521 with SHA-256, SHA-384 or
/// SHA-512, and RSA of 2048 to 4096 bits with the same hashes, PKCS#1 v1.5 or PSS. Whether the issuer may
/// issue (basic constraints, key usage), and when, is left to the caller: makers' certificates say
/// so in many ways.
///
/// # Errors
///
/// [`LinkError`], by the first thing that is wrong.
pub fn verify_link(certificate: &Certificate, issuer: &Certificate) -> Result<(), LinkError> {
    if certificate.issuer != issuer.subject {
        return Err(LinkError::Name);
    }
    verify_signature(certificate, issuer)
}

/// Verifies that the key of `issuer` signed `certificate`, and does not look at the names: for a maker
/// who writes one name in two ways, where the caller has compared them.
///
/// # Errors
///
/// [`LinkError`], by the first thing that is wrong.
pub fn verify_signature(certificate: &Certificate, issuer: &Certificate) -> Result<(), LinkError> {
    let (algorithm, key) = choose(&certificate.algorithm, &issuer.key)?;
    UnparsedPublicKey::new(algorithm, key)
        .verify(&certificate.tbs, &certificate.signature)
        .map_err(|_| LinkError::Signature)
}

/// The table of algorithms that are believed, with the key that each takes.
fn choose<'a>(
    algorithm: &Algorithm,
    key: &'a SubjectKey,
) -> Result<(&'static dyn VerificationAlgorithm, &'a [u8]), LinkError> {
    let unfit = || LinkError::Key(key.kind());
    match (algorithm, key) {
        (Algorithm::Unbelieved(oid), _) => Err(LinkError::Algorithm(oid.clone())),
        (Algorithm::Ecdsa(Hash::Sha256), SubjectKey::P256(key)) => {
            Ok((&algorithms::ECDSA_P256_SHA256_ASN1, key.point()))
        }
        (Algorithm::Ecdsa(Hash::Sha384), SubjectKey::P256(key)) => {
            Ok((&algorithms::ECDSA_P256_SHA384_ASN1, key.point()))
        }
        (Algorithm::Ecdsa(Hash::Sha256), SubjectKey::P384(point)) => {
            Ok((&algorithms::ECDSA_P384_SHA256_ASN1, point))
        }
        (Algorithm::Ecdsa(Hash::Sha384), SubjectKey::P384(point)) => {
            Ok((&algorithms::ECDSA_P384_SHA384_ASN1, point))
        }
        (Algorithm::Ecdsa(hash), SubjectKey::P521(point)) => {
            let algorithm = match hash {
                Hash::Sha256 => &algorithms::ECDSA_P521_SHA256_ASN1,
                Hash::Sha384 => &algorithms::ECDSA_P521_SHA384_ASN1,
                Hash::Sha512 => &algorithms::ECDSA_P521_SHA512_ASN1,
            };
            Ok((algorithm, point))
        }
        (Algorithm::RsaPkcs1(hash), SubjectKey::Rsa(key))
            if key.may_sign() && RSA_BITS.contains(&key.bits()) =>
        {
            let algorithm = match hash {
                Hash::Sha256 => &algorithms::RSA_PKCS1_2048_8192_SHA256,
                Hash::Sha384 => &algorithms::RSA_PKCS1_2048_8192_SHA384,
                Hash::Sha512 => &algorithms::RSA_PKCS1_2048_8192_SHA512,
            };
            Ok((algorithm, key.encoded()))
        }
        (Algorithm::RsaPss(hash), SubjectKey::Rsa(key))
            if key.may_sign() && RSA_BITS.contains(&key.bits()) =>
        {
            let algorithm = match hash {
                Hash::Sha256 => &algorithms::RSA_PSS_2048_8192_SHA256,
                Hash::Sha384 => &algorithms::RSA_PSS_2048_8192_SHA384,
                Hash::Sha512 => &algorithms::RSA_PSS_2048_8192_SHA512,
            };
            Ok((algorithm, key.encoded()))
        }
        (
            Algorithm::Ecdsa(_) | Algorithm::RsaPkcs1(_) | Algorithm::RsaPss(_),
            SubjectKey::P256(_)
            | SubjectKey::P384(_)
            | SubjectKey::P521(_)
            | SubjectKey::Rsa(_)
            | SubjectKey::Other { .. },
        ) => Err(unfit()),
    }
}
