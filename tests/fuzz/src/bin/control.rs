//! What programs of a laptop ask the agent, and what it answers: one line each.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wardkey_fuzz::{begin_with, read_twice};

// The file itself: the agent's other dependencies would take minutes to build.
#[path = "../../../../agent/src/control/protocol.rs"]
#[expect(dead_code, reason = "the agent uses all of it")]
mod protocol;

use protocol::{Request, Word};

const SAMPLES: [&str; 8] = [
    r#"{"activate":{"room":null,"serial":33000001}}"#,
    r#"{"extend":{"serial":null}}"#,
    r#"{"pin":{"pin":"583619"}}"#,
    r#"{"status":{}}"#,
    r#"{"pin-wanted":{"serial":33000001,"tries_left":3,"wrong":false}}"#,
    r#"{"touch-wanted":{}}"#,
    r#"{"ended":{"session":null}}"#,
    r#"{"fault":{"what":"the disk"}}"#,
];

fuzz_target!(init: begin_with("control", SAMPLES), |data: &[u8]| {
    if let Ok(request) = serde_json::from_slice::<Request>(data) {
        let line = serde_json::to_string(&request).expect("a line");
        let again: Request = serde_json::from_str(&line).expect("our own line");
        assert_eq!(serde_json::to_string(&again).expect("a line"), line);
        if let Request::Pin { pin } = &request {
            // Whatever was typed, it does not print.
            assert_eq!(format!("{pin:?}"), "PinText(..)");
        }
    }
    if let Some(word) = read_twice::<Word>(data) {
        let _ = std::hint::black_box(word.is_last());
    }
});
