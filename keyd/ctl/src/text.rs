//! Text that grows line by line.

use std::fmt::{self, Display, Write as _};

/// A text that is written piece by piece.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text(String);

impl Text {
    /// Adds a piece.
    pub(crate) fn add(&mut self, piece: impl Display) {
        // Writing to a string does not fail.
        let _: fmt::Result = write!(self.0, "{piece}");
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, line: impl Display) {
        self.add(line);
        self.0.push('\n');
    }

    /// The whole of it.
    pub(crate) fn done(self) -> String {
        self.0
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text)
    }
}
