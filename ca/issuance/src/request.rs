//! Certificate requests (PKCS#10, RFC 2986): how a new authority's key travels to the root.
//!
//! A request proves that whoever made it holds the key. Nothing else in it counts: name, profile
//! and constraints are the root's to say.

use wardkey_schemas::limits;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

use crate::authority_key::AuthorityKey;
use crate::error::{IssuanceError, RequestError};
use crate::template;

/// A request whose signature verified under the key that it asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    key: AuthorityKey,
}

impl Request {
    /// Parses one request (DER) and verifies that its own key signed it.
    ///
    /// The curve is the one that the key itself names: the signature's algorithm does not decide it.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub fn verify(der: &[u8]) -> Result<Self, RequestError> {
        if der.len() > limits::CERTIFICATE_BYTES {
            return Err(RequestError::Malformed);
        }
        check_frame(der).map_err(|_| RequestError::Malformed)?;
        let (_, request) =
            X509CertificationRequest::from_der(der).map_err(|_| RequestError::Malformed)?;
        let key = AuthorityKey::of(&request.certification_request_info.subject_pki)?;
        request
            .verify_signature()
            .map_err(|_| RequestError::Signature)?;
        Ok(Self { key })
    }

    /// The key to be certified.
    pub const fn key(&self) -> &AuthorityKey {
        &self.key
    }
}

/// Checks that `der` is one `SEQUENCE { info, algorithm without parameters, signature }` in DER with
/// nothing after it: the parser of whole requests accepts other encodings of the same.
fn check_frame(der: &[u8]) -> yasna::ASN1Result<()> {
    yasna::parse_der(der, |reader| {
        reader.read_sequence(|reader| {
            reader.next().read_der()?;
            reader
                .next()
                .read_sequence(|reader| reader.next().read_oid())?;
            let (signature, bits) = reader.next().read_bitvec_bytes()?;
            if bits == signature.len().saturating_mul(8) {
                Ok(())
            } else {
                Err(yasna::ASN1Error::new(yasna::ASN1ErrorKind::Invalid))
            }
        })
    })
}

/// A request that is ready to be signed with the key it is for, once.
#[derive(Debug)]
pub struct PreparedRequest {
    info: Vec<u8>,
    key: AuthorityKey,
}

impl PreparedRequest {
    pub(crate) fn into_parts(self) -> (Vec<u8>, AuthorityKey) {
        (self.info, self.key)
    }
}

/// Prepares a request for `key`; `name` is for the people who carry it.
///
/// # Errors
///
/// [`IssuanceError::Encoding`].
pub fn prepare_request(name: &str, key: &AuthorityKey) -> Result<PreparedRequest, IssuanceError> {
    Ok(PreparedRequest {
        info: template::request(name, key)?,
        key: key.clone(),
    })
}
