//! Settings: as they are written in a file and on the command line, and as they are meant.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use wardkey_edge::client::Endpoint;
use wardkey_edge::dates::Dates;
use wardkey_edge::pem;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::names::{SiteCode, TokenSerial};

use crate::cli::Options;
use crate::environment::Environment;

/// For whom the program works, with whom it speaks, and whom it believes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The site; a security key of another one is refused.
    pub site: SiteCode,
    /// SHA-256 of the root's certificate: where all trust begins.
    pub root: Sha256,
    /// SHA-256 of the root certificate that was found, which is to be the same.
    pub root_found: Sha256,
    /// The key service.
    pub keyd: Endpoint,
    /// How many roots it believes for TLS besides the installation's.
    pub extra_roots: usize,
    /// The site's authority, where it is known.
    pub ca: Option<Endpoint>,
    /// The operator's security key, where several are plugged in.
    pub serial: Option<TokenSerial>,
    /// The program that asks for PINs.
    pub pinentry: PathBuf,
    /// Where the permission to read is kept, if it was said.
    pub reader_file: Option<PathBuf>,
    /// The file they came from, if any.
    pub file: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSettings {
    site: Option<String>,
    root_certificate: Option<PathBuf>,
    root_sha256: Option<String>,
    #[serde(default)]
    extra_roots: Vec<PathBuf>,
    serial: Option<TokenSerial>,
    pinentry: Option<PathBuf>,
    reader_file: Option<PathBuf>,
    #[serde(default)]
    keyd: RawEndpoint,
    #[serde(default)]
    ca: RawEndpoint,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEndpoint {
    url: Option<String>,
    connect: Option<SocketAddr>,
}

/// Why settings cannot be used: one line for each thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SettingsError {
    /// The file, if there was one.
    pub file: Option<PathBuf>,
    /// What is wrong.
    pub wrong: Vec<String>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "the settings in `{}` cannot be used", file.display())?,
            None => write!(f, "the settings cannot be used")?,
        }
        self.wrong
            .iter()
            .try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// Reads the file of settings, puts what the command line says in its place, and checks all of
    /// it.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] with everything that is wrong, not only the first.
    pub fn load(options: &Options, environment: &Environment) -> Result<Self, SettingsError> {
        let usual = || environment.settings.iter().find(|path| path.is_file());
        let file = options.config.as_ref().or_else(usual).cloned();
        let fail = |wrong| SettingsError {
            file: file.clone(),
            wrong,
        };
        let raw = match &file {
            Some(path) => RawSettings::read(path).map_err(fail)?,
            None => RawSettings::default(),
        };
        raw.with(options).check(file.clone()).map_err(fail)
    }
}

impl RawSettings {
    fn read(path: &Path) -> Result<Self, Vec<String>> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| vec![format!("it cannot be read: {error}")])?;
        let base = path.parent().unwrap_or_else(|| Path::new("."));
        Self::parse(&text, base)
    }

    /// Reads settings; relative paths in them start at `base`.
    fn parse(text: &str, base: &Path) -> Result<Self, Vec<String>> {
        let mut raw: Self = toml::from_str(text).map_err(|error| {
            error
                .to_string()
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })?;
        let within = |path: &mut PathBuf| *path = base.join(&path);
        raw.root_certificate.iter_mut().for_each(within);
        raw.extra_roots.iter_mut().for_each(within);
        raw.reader_file.iter_mut().for_each(within);
        if let Some(root) = raw.root_sha256.take() {
            let is_hash = Sha256::from_hex(root.trim()).is_ok();
            raw.root_sha256 = Some(if is_hash {
                root
            } else {
                base.join(root).display().to_string()
            });
        }
        Ok(raw)
    }

    /// What the command line says goes before what the file says.
    fn with(self, options: &Options) -> Self {
        let Options {
            site,
            serial,
            pinentry,
            reader_file,
            root_certificate,
            root_sha256,
            keyd_url,
            keyd_connect,
            ca_url,
            ca_connect,
            extra_roots,
            ..
        } = options.clone();
        let mut all = self.extra_roots;
        all.extend(extra_roots);
        Self {
            site: site.map(String::from).or(self.site),
            root_certificate: root_certificate.or(self.root_certificate),
            root_sha256: root_sha256.or(self.root_sha256),
            extra_roots: all,
            serial: serial.or(self.serial),
            pinentry: pinentry.or(self.pinentry),
            reader_file: reader_file.or(self.reader_file),
            keyd: self.keyd.with(keyd_url, keyd_connect),
            ca: self.ca.with(ca_url, ca_connect),
        }
    }

    fn check(self, file: Option<PathBuf>) -> Result<Settings, Vec<String>> {
        let mut wrong = Vec::new();
        let missing = |name: &str, flag: &str| format!("{name} is missing (or {flag})");
        let site = match self.site.as_deref().map(str::parse::<SiteCode>) {
            Some(Ok(site)) => Some(site),
            Some(Err(error)) => {
                wrong.push(format!("site: {error}"));
                None
            }
            None => {
                wrong.push(missing("site", "--as-site"));
                None
            }
        };
        let root = match self.root_sha256.as_deref().map(hash) {
            Some(Ok(root)) => Some(root),
            Some(Err(line)) => {
                wrong.push(line);
                None
            }
            None => {
                wrong.push(missing("root_sha256", "--root-sha256"));
                None
            }
        };
        let certificate = match self.root_certificate.as_deref().map(certificate) {
            Some(Ok(certificate)) => Some(certificate),
            Some(Err(line)) => {
                wrong.push(line);
                None
            }
            None => {
                wrong.push(missing("root_certificate", "--root-certificate"));
                None
            }
        };
        let mut roots: Vec<Vec<u8>> = certificate.iter().cloned().collect();
        for path in &self.extra_roots {
            match certificate_file(path) {
                Ok(found) => roots.extend(found),
                Err(line) => wrong.push(line),
            }
        }
        let extra_roots = roots.len().saturating_sub(1);
        if self.keyd.url.is_none() {
            wrong.push(missing("[keyd] url", "--keyd-url"));
        }
        if self.ca.url.is_none() && self.ca.connect.is_some() {
            wrong.push("[ca] has connect, but no url".to_owned());
        }
        let endpoint = |raw: RawEndpoint| {
            raw.url.map(|url| Endpoint {
                url,
                connect: raw.connect,
                roots: roots.clone(),
                dates: Dates::Calendar,
            })
        };
        let (keyd, ca) = (endpoint(self.keyd), endpoint(self.ca));
        match (site, root, certificate, keyd) {
            (Some(site), Some(root), Some(certificate), Some(keyd)) if wrong.is_empty() => {
                Ok(Settings {
                    site,
                    root,
                    root_found: Sha256::of(&certificate),
                    keyd,
                    extra_roots,
                    ca,
                    serial: self.serial,
                    pinentry: self.pinentry.unwrap_or_else(|| "pinentry".into()),
                    reader_file: self.reader_file,
                    file,
                })
            }
            _ => Err(wrong),
        }
    }
}

impl RawEndpoint {
    fn with(self, url: Option<String>, connect: Option<SocketAddr>) -> Self {
        Self {
            url: url.or(self.url),
            connect: connect.or(self.connect),
        }
    }
}

/// The root's hash: 64 hexadecimal digits, or the file that the root ceremony wrote them into.
fn hash(text: &str) -> Result<Sha256, String> {
    const RULE: &str = "root_sha256 must be 64 hexadecimal digits, or a file that holds them";
    if let Ok(hash) = Sha256::from_hex(text.trim()) {
        return Ok(hash);
    }
    let held = std::fs::read_to_string(text)
        .map_err(|error| format!("{RULE}: `{text}` cannot be read: {error}"))?;
    Sha256::from_hex(held.trim()).map_err(|_| format!("{RULE}: `{text}` holds something else"))
}

fn certificate_file(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let shown = path.display();
    let bytes =
        std::fs::read(path).map_err(|error| format!("`{shown}` cannot be read: {error}"))?;
    let found = pem::certificates(&bytes);
    if found.is_empty() {
        return Err(format!("`{shown}` holds no certificate, DER or PEM"));
    }
    Ok(found)
}

fn certificate(path: &Path) -> Result<Vec<u8>, String> {
    let mut found = certificate_file(path)?;
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(format!(
            "`{}` holds several certificates; the root is one",
            path.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
        site = 'hmp-xyz'\n\
        root_certificate = 'root.der'\n\
        root_sha256 = 'root.sha256'\n\
        serial = 33162554\n\
        [keyd]\n\
        url = 'https://keyd.wardkey.test:8443'\n\
        connect = '127.0.0.1:8443'\n";

    /// A folder with a root in it, and settings in `wardkey.toml`.
    fn folder(settings: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        // What is in it is judged where it is used; here it only has to look like DER.
        let root = [0x30, 0x82, 1, 2, 3];
        std::fs::write(folder.path().join("root.der"), root).unwrap();
        let hex = format!("{}\n", Sha256::of(&root).to_hex());
        std::fs::write(folder.path().join("root.sha256"), hex).unwrap();
        std::fs::write(folder.path().join("wardkey.toml"), settings).unwrap();
        folder
    }

    fn load(folder: &tempfile::TempDir, options: Options) -> Result<Settings, SettingsError> {
        let config = options
            .config
            .or_else(|| Some(folder.path().join("wardkey.toml")));
        Settings::load(&Options { config, ..options }, &Environment::default())
    }

    #[test]
    fn paths_in_a_file_start_at_its_folder() {
        let folder = folder(GOOD);
        let settings = load(&folder, Options::default()).unwrap();
        assert_eq!(settings.site.as_str(), "hmp-xyz");
        assert_eq!(settings.root, settings.root_found);
        assert_eq!(settings.serial, Some(TokenSerial::new(33_162_554)));
        assert_eq!(settings.keyd.connect, "127.0.0.1:8443".parse().ok());
        assert_eq!(settings.ca, None);
        assert_eq!(settings.pinentry, Path::new("pinentry"));
    }

    #[test]
    fn the_command_line_goes_before_the_file() {
        let folder = folder(GOOD);
        let options = Options {
            site: "hmp-abc".parse().ok(),
            serial: Some(TokenSerial::new(7)),
            root_sha256: Some("00".repeat(32)),
            keyd_url: Some("https://keyd.other.test".into()),
            ..Options::default()
        };
        let settings = load(&folder, options).unwrap();
        assert_eq!(settings.site.as_str(), "hmp-abc");
        assert_eq!(settings.serial, Some(TokenSerial::new(7)));
        assert_eq!(settings.keyd.url, "https://keyd.other.test");
        assert_ne!(settings.root, settings.root_found);
    }

    #[test]
    fn the_usual_files_are_looked_for_in_their_order() {
        let folder = folder(GOOD);
        let environment = Environment {
            settings: vec![
                folder.path().join("missing.toml"),
                folder.path().join("wardkey.toml"),
            ],
            ..Environment::default()
        };
        let settings = Settings::load(&Options::default(), &environment).unwrap();
        assert_eq!(settings.file, Some(folder.path().join("wardkey.toml")));
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let folder = folder("site = 'HMP'\nroot_sha256 = 'nowhere'\n[ca]\nconnect = '1.2.3.4:5'\n");
        let error = load(&folder, Options::default()).unwrap_err();
        let all = [
            "site:",
            "root_sha256",
            "root_certificate is missing",
            "[keyd] url is missing",
            "[ca] has connect",
        ];
        for part in all {
            assert!(error.to_string().contains(part), "{part} in {error}");
        }
    }

    #[test]
    fn a_setting_that_nobody_knows_is_refused() {
        let folder = folder(&format!("sight = 'x'\n{GOOD}"));
        let error = load(&folder, Options::default()).unwrap_err();
        assert!(error.to_string().contains("sight"), "{error}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let folder = folder(GOOD);
        let options = Options {
            config: Some(folder.path().join("other.toml")),
            ..Options::default()
        };
        let error = load(&folder, options).unwrap_err();
        assert!(error.to_string().contains("other.toml"), "{error}");
    }
}
