//! Where dependencies come from and under which licences, by the rules of `deny.toml`.
//!
//! cargo-deny checks this better where it is installed. Where it is not, this module checks what
//! can be told from cargo itself: what the manifests say, not what the licence files say.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::failure::{Failure, Result};
use crate::spdx;
use crate::supervise::{Output, Supervisor};
use crate::workspace::{Workspace, read_output};

/// The platform whose graph is judged, as in `deny.toml`.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// The only place that dependencies may come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Checks licences, bans and sources. Returns a line for the table.
pub(crate) fn check(workspace: &Workspace, supervisor: &Supervisor) -> Result<String> {
    if workspace.has_subcommand("deny") {
        let deny = workspace.cargo(["deny", "check", "bans", "licenses", "sources"]);
        let ended = supervisor.run(deny, Output::Inherit)?;
        if !ended.status.success() {
            return Err(Failure::new("cargo-deny says no"));
        }
        return Ok("by cargo-deny".to_owned());
    }
    let read = |name: &str| {
        std::fs::read_to_string(workspace.path(name))
            .map_err(|error| Failure::io(format!("cannot read {name}"), &error))
    };
    let rules = Rules::parse(&read("deny.toml")?)?;
    let lock: Table = read("Cargo.lock")?
        .parse()
        .map_err(|error| Failure::new(format!("Cargo.lock: {error}")))?;
    // `cargo metadata` and Cargo.lock name optional crates that nobody builds; the tree does not.
    let tree = read_output(workspace.cargo([
        "tree",
        "--workspace",
        "--target",
        PLATFORM,
        "--prefix",
        "none",
        "--format",
        "{p}\t{l}",
    ]))?;
    let crates = crates_of(&tree);
    let mut wrong = foreign(&lock);
    wrong.extend(crates.iter().filter_map(|found| rules.objection(found)));
    if !wrong.is_empty() {
        return Err(Failure::new(wrong.join("\n")).hint("the rules are in deny.toml"));
    }
    Ok(format!(
        "{} crates by their manifests; cargo-deny is not installed and was skipped",
        crates.len()
    ))
}

/// A crate of the built graph.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Crate {
    name: String,
    licence: String,
}

fn crates_of(tree: &str) -> BTreeSet<Crate> {
    tree.lines()
        .filter_map(|line| {
            let (package, licence) = line.split_once('\t')?;
            Some(Crate {
                name: package.split(' ').next()?.to_owned(),
                // A crate that was printed before is marked.
                licence: licence.trim_end_matches("(*)").trim().to_owned(),
            })
        })
        .collect()
}

/// Packages of Cargo.lock that come from anywhere but the registry. Ours have no source.
fn foreign(lock: &Table) -> Vec<String> {
    let packages = lock.get("package").and_then(Value::as_array);
    packages
        .into_iter()
        .flatten()
        .filter_map(|package| {
            let source = package.get("source")?.as_str()?;
            let name = package.get("name")?.as_str()?;
            (source != REGISTRY).then(|| format!("{name} comes from {source}"))
        })
        .collect()
}

/// What `deny.toml` says, as far as it is used here.
#[derive(Debug)]
struct Rules {
    allowed: Vec<String>,
    exceptions: Vec<(String, Vec<String>)>,
    banned: Vec<(String, String)>,
}

impl Rules {
    fn parse(text: &str) -> Result<Self> {
        let table: Table = text
            .parse()
            .map_err(|error| Failure::new(format!("deny.toml: {error}")))?;
        Self::read(&table)
            .ok_or_else(|| Failure::new("deny.toml has no licenses.allow or no bans.deny"))
    }

    fn read(table: &Table) -> Option<Self> {
        let licenses = table.get("licenses")?;
        let named = |value: &Value| value.get("crate")?.as_str().map(str::to_owned);
        let exceptions: Option<Vec<_>> = licenses
            .get("exceptions")?
            .as_array()?
            .iter()
            .map(|value| Some((named(value)?, strings(value.get("allow")?)?)))
            .collect();
        let banned: Option<Vec<_>> = table
            .get("bans")?
            .get("deny")?
            .as_array()?
            .iter()
            .map(|value| Some((named(value)?, value.get("reason")?.as_str()?.to_owned())))
            .collect();
        Some(Self {
            allowed: strings(licenses.get("allow")?)?,
            exceptions: exceptions?,
            banned: banned?,
        })
    }

    /// What is wrong with a crate, if anything is.
    fn objection(&self, found: &Crate) -> Option<String> {
        let Crate { name, licence } = found;
        if let Some((_, reason)) = self.banned.iter().find(|(banned, _)| banned == name) {
            return Some(format!("{name} is not wanted: {reason}"));
        }
        let excepted = |id: &str| {
            self.exceptions
                .iter()
                .any(|(excepted, ids)| excepted == name && ids.iter().any(|other| other == id))
        };
        let allowed = |id: &str| self.allowed.iter().any(|other| other == id) || excepted(id);
        (!spdx::permits(licence, &allowed))
            .then(|| format!("{name} is under {licence:?}, which is not allowed"))
    }
}

fn strings(value: &Value) -> Option<Vec<String>> {
    value
        .as_array()?
        .iter()
        .map(|value| value.as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, licence: &str) -> Crate {
        Crate {
            name: name.to_owned(),
            licence: licence.to_owned(),
        }
    }

    #[test]
    fn the_rules_of_this_tree_refuse_what_they_should() {
        let rules = Rules::parse(include_str!("../../deny.toml")).unwrap();
        for (name, licence, fine) in [
            ("serde", "MIT OR Apache-2.0", true),
            ("webpki-roots", "CDLA-Permissive-2.0", true),
            ("other", "CDLA-Permissive-2.0", false),
            ("copyleft", "GPL-3.0-only", false),
            ("nobody-knows", "", false),
            ("ring", "Apache-2.0 AND ISC", false),
            ("openssl-sys", "MIT", false),
        ] {
            assert_eq!(
                rules.objection(&found(name, licence)).is_none(),
                fine,
                "{name}"
            );
        }
    }

    #[test]
    fn the_tree_of_cargo_is_read_line_by_line() {
        let tree = "wardkey-keyd v0.1.0 (/here/keyd)\tApache-2.0 OR MIT\nserde v1.0.0\tMIT\nserde v1.0.0\tMIT (*)\n\n";
        let crates: Vec<Crate> = crates_of(tree).into_iter().collect();
        assert_eq!(
            crates,
            [
                found("serde", "MIT"),
                found("wardkey-keyd", "Apache-2.0 OR MIT")
            ]
        );
    }

    #[test]
    fn a_crate_from_a_git_repository_is_named() {
        let lock: Table = format!(
            "[[package]]\nname = 'ours'\n[[package]]\nname = 'serde'\nsource = '{REGISTRY}'\n\
             [[package]]\nname = 'odd'\nsource = 'git+https://example.org/odd'\n"
        )
        .parse()
        .unwrap();
        assert_eq!(
            foreign(&lock),
            ["odd comes from git+https://example.org/odd"]
        );
    }
}
