//! How far orders have come, in words: one line a laptop.

use wardkey_schemas::delivery::{Delivery, DeliveryRow};
use wardkey_told::{Exit, shown};

use crate::times::Times;

/// One line: the laptop, and what is known of it.
pub fn line(row: &DeliveryRow, times: &Times) -> String {
    let asset = &row.asset;
    let mut text = format!("{asset}: {}", state(row, times));
    if let Some(trouble) = &row.trouble {
        let said = format!(" (the video platform: {})", shown(trouble));
        text.push_str(&said);
    }
    text
}

fn state(row: &DeliveryRow, times: &Times) -> String {
    let clock = |at| times.clock(at);
    match row.delivery {
        Delivery::CannotStart => "not reached; nothing was running, and nothing starts".to_owned(),
        Delivery::NotReached { cannot_run_past } => {
            format!("not reached; cannot run past {}", clock(cannot_run_past))
        }
        Delivery::Sent {
            at,
            cannot_run_past,
        } => {
            let (at, past) = (clock(at), clock(cannot_run_past));
            format!("sent {at}; cannot run past {past}")
        }
        Delivery::RemovedFromRoom {
            at,
            cannot_run_past,
        } => {
            let (at, past) = (clock(at), clock(cannot_run_past));
            format!("removed from room {at}; laptop not reached, cannot run past {past}")
        }
        Delivery::LaptopStopped { at } if row.platform => {
            format!(
                "laptop says stopped {}; not yet removed from room",
                clock(at)
            )
        }
        Delivery::LaptopStopped { at } => format!(
            "laptop says stopped {}; no video platform is asked, so removed from room is not known",
            clock(at)
        ),
        Delivery::Stopped {
            at,
            removed_at: Some(removed_at),
        } => {
            let (at, removed_at) = (clock(at), clock(removed_at));
            format!("stopped: laptop says stopped {at}, removed from room {removed_at}")
        }
        Delivery::Stopped {
            at,
            removed_at: None,
        } => format!("stopped: laptop says stopped {}", clock(at)),
        Delivery::AfterThisCall { at } => {
            let at = clock(at);
            format!("laptop took note {at}; it stops when the running visit ends")
        }
        Delivery::RanOut { at } => {
            format!("not reached; could not run past {}", clock(at))
        }
        Delivery::Resumed { at } => format!("laptop says no longer stopped {}", clock(at)),
        Delivery::Shown { at } => format!("shown on its screen {}", clock(at)),
        Delivery::Refused { at } => {
            let at = clock(at);
            format!("NOT OBEYED {at}: its approvals did not convince the laptop")
        }
        Delivery::Waiting => "on its way; the laptop has not answered".to_owned(),
    }
}

/// What the shell is told when nothing more is to be waited for: done where every laptop spoke or
/// nothing can start on it; not to be told where somebody's last second had to pass.
pub fn exit(rows: &[DeliveryRow]) -> Exit {
    let ends = rows.iter().map(|row| match row.delivery {
        Delivery::Refused { .. } => Exit::Refused,
        Delivery::LaptopStopped { .. } if row.platform => Exit::Unreachable,
        Delivery::RanOut { .. }
        | Delivery::RemovedFromRoom { .. }
        | Delivery::NotReached { .. }
        | Delivery::Sent { .. }
        | Delivery::Waiting => Exit::Unreachable,
        Delivery::LaptopStopped { .. }
        | Delivery::Stopped { .. }
        | Delivery::AfterThisCall { .. }
        | Delivery::Resumed { .. }
        | Delivery::Shown { .. }
        | Delivery::CannotStart => Exit::Done,
    });
    ends.fold(Exit::Done, |worst, end| match (worst, end) {
        (Exit::Refused, _) | (_, Exit::Refused) => Exit::Refused,
        (worst, Exit::Done) => worst,
        (_, end) => end,
    })
}

/// What is drawn over the lines of before on a terminal: back to the first of them, each line anew.
pub fn redrawn(lines: &[String], before: usize) -> String {
    let mut text = String::new();
    if before > 0 {
        // To the beginning of the line that many lines up.
        text = format!("\u{1b}[{before}F");
    }
    for line in lines {
        // A line that is too long is cut by the terminal, so that one line stays one line.
        text.push_str("\u{1b}[?7l\u{1b}[2K");
        text.push_str(line);
        text.push_str("\u{1b}[?7h\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use wardkey_schemas::ids::{DeviceId, OrderSeq};
    use wardkey_schemas::order::OrderResult;
    use wardkey_schemas::time::Timestamp;

    use super::*;

    fn at(second: u32) -> Timestamp {
        format!("2026-11-22T14:02:{second:02}.500Z")
            .parse()
            .unwrap()
    }

    fn later() -> Timestamp {
        "2026-11-22T14:17:07Z".parse().unwrap()
    }

    fn row(delivery: Delivery) -> DeliveryRow {
        DeliveryRow {
            device: DeviceId::from_bytes([2; 16]),
            asset: "HMP-X-03".parse().unwrap(),
            seq: OrderSeq::new(12),
            command: "stop".into(),
            committed_at: at(6),
            delivery,
            result: Some(OrderResult::Stopped),
            platform: true,
            trouble: None,
            settled: false,
        }
    }

    fn every() -> [(Delivery, &'static str, Exit); 11] {
        let cannot_run_past = later();
        [
            (
                Delivery::CannotStart,
                "not reached; nothing was running, and nothing starts",
                Exit::Done,
            ),
            (
                Delivery::NotReached { cannot_run_past },
                "not reached; cannot run past 14:17:07 GMT",
                Exit::Unreachable,
            ),
            (
                Delivery::Sent {
                    at: at(7),
                    cannot_run_past,
                },
                "sent 14:02:07 GMT; cannot run past 14:17:07 GMT",
                Exit::Unreachable,
            ),
            (
                Delivery::RemovedFromRoom {
                    at: at(6),
                    cannot_run_past,
                },
                "removed from room 14:02:06 GMT; laptop not reached, cannot run past 14:17:07 GMT",
                Exit::Unreachable,
            ),
            (
                Delivery::LaptopStopped { at: at(7) },
                "laptop says stopped 14:02:07 GMT; not yet removed from room",
                Exit::Unreachable,
            ),
            (
                Delivery::Stopped {
                    at: at(7),
                    removed_at: Some(at(6)),
                },
                "stopped: laptop says stopped 14:02:07 GMT, removed from room 14:02:06 GMT",
                Exit::Done,
            ),
            (
                Delivery::Stopped {
                    at: at(7),
                    removed_at: None,
                },
                "stopped: laptop says stopped 14:02:07 GMT",
                Exit::Done,
            ),
            (
                Delivery::AfterThisCall { at: at(7) },
                "laptop took note 14:02:07 GMT; it stops when the running visit ends",
                Exit::Done,
            ),
            (
                Delivery::RanOut { at: later() },
                "not reached; could not run past 14:17:07 GMT",
                Exit::Unreachable,
            ),
            (
                Delivery::Resumed { at: at(7) },
                "laptop says no longer stopped 14:02:07 GMT",
                Exit::Done,
            ),
            (
                Delivery::Refused { at: at(7) },
                "NOT OBEYED 14:02:07 GMT: its approvals did not convince the laptop",
                Exit::Refused,
            ),
        ]
    }

    #[test]
    fn each_step_has_its_words_and_its_end() {
        for (delivery, words, end) in every() {
            let row = row(delivery);
            assert_eq!(line(&row, &Times::of("GMT0")), format!("HMP-X-03: {words}"));
            assert_eq!(exit(&[row]), end, "{words}");
        }
    }

    #[test]
    fn without_a_platform_nobody_says_that_a_laptop_is_out_of_its_room() {
        let row = DeliveryRow {
            platform: false,
            ..row(Delivery::LaptopStopped { at: at(7) })
        };
        let words = line(&row, &Times::of("GMT0"));
        assert!(words.ends_with("removed from room is not known"), "{words}");
        assert_eq!(exit(&[row]), Exit::Done);
    }

    #[test]
    fn the_trouble_of_the_platform_is_shown() {
        let row = DeliveryRow {
            trouble: Some("still-there".to_owned()),
            ..row(Delivery::LaptopStopped { at: at(7) })
        };
        let words = line(&row, &Times::of("GMT0"));
        assert!(
            words.ends_with("(the video platform: still-there)"),
            "{words}"
        );
    }

    #[test]
    fn the_worst_of_many_is_what_the_shell_is_told() {
        let rows = |deliveries: &[Delivery]| -> Vec<DeliveryRow> {
            deliveries.iter().copied().map(row).collect()
        };
        let stopped = Delivery::Stopped {
            at: at(7),
            removed_at: None,
        };
        let over = Delivery::RanOut { at: later() };
        let refused = Delivery::Refused { at: at(7) };
        assert_eq!(exit(&rows(&[])), Exit::Done);
        assert_eq!(exit(&rows(&[stopped, over, stopped])), Exit::Unreachable);
        assert_eq!(exit(&rows(&[over, refused, stopped])), Exit::Refused);
    }

    #[test]
    fn on_a_terminal_each_laptop_keeps_its_line() {
        let lines = ["one".to_owned(), "two".to_owned()];
        let first = redrawn(&lines, 0);
        assert!(
            !first.contains('F') && first.lines().count() == 2,
            "{first:?}"
        );
        assert!(redrawn(&lines, 2).starts_with("\u{1b}[2F"));
    }
}
