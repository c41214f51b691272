//! What became of orders: sent, received, done, or not reached and until when at the latest.

use wardkey_schemas::action::OrderSent;
use wardkey_schemas::query::OrderRow;
use wardkey_schemas::time::Timestamp;
use wardkey_told::shown;

use crate::text::Text;
use crate::times::Times;

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

/// The orders to which the laptop has not answered, oldest first.
pub fn open(rows: &[OrderRow]) -> impl Iterator<Item = OrderSent> {
    let waiting = rows.iter().rev().filter(|row| stage(row) != Stage::Done);
    waiting.map(|row| OrderSent {
        device: row.device,
        seq: row.seq,
    })
}

/// What the laptop said, in words.
fn result(row: &OrderRow) -> String {
    match row.result.as_deref() {
        Some("stopped") => "stopped".to_owned(),
        Some("already-closed") => "stopped; nothing was running".to_owned(),
        Some("after-this-call") => "will stop when the running visit ends".to_owned(),
        Some("session-ended") => "visit ended".to_owned(),
        Some("shown") => "shown on its screen".to_owned(),
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
            OrderResult::Shown,
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
    fn orders_without_an_answer_are_watched() {
        assert_eq!(open(&[done(), row(), done()]).count(), 1);
        assert_eq!(open(&[done()]).count(), 0);
    }
}
