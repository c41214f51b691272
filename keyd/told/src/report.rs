//! What a person reads, and what a script reads, about a failure: error, found, wanted, hint.

use std::error::Error;
use std::fmt;

use serde::Serialize;
use wardkey_schemas::Refusal;

use crate::{Exit, shown};

/// A failure that can be told: what a program's own failure says about itself.
///
/// Its `Display` is one line without a full stop.
pub trait Told: Error {
    /// The refusal behind it, where there is one with a code.
    fn refusal(&self) -> Option<Refusal>;

    /// What the shell is told.
    fn exit(&self) -> Exit;

    /// What to do next, where we know.
    fn hint(&self) -> Option<String>;

    /// The first cause that neither the line nor the refusal has said already.
    fn why(&self) -> Option<&(dyn Error + 'static)> {
        self.source()
    }
}

/// A failure in words.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Report {
    /// What went wrong, one line.
    pub error: String,
    /// The stable code, where it is a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What was wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
    /// Why, where it is a fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub caused_by: Vec<String>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What the shell is told.
    pub exit: Exit,
}

impl<F: Told> From<&F> for Report {
    fn from(failure: &F) -> Self {
        let refusal = failure.refusal();
        let refusal = refusal.as_ref();
        let mut caused_by = Vec::new();
        let mut cause = failure.why();
        while let Some(error) = cause {
            caused_by.push(shown(&error.to_string()));
            cause = error.source();
        }
        Self {
            error: failure.to_string(),
            code: refusal.map(|refusal| refusal.code().as_str().to_owned()),
            found: refusal.map(|refusal| shown(refusal.found())),
            wanted: refusal.map(|refusal| shown(refusal.wanted())),
            caused_by,
            hint: failure.hint(),
            exit: failure.exit(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.error)?;
        if let Some(code) = &self.code {
            write!(f, " [{code}]")?;
        }
        writeln!(f)?;
        if let Some(found) = &self.found {
            writeln!(f, "found: {found}")?;
        }
        if let Some(wanted) = &self.wanted {
            writeln!(f, "wanted: {wanted}")?;
        }
        for cause in &self.caused_by {
            writeln!(f, "caused by: {cause}")?;
        }
        if let Some(hint) = &self.hint {
            writeln!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use wardkey_schemas::Code;

    use super::*;

    /// A refusal, or a fault with a cause.
    #[derive(Debug)]
    pub(crate) enum Sample {
        No(Refusal),
        Fault(fmt::Error),
    }

    impl fmt::Display for Sample {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self {
                Self::No(refusal) => f.write_str(refusal.code().heading()),
                Self::Fault(_) => f.write_str("the output cannot be written"),
            }
        }
    }

    impl Error for Sample {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            match self {
                Self::No(_) => None,
                Self::Fault(error) => Some(error),
            }
        }
    }

    impl Told for Sample {
        fn refusal(&self) -> Option<Refusal> {
            match self {
                Self::No(refusal) => Some(refusal.clone()),
                Self::Fault(_) => None,
            }
        }

        fn exit(&self) -> Exit {
            match self {
                Self::No(refusal) => Exit::of_refusal(refusal.code().kind()),
                Self::Fault(_) => Exit::Usage,
            }
        }

        fn hint(&self) -> Option<String> {
            let refusal = self.refusal()?;
            Some(refusal.code().next_step().to_owned())
        }
    }

    fn no() -> Sample {
        let wanted = "a role that may do this";
        Sample::No(Refusal::new(Code::NotPermitted, "staff: revoke", wanted))
    }

    #[test]
    fn a_refusal_becomes_error_found_wanted_and_hint() {
        assert_eq!(
            Report::from(&no()).to_string(),
            "error: Your role cannot do this [NOT_PERMITTED]\n\
             found: staff: revoke\n\
             wanted: a role that may do this\n\
             \n\
             hint: Ask a person whose role can do this.\n"
        );
    }

    #[test]
    fn a_fault_says_why() {
        let fault = Sample::Fault(fmt::Error);
        assert_eq!(
            Report::from(&fault).to_string(),
            format!(
                "error: the output cannot be written\ncaused by: {}\n",
                fmt::Error
            )
        );
    }

    #[test]
    fn a_script_reads_the_same() {
        let json = serde_json::to_value(Report::from(&no())).unwrap();
        assert_eq!(json["code"], "NOT_PERMITTED");
        assert_eq!(json["exit"], 2);
        assert_eq!(json.get("caused_by"), None);
    }
}
