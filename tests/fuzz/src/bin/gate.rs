//! What the gate reads: lines from the agent, its state, the laptop's identity.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wardkey_fuzz::{begin_with, read_twice};
use wardkey_gate::identity::Identity;
use wardkey_gate::protocol::{FromGate, Request, parse_line, to_line};
use wardkey_gate::store::State;

const SAMPLES: [&str; 4] = [
    r#"{"nonce":{}}"#,
    r#"{"close":{"reason":"staff"}}"#,
    r#"{"answer":{"closed":{"session":null}}}"#,
    concat!(
        r#"{"format":1,"counter":1,"latch":{"owner":null,"last_order":0,"holds":[],"outcomes":[]},"#,
        r#""bundle":null}"#,
    ),
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
    let _ = std::hint::black_box(State::open(data, &[0; 32]));
    if let Ok(state) = State::parse(data) {
        let written = state.seal(&[0; 32]).expect("a state file");
        assert_eq!(State::open(&written, &[0; 32]).expect("our own file"), state);
    }
    let _ = std::hint::black_box(read_twice::<Identity>(data));
});
