//! The one reader of the environment: which folders are ours.

use std::ffi::OsString;
use std::path::PathBuf;

/// Where the program may keep and look for things (XDG Base Directory Specification 0.8).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Environment {
    /// `$XDG_RUNTIME_DIR/wardkey`: for what ends with the person's session.
    pub runtime: Option<PathBuf>,
    /// `$XDG_STATE_HOME/wardkey`, or `~/.local/state/wardkey`: for what is remembered.
    pub state: Option<PathBuf>,
    /// Files of settings, the first that exists counts.
    pub settings: Vec<PathBuf>,
}

impl Environment {
    /// Reads this process's environment.
    pub fn read() -> Self {
        Self::of(|name| std::env::var_os(name))
    }

    fn of(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        // A relative path there is to be ignored, says the specification.
        let folder = |name: &str| {
            let path = variable(name).map(PathBuf::from);
            path.filter(|path| path.is_absolute())
        };
        let home = folder("HOME");
        let below = |name: &str, usual: &str| {
            folder(name).or_else(|| home.as_ref().map(|home| home.join(usual)))
        };
        let own = below("XDG_CONFIG_HOME", ".config");
        let settings = own.into_iter().chain([PathBuf::from("/etc")]);
        Self {
            runtime: folder("XDG_RUNTIME_DIR").map(|path| path.join("wardkey")),
            state: below("XDG_STATE_HOME", ".local/state").map(|path| path.join("wardkey")),
            settings: settings
                .map(|path| path.join("wardkey/wardkey.toml"))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Environment {
        Environment::of(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn folders_come_from_home_where_nothing_else_is_said() {
        let found = of(&[("HOME", "/home/sam")]);
        assert_eq!(found.runtime, None);
        assert_eq!(
            found.state,
            Some(PathBuf::from("/home/sam/.local/state/wardkey"))
        );
        assert_eq!(
            found.settings,
            [
                PathBuf::from("/home/sam/.config/wardkey/wardkey.toml"),
                PathBuf::from("/etc/wardkey/wardkey.toml"),
            ]
        );
    }

    #[test]
    fn what_is_said_goes_before_home() {
        let found = of(&[
            ("HOME", "/home/sam"),
            ("XDG_RUNTIME_DIR", "/run/user/1000"),
            ("XDG_STATE_HOME", "/state"),
            ("XDG_CONFIG_HOME", "/config"),
        ]);
        assert_eq!(found.runtime, Some(PathBuf::from("/run/user/1000/wardkey")));
        assert_eq!(found.state, Some(PathBuf::from("/state/wardkey")));
        assert_eq!(
            found.settings.first(),
            Some(&PathBuf::from("/config/wardkey/wardkey.toml"))
        );
    }

    #[test]
    fn a_relative_folder_is_none() {
        assert_eq!(of(&[("XDG_RUNTIME_DIR", "run")]).runtime, None);
    }
}
