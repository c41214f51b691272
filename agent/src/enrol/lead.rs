//! The lead beside the laptop.

use wardkey_schemas::names::TokenSerial;
use wardkey_schemas::role::Role;
use wardkey_schemas::{Code, Refusal};

use crate::failure::Failure;
use crate::holder::Holder;
use crate::trust_file::Trusted;

/// Finds a lead's security key that could enrol a laptop, as far as this laptop can tell.
///
/// # Errors
///
/// Those of [`Holder::find`]; `KEY_ROLE`.
pub(super) fn find(serial: Option<TokenSerial>, trusted: &Trusted) -> Result<Holder, Failure> {
    let lead = Holder::find(serial, trusted, "the security key of a team lead")?;
    require_lead(lead.person().role())?;
    Ok(lead)
}

/// Others would be refused by the authority, after a PIN for nothing.
fn require_lead(role: Role) -> Result<(), Failure> {
    match role {
        Role::Lead => Ok(()),
        Role::Staff | Role::SecurityOfficer | Role::NationalAdministrator | Role::Auditor => {
            Err(Failure::refused(Refusal::new(
                Code::KeyRole,
                format!("role {role}"),
                Role::Lead,
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use wardkey_told::Told as _;

    use super::*;

    #[test]
    fn only_a_lead_enrols_laptops() {
        for role in Role::ALL {
            let code = require_lead(role)
                .err()
                .and_then(|failure| failure.refusal())
                .map(|refusal| refusal.code());
            let wanted = (role != Role::Lead).then_some(Code::KeyRole);
            assert_eq!(code, wanted, "{role}");
        }
    }
}
