//! Why a certificate was not prepared. None of these is an answer to a person at a laptop: each is
//! a mistake of whoever operates an authority.

use wardkey_schemas::time::Timestamp;

use crate::authority_key::KeyError;

/// Why bytes are not the certificate of an authority of ours.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerError {
    /// Not one certificate.
    #[error("not one X.509 certificate")]
    Malformed,
    /// Not an authority, or one without the fields that ours have; which.
    #[error("not the certificate of an authority of ours: {0}")]
    Profile(&'static str),
    /// Its key is no authority's.
    #[error("the authority's key cannot be used")]
    Key(#[from] KeyError),
}

/// Why bytes are not a certificate request that is taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Not one PKCS#10 request (RFC 2986), or longer than a certificate may be.
    #[error("not one PKCS#10 certificate request")]
    Malformed,
    /// Its key is not of a kind that is certified.
    #[error("the request's key cannot be certified")]
    Key(#[from] KeyError),
    /// Its signature does not verify under its own key.
    #[error("the request was not signed with the key that it asks for")]
    Signature,
}

/// Why a certificate or request was not prepared.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IssuanceError {
    /// This authority does not issue this kind of certificate.
    #[error("{issuer} does not issue {profile}")]
    WrongIssuer {
        /// What is to be issued.
        profile: &'static str,
        /// What the authority is.
        issuer: &'static str,
    },
    /// The authority's own time has not begun or is over.
    #[error("the authority's certificate is valid from {from} to {to}, and it is {now}")]
    IssuerNotInTime {
        /// Its first second.
        from: Timestamp,
        /// Its last second.
        to: Timestamp,
        /// The time handed in.
        now: Timestamp,
    },
    /// A name outside what the authority may name, or no name at all.
    #[error("the name {name:?} is not one that this authority may certify")]
    Name {
        /// The name.
        name: String,
    },
    /// The subject has the issuer's own key.
    #[error("the subject's key is the issuer's own")]
    SameKey,
    /// A root has another key than one on P-384.
    #[error("a root's key must be on P-384")]
    RootKey,
    /// The serial number's bytes are all the same, so they were not drawn at random.
    #[error("the bytes for the serial number are not random")]
    Serial,
    /// The encoder refused, or wrote something else than it was told.
    #[error("the certificate could not be encoded: {0}")]
    Encoding(String),
}
