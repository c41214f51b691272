//! Who a person is to a site.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The role in a person's certificate; it holds for the site of that certificate.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Healthcare staff: start, extend and end a visit; report something lost.
    Staff,
    /// Healthcare team lead: also enrol laptops and keys, stop and resume their own.
    Lead,
    /// Security officer: stop and revoke anything of the site; second approver.
    SecurityOfficer,
    /// National administrator: the same at every site; two of them stop the nation.
    NationalAdministrator,
    /// Auditor: reads everything, changes nothing.
    Auditor,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 5] = [
        Self::Staff,
        Self::Lead,
        Self::SecurityOfficer,
        Self::NationalAdministrator,
        Self::Auditor,
    ];

    /// The word in certificates and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staff => "staff",
            Self::Lead => "lead",
            Self::SecurityOfficer => "security-officer",
            Self::NationalAdministrator => "national-administrator",
            Self::Auditor => "auditor",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no role.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a role is one of staff, lead, security-officer, national-administrator, auditor")]
pub struct RoleError;

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(RoleError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_on_the_wire_is_the_word_in_the_certificate() {
        for role in Role::ALL {
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{role}\""));
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        assert_eq!("Lead".parse::<Role>(), Err(RoleError));
    }
}
