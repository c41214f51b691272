//! Who may lift which hold.

use proptest::prelude::*;
use wardkey_schemas::Code;
use wardkey_schemas::ids::{HoldId, PersonId};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::order::{Hold, HoldClass, Mode};
use wardkey_schemas::role::Role;
use wardkey_verifier::lifting::{
    Approver, Weight, verify_lifting, verify_lifting_from_nation, weight,
};

use crate::world::refused;

fn hold(class: HoldClass, by: Role) -> Hold {
    Hold {
        id: HoldId::from_bytes([1; 16]),
        class,
        mode: Mode::Immediate,
        by,
    }
}

fn approver(person: u8, key: u8, role: Role) -> Approver {
    Approver {
        person: PersonId::from_bytes([person; 16]),
        key: Thumbprint::new([key; 32]),
        role,
    }
}

const LEAD: Role = Role::Lead;
const OFFICER: Role = Role::SecurityOfficer;
const NATIONAL: Role = Role::NationalAdministrator;

#[test]
fn the_table_is_the_one_in_the_book() {
    use Weight::{Alone, None, WithAnotherRole};
    let weights = |class, by| Role::ALL.map(|role| weight(class, by, role));
    let both = WithAnotherRole;
    // Columns: staff, lead, security officer, national administrator, auditor.
    for by in Role::ALL {
        for class in [HoldClass::Lost, HoldClass::Stolen] {
            assert_eq!(weights(class, by), [None, both, both, both, None]);
        }
        assert_eq!(weights(HoldClass::Revoked, by), [None; 5]);
        let incident = weights(HoldClass::Incident, by);
        let lead = if by == NATIONAL { None } else { both };
        assert_eq!(incident, [None, lead, both, both, None]);
        for class in [HoldClass::Misuse, HoldClass::Maintenance, HoldClass::Other] {
            let (lead, officer) = match by {
                Role::NationalAdministrator => (None, both),
                Role::SecurityOfficer => (both, Alone),
                Role::Staff | Role::Lead | Role::Auditor => (Alone, Alone),
            };
            assert_eq!(weights(class, by), [None, lead, officer, Alone, None]);
        }
    }
}

#[test]
fn a_leads_own_stop_is_lifted_by_one_lead() {
    let hold = hold(HoldClass::Maintenance, LEAD);
    assert!(verify_lifting(&hold, &[approver(1, 1, LEAD)]).is_ok());
    assert!(verify_lifting(&hold, &[approver(1, 1, OFFICER)]).is_ok());
    refused(verify_lifting(&hold, &[]), Code::ApprovalRequired);
}

#[test]
fn an_officers_stop_is_not_lifted_by_a_lead_alone() {
    let hold = hold(HoldClass::Maintenance, OFFICER);
    refused(
        verify_lifting(&hold, &[approver(1, 1, LEAD)]),
        Code::ApprovalRequired,
    );
    let two_leads = [approver(1, 1, LEAD), approver(2, 2, LEAD)];
    refused(verify_lifting(&hold, &two_leads), Code::ApprovalRole);
    assert!(verify_lifting(&hold, &[approver(1, 1, OFFICER)]).is_ok());
    let both = [approver(1, 1, LEAD), approver(2, 2, OFFICER)];
    assert!(verify_lifting(&hold, &both).is_ok());
}

#[test]
fn what_was_lost_comes_back_with_two_people_two_keys_and_two_roles() {
    for class in [HoldClass::Lost, HoldClass::Stolen, HoldClass::Incident] {
        let hold = hold(class, Role::Staff);
        let good = [approver(1, 1, LEAD), approver(2, 2, OFFICER)];
        assert!(verify_lifting(&hold, &good).is_ok());
        let cases: [(&[Approver], Code); 6] = [
            (&[], Code::ApprovalRequired),
            (&[approver(1, 1, OFFICER)], Code::ApprovalRequired),
            (
                &[approver(1, 1, LEAD), approver(1, 2, OFFICER)],
                Code::ApprovalSelf,
            ),
            (
                &[approver(1, 1, LEAD), approver(2, 1, OFFICER)],
                Code::ApprovalSelf,
            ),
            (
                &[approver(1, 1, LEAD), approver(2, 2, LEAD)],
                Code::ApprovalRole,
            ),
            (
                &[approver(1, 1, OFFICER), approver(1, 1, OFFICER)],
                Code::ApprovalSelf,
            ),
        ];
        for (approvers, code) in cases {
            refused(verify_lifting(&hold, approvers), code);
        }
        // A third approval does not spoil the pair.
        let three = [good[0], approver(3, 3, LEAD), good[1]];
        assert!(verify_lifting(&hold, &three).is_ok());
    }
}

#[test]
fn staff_and_auditors_lift_nothing_and_nobody_lifts_what_was_revoked() {
    for role in [Role::Staff, Role::Auditor] {
        let hold = hold(HoldClass::Other, LEAD);
        refused(
            verify_lifting(&hold, &[approver(1, 1, role)]),
            Code::KeyRole,
        );
        // Not even beside somebody who may.
        let both = [approver(1, 1, LEAD), approver(2, 2, role)];
        refused(verify_lifting(&hold, &both), Code::KeyRole);
    }
    let revoked = hold(HoldClass::Revoked, OFFICER);
    let both = [approver(1, 1, LEAD), approver(2, 2, OFFICER)];
    refused(verify_lifting(&revoked, &both), Code::StateTransition);
}

#[test]
fn what_the_nation_stopped_no_site_frees() {
    for class in [HoldClass::Incident, HoldClass::Maintenance] {
        let hold = hold(class, NATIONAL);
        let site = [approver(1, 1, LEAD), approver(2, 2, OFFICER)];
        refused(verify_lifting(&hold, &site), Code::KeyRole);
        let officers = [approver(1, 1, OFFICER), approver(2, 2, OFFICER)];
        refused(verify_lifting(&hold, &officers), Code::ApprovalRole);
        let both = [approver(1, 1, OFFICER), approver(2, 2, NATIONAL)];
        assert!(verify_lifting(&hold, &both).is_ok());
    }
}

#[test]
fn what_stands_on_the_nation_is_lifted_by_two_national_administrators() {
    let lift = |class, approvers: &[Approver]| {
        verify_lifting_from_nation(&hold(class, NATIONAL), approvers)
    };
    let (one, other) = (approver(1, 1, NATIONAL), approver(2, 2, NATIONAL));
    for class in [HoldClass::Incident, HoldClass::Maintenance] {
        assert!(lift(class, &[one, other]).is_ok());
        refused(lift(class, &[]), Code::ApprovalRequired);
        refused(lift(class, &[one]), Code::ApprovalRequired);
        refused(lift(class, &[one, one]), Code::ApprovalSelf);
        refused(
            lift(class, &[one, approver(1, 2, NATIONAL)]),
            Code::ApprovalSelf,
        );
        refused(
            lift(class, &[one, approver(2, 1, NATIONAL)]),
            Code::ApprovalSelf,
        );
        for role in [Role::Staff, LEAD, OFFICER, Role::Auditor] {
            refused(lift(class, &[one, approver(2, 2, role)]), Code::KeyRole);
        }
    }
    refused(
        lift(HoldClass::Revoked, &[one, other]),
        Code::StateTransition,
    );
}

fn roles() -> impl Strategy<Value = Role> {
    prop::sample::select(Role::ALL.to_vec())
}

proptest! {
    /// Whoever passes is a set in which an officer, or a lead for a lead's stop, agreed; and for
    /// what was lost, two different people with two keys and two roles.
    #[test]
    fn no_set_of_people_passes_that_the_rule_forbids(
        class in prop::sample::select(HoldClass::ALL.to_vec()),
        by in roles(),
        people in prop::collection::vec((0_u8..3, 0_u8..3, roles()), 0..5),
    ) {
        let approvers: Vec<Approver> = people
            .iter()
            .map(|(person, key, role)| approver(*person, *key, *role))
            .collect();
        if verify_lifting(&hold(class, by), &approvers).is_ok() {
            prop_assert!(class.can_be_lifted());
            let all_may = approvers.iter().all(|a| [LEAD, OFFICER, NATIONAL].contains(&a.role));
            prop_assert!(all_may && !approvers.is_empty());
            let two = approvers.iter().any(|one| approvers.iter().any(|other| {
                one.person != other.person && one.key != other.key && one.role != other.role
            }));
            prop_assert!(two || !class.needs_two_roles());
            prop_assert!(by != OFFICER || approvers.iter().any(|a| a.role != LEAD));
            let national = approvers.iter().any(|a| a.role == NATIONAL);
            let lost = matches!(class, HoldClass::Lost | HoldClass::Stolen);
            prop_assert!(by != NATIONAL || national || lost);
        }
    }

    /// The order in which people agreed does not matter.
    #[test]
    fn the_order_of_approvals_does_not_matter(
        class in prop::sample::select(HoldClass::ALL.to_vec()),
        by in roles(),
        people in prop::collection::vec((0_u8..3, 0_u8..3, roles()), 0..5),
    ) {
        let approvers: Vec<Approver> = people
            .iter()
            .map(|(person, key, role)| approver(*person, *key, *role))
            .collect();
        let reversed: Vec<Approver> = approvers.iter().rev().copied().collect();
        let one = verify_lifting(&hold(class, by), &approvers).map_err(|r| r.code());
        let other = verify_lifting(&hold(class, by), &reversed).map_err(|r| r.code());
        prop_assert_eq!(one, other);
    }
}
