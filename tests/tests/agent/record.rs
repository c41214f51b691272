//! A laptop remembers the record, and notices one that was put back to an older state.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::ward::Ward;

/// How long the agent may take to look.
const PATIENCE: Duration = Duration::from_mins(2);

impl Ward {
    /// Starts the agent anew, and waits until it remembers another record than `before`.
    fn look_again(&mut self, before: &str) -> String {
        self.laptop.kill_agent().unwrap();
        self.laptop.start().unwrap();
        let began = Instant::now();
        loop {
            let seen = self.remembered();
            if seen != before {
                return seen;
            }
            assert!(began.elapsed() < PATIENCE, "it did not look");
            std::thread::yield_now();
        }
    }

    fn remembered(&self) -> String {
        let state = self.laptop.folder().join("state");
        fs::read_to_string(state.join("record.json")).unwrap_or_default()
    }

    /// What `doctor` says of the record: whether it is good, and why.
    fn doctor_of_record(&self) -> serde_json::Value {
        let said = self.laptop.agent(&["doctor", "--json"]).unwrap();
        let findings = said.json();
        let all = findings.as_array().unwrap();
        let found = all.iter().find(|finding| finding["what"] == "record");
        found.unwrap_or_else(|| panic!("{findings}")).clone()
    }
}

fn copy_database(from: &Path, to: &Path) {
    for ending in ["", "-wal", "-shm"] {
        let [from, to] = [from, to].map(|path| format!("{}{ending}", path.display()));
        drop(fs::remove_file(&to));
        if Path::new(&from).exists() {
            fs::copy(from, to).unwrap();
        }
    }
}

#[test]
fn a_laptop_notices_a_record_that_was_put_back_and_one_that_goes_on() {
    let mut ward = Ward::running(&[]);
    let status = |status: &serde_json::Value| status["linked"] == true;
    ward.laptop.await_status("linked", status).unwrap();
    let first = ward.look_again("");
    let good = ward.doctor_of_record();
    assert!(
        good.to_string()
            .contains("it continues what this laptop saw"),
        "{good}"
    );

    let database = ward.world.keyd_folder().join("keyd.db");
    let backup = ward.world.keyd_folder().join("backup.db");
    ward.world.stop_keyd().unwrap();
    copy_database(&database, &backup);
    ward.world.start_keyd().unwrap();
    ward.activate();
    ward.done(&["end"]);
    ward.await_told();
    let second = ward.look_again(&first);
    ward.world.stop_keyd().unwrap();
    copy_database(&backup, &database);
    ward.world.start_keyd().unwrap();
    let bad = ward.doctor_of_record();
    assert!(bad.to_string().contains("RECORD_SHORTENED"), "{bad}");
    assert_eq!(ward.remembered(), second, "what was seen stays seen");
}
