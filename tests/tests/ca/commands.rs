//! The program's commands, as an operator and a script see them: what they print, and how they end.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use wardkey_fleet::{Installation, Seed};
use wardkey_tests::binary::workspace_binary;

use crate::house::{House, SITES};

const CANNOT_TELL: Option<i32> = Some(1);
const USAGE: Option<i32> = Some(2);
const REFUSED: Option<i32> = Some(3);

fn run(words: &[&str]) -> Output {
    let program = workspace_binary("wardkey-ca", "wardkey-ca").unwrap();
    let mut command = Command::new(program);
    command.args(["--log", "warn"]).args(words);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A folder in which `init` was run, with its settings.
fn initialised() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let done = init(&folder.path().join("ca"));
    assert!(done.status.success(), "{}", text(&done.stderr));
    let settings = folder.path().join("ca/ca.toml");
    (folder, settings)
}

fn init(state: &Path) -> Output {
    run(&[
        "init",
        "--state",
        state.to_str().unwrap(),
        "--site",
        SITES[0],
        "--realm",
        "wardkey.test",
        "--root-sha256",
        &"5a".repeat(32),
        "--keyd-url",
        "https://keyd.wardkey.test:8443",
    ])
}

fn with_settings(words: &[&str], settings: &Path) -> Output {
    let settings = settings.to_str().unwrap();
    run(&[words, &["--config", settings]].concat())
}

#[test]
fn a_new_authority_says_what_was_made_and_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("ca");
    let said = text(&init(&state).stdout);
    for line in [
        "keys made:   authority, registrar, tls",
        "settings:",
        "request:",
        "fingerprint: ",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
    let request: Value =
        serde_json::from_slice(&fs::read(state.join("site-request.json")).unwrap()).unwrap();
    let mut fields: Vec<&String> = request.as_object().unwrap().keys().collect();
    fields.sort();
    assert_eq!(fields, ["csr", "realm", "registrar", "site"]);
    let settings = fs::read(state.join("ca.toml")).unwrap();
    let again = init(&state);
    assert_eq!(again.status.code(), CANNOT_TELL);
    let error = text(&again.stderr);
    assert!(error.contains("holds an authority already"), "{error}");
    assert!(error.contains("hint: "), "{error}");
    assert_eq!(fs::read(state.join("ca.toml")).unwrap(), settings);
}

#[test]
fn before_the_root_has_certified_it_an_authority_says_what_to_do() {
    let (_folder, settings) = initialised();
    let serve = with_settings(&["serve"], &settings);
    assert_eq!(serve.status.code(), CANNOT_TELL);
    let error = text(&serve.stderr);
    assert!(
        error.contains("no trust bundle was taken into use"),
        "{error}"
    );
    assert!(
        error.contains("hint: take `site-request.json` to the root ceremony"),
        "{error}"
    );
    let doctor = with_settings(&["doctor", "--json"], &settings);
    assert_eq!(doctor.status.code(), CANNOT_TELL);
    let findings: Vec<Value> = serde_json::from_slice(&doctor.stdout).unwrap();
    let bad: Vec<&Value> = findings.iter().filter(|f| f["health"] == "bad").collect();
    assert_eq!(bad.len(), 1, "{findings:?}");
    assert_eq!(bad[0]["what"], "trust bundle");
    let journal = with_settings(&["journal", "--json"], &settings);
    assert_eq!(text(&journal.stdout).trim(), "[]");
}

#[test]
fn settings_are_checked_as_a_whole() {
    let (_folder, settings) = initialised();
    let good = with_settings(&["config", "check"], &settings);
    assert!(good.status.success());
    let wrong = fs::read_to_string(&settings).unwrap();
    let wrong = wrong
        .replace(SITES[0], "Not A Site")
        .replace("127.0.0.1:8444", "here");
    fs::write(&settings, wrong).unwrap();
    let bad = with_settings(&["config", "check"], &settings);
    assert_eq!(bad.status.code(), CANNOT_TELL);
    let error = text(&bad.stderr);
    assert!(
        error.contains("site: ") && error.contains("listen: "),
        "{error}"
    );
    let missing = with_settings(&["doctor"], Path::new("/nowhere/ca.toml"));
    assert_eq!(missing.status.code(), CANNOT_TELL);
}

#[test]
fn a_command_line_that_cannot_be_used_is_told_apart() {
    for words in [
        &[][..],
        &["lend"],
        &["init", "--site", "A B"],
        &["serve", "--port", "1"],
    ] {
        assert_eq!(run(words).status.code(), USAGE, "{words:?}");
    }
    let help = run(&["--help"]);
    assert!(help.status.success());
    for command in [
        "init",
        "certificate",
        "lead",
        "serve",
        "journal",
        "doctor",
        "root",
    ] {
        assert!(text(&help.stdout).contains(command), "{command}");
    }
}

#[tokio::test]
async fn a_bundle_that_is_refused_ends_otherwise_than_a_file_that_cannot_be_read() {
    let house = House::new().await;
    let path = house.folder().join("bundle.json");
    let bundle = path.to_str().unwrap().to_owned();
    let take = || house.command(&["certificate", "--bundle", &bundle]);
    assert_eq!(take().status.code(), CANNOT_TELL);
    fs::write(&path, b"{}").unwrap();
    let not_one = take();
    assert_eq!(not_one.status.code(), CANNOT_TELL);
    let error = text(&not_one.stderr);
    assert!(error.contains("does not hold a trust bundle"), "{error}");

    let mut elsewhere = Installation::found(Seed::new(77), &SITES);
    let request = fs::read(house.keyd.state().join("service-authority.csr")).unwrap();
    elsewhere.certify_service(&request);
    fs::write(&path, serde_json::to_vec(&elsewhere.publish()).unwrap()).unwrap();
    let refused = take();
    assert_eq!(refused.status.code(), REFUSED);
    let error = text(&refused.stderr);
    assert!(error.contains("ROOT_MISMATCH"), "{error}");

    let own = house.fleet.caller.bundle().await.unwrap();
    fs::write(&path, serde_json::to_vec(&own).unwrap()).unwrap();
    let taken = take();
    assert!(taken.status.success());
    let said = text(&taken.stdout);
    assert!(said.contains("version 1 is in use already"), "{said}");
    assert!(
        said.contains("the authority of hmp-a is certified until"),
        "{said}"
    );
}

#[tokio::test]
async fn a_key_that_others_may_read_keeps_the_service_from_starting() {
    let house = House::new().await;
    for name in ["authority", "registrar", "tls"] {
        let path = house.config.keys().path(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let serve = house.command(&["serve"]);
        assert_eq!(serve.status.code(), CANNOT_TELL, "{name}");
        let error = text(&serve.stderr);
        assert!(
            error.contains("can be read by others (mode 640)"),
            "{error}"
        );
        let doctor = house.command(&["doctor"]);
        assert_eq!(doctor.status.code(), CANNOT_TELL, "{name}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[tokio::test]
async fn doctor_tells_of_a_site_without_leads_and_of_a_keyd_that_is_gone() {
    let mut house = House::new().await;
    let found = |house: &House, what: &str| {
        let doctor = house.command(&["doctor", "--json"]);
        let findings: Vec<Value> = serde_json::from_slice(&doctor.stdout).unwrap();
        let found = findings.iter().find(|finding| finding["what"] == what);
        found.unwrap()["health"].as_str().unwrap().to_owned()
    };
    assert_eq!(found(&house, "team leads"), "warning");
    assert_eq!(found(&house, "keyd"), "warning");
    house.leads().await;
    assert_eq!(found(&house, "team leads"), "good");
    assert_eq!(found(&house, "keyd"), "good");
    house.keyd.kill();
    assert_eq!(found(&house, "keyd"), "bad");
    // The service starts all the same, and says no to those who come.
    let running = house.serve();
    running.stop().unwrap();
}
