//! A look at everything that can be wrong at an operator's desk, with what to do about it.

mod look;

use serde::Serialize;

use self::look::examine;
use crate::cli::Options;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::{Failure, Report};
use crate::output::{Format, Output};
use crate::text::Text;

/// How good or bad a finding is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Health {
    /// As it should be.
    Good,
    /// It works, and somebody should look soon.
    Warning,
    /// It does not work.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
struct Finding {
    /// What was looked at.
    what: &'static str,
    /// How it is.
    health: Health,
    /// What was found.
    found: String,
    /// What to do, unless it is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// The exit code that it alone would be; 0 unless it is bad.
    exit: u8,
}

impl Finding {
    fn good(what: &'static str, found: impl Into<String>) -> Self {
        Self {
            what,
            health: Health::Good,
            found: found.into(),
            hint: None,
            exit: Exit::Done.number(),
        }
    }

    fn warning(what: &'static str, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            health: Health::Warning,
            hint: Some(hint.into()),
            ..Self::good(what, found)
        }
    }

    fn bad(what: &'static str, failure: &Failure) -> Self {
        let report = Report::from(failure);
        let mut found = Text::from(report.error);
        if let Some(code) = report.code {
            found.add(format_args!(" [{code}]"));
        }
        for more in report.found.into_iter().chain(report.caused_by) {
            found.add(format_args!(": {more}"));
        }
        Self {
            what,
            health: Health::Bad,
            found: found.done(),
            hint: report.hint,
            exit: report.exit,
        }
    }
}

/// `wardkey doctor`
pub(super) async fn run(options: &Options, environment: Environment) -> Result<Exit, Failure> {
    let format = if options.json {
        Format::Json
    } else {
        Format::Text
    };
    let findings = examine(options, environment).await;
    Output::new(format).data(&words(&findings), &findings)?;
    let worst = findings
        .iter()
        .find(|finding| finding.health == Health::Bad)
        .map_or(0, |finding| finding.exit);
    Ok(Exit::ALL
        .into_iter()
        .find(|exit| exit.number() == worst)
        .unwrap_or(Exit::Usage))
}

fn words(findings: &[Finding]) -> String {
    let mut text = Text::default();
    for finding in findings {
        let mark = match finding.health {
            Health::Good => "ok  ",
            Health::Warning => "warn",
            Health::Bad => "bad ",
        };
        text.line(format_args!("{mark} {}: {}", finding.what, finding.found));
        if let Some(hint) = &finding.hint {
            text.line(format_args!("     hint: {hint}"));
        }
    }
    text.done()
}

#[cfg(test)]
mod tests {
    use wardkey_token::TokenError;

    use super::*;

    #[test]
    fn what_is_bad_says_why_and_what_to_do() {
        let findings = [
            Finding::good("settings", "they can be used"),
            Finding::warning("security key", "it ends soon", "renew it"),
            Finding::bad("PIN", &TokenError::PinBlocked.into()),
        ];
        let text = words(&findings);
        assert_eq!(
            text,
            "\
ok   settings: they can be used
warn security key: it ends soon
     hint: renew it
bad  PIN: The PIN of this security key is blocked [PIN_BLOCKED]: the PIN is blocked
     hint: Ask your team lead to enrol the security key again, and use the spare key today.
"
        );
    }
}
