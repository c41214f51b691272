//! What the fuzz targets share: a house to fuzz in, signatures over whatever the fuzzer makes up,
//! and samples to begin with.
//!
//! A fuzzer cannot forge a signature, so by itself it would never see what is parsed behind one.
//! Each target therefore tries its bytes twice: as they are, and signed by the key that may sign
//! such bytes. The keys come from a seed, so an input that breaks something breaks it again.

mod house;
mod json;
mod samples;
mod signed;

pub use house::{House, SITE, fixed_key, text};
pub use json::read_twice;
pub use samples::begin_with;
pub use signed::{certificate_over, envelope_over, spoilt};
