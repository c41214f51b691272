//! Appraisal of hardware evidence: recorded evidence of real hardware, and structures made and signed
//! here, right in everything but one thing.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may stop at the first surprise, and says what it skipped"
)]

mod event_logs;
mod forge;
mod recorded;
mod tpm_keys;
mod tpm_statements;
