//! What the video program runs in, so that nothing of it can get away.
//!
//! A cgroup ends as a whole, whatever its processes did to their parents and sessions. A PID
//! namespace ends with its first process, by the kernel alone, even if gate and guardian die in the
//! same instant. Where the system grants both, both are used.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Which guard the settings ask for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuardChoice {
    /// The strongest that works here.
    #[default]
    Auto,
    /// A cgroup and a namespace.
    Both,
    /// A cgroup alone.
    Cgroup,
    /// A namespace alone.
    Namespace,
}

/// The guard in use.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guard {
    /// A cgroup and a namespace.
    Both,
    /// A cgroup alone.
    Cgroup,
    /// A namespace alone.
    Namespace,
}

impl Guard {
    /// The word in settings and output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Cgroup => "cgroup",
            Self::Namespace => "namespace",
        }
    }
}

impl GuardChoice {
    /// The guards that would do, the strongest first.
    pub(super) const fn candidates(self) -> &'static [Guard] {
        match self {
            Self::Auto => &[Guard::Both, Guard::Cgroup, Guard::Namespace],
            Self::Both => &[Guard::Both],
            Self::Cgroup => &[Guard::Cgroup],
            Self::Namespace => &[Guard::Namespace],
        }
    }
}

/// What one showing runs in.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Confinement {
    /// A cgroup and a namespace.
    Both {
        /// The cgroup's folder.
        cgroup: PathBuf,
        /// The program that makes the namespace.
        bwrap: PathBuf,
    },
    /// A cgroup alone.
    Cgroup {
        /// The cgroup's folder.
        cgroup: PathBuf,
    },
    /// A namespace alone.
    Namespace {
        /// The program that makes the namespace.
        bwrap: PathBuf,
    },
}

impl Confinement {
    /// The cgroup's folder, if one is used.
    pub(super) fn cgroup(&self) -> Option<&Path> {
        match self {
            Self::Both { cgroup, .. } | Self::Cgroup { cgroup } => Some(cgroup),
            Self::Namespace { .. } => None,
        }
    }

    /// The command line that runs `command` in the namespace, if one is used. The file system, the
    /// devices and the network stay those of the laptop; only processes are fenced in.
    pub(super) fn wrap(&self, command: &[String]) -> Vec<String> {
        const FENCE: [&str; 8] = [
            "--die-with-parent",
            "--unshare-pid",
            "--dev-bind",
            "/",
            "/",
            "--proc",
            "/proc",
            "--",
        ];
        match self {
            Self::Both { bwrap, .. } | Self::Namespace { bwrap } => {
                let bwrap = bwrap.to_string_lossy().into_owned();
                std::iter::once(bwrap)
                    .chain(FENCE.map(str::to_owned))
                    .chain(command.iter().cloned())
                    .collect()
            }
            Self::Cgroup { .. } => command.to_vec(),
        }
    }
}
