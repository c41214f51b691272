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
mod record;
mod services;

use std::path::Path;

use wardkey_schemas::{Code, Refusal};
use wardkey_told::Finding;

use self::services::Services;
use crate::config::Config;
use crate::failure::Failure;
use crate::files::StateFolder;
use crate::laptop::Laptop;
use crate::root::Root;
use crate::trust_file::{self, Trusted};

/// Looks at everything that the settings in `config` name.
pub async fn examine(config: &Path) -> Vec<Finding> {
    let config = match Config::load(config) {
        Ok(config) => config,
        Err(error) => return vec![Finding::failed("settings", &Failure::from(error))],
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
            findings.push(Finding::failed("root", &Failure::from(error)));
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
        findings.push(Finding::failed(key::WHAT, &Failure::refused(refusal)));
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use wardkey_told::{Exit, finding};

    use super::*;

    #[tokio::test]
    async fn without_settings_nothing_else_is_looked_at() {
        let place = tempfile::tempdir().unwrap();
        let findings = examine(&place.path().join("agent.toml")).await;
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].what, "settings");
        assert_eq!(finding::exit(&findings), Exit::Usage);
    }
}
