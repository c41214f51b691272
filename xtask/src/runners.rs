//! Which tests are run, and by whom.
//!
//! Always one and the same selection is built, the whole tree: cargo chooses the features of what we
//! depend on by the packages that are selected, so another selection would build most of it again.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::failure::{Failure, Result};
use crate::metadata::{Metadata, Package};
use crate::workspace::{Workspace, read_output};

/// The folder of packages that need virtual hardware.
const LAB: &str = "tests";

/// Which tests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Which {
    /// Those of packages that need virtual hardware.
    Lab,
    /// All others.
    Others,
}

impl Which {
    fn packages(self, metadata: &Metadata) -> Vec<&Package> {
        metadata.packages_below(LAB, self == Self::Lab)
    }
}

/// `cargo nextest` for these tests.
pub(crate) fn nextest(workspace: &Workspace, metadata: &Metadata, which: Which) -> Command {
    let mut command = workspace.cargo(["nextest", "run", "--workspace"]);
    command.args(["--no-fail-fast", "--no-tests=pass", "--filterset"]);
    let filters: Vec<String> = which
        .packages(metadata)
        .iter()
        .map(|package| format!("package(={})", package.name))
        .collect();
    command.arg(filters.join(" | "));
    command
}

/// The programs into which cargo builds these tests, each as a command that cargo itself would run.
///
/// # Errors
///
/// [`Failure`] if they cannot be built; the compiler's words are printed by then.
pub(crate) fn executables(
    workspace: &Workspace,
    metadata: &Metadata,
    which: Which,
) -> Result<Vec<Command>> {
    let mut build = workspace.cargo(["test", "--workspace", "--tests", "--no-run"]);
    build
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit());
    let messages = read_output(build)?;
    let packages = which.packages(metadata);
    let commands: Vec<Command> = messages
        .lines()
        .filter_map(|line| {
            let (program, manifest) = parse_test(line)?;
            let folder = Path::new(&manifest).parent()?;
            let below = folder.strip_prefix(workspace.root()).ok()?;
            let wanted = packages.iter().any(|package| package.folder == below);
            wanted.then(|| {
                let mut command = workspace.program(&program, []);
                command
                    .current_dir(folder)
                    .env("CARGO_MANIFEST_DIR", folder);
                command
            })
        })
        .collect();
    if commands.is_empty() {
        return Err(Failure::new("cargo names no programs with tests"));
    }
    Ok(commands)
}

/// Program and manifest, if a message of cargo is about a program with tests.
fn parse_test(line: &str) -> Option<(String, String)> {
    let message: Value = serde_json::from_str(line).ok()?;
    let is_test = message.pointer("/profile/test")?.as_bool()?;
    let text = |name: &str| message.get(name)?.as_str().map(str::to_owned);
    is_test.then(|| Some((text("executable")?, text("manifest_path")?)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_with_tests_are_found_in_what_cargo_says() {
        let said = |test: bool, executable: &str| {
            format!(
                r#"{{"reason": "compiler-artifact", "manifest_path": "/here/keyd/Cargo.toml",
                    "profile": {{"test": {test}}}, "executable": {executable}}}"#
            )
        };
        assert_eq!(
            parse_test(&said(true, r#""/here/target/debug/deps/store-1""#)),
            Some((
                "/here/target/debug/deps/store-1".to_owned(),
                "/here/keyd/Cargo.toml".to_owned()
            ))
        );
        assert_eq!(
            parse_test(&said(false, r#""/here/target/debug/keyd""#)),
            None
        );
        assert_eq!(parse_test(&said(true, "null")), None);
        assert_eq!(parse_test("   Compiling keyd"), None);
    }
}
