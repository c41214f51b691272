//! Measured-boot event logs: read, replayed, and asked for what their digests cover.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wardkey_fleet::tpm::event_log;
use wardkey_fuzz::begin_with;
use wardkey_verifier::event_log::EventLog;

fuzz_target!(
    init: begin_with("event_log", [event_log("boot loader"), event_log("")]),
    |data: &[u8]| {
        if let Ok(log) = EventLog::parse(data) {
            let _ = std::hint::black_box(log.replay().values());
            assert!(log.bound_data().count() <= log.events().len());
        }
    }
);
