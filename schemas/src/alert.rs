//! What somebody should look at: written in the transaction that brought it about, and never a reason
//! to hold that up.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::AlertId;
use crate::names::SiteCode;
use crate::time::Timestamp;

/// What is unusual.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum AlertKind {
    /// One person has stopped many things at once within a short time.
    ManyStops,
    /// A whole site was stopped.
    SiteStopped,
    /// The whole nation was stopped.
    NationStopped,
    /// A laptop that was lost or stolen has spoken again.
    LostLaptopSeen,
    /// A site's spare security key was used.
    SpareKeyUsed,
}

impl AlertKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::ManyStops,
        Self::SiteStopped,
        Self::NationStopped,
        Self::LostLaptopSeen,
        Self::SpareKeyUsed,
    ];

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ManyStops => "many-stops",
            Self::SiteStopped => "site-stopped",
            Self::NationStopped => "nation-stopped",
            Self::LostLaptopSeen => "lost-laptop-seen",
            Self::SpareKeyUsed => "spare-key-used",
        }
    }
}

impl fmt::Display for AlertKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no kind of alert.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a kind of alert")]
pub struct UnknownAlert;

impl FromStr for AlertKind {
    type Err = UnknownAlert;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(UnknownAlert)
    }
}

/// One alert.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AlertRow {
    /// Its number.
    pub alert: AlertId,
    /// When.
    pub at: Timestamp,
    /// The site.
    pub site: SiteCode,
    /// What is unusual.
    pub kind: AlertKind,
    /// About what: a laptop's number, a key's thumbprint, a person's number, or the site.
    pub object: String,
    /// One line of detail, without names of people.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_in_the_database_is_the_word_on_the_wire() {
        for kind in AlertKind::ALL {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert_eq!("quiet".parse::<AlertKind>(), Err(UnknownAlert));
    }
}
