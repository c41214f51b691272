//! The next version of the trust bundle.

use std::path::Path;

use wardkey_schemas::bundle::{BundlePackage, BundleVersion};
use wardkey_schemas::jws;
use wardkey_schemas::time::Timestamp;
use wardkey_verifier::bundle::VerifiedBundle;

use super::error::CeremonyError;
use super::folder::{RootFolder, load_package};
use super::init::profile_name;
use super::said::Said;
use super::transcript::Step;
use crate::durable;

const ACT: &str = "sign-bundle";

/// Signs the next version of the bundle, which follows the newest one, keeps it and writes it to
/// `out` too. An earlier bundle of this root that is there is replaced, any other file is not.
///
/// # Errors
///
/// [`CeremonyError`]; [`CeremonyError::NoService`] before there is an authority for keyd's own keys.
pub fn sign(mut folder: RootFolder, out: &Path, now: Timestamp) -> Result<Said, CeremonyError> {
    let newest = folder.newest_bundle(now)?;
    let before = newest.as_ref().map(VerifiedBundle::version);
    require_replaceable(&folder, out, before, now)?;
    let version = BundleVersion::new(before.map_or(1, |before| before.number().saturating_add(1)));
    let previous = newest.as_ref().map(VerifiedBundle::payload_sha256);
    let bundle = folder.draft.to_bundle(version, previous, now)?;
    let detail = serde_json::json!({ "version": version, "previous": previous });
    folder.transcript.note(now, ACT, Step::Begun, detail)?;

    let package = BundlePackage {
        root: folder.root_der.as_slice().into(),
        signer: folder.signer_der.as_slice().into(),
        bundle: jws::sign(&bundle, &folder.load_signer()?)?,
    };
    let verified = VerifiedBundle::verify(&package, &folder.pin, version, now)?;
    if let Some(newest) = &newest {
        verified.verify_follows(newest.version(), &newest.payload_sha256())?;
    }
    let kept = folder.places.bundle(version);
    let json = serde_json::to_vec(&package)
        .map_err(|error| CeremonyError::content(&kept, "a trust bundle", error))?;
    // What was kept is what the next version follows; it is given out after that.
    durable::write_new(&kept, &json, durable::PUBLIC).map_err(CeremonyError::writing)?;
    durable::replace(out, &json, durable::PUBLIC)?;
    let payload = verified.payload_sha256();
    let detail = serde_json::json!({ "version": version, "payload": payload });
    folder.transcript.note(now, ACT, Step::Done, detail)?;

    let sites: Vec<String> = verified.sites().map(ToString::to_string).collect();
    let sites = if sites.is_empty() {
        "none".to_owned()
    } else {
        sites.join(", ")
    };
    Ok(Said::new(format!(
        "Version {version} of the trust bundle of {} was signed ({}).",
        verified.realm(),
        profile_name(verified.profile())
    ))
    .field("file", out.display())
    .aloud("payload", payload.as_bytes())
    .field("sites", sites)
    .field("token makers", verified.token_anchors().len())
    .field("TPM makers", verified.ek_anchors().len())
    .next("Carry it to keyd (`keyd trust`); the sites get it from there."))
}

/// Nothing is there, or an earlier bundle of this root.
fn require_replaceable(
    folder: &RootFolder,
    out: &Path,
    newest: Option<BundleVersion>,
    now: Timestamp,
) -> Result<(), CeremonyError> {
    if !out.exists() {
        return Ok(());
    }
    let ours = load_package(out).ok().and_then(|package| {
        let any = BundleVersion::new(0);
        VerifiedBundle::verify(&package, &folder.pin, any, now).ok()
    });
    match ours {
        Some(bundle) if Some(bundle.version()) <= newest => Ok(()),
        Some(_) | None => Err(CeremonyError::Taken {
            path: out.to_owned(),
        }),
    }
}
