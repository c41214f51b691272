//! What became of an act, as keyd says it.

use serde_json::{Value, json};
use wardkey_schemas::action::{ActionAnswer, OrderSent, Outcome};
use wardkey_told::Exit;

use crate::text::Text;
use crate::times::Times;

/// What is said of every answer: nobody has to take it for more than it is.
pub const NOT_SIGNED: &str = "keyd's answer is not signed: it came over TLS under the \
                              installation's root";

/// What the shell is told of it.
pub const fn exit(outcome: &Outcome) -> Exit {
    match outcome {
        Outcome::WaitsForSecondPerson { .. } => Exit::NeedsApproval,
        Outcome::Confirmed
        | Outcome::PersonLeft { .. }
        | Outcome::SpareMarked { .. }
        | Outcome::Stopped { .. }
        | Outcome::ReportedLost { .. }
        | Outcome::Resumed { .. }
        | Outcome::SessionEnded { .. }
        | Outcome::MessageSent { .. }
        | Outcome::ReaderOpened { .. } => Exit::Done,
    }
}

/// The answer to an act on what people call `name`.
pub fn outcome(answer: &ActionAnswer, name: &str, times: &Times) -> String {
    let mut text = Text::default();
    let mut line = |words: String| text.line(words);
    match &answer.outcome {
        Outcome::Confirmed => line(format!("{name} is confirmed and can be used")),
        Outcome::PersonLeft { keys, visits } => {
            let count = keys.len();
            line(format!(
                "{name} has left: {count} security keys open nothing here any more"
            ));
            if *visits > 0 {
                line(format!("  visits     {visits} run, and end within an hour"));
            }
            line(
                "  take the security keys back; each can be enrolled for somebody else".to_owned(),
            );
        }
        Outcome::SpareMarked { spare: true } => {
            line(format!(
                "{name} is the site's spare: each use of it is told"
            ));
            line("  seal it in its envelope, and seal it again after each use".to_owned());
        }
        Outcome::SpareMarked { spare: false } => line(format!("{name} is no spare any more")),
        Outcome::Stopped { hold, orders } => {
            line(format!("{name} is stopped"));
            line(format!("  hold       {hold}"));
            each(orders, &mut line);
        }
        Outcome::ReportedLost { placed, orders } => {
            line(format!("{name}: stopped"));
            for placed in placed {
                line(format!("  hold       {}", placed.hold));
            }
            each(orders, &mut line);
        }
        Outcome::Resumed { remaining, orders } => {
            if remaining.is_empty() {
                line(format!("{name} is no longer stopped"));
            } else {
                line(format!("{name} is still stopped"));
            }
            for hold in remaining {
                line(format!("  still held {hold}"));
            }
            each(orders, &mut line);
        }
        Outcome::WaitsForSecondPerson {
            request,
            act,
            expires_in,
        } => {
            line(format!("{name} waits for a second person to agree"));
            line(format!("  request    {request}"));
            line(format!("  act        {act}"));
            let until = times.both(answer.committed_at.plus(*expires_in));
            line(format!("  waits till {until}"));
        }
        Outcome::SessionEnded { orders } => {
            line(format!("{name} is ended"));
            each(orders, &mut line);
        }
        Outcome::MessageSent { orders } => {
            line(format!("the line is on its way to {name}"));
            each(orders, &mut line);
        }
        Outcome::ReaderOpened { lasts, .. } => {
            let until = times.both(answer.committed_at.plus(*lasts));
            line(format!("reading is allowed until {until}"));
        }
    }
    line(format!("  on record  {}", times.exact(answer.committed_at)));
    line(format!("  entry      {}", answer.leaf));
    text.done()
}

fn each(orders: &[OrderSent], line: &mut impl FnMut(String)) {
    for order in orders {
        line(format!(
            "  order      {} to laptop {}",
            order.seq, order.device
        ));
    }
}

/// What to type next, for the person who is to agree.
pub fn next_person(answer: &ActionAnswer) -> Option<String> {
    match &answer.outcome {
        Outcome::WaitsForSecondPerson { request, .. } => Some(format!(
            "a second person agrees with their own security key:\n  wardkey agree {request}"
        )),
        Outcome::Confirmed
        | Outcome::PersonLeft { .. }
        | Outcome::SpareMarked { .. }
        | Outcome::Stopped { .. }
        | Outcome::ReportedLost { .. }
        | Outcome::Resumed { .. }
        | Outcome::SessionEnded { .. }
        | Outcome::MessageSent { .. }
        | Outcome::ReaderOpened { .. } => None,
    }
}

/// The answer as a script reads it: what became of it, its values, its place in the record.
pub fn json(answer: &ActionAnswer) -> Value {
    let outcome = match &answer.outcome {
        Outcome::Confirmed => json!({ "result": "confirmed" }),
        Outcome::PersonLeft { keys, visits } => {
            json!({ "result": "person-left", "keys": keys, "visits": visits })
        }
        Outcome::SpareMarked { spare } => json!({ "result": "spare-marked", "spare": spare }),
        Outcome::Stopped { hold, orders } => {
            json!({ "result": "stopped", "hold": hold, "orders": orders })
        }
        Outcome::ReportedLost { placed, orders } => {
            json!({ "result": "reported-lost", "placed": placed, "orders": orders })
        }
        Outcome::Resumed { remaining, orders } => {
            json!({ "result": "resumed", "remaining": remaining, "orders": orders })
        }
        Outcome::WaitsForSecondPerson {
            request,
            act,
            expires_in,
        } => json!({
            "result": "waits-for-second-person",
            "request": request,
            "act": act,
            "expires_in": expires_in,
        }),
        Outcome::SessionEnded { orders } => json!({ "result": "session-ended", "orders": orders }),
        Outcome::MessageSent { orders } => json!({ "result": "message-sent", "orders": orders }),
        Outcome::ReaderOpened { reader, lasts } => {
            json!({ "result": "reader-opened", "reader": reader, "lasts": lasts })
        }
    };
    json!({
        "outcome": outcome,
        "leaf": answer.leaf,
        "committed_at": answer.committed_at,
        "answer_is_signed": false,
    })
}

/// The orders that an act brought about.
pub fn orders(outcome: &Outcome) -> &[OrderSent] {
    match outcome {
        Outcome::Stopped { orders, .. }
        | Outcome::ReportedLost { orders, .. }
        | Outcome::Resumed { orders, .. }
        | Outcome::MessageSent { orders }
        | Outcome::SessionEnded { orders } => orders,
        Outcome::Confirmed
        | Outcome::PersonLeft { .. }
        | Outcome::SpareMarked { .. }
        | Outcome::WaitsForSecondPerson { .. }
        | Outcome::ReaderOpened { .. } => &[],
    }
}

#[cfg(test)]
mod tests {
    use wardkey_schemas::bytes::Sha256;
    use wardkey_schemas::ids::{ApprovalId, DeviceId, HoldId, OrderSeq};
    use wardkey_schemas::time::Seconds;

    use super::*;

    #[test]
    fn only_what_waits_for_a_second_person_needs_approval() {
        let waits = Outcome::WaitsForSecondPerson {
            request: ApprovalId::from_bytes([1; 16]),
            act: Sha256::new([1; 32]),
            expires_in: Seconds::new(1800),
        };
        assert_eq!(exit(&waits), Exit::NeedsApproval);
        let done = [
            Outcome::Confirmed,
            Outcome::Stopped {
                hold: HoldId::from_bytes([1; 16]),
                orders: Vec::new(),
            },
            Outcome::Resumed {
                remaining: Vec::new(),
                orders: Vec::new(),
            },
            Outcome::SessionEnded { orders: Vec::new() },
        ];
        for outcome in done {
            assert_eq!(exit(&outcome), Exit::Done, "{outcome:?}");
        }
    }

    fn said(what: Outcome) -> String {
        let answer = ActionAnswer {
            outcome: what,
            leaf: Sha256::new([0; 32]),
            committed_at: "2026-11-22T14:02:06.120Z".parse().unwrap(),
        };
        outcome(&answer, "laptop HMP-X-03", &Times::of("GMT0"))
    }

    fn order() -> OrderSent {
        OrderSent {
            device: DeviceId::from_bytes([1; 16]),
            seq: OrderSeq::new(12),
        }
    }

    #[test]
    fn a_stop_names_its_hold_its_order_and_its_time() {
        let text = said(Outcome::Stopped {
            hold: HoldId::from_bytes([2; 16]),
            orders: vec![order()],
        });
        assert_eq!(
            text,
            "\
laptop HMP-X-03 is stopped
  hold       02020202-0202-0202-0202-020202020202
  order      12 to laptop 01010101-0101-0101-0101-010101010101
  on record  2026-11-22T14:02:06.120Z (14:02:06 GMT)
  entry      AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
"
        );
    }

    #[test]
    fn what_still_stands_is_not_called_free() {
        let free = said(Outcome::Resumed {
            remaining: Vec::new(),
            orders: vec![order()],
        });
        assert!(
            free.starts_with("laptop HMP-X-03 is no longer stopped\n"),
            "{free}"
        );
        let held = said(Outcome::Resumed {
            remaining: vec![HoldId::from_bytes([2; 16])],
            orders: Vec::new(),
        });
        assert!(
            held.starts_with("laptop HMP-X-03 is still stopped\n"),
            "{held}"
        );
    }

    #[test]
    fn a_request_says_until_when_it_waits_and_what_the_next_person_types() {
        let waits = Outcome::WaitsForSecondPerson {
            request: ApprovalId::from_bytes([3; 16]),
            act: Sha256::new([1; 32]),
            expires_in: Seconds::new(1800),
        };
        let text = said(waits.clone());
        assert!(text.contains("waits till 2026-11-22T14:32:06Z"), "{text}");
        let answer = ActionAnswer {
            outcome: waits,
            leaf: Sha256::new([0; 32]),
            committed_at: "2026-11-22T14:02:06.120Z".parse().unwrap(),
        };
        let script = json(&answer);
        assert_eq!(script["outcome"]["result"], "waits-for-second-person");
        assert_eq!(
            script["outcome"]["request"],
            "03030303-0303-0303-0303-030303030303"
        );
        assert_eq!(script["committed_at"], "2026-11-22T14:02:06.120Z");
        let next = next_person(&answer).unwrap();
        assert!(next.contains("wardkey agree 03030303-0303"), "{next}");
    }
}
