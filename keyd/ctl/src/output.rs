//! Standard output is for data, standard error for talk.

use std::io::{self, BufRead, IsTerminal as _, Write};

use serde::Serialize;

use crate::failure::Failure;

/// How the program speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// Text for people.
    Text,
    /// One JSON document.
    Json,
}

/// Where the program speaks.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    format: Format,
}

impl Output {
    /// An output in this format.
    pub const fn new(format: Format) -> Self {
        Self { format }
    }

    /// The format of its data.
    pub const fn format(self) -> Format {
        self.format
    }

    /// Writes what was asked for: the text, or the JSON document.
    ///
    /// # Errors
    ///
    /// [`Failure::Output`]; a reader that has seen enough (`| head`) is none.
    pub fn data(self, text: &str, json: &impl Serialize) -> Result<(), Failure> {
        match self.format {
            Format::Text => write_to(io::stdout().lock(), text),
            Format::Json => {
                let mut document = serde_json::to_string_pretty(json)
                    .map_err(|error| Failure::Output(error.into()))?;
                document.push('\n');
                write_to(io::stdout().lock(), &document)
            }
        }
    }

    /// Whether a person looks at a terminal that can draw a line again.
    pub fn is_terminal(self) -> bool {
        self.format == Format::Text && io::stdout().is_terminal()
    }

    /// Writes a line for something that has changed: text, or one JSON document on one line.
    ///
    /// # Errors
    ///
    /// As [`Self::data`].
    pub fn change(self, text: &str, json: &impl Serialize) -> Result<(), Failure> {
        match self.format {
            Format::Text => write_to(io::stdout().lock(), &format!("{text}\n")),
            Format::Json => {
                let line =
                    serde_json::to_string(json).map_err(|error| Failure::Output(error.into()))?;
                write_to(io::stdout().lock(), &format!("{line}\n"))
            }
        }
    }

    /// Writes what came of it after the last change: one more JSON document on one line; people have
    /// read it already.
    ///
    /// # Errors
    ///
    /// As [`Self::data`].
    pub fn after_changes(self, json: &impl Serialize) -> Result<(), Failure> {
        match self.format {
            Format::Text => Ok(()),
            Format::Json => self.change("", json),
        }
    }

    /// Writes a piece of text while something goes on; in JSON, the documents come later.
    ///
    /// # Errors
    ///
    /// As [`Self::data`].
    pub fn progress(self, text: &str) -> Result<(), Failure> {
        match self.format {
            Format::Text => write_to(io::stdout().lock(), text),
            Format::Json => Ok(()),
        }
    }

    /// Says a line to the person at the terminal.
    pub fn talk(self, line: &str) {
        // Standard error that is closed has nobody to tell.
        drop(writeln!(io::stderr(), "{line}"));
    }

    /// Asks the person at the terminal whether what `lines` say is meant.
    ///
    /// # Errors
    ///
    /// [`Failure::Declined`] for anything but a yes; [`Failure::NobodyToAsk`] without a terminal.
    pub fn ask(self, lines: &str) -> Result<(), Failure> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            self.talk(lines);
            return Err(Failure::NobodyToAsk);
        }
        ask(lines, &mut io::stdin().lock(), &mut io::stderr())
    }
}

fn write_to(mut to: impl Write, text: &str) -> Result<(), Failure> {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn ask(lines: &str, from: &mut impl BufRead, to: &mut impl Write) -> Result<(), Failure> {
    write!(to, "{lines}\nGo on? [y/N] ")
        .and_then(|()| to.flush())
        .map_err(Failure::Output)?;
    let mut answer = String::new();
    from.read_line(&mut answer).map_err(Failure::Output)?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::Declined),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(answer: &str) -> (Result<(), Failure>, String) {
        let mut said = Vec::new();
        let result = ask("HMP-X-03 will stop", &mut answer.as_bytes(), &mut said);
        (result, String::from_utf8(said).unwrap())
    }

    #[test]
    fn only_a_yes_is_a_yes() {
        for yes in ["y\n", "Y\n", "yes\n", " Yes \n"] {
            assert!(answered(yes).0.is_ok(), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "no\n", "yep\n", "ja\n"] {
            assert!(matches!(answered(no).0, Err(Failure::Declined)), "{no:?}");
        }
    }

    #[test]
    fn a_question_says_what_will_happen() {
        let (_, said) = answered("n\n");
        assert_eq!(said, "HMP-X-03 will stop\nGo on? [y/N] ");
    }

    #[test]
    fn a_reader_that_has_seen_enough_is_no_failure() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert!(write_to(Closed, "text").is_ok());
    }
}
