//! Points in time and lengths of time, as they stand in messages.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A point in time on keyd's or ca's clock: RFC 3339 in UTC with milliseconds on the wire,
/// milliseconds since 1970 inside.
///
/// Never the laptop's clock: a laptop measures lengths only.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

/// Text that is not an RFC 3339 time, or one outside the years 1970 to 9999.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not an RFC 3339 time between the years 1970 and 9999")]
pub struct TimestampError;

impl Timestamp {
    /// The latest time that can be written: two days before the end of X.509's calendar, so that
    /// it has a local time in every time zone.
    pub const MAX: Self = Self(253_402_207_199_999);

    /// Wraps milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// [`TimestampError`] before 1970 or after 9999.
    pub const fn from_millis(millis: i64) -> Result<Self, TimestampError> {
        if 0 <= millis && millis <= Self::MAX.0 {
            Ok(Self(millis))
        } else {
            Err(TimestampError)
        }
    }

    /// Wraps seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`TimestampError`] before 1970 or after 9999.
    pub const fn from_seconds(seconds: i64) -> Result<Self, TimestampError> {
        match seconds.checked_mul(1000) {
            Some(millis) => Self::from_millis(millis),
            None => Err(TimestampError),
        }
    }

    /// Milliseconds since 1970.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970 (the `NumericDate` of RFC 7519).
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Later by `seconds`, at most [`Self::MAX`].
    #[must_use]
    pub fn plus(self, seconds: Seconds) -> Self {
        Self(
            self.0
                .saturating_add(i64::from(seconds.0).saturating_mul(1000))
                .min(Self::MAX.0),
        )
    }

    /// Later by `millis`, at most [`Self::MAX`].
    #[must_use]
    pub fn plus_millis(self, millis: u64) -> Self {
        let millis = i64::try_from(millis).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis).min(Self::MAX.0))
    }

    /// Earlier by `seconds`, at the earliest 1970.
    #[must_use]
    pub fn minus(self, seconds: Seconds) -> Self {
        Self(
            self.0
                .saturating_sub(i64::from(seconds.0).saturating_mul(1000))
                .max(0),
        )
    }

    /// Milliseconds from `earlier` to `self`; zero if `earlier` is later.
    pub fn millis_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time: jiff::Timestamp = text.parse().map_err(|_| TimestampError)?;
        Self::from_millis(time.as_millisecond())
    }
}

impl TryFrom<String> for Timestamp {
    type Error = TimestampError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.to_string()
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "date-time",
            "description": "a time on the server's clock, RFC 3339 in UTC",
        })
    }
}

/// A length of time in whole seconds.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    Deserialize,
    Eq,
    Hash,
    JsonSchema,
    Ord,
    PartialEq,
    PartialOrd,
    Serialize,
)]
#[serde(transparent)]
pub struct Seconds(u32);

impl Seconds {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// Wraps a number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The same length as a [`std::time::Duration`].
    pub const fn duration(self) -> std::time::Duration {
        std::time::Duration::from_secs(
            // A lossless widening that `From` cannot do in a const function.
            {
                #[expect(clippy::as_conversions, reason = "u32 to u64 cannot lose anything")]
                {
                    self.0 as u64
                }
            },
        )
    }

    /// Both lengths one after the other, saturating.
    #[must_use]
    pub const fn plus(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_its_text() {
        let time = Timestamp::from_millis(1_795_356_127_123).unwrap();
        assert_eq!(time.to_string(), "2026-11-22T14:02:07.123Z");
        assert_eq!(time.to_string().parse(), Ok(time));
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-30T21:59:59.999Z");
    }

    #[test]
    fn times_outside_the_calendar_are_refused() {
        assert_eq!(Timestamp::from_millis(-1), Err(TimestampError));
        assert_eq!(Timestamp::from_seconds(i64::MAX), Err(TimestampError));
        assert!("1969-12-31T23:59:59Z".parse::<Timestamp>().is_err());
        assert!("yesterday".parse::<Timestamp>().is_err());
    }

    #[test]
    fn arithmetic_stays_within_the_calendar() {
        assert_eq!(Timestamp::MAX.plus(Seconds::new(u32::MAX)), Timestamp::MAX);
        let zero = Timestamp::from_millis(0).unwrap();
        assert_eq!(zero.minus(Seconds::new(5)), zero);
        assert_eq!(zero.millis_since(Timestamp::MAX), 0);
    }
}
