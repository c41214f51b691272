//! Judgement has no hands, part two: the standard library's clock, files and sockets, and the
//! randomness of a cryptography crate, are not in any list of dependencies. So the text of the
//! pure crates is searched for them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};
use crate::workspace::Workspace;

/// Folders with the product's text of pure crates.
const PURE: &[&str] = &["keyd/verifier/src", "keyd/tlog/src", "ca/issuance/src"];

/// Modules of `std` that reach outside.
const STD: &[&str] = &["env", "fs", "net", "os", "process", "thread"];

/// Names of clocks and of randomness.
const NAMES: &[&str] = &[
    "Instant",
    "SystemTime",
    "SystemRandom",
    "SecureRandom",
    "OsRng",
];

/// Looks for hands in the pure crates. Returns a line for the table.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    let mut files = 0_usize;
    let mut wrong = Vec::new();
    for folder in PURE {
        for file in rust_files(&workspace.path(folder))? {
            let text = fs::read_to_string(&file)
                .map_err(|error| Failure::io(format!("cannot read {}", file.display()), &error))?;
            files = files.saturating_add(1);
            let shown = file.strip_prefix(workspace.root()).unwrap_or(&file);
            for (number, word) in hands(&text) {
                wrong.push(format!("{}:{number}: `{word}`", shown.display()));
            }
        }
    }
    if wrong.is_empty() {
        return Ok(format!("{files} files of pure crates have no hands"));
    }
    Err(
        Failure::new(format!("pure crates reach outside:\n{}", wrong.join("\n")))
            .hint("take it as an argument; time, files and randomness are the caller's"),
    )
}

/// All `.rs` files below a folder, in order.
pub(crate) fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let cannot =
        |error: std::io::Error| Failure::io(format!("cannot list {}", folder.display()), &error);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Words that reach outside, with their line numbers. Tests at the end of a file may use them, and
/// comments may name them.
fn hands(text: &str) -> Vec<(usize, String)> {
    let product = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut found = Vec::new();
    // Lines of a `use std::{…}` that is still open.
    let mut in_std = false;
    for (number, line) in (1..).zip(product.lines()) {
        let code = line.split("//").next().unwrap_or_default();
        let words: Vec<&str> = code
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|word| !word.is_empty())
            .collect();
        in_std = in_std || code.contains("std::{");
        for (place, word) in words.iter().enumerate() {
            let after_std = place
                .checked_sub(1)
                .and_then(|before| words.get(before))
                .is_some_and(|before| *before == "std");
            let reaches = NAMES.contains(word) || (STD.contains(word) && (after_std || in_std));
            if reaches {
                found.push((number, (*word).to_owned()));
            }
        }
        in_std = in_std && !code.contains(';');
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        hands(text).into_iter().map(|(_, word)| word).collect()
    }

    #[test]
    fn hands_are_seen_however_they_are_written() {
        for (text, word) in [
            ("use std::fs;", "fs"),
            ("use std::{fmt, net};", "net"),
            ("use std::{\n    env,\n    fmt,\n};", "env"),
            ("let x = std::process::id();", "process"),
            ("let now = SystemTime::now();", "SystemTime"),
            ("use std::time::Instant;", "Instant"),
            ("use aws_lc_rs::rand::SystemRandom;", "SystemRandom"),
        ] {
            assert_eq!(words(text), [word], "{text}");
        }
    }

    #[test]
    fn comments_and_tests_may_speak_of_them() {
        for text in [
            "// std::fs is not for us",
            "use std::fmt;\nlet env = 1;",
            "use std::{fmt, str};\nfn thread(net: u8) {}",
            "fn a() {}\n#[cfg(test)]\nmod tests { use std::fs; }",
        ] {
            assert_eq!(words(text), Vec::<String>::new(), "{text}");
        }
    }
}
