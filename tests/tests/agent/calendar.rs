//! A laptop whose calendar is ten years off, or is set while a visit runs: no clock that somebody
//! can set decides anything.

use std::path::Path;

use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_tests::frames::Picture;

use crate::impostor::Impostor;
use crate::ward::Ward;

/// Years from now to when the last line of a program's log was written, by its own calendar.
fn years_off(log: &Path) -> i64 {
    let text = std::fs::read_to_string(log).unwrap();
    let stamp = |line: &str| line.split_whitespace().next()?.parse().ok();
    let said: Timestamp = text.lines().rev().find_map(stamp).unwrap();
    #[expect(clippy::disallowed_methods, reason = "the true time, to compare with")]
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let now = Timestamp::from_seconds(now.as_secs().try_into().unwrap()).unwrap();
    // Written a little earlier than it is read.
    let later = said.plus(Seconds::new(3600));
    let years = |millis: u64| i64::try_from(millis.div_euclid(365 * 24 * 3600 * 1000)).unwrap();
    match years(later.millis_since(now)) {
        0 => 0_i64.saturating_sub(years(now.plus(Seconds::new(3600)).millis_since(said))),
        ahead => ahead,
    }
}

fn renewals(ward: &Ward) -> u64 {
    ward.done(&["renew"])["seq"].as_u64().unwrap()
}

#[test]
fn a_laptop_whose_calendar_is_ten_years_off_is_enrolled_and_runs_visits() {
    for (offset, years) in [("+10y", 10), ("-10y", -10)] {
        let mut ward = Ward::with_calendar(&[], Some(offset));
        ward.laptop.start().unwrap();
        ward.activate();
        for name in ["agent.log", "gate.log"] {
            assert_eq!(years_off(&ward.laptop.folder().join(name)), years, "{name}");
        }
        let is_linked = |status: &serde_json::Value| status["linked"] == true;
        ward.laptop.await_status("linked", is_linked).unwrap();
        assert_eq!(renewals(&ward), 1);
        ward.done(&["end"]);
        ward.await_told();
        assert_eq!(ward.ends(), ["staff"]);
    }
}

#[test]
fn a_calendar_that_is_set_in_a_visit_changes_nothing() {
    let mut ward = Ward::with_calendar(&[], Some("+0"));
    ward.laptop.start().unwrap();
    ward.activate();
    let picture = Picture::of(&ward.laptop).unwrap();
    let log = ward.laptop.folder().join("agent.log");
    for (seq, (offset, years)) in (1..).zip([("+10y", 10), ("-10y", -10)]) {
        // No connection outlives the key service: whatever comes now is a new one.
        ward.world.kill_keyd().unwrap();
        ward.laptop.set_calendar(offset).unwrap();
        ward.world.start_keyd().unwrap();
        assert_eq!(renewals(&ward), seq, "{offset}");
        assert_eq!(years_off(&log), years);
        let is_linked = |status: &serde_json::Value| status["linked"] == true;
        ward.laptop.await_status("linked", is_linked).unwrap();
        ward.await_frames();
        assert!(picture.stands(), "{offset}: the picture was interrupted");
    }
    ward.done(&["end"]);
    ward.await_told();
    assert_eq!(ward.ends(), ["staff"]);
}

#[test]
fn no_calendar_makes_a_laptop_believe_another_root() {
    let mut ward = Ward::with_calendar(&[], Some("+10y"));
    let impostor = Impostor::unknown_between(&ward);
    ward.laptop.start().unwrap();
    ward.laptop.plug(&ward.staff).unwrap();
    for offset in ["+10y", "-10y", "+0"] {
        ward.laptop.set_calendar(offset).unwrap();
        let said = ward.try_activate();
        assert_eq!(said.code(), 5, "{offset}: {}", said.out);
    }
    assert_eq!(impostor.asked(), 0);
    ward.await_darkness();
}
