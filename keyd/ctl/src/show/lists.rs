//! Laptops, security keys and visits as tables.

use wardkey_schemas::alert::AlertRow;
use wardkey_schemas::limits;
use wardkey_schemas::order::{Hold, Mode};
use wardkey_schemas::query::{KeyRow, LaptopRow, SessionRow};
use wardkey_schemas::status::ObjectState;
use wardkey_told::shown;

use crate::table::Table;
use crate::text::Text;
use crate::times::Times;

/// The classes of holds, or nothing.
pub fn classes(holds: &[Hold]) -> String {
    let mut classes: Vec<&str> = holds.iter().map(|hold| hold.class.as_str()).collect();
    classes.sort_unstable();
    classes.dedup();
    classes.join(", ")
}

/// One hold in words: `lost, at once, by a lead`.
pub fn hold(hold: &Hold) -> String {
    let when = match hold.mode {
        Mode::Immediate => "at once",
        Mode::AfterThisCall => "after the running visit",
    };
    format!("{}, {when}, by role {}", hold.class, hold.by)
}

/// Holds with their numbers, as `wardkey resume --hold` wants them.
fn holds_under(text: &mut Text, name: &str, holds: &[Hold]) {
    if holds.is_empty() {
        return;
    }
    text.line(format_args!("\n{name} is stopped:"));
    for standing in holds {
        text.line(format_args!("  hold {}  {}", standing.id, hold(standing)));
    }
}

/// What every list ends with.
fn end(text: &mut Text, rows: usize, what: &str) {
    if rows == 0 {
        text.line(format_args!("(no {what})"));
    }
    if rows >= limits::ROWS {
        text.line(format_args!(
            "(the first {rows} only: keyd gives no more at once)"
        ));
    }
}

/// The site's laptops.
pub fn laptops(rows: &[LaptopRow], times: &Times) -> String {
    let mut table = Table::new(["LAPTOP", "STATE", "STOPPED", "VISIT", "LINK", "LAST SEEN"]);
    for row in rows {
        table.push([
            row.asset.to_string(),
            row.state.to_string(),
            classes(&row.holds),
            if row.session.is_some() { "running" } else { "" }.to_owned(),
            if row.linked { "up" } else { "" }.to_owned(),
            times.both_or_never(row.last_seen),
        ]);
    }
    let mut text = Text::from(table.to_string());
    end(&mut text, rows.len(), "laptops");
    for row in rows {
        holds_under(&mut text, row.asset.as_str(), &row.holds);
    }
    text.done()
}

/// The site's security keys.
pub fn keys(rows: &[KeyRow], times: &Times) -> String {
    let mut table = Table::new([
        "SERIAL",
        "NAME",
        "ROLE",
        "STATE",
        "STOPPED",
        "FIRMWARE",
        "LAST USED",
        "PERSON",
    ]);
    for row in rows {
        table.push([
            row.serial.to_string(),
            row.name.to_string(),
            if row.spare {
                format!("{} (spare)", row.role)
            } else {
                row.role.to_string()
            },
            if row.left.is_some() {
                format!("{} (left)", row.state)
            } else {
                row.state.to_string()
            },
            classes(&row.holds),
            row.firmware.to_string(),
            times.both_or_never(row.last_used),
            row.person.to_string(),
        ]);
    }
    let mut text = Text::from(table.to_string());
    end(&mut text, rows.len(), "security keys");
    let is_ready =
        |row: &KeyRow| row.spare && row.state == ObjectState::Active && row.holds.is_empty();
    // Of a list that was cut nobody knows.
    if (1..limits::ROWS).contains(&rows.len()) && !rows.iter().any(is_ready) {
        text.line("(no spare: enrol one, seal it in the safe, and run `wardkey key spare SERIAL`)");
    }
    for row in rows {
        holds_under(&mut text, &row.serial.to_string(), &row.holds);
    }
    text.done()
}

/// The site's visits.
pub fn sessions(rows: &[SessionRow], times: &Times) -> String {
    let mut table = Table::new(["LAPTOP", "STARTED", "STATE", "ENDED", "VISIT"]);
    for row in rows {
        let (state, ended) = match row.ended_at {
            Some(at) => {
                let why = row.end_reason.as_deref().unwrap_or("unknown");
                (format!("ended: {why}"), times.both(at))
            }
            None => (
                row.state.clone(),
                format!("by {}", times.both(row.hard_end)),
            ),
        };
        table.push([
            row.asset.to_string(),
            times.both(row.started_at),
            state,
            ended,
            row.session.to_string(),
        ]);
    }
    let mut text = Text::from(table.to_string());
    end(&mut text, rows.len(), "visits");
    text.done()
}

/// What somebody should look at.
pub fn alerts(rows: &[AlertRow], times: &Times) -> String {
    let mut table = Table::new(["WHEN", "SITE", "WHAT", "ABOUT", "DETAIL"]);
    for row in rows {
        table.push([
            times.both(row.at),
            row.site.to_string(),
            row.kind.to_string(),
            shown(&row.object),
            shown(&row.detail),
        ]);
    }
    let mut text = Text::from(table.to_string());
    end(&mut text, rows.len(), "alerts");
    text.done()
}

/// One laptop in a line: what a person is shown before it is stopped.
pub fn laptop(row: &LaptopRow, times: &Times) -> String {
    let mut line = Text::from(format!("laptop {}: {}", row.asset, row.state));
    if !row.holds.is_empty() {
        line.add(format_args!(", stopped already ({})", classes(&row.holds)));
    }
    let visit = if row.session.is_some() {
        "a visit is running"
    } else {
        "no visit is running"
    };
    let seen = times.both_or_never(row.last_seen);
    line.add(format_args!(", {visit}, last seen {seen}"));
    line.done()
}

/// One security key in a line: what a person is shown before it is stopped.
pub fn key(row: &KeyRow, times: &Times) -> String {
    let mut line = Text::from(format!(
        "security key {} of {} ({}): {}",
        row.serial,
        shown(row.name.as_str()),
        row.role,
        row.state
    ));
    if !row.holds.is_empty() {
        line.add(format_args!(", stopped already ({})", classes(&row.holds)));
    }
    let used = times.both_or_never(row.last_used);
    line.add(format_args!(", last used {used}"));
    line.done()
}

#[cfg(test)]
mod tests {
    use wardkey_schemas::ids::{DeviceId, Generation, HoldId, PersonId, RoomId, SessionId};
    use wardkey_schemas::key::Thumbprint;
    use wardkey_schemas::names::{Firmware, TokenSerial};
    use wardkey_schemas::order::HoldClass;
    use wardkey_schemas::role::Role;

    use super::*;

    fn times() -> Times {
        Times::of("GMT0")
    }

    fn stopped() -> Hold {
        Hold {
            id: HoldId::from_bytes([9; 16]),
            class: HoldClass::Lost,
            mode: Mode::Immediate,
            by: Role::Lead,
        }
    }

    fn laptop_row() -> LaptopRow {
        LaptopRow {
            device: DeviceId::from_bytes([1; 16]),
            asset: "HMP-X-03".parse().unwrap(),
            generation: Generation::FIRST,
            state: ObjectState::Active,
            holds: Vec::new(),
            last_seen: "2026-11-22T14:02:07Z".parse().ok(),
            linked: true,
            session: Some(SessionId::from_bytes([2; 16])),
        }
    }

    fn key_row() -> KeyRow {
        KeyRow {
            key: Thumbprint::new([3; 32]),
            serial: TokenSerial::new(33_162_554),
            firmware: Firmware {
                major: 5,
                minor: 7,
                patch: 4,
            },
            person: PersonId::from_bytes([4; 16]),
            name: "Sam O'Neill".parse().unwrap(),
            role: Role::Staff,
            spare: false,
            state: ObjectState::Active,
            left: None,
            holds: Vec::new(),
            last_used: None,
        }
    }

    #[test]
    fn laptops_are_a_table_with_their_holds_below() {
        let held = LaptopRow {
            asset: "HMP-X-04".parse().unwrap(),
            holds: vec![stopped()],
            linked: false,
            session: None,
            last_seen: None,
            ..laptop_row()
        };
        assert_eq!(
            laptops(&[laptop_row(), held], &times()),
            "\
LAPTOP    STATE   STOPPED  VISIT    LINK  LAST SEEN
HMP-X-03  active  -        running  up    2026-11-22T14:02:07Z (14:02:07 GMT)
HMP-X-04  active  lost     -        -     -

HMP-X-04 is stopped:
  hold 09090909-0909-0909-0909-090909090909  lost, at once, by role lead
"
        );
    }

    #[test]
    fn security_keys_are_a_table() {
        assert_eq!(
            keys(&[key_row()], &times()),
            "\
SERIAL    NAME         ROLE   STATE   STOPPED  FIRMWARE  LAST USED  PERSON
33162554  Sam O'Neill  staff  active  -        5.7.4     -          04040404-0404-0404-0404-040404040404
(no spare: enrol one, seal it in the safe, and run `wardkey key spare SERIAL`)
"
        );
    }

    #[test]
    fn a_spare_is_shown_and_counts_while_it_can_be_used() {
        let spare = KeyRow {
            spare: true,
            ..key_row()
        };
        let text = keys(&[key_row(), spare.clone()], &times());
        assert!(text.contains("staff (spare)"), "{text}");
        assert!(!text.contains("no spare"), "{text}");
        for gone in [
            KeyRow {
                holds: vec![stopped()],
                ..spare.clone()
            },
            KeyRow {
                state: ObjectState::Revoked,
                ..spare
            },
        ] {
            assert!(keys(&[gone], &times()).contains("(no spare:"));
        }
    }

    #[test]
    fn visits_are_a_table_of_what_runs_and_what_ended() {
        let running = SessionRow {
            session: SessionId::from_bytes([5; 16]),
            device: DeviceId::from_bytes([1; 16]),
            asset: "HMP-X-03".parse().unwrap(),
            staff_key: Thumbprint::new([3; 32]),
            earlier_keys: Vec::new(),
            room: RoomId::from_bytes([6; 16]),
            started_at: "2026-11-22T14:00:00Z".parse().unwrap(),
            hard_end: "2026-11-22T15:30:00Z".parse().unwrap(),
            cannot_run_past: "2026-11-22T14:17:07Z".parse().unwrap(),
            renewals: 2,
            state: "in-room".into(),
            ended_at: None,
            end_reason: None,
            moved_from: None,
        };
        let ended = SessionRow {
            ended_at: "2026-11-22T14:30:00Z".parse().ok(),
            end_reason: Some("staff".into()),
            ..running.clone()
        };
        assert_eq!(
            sessions(&[running, ended], &times()),
            "\
LAPTOP    STARTED                              STATE         ENDED                                   VISIT
HMP-X-03  2026-11-22T14:00:00Z (14:00:00 GMT)  in-room       by 2026-11-22T15:30:00Z (15:30:00 GMT)  05050505-0505-0505-0505-050505050505
HMP-X-03  2026-11-22T14:00:00Z (14:00:00 GMT)  ended: staff  2026-11-22T14:30:00Z (14:30:00 GMT)     05050505-0505-0505-0505-050505050505
"
        );
    }

    #[test]
    fn an_empty_list_says_so() {
        assert!(laptops(&[], &times()).ends_with("(no laptops)\n"));
        assert!(keys(&[], &times()).ends_with("(no security keys)\n"));
        assert!(sessions(&[], &times()).ends_with("(no visits)\n"));
    }

    #[test]
    fn a_list_that_was_cut_says_so() {
        let rows = vec![laptop_row(); limits::ROWS];
        assert!(laptops(&rows, &times()).contains("(the first 500 only"));
    }

    #[test]
    fn what_is_to_be_stopped_is_said_in_a_line() {
        assert_eq!(
            laptop(&laptop_row(), &times()),
            "laptop HMP-X-03: active, a visit is running, last seen 2026-11-22T14:02:07Z \
             (14:02:07 GMT)"
        );
        let held = KeyRow {
            holds: vec![stopped(), stopped()],
            ..key_row()
        };
        assert_eq!(
            key(&held, &times()),
            "security key 33162554 of Sam O'Neill (staff): active, stopped already (lost), last \
             used -"
        );
    }
}
