//! Who may do what: one table of role by act (`docs/states.md`).
//!
//! | act | staff | lead | security officer | auditor |
//! |---|---|---|---|---|
//! | confirm a laptop or key | – | yes | yes | – |
//! | say which key is the spare | – | yes | yes | – |
//! | let somebody go who leaves | – | staff, leads | yes | – |
//! | report lost or stolen (stop) | yes | yes | yes | – |
//! | report a laptop, a key or both lost | yes | yes | yes | – |
//! | stop for another reason | – | yes | yes | – |
//! | resume | – | see below | see below | – |
//! | revoke | – | – | yes | – |
//! | end one visit | own | yes | yes | – |
//! | read laptops | yes | yes | yes | yes |
//! | read keys, visits, orders | – | yes | yes | yes |
//! | read the record | – | – | yes | yes |
//!
//! Who may lift which hold, alone or with whom, is one table in
//! [`wardkey_verifier::lifting`], because the gate judges it too. Staff and auditors lift nothing.

use wardkey_schemas::action::Act;
use wardkey_schemas::order::HoldClass;
use wardkey_schemas::query::Question;
use wardkey_schemas::role::Role;
use wardkey_schemas::{Code, Refusal};

/// What a role may do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum May {
    /// Yes.
    Yes,
    /// Only in their own visit.
    Own,
    /// No.
    No,
}

/// Whether a role may do an act at its own site.
pub const fn may_act(role: Role, act: &Act) -> May {
    match act {
        Act::ConfirmLaptop { .. }
        | Act::ConfirmKey { .. }
        | Act::MarkSpare { .. }
        | Act::Leaver { .. }
        | Act::Resume { .. } => match role {
            Role::Lead | Role::SecurityOfficer => May::Yes,
            Role::Staff | Role::Auditor => May::No,
        },
        Act::Stop { class, .. } => match (role, class) {
            // Speed beats hierarchy: what is lost is stopped by whoever misses it.
            (Role::Staff, HoldClass::Lost | HoldClass::Stolen) => May::Yes,
            // A stop that nobody can lift is a revocation, and has a name of its own.
            (_, HoldClass::Revoked) | (Role::Auditor | Role::Staff, _) => May::No,
            (Role::Lead | Role::SecurityOfficer, _) => May::Yes,
        },
        // Speed beats hierarchy here too.
        Act::ReportLost { .. } => match role {
            Role::Staff | Role::Lead | Role::SecurityOfficer => May::Yes,
            Role::Auditor => May::No,
        },
        Act::Revoke { .. } => match role {
            Role::SecurityOfficer => May::Yes,
            Role::Staff | Role::Lead | Role::Auditor => May::No,
        },
        Act::EndSession { .. } => match role {
            Role::Staff => May::Own,
            Role::Lead | Role::SecurityOfficer => May::Yes,
            Role::Auditor => May::No,
        },
        Act::OpenReader { .. } => May::Yes,
    }
}

/// Whether a role may ask a question about its own site.
pub const fn may_ask(role: Role, question: &Question) -> bool {
    match question {
        Question::Laptops | Question::Policy => true,
        Question::Keys
        | Question::Sessions
        | Question::Orders { .. }
        | Question::Delivery { .. } => match role {
            Role::Lead | Role::SecurityOfficer | Role::Auditor => true,
            Role::Staff => false,
        },
        Question::Record { .. } => match role {
            Role::SecurityOfficer | Role::Auditor => true,
            Role::Staff | Role::Lead => false,
        },
    }
}

/// The refusal for a role that may not.
pub fn not_permitted(role: Role, what: &str) -> Refusal {
    Refusal::new(
        Code::NotPermitted,
        format!("{role}: {what}"),
        "a role that may do this",
    )
}

#[cfg(test)]
mod tests {
    use wardkey_schemas::action::Target;
    use wardkey_schemas::ids::DeviceId;
    use wardkey_schemas::order::Mode;

    use super::*;

    fn stop(class: HoldClass) -> Act {
        Act::Stop {
            target: Target::Laptop {
                device: DeviceId::from_bytes([1; 16]),
            },
            class,
            mode: Mode::Immediate,
            note: "".parse().unwrap(),
        }
    }

    #[test]
    fn everybody_but_an_auditor_can_report_a_loss() {
        for class in [HoldClass::Lost, HoldClass::Stolen] {
            for role in [Role::Staff, Role::Lead, Role::SecurityOfficer] {
                assert_eq!(may_act(role, &stop(class)), May::Yes, "{role} {class}");
            }
            assert_eq!(may_act(Role::Auditor, &stop(class)), May::No);
        }
    }

    #[test]
    fn nobody_places_a_stop_that_cannot_be_lifted_without_saying_revoke() {
        for role in Role::ALL {
            assert_eq!(may_act(role, &stop(HoldClass::Revoked)), May::No, "{role}");
        }
    }

    #[test]
    fn an_auditor_changes_nothing() {
        for class in HoldClass::ALL {
            assert_eq!(may_act(Role::Auditor, &stop(class)), May::No);
        }
    }
}
