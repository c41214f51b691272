//! The bytes that will be signed.
//!
//! The certificate library signs what it encodes. Here it is handed a key that keeps what it is
//! given and signs nothing, so that preparing and signing are two acts, possibly far apart.

use std::cell::RefCell;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, Issuer as IssuerOfLibrary, KeyIdMethod,
    PublicKeyData, SignatureAlgorithm, SigningKey,
};

use crate::authority_key::AuthorityKey;
use crate::error::IssuanceError;

/// A key that signs nothing and remembers what it was to sign.
struct Catcher<'a> {
    key: &'a AuthorityKey,
    caught: RefCell<Vec<u8>>,
}

impl PublicKeyData for Catcher<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.key.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.key.algorithm()
    }
}

impl SigningKey for Catcher<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.caught.replace(message.to_vec());
        Ok(Vec::new())
    }
}

/// A name with one common name, or with nothing in it.
pub(crate) fn name(common_name: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    if let Some(common_name) = common_name {
        name.push(DnType::CommonName, common_name);
    }
    name
}

/// `TBSCertificate` with these parameters, for `subject`, under an issuer of this name and key.
pub(crate) fn certificate(
    params: &CertificateParams,
    subject: &AuthorityKey,
    issuer_name: &str,
    issuer_key: &AuthorityKey,
) -> Result<Vec<u8>, IssuanceError> {
    let mut issuer = CertificateParams::default();
    issuer.distinguished_name = name(Some(issuer_name));
    issuer.key_identifier_method = KeyIdMethod::PreSpecified(issuer_key.key_identifier());
    let catcher = Catcher {
        key: issuer_key,
        caught: RefCell::default(),
    };
    let issuer = IssuerOfLibrary::new(issuer, catcher);
    params.signed_by(subject, &issuer).map_err(encoding)?;
    Ok(issuer.key().caught.take())
}

/// `CertificationRequestInfo` with this common name and key, and no attributes.
pub(crate) fn request(common_name: &str, subject: &AuthorityKey) -> Result<Vec<u8>, IssuanceError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(Some(common_name));
    let catcher = Catcher {
        key: subject,
        caught: RefCell::default(),
    };
    params.serialize_request(&catcher).map_err(encoding)?;
    Ok(catcher.caught.take())
}

fn encoding(error: rcgen::Error) -> IssuanceError {
    IssuanceError::Encoding(error.to_string())
}
