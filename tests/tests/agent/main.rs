//! The running agent with the shipped gate, key service and authority, on virtual hardware: visits,
//! everything that breaks around them, and everything that must not end them.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may stop at the first surprise"
)]

#[path = "../aging/mod.rs"]
mod aging;
mod calendar;
mod certificates;
mod crashes;
mod impostor;
mod losses;
mod moves;
mod network;
mod older_disk;
mod orders;
mod record;
mod security_chip;
mod security_keys;
mod ward;
