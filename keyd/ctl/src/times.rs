//! Times as operators read them: ISO 8601 in UTC, with the local time beside.

use jiff::tz::TimeZone;
use wardkey_schemas::time::Timestamp;

/// Writes times for one time zone.
#[derive(Clone, Debug)]
pub struct Times {
    zone: TimeZone,
}

impl Times {
    /// For the zone of this computer, or of the variable `TZ`.
    pub fn local() -> Self {
        Self {
            zone: TimeZone::system(),
        }
    }

    /// To the second, for lists: `2026-11-22T14:02:07Z (15:02:07 CET)`.
    pub fn both(&self, time: Timestamp) -> String {
        self.write(time, "%Y-%m-%dT%H:%M:%SZ")
    }

    /// To the millisecond, for what happened one thing after the other.
    pub fn exact(&self, time: Timestamp) -> String {
        self.write(time, "%Y-%m-%dT%H:%M:%S%.3fZ")
    }

    /// The time of day here, to the second, for what happens now: `15:02:07 CET`.
    pub fn clock(&self, time: Timestamp) -> String {
        match jiff::Timestamp::from_millisecond(time.millis()) {
            Ok(time) => time
                .to_zoned(self.zone.clone())
                .strftime("%H:%M:%S %Z")
                .to_string(),
            Err(_) => time.to_string(),
        }
    }

    /// As [`Self::both`], or a dash for what never was.
    pub fn both_or_never(&self, time: Option<Timestamp>) -> String {
        time.map_or_else(|| "-".to_owned(), |time| self.both(time))
    }

    fn write(&self, time: Timestamp, form: &str) -> String {
        let Ok(time) = jiff::Timestamp::from_millisecond(time.millis()) else {
            return time.to_string();
        };
        let (utc, local) = (
            time.to_zoned(TimeZone::UTC),
            time.to_zoned(self.zone.clone()),
        );
        // Near midnight the day is another one here.
        let beside = if utc.date() == local.date() {
            "%H:%M:%S %Z"
        } else {
            "%Y-%m-%d %H:%M:%S %Z"
        };
        format!("{} ({})", utc.strftime(form), local.strftime(beside))
    }
}

#[cfg(test)]
impl Times {
    /// For a zone that does not depend on where the test runs.
    pub(crate) fn of(posix: &str) -> Self {
        Self {
            zone: TimeZone::posix(posix).unwrap(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utc_comes_first_and_the_local_time_beside_it() {
        let times = Times::of("CET-1CEST,M3.5.0,M10.5.0/3");
        let winter: Timestamp = "2026-11-22T14:02:07.120Z".parse().unwrap();
        assert_eq!(times.both(winter), "2026-11-22T14:02:07Z (15:02:07 CET)");
        assert_eq!(
            times.exact(winter),
            "2026-11-22T14:02:07.120Z (15:02:07 CET)"
        );
        assert_eq!(times.clock(winter), "15:02:07 CET");
        let summer: Timestamp = "2026-07-22T14:02:07Z".parse().unwrap();
        assert_eq!(times.both(summer), "2026-07-22T14:02:07Z (16:02:07 CEST)");
    }

    #[test]
    fn near_midnight_the_local_day_is_named() {
        let times = Times::of("CET-1");
        let late: Timestamp = "2026-11-22T23:30:00Z".parse().unwrap();
        assert_eq!(
            times.both(late),
            "2026-11-22T23:30:00Z (2026-11-23 00:30:00 CET)"
        );
    }

    #[test]
    fn what_never_was_is_a_dash() {
        assert_eq!(Times::of("GMT0").both_or_never(None), "-");
    }

    #[test]
    fn the_last_time_that_can_be_written_is_written() {
        for zone in ["GMT0", "AAA-14", "BBB12"] {
            assert!(Times::of(zone).both(Timestamp::MAX).contains("9999-"));
        }
    }
}
