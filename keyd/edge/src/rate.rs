//! How often something may be asked: by everybody together, or by each address.
//!
//! A bucket holds a number of tokens, fills up steadily, and gives one for each request.
//! [`Bucket`] protects what a request costs; [`PerAddress`] protects callers from each other.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hashlink::LruCache;
use wardkey_schemas::{Code, Refusal};

/// Addresses that are remembered. Whoever was seen least recently is forgotten first, and has a full
/// bucket again; it takes as many other addresses to make room.
const ADDRESSES: usize = 8 * 1024;

/// How large a bucket is, and how fast it fills up.
#[derive(Clone, Copy, Debug)]
struct Size {
    most: u32,
    per_second: u32,
}

/// What is in a bucket.
#[derive(Clone, Copy, Debug)]
struct Level {
    /// Thousandths of tokens, so that slow filling is exact.
    thousandths: u64,
    at: Instant,
}

impl Size {
    fn full(self, now: Instant) -> Level {
        Level {
            thousandths: u64::from(self.most).saturating_mul(1000),
            at: now,
        }
    }

    /// Takes a token, or says how long it is until there is one.
    fn take(self, level: &mut Level, now: Instant) -> Result<(), Duration> {
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
        let missing = 1000_u64.saturating_sub(filled);
        let millis = missing.checked_div(u64::from(self.per_second));
        Err(Duration::from_millis(millis.unwrap_or(u64::MAX)))
    }

    fn refusal(self) -> Refusal {
        let wanted = format!("at most {} a second for long", self.per_second);
        Refusal::new(Code::RateLimited, "too many requests", wanted)
    }
}

/// A bucket of tokens for everybody.
#[derive(Debug)]
pub struct Bucket {
    size: Size,
    level: Mutex<Level>,
}

impl Bucket {
    /// A full bucket of `most` tokens that gets `per_second` more each second.
    pub fn new(most: u32, per_second: u32, now: Instant) -> Self {
        let size = Size { most, per_second };
        Self {
            size,
            level: Mutex::new(size.full(now)),
        }
    }

    /// Takes a token.
    ///
    /// # Errors
    ///
    /// `RATE_LIMITED` if there is none.
    pub fn take(&self, now: Instant) -> Result<(), Refusal> {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = self.size.take(&mut level, now);
        taken.map_err(|_| self.size.refusal())
    }
}

/// A bucket of tokens for each address.
///
/// Loopback addresses have no bucket: who calls from there is a proxy on this machine, behind which
/// all callers look the same, and which must have a limit of its own.
#[derive(Debug)]
pub struct PerAddress {
    size: Size,
    levels: Mutex<LruCache<IpAddr, Level>>,
}

/// A no for now: why, and when to ask again.
#[derive(Debug)]
pub struct Later {
    /// `RATE_LIMITED`.
    pub refusal: Refusal,
    /// How long until it is of use to ask again.
    pub after: Duration,
}

impl PerAddress {
    /// Full buckets of `most` tokens that get `per_second` more each second.
    pub fn new(most: u32, per_second: u32) -> Self {
        Self {
            size: Size { most, per_second },
            levels: Mutex::new(LruCache::new(ADDRESSES)),
        }
    }

    /// Takes a token of this address.
    ///
    /// # Errors
    ///
    /// [`Later`] if there is none.
    pub fn take(&self, address: IpAddr, now: Instant) -> Result<(), Later> {
        let address = household(address);
        if address.is_loopback() {
            return Ok(());
        }
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let full = self.size.full(now);
        let level = levels.entry(address).or_insert_with(|| full);
        self.size.take(level, now).map_err(|after| Later {
            refusal: self.size.refusal(),
            after,
        })
    }
}

/// Whom an address stands for: whoever has one IPv6 address has the 2^64 beside it.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        other @ (IpAddr::V4(_) | IpAddr::V6(_)) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_asks_too_often_takes_nothing_from_another() {
        let start = Instant::now();
        let at = |millis| start.checked_add(Duration::from_millis(millis)).unwrap();
        let buckets = PerAddress::new(2, 4);
        let take = |address: &str, millis| buckets.take(address.parse().unwrap(), at(millis));
        take("192.0.2.1", 0).unwrap();
        take("192.0.2.1", 0).unwrap();
        let later = take("192.0.2.1", 0).unwrap_err();
        assert_eq!(later.refusal.code(), Code::RateLimited);
        assert_eq!(later.after, Duration::from_millis(250));
        // What it was told is true.
        assert!(take("192.0.2.1", 249).is_err());
        take("192.0.2.1", 250).unwrap();
        take("192.0.2.2", 0).unwrap();
        // One household of IPv6, and IPv4 in the clothes of IPv6.
        take("2001:db8::1", 0).unwrap();
        take("2001:db8::2", 0).unwrap();
        assert!(take("2001:db8::3", 0).is_err());
        take("2001:db8:0:1::1", 0).unwrap();
        take("::ffff:192.0.2.2", 0).unwrap();
        assert!(take("192.0.2.2", 0).is_err());
        // A proxy on this machine is everybody.
        for _ in 0..9 {
            take("127.0.0.1", 0).unwrap();
            take("::1", 0).unwrap();
        }
    }

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
