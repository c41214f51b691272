//! Certifying the authorities below the root: one for keyd's own keys, one for each site.

use std::path::Path;

use wardkey_issuance::{AuthorityKey, Issuer, Prepared, Profile, Request, prepare, sign};
use wardkey_schemas::bundle::SiteAuthority;
use wardkey_schemas::bytes::{Bytes, Sha256};
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::limits;
use wardkey_schemas::subject::Subtree;
use wardkey_schemas::time::Timestamp;

use super::error::CeremonyError;
use super::folder::{RootFolder, SERVICE_AUTHORITY};
use super::request::load_site_request;
use super::said::Said;
use super::transcript::Step;
use crate::site_request::SiteRequest;
use crate::{durable, random};

const ACT: &str = "certify-authority";

/// Certifies the authority for keyd's own keys; `request` is its PKCS#10 file (DER).
///
/// # Errors
///
/// [`CeremonyError`]; [`CeremonyError::Taken`] if there is one already.
pub fn service(
    mut folder: RootFolder,
    request: &Path,
    now: Timestamp,
) -> Result<Said, CeremonyError> {
    require_free(
        &folder,
        SERVICE_AUTHORITY,
        folder.draft.service_authority.is_some(),
    )?;
    let csr = durable::read_at_most(request, limits::CERTIFICATE_BYTES)?;
    let key = requested_key(request, &csr)?;
    require_unused(&folder, &key)?;
    let realm = folder.draft.realm.clone();
    let profile = Profile::ServiceAuthority {
        realm: realm.clone(),
    };
    let certified = certify(&mut folder, &profile, &key, SERVICE_AUTHORITY, now)?;
    let certificate = certified.sign(&folder, |folder, der| {
        Ok(folder.root.verify_service_authority(der, &realm)?)
    })?;
    let mut draft = folder.draft.clone();
    draft.service_authority = Some(certificate.clone());
    let said = Said::new(format!(
        "The authority for keyd's own keys was certified, for names in {}.",
        Subtree::of_service(&realm)
    ))
    .aloud("request", Sha256::of(&csr).as_bytes());
    finish(
        folder,
        draft,
        SERVICE_AUTHORITY,
        &key,
        &certificate,
        said,
        now,
    )
}

/// Certifies the authority of a site; `request` is what `wardkey-ca init` wrote there.
///
/// # Errors
///
/// [`CeremonyError`]; [`CeremonyError::Taken`] if it was certified before.
pub fn site(mut folder: RootFolder, request: &Path, now: Timestamp) -> Result<Said, CeremonyError> {
    let asked = load_site_request(request)?;
    let site = &asked.site;
    let key = authority_key(&folder, request, &asked)?;
    let subtree =
        Subtree::of_site(site, &asked.realm).filter(|_| site.as_str() != SERVICE_AUTHORITY);
    let subtree = subtree.ok_or_else(|| CeremonyError::SiteName { site: site.clone() })?;
    require_free(
        &folder,
        site.as_str(),
        folder.draft.find_site(site).is_some(),
    )?;
    require_unused(&folder, &key)?;
    let profile = Profile::SiteAuthority {
        site: site.clone(),
        realm: asked.realm.clone(),
    };
    let certified = certify(&mut folder, &profile, &key, site.as_str(), now)?;
    let certificate = certified.sign(&folder, |folder, der| {
        Ok(folder.root.verify_site_authority(der, site, &asked.realm)?)
    })?;
    let mut draft = folder.draft.clone();
    draft.site_authorities.push(SiteAuthority {
        site: site.clone(),
        certificate: certificate.clone(),
    });
    let said = Said::new(format!(
        "The authority of {site} was certified, for names in {subtree}."
    ))
    .aloud("request", asked.csr.sha256().as_bytes());
    finish(folder, draft, site.as_str(), &key, &certificate, said, now)
}

/// The key in a site's request, if the request is of this realm and the registrar has another one.
pub(super) fn authority_key(
    folder: &RootFolder,
    path: &Path,
    asked: &SiteRequest,
) -> Result<PublicKey, CeremonyError> {
    if asked.realm != folder.draft.realm {
        return Err(CeremonyError::OtherRealm {
            found: asked.realm.clone(),
            wanted: folder.draft.realm.clone(),
        });
    }
    let key = requested_key(path, asked.csr.as_slice())?;
    if key == asked.registrar {
        let whose = "the site's registrar".to_owned();
        return Err(CeremonyError::KeyInUse { whose });
    }
    Ok(key)
}

fn requested_key(path: &Path, csr: &[u8]) -> Result<PublicKey, CeremonyError> {
    let request = Request::verify(csr).map_err(|source| CeremonyError::Request {
        path: path.to_owned(),
        source,
    })?;
    match request.key() {
        AuthorityKey::P256(key) => Ok(*key),
        AuthorityKey::P384(_) => Err(CeremonyError::RequestCurve {
            path: path.to_owned(),
        }),
    }
}

fn require_free(folder: &RootFolder, name: &str, is_there: bool) -> Result<(), CeremonyError> {
    let path = folder.places.certificate(name);
    if is_there || path.exists() {
        return Err(CeremonyError::Taken { path });
    }
    Ok(())
}

/// One key stands for one thing.
fn require_unused(folder: &RootFolder, key: &PublicKey) -> Result<(), CeremonyError> {
    if key == folder.root.signer() {
        let whose = "the bundle signer".to_owned();
        return Err(CeremonyError::KeyInUse { whose });
    }
    for (whose, der) in folder.draft.authorities() {
        if *Issuer::parse(der.as_slice())?.key() == AuthorityKey::P256(*key) {
            return Err(CeremonyError::KeyInUse { whose });
        }
    }
    Ok(())
}

/// A certificate whose intent is in the transcript.
struct Intended(Prepared);

fn certify(
    folder: &mut RootFolder,
    profile: &Profile,
    key: &PublicKey,
    name: &str,
    now: Timestamp,
) -> Result<Intended, CeremonyError> {
    let issuer = Issuer::parse(&folder.root_der)?;
    let prepared = prepare(profile, key, &issuer, random::bytes()?, now)?;
    let detail = serde_json::json!({
        "authority": name,
        "key": key.thumbprint(),
        "tbs_sha256": prepared.sha256(),
    });
    folder.transcript.note(now, ACT, Step::Begun, detail)?;
    Ok(Intended(prepared))
}

impl Intended {
    /// Signs it; what comes out has passed `verify`.
    fn sign(
        self,
        folder: &RootFolder,
        verify: impl FnOnce(&RootFolder, &[u8]) -> Result<(), CeremonyError>,
    ) -> Result<Bytes, CeremonyError> {
        let der = sign(self.0, &mut folder.load_root_key()?)?;
        verify(folder, &der)?;
        Ok(der.into())
    }
}

fn finish(
    mut folder: RootFolder,
    draft: super::draft::Draft,
    name: &str,
    key: &PublicKey,
    certificate: &Bytes,
    said: Said,
    now: Timestamp,
) -> Result<Said, CeremonyError> {
    folder.keep(draft)?;
    let sha256 = Sha256::of(certificate.as_slice());
    let detail = serde_json::json!({
        "authority": name,
        "key": key.thumbprint(),
        "certificate": sha256,
    });
    folder.transcript.note(now, ACT, Step::Done, detail)?;
    Ok(said
        .field("certificate", folder.places.certificate(name).display())
        .aloud("SHA-256", sha256.as_bytes())
        .next(
            "Compare the request with the fingerprint that was read out where it was made. The \
             certificate counts once it stands in a bundle: `wardkey-ca root sign bundle`.",
        ))
}
