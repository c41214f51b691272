//! Who may lift which hold: one rule, for keyd's decision and for the gate's (`docs/states.md`).
//! Killing is easy, enabling is hard.

use wardkey_schemas::ids::PersonId;
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::order::{Hold, HoldClass};
use wardkey_schemas::role::Role;
use wardkey_schemas::{Code, Refusal};

use crate::person::VerifiedPerson;

/// How far one person's consent goes towards lifting a hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Weight {
    /// It counts for nothing.
    None,
    /// It takes another person with another role as well.
    WithAnotherRole,
    /// It is enough.
    Alone,
}

/// The table: what the consent of a person with role `by` weighs for a hold of this class that a
/// person with role `placed_by` placed.
pub const fn weight(class: HoldClass, placed_by: Role, by: Role) -> Weight {
    use Weight::{Alone, None, WithAnotherRole};
    match (class, placed_by, by) {
        // What was revoked stays revoked; staff and auditors lift nothing.
        (HoldClass::Revoked, _, _) | (_, _, Role::Staff | Role::Auditor) => None,
        // What was lost or stolen comes back with two roles only, whoever reported it.
        (HoldClass::Lost | HoldClass::Stolen, _, _) => WithAnotherRole,
        // What the nation stopped, no site frees: one of the two is a national administrator.
        (_, Role::NationalAdministrator, Role::Lead) => None,
        // What was part of an incident comes back with two roles. What was stopped higher up, one
        // person further down does not free.
        (HoldClass::Incident, _, _)
        | (_, Role::NationalAdministrator, Role::SecurityOfficer)
        | (_, Role::SecurityOfficer, Role::Lead) => WithAnotherRole,
        (
            HoldClass::Misuse | HoldClass::Maintenance | HoldClass::Other,
            _,
            Role::Lead | Role::SecurityOfficer | Role::NationalAdministrator,
        ) => Alone,
    }
}

/// Somebody who agreed that a hold is lifted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Approver {
    /// Who.
    pub person: PersonId,
    /// With which key.
    pub key: Thumbprint,
    /// In which role.
    pub role: Role,
}

impl From<&VerifiedPerson> for Approver {
    fn from(person: &VerifiedPerson) -> Self {
        Self {
            person: person.person(),
            key: person.thumbprint(),
            role: person.role(),
        }
    }
}

/// Verifies that these people together may lift `hold`.
///
/// # Errors
///
/// `STATE_TRANSITION` for what was revoked; `KEY_ROLE` if one of them may lift nothing;
/// `APPROVAL_REQUIRED` if nobody or too few agreed; `APPROVAL_SELF` if two are the same person or
/// key; `APPROVAL_ROLE` if they have the same role.
pub fn verify_lifting(hold: &Hold, approvers: &[Approver]) -> Result<(), Refusal> {
    if !hold.class.can_be_lifted() {
        return Err(Refusal::new(
            Code::StateTransition,
            format!("hold {} of class {}", hold.id, hold.class),
            "a hold that can be lifted",
        ));
    }
    let weigh = |approver: &Approver| weight(hold.class, hold.by, approver.role);
    if let Some(nobody) = approvers.iter().find(|a| weigh(a) == Weight::None) {
        return Err(Refusal::new(
            Code::KeyRole,
            nobody.role,
            "a role that may lift it",
        ));
    }
    if approvers.iter().any(|a| weigh(a) == Weight::Alone) {
        return Ok(());
    }
    verify_pair(hold, approvers)
}

/// Verifies that these people together may lift `hold` from the whole nation: two national
/// administrators, whatever its class. Their roles are one and the same, so person and key differ.
///
/// # Errors
///
/// `STATE_TRANSITION`, `KEY_ROLE`, `APPROVAL_REQUIRED`, `APPROVAL_SELF`.
pub fn verify_lifting_from_nation(hold: &Hold, approvers: &[Approver]) -> Result<(), Refusal> {
    let wanted = "two national administrators with two keys";
    if !hold.class.can_be_lifted() {
        let found = format!("hold {} of class {}", hold.id, hold.class);
        return Err(Refusal::new(
            Code::StateTransition,
            found,
            "a hold that can be lifted",
        ));
    }
    if let Some(other) = approvers
        .iter()
        .find(|approver| approver.role != Role::NationalAdministrator)
    {
        return Err(Refusal::new(Code::KeyRole, other.role, wanted));
    }
    match approvers {
        [] | [_] => {
            let found = format!("{} approvals", approvers.len());
            Err(Refusal::new(Code::ApprovalRequired, found, wanted))
        }
        [one, others @ ..] => {
            let two = others
                .iter()
                .any(|other| other.person != one.person && other.key != one.key);
            let found = "approvals of one person or key";
            let refusal = || Refusal::new(Code::ApprovalSelf, found, wanted);
            two.then_some(()).ok_or_else(refusal)
        }
    }
}

/// Two of them differ in person, key and role.
fn verify_pair(hold: &Hold, approvers: &[Approver]) -> Result<(), Refusal> {
    let refuse = |code: Code, found: &str| {
        Err(Refusal::new(
            code,
            format!(
                "{found} for hold {} ({}, by {})",
                hold.id, hold.class, hold.by
            ),
            "two people with two keys and two roles",
        ))
    };
    let pairs = || {
        approvers.iter().enumerate().flat_map(|(place, one)| {
            let others = approvers.iter().skip(place.saturating_add(1));
            others.map(move |other| (one, other))
        })
    };
    let two_people =
        |(one, other): &(&Approver, &Approver)| one.person != other.person && one.key != other.key;
    if pairs().any(|pair| two_people(&pair) && pair.0.role != pair.1.role) {
        return Ok(());
    }
    match approvers {
        [] => refuse(Code::ApprovalRequired, "no approval"),
        [_] => refuse(Code::ApprovalRequired, "one approval"),
        [..] if pairs().any(|pair| two_people(&pair)) => {
            refuse(Code::ApprovalRole, "approvals of one role")
        }
        [..] => refuse(Code::ApprovalSelf, "approvals of one person or key"),
    }
}
