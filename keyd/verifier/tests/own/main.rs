//! Certificates, bundles, leases and orders of our own: each check has the good case and the same
//! case with one thing wrong.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::type_complexity,
    reason = "a test may stop at the first surprise, and tables of cases are what they are"
)]

mod announced;
mod bundle;
mod charter;
mod device;
mod forge;
mod lease;
mod lifting;
mod never_panics;
mod order;
#[path = "../pem/mod.rs"]
mod pem;
mod person;
mod service;
mod status_list;
mod world;
