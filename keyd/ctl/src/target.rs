//! What a person means by what they typed: an asset tag, a serial number or a full number, found in
//! the site's lists.
//!
//! What was revoked is meant only where nothing else bears the name. More than one thing that fits
//! is never decided for the person.

use std::fmt;
use std::str::FromStr;

use wardkey_schemas::action::Target;
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::{AssetTag, TokenSerial};
use wardkey_schemas::order::Hold;
use wardkey_schemas::query::{KeyRow, LaptopRow};
use wardkey_schemas::status::ObjectState;

use crate::alike::alike;

/// The 16 bytes of a number that lists give: a laptop's, or a visit's.
pub type Number = [u8; 16];

/// What was typed, by its form.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Typed {
    text: String,
    form: Form,
}

/// The forms that a name can have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Form {
    /// A laptop's or a visit's full number.
    Number(Number),
    /// A security key's full number: the thumbprint of its 9c key.
    Key(Thumbprint),
    /// Digits only: a serial number, or the tag of a laptop that happens to have digits only.
    Digits {
        /// As a serial number, if it is not too long for one.
        serial: Option<TokenSerial>,
        /// As a tag.
        tag: AssetTag,
    },
    /// A tag.
    Tag(AssetTag),
}

/// Text that is no name of anything here.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "this is no asset tag (such as HMP-X-03), no serial number (such as 33162554), and no full \
     number from a list"
)]
pub struct NotAName;

impl Typed {
    /// Its form.
    pub const fn form(&self) -> &Form {
        &self.form
    }
}

impl fmt::Display for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Typed {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        // With its hyphens, 36 characters: longer than any tag.
        let number = || text.parse::<wardkey_schemas::ids::DeviceId>().ok();
        if text.len() == 36
            && let Some(number) = number()
        {
            return Ok(Self {
                text: text.to_owned(),
                form: Form::Number(*number.as_bytes()),
            });
        }
        if let Ok(key) = text.parse() {
            return Ok(Self {
                text: text.to_owned(),
                form: Form::Key(key),
            });
        }
        let upper = text.to_uppercase();
        let tag: AssetTag = upper.parse().map_err(|_| NotAName)?;
        let form = if upper.bytes().all(|byte| byte.is_ascii_digit()) {
            Form::Digits {
                serial: upper.parse().ok(),
                tag,
            }
        } else {
            Form::Tag(tag)
        };
        Ok(Self { text: upper, form })
    }
}

/// Nothing, or more than one thing, fits what was typed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoTarget {
    /// Nothing.
    #[error("your site has no {what} `{typed}`")]
    Unknown {
        /// What was typed.
        typed: String,
        /// What was looked for.
        what: &'static str,
        /// Names that look like it.
        like: Vec<String>,
    },
    /// More than one.
    #[error("`{typed}` is more than one thing: {}", fits.join("; "))]
    Ambiguous {
        /// What was typed.
        typed: String,
        /// What fits, with full numbers.
        fits: Vec<String>,
    },
}

impl NoTarget {
    /// What to type instead.
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown { like, .. } if !like.is_empty() => {
                format!("did you mean {}?", like.join(", or "))
            }
            Self::Unknown { .. } => {
                "`wardkey devices` and `wardkey keys` list what there is".to_owned()
            }
            Self::Ambiguous { .. } => "use the full number of the one you mean".to_owned(),
        }
    }
}

/// A row that was found by its name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Found {
    /// A laptop.
    Laptop(LaptopRow),
    /// A security key.
    Key(KeyRow),
}

impl Found {
    /// How an act names it.
    pub const fn target(&self) -> Target {
        match self {
            Self::Laptop(row) => Target::Laptop { device: row.device },
            Self::Key(row) => Target::Key { key: row.key },
        }
    }

    /// The holds on it.
    pub fn holds(&self) -> &[Hold] {
        match self {
            Self::Laptop(row) => &row.holds,
            Self::Key(row) => &row.holds,
        }
    }

    const fn is_revoked(&self) -> bool {
        let state = match self {
            Self::Laptop(row) => row.state,
            Self::Key(row) => row.state,
        };
        matches!(state, ObjectState::Revoked)
    }

    /// With its full number, so that it can be told from others of its name.
    fn in_full(&self) -> String {
        match self {
            Self::Laptop(row) => format!("laptop {} ({}, {})", row.asset, row.state, row.device),
            Self::Key(row) => format!("security key {} ({}, {})", row.serial, row.state, row.key),
        }
    }
}

/// Finds the one thing that is meant, among laptops and security keys.
///
/// # Errors
///
/// [`NoTarget`].
pub fn find(typed: &Typed, laptops: &[LaptopRow], keys: &[KeyRow]) -> Result<Found, NoTarget> {
    let named = |row: &&LaptopRow| match &typed.form {
        Form::Number(number) => row.device.as_bytes() == number,
        Form::Tag(tag) | Form::Digits { tag, .. } => row.asset == *tag,
        Form::Key(_) => false,
    };
    let keyed = |row: &&KeyRow| match &typed.form {
        Form::Key(key) => row.key == *key,
        Form::Digits { serial, .. } => *serial == Some(row.serial),
        Form::Number(_) | Form::Tag(_) => false,
    };
    let laptops_named = laptops.iter().filter(named).cloned().map(Found::Laptop);
    let keys_named = keys.iter().filter(keyed).cloned().map(Found::Key);
    let all: Vec<Found> = laptops_named.chain(keys_named).collect();
    let in_use: Vec<Found> = all
        .iter()
        .filter(|found| !found.is_revoked())
        .cloned()
        .collect();
    let mut fits = if in_use.is_empty() { all } else { in_use };
    match (fits.pop(), fits.is_empty()) {
        (Some(found), true) => Ok(found),
        (Some(last), false) => Err(NoTarget::Ambiguous {
            typed: typed.to_string(),
            fits: fits.iter().chain([&last]).map(Found::in_full).collect(),
        }),
        (None, _) => {
            let tags = laptops.iter().map(|row| row.asset.to_string());
            let serials = keys.iter().map(|row| row.serial.to_string());
            Err(NoTarget::Unknown {
                typed: typed.to_string(),
                what: match (laptops, keys) {
                    ([_, ..], []) => "laptop",
                    ([], [_, ..]) => "security key",
                    ([], []) | ([_, ..], [_, ..]) => "laptop or security key",
                },
                like: alike(&typed.text, tags.chain(serials)),
            })
        }
    }
}

#[cfg(test)]
mod tests;
