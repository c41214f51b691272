//! Why xtask stopped, for the person in front of it.

use std::fmt;

/// Why xtask stopped.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Failure {
    /// Somebody pressed Ctrl-C, or the machine is shutting down.
    Interrupted,
    /// Something went wrong.
    Because {
        /// What, in one or more lines.
        what: String,
        /// What to try next, where it is known.
        hint: Option<String>,
    },
}

/// What most of xtask returns.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure without advice.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self::Because {
            what: what.into(),
            hint: None,
        }
    }

    /// A failure of the operating system, with what was being done.
    pub(crate) fn io(doing: impl fmt::Display, error: &std::io::Error) -> Self {
        Self::new(format!("{doing}: {error}"))
    }

    /// The same failure with advice.
    #[must_use]
    pub(crate) fn hint(self, advice: impl Into<String>) -> Self {
        match self {
            Self::Interrupted => self,
            Self::Because { what, hint } => Self::Because {
                what,
                hint: hint.or_else(|| Some(advice.into())),
            },
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => f.write_str("interrupted; everything that was started has ended"),
            Self::Because { what, hint } => {
                write!(f, "error: {what}")?;
                if let Some(hint) = hint {
                    write!(f, "\n\nhint: {hint}")?;
                }
                Ok(())
            }
        }
    }
}
