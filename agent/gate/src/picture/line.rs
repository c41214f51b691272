//! What gate and guardian say to each other: one JSON text a line, over two pipes.

use std::io::{self, BufRead, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Confinement, Program};
use crate::boottime::Boottime;
use crate::limits;

/// The gate's first line. Nothing of it stands on a command line.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    /// What to run.
    pub(super) program: Program,
    /// What to run it in.
    pub(super) confinement: Confinement,
    /// When to end it unless told otherwise.
    pub(super) until: Boottime,
}

/// The gate's further lines. There is none for the end: the end is the end of the pipe.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prolong {
    /// When to end it now.
    pub(super) until: Boottime,
}

/// What the guardian says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) enum Word {
    /// It runs.
    Started,
    /// It did not start.
    NotStarted {
        /// Why.
        why: String,
    },
    /// It has ended, without the gate having asked, and nothing of it is left.
    Ended {
        /// How.
        how: String,
    },
}

/// Writes one line.
pub(super) fn write<T: Serialize>(mut to: impl Write, value: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    to.write_all(&line)
}

/// Reads one line; `None` at the end of the pipe. A line without its end is no line: whoever wrote
/// it died over it.
pub(super) fn read<T: DeserializeOwned>(from: impl BufRead) -> io::Result<Option<T>> {
    let most = u64::try_from(limits::GUARD_LINE_BYTES).unwrap_or(u64::MAX);
    let mut line = Vec::new();
    from.take(most).read_until(b'\n', &mut line)?;
    match line.split_last() {
        Some((b'\n', text)) => Ok(Some(serde_json::from_slice(text)?)),
        Some(_) if line.len() >= limits::GUARD_LINE_BYTES => {
            Err(io::ErrorKind::FileTooLarge.into())
        }
        Some(_) | None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back_and_half_a_line_is_the_end() {
        let mut bytes = Vec::new();
        write(&mut bytes, &Word::Started).unwrap();
        let mut from = &bytes[..];
        assert_eq!(read::<Word>(&mut from).unwrap(), Some(Word::Started));
        assert_eq!(read::<Word>(&mut from).unwrap(), None);
        assert_eq!(read::<Word>(&bytes[..bytes.len() - 1]).unwrap(), None);
    }

    #[test]
    fn a_line_that_is_too_long_or_something_else_is_an_error() {
        let long = vec![b' '; limits::GUARD_LINE_BYTES + 1];
        assert!(read::<Word>(&long[..]).is_err());
        assert!(read::<Word>(&b"{}\n"[..]).is_err());
        assert!(read::<Word>(&b"\"started\" 1\n"[..]).is_err());
    }
}
