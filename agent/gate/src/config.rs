//! The gate's settings: as written in TOML, and as meant.
//!
//! ```toml
//! [trust]
//! root_sha256 = "/etc/wardkey/root.sha256"    # in the measured image
//! identity = "/var/lib/wardkey/identity.json" # written by `wardkey-agent enrol`, as root
//!
//! [state]
//! folder = "/var/lib/wardkey/gate"            # must exist; the gate's alone
//! tpm = "/dev/tpmrm0"                         # counts, so that no older copy of the folder passes
//!
//! [agent]
//! socket = "/run/wardkey/gate.sock"
//! uid = 990                                   # the user as whom the agent runs
//!
//! [video]
//! command = ["/usr/bin/cage", "-d", "--", "/usr/bin/wardkey-room"]
//! folder = "/"
//! environment = { LANG = "en_GB.UTF-8" }      # everything the program gets, but room and visit
//! guard = "auto"                              # or "both", "cgroup", "namespace"
//! cgroup = "/sys/fs/cgroup/wardkey"           # default: the cgroup in which the gate runs
//! bwrap = "/usr/bin/bwrap"
//!
//! [sleep]
//! inhibitor = "/usr/bin/systemd-inhibit"      # keeps the laptop awake while the picture is open
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use wardkey_tpm::TpmAddress;

use crate::limits;
use crate::picture::{GuardChoice, Program, ROOM_VARIABLE, SESSION_VARIABLE};
use crate::trusted_file::{TrustedFileError, Writers};

/// The settings, each of which makes sense by itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// The file with the root's hash.
    pub root_sha256: PathBuf,
    /// The file with the laptop's identity.
    pub identity: PathBuf,
    /// The gate's own folder.
    pub state_folder: PathBuf,
    /// The security chip.
    pub tpm: TpmAddress,
    /// Where the agent connects.
    pub socket: PathBuf,
    /// The user as whom the agent runs.
    pub agent_uid: u32,
    /// What is run while a lease stands.
    pub program: Program,
    /// What it may run in.
    pub guard: GuardChoice,
    /// The cgroup below which the gate makes its own; the gate's by default.
    pub cgroup: Option<PathBuf>,
    /// The program that makes namespaces.
    pub bwrap: PathBuf,
    /// The program that keeps the laptop awake; it need not be there.
    pub inhibitor: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    trust: RawTrust,
    state: RawState,
    agent: RawAgent,
    video: RawVideo,
    #[serde(default)]
    sleep: RawSleep,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTrust {
    root_sha256: PathBuf,
    identity: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawState {
    folder: PathBuf,
    #[serde(default = "usual_tpm")]
    tpm: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAgent {
    socket: PathBuf,
    uid: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawVideo {
    command: Vec<String>,
    #[serde(default = "root_folder")]
    folder: PathBuf,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    guard: GuardChoice,
    cgroup: Option<PathBuf>,
    #[serde(default = "usual_bwrap")]
    bwrap: PathBuf,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawSleep {
    inhibitor: PathBuf,
}

impl Default for RawSleep {
    fn default() -> Self {
        Self {
            inhibitor: PathBuf::from("/usr/bin/systemd-inhibit"),
        }
    }
}

fn root_folder() -> PathBuf {
    PathBuf::from("/")
}

fn usual_tpm() -> String {
    "/dev/tpmrm0".to_owned()
}

fn usual_bwrap() -> PathBuf {
    PathBuf::from("/usr/bin/bwrap")
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read or cannot be believed.
    #[error(transparent)]
    File(#[from] TrustedFileError),
    /// It is not TOML with exactly these settings.
    #[error("the settings in `{path}` cannot be read")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: Box<toml::de::Error>,
    },
    /// It is not text.
    #[error("the settings in `{path}` are not UTF-8")]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// Settings that make no sense: all of them.
    #[error("the settings in `{path}` make no sense: {problems}")]
    Problems {
        /// The file.
        path: PathBuf,
        /// Each with what is wrong.
        problems: Problems,
    },
}

/// Everything that is wrong with the settings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl Config {
    /// The program that is run, without its arguments.
    pub fn video_program(&self) -> &Path {
        Path::new(self.program.command.first().map_or("", String::as_str))
    }

    /// Reads the settings from a file that the agent's user cannot write: whoever can write them
    /// says what runs.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]; it names every setting that makes no sense.
    pub fn load(path: &Path, writers: Writers) -> Result<Self, ConfigError> {
        let bytes = writers.read_most(path, limits::CONFIG_FILE_BYTES)?;
        let text = String::from_utf8(bytes).map_err(|_| ConfigError::NotText {
            path: path.to_owned(),
        })?;
        let raw: RawConfig = toml::from_str(&text).map_err(|source| ConfigError::Syntax {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let mut problems = raw.problems();
        match raw.state.tpm.parse() {
            Ok(tpm) if problems.is_empty() => return Ok(raw.meant(tpm)),
            Ok(_) => (),
            Err(error) => problems.push(format!("`state.tpm`: {error}")),
        }
        Err(ConfigError::Problems {
            path: path.to_owned(),
            problems: Problems(problems),
        })
    }
}

impl RawConfig {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let paths = [
            ("trust.root_sha256", Some(&self.trust.root_sha256)),
            ("trust.identity", Some(&self.trust.identity)),
            ("state.folder", Some(&self.state.folder)),
            ("agent.socket", Some(&self.agent.socket)),
            ("video.folder", Some(&self.video.folder)),
            ("video.cgroup", self.video.cgroup.as_ref()),
            ("video.bwrap", Some(&self.video.bwrap)),
            ("sleep.inhibitor", Some(&self.sleep.inhibitor)),
        ];
        for (name, path) in paths {
            if let Some(path) = path
                && !path.is_absolute()
            {
                problems.push(format!("`{name}` is not an absolute path"));
            }
        }
        match self.video.command.first() {
            None => problems.push("`video.command` is empty".to_owned()),
            Some(program) if !Path::new(program).is_absolute() => {
                problems.push("`video.command` does not begin with an absolute path".to_owned());
            }
            Some(_) => (),
        }
        if self.video.command.iter().any(|part| part.contains('\0')) {
            problems.push("`video.command` holds a zero byte".to_owned());
        }
        for (name, value) in &self.video.environment {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                problems.push(format!("`video.environment` cannot hold `{name}`"));
            }
            if [ROOM_VARIABLE, SESSION_VARIABLE].contains(&name.as_str()) {
                problems.push(format!(
                    "`video.environment` sets `{name}`, which comes from the lease"
                ));
            }
        }
        problems
    }

    fn meant(self, tpm: TpmAddress) -> Config {
        Config {
            root_sha256: self.trust.root_sha256,
            identity: self.trust.identity,
            state_folder: self.state.folder,
            tpm,
            socket: self.agent.socket,
            agent_uid: self.agent.uid,
            program: Program {
                command: self.video.command,
                folder: self.video.folder,
                environment: self.video.environment,
            },
            guard: self.video.guard,
            cgroup: self.video.cgroup,
            bwrap: self.video.bwrap,
            inhibitor: self.sleep.inhibitor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        [trust]
        root_sha256 = "/etc/wardkey/root.sha256"
        identity = "/var/lib/wardkey/identity.json"
        [state]
        folder = "/var/lib/wardkey/gate"
        [agent]
        socket = "/run/wardkey/gate.sock"
        uid = 990
        [video]
        command = ["/usr/bin/true", "--quiet"]
    "#;

    fn load(text: &str) -> Result<Config, ConfigError> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("gate.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(&path, Writers::of_this_process())
    }

    fn problems(text: &str) -> Vec<String> {
        match load(text) {
            Err(ConfigError::Problems { problems, .. }) => problems.0,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn settings_that_were_left_out_have_their_usual_values() {
        let config = load(GOOD).unwrap();
        assert_eq!(config.guard, GuardChoice::Auto);
        assert_eq!(config.bwrap, Path::new("/usr/bin/bwrap"));
        assert_eq!(config.inhibitor, Path::new("/usr/bin/systemd-inhibit"));
        assert_eq!(config.cgroup, None);
        assert_eq!(config.program.folder, Path::new("/"));
        assert_eq!(config.program.environment.len(), 0);
        assert_eq!(config.agent_uid, 990);
        assert_eq!(config.tpm.to_string(), "/dev/tpmrm0");
    }

    #[test]
    fn a_setting_that_nobody_knows_or_that_is_missing_is_an_error() {
        for wrong in [
            GOOD.replace("uid = 990", "uid = 990\npid = 1"),
            GOOD.replace("uid = 990", ""),
            GOOD.replace("uid = 990", "uid = -1"),
            GOOD.replace("[video]", "[film]"),
            format!("{GOOD}\nguard = \"none\""),
        ] {
            assert!(
                matches!(load(&wrong), Err(ConfigError::Syntax { .. })),
                "{wrong}"
            );
        }
    }

    #[test]
    fn every_problem_is_told_and_not_the_first_alone() {
        let wrong = GOOD
            .replace("/etc/wardkey/root.sha256", "root.sha256")
            .replace("/run/wardkey/gate.sock", "gate.sock")
            .replace("/usr/bin/true", "true")
            .replace("[agent]", "tpm = \"nowhere\"\n[agent]")
            + "environment = { WARDKEY_ROOM = \"x\", \"A=B\" = \"\" }\n\
               [sleep]\ninhibitor = \"systemd-inhibit\"";
        assert_eq!(problems(&wrong).len(), 7, "{:?}", problems(&wrong));
    }

    #[test]
    fn a_command_must_be_there() {
        let wrong = GOOD.replace("[\"/usr/bin/true\", \"--quiet\"]", "[]");
        assert_eq!(problems(&wrong), ["`video.command` is empty"]);
    }
}
