//! When a laptop's certificates may be renewed: one rule for the laptop that asks, the authority that
//! signs and keyd that records.
//!
//! Certificates of laptops live 365 days, and from day 240 on they may be renewed. Four months are
//! left then, so that a laptop that lay in a drawer, or an authority that stands still for weeks,
//! costs nobody a certificate.

use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_schemas::{Code, Refusal};

/// How long before its end a certificate may be renewed: 125 days, day 240 of 365.
pub const RENEWABLE_FOR: Seconds = Seconds::new(125 * 24 * 60 * 60);

/// How much later than the old certificate a new one ends, at least. An authority that is near its
/// own end makes certificates that end with it; those are not worth a signature.
const LATER_BY: Seconds = Seconds::new(24 * 60 * 60);

/// From when on a certificate that ends at `valid_until` may be renewed.
pub fn renewable_from(valid_until: Timestamp) -> Timestamp {
    valid_until.minus(RENEWABLE_FOR)
}

/// Refuses to renew at `now` what ends at `valid_until`, if its time has not come.
///
/// # Errors
///
/// `RENEWAL_EARLY`.
pub fn require_renewable(valid_until: Timestamp, now: Timestamp) -> Result<(), Refusal> {
    let from = renewable_from(valid_until);
    if from <= now {
        return Ok(());
    }
    Err(Refusal::new(
        Code::RenewalEarly,
        format_args!("a certificate until {valid_until}"),
        format_args!("one that is renewed from {from} on"),
    ))
}

/// Refuses a new certificate until `next` in place of one until `before`, if nothing is gained.
///
/// # Errors
///
/// `RENEWAL_EARLY`.
pub fn require_later(before: Timestamp, next: Timestamp) -> Result<(), Refusal> {
    if before.plus(LATER_BY) <= next {
        return Ok(());
    }
    Err(Refusal::new(
        Code::RenewalEarly,
        format_args!("a new certificate until {next}"),
        format_args!("one that ends a day after {before} at least"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u32 = 24 * 60 * 60;

    fn day(number: u32) -> Timestamp {
        let start = Timestamp::from_seconds(1_795_356_127).unwrap();
        start.plus(Seconds::new(number.saturating_mul(DAY)))
    }

    fn code(result: Result<(), Refusal>) -> Option<Code> {
        result.err().map(|refusal| refusal.code())
    }

    #[test]
    fn a_certificate_of_a_year_is_renewed_from_day_240_on() {
        let end = day(365);
        assert_eq!(renewable_from(end), day(240));
        assert_eq!(
            code(require_renewable(end, day(239))),
            Some(Code::RenewalEarly)
        );
        assert_eq!(code(require_renewable(end, day(240))), None);
        assert_eq!(code(require_renewable(end, day(364))), None);
    }

    #[test]
    fn a_new_certificate_that_ends_no_later_is_not_made() {
        assert_eq!(code(require_later(day(365), day(605))), None);
        assert_eq!(code(require_later(day(365), day(366))), None);
        let at_the_end_of_the_authority = code(require_later(day(365), day(365)));
        assert_eq!(at_the_end_of_the_authority, Some(Code::RenewalEarly));
    }
}
