//! Standard output is for data, standard error for talk.

use std::io::{self, Write};

use serde::Serialize;

use crate::failure::Failure;

/// Where the program speaks, and how.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
}

impl Output {
    /// One that writes data as JSON, or as text for people.
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Writes what was asked for: the text, or the JSON document.
    ///
    /// # Errors
    ///
    /// [`Failure::Output`]; a reader that has seen enough (`| head`) is none.
    pub fn data(self, text: &str, json: &impl Serialize) -> Result<(), Failure> {
        self.more(text, json).map(drop)
    }

    /// The same for data of which more may follow, a line of JSON each; whether anybody still reads.
    ///
    /// # Errors
    ///
    /// [`Failure::Output`].
    pub fn more(self, text: &str, json: &impl Serialize) -> Result<bool, Failure> {
        let mut out = io::stdout().lock();
        if !self.json {
            return write_to(&mut out, text);
        }
        let mut line =
            serde_json::to_string(json).map_err(|error| Failure::Output(error.into()))?;
        line.push('\n');
        write_to(&mut out, &line)
    }

    /// Says a line to the person at the terminal.
    pub fn talk(self, line: &str) {
        // Standard error that is closed has nobody to tell.
        drop(writeln!(io::stderr(), "{line}"));
    }
}

fn write_to(to: &mut impl Write, text: &str) -> Result<bool, Failure> {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::Output(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_seen_enough_is_no_failure() {
        struct Closed(io::ErrorKind);
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert!(!write_to(&mut Closed(io::ErrorKind::BrokenPipe), "text").unwrap());
        assert!(write_to(&mut Closed(io::ErrorKind::StorageFull), "text").is_err());
    }
}
