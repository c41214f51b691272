//! The demonstration as a person or a program runs it: it tells the whole story, twice, and leaves
//! nothing behind, however it ends.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use wardkey_tests::binary::workspace_binary;
use wardkey_tests::process;

/// The steps of the story, in their order.
const STEPS: [&str; 15] = [
    "root ceremony",
    "site authority",
    "keyd started",
    "lead key",
    "staff key",
    "officer key",
    "laptop enrolled",
    "laptop confirmed",
    "session activated",
    "gate open",
    "handover",
    "renewed",
    "stopped",
    "gate closed",
    "activation refused",
];

/// A demonstration whose folder will be made in `place`.
fn demo(place: &Path, words: &[&str]) -> Command {
    let mut command = process::tied(workspace_binary("wardkey-tests", "wardkey-lab").unwrap());
    command.arg("demo").args(words).env("TMPDIR", place);
    command
}

fn short_folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("d")
        .rand_bytes(4)
        .tempdir_in("/tmp")
        .unwrap()
}

/// Nothing is left: no file, and no process that names the folder or has it in its environment.
fn assert_nothing_is_left(place: &Path) {
    let files: Vec<_> = fs::read_dir(place)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files, Vec::<std::path::PathBuf>::new());
    let name = place.as_os_str().as_encoded_bytes();
    for process in fs::read_dir("/proc").unwrap() {
        let process = process.unwrap().path();
        for list in ["cmdline", "environ"] {
            // Not a process, not ours, or gone meanwhile.
            let Ok(bytes) = fs::read(process.join(list)) else {
                continue;
            };
            let found = bytes.windows(name.len()).any(|window| window == name);
            let text = String::from_utf8_lossy(&bytes).replace('\0', " ");
            assert!(!found, "{} still runs: {text}", process.display());
        }
    }
}

#[test]
fn the_story_holds_twice_in_a_row_and_leaves_nothing_behind() {
    let place = short_folder();
    for _ in 0..2 {
        let said = process::run(&mut demo(place.path(), &["--script", "--json"])).unwrap();
        assert_eq!(said.code(), 0, "{}{}", said.out, said.err);
        let document = said.json();
        let steps = document["steps"].as_array().unwrap();
        let names: Vec<&str> = steps
            .iter()
            .map(|step| step["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, STEPS);
        assert!(
            steps
                .iter()
                .all(|step| step["ok"] == Value::Bool(true) && step["ms"].is_u64())
        );
        assert!(document["plug_to_gate_open_ms"].as_u64().unwrap() > 0);
        assert!(document["stop_commit_to_gate_closed_ms"].as_u64().unwrap() > 0);
        assert_eq!(document["refusal_after_stop"], "GATE_LATCHED");
        assert_nothing_is_left(place.path());
    }
}

#[test]
fn an_interrupted_story_leaves_nothing_behind() {
    let place = short_folder();
    let mut command = demo(place.path(), &["--script"]);
    let mut story = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Kept open until the end, so that what is told last has somewhere to go.
    let mut lines = BufReader::new(story.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let mut said = Vec::new();
    // In the middle: services, readers and a TPM run by then.
    let reached = lines.by_ref().any(|line| {
        said.push(line);
        said.last()
            .is_some_and(|line| line.contains("laptop confirmed"))
    });
    assert!(reached, "{}", said.join("\n"));
    let pid = Pid::from_raw(i32::try_from(story.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let code = story.wait().unwrap().code();
    assert_nothing_is_left(place.path());
    said.extend(lines);
    assert_eq!(code, Some(130), "{}", said.join("\n"));
}

#[test]
fn a_person_tries_what_they_like_after_the_story() {
    let place = short_folder();
    let mut command = demo(place.path(), &[]);
    let mut story = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut prompt = story.stdin.take().unwrap();
    // It was lost: two people let it back in, it is enrolled again, and works.
    for line in [
        "help",
        "status",
        "resume",
        "enrol",
        "plug staff",
        "nonsense",
        "quit",
    ] {
        writeln!(prompt, "{line}").unwrap();
    }
    let said: Vec<String> = BufReader::new(story.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .collect();
    let said = said.join("\n");
    assert!(story.wait().unwrap().success(), "{said}");
    for words in [
        "waits for the lead",
        "can be used",
        "the staff key is in",
        "is not known here",
    ] {
        assert!(said.contains(words), "`{words}` is not in:\n{said}");
    }
    assert!(!said.contains("did not work"), "{said}");
    assert_nothing_is_left(place.path());
}
