//! The check phrase: four words that two screens show, so that people can compare what was signed.
//!
//! The first 44 bits of SHA-256 over what was signed, eleven bits a word, from a fixed list of 2,048
//! plain words that nobody minds a patient seeing. No two of the words sound the same.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::bytes::Sha256;

/// The list, one word a line, sorted.
const LIST: &str = include_str!("phrase_words.txt");

/// The words of the list. Every reading of a laptop's row looks for four of them.
static KNOWN: LazyLock<Vec<&str>> = LazyLock::new(|| LIST.lines().collect());

/// Words in a phrase.
const WORDS: usize = 4;

/// Four words of the list.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Phrase(String);

impl Phrase {
    /// The phrase for something with this digest.
    pub fn of(digest: &Sha256) -> Self {
        let first = digest
            .as_bytes()
            .iter()
            .take(8)
            .fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
        let chosen: Vec<&str> = (0..WORDS)
            .filter_map(|place| {
                let shift = 53_usize.saturating_sub(place.saturating_mul(11));
                let index = usize::try_from((first >> shift) & 0x7ff).ok()?;
                KNOWN.get(index).copied()
            })
            .collect();
        Self(chosen.join(" "))
    }

    /// The words with single spaces between them.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text that is not a check phrase, with the first word that is wrong where there is one.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PhraseError {
    /// Not four words.
    #[error("a check phrase has four words")]
    Count,
    /// A word that is not in the list.
    #[error("one of the four words is not in the list; check the spelling")]
    Word,
}

impl FromStr for Phrase {
    type Err = PhraseError;

    /// Takes four words in any case, with spaces, hyphens or dashes between them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words: Vec<String> = text
            .split(|c: char| c.is_whitespace() || c == '-' || c == '–')
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect();
        if words.len() != WORDS {
            return Err(PhraseError::Count);
        }
        if words
            .iter()
            .any(|word| KNOWN.binary_search(&word.as_str()).is_err())
        {
            return Err(PhraseError::Word);
        }
        Ok(Self(words.join(" ")))
    }
}

impl TryFrom<String> for Phrase {
    type Error = PhraseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Phrase> for String {
    fn from(phrase: Phrase) -> Self {
        phrase.0
    }
}

impl JsonSchema for Phrase {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Phrase".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "four words of the check-phrase list with spaces between them",
            "pattern": "^[a-z]+ [a-z]+ [a-z]+ [a-z]+$",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_list_has_2048_different_plain_words_in_order() {
        let sorted: BTreeSet<&str> = KNOWN.iter().copied().collect();
        assert_eq!(KNOWN.len(), 2048);
        assert_eq!(sorted.into_iter().collect::<Vec<_>>(), *KNOWN);
        assert!(
            KNOWN
                .iter()
                .all(|word| word.bytes().all(|b| b.is_ascii_lowercase()))
        );
    }

    #[test]
    fn a_phrase_takes_the_first_44_bits() {
        let words = &*KNOWN;
        let mut digest = [0; 32];
        // 00000000001 00000000010 00000000011 00000000100, then ones that do not count.
        digest[..6].copy_from_slice(&[0x00, 0x20, 0x08, 0x01, 0x80, 0x4f]);
        let phrase = Phrase::of(&Sha256::new(digest));
        assert_eq!(
            phrase.as_str(),
            [words[1], words[2], words[3], words[4]].join(" ")
        );
    }

    #[test]
    fn people_may_type_it_as_they_like() {
        let phrase = Phrase::of(&Sha256::of(b"a laptop"));
        let typed = format!("  {} ", phrase.as_str().to_uppercase().replace(' ', " – "));
        assert_eq!(typed.parse(), Ok(phrase));
        assert_eq!("able".parse::<Phrase>(), Err(PhraseError::Count));
        assert_eq!(
            "able able able xyzzy".parse::<Phrase>(),
            Err(PhraseError::Word)
        );
    }
}
