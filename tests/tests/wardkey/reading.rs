//! Lists, and the permission to read them.

use std::process::Stdio;

use crate::{desk, done, refused};

#[test]
fn one_signature_reads_for_a_while_and_logout_ends_it() {
    let mut desk = desk();
    let officer = desk.officer.clone();
    let login = done(&desk.world.wardkey(&officer, &["login"]).unwrap());
    assert_eq!(login["role"], "security-officer");
    assert_eq!(login["kept"], true);
    // The security key is out, and no PIN is given.
    let reader = desk.world.reader_file(&officer);
    let reader = reader.to_str().unwrap();
    for list in ["devices", "keys", "sessions", "log"] {
        done(&desk.run(&[list, "--reader-file", reader]));
    }
    let forgotten = done(&desk.run(&["logout", "--reader-file", reader]));
    assert_eq!(forgotten["forgotten"], true);
    let after = desk.run(&["devices", "--reader-file", reader]);
    refused(&after, 6, "TOKEN_MISSING");
}

#[test]
fn programs_that_share_a_permission_take_turns() {
    let mut desk = desk();
    let lead = desk.lead.clone();
    done(&desk.world.wardkey(&lead, &["login"]).unwrap());
    let reader = desk.world.reader_file(&lead);
    let reader = reader.to_str().unwrap().to_owned();
    let mut commands: Vec<_> = (0..6)
        .map(|_| desk.command(&["keys", "--reader-file", &reader]))
        .collect();
    let programs: Vec<_> = commands
        .iter_mut()
        .map(|command| {
            command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    for program in programs {
        let ended = program.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.success(), "{said}");
        let list: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
        assert_eq!(list["keys"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn a_permission_that_others_could_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut desk = desk();
    let lead = desk.lead.clone();
    done(&desk.world.wardkey(&lead, &["login"]).unwrap());
    let reader = desk.world.reader_file(&lead);
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(&reader, open).unwrap();
    let said = desk.run(&["devices", "--reader-file", reader.to_str().unwrap()]);
    crate::failed(&said, 4, "others may read");
}

#[test]
fn the_record_tells_what_was_done_and_what_was_refused() {
    let mut desk = desk();
    let staff = desk.staff("staff");
    let (lead, officer) = (desk.lead.clone(), desk.officer.clone());
    let serial = staff.serial.to_string();
    let revoke = desk.world.wardkey(&lead, &["revoke", &serial]).unwrap();
    refused(&revoke, 2, "NOT_PERMITTED");
    let stopped = done(
        &desk
            .world
            .wardkey(&lead, &["stop", &serial, "--lost"])
            .unwrap(),
    );
    let log = done(&desk.world.wardkey(&officer, &["log"]).unwrap());
    let rows = log["record"].as_array().unwrap();
    let entry = rows.iter().find(|row| row["leaf"] == stopped["leaf"]);
    assert_eq!(entry.unwrap()["code"], serde_json::Value::Null);
    let no = rows.iter().find(|row| row["event"] == "act.refused");
    assert_eq!(no.unwrap()["code"], "NOT_PERMITTED");
    // What came before the oldest entry of a page, and the first entry has none before it.
    let place = rows.get(2).unwrap()["place"].as_u64().unwrap();
    let before = ["log", "--before", &place.to_string()];
    let page = done(&desk.world.wardkey(&officer, &before).unwrap());
    let newest = page["record"][0]["place"].as_u64().unwrap();
    assert!(newest < place, "{newest} {place}");

    // For people, security keys have their serial numbers.
    let words = desk.world.wardkey_in_words(&officer, &["log"]).unwrap();
    assert_eq!(words.code(), 0, "{}", words.err);
    assert!(
        words.out.contains(&format!("key {serial}")),
        "{}",
        words.out
    );
}

#[test]
fn lists_read_well() {
    let mut desk = desk();
    let staff = desk.staff("staff");
    let lead = desk.lead.clone();
    let serial = staff.serial.to_string();
    done(
        &desk
            .world
            .wardkey(&lead, &["stop", &serial, "--lost"])
            .unwrap(),
    );
    let keys = desk.world.wardkey_in_words(&lead, &["keys"]).unwrap().out;
    let heading = keys.lines().next().unwrap();
    let column = |name: &str| heading.find(name).unwrap();
    let row = keys.lines().find(|line| line.starts_with(&serial)).unwrap();
    assert!(row[column("NAME")..].starts_with("staff "), "{keys}");
    assert!(row[column("STATE")..].starts_with("active "), "{keys}");
    assert!(row[column("STOPPED")..].starts_with("lost "), "{keys}");
    assert!(keys.contains(&format!("{serial} is stopped:")), "{keys}");
    let devices = desk
        .world
        .wardkey_in_words(&lead, &["devices"])
        .unwrap()
        .out;
    assert!(devices.ends_with("(no laptops)\n"), "{devices}");
}

#[test]
fn the_doctor_finds_everything_as_it_should_be() {
    let mut desk = desk();
    let lead = desk.lead.clone();
    let said = desk.world.wardkey(&lead, &["doctor"]).unwrap();
    assert_eq!(said.code(), 0, "{}{}", said.out, said.err);
    let json = said.json();
    let findings = json.as_array().unwrap();
    let health = |what: &str| {
        let found = findings.iter().find(|finding| finding["what"] == what);
        found.unwrap()["health"].clone()
    };
    for what in [
        "settings",
        "root",
        "keyd",
        "TLS",
        "site authority",
        "readers",
        "security key",
        "PIN",
        "certificate",
    ] {
        assert_eq!(health(what), "good", "{what}: {}", said.out);
    }
    // It says that this is a test installation.
    assert_eq!(health("trust bundle"), "warning");
}
