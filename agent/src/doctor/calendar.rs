//! Ends of certificates, by the laptop's own calendar.
//!
//! Nothing is decided by it: it can be wrong, and a patient may have set it. It tells people when to
//! look.

use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_schemas::{Code, Refusal};
use wardkey_told::Finding;

use crate::failure::Failure;

/// A certificate whose end is this near should be renewed.
const SOON: Seconds = Seconds::new(30 * 24 * 3600);

const DAY_MS: u64 = 24 * 3600 * 1000;

/// Now, by this computer's clock.
pub(super) fn now() -> Timestamp {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks the wall clock, to tell people and for nothing else"
    )]
    let since_1970 = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let millis = i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(millis).unwrap_or(Timestamp::MAX)
}

/// Whole days from `earlier` to `later`; none if it is the other way round.
pub(super) fn days(earlier: Timestamp, later: Timestamp) -> u64 {
    later.millis_since(earlier).checked_div(DAY_MS).unwrap_or(0)
}

/// A certificate that ends at `until`, with what else is known of it.
pub(super) fn ending(
    what: &'static str,
    known: &str,
    until: Timestamp,
    now: Timestamp,
    renew: &str,
) -> Finding {
    if until < now {
        let wanted = format!("one that is good at {now}");
        let refusal = Refusal::new(
            Code::CertificateExpired,
            format!("{known}, ended at {until}"),
            wanted,
        );
        return Finding::failed(what, &Failure::refused(refusal));
    }
    let found = format!("{known}, good until {until}");
    if until <= now.plus(SOON) {
        return Finding::warning(what, format!("{found}: {} days", days(now, until)), renew);
    }
    Finding::good(what, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wardkey_told::Health;

    #[test]
    fn an_end_is_told_thirty_days_before_it_comes() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        for (until, health) in [
            ("2027-11-22T12:00:00Z", Health::Good),
            ("2026-12-22T12:00:01Z", Health::Good),
            ("2026-12-22T12:00:00Z", Health::Warning),
            ("2026-11-22T12:00:00Z", Health::Warning),
            ("2026-11-22T11:59:59Z", Health::Bad),
        ] {
            let finding = ending(
                "certificate",
                "lead",
                until.parse().unwrap(),
                now,
                "renew it",
            );
            assert_eq!(finding.health, health, "{until}");
        }
    }
}
