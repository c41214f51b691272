//! `wardkey` at an operator's desk: the shipped program with virtual security keys, against the
//! shipped services.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![expect(
    clippy::indexing_slicing,
    reason = "JSON without such a member is null, and fails the comparison"
)]

mod enrolling;
mod laptops;
mod lifting;
mod naming;
mod pins;
mod reading;
mod standing;
mod stopping;
mod trusting;

use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use wardkey_tests::process::{self, Said};
use wardkey_tests::world::{Key, Options, Role, SITE, World};

/// A site with a lead and a security officer, whose folder goes with it.
struct Desk {
    world: World,
    lead: Key,
    officer: Key,
    /// Dropped last: everything lives in it.
    _folder: TempDir,
}

fn short_folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("d")
        .rand_bytes(4)
        .tempdir_in("/tmp")
        .unwrap()
}

fn desk() -> Desk {
    let folder = short_folder();
    let mut world = World::ready(folder.path(), Options::default()).unwrap();
    let lead = world.first_key(SITE, "lead", Role::Lead).unwrap();
    let officer = world
        .first_key(SITE, "officer", Role::SecurityOfficer)
        .unwrap();
    Desk {
        world,
        lead,
        officer,
        _folder: folder,
    }
}

impl Desk {
    /// A confirmed member of staff.
    fn staff(&mut self, name: &str) -> Key {
        let pending = self.world.enrol_key(&self.lead, name, Role::Staff).unwrap();
        self.world.confirm_key(&self.officer, &pending).unwrap()
    }

    /// A command at the desk that needs no PIN, or gets it as `words` say.
    fn command(&mut self, words: &[&str]) -> Command {
        let mut command = self.world.wardkey_command(SITE).unwrap();
        command.arg("--json").args(words);
        command
    }

    fn run(&mut self, words: &[&str]) -> Said {
        process::run(&mut self.command(words)).unwrap()
    }

    /// The row of a key in the site's list, as `by` reads it.
    fn row(&mut self, by: &Key, serial: u32) -> Value {
        let list = self.world.wardkey_done(by, &["keys"]).unwrap();
        let rows = list["keys"].as_array().unwrap();
        let found = rows.iter().find(|row| row["serial"] == serial);
        found.unwrap().clone()
    }
}

/// It did what was asked.
#[track_caller]
fn done(said: &Said) -> Value {
    assert_eq!(said.code(), 0, "{}{}", said.out, said.err);
    said.json()
}

/// It ended with this exit code, and the report for scripts has this refusal code.
#[track_caller]
fn refused(said: &Said, exit: i32, code: &str) -> Value {
    let report = said.json()["error"].clone();
    let told = (said.code(), report["code"].as_str().unwrap_or_default());
    assert_eq!(told, (exit, code), "{}{}", said.out, said.err);
    report
}

/// It ended with this exit code for a reason that no service gave.
#[track_caller]
fn failed(said: &Said, exit: i32, word: &str) -> Value {
    let report = said.json()["error"].clone();
    assert_eq!(said.code(), exit, "{}{}", said.out, said.err);
    let text = report.to_string();
    assert!(text.contains(word), "{word} in {text}");
    report
}
