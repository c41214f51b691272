//! Which policy is in force: the installation's, and a site's own, which may only be stricter
//! (`docs/operations/settings.md`).
//!
//! For every parameter less is stricter, a *yes* is stricter than a *no*, and a security key that
//! stays in is stricter than one that is carried. What is in force at a
//! site is the stricter of both, parameter by parameter, so that an installation that becomes
//! stricter never waits for its sites.

use wardkey_schemas::policy::PartialPolicy;
pub use wardkey_schemas::policy::Policy;

/// The installation's policy as it is written in the settings; what is missing has its default.
///
/// # Errors
///
/// One sentence for each parameter that is outside its limits.
pub(crate) fn of_settings(written: &PartialPolicy) -> Result<Policy, Vec<String>> {
    let policy = written.or(&Policy::default());
    let wrong = policy.outside_limits();
    if wrong.is_empty() {
        Ok(policy)
    } else {
        Err(wrong)
    }
}

/// The stricter of two policies, parameter by parameter.
#[must_use]
pub fn strictest(one: &Policy, other: &Policy) -> Policy {
    let mut joined = one.join_lengths(other, Ord::min);
    joined.presence = one.presence.min(other.presence);
    joined.confirm_by_another_person |= other.confirm_by_another_person;
    joined.renew_every = joined.renew_every.min(joined.renew_at_most());
    joined
}

/// The parameters in which `policy` is looser than `floor`.
pub fn looser_than(policy: &Policy, floor: &Policy) -> Vec<&'static str> {
    let mut looser: Vec<&'static str> = policy
        .lengths()
        .zip(floor.lengths())
        .filter(|((_, value), (_, most))| value > most)
        .map(|((name, _), _)| name)
        .collect();
    if policy.presence > floor.presence {
        looser.push("presence");
    }
    if floor.confirm_by_another_person && !policy.confirm_by_another_person {
        looser.push("confirm_by_another_person");
    }
    looser
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wardkey_schemas::policy::Presence;
    use wardkey_schemas::time::Seconds;

    use super::*;

    fn any_policy() -> impl Strategy<Value = Policy> {
        let lengths = Policy::LIMITS
            .iter()
            .map(|limits| limits.least.number()..=limits.most.number())
            .collect::<Vec<_>>();
        (lengths, any::<(bool, bool)>()).prop_map(|(lengths, (present, another))| {
            let mut policy = Policy {
                presence: if present {
                    Presence::Present
                } else {
                    Presence::Carry
                },
                confirm_by_another_person: another,
                ..Policy::default()
            };
            let mut lengths = lengths.into_iter().map(Seconds::new);
            let next = std::cell::RefCell::new(&mut lengths);
            policy = policy.join_lengths(&policy, |value, _| {
                next.borrow_mut().next().unwrap_or(value)
            });
            policy.renew_every = policy.renew_every.min(policy.renew_at_most());
            policy
        })
    }

    proptest! {
        #[test]
        fn the_strictest_of_two_is_looser_than_neither(one in any_policy(), other in any_policy()) {
            let joined = strictest(&one, &other);
            prop_assert_eq!(looser_than(&joined, &one), Vec::<&str>::new());
            prop_assert_eq!(looser_than(&joined, &other), Vec::<&str>::new());
            prop_assert_eq!(joined.outside_limits(), Vec::<String>::new());
            prop_assert_eq!(joined, strictest(&other, &one));
            prop_assert_eq!(joined, strictest(&joined, &one));
        }
    }

    #[test]
    fn a_looser_parameter_is_named() {
        let floor = Policy {
            presence: Presence::Present,
            confirm_by_another_person: true,
            ..Policy::default()
        };
        let looser = Policy {
            grace: Seconds::new(601),
            ..Policy::default()
        };
        assert_eq!(
            looser_than(&looser, &floor),
            ["grace", "presence", "confirm_by_another_person"]
        );
        assert_eq!(looser_than(&floor, &Policy::default()), Vec::<&str>::new());
    }
}
