//! A look at everything that can be wrong with this laptop, with what to do about it.
//!
//! It changes nothing, opens no visit, and leaves a running one alone: while the agent runs, the
//! gate is asked through it.
//!
//! # Where to start
//!
//! `examine` lists what is looked at, in the order in which one thing needs the other.

mod calendar;
mod chip;
mod key;
mod local;
mod services;

use std::path::Path;

use serde::Serialize;
use wardkey_schemas::{Code, Refusal};

use self::services::Services;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files::StateFolder;
use crate::laptop::Laptop;
use crate::report::Report;
use crate::root::Root;
use crate::trust_file::{self, Trusted};

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
    what: &'static str,
    health: Health,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// The end that it alone would be; done unless it is bad.
    exit: Exit,
}

impl Finding {
    fn good(what: &'static str, found: impl Into<String>) -> Self {
        Self {
            what,
            health: Health::Good,
            found: found.into(),
            code: None,
            hint: None,
            exit: Exit::Done,
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
        let mut found = vec![report.error];
        found.extend(report.found);
        found.extend(report.caused_by);
        Self {
            what,
            health: Health::Bad,
            found: found.join(": "),
            code: report.code,
            hint: report.hint,
            exit: failure.exit(),
        }
    }
}

/// Looks at everything that the settings in `config` name.
pub async fn examine(config: &Path) -> Vec<Finding> {
    let config = match Config::load(config) {
        Ok(config) => config,
        Err(error) => return vec![Finding::bad("settings", &error.into())],
    };
    let mut findings = vec![Finding::good(
        "settings",
        format!(
            "key service {}, authority {}",
            config.keyd.url, config.ca.url
        ),
    )];
    let root = match Root::load(&config) {
        Ok(root) => {
            findings.push(Finding::good(
                "root",
                format!("hash {}", root.pin().to_hex()),
            ));
            Some(root)
        }
        Err(error) => {
            findings.push(Finding::bad("root", &error.into()));
            None
        }
    };
    let laptop = local::look_at_state(&config, &mut findings);
    chip::look(&config, laptop.as_ref(), &mut findings);
    local::look_at_agent_and_gate(&config, laptop.as_ref(), &mut findings);
    let trusted = match &root {
        Some(root) => Services::new(&config, root).look(&mut findings).await,
        None => None,
    };
    key::look(trusted.as_ref(), laptop.as_ref(), &mut findings);
    findings
}

/// Looks at the security key that is plugged in, and at nothing that needs a network: its certificate
/// is judged by the trust bundle that this laptop took last.
///
/// # Errors
///
/// `TOKEN_MISSING` if no reader holds one.
pub fn examine_key(config: &Config) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    let folder = StateFolder::open(&config.state)?;
    let laptop = Laptop::find(&folder)?;
    let trusted = match trust_file::find(&folder)? {
        None => None,
        Some(kept) => {
            let pin = Root::load(config)?.pin();
            let trusted =
                Trusted::verify(kept.package, kept.service_keys, &pin, Some(&kept.newest));
            Some(trusted.map_err(Failure::not_believed)?)
        }
    };
    if key::look(trusted.as_ref(), laptop.as_ref(), &mut findings) == 0 {
        let wanted = "a security key in a reader";
        let refusal = Refusal::new(Code::TokenMissing, "no security key in any reader", wanted);
        findings.push(Finding::bad(key::WHAT, &Failure::refused(refusal)));
    }
    Ok(findings)
}

/// What the shell is told: the first thing that is bad.
pub fn exit(findings: &[Finding]) -> Exit {
    findings
        .iter()
        .find(|finding| finding.health == Health::Bad)
        .map_or(Exit::Done, |finding| finding.exit)
}

/// The findings for a person, a line each, with what to do about it.
pub fn words(findings: &[Finding]) -> String {
    let mut lines = Vec::new();
    for finding in findings {
        let mark = match finding.health {
            Health::Good => "ok  ",
            Health::Warning => "warn",
            Health::Bad => "bad ",
        };
        let code = finding
            .code
            .as_ref()
            .map_or_else(String::new, |code| format!(" [{code}]"));
        lines.push(format!("{mark} {}: {}{code}", finding.what, finding.found));
        if let Some(hint) = &finding.hint {
            lines.push(format!("     hint: {hint}"));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use wardkey_token::TokenError;

    use super::*;

    #[test]
    fn what_is_bad_says_why_and_what_to_do() {
        let findings = [
            Finding::good("settings", "they can be used"),
            Finding::warning("certificates", "they end soon", "renew them"),
            Finding::bad("PIN", &TokenError::PinBlocked.into()),
        ];
        assert_eq!(
            words(&findings),
            "\
ok   settings: they can be used
warn certificates: they end soon
     hint: renew them
bad  PIN: The PIN of this security key is blocked: the PIN is blocked [PIN_BLOCKED]
     hint: Ask your team lead to enrol the security key again, and use the spare key today.
"
        );
        assert_eq!(exit(&findings), Exit::Refused);
        assert_eq!(exit(&findings[..2]), Exit::Done);
    }

    #[tokio::test]
    async fn without_settings_nothing_else_is_looked_at() {
        let place = tempfile::tempdir().unwrap();
        let findings = examine(&place.path().join("agent.toml")).await;
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].what, "settings");
        assert_eq!(exit(&findings), Exit::Usage);
    }
}
