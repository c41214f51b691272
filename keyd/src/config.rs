//! Settings: as they are written, and as they are meant.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use wardkey_edge::client::{Client, ClientError, Endpoint};
use wardkey_edge::dates::Dates;
use wardkey_edge::pem;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::policy::PartialPolicy;
use wardkey_tlog::key::{Kind, VerifierKey};

use crate::log::witnesses::Witness;
use crate::platform::http::PlatformSettings;
use crate::policy::{self, Policy};
use crate::store::DatabaseUrl;
use crate::webhooks::settings::{self as webhooks, RawWebhook, Webhook};

/// Where keyd listens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Listen {
    /// For laptops, site authorities and people.
    pub address: SocketAddr,
    /// For health checks and metrics.
    pub ops: SocketAddr,
    /// Whether both speak plain HTTP, which only loopback addresses may.
    pub plain_http_on_loopback: bool,
}

/// The settings of a service.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder that holds keys and anchors.
    pub state: PathBuf,
    /// SHA-256 of the root's certificate: where all trust begins.
    pub root: Sha256,
    /// Where it listens.
    pub listen: Listen,
    /// Where its data is.
    pub database: DatabaseUrl,
    /// How long things last.
    pub policy: Policy,
    /// The video platform, if there is one.
    pub platform: Option<PlatformSettings>,
    /// Who is told of stops, and of what came back.
    pub webhooks: Vec<Webhook>,
    /// Who looks at the record.
    witnesses: Vec<WitnessAt>,
}

/// A witness, as the settings name it.
#[derive(Clone, Debug)]
struct WitnessAt {
    endpoint: Endpoint,
    key: VerifierKey,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    state: PathBuf,
    root_sha256: String,
    listen: RawListen,
    #[serde(default)]
    database: RawDatabase,
    #[serde(default)]
    policy: PartialPolicy,
    platform: Option<RawPlatform>,
    #[serde(default)]
    webhook: Vec<RawWebhook>,
    #[serde(default)]
    witness: Vec<RawWitness>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawListen {
    address: SocketAddr,
    ops: SocketAddr,
    #[serde(default)]
    plain_http_on_loopback: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDatabase {
    url: Option<String>,
    url_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPlatform {
    url: String,
    key_file: PathBuf,
    root_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWitness {
    url: String,
    connect: Option<SocketAddr>,
    key: String,
    #[serde(default)]
    roots: Vec<PathBuf>,
}

impl RawWitness {
    fn check(self, base: &Path) -> Result<WitnessAt, String> {
        let key = self.key.parse::<VerifierKey>();
        let key = key.map_err(|error| format!("witness.key: {error}"))?;
        if key.kind() != Kind::Witness {
            return Err("witness.key: this is the key of a log, not of a witness".to_owned());
        }
        let mut roots = Vec::new();
        for path in &self.roots {
            let path = base.join(path);
            let bytes = std::fs::read(&path)
                .map_err(|error| format!("`{}` cannot be read: {error}", path.display()))?;
            roots.extend(pem::certificates(&bytes));
        }
        let endpoint = Endpoint {
            url: self.url,
            connect: self.connect,
            roots,
            dates: Dates::Calendar,
        };
        // What cannot be called is said now and not when it is needed.
        Client::new(&endpoint).map_err(|error| format!("witness.url: {error}"))?;
        Ok(WitnessAt { endpoint, key })
    }
}

/// Why settings cannot be used: one line for each thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub wrong: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the settings in `{}` cannot be used",
            self.path.display()
        )?;
        self.wrong
            .iter()
            .try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// The witnesses, ready to be asked.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub fn witnesses(&self) -> Result<Vec<Witness>, ClientError> {
        let ready = |at: &WitnessAt| {
            Ok(Witness {
                client: Client::new(&at.endpoint)?,
                key: at.key.clone(),
            })
        };
        self.witnesses.iter().map(ready).collect()
    }

    /// What the witnesses are called.
    pub fn witness_names(&self) -> Vec<String> {
        let names = self.witnesses.iter();
        names.map(|at| at.key.name().to_string()).collect()
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with everything that is wrong, not only the first.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let error = |wrong| ConfigError {
            path: path.to_owned(),
            wrong,
        };
        let text = std::fs::read_to_string(path)
            .map_err(|source| error(vec![format!("it cannot be read: {source}")]))?;
        Self::parse(&text, path.parent().unwrap_or_else(|| Path::new("."))).map_err(error)
    }

    /// Checks settings; relative paths start at `base`.
    fn parse(text: &str, base: &Path) -> Result<Self, Vec<String>> {
        let raw: RawConfig = toml::from_str(text).map_err(|error| {
            error
                .to_string()
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })?;
        let mut wrong = Vec::new();
        let state = base.join(&raw.state);
        let root = Sha256::from_hex(raw.root_sha256.trim()).ok();
        if root.is_none() {
            wrong.push("root_sha256 must be 64 hexadecimal digits".to_owned());
        }
        let listen = Listen {
            address: raw.listen.address,
            ops: raw.listen.ops,
            plain_http_on_loopback: raw.listen.plain_http_on_loopback,
        };
        if listen.plain_http_on_loopback {
            for (name, address) in [("address", listen.address), ("ops", listen.ops)] {
                if !address.ip().is_loopback() {
                    wrong.push(format!(
                        "listen.{name} is {address}: plain HTTP is for loopback addresses only"
                    ));
                }
            }
        }
        let database = raw
            .database
            .url(base, &state)
            .map_err(|line| wrong.push(line))
            .ok();
        let policy = policy::of_settings(&raw.policy)
            .map_err(|lines| wrong.extend(lines))
            .ok();
        let webhooks = webhooks::check(&raw.webhook, base)
            .map_err(|lines| wrong.extend(lines))
            .unwrap_or_default();
        let platform = raw
            .platform
            .and_then(|platform| platform.check(base).map_err(|line| wrong.push(line)).ok());
        let mut witnesses = Vec::new();
        for witness in raw.witness {
            match witness.check(base) {
                Ok(witness) => witnesses.push(witness),
                Err(line) => wrong.push(line),
            }
        }
        match (root, database, policy) {
            (Some(root), Some(database), Some(policy)) if wrong.is_empty() => Ok(Self {
                state,
                root,
                listen,
                database,
                policy,
                platform,
                webhooks,
                witnesses,
            }),
            _ => Err(wrong),
        }
    }
}

impl RawDatabase {
    fn url(&self, base: &Path, state: &Path) -> Result<DatabaseUrl, String> {
        let text = match (&self.url, &self.url_file) {
            (Some(_), Some(_)) => {
                return Err("database has both url and url_file; give one".to_owned());
            }
            (Some(url), None) => url.clone(),
            (None, Some(path)) => {
                let path = base.join(path);
                std::fs::read_to_string(&path)
                    .map_err(|error| format!("`{}` cannot be read: {error}", path.display()))?
            }
            (None, None) => format!("sqlite:{}", state.join("keyd.db").display()),
        };
        text.trim()
            .parse()
            .map_err(|error| format!("database.url: {error}"))
    }
}

impl RawPlatform {
    fn check(self, base: &Path) -> Result<PlatformSettings, String> {
        let read = |path: &Path| {
            let path = base.join(path);
            std::fs::read(&path)
                .map_err(|error| format!("`{}` cannot be read: {error}", path.display()))
        };
        let key = serde_json::from_slice(&read(&self.key_file)?)
            .map_err(|error| format!("platform.key_file holds no P-256 JWK: {error}"))?;
        let roots = match &self.root_file {
            Some(path) => pem::certificates(&read(path)?),
            None => Vec::new(),
        };
        if self.url.starts_with("https:") && roots.is_empty() {
            return Err("platform.root_file must hold the roots that its TLS ends at".to_owned());
        }
        let endpoint = Endpoint {
            url: self.url,
            connect: None,
            roots,
            dates: Dates::Calendar,
        };
        Ok(PlatformSettings { endpoint, key })
    }
}

/// A file of settings with every value that must be chosen and the defaults as comments.
pub fn template(root: &Sha256) -> String {
    format!(
        "# Settings of keyd. `keyd config check --config FILE` says what is wrong with them.\n\
         \n\
         # The folder that holds keys, maker certificates and (unless set below) the database.\n\
         state = \".\"\n\
         \n\
         # SHA-256 of the root's certificate: where all trust begins.\n\
         root_sha256 = \"{}\"\n\
         \n\
         [listen]\n\
         # For laptops, site authorities and people.\n\
         address = \"127.0.0.1:8443\"\n\
         # For health checks and metrics.\n\
         ops = \"127.0.0.1:9443\"\n\
         # plain_http_on_loopback = false\n\
         \n\
         [database]\n\
         # url = \"postgres://keyd@db.example/keyd\"   # default: keyd.db in the state folder\n\
         # url_file = \"database-url\"                 # the same, read from a file\n\
         \n\
         # Who looks at the record; let others than you run it (`wardkey witness`).\n\
         # [[witness]]\n\
         # url = \"https://witness.example\"\n\
         # key = \"witness.example+…\"\n\
         # roots = [\"witness-root.pem\"]\n\
         \n\
         [policy]\n\
         # run_for = 300          # seconds that a lease runs (60 to 900)\n\
         # renew_every = 60       # seconds between renewals (20 to 300)\n\
         # requote_every = 600    # how old the last quote of a visit may become (120 to 1800)\n\
         # grace = 600            # seconds a running call may go on unreached (0 to 1800)\n\
         # session_most = 5400    # seconds until a visit ends without the key (600 to 14400)\n\
         # extend_by = 1800       # seconds that key, PIN and touch add (300 to 3600)\n\
         # nonce_waits = 120      # seconds that a challenge waits (30 to 300)\n\
         # approval_waits = 1800  # seconds that a request waits for a second person\n\
         # presence = \"carry\"     # the security key in a visit: carry, or present (it stays in)\n\
         # confirm_by_another_person = false\n\
         # heartbeat_every = 15   # seconds between proofs that a link is alive (1 to 60)\n\
         # poll_every = 20        # seconds between questions of a laptop without a link (10 to 120)\n\
         \n\
         # [platform]\n\
         # url = \"https://rooms.example\"   # the adapter of the video platform\n\
         # key_file = \"platform.jwk\"       # the public key that signs its answers\n\
         # root_file = \"platform.pem\"      # the roots that its TLS ends at\n\
         \n\
         # [[webhook]]                     # who is told of stops, and of what came back\n\
         # name = \"service-desk\"\n\
         # url = \"https://desk.example/wardkey\"\n\
         # events = [\"lost\", \"alert\"]     # default: all\n\
         # site = \"hmp-xyz\"              # default: all\n\
         # roots = [\"desk-root.pem\"]     # whom to believe for its TLS\n",
        root.to_hex()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, Vec<String>> {
        Config::parse(text, Path::new("/etc/keyd"))
    }

    #[test]
    fn the_template_is_good_as_it_is() {
        let config = parse(&template(&Sha256::of(b"root"))).unwrap();
        assert_eq!(config.root, Sha256::of(b"root"));
        assert_eq!(config.policy, Policy::default());
        assert!(!config.database.is_postgres());
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let wrong = parse(
            "state = '/x'\nroot_sha256 = 'short'\n[listen]\naddress = '0.0.0.0:1'\n\
             ops = '127.0.0.1:2'\nplain_http_on_loopback = true\n[database]\nurl = 'mysql://x'\n\
             [policy]\nrun_for = 1\n",
        )
        .unwrap_err();
        for part in [
            "root_sha256",
            "listen.address",
            "database.url",
            "policy.run_for",
        ] {
            assert!(
                wrong.iter().any(|line| line.contains(part)),
                "{part} in {wrong:?}"
            );
        }
    }

    #[test]
    fn a_platform_has_an_address_a_key_and_roots() {
        let folder = tempfile::tempdir().unwrap();
        let key = wardkey_schemas::key::SigningKey::generate().unwrap().0;
        let jwk = serde_json::to_vec(key.public()).unwrap();
        std::fs::write(folder.path().join("platform.jwk"), jwk).unwrap();
        let with = |lines: &str| {
            let text = format!("{}\n[platform]\n{lines}", template(&Sha256::of(b"root")));
            Config::parse(&text, folder.path())
        };
        let good = with("url = 'http://127.0.0.1:9000'\nkey_file = 'platform.jwk'").unwrap();
        assert_eq!(good.platform.unwrap().key, *key.public());
        for (lines, part) in [
            ("url = 'http://127.0.0.1:9000'\nkey_file = 'gone'", "gone"),
            (
                "url = 'http://127.0.0.1:9000'\nkey_file = '.'",
                "cannot be read",
            ),
            ("url = 'https://x'\nkey_file = 'platform.jwk'", "root_file"),
            ("key_file = 'platform.jwk'", "url"),
        ] {
            let wrong = with(lines).unwrap_err().join("\n");
            assert!(wrong.contains(part), "{part} in {wrong}");
        }
    }

    #[test]
    fn a_setting_that_nobody_knows_is_refused() {
        let text = template(&Sha256::of(b"root")).replace("[policy]", "[policy]\nrunfor = 3");
        assert!(
            parse(&text)
                .unwrap_err()
                .iter()
                .any(|line| line.contains("runfor"))
        );
    }
}
