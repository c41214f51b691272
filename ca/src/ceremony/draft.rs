//! The draft: what the next bundle will say.

use std::path::Path;

use serde::{Deserialize, Serialize};
use wardkey_schemas::bundle::{
    BundleVersion, EkAnchor, PolicyFloor, Profile, SiteAuthority, TokenAnchor, TrustBundle,
};
use wardkey_schemas::bytes::{Bytes, Sha256};
use wardkey_schemas::limits;
use wardkey_schemas::names::{Realm, SiteCode};
use wardkey_schemas::time::Timestamp;

use super::error::CeremonyError;
use crate::durable;

/// What the next bundle will say, but for its version and time.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// The installation's realm.
    pub realm: Realm,
    /// What the installation is for.
    pub profile: Profile,
    /// Roots and intermediates of token makers.
    pub token_anchors: Vec<TokenAnchor>,
    /// Roots of TPM makers.
    pub ek_anchors: Vec<EkAnchor>,
    /// The floor under every policy.
    pub policy_floor: PolicyFloor,
    /// The authority for keyd's own keys (DER), once it is certified.
    pub service_authority: Option<Bytes>,
    /// The authorities of the sites that are certified.
    pub site_authorities: Vec<SiteAuthority>,
}

impl Draft {
    /// Reads the draft.
    ///
    /// # Errors
    ///
    /// [`CeremonyError::File`], [`CeremonyError::Content`].
    pub fn load(path: &Path) -> Result<Self, CeremonyError> {
        let bytes = durable::read_at_most(path, limits::BUNDLE_BYTES)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| CeremonyError::content(path, "a draft of a bundle", error))
    }

    /// The draft as it is kept.
    pub(super) fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        Ok(json)
    }

    /// Puts the draft in the place of the one that is there.
    ///
    /// # Errors
    ///
    /// [`CeremonyError::File`].
    pub fn replace(&self, path: &Path) -> Result<(), CeremonyError> {
        let json = self
            .to_json()
            .map_err(|error| CeremonyError::content(path, "a draft of a bundle", error))?;
        Ok(durable::replace(path, &json, durable::PUBLIC)?)
    }

    /// The authority of a site, if it was certified.
    pub fn find_site(&self, site: &SiteCode) -> Option<&SiteAuthority> {
        self.site_authorities
            .iter()
            .find(|authority| authority.site == *site)
    }

    /// Every authority with the words for whose it is.
    pub fn authorities(&self) -> impl Iterator<Item = (String, &Bytes)> {
        let service = self.service_authority.iter();
        let service = service.map(|der| ("the authority for keyd's own keys".to_owned(), der));
        let sites = self.site_authorities.iter();
        let sites = sites.map(|a| (format!("the authority of {}", a.site), &a.certificate));
        service.chain(sites)
    }

    /// The bundle that this draft becomes.
    ///
    /// # Errors
    ///
    /// [`CeremonyError::NoService`].
    pub fn to_bundle(
        &self,
        version: BundleVersion,
        previous: Option<Sha256>,
        now: Timestamp,
    ) -> Result<TrustBundle, CeremonyError> {
        let service_authority = self.service_authority.clone();
        Ok(TrustBundle {
            version,
            previous,
            issued_at: now,
            realm: self.realm.clone(),
            profile: self.profile,
            service_authority: service_authority.ok_or(CeremonyError::NoService)?,
            site_authorities: self.site_authorities.clone(),
            token_anchors: self.token_anchors.clone(),
            ek_anchors: self.ek_anchors.clone(),
            policy_floor: self.policy_floor.clone(),
        })
    }
}
