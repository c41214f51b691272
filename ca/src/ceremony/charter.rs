//! The charter of a site: who speaks for its authority, and its first people.

use std::path::{Path, PathBuf};

use wardkey_issuance::{AuthorityKey, Issuer};
use wardkey_schemas::bundle::{FirstKey, SiteCharter};
use wardkey_schemas::ids::CharterId;
use wardkey_schemas::jws;
use wardkey_schemas::time::Timestamp;
use wardkey_verifier::charter::VerifiedCharter;

use super::certificate::authority_key;
use super::error::CeremonyError;
use super::folder::RootFolder;
use super::request::{FirstKeyRequest, load_site_request};
use super::said::Said;
use super::transcript::Step;
use crate::{durable, random};

const ACT: &str = "sign-charter";

/// Signs a charter for the site of `site_request` that names the keys in `first_keys`, and writes it to
/// `out`, where there must be no file.
///
/// The site must stand in the newest bundle.
///
/// # Errors
///
/// [`CeremonyError`].
pub fn sign(
    mut folder: RootFolder,
    site_request: &Path,
    first_keys: &[PathBuf],
    out: &Path,
    now: Timestamp,
) -> Result<Said, CeremonyError> {
    let asked = load_site_request(site_request)?;
    let key = authority_key(&folder, site_request, &asked)?;
    let first: Vec<FirstKeyRequest> = first_keys
        .iter()
        .map(|path| FirstKeyRequest::load(path))
        .collect::<Result<_, _>>()?;
    if out.exists() {
        let path = out.to_owned();
        return Err(CeremonyError::Taken { path });
    }
    let bundle = folder.newest_bundle(now)?.ok_or(CeremonyError::NoBundle)?;
    let authority = bundle.site_authority(&asked.site)?.certificate();
    if *Issuer::parse(authority.der())?.key() != AuthorityKey::P256(key) {
        let site = asked.site;
        return Err(CeremonyError::OtherAuthority { site });
    }
    let charter = SiteCharter {
        charter: CharterId::from_random(random::bytes()?),
        realm: asked.realm,
        site: asked.site,
        authority: authority.sha256(),
        registrar: asked.registrar,
        first_keys: first
            .iter()
            .map(|first| FirstKey {
                key: first.key,
                role: first.role,
            })
            .collect(),
        issued_at: now,
    };
    let detail = serde_json::json!({ "charter": charter, "tokens": first });
    folder.transcript.note(now, ACT, Step::Begun, detail)?;
    let envelope = jws::sign(&charter, &folder.load_signer()?)?;
    let verified = VerifiedCharter::verify(&envelope, &bundle)?;
    let text = format!("{}\n", envelope.as_str());
    durable::write_new(out, text.as_bytes(), durable::PUBLIC).map_err(CeremonyError::writing)?;
    let detail = serde_json::json!({ "charter": charter.charter, "sha256": verified.sha256() });
    folder.transcript.note(now, ACT, Step::Done, detail)?;

    let mut said = Said::new(format!("The charter of {} was signed.", charter.site))
        .field("number", charter.charter)
        .field("file", out.display())
        .aloud("registrar", charter.registrar.thumbprint().as_bytes());
    for first in &first {
        let who = format!("{}, security key {}", first.role, first.serial);
        said = said.field("first key", who).aloud("", first.key.as_bytes());
    }
    Ok(said.next(
        "Compare the keys with what each person's screen shows. Each of them can be certified once.",
    ))
}
