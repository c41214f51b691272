//! Appraisal of hardware evidence: recorded evidence of real hardware, and structures made and signed
//! here, right in everything but one thing.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may stop at the first surprise, and says what it skipped"
)]

mod activation_evidence;
mod activations;
mod credentials;
mod endorsement_keys;
mod endorsement_paths;
mod endorsement_templates;
mod event_logs;
mod forge;
mod genuine_yubikeys;
mod laptops;
mod never_panics;
#[path = "../pem/mod.rs"]
mod pem;
mod recorded;
mod renewals;
mod security_keys;
mod tpm_keys;
mod tpm_statements;
mod yubikeys;
