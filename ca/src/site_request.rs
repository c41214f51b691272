//! What a site brings to the root ceremony: its authority's key to be certified, and the key that
//! will speak to keyd in its name.

use serde::{Deserialize, Serialize};
use wardkey_issuance::{IssuanceError, SignError, Signer, prepare_request, sign_request};
use wardkey_schemas::bytes::Bytes;
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::names::{Realm, SiteCode};

/// A site's request to the root. Nothing in it is believed because it is written here: whoever holds
/// the root compares it with the people of the site.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SiteRequest {
    /// The site.
    pub site: SiteCode,
    /// The realm.
    pub realm: Realm,
    /// A request for the authority's certificate (PKCS#10, RFC 2986, DER), signed with its key.
    pub csr: Bytes,
    /// The key that signs what ca tells keyd.
    pub registrar: PublicKey,
}

/// Why no request was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SiteRequestError<E: std::error::Error + 'static> {
    /// It cannot be encoded.
    #[error("the request cannot be encoded")]
    Encoding(#[from] IssuanceError),
    /// The authority's key did not sign it.
    #[error("the request was not signed")]
    Sign(#[from] SignError<E>),
}

impl SiteRequest {
    /// Makes the request of a site, signed with its authority's key.
    ///
    /// # Errors
    ///
    /// [`SiteRequestError`].
    pub fn sign<S: Signer>(
        site: SiteCode,
        realm: Realm,
        authority: &mut S,
        registrar: PublicKey,
    ) -> Result<Self, SiteRequestError<S::Error>> {
        let prepared = prepare_request(site.as_str(), authority.public_key())?;
        let csr = sign_request(prepared, authority)?;
        Ok(Self {
            site,
            realm,
            csr: csr.into(),
            registrar,
        })
    }
}

#[cfg(test)]
mod tests {
    use wardkey_issuance::Request;
    use wardkey_schemas::key::SigningKey;

    use super::*;
    use crate::signer::file::{self, Curve, FileKey};

    #[test]
    fn a_request_carries_the_key_that_signed_it_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        file::create(&path, Curve::P256).unwrap();
        let mut authority = FileKey::load(&path, Curve::P256).unwrap();
        let (registrar, _) = SigningKey::generate().unwrap();
        let request = SiteRequest::sign(
            "hmp-x".parse().unwrap(),
            "wardkey.example".parse().unwrap(),
            &mut authority,
            *registrar.public(),
        )
        .unwrap();
        let text = serde_json::to_string(&request).unwrap();
        let read: SiteRequest = serde_json::from_str(&text).unwrap();
        assert_eq!(read.registrar, *registrar.public());
        let csr = Request::verify(read.csr.as_slice()).unwrap();
        assert_eq!(csr.key(), authority.public_key());
        let mut spoiled = read.csr.into_vec();
        *spoiled.last_mut().unwrap() ^= 1;
        assert!(Request::verify(&spoiled).is_err());
    }
}
