//! Hears what a child prints, without keeping it from anybody.

use std::io::{self, PipeReader, Read as _, Write as _};

/// Passes on what a child prints and shows it line by line to somebody.
pub(crate) struct Watch<'a> {
    reader: PipeReader,
    line: &'a mut dyn FnMut(&str),
    partial: Vec<u8>,
    open: bool,
}

impl<'a> Watch<'a> {
    /// Watches this pipe, which must not block.
    pub(crate) fn new(reader: PipeReader, line: &'a mut dyn FnMut(&str)) -> Self {
        Self {
            reader,
            line,
            partial: Vec::new(),
            open: true,
        }
    }

    /// The pipe.
    pub(crate) const fn reader(&self) -> &PipeReader {
        &self.reader
    }

    /// Whether anybody may still write.
    pub(crate) const fn is_open(&self) -> bool {
        self.open
    }

    /// Passes on what is there now.
    pub(crate) fn pump(&mut self) -> io::Result<()> {
        let mut bytes = [0; 16 * 1024];
        let mut screen = io::stdout().lock();
        loop {
            let read = match self.reader.read(&mut bytes) {
                Ok(0) => {
                    self.open = false;
                    break;
                }
                Ok(read) => bytes.get(..read).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            screen.write_all(read)?;
            self.partial.extend_from_slice(read);
            while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
                let rest = self.partial.split_off(end.saturating_add(1));
                let line = std::mem::replace(&mut self.partial, rest);
                (self.line)(String::from_utf8_lossy(&line).trim_end());
            }
        }
        screen.flush()
    }

    /// Shows a last line that had no end.
    pub(crate) fn last_line(&mut self) {
        if !self.partial.is_empty() {
            let line = std::mem::take(&mut self.partial);
            (self.line)(String::from_utf8_lossy(&line).trim_end());
        }
    }
}
