//! A running keyd, and the folder of one site's authority beside it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;
use wardkey_ca::app::{App, Parts};
use wardkey_ca::config::{Config, Template};
use wardkey_ca::journal::Journal;
use wardkey_ca::keyd::RemoteKeyd;
use wardkey_ca::open;
use wardkey_ca::turns::Turns;
use wardkey_edge::client::{Client, Endpoint};
use wardkey_edge::dates::Dates;
use wardkey_fleet::{Fleet, Installation, Keyd, KeydOptions, Person, Seed, Token, now};
use wardkey_schemas::bundle::{FirstKey, SiteCharter};
use wardkey_schemas::jws::Jws;
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::key_enrolment::Voucher;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::registration::SiteHello;
use wardkey_schemas::role::Role;
use wardkey_tests::binary::workspace_binary;
use wardkey_tests::process::{Running, tied};

use crate::desk;
use crate::faults::{Uses, counting};
use crate::meddler::{Asked, Meddler};

/// The sites of all houses; the authority is the first one's.
pub(crate) const SITES: [&str; 2] = ["hmp-a", "hmp-b"];

/// One thing that is changed, with a word for it.
pub(crate) type Spoil<T> = (&'static str, fn(&mut T));

/// An authority with something between it and keyd.
#[derive(Debug)]
pub(crate) struct Meddled {
    pub(crate) app: App<Meddler>,
    /// How often keyd was asked something.
    pub(crate) asked: Asked,
    /// How often the key was used.
    pub(crate) uses: Uses,
}

/// A running keyd, and the folder of one site's authority.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) keyd: Keyd,
    pub(crate) fleet: Fleet,
    pub(crate) site: SiteCode,
    pub(crate) config: Config,
    folder: TempDir,
    program: PathBuf,
}

impl House {
    /// A house whose authority was given the bundle, and no charter yet.
    pub(crate) async fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let seed = Seed::new(NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut installation = Installation::found(seed, &SITES);
        let program = workspace_binary("wardkey-keyd", "keyd").unwrap();
        let keyd = Keyd::start(&program, &mut installation, KeydOptions::default());
        let fleet = Fleet::without_people(seed, installation, keyd.caller()).await;
        let fleet = fleet.unwrap();
        let folder = tempfile::Builder::new().prefix("ca-").tempdir().unwrap();
        let site: SiteCode = SITES[0].parse().unwrap();
        let config = set_up(&folder.path().join("ca"), seed, &site, &fleet, &keyd).await;
        Self {
            keyd,
            fleet,
            site,
            config,
            folder,
            program: workspace_binary("wardkey-ca", "wardkey-ca").unwrap(),
        }
    }

    /// The file of settings.
    pub(crate) fn settings(&self) -> PathBuf {
        self.config.state.join("ca.toml")
    }

    /// A folder of this house's own.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The authority, as the program would put it together.
    pub(crate) async fn app(&self) -> App<RemoteKeyd> {
        open::app(&self.config, now()).await.unwrap()
    }

    /// Its parts, to put it together otherwise.
    pub(crate) async fn parts(&self) -> Parts<RemoteKeyd, Journal> {
        let keeper = open::keeper(&self.config).unwrap();
        let sources = open::sources(&self.config, &keeper);
        let journal = Journal::open(&self.config.journal()).await.unwrap();
        let trust = open::trust(&journal, &sources, now()).await.unwrap();
        Parts {
            keyd: RemoteKeyd::new(&self.config.keyd, trust.package.root.as_slice()).unwrap(),
            registrar: self.config.keys().load_registrar().unwrap(),
            ledger: journal.clone(),
            turns: Turns::within(&self.config.state),
            sources,
            trust,
            keeper,
            journal,
        }
    }

    /// The authority with something between it and keyd, and a count of what its key signs.
    pub(crate) async fn meddled(&self, meddle: impl FnOnce(&mut Meddler)) -> Meddled {
        let parts = self.parts().await;
        let (keeper, uses) = counting(&self.config.keys().path("authority"));
        let mut keyd = Meddler::new(parts.keyd, self.answer_key());
        meddle(&mut keyd);
        Meddled {
            asked: keyd.asked(),
            uses,
            app: App::new(Parts {
                keyd,
                keeper,
                sources: parts.sources,
                trust: parts.trust,
                registrar: parts.registrar,
                journal: parts.journal,
                ledger: parts.ledger,
                turns: parts.turns,
            }),
        }
    }

    /// A charter of this site that names these tokens for these roles.
    pub(crate) fn charter(&self, first: &[(&Token, Role)]) -> SiteCharter {
        let first_keys = first.iter().map(|(token, role)| FirstKey {
            key: token.key.public().thumbprint(),
            role: *role,
        });
        let installation = &self.fleet.installation;
        installation.charter(&self.site, first_keys.collect())
    }

    /// Has the bundle signer sign a charter.
    pub(crate) fn sign(&self, charter: &SiteCharter) -> Jws<SiteCharter> {
        self.fleet.installation.sign_charter(charter)
    }

    /// The first two leads, by a charter that the authority was given.
    pub(crate) async fn leads(&self) -> [Person; 2] {
        let tokens = [self.fleet.token(), self.fleet.token()];
        let first = tokens.each_ref().map(|token| (token, Role::Lead));
        let charter = self.sign(&self.charter(&first));
        let app = self.app().await;
        app.take_charter(&charter).await.unwrap();
        let voucher = Voucher::Charter { charter };
        let [one, two] = tokens;
        let one = desk::enrol_key(&app, self, one, Role::Lead, voucher.clone(), None);
        let one = one.await.unwrap();
        let two = desk::enrol_key(&app, self, two, Role::Lead, voucher, None);
        [one, two.await.unwrap()]
    }

    /// A lead of the other site, at the same keyd.
    pub(crate) async fn lead_elsewhere(&self) -> Person {
        let installation = &self.fleet.installation;
        let site = installation.site(&SITES[1].parse().unwrap());
        let token = self.fleet.token();
        let first = FirstKey {
            key: token.key.public().thumbprint(),
            role: Role::Lead,
        };
        let charter = self.sign(&installation.charter(&site.code, vec![first]));
        let hello = SiteHello {
            charter: charter.clone(),
        };
        self.fleet.caller.welcome_site(&hello).await.unwrap();
        let voucher = Voucher::Charter { charter };
        let enrolled = self.fleet.enrol_key(site, token, Role::Lead, voucher, None);
        enrolled.await.unwrap()
    }

    /// Starts the real service.
    pub(crate) fn serve(&self) -> Running {
        let mut command = tied(&self.program);
        command.args(["--log", "info,wardkey_ca=debug", "serve", "--config"]);
        command.arg(self.settings());
        Running::start(command, &self.program, &self.folder().join("ca.log")).unwrap()
    }

    /// A command of the real program.
    pub(crate) fn command(&self, words: &[&str]) -> std::process::Output {
        let mut command = std::process::Command::new(&self.program);
        command.args(["--log", "warn"]).args(words);
        command.arg("--config").arg(self.settings());
        command.output().unwrap()
    }

    /// How a running service is called: over TLS, by its name, under the installation's root.
    pub(crate) fn endpoint(&self, running: &Running) -> Endpoint {
        Endpoint {
            url: format!("https://{}", self.config.name()),
            connect: running.ready_value("address").unwrap().parse().ok(),
            roots: vec![self.fleet.installation.root.clone()],
            dates: Dates::Calendar,
        }
    }

    /// A client of a running service.
    pub(crate) fn client(&self, running: &Running) -> Client {
        Client::new(&self.endpoint(running)).unwrap()
    }

    /// The key with which keyd signs its answers: for tests in which keyd itself is wrong.
    pub(crate) fn answer_key(&self) -> SigningKey {
        self.key_of_keyd("answer")
    }

    /// One of keyd's keys, by its function.
    pub(crate) fn key_of_keyd(&self, function: &str) -> SigningKey {
        let path = self.keyd.state().join(format!("keys/{function}.p8"));
        SigningKey::from_pkcs8(&fs::read(path).unwrap()).unwrap()
    }
}

/// Makes the folder of a site's authority: the keys that the installation has certified, the makers'
/// certificates, the settings and the bundle.
async fn set_up(state: &Path, seed: Seed, site: &SiteCode, fleet: &Fleet, keyd: &Keyd) -> Config {
    let (private, anchors) = (state.join("keys"), state.join("anchors"));
    for folder in [&private, &anchors] {
        fs::create_dir_all(folder).unwrap();
    }
    let seed = seed.child(site.as_str());
    for (name, label) in [("authority", "site authority"), ("registrar", "registrar")] {
        let path = private.join(format!("{name}.p8"));
        fs::write(&path, seed.pkcs8(label)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    for (name, der) in fleet.installation.anchors() {
        fs::write(anchors.join(name), der).unwrap();
    }
    let template = Template {
        site,
        realm: fleet.installation.realm(),
        root: &fleet.installation.pin(),
        listen: "127.0.0.1:0".parse().unwrap(),
        keyd_url: &format!("http://{}", keyd.address()),
        keyd_connect: None,
    };
    let path = state.join("ca.toml");
    fs::write(&path, template.to_string()).unwrap();
    let config = Config::load(&path).unwrap();
    assert_eq!(config.keys().create_missing().unwrap(), ["tls"]);
    let journal = Journal::create(&config.journal()).await.unwrap();
    let keeper = open::keeper(&config).unwrap();
    let sources = open::sources(&config, &keeper);
    let package = fleet.caller.bundle().await.unwrap();
    open::take_bundle(&journal, package, &sources, now())
        .await
        .unwrap();
    journal.close().await;
    config
}
