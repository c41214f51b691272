//! Signed notes (C2SP `signed-note`): a text, an empty line, and lines of signatures.

use std::fmt;
use std::fmt::Write as _;

use crate::key::{Kind, SignerKey, VerifierKey};
use crate::{TlogError, malformed, text};

/// Bytes of a note that are looked at.
pub const NOTE_BYTES: usize = 16 * 1024;

/// Signatures of a note that are looked at: the log's and those of more witnesses than anybody has.
const SIGNATURES: usize = 64;

/// A signature line: whose it says it is, and the bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Line {
    name: String,
    number: [u8; 4],
    signature: Vec<u8>,
}

/// A note as it was read; nothing about it is believed yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    body: String,
    lines: Vec<Line>,
}

impl Note {
    /// Begins a note; the text ends with a line's end.
    pub(crate) const fn new(body: String) -> Self {
        Self {
            body,
            lines: Vec::new(),
        }
    }

    /// Reads a note.
    ///
    /// # Errors
    ///
    /// [`TlogError::Malformed`].
    pub fn parse(note: &str) -> Result<Self, TlogError> {
        let wrong = |why| malformed("a signed note", why);
        if note.len() > NOTE_BYTES {
            return Err(wrong("longer than 16 KiB"));
        }
        if note.chars().any(|c| c.is_control() && c != '\n') {
            return Err(wrong("control characters"));
        }
        let (text, signatures) = note
            .rsplit_once("\n\n")
            .ok_or_else(|| wrong("no empty line"))?;
        let lines = Self::parse_lines(signatures)?;
        if lines.is_empty() {
            return Err(wrong("no signature"));
        }
        Ok(Self {
            body: format!("{text}\n"),
            lines,
        })
    }

    fn parse_lines(signatures: &str) -> Result<Vec<Line>, TlogError> {
        let wrong = |why| malformed("a signed note", why);
        let lines = signatures
            .strip_suffix('\n')
            .ok_or_else(|| wrong("its last line has no end"))?;
        let parsed = lines.split('\n').map(|line| {
            let rest = line
                .strip_prefix("\u{2014} ")
                .ok_or_else(|| wrong("a signature line without a dash"))?;
            let (name, bytes) = rest.split_once(' ').ok_or_else(|| wrong("no signature"))?;
            let bytes = text::decode(bytes).ok_or_else(|| wrong("not base64"))?;
            let (number, signature) = bytes
                .split_first_chunk::<4>()
                .ok_or_else(|| wrong("a short signature"))?;
            if name.is_empty() || name.contains('+') || signature.is_empty() {
                return Err(wrong("a signature without a name or bytes"));
            }
            Ok(Line {
                name: name.to_owned(),
                number: *number,
                signature: signature.to_vec(),
            })
        });
        let lines: Vec<Line> = parsed.take(SIGNATURES + 1).collect::<Result<_, _>>()?;
        if lines.len() > SIGNATURES {
            return Err(wrong("too many signatures"));
        }
        Ok(lines)
    }

    /// The text that is signed, with its last line's end.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The signature of a key over the text.
    ///
    /// # Errors
    ///
    /// [`TlogError::Unsigned`], or [`TlogError::Signature`] if one that says it is the key's is not.
    pub(crate) fn signature_of(&self, key: &VerifierKey) -> Result<&[u8], TlogError> {
        let name = key.name().as_str();
        let number = key.number();
        let mut lines = self.lines.iter();
        let line = lines.find(|line| line.name == name && line.number == number);
        line.map(|line| line.signature.as_slice())
            .ok_or_else(|| TlogError::Unsigned {
                name: name.to_owned(),
            })
    }

    /// Verifies a log's signature.
    pub(crate) fn verify_log(&self, key: &VerifierKey) -> Result<(), TlogError> {
        let signature = self.signature_of(key)?;
        if key.kind() == Kind::Log && key.verifies(self.body.as_bytes(), signature) {
            return Ok(());
        }
        Err(TlogError::Signature {
            name: key.name().to_string(),
        })
    }

    /// Signs with a log's key.
    pub(crate) fn sign_log(&mut self, key: &SignerKey) {
        let signature = key.sign(self.body.as_bytes());
        self.push(key.verifier(), signature);
    }

    pub(crate) fn push(&mut self, key: &VerifierKey, signature: Vec<u8>) {
        self.lines.push(Line {
            name: key.name().to_string(),
            number: key.number(),
            signature,
        });
    }

    /// Adds signature lines as a witness gives them; those that are there already are not repeated.
    ///
    /// # Errors
    ///
    /// [`TlogError::Malformed`].
    pub fn add_lines(&mut self, lines: &str) -> Result<(), TlogError> {
        for line in Self::parse_lines(lines)? {
            self.add(line);
        }
        Ok(())
    }

    /// Adds the signatures of another note with the same text; those of another text stay out.
    pub fn join(&mut self, other: &Self) {
        if self.body == other.body {
            other.lines.iter().cloned().for_each(|line| self.add(line));
        }
    }

    /// A later signature of a key takes the place of an earlier one.
    fn add(&mut self, line: Line) {
        let same = |other: &Line| other.name == line.name && other.number == line.number;
        if let Some(there) = self.lines.iter_mut().find(|other| same(other)) {
            *there = line;
        } else if self.lines.len() < SIGNATURES {
            self.lines.push(line);
        }
    }

    /// The signature lines alone, as a witness answers.
    pub(crate) fn signature_lines(&self) -> String {
        let mut lines = String::new();
        for line in &self.lines {
            let mut bytes = line.number.to_vec();
            bytes.extend_from_slice(&line.signature);
            // Writing into a text cannot fail.
            let _ = writeln!(lines, "\u{2014} {} {}", line.name, text::encode(&bytes));
        }
        lines
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.body, self.signature_lines())
    }
}
