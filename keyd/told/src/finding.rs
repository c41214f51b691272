//! What a `doctor` found: one line a thing that was looked at, with what to do about it.

use std::fmt;

use serde::Serialize;

use crate::{Exit, Report, Told};

/// How good or bad a finding is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// As it should be.
    Good,
    /// It works, and somebody should look soon.
    Warning,
    /// It does not work.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub what: &'static str,
    /// How it is.
    pub health: Health,
    /// What was found.
    pub found: String,
    /// The stable code, where a refusal is what is bad.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What to do, unless it is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The end of a command that meets it; done unless it is bad.
    pub exit: Exit,
}

impl Finding {
    /// It is as it should be.
    pub fn good(what: &'static str, found: impl Into<String>) -> Self {
        Self {
            what,
            health: Health::Good,
            found: found.into(),
            code: None,
            hint: None,
            exit: Exit::Done,
        }
    }

    /// It works, and somebody should look soon.
    pub fn warning(what: &'static str, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            health: Health::Warning,
            hint: Some(hint.into()),
            ..Self::good(what, found)
        }
    }

    /// It does not work.
    pub fn bad(what: &'static str, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            health: Health::Bad,
            exit: Exit::Usage,
            ..Self::warning(what, found, hint)
        }
    }

    /// It does not work, as a command that failed would tell it.
    pub fn failed(what: &'static str, failure: &impl Told) -> Self {
        let report = Report::from(failure);
        let mut found = vec![report.error];
        found.extend(report.found);
        found.extend(report.caused_by);
        Self {
            what,
            health: Health::Bad,
            found: found.join(": "),
            code: report.code,
            hint: report.hint,
            exit: report.exit,
        }
    }
}

/// What the shell is told: the end of the first thing that is bad.
pub fn exit(findings: &[Finding]) -> Exit {
    findings
        .iter()
        .find(|finding| finding.health == Health::Bad)
        .map_or(Exit::Done, |finding| finding.exit)
}

/// The findings for a person, a line each, with what to do about it.
pub fn words(findings: &[Finding]) -> String {
    findings.iter().map(Finding::to_string).collect()
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.health {
            Health::Good => "ok  ",
            Health::Warning => "warn",
            Health::Bad => "bad ",
        };
        write!(f, "{mark} {}: {}", self.what, self.found)?;
        if let Some(code) = &self.code {
            write!(f, " [{code}]")?;
        }
        writeln!(f)?;
        if let Some(hint) = &self.hint {
            writeln!(f, "     hint: {hint}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use wardkey_schemas::{Code, Refusal};

    use super::*;
    use crate::report::tests::Sample;

    #[test]
    fn what_is_bad_says_why_and_what_to_do() {
        let blocked = Refusal::new(Code::PinBlocked, "the PIN is blocked", "a PIN that is not");
        let findings = [
            Finding::good("settings", "they can be used"),
            Finding::warning("certificates", "they end soon", "renew them"),
            Finding::failed("PIN", &Sample::No(blocked)),
            Finding::bad("database", "it does not answer", "see that it runs"),
        ];
        assert_eq!(
            words(&findings),
            "\
ok   settings: they can be used
warn certificates: they end soon
     hint: renew them
bad  PIN: The PIN of this security key is blocked: the PIN is blocked [PIN_BLOCKED]
     hint: Ask your team lead to enrol the security key again, and use the spare key today.
bad  database: it does not answer
     hint: see that it runs
"
        );
        assert_eq!(exit(&findings), Exit::Refused);
        assert_eq!(exit(&findings[..2]), Exit::Done);
    }
}
