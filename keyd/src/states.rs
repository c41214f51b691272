//! The drawn arrows: along which laptops and keys move (`docs/states.md`).
//!
//! ```text
//!      ┌──────────┬────────┬──→ quarantine ──→ announced (a new enrolment)
//! announced → pending → active      │
//!      └──────────┴────────┴────────┴────────→ revoked
//! ```
//!
//! Nothing leads away from *revoked*. What was never confirmed may be enrolled anew as well. Holds
//! come on top and are not states. The database holds the same arrows as rows and refuses every
//! other change (`keyd/migrations/0015_arrows.sql`).

use wardkey_schemas::status::ObjectState;
use wardkey_schemas::{Code, Refusal};

/// One arrow; the only way to name a change of state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Step {
    from: ObjectState,
    to: ObjectState,
}

impl Step {
    /// The arrow between two states.
    ///
    /// # Errors
    ///
    /// [`Code::StateTransition`] if none is drawn.
    pub fn new(from: ObjectState, to: ObjectState) -> Result<Self, Refusal> {
        use ObjectState::{Active, Announced, Pending, Quarantine, Revoked};
        match (from, to) {
            (Announced, Pending)
            | (Pending, Active)
            | (Announced | Pending | Active, Quarantine)
            | (Announced | Pending | Quarantine, Announced)
            | (Announced | Pending | Active | Quarantine, Revoked) => Ok(Self { from, to }),
            (Announced, Active)
            | (Pending, Pending)
            | (Active, Announced | Pending | Active)
            | (Quarantine, Pending | Active | Quarantine)
            | (Revoked, Announced | Pending | Active | Quarantine | Revoked) => Err(Refusal::new(
                Code::StateTransition,
                from,
                format!("a state that leads to {to}"),
            )),
        }
    }

    /// Where it begins.
    pub const fn from(self) -> ObjectState {
        self.from
    }

    /// Where it leads.
    pub const fn to(self) -> ObjectState {
        self.to
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_arrow_leads_away_from_revoked() {
        for to in ObjectState::ALL {
            let refusal = Step::new(ObjectState::Revoked, to).unwrap_err();
            assert_eq!(refusal.code(), Code::StateTransition);
        }
    }

    proptest! {
        #[test]
        fn no_path_leads_from_revoked_back(
            wanted in proptest::collection::vec(proptest::sample::select(&ObjectState::ALL[..]), 1..64),
        ) {
            let mut state = ObjectState::Announced;
            let mut was_revoked = false;
            for to in wanted {
                if let Ok(step) = Step::new(state, to) {
                    state = step.to();
                }
                was_revoked |= state == ObjectState::Revoked;
                prop_assert_eq!(was_revoked, state == ObjectState::Revoked);
            }
        }

        #[test]
        fn nothing_is_active_without_having_been_pending_since_its_enrolment(
            wanted in proptest::collection::vec(proptest::sample::select(&ObjectState::ALL[..]), 1..64),
        ) {
            let mut state = ObjectState::Announced;
            let mut before = state;
            for to in wanted {
                if let Ok(step) = Step::new(state, to) {
                    before = state;
                    state = step.to();
                }
                prop_assert!(state != ObjectState::Active || before == ObjectState::Pending);
            }
        }
    }

    #[test]
    fn every_state_but_revoked_leads_to_revoked() {
        for from in ObjectState::ALL
            .into_iter()
            .filter(|from| *from != ObjectState::Revoked)
        {
            assert!(Step::new(from, ObjectState::Revoked).is_ok(), "{from}");
        }
    }

    #[test]
    fn a_laptop_back_from_a_loss_is_enrolled_again_before_it_is_used() {
        let (active, quarantine) = (ObjectState::Active, ObjectState::Quarantine);
        for before in [ObjectState::Announced, ObjectState::Pending, active] {
            assert!(Step::new(before, quarantine).is_ok(), "{before}");
        }
        assert!(Step::new(quarantine, active).is_err());
        assert!(Step::new(quarantine, ObjectState::Announced).is_ok());
    }
}
