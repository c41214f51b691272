//! From the pinned hash of a root to everything else that is trusted (`docs/trust/index.md`).
//!
//! # Invariants
//!
//! - A [`VerifiedBundle`] exists only below the root whose hash the caller pinned.
//! - Every authority in it was verified once, when it was loaded; a lookup is a lookup.
//! - Times of authorities are judged when they are used: one site whose authority has run out does
//!   not stop the others.

mod authorities;
mod content;
mod root;

use std::collections::BTreeMap;

use wardkey_schemas::bundle::{
    BundlePackage, BundleVersion, EkAnchor, PolicyFloor, Profile, TokenAnchor, TrustBundle,
};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::names::{Realm, SiteCode};
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal, oid};

pub use self::authorities::Authority;
pub use self::content::verify_anchors;
pub use self::root::VerifiedRoot;
use crate::certificate::Certificate;
use crate::envelope;
use crate::profile;

/// A trust bundle that was verified from the hash of its root.
#[derive(Clone, Debug)]
pub struct VerifiedBundle {
    bundle: TrustBundle,
    payload_sha256: Sha256,
    root: VerifiedRoot,
    service: Authority,
    sites: BTreeMap<SiteCode, Authority>,
}

impl VerifiedBundle {
    /// Verifies `package`: the root is the pinned one, it certified the signer for bundles, the
    /// signer signed this bundle, and the bundle makes sense.
    ///
    /// `newest_seen` is the highest version that the caller ever took, zero if none. The same
    /// version passes here; [`Self::verify_follows`] says whether it is the same bundle.
    ///
    /// # Errors
    ///
    /// `ROOT_MISMATCH`, `BUNDLE_SIGNER`, `BUNDLE_ROLLBACK`, `BUNDLE_CONTENT`; `CERTIFICATE_…` for a
    /// root that is none, and for a root or signer outside its time at `now`.
    pub fn verify(
        package: &BundlePackage,
        root_pin: &Sha256,
        newest_seen: BundleVersion,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let (root, signer) = (package.root.as_ref(), package.signer.as_ref());
        let root = VerifiedRoot::verify(root, signer, root_pin, now)?;
        let opened = envelope::open(&package.bundle, root.signer())
            .map_err(|refusal| envelope::recode_signer(refusal, Code::BundleSigner))?;
        let payload_sha256 = opened.payload_sha256();
        let bundle = opened.into_message();

        if bundle.version < newest_seen {
            return Err(Refusal::new(
                Code::BundleRollback,
                format!("version {}", bundle.version),
                format!("version {newest_seen} or higher"),
            ));
        }
        if bundle.profile != root.profile() {
            return Err(content_refusal(
                "a profile that is not the one of the root",
                "one profile for root and bundle",
            ));
        }
        content::verify(&bundle)?;
        let service = bundle.service_authority.as_ref();
        let service = authorities::verify_service(
            service,
            &bundle.realm,
            root.certificate(),
            bundle.profile,
        )?;
        let sites = authorities::verify_sites(&bundle, root.certificate())?;
        authorities::verify_distinct_keys(root.signer(), &service, &sites)?;
        Ok(Self {
            bundle,
            payload_sha256,
            root,
            service,
            sites,
        })
    }

    /// Verifies that this bundle may take the place of the newest one seen, of which the version
    /// and the hash of the payload are given: it is the same, or a later one that does not deny it.
    ///
    /// # Errors
    ///
    /// `BUNDLE_ROLLBACK` for a lower version or another bundle of the same version;
    /// `BUNDLE_CONTENT` if it is the next version and names another predecessor.
    pub fn verify_follows(
        &self,
        version: BundleVersion,
        payload_sha256: &Sha256,
    ) -> Result<(), Refusal> {
        let own = self.version();
        let same = own == version && self.payload_sha256 == *payload_sha256;
        if own < version || (own == version && !same) {
            return Err(Refusal::new(
                Code::BundleRollback,
                format!("version {own}, payload {}", self.payload_sha256),
                format!("version {version} with payload {payload_sha256}, or a later one"),
            ));
        }
        let is_next = version.number().checked_add(1) == Some(own.number());
        if is_next && self.bundle.previous != Some(*payload_sha256) {
            return Err(content_refusal(
                "another predecessor than the bundle in use",
                payload_sha256,
            ));
        }
        Ok(())
    }

    /// Its version.
    pub const fn version(&self) -> BundleVersion {
        self.bundle.version
    }

    /// SHA-256 of the payload that was signed: what the next version names as its predecessor.
    pub const fn payload_sha256(&self) -> Sha256 {
        self.payload_sha256
    }

    /// The installation's realm.
    pub const fn realm(&self) -> &Realm {
        &self.bundle.realm
    }

    /// What the installation is for.
    pub const fn profile(&self) -> Profile {
        self.bundle.profile
    }

    /// The root's certificate.
    pub const fn root(&self) -> &Certificate {
        self.root.certificate()
    }

    /// The key that signs bundles and charters.
    pub const fn signer(&self) -> &PublicKey {
        self.root.signer()
    }

    /// The authority for keyd's own keys.
    pub const fn service_authority(&self) -> &Authority {
        &self.service
    }

    /// The authority of a site.
    ///
    /// # Errors
    ///
    /// `SITE_UNKNOWN`.
    pub fn site_authority(&self, site: &SiteCode) -> Result<&Authority, Refusal> {
        self.sites.get(site).ok_or_else(|| {
            Refusal::new(
                Code::SiteUnknown,
                site,
                format!(
                    "one of the {} sites of trust bundle {}",
                    self.sites.len(),
                    self.version()
                ),
            )
        })
    }

    /// All sites, in the order of their codes.
    pub fn sites(&self) -> impl Iterator<Item = &SiteCode> {
        self.sites.keys()
    }

    /// Roots and intermediates of token makers. Never empty.
    pub fn token_anchors(&self) -> &[TokenAnchor] {
        &self.bundle.token_anchors
    }

    /// Roots of TPM makers. Never empty.
    pub fn ek_anchors(&self) -> &[EkAnchor] {
        &self.bundle.ek_anchors
    }

    /// The floor under every policy.
    pub const fn policy_floor(&self) -> &PolicyFloor {
        &self.bundle.policy_floor
    }

    /// The bundle as it was signed.
    pub const fn bundle(&self) -> &TrustBundle {
        &self.bundle
    }

    /// The authority of the site that a certificate says it is for, with that site.
    pub(crate) fn authority_for(
        &self,
        certificate: &Certificate,
    ) -> Result<(SiteCode, &Authority), Refusal> {
        let text = profile::text(certificate, oid::EXT_SITE)?;
        let site: SiteCode = text
            .parse()
            .map_err(|error| Refusal::new(Code::CertificateProfile, text, error))?;
        let authority = self.site_authority(&site)?;
        Ok((site, authority))
    }
}

fn content_refusal(found: impl std::fmt::Display, wanted: impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::BundleContent, found, wanted)
}
