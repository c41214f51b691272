//! What a person reads, and what a script reads, about a failure: error, found, wanted, hint.

use std::error::Error as _;
use std::fmt;

use serde::Serialize;

use crate::failure::Failure;

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
    /// The exit code.
    pub exit: u8,
}

impl From<&Failure> for Report {
    fn from(failure: &Failure) -> Self {
        let refusal = failure.refusal();
        let mut caused_by = Vec::new();
        // A refusal of hardware or of the root says in `found` what its causes would say again; a
        // service that cannot be reached, in `wanted`, what was called.
        let says_it_itself = matches!(
            failure,
            Failure::Token(_) | Failure::Tpm(_) | Failure::Root(_)
        );
        let mut cause = if let Failure::Unreachable(error) = failure {
            error.source()
        } else {
            failure.source().filter(|_| !says_it_itself)
        };
        while let Some(error) = cause {
            caused_by.push(error.to_string());
            cause = error.source();
        }
        Self {
            error: failure.to_string(),
            code: refusal
                .as_ref()
                .map(|refusal| refusal.code().as_str().to_owned()),
            found: refusal.as_ref().map(|refusal| refusal.found().to_owned()),
            wanted: refusal.as_ref().map(|refusal| refusal.wanted().to_owned()),
            caused_by,
            hint: failure.hint(),
            exit: failure.exit().number(),
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
mod tests {
    use wardkey_schemas::{Code, Refusal};
    use wardkey_token::TokenError;

    use super::*;

    #[test]
    fn a_refusal_becomes_error_found_wanted_and_hint() {
        let failure = Failure::refused(Refusal::new(Code::KeyRole, "role staff", "lead"));
        let next = Code::KeyRole.next_step();
        let heading = Code::KeyRole.heading();
        assert_eq!(
            Report::from(&failure).to_string(),
            format!(
                "error: {heading} [KEY_ROLE]\nfound: role staff\nwanted: lead\n\nhint: {next}\n"
            )
        );
    }

    #[test]
    fn a_script_reads_the_same() {
        let failure = Failure::from(TokenError::TouchTimeout);
        let json = serde_json::to_value(Report::from(&failure)).unwrap();
        assert_eq!(json["code"], "TOUCH_TIMEOUT");
        assert_eq!(json["exit"], 2);
        assert_eq!(json.get("caused_by"), None);
    }
}
