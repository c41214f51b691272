//! Status lists: fetched once, checked without asking anybody, and older ones are an alarm.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{Desk, desk, done, refused};

/// The list of a class in what `status fetch` and `status verify` print.
fn list<'a>(said: &'a Value, class: &str) -> &'a Value {
    let lists = said["lists"].as_array().unwrap();
    let found = lists.iter().find(|list| list["class"] == class);
    found.unwrap()
}

fn status(desk: &mut Desk, words: &[&str], folder: &Path) -> wardkey_tests::process::Said {
    let folder = folder.to_str().unwrap();
    let words = [&["status"], words, &["--dir", folder]].concat();
    desk.run(&words)
}

/// Fetches until the keys' list has so many suspended.
fn fetch_until_suspended(desk: &mut Desk, folder: &Path, wanted: u64) -> Value {
    let began = std::time::Instant::now();
    loop {
        let said = done(&status(desk, &["fetch"], folder));
        // Two keys there are; the newest entry may come a moment after its key.
        let keys = list(&said, "keys");
        if keys["suspended"] == wanted && keys["valid"] == 2_u64.saturating_sub(wanted) {
            return said;
        }
        assert!(
            began.elapsed() < std::time::Duration::from_mins(1),
            "{said}"
        );
    }
}

/// It ended with 4, and this list was refused with this code.
#[track_caller]
fn not_believed(said: &wardkey_tests::process::Said, class: &str, code: &str) {
    assert_eq!(said.code(), 4, "{}{}", said.out, said.err);
    let error = list(&said.json(), class)["error"].clone();
    assert_eq!(error["code"], code, "{error}");
}

#[test]
fn lists_are_checked_without_asking_anybody_and_an_older_one_is_an_alarm() {
    let mut desk = desk();
    let (lead, officer) = (desk.lead.clone(), desk.officer.clone());
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("lists");
    let first = fetch_until_suspended(&mut desk, &folder, 0);
    assert_eq!(list(&first, "keys")["valid"], 2);
    assert_eq!(list(&first, "sites")["entries"], 1);
    let old = fs::read(folder.join("keys.json")).unwrap();

    let serial = officer.serial.to_string();
    let stop = ["stop", &serial, "--lost"];
    done(&desk.world.wardkey(&lead, &stop).unwrap());
    let second = fetch_until_suspended(&mut desk, &folder, 1);
    let epoch = |said: &Value| list(said, "keys")["epoch"].as_u64().unwrap();
    assert!(epoch(&second) > epoch(&first));

    // Nobody is asked from here on.
    let checked = done(&status(&mut desk, &["verify"], &folder));
    assert_eq!(epoch(&checked), epoch(&second));
    let shown = done(&status(&mut desk, &["show", "keys"], &folder));
    assert_eq!(shown["suspended"], 1);
    let values: Vec<Value> = ["0", "1"]
        .iter()
        .map(|index| {
            let words = ["show", "keys", "--index", index];
            done(&status(&mut desk, &words, &folder))["value"].clone()
        })
        .collect();
    assert!(values.contains(&"suspended".into()) && values.contains(&"valid".into()));
    let beyond = status(&mut desk, &["show", "keys", "--index", "2"], &folder);
    assert_eq!(
        (beyond.code(), beyond.json()["value"].as_str()),
        (6, Some("unknown"))
    );

    // The older list, put back by somebody.
    let new = fs::read(folder.join("keys.json")).unwrap();
    fs::write(folder.join("keys.json"), &old).unwrap();
    let said = status(&mut desk, &["verify", "keys"], &folder);
    not_believed(&said, "keys", "EPOCH_ROLLBACK");
    refused(
        &status(&mut desk, &["show", "keys"], &folder),
        4,
        "EPOCH_ROLLBACK",
    );
    // Another class under its name.
    fs::write(folder.join("devices.json"), &new).unwrap();
    let said = status(&mut desk, &["verify", "devices"], &folder);
    not_believed(&said, "devices", "STATUS_LIST_OTHER");
    // One character of what was signed.
    let mut edited: Value = serde_json::from_slice(&new).unwrap();
    let token = edited["list"].as_str().unwrap();
    let middle = token.len() / 2;
    let other = if token.as_bytes()[middle] == b'A' {
        "B"
    } else {
        "A"
    };
    let token = format!("{}{other}{}", &token[..middle], &token[middle + 1..]);
    edited["list"] = token.into();
    fs::write(folder.join("keys.json"), edited.to_string()).unwrap();
    let said = status(&mut desk, &["verify", "keys"], &folder);
    not_believed(&said, "keys", "STATUS_SIGNER");
    // Fetching mends all of them.
    done(&status(&mut desk, &["fetch"], &folder));
    done(&status(&mut desk, &["verify"], &folder));
    // An empty folder has forgotten nothing of what was seen, and has nothing to show.
    let empty = home.path().join("empty");
    let said = status(&mut desk, &["verify"], &empty);
    assert_eq!(said.code(), 1, "{}{}", said.out, said.err);
}
