//! Every word that a person can see without a service: help, mistakes in what was typed, settings
//! that cannot be used, and a laptop on which nothing answers.
//!
//! One file a family under `tests/cmd`; `TRYCMD=overwrite cargo test -p wardkey-agent --test words`
//! writes what the program says now.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// A root, and its hash.
const ROOT: &str = include_str!("cmd/laptop/root.pem");
const PIN: &str = include_str!("cmd/laptop/root.sha256");

/// A laptop in `place` on which nothing runs, for services that do not answer: nobody listens on
/// port 1. Gives its settings.
fn laptop(place: &Path, pinned: bool) -> PathBuf {
    fs::create_dir(place.join("state")).unwrap();
    fs::write(place.join("root.pem"), ROOT).unwrap();
    fs::write(place.join("event-log"), "no log").unwrap();
    if pinned {
        let pin = place.join("root.sha256");
        fs::write(&pin, PIN).unwrap();
        fs::set_permissions(&pin, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let settings = place.join("agent.toml");
    fs::write(
        &settings,
        "state = \"state\"\n\
         root_sha256 = \"root.sha256\"\n\
         root_certificate = \"root.pem\"\n\
         event_log = \"event-log\"\n\
         tpm = \"/dev/tpm-that-is-not-there\"\n\
         gate = \"gate.sock\"\n\
         control = \"control.sock\"\n\
         identity = \"identity.json\"\n\
         [keyd]\nurl = \"https://keyd.wardkey.test\"\nconnect = \"127.0.0.1:1\"\n\
         [ca]\nurl = \"https://ca.hmp-xyz.wardkey.test\"\nconnect = \"127.0.0.1:1\"\n",
    )
    .unwrap();
    settings
}

fn says(pinned: bool, cases: &str) {
    let place = tempfile::tempdir().unwrap();
    let settings = laptop(place.path(), pinned);
    let place = place.path().to_str().unwrap().to_owned();
    let tests = trycmd::TestCases::new();
    tests
        .env("WARDKEY_AGENT_CONFIG", settings.to_str().unwrap())
        // Nobody is there, whatever this computer has in its readers.
        .env("PCSCLITE_CSOCK_NAME", format!("{place}/no-readers"))
        .env("TZ", "UTC")
        .insert_var("[LAPTOP]", place)
        .unwrap()
        .case(cases);
}

#[test]
fn the_program_says_what_is_written_down() {
    says(true, "tests/cmd/*.trycmd");
}

#[test]
fn a_laptop_without_the_roots_hash_says_so() {
    says(false, "tests/cmd/unpinned/*.trycmd");
}
