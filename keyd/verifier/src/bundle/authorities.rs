//! The certificates in a bundle: root, signer, and the authorities below the root.

use std::collections::{BTreeMap, BTreeSet};

use wardkey_schemas::bundle::{Profile, TrustBundle};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::names::{Realm, SiteCode};
use wardkey_schemas::subject::{self, Subtree};
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal, oid};

use super::content_refusal;
use crate::certificate::{Certificate, KeyUsage, SubjectKey};
use crate::profile::{self, Shape};

/// An authority below the root: its certificate was verified with its profile and name constraint.
#[derive(Clone, Debug)]
pub struct Authority {
    certificate: Certificate,
    subtree: Subtree,
}

impl Authority {
    /// Its certificate.
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Where the names lie that it may certify.
    pub const fn subtree(&self) -> &Subtree {
        &self.subtree
    }

    /// Verifies that it issued `certificate`, which must be inside its own time at `now`.
    pub(crate) fn verify_issued(
        &self,
        certificate: &Certificate,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let who = format!("the authority of {}", self.subtree);
        profile::verify_issued(certificate, &self.certificate, &who)?;
        profile::verify_time(self.certificate.validity(), now, Code::CertificateExpired)
    }
}

/// The root is the pinned certificate, a P-384 authority that signed itself, in time.
pub(super) fn verify_root(
    der: &[u8],
    pin: &Sha256,
    now: Timestamp,
) -> Result<Certificate, Refusal> {
    let found = Sha256::of(der);
    if found != *pin {
        return Err(Refusal::new(
            Code::RootMismatch,
            found.to_hex(),
            pin.to_hex(),
        ));
    }
    let root = profile::parse(der)?;
    if !matches!(root.key(), SubjectKey::P384(_)) {
        return Err(Refusal::new(
            Code::CertificateProfile,
            format!("a root with a key on {}", root.key().kind()),
            "P-384",
        ));
    }
    profile::verify_issued(&root, &root, "the root itself")?;
    let shape = Shape::authority(&root, 1);
    let name = subject::authority_name("root", shape.identifier());
    shape
        .named(&name)
        .policies(profile::installation(&root), &[])
        .verify()?;
    profile::verify_time(root.validity(), now, Code::CertificateExpired)?;
    Ok(root)
}

/// The signer's certificate is issued by the root for signing bundles, in time.
pub(super) fn verify_signer(
    der: &[u8],
    root: &Certificate,
    installation: Profile,
    now: Timestamp,
) -> Result<PublicKey, Refusal> {
    let judge = || {
        let signer = profile::parse(der)?;
        profile::verify_issued(&signer, root, "the root")?;
        let key = profile::p256(&signer)?;
        let shape = Shape::end_entity(&signer, KeyUsage::DIGITAL_SIGNATURE, &[oid::EKU_BUNDLE]);
        let name = subject::authority_name("bundle signer", shape.identifier());
        shape
            .named(&name)
            .issued_by(root)
            .policies(installation, &[])
            .verify()?;
        Ok((signer, key))
    };
    let (signer, key) = judge().map_err(|refusal: Refusal| refusal.recode(Code::BundleSigner))?;
    profile::verify_time(signer.validity(), now, Code::CertificateExpired)?;
    Ok(key)
}

/// The authority of keyd's own keys.
pub(super) fn verify_service(
    der: &[u8],
    realm: &Realm,
    root: &Certificate,
    installation: Profile,
) -> Result<Authority, Refusal> {
    let subtree = Subtree::of_service(realm);
    verify_authority(der, "service", &subtree, None, root, installation)
        .map_err(|refusal| in_bundle("the service authority", &refusal))
}

/// The authority of one site.
pub(super) fn verify_site(
    der: &[u8],
    site: &SiteCode,
    realm: &Realm,
    root: &Certificate,
    installation: Profile,
) -> Result<Authority, Refusal> {
    let subtree = Subtree::of_site(site, realm).ok_or_else(|| {
        content_refusal(
            format!("a site with the code {site}"),
            "a code that is not the service's",
        )
    })?;
    let what = format!("site {site}");
    verify_authority(der, &what, &subtree, Some(site), root, installation)
        .map_err(|refusal| in_bundle(&format!("the authority of {site}"), &refusal))
}

pub(super) fn verify_sites(
    bundle: &TrustBundle,
    root: &Certificate,
) -> Result<BTreeMap<SiteCode, Authority>, Refusal> {
    let mut sites = BTreeMap::new();
    for entry in &bundle.site_authorities {
        let site = &entry.site;
        let der = entry.certificate.as_ref();
        let authority = verify_site(der, site, &bundle.realm, root, bundle.profile)?;
        if sites.insert(site.clone(), authority).is_some() {
            return Err(content_refusal(
                format!("site {site} twice"),
                "each site once",
            ));
        }
    }
    Ok(sites)
}

/// An authority below the root: P-256, end entities right below it, names in its subtree only.
fn verify_authority(
    der: &[u8],
    what: &str,
    subtree: &Subtree,
    site: Option<&SiteCode>,
    root: &Certificate,
    installation: Profile,
) -> Result<Authority, Refusal> {
    let certificate = profile::parse(der)?;
    profile::verify_issued(&certificate, root, "the root")?;
    profile::p256(&certificate)?;
    let shape = Shape::authority(&certificate, 0);
    let name = subject::authority_name(what, shape.identifier());
    let shape = shape
        .named(&name)
        .issued_by(root)
        .constrained_to(subtree)
        .policies(installation, &[]);
    match site {
        Some(site) => shape.text(oid::EXT_SITE, site.as_str()).verify()?,
        None => shape.verify()?,
    }
    Ok(Authority {
        certificate,
        subtree: subtree.clone(),
    })
}

/// One key stands for one thing: else a signature would not say who made it. The root's is on
/// another curve and cannot be one of them.
pub(super) fn verify_distinct_keys(
    signer: &PublicKey,
    service: &Authority,
    sites: &BTreeMap<SiteCode, Authority>,
) -> Result<(), Refusal> {
    let mut points: BTreeSet<&[u8]> = BTreeSet::from([signer.point().as_slice()]);
    let authorities = std::iter::once(service).chain(sites.values());
    for authority in authorities {
        let key = authority.certificate.p256();
        if !key.is_some_and(|key| points.insert(key.point())) {
            return Err(content_refusal(
                format!(
                    "a key of another for the authority of {}",
                    authority.subtree
                ),
                "a key of its own for each",
            ));
        }
    }
    Ok(())
}

/// The same refusal as a fault of the bundle's content.
fn in_bundle(whose: &str, refusal: &Refusal) -> Refusal {
    content_refusal(
        format!("{whose}: {}: {}", refusal.code(), refusal.found()),
        refusal.wanted(),
    )
}
