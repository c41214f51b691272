//! The drawn arrows: along which laptops and keys move (`docs/states.md`).
//!
//! ```text
//! announced → pending → active → quarantine → (announced again, by a new enrolment)
//!      └──────────┴────────┴──────────┴──────→ revoked
//! ```
//!
//! Nothing leads away from *revoked*. Holds come on top and are not states.

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
            | (Active, Quarantine)
            | (Quarantine, Announced)
            | (Announced | Pending | Active | Quarantine, Revoked) => Ok(Self { from, to }),
            (Announced, Announced | Active | Quarantine)
            | (Pending, Announced | Pending | Quarantine)
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
    use super::*;

    #[test]
    fn no_arrow_leads_away_from_revoked() {
        for to in ObjectState::ALL {
            let refusal = Step::new(ObjectState::Revoked, to).unwrap_err();
            assert_eq!(refusal.code(), Code::StateTransition);
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
        assert!(Step::new(active, quarantine).is_ok());
        assert!(Step::new(quarantine, active).is_err());
        assert!(Step::new(quarantine, ObjectState::Announced).is_ok());
    }
}
