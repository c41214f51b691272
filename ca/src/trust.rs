//! Whom a site's authority trusts: everything that follows from one bundle under the pinned root.

use std::path::PathBuf;

use wardkey_edge::pem::{self, FolderError};
use wardkey_issuance::{AuthorityKey, Issuer, IssuerError};
use wardkey_schemas::bundle::{BundlePackage, BundleVersion};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::names::{Realm, SiteCode};
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::bundle::VerifiedBundle;
use wardkey_verifier::ek::EkAnchors;
use wardkey_verifier::piv::TokenAnchors;

/// Why trust cannot be established.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// No bundle was taken into use.
    #[error("no trust bundle was taken into use")]
    NoBundle,
    /// The bundle or an anchor is refused.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The bundle certifies another key than this authority's.
    #[error("the bundle certifies another key for this site than the one that is kept here")]
    OtherAuthority,
    /// The authority's certificate cannot be used for issuing.
    #[error("the authority's certificate cannot be used")]
    Issuer(#[from] IssuerError),
    /// The folder of makers' certificates cannot be used.
    #[error("the makers' certificates cannot be used")]
    Anchors(#[from] FolderError),
}

/// Everything that follows from one bundle.
#[derive(Debug)]
pub struct Trust {
    /// The bundle.
    pub bundle: VerifiedBundle,
    /// The bundle as it is handed on.
    pub package: BundlePackage,
    /// The token makers that are believed.
    pub token_anchors: TokenAnchors,
    /// The TPM makers that are believed.
    pub ek_anchors: EkAnchors,
    /// This site's authority, as it issues.
    pub issuer: Issuer,
}

/// What a bundle is held against.
#[derive(Clone, Debug)]
pub struct Sources {
    /// SHA-256 of the root's certificate.
    pub root: Sha256,
    /// The site.
    pub site: SiteCode,
    /// The realm.
    pub realm: Realm,
    /// The authority's key.
    pub authority: AuthorityKey,
    /// The folder of makers' certificates.
    pub anchors: PathBuf,
}

impl Trust {
    /// Verifies a bundle from the pinned root, finds this site's authority in it with the key that is
    /// kept here, and loads the makers' certificates that it names.
    ///
    /// # Errors
    ///
    /// [`TrustError`].
    pub fn establish(
        package: BundlePackage,
        newest_seen: BundleVersion,
        sources: &Sources,
        now: Timestamp,
    ) -> Result<Self, TrustError> {
        let bundle = VerifiedBundle::verify(&package, &sources.root, newest_seen, now)?;
        if *bundle.realm() != sources.realm {
            return Err(Refusal::new(Code::SiteMismatch, bundle.realm(), &sources.realm).into());
        }
        let authority = bundle.site_authority(&sources.site)?.certificate();
        let issuer = Issuer::parse(authority.der())?;
        if *issuer.key() != sources.authority {
            return Err(TrustError::OtherAuthority);
        }
        let makers = pem::read_folder(&sources.anchors)?;
        Ok(Self {
            token_anchors: TokenAnchors::new(bundle.token_anchors(), &makers)?,
            ek_anchors: EkAnchors::new(bundle.ek_anchors(), &makers)?,
            bundle,
            package,
            issuer,
        })
    }

    /// As [`Self::establish`] for a bundle that is to take the place of this one: the same, or a later
    /// one that does not deny it.
    ///
    /// # Errors
    ///
    /// [`TrustError`].
    pub fn succeeded_by(
        &self,
        package: BundlePackage,
        sources: &Sources,
        now: Timestamp,
    ) -> Result<Self, TrustError> {
        let version = self.bundle.version();
        let next = Self::establish(package, version, sources, now)?;
        next.bundle
            .verify_follows(version, &self.bundle.payload_sha256())?;
        Ok(next)
    }

    /// The authority's certificate (DER).
    ///
    /// # Errors
    ///
    /// `SITE_UNKNOWN`, which was ruled out when this was made.
    pub fn authority(&self, site: &SiteCode) -> Result<Vec<u8>, Refusal> {
        Ok(self
            .bundle
            .site_authority(site)?
            .certificate()
            .der()
            .to_vec())
    }
}
