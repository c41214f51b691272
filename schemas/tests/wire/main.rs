//! The words on the wire, as others see them: golden files, JSON Schemas, properties of texts.
//!
//! What these tests compare is written by `cargo xtask schemas`. A difference means that the wire has
//! changed: look whether that was meant, then write the files anew.

#![expect(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may stop at the first surprise"
)]

mod catalogue;
mod complete;
mod golden;
mod json_schema;
mod properties;
mod spoiled;
mod validator;

use std::fs;
use std::path::Path;

/// A file of this crate.
fn read(below: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(below);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
