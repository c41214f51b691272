//! Settings: as they are written, and as they are meant.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::names::{Realm, SiteCode};
use wardkey_schemas::subject::Subtree;

use crate::durable;
use crate::keys::{AUTHORITY, KeyFolder};

/// Settings are a page of text.
const MOST: usize = 64 * 1024;

/// Where keyd is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeydAddress {
    /// Its base address.
    pub url: String,
    /// Where to connect instead of asking DNS for the name in the address.
    pub connect: Option<SocketAddr>,
    /// Files with root certificates of a network that inspects TLS. The installation's own root is
    /// always believed.
    pub extra_roots: Vec<PathBuf>,
}

/// Where the authority's key is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeyPlace {
    /// In a file.
    File(PathBuf),
}

/// The settings of a site's authority.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder that holds keys, anchors and journal.
    pub state: PathBuf,
    /// The site.
    pub site: SiteCode,
    /// The realm.
    pub realm: Realm,
    /// The DNS subtree of the site's names.
    pub subtree: Subtree,
    /// SHA-256 of the root's certificate: where all trust begins.
    pub root: Sha256,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where keyd is.
    pub keyd: KeydAddress,
    /// Where the authority's key is.
    pub authority_key: KeyPlace,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    state: PathBuf,
    site: String,
    realm: String,
    root_sha256: String,
    listen: String,
    keyd: RawKeyd,
    #[serde(default)]
    authority_key: RawAuthorityKey,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKeyd {
    url: String,
    connect: Option<String>,
    #[serde(default)]
    extra_roots: Vec<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAuthorityKey {
    file: Option<PathBuf>,
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
        let bytes = durable::read_at_most(path, MOST)
            .map_err(|read| error(vec![format!("it cannot be read: {}", read.source)]))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| error(vec!["it is not text in UTF-8".to_owned()]))?;
        let base = path.parent().unwrap_or_else(|| Path::new("."));
        Self::parse(&text, base).map_err(error)
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
        let site = noted(raw.site.parse::<SiteCode>(), "site", &mut wrong);
        let realm = noted(raw.realm.parse::<Realm>(), "realm", &mut wrong);
        let root = noted(
            Sha256::from_hex(raw.root_sha256.trim())
                .map_err(|_| "it must be 64 hexadecimal digits"),
            "root_sha256",
            &mut wrong,
        );
        let listen = noted(raw.listen.parse::<SocketAddr>(), "listen", &mut wrong);
        let connect = raw
            .keyd
            .connect
            .map(|text| noted(text.parse::<SocketAddr>(), "keyd.connect", &mut wrong));
        let subtree = match (&site, &realm) {
            (Some(site), Some(realm)) => {
                let subtree = Subtree::of_site(site, realm)
                    .ok_or("this is the name of the key service itself; no site may have it");
                noted(subtree, "site", &mut wrong)
            }
            (None, _) | (_, None) => None,
        };
        let file = raw.authority_key.file.map_or_else(
            || KeyFolder::within(&state).path(AUTHORITY),
            |path| base.join(path),
        );
        match (site, realm, subtree, root, listen) {
            (Some(site), Some(realm), Some(subtree), Some(root), Some(listen))
                if wrong.is_empty() =>
            {
                Ok(Self {
                    state,
                    site,
                    realm,
                    subtree,
                    root,
                    listen,
                    keyd: KeydAddress {
                        url: raw.keyd.url,
                        connect: connect.flatten(),
                        extra_roots: raw
                            .keyd
                            .extra_roots
                            .into_iter()
                            .map(|path| base.join(path))
                            .collect(),
                    },
                    authority_key: KeyPlace::File(file),
                })
            }
            _ => Err(wrong),
        }
    }

    /// The DNS name of the listener.
    pub fn name(&self) -> String {
        format!("ca.{}", self.subtree)
    }

    /// The folder of makers' certificates.
    pub fn anchors(&self) -> PathBuf {
        self.state.join("anchors")
    }

    /// The journal.
    pub fn journal(&self) -> PathBuf {
        self.state.join("journal.db")
    }

    /// The folder of keys.
    pub fn keys(&self) -> KeyFolder {
        KeyFolder::within(&self.state)
    }
}

/// The value, or a line that says what is wrong with it.
fn noted<T, E: fmt::Display>(
    parsed: Result<T, E>,
    name: &str,
    wrong: &mut Vec<String>,
) -> Option<T> {
    parsed
        .map_err(|error| wrong.push(format!("{name}: {error}")))
        .ok()
}

/// What a new file of settings says.
#[derive(Debug)]
pub struct Template<'a> {
    /// The site.
    pub site: &'a SiteCode,
    /// The realm.
    pub realm: &'a Realm,
    /// SHA-256 of the root's certificate.
    pub root: &'a Sha256,
    /// Where to listen.
    pub listen: SocketAddr,
    /// keyd's base address.
    pub keyd_url: &'a str,
    /// Where to connect instead of asking DNS.
    pub keyd_connect: Option<SocketAddr>,
}

impl fmt::Display for Template<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            site,
            realm,
            root,
            listen,
            ..
        } = self;
        // A basic string of TOML has the escapes that Rust's debug form writes for what can stand in
        // an address.
        let url = format!("{:?}", self.keyd_url);
        let connect = self.keyd_connect.map_or_else(
            || "# connect = \"192.0.2.7:8443\"   # instead of asking DNS".to_owned(),
            |address| format!("connect = \"{address}\""),
        );
        write!(
            f,
            "# Settings of wardkey-ca. `wardkey-ca config check --config FILE` says what is wrong with\n\
             # them.\n\
             \n\
             # The folder that holds keys, maker certificates (anchors/) and the journal.\n\
             state = \".\"\n\
             \n\
             site = \"{site}\"\n\
             realm = \"{realm}\"\n\
             \n\
             # SHA-256 of the root's certificate: where all trust begins.\n\
             root_sha256 = \"{}\"\n\
             \n\
             # Where laptops and enrolment programs come to.\n\
             listen = \"{listen}\"\n\
             \n\
             [keyd]\n\
             url = {url}\n\
             {connect}\n\
             # extra_roots = [\"proxy.pem\"]       # of a network that inspects TLS\n\
             \n\
             [authority_key]\n\
             # file = \"keys/authority.p8\"\n",
            root.to_hex()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> String {
        let (site, realm) = ("hmp-x".parse().unwrap(), "wardkey.example".parse().unwrap());
        Template {
            site: &site,
            realm: &realm,
            root: &Sha256::of(b"root"),
            listen: "127.0.0.1:8444".parse().unwrap(),
            keyd_url: "https://keyd.wardkey.example:8443",
            keyd_connect: Some("127.0.0.1:8443".parse().unwrap()),
        }
        .to_string()
    }

    fn parse(text: &str) -> Result<Config, Vec<String>> {
        Config::parse(text, Path::new("/etc/ca"))
    }

    #[test]
    fn the_template_is_good_as_it_is() {
        let config = parse(&template()).unwrap();
        assert_eq!(config.name(), "ca.hmp-x.wardkey.example");
        assert_eq!(config.keyd.connect, "127.0.0.1:8443".parse().ok());
        let KeyPlace::File(path) = &config.authority_key;
        assert_eq!(path, Path::new("/etc/ca/./keys/authority.p8"));
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let wrong = parse(
            "state = '.'\nsite = 'HMP'\nrealm = 'a..b'\nroot_sha256 = 'short'\nlisten = 'here'\n\
             [keyd]\nurl = 'https://keyd'\nconnect = 'there'\n",
        )
        .unwrap_err();
        for part in ["site", "realm", "root_sha256", "listen", "keyd.connect"] {
            assert!(
                wrong
                    .iter()
                    .any(|line| line.starts_with(&format!("{part}:"))),
                "{part} in {wrong:?}"
            );
        }
    }

    #[test]
    fn a_setting_that_nobody_knows_is_refused() {
        for (old, new) in [
            ("[keyd]", "listn = ''\n[keyd]"),
            ("[authority_key]", "[authority_key]\npin = ''"),
        ] {
            assert!(parse(&template().replace(old, new)).is_err(), "{new}");
        }
    }

    #[test]
    fn no_site_has_the_name_of_the_service() {
        let wrong = parse(&template().replace("\"hmp-x\"", "\"keyd\"")).unwrap_err();
        assert!(
            wrong
                .iter()
                .any(|line| line.contains("no site may have it")),
            "{wrong:?}"
        );
    }
}
