//! What a person reads, and what a script reads, about a failure: error, found, wanted, hint.

use std::error::Error;
use std::fmt;

use serde::Serialize;

use super::Failure;
use crate::table::shown;

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
        // A refusal says in `found` what its cause would say again.
        let mut cause = failure.source();
        if matches!(failure, Failure::Token(_)) {
            cause = None;
        }
        if matches!(failure, Failure::Unreachable(_)) {
            cause = cause.and_then(Error::source);
        }
        while let Some(error) = cause {
            caused_by.push(error.to_string());
            cause = error.source();
        }
        Self {
            error: failure.to_string(),
            code: refusal
                .as_ref()
                .map(|refusal| refusal.code().as_str().to_owned()),
            found: refusal.as_ref().map(|refusal| shown(refusal.found())),
            wanted: refusal.as_ref().map(|refusal| shown(refusal.wanted())),
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
            writeln!(f, "caused by: {}", shown(cause))?;
        }
        if let Some(hint) = &self.hint {
            writeln!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use wardkey_edge::client::CallError;
    use wardkey_schemas::problem::Problem;
    use wardkey_schemas::{Code, Refusal};
    use wardkey_token::TokenError;

    use super::*;

    #[test]
    fn a_problem_document_becomes_error_found_wanted_and_hint() {
        let refusal = Refusal::new(
            Code::NotPermitted,
            "staff: revoke",
            "a role that may do this",
        );
        let problem = Problem::new(&refusal, 403);
        let failure = Failure::from(CallError::Refused(Box::new(problem)));
        assert_eq!(
            Report::from(&failure).to_string(),
            "error: Your role cannot do this [NOT_PERMITTED]\n\
             found: staff: revoke\n\
             wanted: a role that may do this\n\
             \n\
             hint: Ask a person whose role can do this.\n"
        );
        assert_eq!(Report::from(&failure).exit, 2);
    }

    #[test]
    fn a_wrong_pin_says_how_many_tries_are_left() {
        let failure = Failure::from(TokenError::WrongPin { tries_left: 2 });
        assert_eq!(
            Report::from(&failure).to_string(),
            "error: That is not the PIN of this security key [PIN_WRONG]\n\
             found: wrong PIN, 2 tries left\n\
             wanted: the PIN of the security key that is plugged in\n\
             \n\
             hint: 2 tries left before the PIN is blocked\n"
        );
    }

    #[test]
    fn what_we_do_not_believe_ends_with_4_whatever_its_kind() {
        for code in [Code::RootMismatch, Code::BundleRollback, Code::SiteUnknown] {
            let failure = Failure::not_believed(Refusal::new(code, "a", "b"));
            assert_eq!(Report::from(&failure).exit, 4, "{code}");
        }
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
