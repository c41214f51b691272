//! Writes the pages of the book that the code knows best: every refusal code, every message.
//!
//! `cargo xtask schemas` calls it. With `--check` it writes nothing, tells what is not up to date,
//! and ends with 1 if anything is not.

#![expect(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a generator for developers may stop at the first surprise"
)]

#[expect(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../../tests/wire/catalogue/mod.rs"]
mod catalogue;
mod errors;
mod messages;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let check_only = std::env::args().skip(1).any(|word| word == "--check");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut stale = false;
    for (name, text) in [
        ("errors.md", errors::page()),
        ("messages.md", messages::page()),
    ] {
        let path = folder.join(name);
        if fs::read_to_string(&path).is_ok_and(|before| before == text) {
            continue;
        }
        println!("changed: docs/{name}");
        stale = true;
        if !check_only {
            fs::write(&path, text).unwrap();
        }
    }
    if check_only && stale {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// A page's first lines, for whoever opens the file itself.
fn head(title: &str, source: &str) -> String {
    format!(
        "<!-- `cargo xtask schemas` writes this page from {source}; do not edit it. -->\n\n# {title}\n\n"
    )
}
