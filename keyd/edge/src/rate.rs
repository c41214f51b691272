//! How often something may be asked, by everybody together.
//!
//! A bucket holds a number of tokens, fills up steadily, and gives one for each request. It protects
//! what a request costs, not one caller from another: behind a proxy all callers look the same.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use wardkey_schemas::{Code, Refusal};

/// A bucket of tokens.
#[derive(Debug)]
pub struct Bucket {
    most: u32,
    per_second: u32,
    level: Mutex<Level>,
}

#[derive(Debug)]
struct Level {
    /// Thousandths of tokens, so that slow filling is exact.
    thousandths: u64,
    at: Instant,
}

impl Bucket {
    /// A full bucket of `most` tokens that gets `per_second` more each second.
    pub fn new(most: u32, per_second: u32, now: Instant) -> Self {
        Self {
            most,
            per_second,
            level: Mutex::new(Level {
                thousandths: u64::from(most).saturating_mul(1000),
                at: now,
            }),
        }
    }

    /// Takes a token.
    ///
    /// # Errors
    ///
    /// `RATE_LIMITED` if there is none.
    pub fn take(&self, now: Instant) -> Result<(), Refusal> {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(level.at).as_millis();
        let gained = u64::try_from(passed)
            .unwrap_or(u64::MAX)
            .saturating_mul(u64::from(self.per_second));
        let most = u64::from(self.most).saturating_mul(1000);
        let filled = level.thousandths.saturating_add(gained).min(most);
        level.at = level.at.max(now);
        if let Some(rest) = filled.checked_sub(1000) {
            level.thousandths = rest;
            return Ok(());
        }
        level.thousandths = filled;
        let wanted = format!("at most {} a second for long", self.per_second);
        Err(Refusal::new(Code::RateLimited, "too many requests", wanted))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_empty_bucket_gives_nothing_until_it_has_filled_up() {
        let start = Instant::now();
        let at = |millis| start.checked_add(Duration::from_millis(millis)).unwrap();
        let bucket = Bucket::new(3, 2, start);
        for _ in 0..3 {
            bucket.take(at(0)).unwrap();
        }
        assert_eq!(bucket.take(at(0)).unwrap_err().code(), Code::RateLimited);
        assert!(bucket.take(at(499)).is_err());
        bucket.take(at(500)).unwrap();
        assert!(bucket.take(at(600)).is_err());
        // However long it was left alone, it holds no more than it can.
        for _ in 0..3 {
            bucket.take(at(60_000)).unwrap();
        }
        assert!(bucket.take(at(60_000)).is_err());
        // A clock that seems to go back gives nothing for free.
        assert!(bucket.take(at(0)).is_err());
    }
}
