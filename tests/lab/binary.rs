//! Where the workspace's own programs are.
//!
//! Cargo tells a test where the programs of its own package are, not those of others; they lie
//! beside it all the same.

use std::env;
use std::io;
use std::path::PathBuf;

/// A program of the workspace that is not where it should be.
#[derive(Debug, thiserror::Error)]
pub enum MissingBinary {
    /// This program does not know where it lies itself.
    #[error("cannot tell where this program lies")]
    Nowhere(#[source] io::Error),
    /// It was not built.
    #[error("{} is not built: run `{build}`", path.display())]
    NotBuilt {
        /// Where it should be.
        path: PathBuf,
        /// The command that builds it.
        build: String,
    },
}

/// Finds the program `name` of package `package`, built in the same profile as whoever asks.
///
/// # Errors
///
/// [`MissingBinary::NotBuilt`], whose text names the command to run.
pub fn workspace_binary(package: &str, name: &str) -> Result<PathBuf, MissingBinary> {
    let this = env::current_exe().map_err(MissingBinary::Nowhere)?;
    // target/<profile>/deps/<test> or target/<profile>/<program>.
    let mut folder = this.parent().map(PathBuf::from).unwrap_or_default();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let path = folder.join(name);
    if path.is_file() {
        return Ok(path);
    }
    let profile = if folder.ends_with("release") {
        " --release"
    } else {
        ""
    };
    let build = format!("cargo build{profile} -p {package} --bin {name}");
    Err(MissingBinary::NotBuilt { path, build })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_built_is_named_with_its_remedy() {
        let error = workspace_binary("wardkey-nothing", "wardkey-nothing").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("run `cargo build"), "{text}");
        assert!(
            text.contains("-p wardkey-nothing --bin wardkey-nothing`"),
            "{text}"
        );
    }
}
