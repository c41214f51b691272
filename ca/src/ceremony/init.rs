//! A new root: its key and certificate, the bundle signer, and the first draft.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use wardkey_edge::pem;
use wardkey_issuance::{Issuer, Profile, Signer as _, prepare, prepare_root, sign};
use wardkey_schemas::bundle::{self, EkAnchor, PolicyFloor, TokenAnchor};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::time::Timestamp;
use wardkey_verifier::bundle::{VerifiedRoot, verify_anchors};
use wardkey_verifier::ek::EkAnchors;
use wardkey_verifier::pins;
use wardkey_verifier::piv::TokenAnchors;

use super::arguments::RootInit;
use super::draft::Draft;
use super::error::CeremonyError;
use super::folder::Places;
use super::said::Said;
use super::transcript::{Step, TRANSCRIPT, Transcript};
use crate::durable::{self, FileError};
use crate::random;
use crate::signer::file::{self, Curve, FileKey};

/// A file with makers' certificates.
const MOST: usize = 256 * 1024;

const ACT: &str = "make-root";

/// Makes a root.
///
/// # Errors
///
/// [`CeremonyError`]. What was made of an unfinished root stays where it is, and nobody can use it.
pub fn init(init: &RootInit, now: Timestamp) -> Result<Said, CeremonyError> {
    // What can be judged without a key is judged before there is one.
    let anchors = Anchors::load(init)?;
    let places = Places::within(&init.at.folder);
    let mut transcript = begin(&places)?;
    transcript.note(
        now,
        ACT,
        Step::Begun,
        serde_json::json!({
            "realm": init.realm,
            "profile": bundle::Profile::from(init.profile),
            "token_anchors": anchors.token,
            "ek_anchors": anchors.ek,
        }),
    )?;

    let made = certify(&places, init.profile.into(), now)?;
    let pin = made.root.certificate().sha256();
    let draft = Draft {
        realm: init.realm.clone(),
        profile: made.root.profile(),
        token_anchors: anchors.token,
        ek_anchors: anchors.ek,
        policy_floor: PolicyFloor {
            oldest_token_firmware: pins::OLDEST_TOKEN_FIRMWARE,
            pcrs: pins::PCRS_AT_LEAST.to_vec(),
        },
        service_authority: None,
        site_authorities: Vec::new(),
    };
    let json = draft
        .to_json()
        .map_err(|error| CeremonyError::content(&places.draft(), "a draft", error))?;
    let hex = format!("{}\n", pin.to_hex());
    for (path, bytes) in [
        (places.root(), made.root.certificate().der()),
        (places.pin(), hex.as_bytes()),
        (places.signer(), made.signer.as_slice()),
        (places.draft(), json.as_slice()),
    ] {
        durable::write_new(&path, bytes, durable::PUBLIC).map_err(CeremonyError::writing)?;
    }
    let signer = made.root.signer().thumbprint();
    let detail = serde_json::json!({
        "root": pin,
        "bundle_signer": Sha256::of(&made.signer),
        "bundle_signer_key": signer,
    });
    transcript.note(now, ACT, Step::Done, detail)?;

    Ok(Said::new(format!(
        "The root of {} was made ({}).",
        init.realm,
        profile_name(made.root.profile())
    ))
    .field("certificate", places.root().display())
    .aloud("SHA-256", pin.as_bytes())
    .field("signer", places.signer().display())
    .aloud("its key", signer.as_bytes())
    .field("transcript", places.folder().join(TRANSCRIPT).display())
    .next(
        "Everybody who is present notes the SHA-256. It is pinned in every image and given to every \
         service when that is set up.",
    ))
}

/// What an installation is for, in a word.
pub(super) const fn profile_name(profile: bundle::Profile) -> &'static str {
    match profile {
        bundle::Profile::Production => "production",
        bundle::Profile::Test => "for tests only",
    }
}

/// Makes the folders, which must hold nothing of a root yet.
fn begin(places: &Places) -> Result<Transcript, CeremonyError> {
    let folder = places.folder();
    for path in [places.root_key(), places.root(), places.draft()] {
        if path.exists() {
            return Err(CeremonyError::Taken { path });
        }
    }
    for name in ["keys", "certificates", "bundles"] {
        let path = folder.join(name);
        fs::create_dir_all(&path).map_err(FileError::of(&path, "made"))?;
    }
    for path in [folder, &folder.join("keys")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .map_err(FileError::of(path, "closed to others"))?;
    }
    Transcript::open(folder)
}

/// A root with its signer, and the signer's certificate.
struct Made {
    root: VerifiedRoot,
    signer: Vec<u8>,
}

/// Makes both keys, has the root certify itself and the signer, and verifies both.
fn certify(
    places: &Places,
    profile: bundle::Profile,
    now: Timestamp,
) -> Result<Made, CeremonyError> {
    make_key(&places.root_key(), Curve::P384)?;
    make_key(&places.signer_key(), Curve::P256)?;
    let mut root_key = FileKey::load(&places.root_key(), Curve::P384)?;
    let signer_key = file::load_signing_key(&places.signer_key())?;
    let prepared = prepare_root(root_key.public_key(), profile, random::bytes()?, now)?;
    let root = sign(prepared, &mut root_key)?;
    let issuer = Issuer::parse(&root)?;
    let prepared = prepare(
        &Profile::BundleSigner,
        signer_key.public(),
        &issuer,
        random::bytes()?,
        now,
    )?;
    let signer = sign(prepared, &mut root_key)?;
    Ok(Made {
        root: VerifiedRoot::verify(&root, &signer, &Sha256::of(&root), now)?,
        signer,
    })
}

fn make_key(path: &Path, curve: Curve) -> Result<(), CeremonyError> {
    match file::create(path, curve) {
        Err(file::KeyFileError::File(error)) => Err(CeremonyError::writing(error)),
        other => Ok(other?),
    }
}

/// The makers that are to be believed.
struct Anchors {
    token: Vec<TokenAnchor>,
    ek: Vec<EkAnchor>,
}

impl Anchors {
    /// Reads the makers' certificates; each must be one with which hardware can be judged.
    fn load(init: &RootInit) -> Result<Self, CeremonyError> {
        let mut token = Vec::new();
        let mut certificates = Vec::new();
        for path in &init.token_anchors {
            for der in load_certificates(path)? {
                token.push(anchor(&der));
                certificates.push(der);
            }
        }
        if token.is_empty() && bundle::Profile::from(init.profile) == bundle::Profile::Production {
            let pinned = pins::yubico().into_iter();
            token.extend(pinned.map(|sha256| TokenAnchor { sha256 }));
        }
        TokenAnchors::new(&token, &certificates)?;
        let mut ek = Vec::new();
        let mut certificates = Vec::new();
        for argument in &init.ek_anchors {
            for der in load_certificates(&argument.file)? {
                ek.push(EkAnchor {
                    sha256: Sha256::of(&der),
                    manufacturers: argument.manufacturers.clone(),
                });
                certificates.push(der);
            }
        }
        EkAnchors::new(&ek, &certificates)?;
        verify_anchors(&token, &ek, init.profile.into())?;
        Ok(Self { token, ek })
    }
}

fn anchor(der: &[u8]) -> TokenAnchor {
    TokenAnchor {
        sha256: Sha256::of(der),
    }
}

/// The certificates in a file: one at least.
fn load_certificates(path: &Path) -> Result<Vec<Vec<u8>>, CeremonyError> {
    let bytes = durable::read_at_most(path, MOST)?;
    let found = pem::certificates(&bytes);
    if found.is_empty() {
        let reason = "neither PEM nor DER";
        return Err(CeremonyError::content(
            path,
            "a maker's certificate",
            reason,
        ));
    }
    Ok(found)
}
