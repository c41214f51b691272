//! Where this tree is and how its cargo is called; the only reader of the environment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result};

/// This tree.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    cargo: OsString,
    search_path: OsString,
}

impl Workspace {
    /// Finds the tree that this program was built from.
    pub(crate) fn find() -> Result<Self> {
        // cargo tells where the crate is now; the path of compile time serves without cargo.
        let xtask = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = xtask
            .parent()
            .filter(|root| root.join("Cargo.lock").is_file())
            .ok_or_else(|| Failure::new("the workspace is not where xtask was built"))
            .map_err(|failure| failure.hint("call it as `cargo xtask`"))?;
        Ok(Self {
            root: root.to_path_buf(),
            cargo: std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")),
            search_path: std::env::var_os("PATH").unwrap_or_default(),
        })
    }

    /// The top folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path below the top folder.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// The cargo that runs this, with these arguments, in the top folder.
    pub(crate) fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(&self.cargo);
        command.args(arguments).current_dir(&self.root);
        command
    }

    /// Another program, in the top folder.
    pub(crate) fn program<'a>(
        &self,
        name: &str,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Command {
        let mut command = Command::new(name);
        command.args(arguments).current_dir(&self.root);
        command
    }

    /// Whether a program of this name is on the search path.
    pub(crate) fn has_program(&self, name: &str) -> bool {
        std::env::split_paths(&self.search_path).any(|folder| folder.join(name).is_file())
    }

    /// Whether `cargo NAME` would find a program.
    pub(crate) fn has_subcommand(&self, name: &str) -> bool {
        let program = format!("cargo-{name}");
        let installed = std::env::home_dir().map(|home| home.join(".cargo/bin").join(&program));
        self.has_program(&program) || installed.is_some_and(|path| path.is_file())
    }
}

/// Runs a short program to its end and returns what it printed.
///
/// For programs that answer at once; longer ones go through [`crate::supervise`].
pub(crate) fn read_output(mut command: Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| Failure::io(format!("cannot run `{name}`"), &error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!(
            "`{name}` ended with {}\n{}",
            output.status,
            said.trim_end()
        )));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| Failure::new(format!("`{name}` printed something that is not UTF-8")))
}
