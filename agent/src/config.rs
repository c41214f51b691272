//! The agent's settings: as written in TOML, and as meant.
//!
//! ```toml
//! state = "/var/lib/wardkey/agent"            # must exist; the agent's alone
//! root_sha256 = "/etc/wardkey/root.sha256"    # in the measured image
//! root_certificate = "/etc/wardkey/root.der"  # must have that hash
//! tpm = "/dev/tpmrm0"
//! event_log = "/sys/kernel/security/tpm0/binary_bios_measurements"
//! gate = "/run/wardkey/gate.sock"
//! control = "/run/wardkey/agent.sock"
//! control_uid = 1000                          # who may use it besides root and the agent's user
//! identity = "/var/lib/wardkey/identity.json" # written by `enrol`, read by the gate
//! pinentry = "pinentry"
//! time_zone = "Europe/London"                 # of times that people read; else the system's
//! extra_roots = ["/etc/wardkey/proxy.pem"]    # of networks that inspect TLS
//!
//! [keyd]
//! url = "https://keyd.wardkey.example"
//! connect = "10.0.0.1:8443"                   # instead of asking DNS
//!
//! [ca]
//! url = "https://ca.hmp-xyz.wardkey.example"
//! ```
//!
//! Relative paths start at the folder of the file.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use serde::Deserialize;
use wardkey_tpm::TpmAddress;

/// Where a service is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its base address.
    pub url: String,
    /// Where to connect instead of asking DNS for the name in the address.
    pub connect: Option<SocketAddr>,
}

/// The settings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// The agent's own folder.
    pub state: PathBuf,
    /// The file with the root's hash.
    pub root_sha256: PathBuf,
    /// The root's certificate.
    pub root_certificate: PathBuf,
    /// Roots of networks that inspect TLS.
    pub extra_roots: Vec<PathBuf>,
    /// The key service.
    pub keyd: Service,
    /// The site's authority.
    pub ca: Service,
    /// The TPM.
    pub tpm: TpmAddress,
    /// The event log of this boot.
    pub event_log: PathBuf,
    /// The gate's socket.
    pub gate: PathBuf,
    /// The agent's socket for commands.
    pub control: PathBuf,
    /// Who may use it besides root and the agent's own user.
    pub control_uid: Option<u32>,
    /// The identity that the gate reads.
    pub identity: PathBuf,
    /// The program in which PINs are typed.
    pub pinentry: String,
    /// The zone of times that people read.
    pub time_zone: TimeZone,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    state: PathBuf,
    root_sha256: PathBuf,
    root_certificate: PathBuf,
    #[serde(default)]
    extra_roots: Vec<PathBuf>,
    keyd: Service,
    ca: Service,
    #[serde(default = "usual_tpm")]
    tpm: String,
    #[serde(default = "usual_event_log")]
    event_log: PathBuf,
    gate: PathBuf,
    control: PathBuf,
    control_uid: Option<u32>,
    identity: PathBuf,
    #[serde(default = "usual_pinentry")]
    pinentry: String,
    time_zone: Option<String>,
}

fn usual_tpm() -> String {
    "/dev/tpmrm0".to_owned()
}

fn usual_event_log() -> PathBuf {
    "/sys/kernel/security/tpm0/binary_bios_measurements".into()
}

fn usual_pinentry() -> String {
    "pinentry".to_owned()
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
        let path = self.path.display();
        write!(f, "the settings in `{path}` cannot be used")?;
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
        let text = std::fs::read_to_string(path)
            .map_err(|source| error(vec![format!("it cannot be read: {source}")]))?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        Self::parse(&text, folder).map_err(error)
    }

    fn parse(text: &str, base: &Path) -> Result<Self, Vec<String>> {
        let raw: RawConfig = toml::from_str(text).map_err(|error| {
            error
                .to_string()
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })?;
        let mut wrong = Vec::new();
        let tpm: Option<TpmAddress> = raw
            .tpm
            .parse()
            .map_err(|error| wrong.push(format!("tpm: {error}")))
            .ok();
        for (name, service) in [("keyd", &raw.keyd), ("ca", &raw.ca)] {
            if !(service.url.starts_with("https://") || service.url.starts_with("http://")) {
                wrong.push(format!("{name}.url must begin with https://"));
            }
        }
        if raw.pinentry.is_empty() {
            wrong.push("pinentry names no program".to_owned());
        }
        let time_zone = match &raw.time_zone {
            None => TimeZone::system(),
            Some(name) => TimeZone::get(name).unwrap_or_else(|error| {
                wrong.push(format!("time_zone: {error}"));
                TimeZone::UTC
            }),
        };
        let (Some(tpm), true) = (tpm, wrong.is_empty()) else {
            return Err(wrong);
        };
        let at = |path: PathBuf| base.join(path);
        Ok(Self {
            state: at(raw.state),
            root_sha256: at(raw.root_sha256),
            root_certificate: at(raw.root_certificate),
            extra_roots: raw.extra_roots.into_iter().map(at).collect(),
            keyd: raw.keyd,
            ca: raw.ca,
            tpm,
            event_log: at(raw.event_log),
            gate: at(raw.gate),
            control: at(raw.control),
            control_uid: raw.control_uid,
            identity: at(raw.identity),
            pinentry: raw.pinentry,
            time_zone,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        state = "agent"
        root_sha256 = "/image/root.sha256"
        root_certificate = "/image/root.der"
        gate = "/run/gate.sock"
        control = "/run/agent.sock"
        identity = "identity.json"
        [keyd]
        url = "https://keyd.wardkey.test"
        connect = "127.0.0.1:8443"
        [ca]
        url = "https://ca.hmp-xyz.wardkey.test"
    "#;

    fn parse(text: &str) -> Result<Config, Vec<String>> {
        Config::parse(text, Path::new("/etc/wardkey"))
    }

    #[test]
    fn settings_that_were_left_out_have_their_usual_values() {
        let config = parse(GOOD).unwrap();
        assert_eq!(config.tpm.to_string(), "/dev/tpmrm0");
        assert_eq!(config.pinentry, "pinentry");
        assert_eq!(config.state, Path::new("/etc/wardkey/agent"));
        assert_eq!(config.gate, Path::new("/run/gate.sock"));
        assert_eq!((config.extra_roots.len(), config.control_uid), (0, None));
        assert_eq!(config.ca.connect, None);
        let text = GOOD.replace("state = ", "time_zone = \"Europe/London\"\nstate = ");
        let zone = parse(&text).unwrap().time_zone;
        assert_eq!(zone.iana_name(), Some("Europe/London"));
    }

    #[test]
    fn everything_that_makes_no_sense_is_said_at_once() {
        let wrong = GOOD.replace("https://keyd", "keyd").replace(
            "state = ",
            "tpm = \"nowhere\"\npinentry = \"\"\ntime_zone = \"Mars/Utopia\"\nstate = ",
        );
        let wrong = parse(&wrong).unwrap_err();
        for part in ["tpm", "keyd.url", "pinentry", "time_zone"] {
            assert!(
                wrong.iter().any(|line| line.contains(part)),
                "{part}: {wrong:?}"
            );
        }
    }

    #[test]
    fn a_setting_that_nobody_knows_or_that_is_missing_is_refused() {
        assert!(parse(&GOOD.replace("gate =", "gat =")).is_err());
        assert!(parse(&GOOD.replace("[ca]", "pin = \"583619\"\n[ca]")).is_err());
        assert!(parse(&GOOD.replace("identity =", "#")).is_err());
    }
}
