//! Writes `schemas/json` and `schemas/golden` from the messages in `schemas/src`.
//!
//! `cargo xtask schemas` calls it. With `--check` it writes nothing, tells what is not up to date,
//! and ends with 1 if anything is not.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stdout,
    reason = "a generator for developers may stop at the first surprise"
)]

#[expect(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../tests/wire/catalogue/mod.rs"]
mod catalogue;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let check_only = std::env::args().skip(1).any(|word| word == "--check");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = catalogue::files();
    let mut stale = 0_usize;
    for file in &files {
        let path = root.join(&file.path);
        let before = fs::read_to_string(&path).ok();
        if before.as_deref() == Some(file.text.as_str()) {
            continue;
        }
        let word = if before.is_some() { "changed" } else { "new" };
        println!("{word}: schemas/{}", file.path);
        stale = stale.saturating_add(1);
        if !check_only {
            fs::create_dir_all(path.parent().expect("files are in folders")).unwrap();
            fs::write(&path, &file.text).unwrap();
        }
    }
    let wanted: BTreeSet<PathBuf> = files.iter().map(|file| root.join(&file.path)).collect();
    for folder in ["json", "golden"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if !wanted.contains(&path) {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                println!("gone: schemas/{folder}/{name}");
                stale = stale.saturating_add(1);
                if !check_only {
                    fs::remove_file(&path).unwrap();
                }
            }
        }
    }
    if stale == 0 {
        println!("{} files are up to date", files.len());
    } else if check_only {
        return ExitCode::FAILURE;
    } else {
        println!("look at `git diff`: what changed in these files has changed on the wire");
    }
    ExitCode::SUCCESS
}
