//! Which role may enrol what: one table each, with its reason.
//!
//! Roles travel in certificates; keyd's grants may narrow these rules and never widen them.

use wardkey_schemas::role::Role;
use wardkey_schemas::{Code, Refusal};

/// Whether a person with this role may enrol laptops.
///
/// Team leads alone; a security officer may be the second person who confirms it.
pub const fn may_enrol_laptop(role: Role) -> bool {
    match role {
        Role::Lead => true,
        Role::Staff | Role::SecurityOfficer | Role::NationalAdministrator | Role::Auditor => false,
    }
}

/// Whether a person with role `voucher` may vouch for a new key with role `new`.
///
/// | voucher | staff | lead | security officer | national administrator | auditor |
/// |---|---|---|---|---|---|
/// | lead | yes | yes | no | no | no |
/// | security officer | no | no | yes | no | yes |
/// | national administrator | no | no | no | no | yes |
/// | staff, auditor | no | no | no | no | no |
///
/// Each line vouches for its own people, whom it knows: the care team for the care team, security for
/// security and for those who look over both. What was lost or stolen comes back only with two
/// people of different roles; so nobody may be able to make the second role themselves. The first
/// people of both lines come from the site's charter. National administrators act in pairs of one
/// role, so nobody vouches for one: each is named in a charter, which is signed at the root.
pub const fn may_vouch(voucher: Role, new: Role) -> bool {
    match (voucher, new) {
        (Role::Lead, Role::Staff | Role::Lead)
        | (Role::SecurityOfficer, Role::SecurityOfficer | Role::Auditor)
        | (Role::NationalAdministrator, Role::Auditor) => true,
        (_, Role::NationalAdministrator)
        | (Role::Lead, Role::SecurityOfficer | Role::Auditor)
        | (Role::SecurityOfficer, Role::Staff | Role::Lead)
        | (Role::NationalAdministrator, Role::Staff | Role::Lead | Role::SecurityOfficer)
        | (
            Role::Staff | Role::Auditor,
            Role::Staff | Role::Lead | Role::SecurityOfficer | Role::Auditor,
        ) => false,
    }
}

/// Who may vouch for a new key with this role, in words.
pub(super) const fn who_may_vouch_for(new: Role) -> &'static str {
    match new {
        Role::Staff | Role::Lead => "lead",
        Role::SecurityOfficer => "security-officer",
        Role::Auditor => "security-officer or, for the nation, national-administrator",
        Role::NationalAdministrator => "nobody but a charter",
    }
}

/// Refuses unless `allowed`; `wanted` says who may.
pub(super) fn require(allowed: bool, role: Role, wanted: &str) -> Result<(), Refusal> {
    if allowed {
        return Ok(());
    }
    Err(Refusal::new(
        Code::KeyRole,
        format_args!("role {role}"),
        wanted,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_can_make_the_second_role() {
        for voucher in Role::ALL {
            let makes = |new| may_vouch(voucher, new);
            assert!(
                !(makes(Role::Lead) && makes(Role::SecurityOfficer)),
                "{voucher}"
            );
        }
        assert!(!may_vouch(Role::Lead, Role::SecurityOfficer));
        assert!(!may_vouch(Role::SecurityOfficer, Role::Lead));
    }

    #[test]
    fn every_role_can_be_vouched_for_by_the_one_that_the_words_name() {
        for new in Role::ALL {
            for voucher in Role::ALL {
                let named = who_may_vouch_for(new).split([' ', ',']);
                let named = named.into_iter().any(|word| word == voucher.as_str());
                assert_eq!(named, may_vouch(voucher, new), "{voucher} for {new}");
            }
        }
    }

    #[test]
    fn nobody_vouches_for_a_national_administrator() {
        for voucher in Role::ALL {
            assert!(
                !may_vouch(voucher, Role::NationalAdministrator),
                "{voucher}"
            );
        }
    }

    #[test]
    fn staff_and_auditors_vouch_for_nobody() {
        for new in Role::ALL {
            assert!(!may_vouch(Role::Staff, new) && !may_vouch(Role::Auditor, new));
        }
    }

    #[test]
    fn laptops_are_enrolled_by_leads_alone() {
        for role in Role::ALL {
            assert_eq!(may_enrol_laptop(role), role == Role::Lead, "{role}");
        }
    }
}
