//! A site's policy: how long things last there, and who must agree.
//!
//! The words and the limits; whether a policy may be put in force is decided by keyd. Every
//! parameter is a length, a choice or a yes, and for every one of them *less is stricter* (a *yes*
//! is stricter than a *no*), so that two policies can be compared and joined.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Seconds;

/// Counts the policies of a site; the first is 1. A lower one than the one in force is refused.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    Deserialize,
    Eq,
    Hash,
    JsonSchema,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
)]
#[serde(transparent)]
pub struct PolicyVersion(u32);

impl PolicyVersion {
    /// Before the first: the installation's own policy is in force.
    pub const NONE: Self = Self(0);

    /// Wraps a number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The next version, saturating.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl std::fmt::Display for PolicyVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Where the security key is during a visit; the stricter first.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    Deserialize,
    Eq,
    Hash,
    JsonSchema,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// It stays in the laptop: a visit whose key is out for half a minute ends. For staff who stay
    /// with the laptop.
    Present,
    /// Staff take it out and carry it with them, and the laptop goes to the patient.
    #[default]
    Carry,
}

impl Presence {
    /// The word on the wire and in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Carry => "carry",
        }
    }
}

/// What a length may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Its name in messages and settings.
    pub name: &'static str,
    /// What it is if nobody says.
    pub default: Seconds,
    /// The least.
    pub least: Seconds,
    /// The most.
    pub most: Seconds,
}

macro_rules! lengths {
    ($($(#[doc = $what:literal])* $name:ident: $default:literal, $least:literal to $most:literal;)*) => {
        /// The parameters of a site.
        #[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
        #[serde(deny_unknown_fields)]
        pub struct Policy {
            $($(#[doc = $what])* pub $name: Seconds,)*
            /// Where the security key is during a visit.
            pub presence: Presence,
            /// Whether an enrolment must be confirmed by another person than the one who enrolled.
            pub confirm_by_another_person: bool,
        }

        /// Parameters of which some are given and the others are not.
        #[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
        #[serde(deny_unknown_fields)]
        pub struct PartialPolicy {
            $($(#[doc = $what])* pub $name: Option<Seconds>,)*
            /// Where the security key is during a visit.
            pub presence: Option<Presence>,
            /// Whether an enrolment must be confirmed by another person than the one who enrolled.
            pub confirm_by_another_person: Option<bool>,
        }

        impl Policy {
            /// What every length may be.
            pub const LIMITS: &[Limits] = &[$(Limits {
                name: stringify!($name),
                default: Seconds::new($default),
                least: Seconds::new($least),
                most: Seconds::new($most),
            },)*];

            /// Every length by its name, in the order of [`Self::LIMITS`].
            pub fn lengths(&self) -> impl Iterator<Item = (&'static str, Seconds)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }

            /// Two policies joined length by length.
            #[must_use]
            pub fn join_lengths(
                &self,
                other: &Self,
                join: impl Fn(Seconds, Seconds) -> Seconds,
            ) -> Self {
                Self {
                    $($name: join(self.$name, other.$name),)*
                    ..*self
                }
            }
        }

        impl Default for Policy {
            fn default() -> Self {
                Self {
                    $($name: Seconds::new($default),)*
                    presence: Presence::default(),
                    confirm_by_another_person: false,
                }
            }
        }

        impl PartialPolicy {
            /// All parameters; what is not given is taken from `others`.
            pub fn or(&self, others: &Policy) -> Policy {
                Policy {
                    $($name: self.$name.unwrap_or(others.$name),)*
                    presence: self.presence.unwrap_or(others.presence),
                    confirm_by_another_person: self
                        .confirm_by_another_person
                        .unwrap_or(others.confirm_by_another_person),
                }
            }
        }
    };
}

lengths! {
    /// How long a lease runs.
    run_for: 300, 60 to 900;
    /// How often a laptop renews; at most a third of `run_for`, so that two renewals may be lost.
    renew_every: 60, 20 to 300;
    /// How old the last quote of a running visit may become.
    requote_every: 600, 120 to 1800;
    /// How much longer a running call may go on when keyd cannot be reached. 0 is the strict
    /// posture.
    grace: 600, 0 to 1800;
    /// The absolute end of a visit without the key.
    session_most: 5400, 600 to 14_400;
    /// What an extension adds.
    extend_by: 1800, 300 to 3600;
    /// How long a challenge or nonce waits.
    nonce_waits: 120, 30 to 300;
    /// How long a request waits for a second person.
    approval_waits: 1800, 60 to 86_400;
    /// How often keyd proves a link alive.
    heartbeat_every: 15, 1 to 60;
    /// How often a laptop without a link asks.
    poll_every: 20, 10 to 120;
}

impl Policy {
    /// Everything that is outside its limits, a sentence each.
    pub fn outside_limits(&self) -> Vec<String> {
        let mut wrong: Vec<String> = Self::LIMITS
            .iter()
            .zip(self.lengths())
            .filter(|(limits, (_, value))| *value < limits.least || *value > limits.most)
            .map(|(limits, (name, value))| {
                format!(
                    "policy.{name} is {}; it must be {} to {} seconds",
                    value.number(),
                    limits.least.number(),
                    limits.most.number()
                )
            })
            .collect();
        if self.renew_every > self.renew_at_most() {
            wrong.push(format!(
                "policy.renew_every is {}; it must be at most a third of policy.run_for ({}), so \
                 that two renewals may be lost",
                self.renew_every.number(),
                self.run_for.number()
            ));
        }
        wrong
    }

    /// How seldom a laptop may renew with leases of this length.
    pub fn renew_at_most(&self) -> Seconds {
        Seconds::new(self.run_for.number().checked_div(3).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_the_limits() {
        assert_eq!(Policy::default().outside_limits(), Vec::<String>::new());
        for (limits, (name, value)) in Policy::LIMITS.iter().zip(Policy::default().lengths()) {
            assert_eq!((limits.name, limits.default), (name, value));
        }
    }

    #[test]
    fn every_parameter_outside_its_limits_is_named() {
        let policy = Policy {
            run_for: Seconds::new(59),
            grace: Seconds::new(1801),
            heartbeat_every: Seconds::ZERO,
            ..Policy::default()
        };
        let wrong = policy.outside_limits();
        for name in [
            "run_for is 59",
            "grace is 1801",
            "heartbeat_every is 0",
            "a third",
        ] {
            assert!(
                wrong.iter().any(|line| line.contains(name)),
                "{name}: {wrong:?}"
            );
        }
        assert_eq!(wrong.len(), 4, "{wrong:?}");
    }

    #[test]
    fn what_is_not_given_is_taken_from_the_others() {
        let given = PartialPolicy {
            grace: Some(Seconds::ZERO),
            ..PartialPolicy::default()
        };
        let expected = Policy {
            grace: Seconds::ZERO,
            ..Policy::default()
        };
        assert_eq!(given.or(&Policy::default()), expected);
    }
}
