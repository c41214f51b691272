//! What the gate reads: lines from the agent, its latch, the laptop's identity.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wardkey_fuzz::{begin_with, read_twice};
use wardkey_gate::identity::Identity;
use wardkey_gate::latch::Holds;
use wardkey_gate::protocol::{FromGate, Request, parse_line, to_line};

const SAMPLES: [&str; 4] = [
    r#"{"nonce":{}}"#,
    r#"{"close":{"reason":"staff"}}"#,
    r#"{"answer":{"closed":{"session":null}}}"#,
    r#"{"format":1,"owner":null,"last_order":0,"holds":[],"outcomes":[]}"#,
];

fuzz_target!(init: begin_with("gate", SAMPLES), |data: &[u8]| {
    if let Ok(request) = parse_line::<Request>(data) {
        let line = to_line(&request).expect("a line");
        assert_eq!(parse_line::<Request>(&line).expect("our own line"), request);
    }
    if let Ok(said) = parse_line::<FromGate>(data) {
        let line = to_line(&said).expect("a line");
        assert_eq!(parse_line::<FromGate>(&line).expect("our own line"), said);
    }
    if let Ok(holds) = Holds::parse(data) {
        let written = holds.to_json().expect("a latch file");
        assert_eq!(Holds::parse(&written).expect("our own file"), holds);
    }
    let _ = std::hint::black_box(read_twice::<Identity>(data));
});
