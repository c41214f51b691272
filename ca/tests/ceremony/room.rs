//! A room in which a ceremony is held: a folder, the requests that people bring, and the command line.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use serde_json::Value;
use tempfile::TempDir;
use wardkey_ca::ceremony::error::CeremonyError;
use wardkey_ca::ceremony::request::FirstKeyRequest;
use wardkey_ca::ceremony::said::Said;
use wardkey_ca::ceremony::{self, RootCommand};
use wardkey_ca::signer::file::{self, Curve, FileKey};
use wardkey_ca::site_request::SiteRequest;
use wardkey_issuance::{Signer as _, prepare_request, prepare_root, sign, sign_request};
use wardkey_schemas::bundle::{BundlePackage, BundleVersion, Profile};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::names::TokenSerial;
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::bundle::VerifiedBundle;

pub(crate) const REALM: &str = "wardkey.example";
pub(crate) const SOFTWARE: &str = "id:00001014";
pub(crate) const INFINEON: &str = "id:49465800";

pub(crate) fn now() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    command: RootCommand,
}

/// Asserts that the verifier said no, with this code.
#[track_caller]
pub(crate) fn refused(result: Result<Said, CeremonyError>, code: Code) {
    let error = result.unwrap_err();
    let found = error.refusal().map(Refusal::code);
    assert_eq!(found, Some(code), "{error}");
}

/// Runs a command: its words, then options with their values.
fn run(words: &str, options: &[(&str, PathBuf)]) -> Result<Said, CeremonyError> {
    let mut line = vec![OsString::from("root")];
    line.extend(words.split(' ').map(OsString::from));
    for (option, value) in options {
        line.extend([option.into(), value.into()]);
    }
    ceremony::carry_out(Line::try_parse_from(line).unwrap().command, now())
}

pub(crate) struct Room(TempDir);

impl Room {
    pub(crate) fn new() -> Self {
        let room = Self(tempfile::tempdir().unwrap());
        for (name, serial) in [("token.der", 1), ("tpm.der", 2)] {
            let der = room.maker(name, serial);
            fs::write(room.path(name), der).unwrap();
        }
        room
    }

    /// A room in which there is a root for tests.
    pub(crate) fn with_root() -> Self {
        let room = Self::new();
        room.init("root", "test", Some("token.der"), SOFTWARE)
            .unwrap();
        room
    }

    /// The same, with one site, `hmp-x`, keyd's authority, and a bundle with both.
    pub(crate) fn with_bundle() -> Self {
        let room = Self::with_root();
        room.request("hmp-x", REALM);
        room.certify("hmp-x").unwrap();
        room.certify_service().unwrap();
        room.bundle("bundle.json").unwrap();
        room
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A certificate that can stand for a maker's.
    fn maker(&self, name: &str, serial: u8) -> Vec<u8> {
        let mut key = self.key(name, Curve::P384);
        let mut bytes = [serial; 16];
        if let Some(last) = bytes.last_mut() {
            *last = 0;
        }
        let prepared = prepare_root(key.public_key(), Profile::Test, bytes, now()).unwrap();
        sign(prepared, &mut key).unwrap()
    }

    pub(crate) fn key(&self, name: &str, curve: Curve) -> FileKey {
        let path = self.path(&format!("{name}.p8"));
        file::create(&path, curve).unwrap();
        FileKey::load(&path, curve).unwrap()
    }

    pub(crate) fn init(
        &self,
        folder: &str,
        profile: &str,
        token: Option<&str>,
        maker: &str,
    ) -> Result<Said, CeremonyError> {
        let tpm = format!("{}={maker}", self.path("tpm.der").display());
        let mut options = vec![("--folder", self.path(folder)), ("--ek-anchor", tpm.into())];
        options.extend(token.map(|token| ("--token-anchor", self.path(token))));
        run(
            &format!("init --realm {REALM} --profile {profile}"),
            &options,
        )
    }

    /// What the site brings; its keys are `<site>.p8` and `<site>-registrar`.
    pub(crate) fn request(&self, site: &str, realm: &str) -> SiteRequest {
        let mut authority = self.key(site, Curve::P256);
        let (registrar, _) = SigningKey::generate().unwrap();
        let (code, realm) = (site.parse().unwrap(), realm.parse().unwrap());
        let request = SiteRequest::sign(code, realm, &mut authority, *registrar.public()).unwrap();
        self.bring(site, &request);
        request
    }

    /// Puts a request where [`Self::certify`] takes it from.
    pub(crate) fn bring(&self, site: &str, request: &SiteRequest) {
        let path = self.path(&format!("{site}.json"));
        fs::write(path, serde_json::to_vec(request).unwrap()).unwrap();
    }

    pub(crate) fn certify(&self, site: &str) -> Result<Said, CeremonyError> {
        let request = self.path(&format!("{site}.json"));
        let root = self.path("root");
        let options = [("--folder", root), ("--site-request", request)];
        run("sign certificate", &options)
    }

    pub(crate) fn certify_service(&self) -> Result<Said, CeremonyError> {
        let mut key = self.key("service", Curve::P256);
        let prepared = prepare_request("service", key.public_key()).unwrap();
        let csr = self.path("service.csr");
        fs::write(&csr, sign_request(prepared, &mut key).unwrap()).unwrap();
        let root = self.path("root");
        let options = [("--folder", root), ("--service-authority", csr)];
        run("sign certificate", &options)
    }

    pub(crate) fn bundle(&self, out: &str) -> Result<Said, CeremonyError> {
        let options = [("--folder", self.path("root")), ("--out", self.path(out))];
        run("sign bundle", &options)
    }

    /// A first key as a file.
    pub(crate) fn first_key(&self, name: &str, role: Role) -> PathBuf {
        let (key, _) = SigningKey::generate().unwrap();
        let request = FirstKeyRequest {
            role,
            key: key.public().thumbprint(),
            serial: TokenSerial::new(7),
        };
        let path = self.path(name);
        fs::write(&path, serde_json::to_vec(&request).unwrap()).unwrap();
        path
    }

    pub(crate) fn charter(&self, site: &str, keys: &[&Path]) -> Result<Said, CeremonyError> {
        let mut options = vec![
            ("--folder", self.path("root")),
            ("--site-request", self.path(&format!("{site}.json"))),
            ("--out", self.path("charter.jws")),
        ];
        options.extend(keys.iter().map(|key| ("--first-key", (*key).to_owned())));
        run("sign charter", &options)
    }

    pub(crate) fn pin(&self) -> Sha256 {
        let text = fs::read_to_string(self.path("root/root.sha256")).unwrap();
        Sha256::from_hex(text.trim_end()).unwrap()
    }

    pub(crate) fn package(&self, name: &str) -> BundlePackage {
        serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// A bundle as everybody verifies it.
    pub(crate) fn verified(&self, name: &str) -> VerifiedBundle {
        let newest = BundleVersion::new(0);
        VerifiedBundle::verify(&self.package(name), &self.pin(), newest, now()).unwrap()
    }

    /// Acts and steps of the transcript.
    pub(crate) fn transcript(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("root/transcript.jsonl")).unwrap();
        text.lines()
            .map(|line| {
                let line: Value = serde_json::from_str(line).unwrap();
                let word = |name: &str| line.get(name).and_then(Value::as_str).unwrap().to_owned();
                format!("{} {}", word("act"), word("step"))
            })
            .collect()
    }
}
