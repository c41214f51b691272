//! What holds for the session whatever happens to it: a real gate with a picture that is only noted,
//! a key service that signs for real, and everything between them late, lost, twice, or forged.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test may stop at the first surprise"
)]

mod account;
mod certificates;
mod gates;
mod keyd;
mod links;
mod properties;
mod theatre;
mod visits;
