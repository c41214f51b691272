//! Points in time on the laptop's steady clock.
//!
//! `CLOCK_BOOTTIME` starts at zero with each boot, goes on while the laptop sleeps, and cannot be
//! set. Nobody, not even root, can turn it back, so a lease is counted on it and on nothing else.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wardkey_schemas::time::Seconds;

/// Milliseconds since this boot, time asleep included.
///
/// Two processes of one boot may compare them; across a reboot they mean nothing.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(transparent)]
pub struct Boottime(u64);

impl Boottime {
    /// Later than every lease.
    pub const NEVER: Self = Self(u64::MAX);

    /// Wraps milliseconds since boot.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since boot.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Later by `length`, at most [`Self::NEVER`].
    #[must_use]
    pub fn plus(self, length: Seconds) -> Self {
        Self(
            self.0
                .saturating_add(u64::from(length.number()).saturating_mul(1000)),
        )
    }

    /// Milliseconds from `earlier` to `self`; zero if `earlier` is later.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// How long it is until `later`; nothing if that has passed.
    pub const fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }
}

impl fmt::Display for Boottime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms after boot", self.0)
    }
}

/// One look at the clocks: what time it is, and how long the laptop has slept since boot.
///
/// The clocks cannot be read in one instant, so the time asleep is known between two bounds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reading {
    /// The time.
    pub now: Boottime,
    /// Milliseconds asleep since boot, at least.
    pub asleep_at_least: u64,
    /// Milliseconds asleep since boot, at most.
    pub asleep_at_most: u64,
}

impl Reading {
    /// Whether the laptop has certainly slept more than `slack` milliseconds since `earlier`.
    pub const fn slept_since(self, earlier: Self, slack: u64) -> bool {
        self.asleep_at_least > earlier.asleep_at_most.saturating_add(slack)
    }

    /// Milliseconds since `earlier` for which the laptop was certainly awake.
    pub const fn awake_since(self, earlier: Self) -> u64 {
        let asleep = self.asleep_at_most.saturating_sub(earlier.asleep_at_least);
        self.now.millis_since(earlier.now).saturating_sub(asleep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(at_least: u64, at_most: u64) -> Reading {
        Reading {
            now: Boottime::from_millis(1_000_000),
            asleep_at_least: at_least,
            asleep_at_most: at_most,
        }
    }

    #[test]
    fn a_process_that_was_only_slow_to_read_its_clocks_has_not_slept() {
        // 300 ms passed between the readings of one look; the bounds are that far apart.
        assert!(!reading(0, 300).slept_since(reading(0, 0), 20));
        assert!(!reading(250, 250).slept_since(reading(0, 300), 20));
    }

    #[test]
    fn a_suspend_shows_as_time_that_only_one_clock_counted() {
        assert!(reading(5_000, 5_001).slept_since(reading(0, 1), 20));
        assert!(!reading(21, 21).slept_since(reading(0, 1), 20));
        assert!(reading(22, 22).slept_since(reading(0, 1), 20));
    }

    #[test]
    fn time_asleep_is_no_time_awake() {
        let later = |millis, asleep| Reading {
            now: Boottime::from_millis(millis),
            asleep_at_least: asleep,
            asleep_at_most: asleep,
        };
        assert_eq!(later(9_000, 0).awake_since(later(1_000, 0)), 8_000);
        assert_eq!(later(9_000, 7_500).awake_since(later(1_000, 500)), 1_000);
        assert_eq!(later(1_000, 0).awake_since(later(9_000, 0)), 0);
    }

    #[test]
    fn arithmetic_ends_at_never() {
        assert_eq!(Boottime::NEVER.plus(Seconds::new(1)), Boottime::NEVER);
        assert_eq!(Boottime::default().millis_since(Boottime::NEVER), 0);
        assert_eq!(
            Boottime::from_millis(5).until(Boottime::from_millis(3)),
            Duration::ZERO
        );
    }
}
