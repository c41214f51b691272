//! A new authority: its folder, keys, journal, request to the root and settings.
//!
//! The settings are written last. While they are not there, setting up can be begun again and goes on
//! with the keys that were made; once they are there, nothing is touched.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::names::{Realm, SiteCode};
use wardkey_schemas::subject::Subtree;

use crate::config::Template;
use crate::durable::{self, FileError};
use crate::journal::{Journal, JournalError};
use crate::keys::{AUTHORITY, KeyFolder};
use crate::signer::SignerError;
use crate::signer::file::{Curve, FileKey, KeyFileError};
use crate::site_request::{SiteRequest, SiteRequestError};

/// Why an authority was not set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetUpError {
    /// There is one.
    #[error("`{}` holds an authority already, and nothing of it is overwritten", folder.display())]
    IsThere {
        /// The folder.
        folder: PathBuf,
    },
    /// A name that no site may have.
    #[error("no site may be called {site}: it is the name of the key service itself")]
    Name {
        /// The site.
        site: SiteCode,
    },
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key.
    #[error("a key cannot be made or used")]
    Key(#[from] KeyFileError),
    /// The journal.
    #[error("the journal cannot be made")]
    Journal(#[from] JournalError),
    /// The request to the root.
    #[error("the request to the root cannot be made")]
    Request(#[from] SiteRequestError<SignerError>),
    /// The request cannot be written as JSON.
    #[error("the request to the root cannot be written")]
    Json(#[from] serde_json::Error),
}

/// What a new authority is to be.
#[derive(Debug)]
pub struct NewAuthority<'a> {
    /// Its folder.
    pub state: &'a Path,
    /// The site.
    pub site: &'a SiteCode,
    /// The realm.
    pub realm: &'a Realm,
    /// SHA-256 of the root's certificate.
    pub root: &'a Sha256,
    /// Where it will listen.
    pub listen: SocketAddr,
    /// keyd's base address.
    pub keyd_url: &'a str,
    /// Where to connect instead of asking DNS.
    pub keyd_connect: Option<SocketAddr>,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The keys that were made now; fewer than all if setting up had been interrupted.
    pub keys: Vec<&'static str>,
    /// The settings.
    pub settings: PathBuf,
    /// The request to the root.
    pub request: PathBuf,
    /// SHA-256 of the request's DER form, to be read aloud at the ceremony.
    pub fingerprint: Sha256,
}

impl NewAuthority<'_> {
    /// Makes it.
    ///
    /// # Errors
    ///
    /// [`SetUpError`]; then it can be begun again.
    pub async fn make(&self) -> Result<Made, SetUpError> {
        let settings = self.state.join("ca.toml");
        if settings.exists() {
            let folder = self.state.to_owned();
            return Err(SetUpError::IsThere { folder });
        }
        if Subtree::of_site(self.site, self.realm).is_none() {
            let site = self.site.clone();
            return Err(SetUpError::Name { site });
        }
        make_folder(self.state, 0o700)?;
        make_folder(&self.state.join("anchors"), 0o755)?;
        let folder = KeyFolder::within(self.state);
        let keys = folder.create_missing()?;
        Journal::create(&self.state.join("journal.db"))
            .await?
            .close()
            .await;
        let request = self.state.join("site-request.json");
        let fingerprint = self.write_request(&folder, &request)?;
        durable::write_new(
            &settings,
            self.settings().to_string().as_bytes(),
            durable::PUBLIC,
        )?;
        Ok(Made {
            keys,
            settings,
            request,
            fingerprint,
        })
    }

    fn write_request(&self, keys: &KeyFolder, path: &Path) -> Result<Sha256, SetUpError> {
        let mut authority = FileKey::load(&keys.path(AUTHORITY), Curve::P256)?;
        let registrar = *keys.load_registrar()?.public();
        let (site, realm) = (self.site.clone(), self.realm.clone());
        let request = SiteRequest::sign(site, realm, &mut authority, registrar)?;
        let mut text = serde_json::to_vec_pretty(&request)?;
        text.push(b'\n');
        durable::replace(path, &text, durable::PUBLIC)?;
        Ok(request.csr.sha256())
    }

    const fn settings(&self) -> Template<'_> {
        Template {
            site: self.site,
            realm: self.realm,
            root: self.root,
            listen: self.listen,
            keyd_url: self.keyd_url,
            keyd_connect: self.keyd_connect,
        }
    }
}

fn make_folder(path: &Path, mode: u32) -> Result<(), SetUpError> {
    fs::create_dir_all(path).map_err(FileError::of(path, "made"))?;
    let permissions = fs::Permissions::from_mode(mode);
    Ok(fs::set_permissions(path, permissions).map_err(FileError::of(path, "given its mode"))?)
}

#[cfg(test)]
mod tests {
    use wardkey_issuance::{Request, Signer as _};

    use super::*;
    use crate::config::Config;

    struct Case {
        folder: tempfile::TempDir,
        site: SiteCode,
        realm: Realm,
        root: Sha256,
    }

    impl Case {
        fn new(site: &str) -> Self {
            Self {
                folder: tempfile::tempdir().unwrap(),
                site: site.parse().unwrap(),
                realm: "wardkey.example".parse().unwrap(),
                root: Sha256::of(b"root"),
            }
        }

        fn state(&self) -> PathBuf {
            self.folder.path().join("ca")
        }

        async fn make(&self) -> Result<Made, SetUpError> {
            NewAuthority {
                state: &self.state(),
                site: &self.site,
                realm: &self.realm,
                root: &self.root,
                listen: "127.0.0.1:8444".parse().unwrap(),
                keyd_url: "https://keyd.wardkey.example:8443",
                keyd_connect: None,
            }
            .make()
            .await
        }
    }

    #[tokio::test]
    async fn a_new_authority_has_settings_that_can_be_used_and_a_request_for_its_key() {
        let case = Case::new("hmp-x");
        let made = case.make().await.unwrap();
        assert_eq!(made.keys.len(), 3);
        let config = Config::load(&made.settings).unwrap();
        assert_eq!(config.site, case.site);
        assert!(
            Journal::open(&config.journal())
                .await
                .unwrap()
                .is_whole()
                .await
                .unwrap()
        );
        let text = fs::read(&made.request).unwrap();
        let request: SiteRequest = serde_json::from_slice(&text).unwrap();
        let keeper = crate::open::keeper(&config).unwrap();
        let csr = Request::verify(request.csr.as_slice()).unwrap();
        assert_eq!(csr.key(), keeper.public_key());
        let permissions = fs::metadata(case.state()).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, 0o700);
    }

    #[tokio::test]
    async fn an_authority_that_is_there_is_left_alone() {
        let case = Case::new("hmp-x");
        let made = case.make().await.unwrap();
        let before = fs::read(&made.request).unwrap();
        let error = case.make().await.unwrap_err();
        assert!(matches!(error, SetUpError::IsThere { .. }), "{error}");
        assert_eq!(fs::read(&made.request).unwrap(), before);
    }

    #[tokio::test]
    async fn an_interrupted_start_goes_on_with_the_keys_that_were_made() {
        let case = Case::new("hmp-x");
        let made = case.make().await.unwrap();
        let key = KeyFolder::within(&case.state()).path(AUTHORITY);
        let before = fs::read(&key).unwrap();
        fs::remove_file(&made.settings).unwrap();
        assert!(case.make().await.unwrap().keys.is_empty());
        assert_eq!(fs::read(&key).unwrap(), before);
    }

    #[tokio::test]
    async fn nothing_is_made_for_a_name_that_no_site_may_have() {
        let case = Case::new("keyd");
        let error = case.make().await.unwrap_err();
        assert!(matches!(error, SetUpError::Name { .. }), "{error}");
        assert!(!case.state().exists());
    }
}
