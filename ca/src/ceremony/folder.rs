//! The folder of a root, opened for one act.

use std::fs;
use std::path::{Path, PathBuf};

use wardkey_schemas::bundle::{BundlePackage, BundleVersion};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::limits;
use wardkey_schemas::time::Timestamp;
use wardkey_verifier::bundle::{VerifiedBundle, VerifiedRoot};

use super::draft::Draft;
use super::error::CeremonyError;
use super::transcript::Transcript;
use crate::durable::{self, FileError};
use crate::signer::file::{self, Curve, FileKey};

/// Where things are in a root's folder.
#[derive(Clone, Debug)]
pub struct Places(PathBuf);

impl Places {
    /// Those of the root in `folder`.
    pub fn within(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// The root's private key.
    pub fn root_key(&self) -> PathBuf {
        self.0.join("keys/root.p8")
    }

    /// The bundle signer's private key.
    pub fn signer_key(&self) -> PathBuf {
        self.0.join("keys/bundle-signer.p8")
    }

    /// The root's certificate.
    pub fn root(&self) -> PathBuf {
        self.0.join("root.der")
    }

    /// SHA-256 of the root's certificate, in hexadecimal.
    pub fn pin(&self) -> PathBuf {
        self.0.join("root.sha256")
    }

    /// The bundle signer's certificate.
    pub fn signer(&self) -> PathBuf {
        self.0.join("bundle-signer.der")
    }

    /// The draft of the next bundle.
    pub fn draft(&self) -> PathBuf {
        self.0.join("draft.json")
    }

    /// The certificate of an authority.
    pub fn certificate(&self, name: &str) -> PathBuf {
        self.0.join("certificates").join(format!("{name}.der"))
    }

    fn bundles(&self) -> PathBuf {
        self.0.join("bundles")
    }

    /// A bundle that was signed.
    pub fn bundle(&self, version: BundleVersion) -> PathBuf {
        self.bundles().join(format!("{version}.json"))
    }
}

/// A root that was verified and is open for one act: nobody else can begin another.
#[derive(Debug)]
pub struct RootFolder {
    pub(super) places: Places,
    pub(super) transcript: Transcript,
    pub(super) root: VerifiedRoot,
    pub(super) root_der: Vec<u8>,
    pub(super) signer_der: Vec<u8>,
    pub(super) pin: Sha256,
    pub(super) draft: Draft,
}

impl RootFolder {
    /// Opens the root in `folder` and verifies what is in it.
    ///
    /// # Errors
    ///
    /// [`CeremonyError::NoRoot`], [`CeremonyError::Busy`], [`CeremonyError::Refused`],
    /// [`CeremonyError::File`], [`CeremonyError::Content`].
    pub fn open(folder: &Path, now: Timestamp) -> Result<Self, CeremonyError> {
        let places = Places::within(folder);
        // The draft is written last of all that makes a root.
        if !places.draft().exists() {
            return Err(CeremonyError::NoRoot {
                folder: folder.to_owned(),
            });
        }
        let transcript = Transcript::open(folder)?;
        let pin = load_pin(&places.pin())?;
        let root_der = durable::read_at_most(&places.root(), limits::CERTIFICATE_BYTES)?;
        let signer_der = durable::read_at_most(&places.signer(), limits::CERTIFICATE_BYTES)?;
        let root = VerifiedRoot::verify(&root_der, &signer_der, &pin, now)?;
        let draft = Draft::load(&places.draft())?;
        if draft.profile != root.profile() {
            let reason = "its profile is not the root's";
            return Err(CeremonyError::content(
                &places.draft(),
                "the draft of this root's bundle",
                reason,
            ));
        }
        Ok(Self {
            places,
            transcript,
            root,
            root_der,
            signer_der,
            pin,
            draft,
        })
    }

    /// The keeper of the root's key.
    ///
    /// # Errors
    ///
    /// [`CeremonyError::Key`].
    pub fn load_root_key(&self) -> Result<FileKey, CeremonyError> {
        Ok(FileKey::load(&self.places.root_key(), Curve::P384)?)
    }

    /// The key that signs bundles and charters.
    ///
    /// # Errors
    ///
    /// [`CeremonyError::Key`].
    pub fn load_signer(&self) -> Result<SigningKey, CeremonyError> {
        Ok(file::load_signing_key(&self.places.signer_key())?)
    }

    /// The newest bundle that was signed, if any, verified.
    ///
    /// # Errors
    ///
    /// [`CeremonyError::Refused`], [`CeremonyError::File`], [`CeremonyError::Content`].
    pub fn newest_bundle(&self, now: Timestamp) -> Result<Option<VerifiedBundle>, CeremonyError> {
        let Some(version) = self.newest_version()? else {
            return Ok(None);
        };
        let package = load_package(&self.places.bundle(version))?;
        // No older one is under this name.
        Ok(Some(VerifiedBundle::verify(
            &package, &self.pin, version, now,
        )?))
    }

    fn newest_version(&self) -> Result<Option<BundleVersion>, CeremonyError> {
        let folder = self.places.bundles();
        let mut newest = None;
        for entry in fs::read_dir(&folder).map_err(FileError::of(&folder, "read"))? {
            let name = entry.map_err(FileError::of(&folder, "read"))?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".json"));
            let number = number.and_then(|number| number.parse().ok());
            newest = newest.max(number.map(BundleVersion::new));
        }
        Ok(newest)
    }

    /// Takes `draft` into use, and writes the certificates in it that are not in a file yet.
    ///
    /// # Errors
    ///
    /// [`CeremonyError::File`].
    pub fn keep(&mut self, draft: Draft) -> Result<(), CeremonyError> {
        draft.replace(&self.places.draft())?;
        self.draft = draft;
        self.write_certificates()
    }

    /// What an interruption may have left out.
    fn write_certificates(&self) -> Result<(), CeremonyError> {
        let service = self.draft.service_authority.iter();
        let service = service.map(|der| (SERVICE_AUTHORITY, der));
        let sites = self.draft.site_authorities.iter();
        let sites = sites.map(|authority| (authority.site.as_str(), &authority.certificate));
        for (name, der) in service.chain(sites) {
            let path = self.places.certificate(name);
            match durable::write_new(&path, der.as_slice(), durable::PUBLIC) {
                Err(error) if !error.is_there() => return Err(error.into()),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }
}

/// The name under which the certificate for keyd's own keys is kept; no site may have it.
pub const SERVICE_AUTHORITY: &str = "service-authority";

fn load_pin(path: &Path) -> Result<Sha256, CeremonyError> {
    let bytes = durable::read_at_most(path, 128)?;
    let text = String::from_utf8_lossy(&bytes);
    Sha256::from_hex(text.trim()).map_err(|error| CeremonyError::content(path, "a SHA-256", error))
}

/// Reads a bundle.
pub(super) fn load_package(path: &Path) -> Result<BundlePackage, CeremonyError> {
    let most = limits::BUNDLE_BYTES.saturating_add(4 * limits::CERTIFICATE_BYTES);
    let bytes = durable::read_at_most(path, most)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| CeremonyError::content(path, "a trust bundle", error))
}
