//! How long things last and who must agree: each parameter within its limits
//! (`docs/operations/settings.md`).

use serde::Deserialize;
use wardkey_schemas::time::Seconds;

/// The parameters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Policy {
    /// How long a lease runs.
    pub run_for: Seconds,
    /// How often a laptop renews.
    pub renew_every: Seconds,
    /// How much longer a running call may go on when keyd cannot be reached.
    pub grace: Seconds,
    /// The absolute end of a visit without the key.
    pub session_most: Seconds,
    /// What an extension adds.
    pub extend_by: Seconds,
    /// How long a challenge or nonce waits.
    pub nonce_waits: Seconds,
    /// How long a request waits for a second person.
    pub approval_waits: Seconds,
    /// Whether an enrolment must be confirmed by another person than the one who enrolled.
    pub confirm_by_another_person: bool,
    /// How often keyd proves a link alive.
    pub heartbeat_every: Seconds,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            run_for: Seconds::new(300),
            renew_every: Seconds::new(60),
            grace: Seconds::new(600),
            session_most: Seconds::new(5400),
            extend_by: Seconds::new(1800),
            nonce_waits: Seconds::new(120),
            approval_waits: Seconds::new(1800),
            confirm_by_another_person: false,
            heartbeat_every: Seconds::new(15),
        }
    }
}

/// The parameters as they are written; what is missing has its default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPolicy {
    run_for: Option<u32>,
    renew_every: Option<u32>,
    grace: Option<u32>,
    session_most: Option<u32>,
    extend_by: Option<u32>,
    nonce_waits: Option<u32>,
    approval_waits: Option<u32>,
    confirm_by_another_person: Option<bool>,
    heartbeat_every: Option<u32>,
}

impl RawPolicy {
    /// The parameters, and one sentence for each that is outside its limits.
    pub(crate) fn check(&self) -> Result<Policy, Vec<String>> {
        let default = Policy::default();
        let mut wrong = Vec::new();
        let mut seconds = |name, found: Option<u32>, default: Seconds, least, most| {
            let value = found.unwrap_or_else(|| default.number());
            if value < least || value > most {
                wrong.push(format!(
                    "policy.{name} is {value}; it must be {least} to {most} seconds"
                ));
            }
            Seconds::new(value)
        };
        let policy = Policy {
            run_for: seconds("run_for", self.run_for, default.run_for, 60, 900),
            renew_every: seconds(
                "renew_every",
                self.renew_every,
                default.renew_every,
                20,
                300,
            ),
            grace: seconds("grace", self.grace, default.grace, 0, 1800),
            session_most: seconds(
                "session_most",
                self.session_most,
                default.session_most,
                600,
                14_400,
            ),
            extend_by: seconds("extend_by", self.extend_by, default.extend_by, 300, 3600),
            nonce_waits: seconds(
                "nonce_waits",
                self.nonce_waits,
                default.nonce_waits,
                30,
                300,
            ),
            approval_waits: seconds(
                "approval_waits",
                self.approval_waits,
                default.approval_waits,
                60,
                86_400,
            ),
            confirm_by_another_person: self.confirm_by_another_person.unwrap_or(false),
            heartbeat_every: seconds(
                "heartbeat_every",
                self.heartbeat_every,
                default.heartbeat_every,
                1,
                60,
            ),
        };
        if policy.renew_every.number() > policy.run_for.number() / 3 {
            wrong.push(format!(
                "policy.renew_every is {}; it must be at most a third of policy.run_for ({}), so \
                 that two renewals may be lost",
                policy.renew_every.number(),
                policy.run_for.number()
            ));
        }
        if wrong.is_empty() {
            Ok(policy)
        } else {
            Err(wrong)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_the_limits() {
        assert_eq!(RawPolicy::default().check(), Ok(Policy::default()));
    }

    #[test]
    fn every_parameter_outside_its_limits_is_named() {
        let raw = RawPolicy {
            run_for: Some(59),
            grace: Some(1801),
            heartbeat_every: Some(0),
            ..RawPolicy::default()
        };
        let wrong = raw.check().unwrap_err();
        assert_eq!(wrong.len(), 4, "{wrong:?}");
        assert!(wrong.iter().any(|line| line.contains("policy.run_for")));
    }
}
