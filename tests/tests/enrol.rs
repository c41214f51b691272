//! Enrolling a laptop: the shipped agent with a virtual TPM and a virtual security key, against the
//! shipped services; and everything that can keep it from being enrolled.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use wardkey_schemas::phrase::Phrase;
use wardkey_tests::process::Said;
use wardkey_tests::world::{Key, Laptop, LaptopOptions, Options, Role, SITE, World};
use wardkey_tpm::Tpm;

const TAG: &str = "HMP-X-03";

/// The event log of another boot than that of the lab's laptops.
const OTHER_BOOT: &[u8] = include_bytes!("../data/measured-boot/tcg1/binary_bios_measurements");

/// A site with its first people, whose folder goes with it.
struct Site {
    world: World,
    lead: Key,
    officer: Key,
    /// Dropped last: everything lives in it.
    _folder: TempDir,
}

fn site() -> Site {
    let folder = tempfile::Builder::new()
        .prefix("e")
        .rand_bytes(4)
        .tempdir_in("/tmp")
        .unwrap();
    let mut world = World::ready(folder.path(), Options::default()).unwrap();
    let lead = world.first_key(SITE, "lead", Role::Lead).unwrap();
    let officer = world
        .first_key(SITE, "officer", Role::SecurityOfficer)
        .unwrap();
    Site {
        world,
        lead,
        officer,
        _folder: folder,
    }
}

impl Site {
    fn laptop(&self, tag: &str) -> Laptop {
        self.world.laptop(LaptopOptions::new(tag, SITE)).unwrap()
    }

    fn enrol(&mut self, laptop: &Laptop, key: &Key) -> Said {
        self.world.try_enrol_laptop(laptop, key).unwrap()
    }

    /// Enrols a laptop that must be refused, and sees that nothing of it is left behind.
    #[track_caller]
    fn refuses(&mut self, laptop: &Laptop, key: &Key, exit: i32, code: &str) -> Value {
        let before = left_behind(laptop);
        let said = self.enrol(laptop, key);
        assert_eq!(left_behind(laptop), before, "{}", said.err);
        let report = said.json().get("error").cloned().unwrap_or_default();
        let found = report.get("code").and_then(Value::as_str);
        let told = (said.code(), found.unwrap_or_default());
        assert_eq!(told, (exit, code), "{}{}", said.out, said.err);
        report
    }
}

/// Everything that an enrolment writes.
fn left_behind(laptop: &Laptop) -> Vec<(String, Vec<u8>)> {
    let state = laptop.folder().join("state");
    let mut files: Vec<_> = fs::read_dir(state)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .chain([laptop.folder().join("identity.json")])
        .filter(|path| path.exists())
        .map(|path| {
            let bytes = fs::read(&path).unwrap();
            (path.display().to_string(), bytes)
        })
        .collect();
    files.sort();
    files
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_laptop_is_enrolled_by_a_lead_and_confirmed_on_another_screen() {
    let mut site = site();
    let laptop = site.laptop(TAG);
    let said = site.enrol(&laptop, &site.lead.clone());
    assert_eq!(said.code(), 0, "{}{}", said.out, said.err);

    // What a script reads: a laptop that waits, and the words that confirm it.
    let told = said.json();
    assert_eq!((&told["asset"], &told["site"]), (&TAG.into(), &SITE.into()));
    assert_eq!(
        (&told["state"], &told["generation"]),
        (&"pending".into(), &1.into())
    );
    let phrase: Phrase = told["phrase"].as_str().unwrap().parse().unwrap();

    // What the lead reads before the touch: the same words, big, each on a line of its own.
    let touch = said.err.find("touch security key").unwrap();
    let before = &said.err[..touch];
    for word in phrase.as_str().split(' ') {
        let alone = before
            .lines()
            .any(|line| line.replace(' ', "").to_lowercase() == word);
        assert!(alone, "{word} in {before}");
    }

    // What the gate reads is about the same laptop and key, and nobody else can write it.
    let state = json(&laptop.folder().join("state/laptop.json"));
    let identity = laptop.folder().join("identity.json");
    let for_gate = json(&identity);
    for name in ["device", "generation", "site"] {
        assert_eq!(for_gate[name], state[name], "{name}");
        assert_eq!(for_gate[name], told[name], "{name}");
    }
    assert_eq!(for_gate["device_key"], told["device_key"]);
    let mode = identity.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);

    // Other words confirm nothing; these do.
    let officer = site.officer.clone();
    let other = Phrase::of(&wardkey_schemas::bytes::Sha256::of(b"another laptop"));
    let words = ["confirm", "laptop", TAG, "--phrase", other.as_str()];
    let wrong = site.world.wardkey(&officer, &words).unwrap();
    assert_eq!(
        wrong.json()["error"]["code"],
        "PHRASE_MISMATCH",
        "{}",
        wrong.err
    );
    site.world
        .confirm_laptop(&officer, &laptop, phrase.as_str())
        .unwrap();

    // The same TPM, once confirmed, is no other laptop: neither with its state nor without.
    let lead = site.lead.clone();
    site.refuses(&laptop, &lead, 7, "EK_DUPLICATE");
    for name in ["state/laptop.json", "state/trust.json", "identity.json"] {
        fs::remove_file(laptop.folder().join(name)).unwrap();
    }
    site.refuses(&laptop, &lead, 7, "EK_DUPLICATE");
}

#[test]
fn a_laptop_that_was_never_confirmed_is_enrolled_again_as_its_next_generation() {
    let mut site = site();
    let laptop = site.laptop(TAG);
    let lead = site.lead.clone();
    let first = site.enrol(&laptop, &lead).json();
    let second = site.enrol(&laptop, &lead);
    assert_eq!(second.code(), 0, "{}{}", second.out, second.err);
    let second = second.json();
    assert_eq!(second["device"], first["device"]);
    assert_eq!(
        (&first["generation"], &second["generation"]),
        (&1.into(), &2.into())
    );
    assert_ne!(second["device_key"], first["device_key"]);
    assert_ne!(second["phrase"], first["phrase"]);

    // The words of the first enrolment are worth nothing any more.
    let officer = site.officer.clone();
    let old = first["phrase"].as_str().unwrap();
    let words = ["confirm", "laptop", TAG, "--phrase", old];
    let wrong = site.world.wardkey(&officer, &words).unwrap();
    assert_eq!(
        wrong.json()["error"]["code"],
        "PHRASE_MISMATCH",
        "{}",
        wrong.err
    );
    let new = second["phrase"].as_str().unwrap();
    site.world.confirm_laptop(&officer, &laptop, new).unwrap();
}

#[test]
fn a_laptop_without_its_ground_asks_nobody_for_anything() {
    let mut site = site();
    let laptop = site.laptop(TAG);
    let lead = site.lead.clone();
    let image = laptop.folder().join("image");

    // No hash of the root, or the hash of another one.
    let pin = image.join("root.sha256");
    let pinned = fs::read(&pin).unwrap();
    fs::remove_file(&pin).unwrap();
    site.refuses(&laptop, &lead, 2, "ROOT_NOT_PINNED");
    fs::write(&pin, "0".repeat(64)).unwrap();
    site.refuses(&laptop, &lead, 4, "ROOT_MISMATCH");
    fs::write(&pin, pinned).unwrap();

    // A state that cannot be understood: it says what it is, and stays as it is.
    let state = laptop.folder().join("state/laptop.json");
    fs::write(&state, b"{\"device\":").unwrap();
    let report = site.refuses(&laptop, &lead, 4, "");
    let words = report.to_string();
    assert!(words.contains("laptop.json"), "{words}");
    assert!(words.contains("nothing was changed"), "{words}");
    fs::remove_file(&state).unwrap();

    // No security key at all.
    let absent = laptop.agent(&["enrol", "--json", "--asset", TAG]).unwrap();
    assert_eq!(absent.code(), 6, "{}", absent.err);
    assert_eq!(absent.json()["error"]["code"], "TOKEN_MISSING");

    // And now that all is there, it works.
    let said = site.enrol(&laptop, &lead);
    assert_eq!(said.code(), 0, "{}{}", said.out, said.err);
}

#[test]
fn only_a_lead_with_the_right_pin_enrols_a_laptop() {
    let mut site = site();
    let laptop = site.laptop(TAG);
    let lead = site.lead.clone();
    let officer = site.officer.clone();

    // Nobody but a lead, and no key as it was sold; both before a PIN is asked for.
    let pending = site.world.enrol_key(&lead, "staff", Role::Staff).unwrap();
    let staff = site.world.confirm_key(&officer, &pending).unwrap();
    for other in [&staff, &officer] {
        let report = site.refuses(&laptop, other, 2, "KEY_ROLE");
        assert_eq!(report["wanted"], "lead");
    }
    let serial = site.world.new_key("new").unwrap();
    let new = Key {
        name: "new".to_owned(),
        serial,
        pin: "123456".to_owned(),
        ..lead.clone()
    };
    site.refuses(&laptop, &new, 2, "PIN_IS_DEFAULT");

    // A wrong PIN costs a try and says how many are left.
    let wrong = Key {
        pin: "999111".to_owned(),
        ..lead.clone()
    };
    let left = |report: &Value| -> u32 {
        let hint = report["hint"].as_str().unwrap();
        hint.split(' ').next().unwrap().parse().unwrap()
    };
    let first = left(&site.refuses(&laptop, &wrong, 2, "PIN_WRONG"));
    let second = left(&site.refuses(&laptop, &wrong, 2, "PIN_WRONG"));
    assert_eq!(second, first - 1);

    // The right one, in the next run, works and gives the tries back.
    let said = site.enrol(&laptop, &lead);
    assert_eq!(said.code(), 0, "{}{}", said.out, said.err);
    assert_eq!(left(&site.refuses(&laptop, &wrong, 2, "PIN_WRONG")), first);

    // Wrong too often, it is blocked; then even the right one is not asked for.
    for _ in 1..first {
        site.refuses(&laptop, &wrong, 2, "PIN_WRONG");
    }
    site.refuses(&laptop, &wrong, 2, "PIN_BLOCKED");
    site.refuses(&laptop, &lead, 2, "PIN_BLOCKED");
}

#[test]
fn services_that_are_away_leave_nothing_half_done() {
    let mut site = site();
    let laptop = site.laptop(TAG);
    let lead = site.lead.clone();

    site.world.kill_authority(SITE).unwrap();
    // Its address is gone with it; the settings have the old one.
    site.refuses(&laptop, &lead, 5, "SERVICE_UNREACHABLE");
    site.world.start_authority(SITE).unwrap();
    site.world.write_settings(&laptop).unwrap();
    site.world.kill_keyd().unwrap();
    site.refuses(&laptop, &lead, 5, "SERVICE_UNREACHABLE");
    site.world.start_keyd().unwrap();
    let said = site.enrol(&laptop, &lead);
    assert_eq!(said.code(), 0, "{}{}", said.out, said.err);
}

#[test]
fn a_boot_that_its_log_does_not_explain_is_refused() {
    let mut site = site();
    let laptop = site.laptop(TAG);
    let lead = site.lead.clone();
    let tpm = Tpm::open(&laptop.tpm().address()).unwrap();
    tpm.pcr_extend(4, &[7; 32]).unwrap();
    drop(tpm);
    let report = site.refuses(&laptop, &lead, 2, "LOG_REPLAY_MISMATCH");
    assert!(
        report["found"].as_str().unwrap().contains("PCR 4"),
        "{report}"
    );
}

#[test]
fn another_boot_than_the_confirmed_one_opens_nothing() {
    let mut site = site();
    let mut laptop = site.laptop(TAG);
    let (lead, officer) = (site.lead.clone(), site.officer.clone());
    let phrase = site.world.enrol_laptop(&laptop, &lead).unwrap();
    site.world
        .confirm_laptop(&officer, &laptop, &phrase)
        .unwrap();

    // The laptop boots something else, and its log tells the truth about it.
    laptop.tpm().boot_with_log(OTHER_BOOT).unwrap();
    fs::write(laptop.folder().join("image/event-log"), OTHER_BOOT).unwrap();
    laptop.start().unwrap();
    laptop.plug(&lead).unwrap();
    let said = site.world.activate(&laptop, &lead).unwrap();
    assert_eq!(said.code(), 2, "{}{}", said.out, said.err);
    assert_eq!(said.json()["error"]["code"], "PCR_CHANGED", "{}", said.err);
    assert!(!laptop.frames().exists(), "a picture was shown");

    // Nor is it enrolled anew: that takes its quarantine.
    laptop.kill_agent().unwrap();
    laptop.unplug(&lead).unwrap();
    site.refuses(&laptop, &lead, 7, "EK_DUPLICATE");
}

#[test]
fn the_doctor_tells_what_is_wrong_with_a_laptop_and_what_is_not() {
    let mut site = site();
    let mut laptop = site.laptop(TAG);
    let lead = site.lead.clone();
    let look = |laptop: &Laptop| {
        let said = laptop.agent(&["doctor", "--json"]).unwrap();
        let findings: Vec<Value> = said.json().as_array().unwrap().clone();
        (said, findings)
    };
    let health = |findings: &[Value], what: &str| {
        let found = findings.iter().find(|finding| finding["what"] == what);
        let health = found.map(|finding| finding["health"].as_str().unwrap().to_owned());
        health.unwrap_or_default()
    };

    let (said, findings) = look(&laptop);
    assert_eq!(health(&findings, "laptop"), "warning", "{}", said.out);
    for what in [
        "settings",
        "root",
        "security chip",
        "maker's certificate",
        "event log",
    ] {
        assert_eq!(health(&findings, what), "good", "{what}: {}", said.out);
    }
    for what in ["key service", "site authority", "readers"] {
        assert_eq!(health(&findings, what), "good", "{what}: {}", said.out);
    }

    site.world.enrol_laptop(&laptop, &lead).unwrap();
    laptop.start_gate().unwrap();
    laptop.plug(&lead).unwrap();
    let (said, findings) = look(&laptop);
    assert_eq!(said.code(), 0, "{}", said.out);
    for what in [
        "laptop",
        "certificates",
        "identity for the gate",
        "keys",
        "gate",
        "security key",
        "PIN",
        "security key's certificate",
    ] {
        assert_eq!(health(&findings, what), "good", "{what}: {}", said.out);
    }
    assert_eq!(
        health(&findings, "trust bundle"),
        "warning",
        "a test installation"
    );

    // The security key alone, without a service: the same findings.
    let key = laptop.agent(&["key", "--json"]).unwrap();
    assert_eq!(key.code(), 0, "{}", key.out);
    let about = key.json().as_array().unwrap().clone();
    for what in ["security key", "PIN", "security key's certificate"] {
        assert_eq!(health(&about, what), "good", "{what}: {}", key.out);
    }
    laptop.unplug(&lead).unwrap();
    let none = laptop.agent(&["key", "--json"]).unwrap();
    assert_eq!(none.code(), 6, "{}", none.out);

    // A TPM with other registers, a laptop without services: each is said, with its remedy.
    site.world.kill_keyd().unwrap();
    let tpm = Tpm::open(&laptop.tpm().address()).unwrap();
    tpm.pcr_extend(7, &[7; 32]).unwrap();
    drop(tpm);
    let (said, findings) = look(&laptop);
    assert_eq!(health(&findings, "event log"), "bad", "{}", said.out);
    assert_eq!(health(&findings, "key service"), "bad", "{}", said.out);
    assert_eq!(said.code(), 2, "{}", said.out);
    for finding in findings.iter().filter(|finding| finding["health"] == "bad") {
        assert!(finding["hint"].is_string(), "{finding}");
    }
}
