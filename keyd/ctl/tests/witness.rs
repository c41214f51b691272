//! The shipped program as a witness: made, shown, and listening.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use wardkey_tlog::key::{Kind, SignerKey};

fn witness(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wardkey"));
    command.arg("witness").args(words);
    command.arg("--state").arg(folder);
    command
}

fn done(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_witness_is_made_shown_and_listens() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("witness");
    let log = SignerKey::from_seed("keyd.test/log".parse().unwrap(), Kind::Log, &[1; 32]).unwrap();
    let log = log.verifier().to_string();

    let made = witness(&folder, &["init", "--name", "witness.test"]);
    let key = done(&{ made }.output().unwrap());
    assert!(key.starts_with("witness.test+"), "{key}");
    for more in [&["show"][..], &["show", "--log-key", &log]] {
        assert_eq!(done(&witness(&folder, more).output().unwrap()), key);
    }

    let serve = ["serve", "--listen", "127.0.0.1:0", "--log-key", &log];
    let mut serving = witness(&folder, &serve)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let out = serving.stdout.take().unwrap();
    BufReader::new(out).read_line(&mut line).unwrap();
    serving.kill().unwrap();
    serving.wait().unwrap();
    assert!(line.starts_with("ready address=127.0.0.1:"), "{line}");
}
