//! Names that people chose: sites, asset tags, serial numbers, display names.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::limits;

/// A name that does not follow its rule.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what} must be {rule}")]
pub struct NameError {
    what: &'static str,
    rule: &'static str,
}

/// Makes a newtype over text that follows a rule.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $pattern:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                let check: fn(&str) -> bool = $check;
                if check(&text) { Ok(Self(text)) } else { Err(NameError { what: $what, rule: $rule }) }
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $rule, "pattern": $pattern })
            }
        }
    };
}

name!(
    /// The stable code of a site; it is also one label of the DNS names in its certificates.
    SiteCode,
    "a site code",
    "2 to 32 lower-case letters, digits and hyphens, starting with a letter and not ending with a hyphen",
    "^[a-z][a-z0-9-]{0,30}[a-z0-9]$",
    |text| (2..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
);

impl SiteCode {
    /// The reserved site whose authority certifies national administrators. It has no laptops.
    pub const NATIONAL: &'static str = "national";

    /// Whether this is the reserved site, whose people act at every site.
    pub fn is_national(&self) -> bool {
        self.0 == Self::NATIONAL
    }
}

name!(
    /// The DNS name under which all names of one installation stand, for example `wardkey.example`.
    Realm,
    "a realm",
    "a DNS name of at most 100 lower-case letters, digits, hyphens and dots, with labels that start with a letter or digit",
    "^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$",
    |text| text.len() <= 100
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
);

name!(
    /// The tag on the laptop's lid, for example `HMP-X-03`.
    AssetTag,
    "an asset tag",
    "1 to 32 capital letters, digits and hyphens",
    "^[A-Z0-9][A-Z0-9-]{0,31}$",
    |text| (1..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
);

name!(
    /// What colleagues call a person or a thing; one line, kept out of certificates and the record.
    DisplayName,
    "a name",
    "1 to 64 characters on one line, without control characters",
    "^[^\\u0000-\\u001f\\u007f]{1,64}$",
    |text| (1..=limits::NAME_CHARS).contains(&text.chars().count())
        && !text.chars().any(char::is_control)
        && text.trim() == text
);

name!(
    /// Why somebody did something, in their own words.
    Note,
    "a note",
    "at most 500 characters, without control characters",
    "^[^\\u0000-\\u001f\\u007f]{0,500}$",
    |text| text.chars().count() <= limits::NOTE_CHARS && !text.chars().any(char::is_control)
);

/// The serial number that Yubico prints on a token: decimal, no sign.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(transparent)]
pub struct TokenSerial(u32);

impl TokenSerial {
    /// Wraps a number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for TokenSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TokenSerial {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: NameError = NameError {
            what: "a serial number",
            rule: "a decimal number of at most 10 digits",
        };
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(WRONG);
        }
        text.parse().map(Self).map_err(|_| WRONG)
    }
}

/// Version of a token's firmware.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(deny_unknown_fields)]
pub struct Firmware {
    /// First number.
    pub major: u8,
    /// Second number.
    pub minor: u8,
    /// Third number.
    pub patch: u8,
}

impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_code_is_one_dns_label() {
        assert!("hmp-xyz".parse::<SiteCode>().is_ok());
        for wrong in [
            "",
            "x",
            "HMP",
            "-a",
            "a-",
            "1a",
            "a.b",
            "a_b",
            "ab\n",
            &"a".repeat(33),
        ] {
            assert!(wrong.parse::<SiteCode>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_realm_is_a_dns_name() {
        assert!("wardkey.example".parse::<Realm>().is_ok());
        for wrong in ["", ".a", "a.", "a..b", "A.b", "a.-b", "a b"] {
            assert!(wrong.parse::<Realm>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_display_name_is_one_line() {
        assert!("Sam O'Neill".parse::<DisplayName>().is_ok());
        for wrong in ["", " a", "a\nb", "\u{7}", &"x".repeat(65)] {
            assert!(wrong.parse::<DisplayName>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_serial_number_has_digits_only() {
        assert_eq!("33162554".parse(), Ok(TokenSerial(33_162_554)));
        for wrong in ["", "+1", "-1", "4294967296", "1 "] {
            assert!(wrong.parse::<TokenSerial>().is_err(), "{wrong:?}");
        }
    }
}
