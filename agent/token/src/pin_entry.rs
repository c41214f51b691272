//! Where a PIN comes from: a window of `pinentry`, or a file descriptor that another program hands
//! over.
//!
//! A PIN is never an argument or an environment variable: other programs can read both. A
//! descriptor gives one PIN, once: a program that asked it again after a wrong PIN would spend a
//! try on the same one.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};

use pinentry::PassphraseInput;
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use crate::limits::{LONGEST_TEXT, PIN_WINDOW};
use crate::pin::Pin;

/// What the person sees who is asked for a PIN.
#[derive(Clone, Copy, Debug)]
pub struct PinRequest<'a> {
    /// The title of the window.
    pub title: &'a str,
    /// Which PIN, and for what.
    pub description: &'a str,
    /// What went wrong before, if this is not the first time.
    pub error: Option<&'a str>,
}

/// Why no PIN came.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PinEntryError {
    /// The person closed the window.
    #[error("the PIN entry was cancelled")]
    Cancelled,
    /// The person did not answer.
    #[error("nobody typed a PIN in time")]
    TimedOut,
    /// There is no such program.
    #[error("`{program}` is not a program that can be run here")]
    NoProgram {
        /// Its name or path.
        program: String,
    },
    /// The program failed.
    #[error("the PIN entry program failed: {0}")]
    Program(String),
    /// The descriptor cannot be read.
    #[error("file descriptor {number} cannot be read")]
    Descriptor {
        /// Its number.
        number: u32,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What the descriptor gave is no PIN, or one that nobody should choose.
    #[error("file descriptor {number} gave no PIN that can be used: {reason}")]
    Unusable {
        /// Its number.
        number: u32,
        /// Why.
        reason: &'static str,
    },
    /// The descriptor has given its one PIN.
    #[error("file descriptor {number} has given its PIN already; it gives one only")]
    Spent {
        /// Its number.
        number: u32,
    },
}

/// Somebody to ask for a PIN.
#[derive(Debug)]
pub struct PinEntry(Source);

#[derive(Debug)]
enum Source {
    Window(OsString),
    /// Taken out when it is read.
    Descriptor(u32, Option<File>),
}

const NOT_A_PIN: &str = "A PIN has six to eight digits.";
const TRIVIAL: &str =
    "This PIN is too easy to guess. Choose other digits: no row, no repetition, no year.";

impl PinEntry {
    /// A window of `program`, a name or a path; usually `pinentry`.
    pub fn window(program: impl Into<OsString>) -> Self {
        Self(Source::Window(program.into()))
    }

    /// The first line that file descriptor `number` of this process gives.
    ///
    /// The descriptor itself stays open; it is opened anew through `/proc/self/fd`, so it may be a
    /// pipe or a file, and no socket.
    ///
    /// # Errors
    ///
    /// [`PinEntryError::Descriptor`].
    pub fn descriptor(number: u32) -> Result<Self, PinEntryError> {
        let file = File::open(format!("/proc/self/fd/{number}"))
            .map_err(|source| PinEntryError::Descriptor { number, source })?;
        Ok(Self(Source::Descriptor(number, Some(file))))
    }

    /// Whether somebody can be asked again after a wrong PIN.
    pub const fn can_ask_again(&self) -> bool {
        matches!(self.0, Source::Window(_))
    }

    /// Asks for the PIN of a token.
    ///
    /// # Errors
    ///
    /// [`PinEntryError`].
    pub fn ask(&mut self, request: &PinRequest<'_>) -> Result<Pin, PinEntryError> {
        self.ask_until(request, None, |_| Ok(()))
    }

    /// Asks for a new PIN; in a window it is typed twice.
    ///
    /// # Errors
    ///
    /// [`PinEntryError`]; [`PinEntryError::Unusable`] if a descriptor gives one that is
    /// [trivial](Pin::is_trivial).
    pub fn ask_new(&mut self, request: &PinRequest<'_>) -> Result<Pin, PinEntryError> {
        let again = Some(("The same PIN again", "The two PINs are different."));
        self.ask_until(request, again, |pin| {
            if pin.is_trivial() {
                Err(TRIVIAL)
            } else {
                Ok(())
            }
        })
    }

    fn ask_until(
        &mut self,
        request: &PinRequest<'_>,
        again: Option<(&'static str, &'static str)>,
        judge: impl Fn(&Pin) -> Result<(), &'static str>,
    ) -> Result<Pin, PinEntryError> {
        let judged = |text| {
            let pin = Pin::new(text).map_err(|_| NOT_A_PIN)?;
            judge(&pin).map(|()| pin)
        };
        match &mut self.0 {
            Source::Descriptor(number, file) => {
                let number = *number;
                let file = file.take().ok_or(PinEntryError::Spent { number })?;
                let text = first_line(file)
                    .map_err(|source| PinEntryError::Descriptor { number, source })?;
                judged(text).map_err(|reason| PinEntryError::Unusable { number, reason })
            }
            Source::Window(program) => {
                let mut error = request.error.map(fit);
                loop {
                    let text = ask_window(program, request, error.as_deref(), again)?;
                    match judged(text) {
                        Ok(pin) => return Ok(pin),
                        Err(reason) => error = Some(reason.to_owned()),
                    }
                }
            }
        }
    }
}

fn ask_window(
    program: &OsStr,
    request: &PinRequest<'_>,
    error: Option<&str>,
    again: Option<(&'static str, &'static str)>,
) -> Result<Zeroizing<String>, PinEntryError> {
    let (title, description) = (fit(request.title), fit(request.description));
    let mut input =
        PassphraseInput::with_binary(program).ok_or_else(|| PinEntryError::NoProgram {
            program: program.to_string_lossy().into_owned(),
        })?;
    input
        .with_title(&title)
        .with_description(&description)
        .with_prompt("PIN")
        .with_timeout(PIN_WINDOW);
    if let Some(error) = error {
        input.with_error(error);
    }
    if let Some((prompt, mismatch)) = again {
        input.with_confirmation(prompt, mismatch);
    }
    let answer = input.interact().map_err(|error| match error {
        pinentry::Error::Cancelled => PinEntryError::Cancelled,
        pinentry::Error::Timeout => PinEntryError::TimedOut,
        other @ (pinentry::Error::Io(_)
        | pinentry::Error::Gpg(_)
        | pinentry::Error::Encoding(_)) => PinEntryError::Program(other.to_string()),
    })?;
    Ok(Zeroizing::new(answer.expose_secret().to_owned()))
}

/// Cuts a text so that it fits one line of the window's protocol, however it is escaped.
fn fit(text: &str) -> String {
    let mut room = LONGEST_TEXT;
    text.chars()
        .take_while(|c| {
            // `%`, line feed and carriage return become three characters.
            let size = c.len_utf8().max(3);
            let fits = size <= room;
            room = room.saturating_sub(size);
            fits
        })
        .collect()
}

/// Reads up to the first line feed, or the end, and no further than a PIN can reach.
fn first_line(mut file: File) -> io::Result<Zeroizing<String>> {
    // Longer than any PIN by one, so that what is too long shows.
    const MOST: usize = 9;
    let mut line = Zeroizing::new(String::with_capacity(MOST));
    let mut octet = Zeroizing::new([0; 1]);
    while line.len() < MOST && file.read(octet.as_mut_slice())? == 1 {
        match octet.first() {
            Some(b'\n') | None => break,
            Some(b'\r') => {}
            Some(octet) => line.push(char::from(*octet)),
        }
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::{Path, PathBuf};

    use super::*;

    const REQUEST: PinRequest<'static> = PinRequest {
        title: "Wardkey",
        description: "The PIN of security key 7",
        error: None,
    };

    /// What a descriptor gives that holds `content`.
    fn from_descriptor(
        content: &[u8],
        ask: impl FnOnce(&mut PinEntry) -> Result<Pin, PinEntryError>,
    ) -> Result<Pin, PinEntryError> {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(content).unwrap();
        drop(writer);
        let number = u32::try_from(reader.as_raw_fd()).unwrap();
        ask(&mut PinEntry::descriptor(number).unwrap())
    }

    #[test]
    fn a_descriptor_gives_its_first_line() {
        for content in ["583619\n904417\n", "583619", "583619\r\n"] {
            let pin = from_descriptor(content.as_bytes(), |entry| entry.ask(&REQUEST)).unwrap();
            let same = Pin::new(Zeroizing::new("583619".to_owned())).unwrap();
            assert_eq!(pin.padded(), same.padded(), "{content:?}");
        }
    }

    #[test]
    fn a_descriptor_gives_one_pin_only() {
        let error = from_descriptor(b"583619\n583619\n", |entry| {
            assert!(!entry.can_ask_again());
            entry.ask(&REQUEST)?;
            entry.ask(&REQUEST)
        });
        assert!(matches!(error, Err(PinEntryError::Spent { .. })));
    }

    #[test]
    fn what_is_no_pin_is_not_taken_from_a_descriptor() {
        for content in ["", "\n", "12345\n", "5836194720\n", "58 361\n", "five\n"] {
            let error = from_descriptor(content.as_bytes(), |entry| entry.ask(&REQUEST));
            assert!(
                matches!(
                    error,
                    Err(PinEntryError::Unusable {
                        reason: NOT_A_PIN,
                        ..
                    })
                ),
                "{content:?}"
            );
        }
        let trivial = |entry: &mut PinEntry| entry.ask_new(&REQUEST);
        let error = from_descriptor(b"123456\n", trivial).unwrap_err();
        assert!(matches!(
            error,
            PinEntryError::Unusable {
                reason: TRIVIAL,
                ..
            }
        ));
        // To be given once more, so that it can be changed.
        from_descriptor(b"123456\n", |entry| entry.ask(&REQUEST)).unwrap();
    }

    #[test]
    fn a_descriptor_that_is_not_open_is_named() {
        let error = PinEntry::descriptor(9999).unwrap_err();
        assert!(matches!(
            error,
            PinEntryError::Descriptor { number: 9999, .. }
        ));
    }

    /// A person at a window: a program that speaks the protocol of `pinentry`, gives the lines of
    /// `answers` one after the other, and keeps what it was told.
    fn person(folder: &Path, answers: &str) -> PathBuf {
        fs::write(folder.join("answers"), answers).unwrap();
        let script = format!(
            "#!/bin/sh\ncd '{}' || exit 1\nprintf 'OK hello\\n'\n\
             while IFS= read -r line; do\n\
             printf '%s\\n' \"$line\" >> told\n\
             case $line in\n\
             GETPIN*)\n\
             answer=$(head -n 1 answers); sed -i 1d answers\n\
             if [ -z \"$answer\" ]; then printf 'ERR 83886179 Operation cancelled\\n'\n\
             else printf 'D %s\\nOK\\n' \"$answer\"; fi ;;\n\
             BYE*) printf 'OK\\n'; exit 0 ;;\n\
             *) printf 'OK\\n' ;;\n\
             esac\ndone\n",
            folder.display()
        );
        let program = folder.join("person");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        program
    }

    #[test]
    fn a_window_is_shown_again_until_a_pin_is_typed() {
        let folder = tempfile::tempdir().unwrap();
        let program = person(folder.path(), "12\n123456\n583619\n");
        let mut entry = PinEntry::window(&program);
        assert!(entry.can_ask_again());
        let pin = entry.ask_new(&REQUEST).unwrap();
        assert_eq!(*pin.padded(), *b"583619\xff\xff");
        let told = fs::read_to_string(folder.path().join("told")).unwrap();
        assert_eq!(told.matches("GETPIN").count(), 3, "{told}");
        assert!(told.contains("SETDESC The PIN of security key 7"), "{told}");
        assert!(told.contains(&format!("SETERROR {NOT_A_PIN}")), "{told}");
        assert!(told.contains(&format!("SETERROR {TRIVIAL}")), "{told}");
        assert!(told.contains("SETREPEAT"), "{told}");
    }

    #[test]
    fn a_closed_window_is_no_pin() {
        let folder = tempfile::tempdir().unwrap();
        let program = person(folder.path(), "");
        let error = PinEntry::window(&program).ask(&REQUEST).unwrap_err();
        assert!(matches!(error, PinEntryError::Cancelled), "{error}");
        let error = PinEntry::window("wardkey-no-such-program")
            .ask(&REQUEST)
            .unwrap_err();
        assert!(matches!(error, PinEntryError::NoProgram { .. }), "{error}");
    }

    #[test]
    fn a_text_of_any_length_fits_the_protocol() {
        let folder = tempfile::tempdir().unwrap();
        let program = person(folder.path(), "583619\n");
        let long = "%\n".repeat(2000);
        let request = PinRequest {
            title: &long,
            description: &long,
            error: Some(&long),
        };
        PinEntry::window(&program).ask(&request).unwrap();
    }
}
