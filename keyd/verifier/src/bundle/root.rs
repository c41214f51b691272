//! A root with the signer that it certified: where every bundle stands, and what a root ceremony
//! holds before there is one.

use wardkey_schemas::Refusal;
use wardkey_schemas::bundle::Profile;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::names::{Realm, SiteCode};
use wardkey_schemas::time::Timestamp;

use super::authorities;
use crate::certificate::Certificate;
use crate::profile;

/// A root that is the pinned one, and the signer of bundles that it certified.
#[derive(Clone, Debug)]
pub struct VerifiedRoot {
    root: Certificate,
    profile: Profile,
    signer: PublicKey,
}

impl VerifiedRoot {
    /// Verifies the certificates (DER) of root and signer: the root is the pinned one, and certified
    /// the signer for bundles; both are in their time at `now`.
    ///
    /// # Errors
    ///
    /// `ROOT_MISMATCH`, `BUNDLE_SIGNER`, `CERTIFICATE_…`.
    pub fn verify(
        root: &[u8],
        signer: &[u8],
        pin: &Sha256,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let root = authorities::verify_root(root, pin, now)?;
        let profile = profile::installation(&root);
        let signer = authorities::verify_signer(signer, &root, profile, now)?;
        Ok(Self {
            root,
            profile,
            signer,
        })
    }

    /// Verifies a certificate (DER) that is to stand in a bundle as the one for keyd's own keys.
    ///
    /// # Errors
    ///
    /// `BUNDLE_CONTENT`, which says what is wrong with it.
    pub fn verify_service_authority(&self, der: &[u8], realm: &Realm) -> Result<(), Refusal> {
        authorities::verify_service(der, realm, &self.root, self.profile).map(drop)
    }

    /// Verifies a certificate (DER) that is to stand in a bundle as the one of `site`.
    ///
    /// # Errors
    ///
    /// `BUNDLE_CONTENT`, which says what is wrong with it.
    pub fn verify_site_authority(
        &self,
        der: &[u8],
        site: &SiteCode,
        realm: &Realm,
    ) -> Result<(), Refusal> {
        authorities::verify_site(der, site, realm, &self.root, self.profile).map(drop)
    }

    /// The root's certificate.
    pub const fn certificate(&self) -> &Certificate {
        &self.root
    }

    /// What the installation is for, as the root's certificate says.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// The key that signs bundles and charters.
    pub const fn signer(&self) -> &PublicKey {
        &self.signer
    }
}
