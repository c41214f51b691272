//! The gate's own stage: a gate in this process, on a clock that the test sets.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    reason = "shared with the gate's tests, which use all of it"
)]

#[path = "../../gate/tests/support/laptop.rs"]
pub mod laptop;
#[path = "../../gate/tests/support/pki.rs"]
pub mod pki;
#[path = "../../gate/tests/support/stage.rs"]
pub mod stage;
