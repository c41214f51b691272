//! What became of orders: sent, received, done, or not reached and until when at the latest.

use wardkey_schemas::query::OrderRow;
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_told::shown;

use crate::text::Text;
use crate::times::Times;

/// How long a laptop on which nothing runs is watched: it polls every twenty seconds, so one that
/// has not answered by then is off, or has no network.
const POLLS_WITHIN: Seconds = Seconds::new(30);

/// How far an order has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// On record; nothing has left yet.
    OnRecord,
    /// It left keyd.
    Sent,
    /// The laptop has it, by its signed receipt.
    Received,
    /// The laptop did it, or refused it, by its signed receipt.
    Done,
}

/// How far `row` has come.
pub const fn stage(row: &OrderRow) -> Stage {
    match row {
        OrderRow {
            acted_at: Some(_), ..
        } => Stage::Done,
        OrderRow {
            received_at: Some(_),
            ..
        } => Stage::Received,
        OrderRow {
            sent_at: Some(_), ..
        } => Stage::Sent,
        _ => Stage::OnRecord,
    }
}

/// Whether there is nothing more to watch for at `now`: it is done, or whatever ran has run out, or
/// nothing ran and the laptop has not answered for longer than one that is on would take.
pub fn is_settled(row: &OrderRow, now: Timestamp) -> bool {
    match (stage(row), row.cannot_run_past) {
        (Stage::Done, _) => true,
        (_, Some(over)) => over <= now,
        (_, None) => row.committed_at.plus(POLLS_WITHIN) <= now,
    }
}

/// What the laptop said, in words.
fn result(row: &OrderRow) -> String {
    match row.result.as_deref() {
        Some("stopped") => "stopped".to_owned(),
        Some("already-closed") => "stopped; nothing was running".to_owned(),
        Some("after-this-call") => "will stop when the running visit ends".to_owned(),
        Some("session-ended") => "visit ended".to_owned(),
        Some("resumed") => "no longer stopped".to_owned(),
        Some("refused") => "NOT OBEYED: its approvals did not convince the laptop".to_owned(),
        Some(other) => shown(other),
        None => "done".to_owned(),
    }
}

/// Where nothing came back: since when, and what is certain all the same.
fn unreached(row: &OrderRow, times: &Times, now: Timestamp) -> String {
    match row.cannot_run_past {
        Some(over) if over <= now => {
            format!("not reached: could not run past {}", times.both(over))
        }
        Some(over) => format!("not reached: cannot run past {}", times.both(over)),
        None => "not reached yet: nothing was running, and nothing starts".to_owned(),
    }
}

/// One order with everything that is known of it.
pub fn order(row: &OrderRow, times: &Times, now: Timestamp) -> String {
    let mut text = Text::default();
    text.line(format_args!("order {}: {}", row.seq, shown(&row.command)));
    let mut step = |what: &str, at: Option<Timestamp>| {
        if let Some(at) = at {
            text.line(format_args!("  {what:<10} {}", times.exact(at)));
        }
    };
    step("on record", Some(row.committed_at));
    step("sent", row.sent_at);
    step("received", row.received_at);
    step(&result(row), row.acted_at);
    if stage(row) != Stage::Done {
        text.line(format_args!("  {}", unreached(row, times, now)));
    }
    text.done()
}

/// All orders to a laptop, one under the other.
pub fn all(rows: &[OrderRow], times: &Times, now: Timestamp) -> String {
    if rows.is_empty() {
        return "(no orders)\n".to_owned();
    }
    let orders: Vec<String> = rows.iter().map(|row| order(row, times, now)).collect();
    orders.join("\n")
}

/// What is new about an order since it was last looked at: a line for each step.
pub fn news(before: Option<&OrderRow>, row: &OrderRow, times: &Times) -> String {
    let had = |time: fn(&OrderRow) -> Option<Timestamp>| before.is_some_and(|b| time(b).is_some());
    let steps = [
        (
            "on record".to_owned(),
            before.is_none().then_some(row.committed_at),
        ),
        (
            "sent".to_owned(),
            row.sent_at.filter(|_| !had(|b| b.sent_at)),
        ),
        (
            "received".to_owned(),
            row.received_at.filter(|_| !had(|b| b.received_at)),
        ),
        (result(row), row.acted_at.filter(|_| !had(|b| b.acted_at))),
    ];
    let mut text = Text::default();
    for (what, at) in steps {
        if let Some(at) = at {
            let (seq, command) = (row.seq, shown(&row.command));
            let at = times.exact(at);
            text.line(format_args!("order {seq} ({command}): {what} {at}"));
        }
    }
    text.done()
}

/// What is said when an order is no longer watched and nothing came back.
pub fn given_up(row: &OrderRow, times: &Times, now: Timestamp) -> Option<String> {
    (stage(row) != Stage::Done).then(|| {
        let (seq, command) = (row.seq, shown(&row.command));
        format!("order {seq} ({command}): {}\n", unreached(row, times, now))
    })
}

#[cfg(test)]
mod tests {
    use wardkey_schemas::ids::{DeviceId, OrderId, OrderSeq};

    use super::*;

    fn at(second: u32) -> Timestamp {
        format!("2026-11-22T14:02:{second:02}.500Z")
            .parse()
            .unwrap()
    }

    fn later() -> Timestamp {
        "2026-11-22T14:17:07Z".parse().unwrap()
    }

    fn times() -> Times {
        Times::of("GMT0")
    }

    fn row() -> OrderRow {
        OrderRow {
            order: OrderId::from_bytes([1; 16]),
            seq: OrderSeq::new(12),
            device: DeviceId::from_bytes([2; 16]),
            command: "stop".into(),
            committed_at: at(6),
            sent_at: None,
            received_at: None,
            acted_at: None,
            result: None,
            cannot_run_past: Some(later()),
        }
    }

    fn done() -> OrderRow {
        OrderRow {
            sent_at: Some(at(7)),
            received_at: Some(at(8)),
            acted_at: Some(at(9)),
            result: Some("stopped".into()),
            cannot_run_past: None,
            ..row()
        }
    }

    #[test]
    fn an_order_that_was_obeyed_shows_each_step_with_its_time() {
        assert_eq!(
            order(&done(), &times(), at(30)),
            "\
order 12: stop
  on record  2026-11-22T14:02:06.500Z (14:02:06 GMT)
  sent       2026-11-22T14:02:07.500Z (14:02:07 GMT)
  received   2026-11-22T14:02:08.500Z (14:02:08 GMT)
  stopped    2026-11-22T14:02:09.500Z (14:02:09 GMT)
"
        );
    }

    #[test]
    fn an_order_without_a_receipt_says_what_is_certain() {
        let sent = OrderRow {
            sent_at: Some(at(7)),
            ..row()
        };
        let text = order(&sent, &times(), at(30));
        assert!(
            text.ends_with("not reached: cannot run past 2026-11-22T14:17:07Z (14:17:07 GMT)\n"),
            "{text}"
        );
        let text = order(&sent, &times(), later());
        assert!(text.contains("could not run past"), "{text}");
        let idle = OrderRow {
            cannot_run_past: None,
            ..row()
        };
        let text = order(&idle, &times(), at(30));
        assert!(text.contains("nothing was running"), "{text}");
    }

    #[test]
    fn what_the_laptop_said_is_said_in_words() {
        let cases = [
            ("stopped", "stopped"),
            ("already-closed", "nothing was running"),
            ("after-this-call", "when the running visit ends"),
            ("session-ended", "visit ended"),
            ("resumed", "no longer stopped"),
            ("refused", "NOT OBEYED"),
            ("x\u{1b}[31m", "x\u{fffd}[31m"),
        ];
        for (word, words) in cases {
            let row = OrderRow {
                result: Some(word.into()),
                ..done()
            };
            let text = order(&row, &times(), at(30));
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn every_result_that_a_laptop_can_give_has_its_words() {
        use wardkey_schemas::order::OrderResult;
        let all = [
            OrderResult::Stopped,
            OrderResult::AlreadyClosed,
            OrderResult::AfterThisCall,
            OrderResult::SessionEnded,
            OrderResult::Resumed,
            OrderResult::Refused,
        ];
        for said in all {
            let row = OrderRow {
                result: Some(said.as_str().into()),
                ..done()
            };
            let words = result(&row);
            let plain = words.contains(' ') || words == "stopped";
            assert!(plain, "{words}");
        }
    }

    #[test]
    fn an_order_is_watched_until_it_is_done_or_nothing_can_run_any_more() {
        assert!(is_settled(&done(), at(10)));
        assert!(!is_settled(&row(), at(59)));
        assert!(is_settled(&row(), later()));
        let idle = OrderRow {
            cannot_run_past: None,
            ..row()
        };
        assert!(!is_settled(&idle, at(30)));
        assert!(is_settled(&idle, at(37)));
    }

    #[test]
    fn news_come_once_and_in_order() {
        let first = row();
        let text = news(None, &first, &times());
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("order 12 (stop): on record"), "{text}");
        assert_eq!(news(Some(&first), &first, &times()), "");
        let text = news(Some(&first), &done(), &times());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].contains("sent 2026-11-22T14:02:07.500Z"), "{text}");
        assert!(
            lines[2].contains("stopped 2026-11-22T14:02:09.500Z"),
            "{text}"
        );
    }

    #[test]
    fn whoever_stops_watching_says_what_is_certain() {
        assert_eq!(given_up(&done(), &times(), later()), None);
        let said = given_up(&row(), &times(), at(10)).unwrap();
        assert!(said.contains("cannot run past"), "{said}");
    }
}
