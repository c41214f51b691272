//! Which room of the house may know which: `docs/house.md`, compared with the manifests.

use crate::failure::{Failure, Result};
use crate::metadata::{Dependency, Kind, Metadata, Package};

const SCHEMAS: &str = "wardkey-schemas";
const VERIFIER: &str = "wardkey-verifier";
const ISSUANCE: &str = "wardkey-issuance";
const TLOG: &str = "wardkey-tlog";
const EDGE: &str = "wardkey-edge";
const TOLD: &str = "wardkey-told";
const TOKEN: &str = "wardkey-token";
const TPM: &str = "wardkey-tpm";
const GATE: &str = "wardkey-gate";
const AGENT: &str = "wardkey-agent";
const KEYD: &str = "wardkey-keyd";
const CA: &str = "wardkey-ca";
const CTL: &str = "wardkey-ctl";

/// What each package may use in its product. Packages below `tests` may use all of these.
const ARROWS: &[(&str, &[&str])] = &[
    (SCHEMAS, &[]),
    (VERIFIER, &[SCHEMAS]),
    // The record's tree and a witness's judgement: whoever doubts keyd computes with the same.
    (TLOG, &[SCHEMAS]),
    (ISSUANCE, &[SCHEMAS]),
    // Words for whoever ran a program; no hands.
    (TOLD, &[SCHEMAS]),
    (TOKEN, &[SCHEMAS, TOLD]),
    (TPM, &[SCHEMAS]),
    // The chip's counter tells the gate's newest state from a copy; see decision 0015.
    (GATE, &[SCHEMAS, VERIFIER, TPM]),
    // How programs listen and call; it decides nothing. The gate stays away from all networks.
    (EDGE, &[SCHEMAS]),
    (
        AGENT,
        &[SCHEMAS, EDGE, VERIFIER, TLOG, TOLD, TOKEN, TPM, GATE],
    ),
    // keyd's service authority certifies keyd's own function keys; its name constraint keeps it from
    // ever making an identity of a laptop or a person.
    (KEYD, &[SCHEMAS, EDGE, VERIFIER, TLOG, TOLD, ISSUANCE]),
    // The first keys of a site are enrolled at its authority, in person: it holds the token itself.
    (CA, &[SCHEMAS, EDGE, VERIFIER, TOLD, ISSUANCE, TOKEN]),
    // The operators' command line signs nothing before it has verified the bundle, the certificate
    // on the security key, and what an enrolment brought back.
    (CTL, &[SCHEMAS, EDGE, VERIFIER, TLOG, TOLD, TOKEN]),
    ("xtask", &[]),
];

/// These take of the verifier only what opens bundles, certificates, leases and orders, and the
/// features beside their names.
const VERIFIER_CORE_ONLY: &[(&str, &[&str])] = &[
    (GATE, &[]),
    (AGENT, &["status-lists"]),
    (CTL, &["status-lists"]),
];

/// Judgement has no hands: nothing in these lists can reach a clock, a socket, a file or
/// randomness. (`aws-lc-rs` could give randomness; [`crate::purity`] sees to it that nobody asks.)
const PURE: &[(&str, &[&str])] = &[
    (
        VERIFIER,
        &[
            SCHEMAS,
            "aws-lc-rs",
            "flate2",
            "p256",
            "thiserror",
            "x509-parser",
            "zeroize",
        ],
    ),
    (TLOG, &[SCHEMAS, "aws-lc-rs", "base64", "thiserror"]),
    (
        ISSUANCE,
        &[
            SCHEMAS,
            "aws-lc-rs",
            "rcgen",
            "thiserror",
            "time",
            "x509-parser",
            "yasna",
        ],
    ),
];

/// Compares the manifests with the lists above. Returns a line for the table.
pub(crate) fn check(metadata: &Metadata) -> Result<String> {
    let wrong = strays(metadata);
    if wrong.is_empty() {
        let packages = metadata.packages.len();
        return Ok(format!("{packages} packages keep to the arrows"));
    }
    Err(Failure::new(wrong.join("\n"))
        .hint("the arrows of the house are in xtask/src/arrows.rs, with the reasons beside them"))
}

/// What breaks a rule, one sentence each.
fn strays(metadata: &Metadata) -> Vec<String> {
    let ours: Vec<&str> = metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let tests: Vec<&str> = metadata
        .packages_below("tests", true)
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let in_tests = tests.contains(&name);
        let allowed = ARROWS.iter().find(|(from, _)| *from == name);
        if allowed.is_none() && !in_tests {
            wrong.push(format!("{name} is new: say what it may use"));
        }
        let allowed = allowed.map_or(&[][..], |(_, to)| *to);
        for dependency in &package.dependencies {
            let to = dependency.name.as_str();
            if !ours.contains(&to) || in_tests {
                continue;
            }
            let of_a_test = tests.contains(&to) && dependency.kind == Kind::Dev;
            if !of_a_test && (tests.contains(&to) || to == "xtask") {
                wrong.push(format!("{name} uses {to}; no product uses tests or xtask"));
            } else if dependency.kind != Kind::Dev && !allowed.contains(&to) {
                wrong.push(format!("{name} uses {to}; it may not"));
            } else if takes_too_much(name, dependency) {
                wrong.push(format!(
                    "{name} takes features of {to}; it needs `default-features = false` and no more"
                ));
            }
        }
        wrong.extend(impure(package));
    }
    wrong
}

fn takes_too_much(name: &str, dependency: &Dependency) -> bool {
    let Some((_, features)) = VERIFIER_CORE_ONLY.iter().find(|(core, _)| *core == name) else {
        return false;
    };
    let allowed = |feature: &String| features.contains(&feature.as_str());
    dependency.name == VERIFIER
        && dependency.kind != Kind::Dev
        && (dependency.default_features || !dependency.features.iter().all(allowed))
}

fn impure(package: &Package) -> Vec<String> {
    let Some((name, allowed)) = PURE.iter().find(|(name, _)| *name == package.name) else {
        return Vec::new();
    };
    package
        .dependencies
        .iter()
        .filter(|dependency| {
            dependency.kind == Kind::Build
                || (dependency.kind == Kind::Normal && !allowed.contains(&dependency.name.as_str()))
        })
        .map(|dependency| format!("{name} is pure and may not use {}", dependency.name))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn dependency(name: &str, kind: Kind) -> Dependency {
        Dependency {
            name: name.to_owned(),
            kind,
            default_features: false,
            features: Vec::new(),
        }
    }

    fn package(name: &str, folder: &str, dependencies: Vec<Dependency>) -> Package {
        Package {
            name: name.to_owned(),
            folder: PathBuf::from(folder),
            dependencies,
        }
    }

    fn house() -> Metadata {
        Metadata {
            packages: vec![
                package(SCHEMAS, "schemas", vec![dependency("serde", Kind::Normal)]),
                package(
                    VERIFIER,
                    "keyd/verifier",
                    vec![dependency(SCHEMAS, Kind::Normal)],
                ),
                package(
                    ISSUANCE,
                    "ca/issuance",
                    vec![dependency("rcgen", Kind::Normal)],
                ),
                package(GATE, "agent/gate", vec![dependency(VERIFIER, Kind::Normal)]),
                package(
                    "wardkey-tests",
                    "tests",
                    vec![dependency(GATE, Kind::Normal)],
                ),
            ],
            target: PathBuf::new(),
        }
    }

    type Spoil = fn(&mut Metadata);

    #[test]
    fn a_house_that_keeps_to_its_arrows_is_let_be() {
        assert_eq!(strays(&house()), Vec::<String>::new());
    }

    #[test]
    fn one_arrow_too_many_is_enough() {
        let cases: [(&str, Spoil); 8] = [
            ("wardkey-schemas uses wardkey-gate; it may not", |house| {
                house.packages[0]
                    .dependencies
                    .push(dependency(GATE, Kind::Normal));
            }),
            (
                "wardkey-gate uses wardkey-tests; no product uses tests or xtask",
                |house| {
                    house.packages[3]
                        .dependencies
                        .push(dependency("wardkey-tests", Kind::Normal));
                },
            ),
            ("wardkey-verifier is pure and may not use tokio", |house| {
                house.packages[1]
                    .dependencies
                    .push(dependency("tokio", Kind::Normal));
            }),
            ("wardkey-issuance is pure and may not use cc", |house| {
                house.packages[2]
                    .dependencies
                    .push(dependency("cc", Kind::Build));
            }),
            ("wardkey-issuance is pure and may not use rcgen", |house| {
                // Even what is allowed in the product may not run in a build script.
                house.packages[2].dependencies[0].kind = Kind::Build;
            }),
            (
                "wardkey-gate takes features of wardkey-verifier; it needs `default-features = false` and no more",
                |house| house.packages[3].dependencies[0].default_features = true,
            ),
            (
                "wardkey-gate takes features of wardkey-verifier; it needs `default-features = false` and no more",
                |house| {
                    house.packages[3].dependencies[0]
                        .features
                        .push("appraisal".to_owned());
                },
            ),
            ("wardkey-new is new: say what it may use", |house| {
                house
                    .packages
                    .push(package("wardkey-new", "new", Vec::new()));
            }),
        ];
        for (expected, spoil) in cases {
            let mut house = house();
            spoil(&mut house);
            assert_eq!(strays(&house), [expected]);
        }
    }

    #[test]
    fn tests_of_a_room_may_use_what_its_product_may_not() {
        let mut house = house();
        house.packages[3]
            .dependencies
            .push(dependency(ISSUANCE, Kind::Dev));
        // The fleet in memory, for one.
        house.packages[3]
            .dependencies
            .push(dependency("wardkey-tests", Kind::Dev));
        assert_eq!(strays(&house), Vec::<String>::new());
    }
}
