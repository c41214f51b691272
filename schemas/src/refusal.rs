//! Every way to say no.
//!
//! A refusal is an answer, not a fault: it has a stable [`Code`], tells what was found and what was
//! wanted, and its code tells what to do next. It is safe to show to whoever asked: it carries no
//! secret and no name of a person.
//!
//! The list of codes is one table, [`Code`]; a code that was ever shown keeps its meaning.

mod codes;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::codes::{Code, UnknownCode};

/// A refusal: which rule said no, what it found, what it wanted.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    code: Code,
    found: String,
    wanted: String,
}

/// Characters of `found` and `wanted` that are kept: enough for two fingerprints, too few to carry
/// somebody's whole message into a log.
const MOST_CHARS: usize = 200;

impl Refusal {
    /// Makes a refusal. `found` and `wanted` are cut to one short line without control characters.
    pub fn new(code: Code, found: impl fmt::Display, wanted: impl fmt::Display) -> Self {
        Self {
            code,
            found: one_line(&found),
            wanted: one_line(&wanted),
        }
    }

    /// The stable code.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// What was found.
    pub fn found(&self) -> &str {
        &self.found
    }

    /// What was wanted.
    pub fn wanted(&self) -> &str {
        &self.wanted
    }

    /// The same refusal under another code, where a caller knows more about what the check was for.
    #[must_use]
    pub fn recode(self, code: Code) -> Self {
        Self { code, ..self }
    }
}

fn one_line(text: &impl fmt::Display) -> String {
    text.to_string()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MOST_CHARS)
        .collect()
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} (found: {}; wanted: {})",
            self.code,
            self.code.heading(),
            self.found,
            self.wanted
        )
    }
}

impl std::error::Error for Refusal {}

/// What kind of no it is; the HTTP edge turns it into a status and nothing else does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The message cannot be read.
    Malformed,
    /// Nobody we know signed it.
    Unknown,
    /// Read, known, and refused.
    Refused,
    /// There is no such thing here.
    NotFound,
    /// Right in itself, but not in this state.
    Conflict,
    /// Over a limit of size.
    TooLarge,
    /// Asked too often.
    TooOften,
    /// It cannot be told now.
    Unavailable,
}

/// What a signed refusal does to a call that is running: it says *stop* or *not now*.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The call ends.
    Stop,
    /// The call goes on while its grace lasts; ask again with a new nonce.
    NotNow,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_has_its_own_word_and_its_texts() {
        let words: HashSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{code}\""));
            assert_eq!(code.as_str().parse::<Code>(), Ok(*code));
            assert!(
                code.as_str()
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b == b'_'),
                "{code}"
            );
            assert!(
                !code.heading().is_empty() && !code.heading().ends_with('.'),
                "{code}"
            );
            assert!(code.meaning().ends_with('.'), "{code}");
            assert!(code.next_step().ends_with('.'), "{code}");
        }
    }

    #[test]
    fn no_text_has_a_word_that_staff_should_not_read() {
        for code in Code::ALL {
            // Headings and next steps are read by staff; meanings by operators.
            let text = format!("{} {}", code.heading(), code.next_step()).to_lowercase();
            for word in [
                "prisoner", "inmate", "invalid", "tpm", "lease", "nonce", "illegal",
            ] {
                let has = text
                    .split(|c: char| !c.is_alphabetic())
                    .any(|part| part == word);
                assert!(!has, "{code}: {word}");
            }
        }
    }

    #[test]
    fn what_was_found_cannot_bring_a_line_of_its_own_into_a_log() {
        let refusal = Refusal::new(Code::MessageMalformed, "a\nb\u{1b}[31m", "x".repeat(500));
        assert_eq!(refusal.found(), "a b [31m");
        assert_eq!(refusal.wanted().len(), MOST_CHARS);
    }
}
