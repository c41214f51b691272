//! What `cargo metadata` says of this tree's own packages.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::{Failure, Result};
use crate::workspace::{Workspace, read_output};

/// This tree's packages.
#[derive(Debug)]
pub(crate) struct Metadata {
    /// In the order of cargo.
    pub(crate) packages: Vec<Package>,
    /// Where built files go.
    pub(crate) target: PathBuf,
}

/// One package of this tree.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its folder, below the top folder.
    pub(crate) folder: PathBuf,
    /// What its manifest asks for.
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a manifest's dependencies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Dependency {
    /// The name of the package.
    pub(crate) name: String,
    /// For what it is used.
    pub(crate) kind: Kind,
    /// Whether its default features are taken.
    pub(crate) default_features: bool,
    /// The features that are taken besides.
    pub(crate) features: Vec<String>,
}

/// For what a dependency is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// The product.
    Normal,
    /// Its build script.
    Build,
    /// Tests and examples.
    Dev,
}

impl Metadata {
    /// Asks cargo.
    pub(crate) fn read(workspace: &Workspace) -> Result<Self> {
        let command = workspace.cargo(["metadata", "--format-version", "1", "--no-deps"]);
        let text = read_output(command)?;
        Self::parse(&text, workspace.root())
            .ok_or_else(|| Failure::new("`cargo metadata` did not answer as it should"))
    }

    /// The packages in folders below this one, or all others.
    pub(crate) fn packages_below(&self, folder: &str, below: bool) -> Vec<&Package> {
        self.packages
            .iter()
            .filter(|package| package.folder.starts_with(folder) == below)
            .collect()
    }

    fn parse(text: &str, root: &Path) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let packages: Option<Vec<Package>> = value
            .get("packages")?
            .as_array()?
            .iter()
            .map(|package| Package::parse(package, root))
            .collect();
        Some(Self {
            packages: packages?,
            target: PathBuf::from(value.get("target_directory")?.as_str()?),
        })
    }
}

impl Package {
    fn parse(value: &Value, root: &Path) -> Option<Self> {
        let manifest = Path::new(value.get("manifest_path")?.as_str()?);
        let dependencies: Option<Vec<Dependency>> = value
            .get("dependencies")?
            .as_array()?
            .iter()
            .map(Dependency::parse)
            .collect();
        Some(Self {
            name: value.get("name")?.as_str()?.to_owned(),
            folder: manifest.parent()?.strip_prefix(root).ok()?.to_path_buf(),
            dependencies: dependencies?,
        })
    }
}

impl Dependency {
    fn parse(value: &Value) -> Option<Self> {
        let kind = match value.get("kind")?.as_str() {
            None => Kind::Normal,
            Some("build") => Kind::Build,
            Some("dev") => Kind::Dev,
            Some(_) => return None,
        };
        let features: Option<Vec<String>> = value
            .get("features")?
            .as_array()?
            .iter()
            .map(|feature| feature.as_str().map(str::to_owned))
            .collect();
        Some(Self {
            name: value.get("name")?.as_str()?.to_owned(),
            kind,
            default_features: value.get("uses_default_features")?.as_bool()?,
            features: features?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_and_their_dependencies_are_read() {
        let text = r#"{"target_directory": "/here/target", "packages": [{
            "name": "wardkey-agent", "manifest_path": "/here/agent/Cargo.toml",
            "dependencies": [
                {"name": "wardkey-verifier", "kind": null, "uses_default_features": false, "features": []},
                {"name": "proptest", "kind": "dev", "uses_default_features": true, "features": ["std"]}
            ]}]}"#;
        let metadata = Metadata::parse(text, Path::new("/here")).unwrap();
        let package = &metadata.packages[0];
        assert_eq!(package.folder, Path::new("agent"));
        assert_eq!(package.dependencies[0].kind, Kind::Normal);
        assert!(!package.dependencies[0].default_features);
        assert_eq!(package.dependencies[1].kind, Kind::Dev);
        assert_eq!(metadata.packages_below("agent", true).len(), 1);
        assert!(metadata.packages_below("agent", false).is_empty());
        assert!(Metadata::parse("{}", Path::new("/here")).is_none());
    }
}
