//! The charter of a site: who speaks for its authority, and its first people
//! (`docs/decisions/0007-first-keys.md`).

use wardkey_schemas::bundle::{FirstKey, SiteCharter};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::key::{PublicKey, Thumbprint};
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::{Code, Refusal};

use crate::bundle::VerifiedBundle;
use crate::envelope;
use crate::person::verify_role_of_site;

/// A charter that the bundle's signer signed, for a site and an authority of the bundle.
#[derive(Clone, Debug)]
pub struct VerifiedCharter {
    charter: SiteCharter,
    sha256: Sha256,
}

impl VerifiedCharter {
    /// Verifies `charter` against `bundle`.
    ///
    /// # Errors
    ///
    /// `CHARTER_INVALID`, `SITE_UNKNOWN`, `MESSAGE_MALFORMED`.
    pub fn verify(charter: &Jws<SiteCharter>, bundle: &VerifiedBundle) -> Result<Self, Refusal> {
        let opened = envelope::open(charter, bundle.signer())
            .map_err(|refusal| envelope::recode_signer(refusal, Code::CharterInvalid))?;
        let sha256 = charter.sha256();
        let charter = opened.into_message();
        if charter.realm != *bundle.realm() {
            return Err(invalid(
                format!("the realm {}", charter.realm),
                bundle.realm(),
            ));
        }
        let authority = bundle.site_authority(&charter.site)?.certificate();
        if charter.authority != authority.sha256() {
            return Err(invalid(
                format!("the authority {}", charter.authority.to_hex()),
                authority.sha256().to_hex(),
            ));
        }
        if authority.p256() == Some(&charter.registrar) {
            return Err(invalid(
                "the authority's key as registrar",
                "a registrar with a key of its own",
            ));
        }
        verify_first_keys(&charter.first_keys)?;
        for first in &charter.first_keys {
            verify_role_of_site(first.role, &charter.site)
                .map_err(|refusal| invalid(refusal.found(), refusal.wanted()))?;
        }
        Ok(Self { charter, sha256 })
    }

    /// The role for which the charter certifies this key.
    ///
    /// # Errors
    ///
    /// `CHARTER_INVALID` if it does not name the key.
    pub fn first_key(&self, key: Thumbprint) -> Result<&FirstKey, Refusal> {
        self.charter
            .first_keys
            .iter()
            .find(|first| first.key == key)
            .ok_or_else(|| {
                invalid(
                    format!("key {key}"),
                    format!("one of the {} first keys", self.charter.first_keys.len()),
                )
            })
    }

    /// The site.
    pub const fn site(&self) -> &SiteCode {
        &self.charter.site
    }

    /// The key with which the site's ca signs what it tells keyd.
    pub const fn registrar(&self) -> &PublicKey {
        &self.charter.registrar
    }

    /// The charter as it was signed.
    pub const fn charter(&self) -> &SiteCharter {
        &self.charter
    }

    /// SHA-256 of its envelope.
    pub const fn sha256(&self) -> Sha256 {
        self.sha256
    }
}

fn invalid(found: impl std::fmt::Display, wanted: impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::CharterInvalid, found, wanted)
}

/// One first key at least, and none twice: a key has one role at a site.
fn verify_first_keys(keys: &[FirstKey]) -> Result<(), Refusal> {
    if keys.is_empty() {
        return Err(invalid("no first key", "one at least"));
    }
    for (place, first) in keys.iter().enumerate() {
        if keys.iter().take(place).any(|other| other.key == first.key) {
            return Err(invalid(format!("key {} twice", first.key), "each once"));
        }
    }
    Ok(())
}
