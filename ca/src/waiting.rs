//! Enrolments that wait to be completed: a bounded number, for a bounded time, in memory only.
//!
//! Each is completed once. While a completion is at work the same one said again is *busy*; what could
//! not be finished for a passing reason can be said again; anything else has spent it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use wardkey_schemas::ids::EnrolmentId;
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_schemas::{Code, Refusal};

/// Enrolments that wait at once. A site enrols a few laptops at a time; more are a flood.
const MOST: usize = 256;

/// How long a spent enrolment is remembered, so that its code is *used* and not *unknown*.
const REMEMBER: Seconds = Seconds::new(600);

/// What was handed out for enrolments of one kind.
#[derive(Debug)]
pub struct Waiting<T>(Mutex<HashMap<EnrolmentId, Place<T>>>);

#[derive(Debug)]
struct Place<T> {
    until: Timestamp,
    state: Enrolment<T>,
}

#[derive(Debug)]
enum Enrolment<T> {
    Open(T),
    AtWork,
    Spent,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Waiting<T> {
    fn lock(&self) -> MutexGuard<'_, HashMap<EnrolmentId, Place<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps `handed_out` until it is completed or its time is over.
    ///
    /// # Errors
    ///
    /// `BUSY` if too many wait already.
    pub fn insert(
        &self,
        enrolment: EnrolmentId,
        handed_out: T,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let mut places = self.lock();
        places.retain(|_, place| now <= place.until.plus(REMEMBER));
        let open = places
            .values()
            .filter(|place| !matches!(place.state, Enrolment::Spent) && now < place.until)
            .count();
        // Spent ones are small, but they are bounded too.
        if open >= MOST || places.len() >= MOST.saturating_mul(8) {
            let wanted = format!("at most {MOST} enrolments at once");
            return Err(Refusal::new(Code::Busy, "too many enrolments", wanted));
        }
        let state = Enrolment::Open(handed_out);
        places.insert(enrolment, Place { until, state });
        Ok(())
    }

    /// Takes what was handed out, for its one completion.
    ///
    /// # Errors
    ///
    /// `NONCE_UNKNOWN`, `NONCE_USED`, `NONCE_EXPIRED`; `BUSY` while its completion is at work.
    pub fn take(&self, enrolment: EnrolmentId, now: Timestamp) -> Result<Taken<'_, T>, Refusal> {
        const WANTED: &str = "an enrolment that was opened here and waits";
        let refused = |code| {
            Err(Refusal::new(
                code,
                format_args!("enrolment {enrolment}"),
                WANTED,
            ))
        };
        let mut places = self.lock();
        let Some(place) = places.get_mut(&enrolment) else {
            return refused(Code::NonceUnknown);
        };
        let until = place.until;
        match std::mem::replace(&mut place.state, Enrolment::AtWork) {
            Enrolment::Open(handed_out) if now < until => Ok(Taken {
                waiting: self,
                enrolment,
                handed_out: Some(handed_out),
            }),
            Enrolment::AtWork => refused(Code::Busy),
            Enrolment::Open(_) => {
                place.state = Enrolment::Spent;
                refused(Code::NonceExpired)
            }
            Enrolment::Spent => {
                place.state = Enrolment::Spent;
                refused(Code::NonceUsed)
            }
        }
    }
}

/// What was handed out, while it is being completed. Dropped, the enrolment is spent.
#[derive(Debug)]
pub struct Taken<'a, T> {
    waiting: &'a Waiting<T>,
    enrolment: EnrolmentId,
    handed_out: Option<T>,
}

impl<T> Taken<'_, T> {
    /// Takes it out of here for good: the enrolment is spent unless [`Self::give_back`] follows.
    ///
    /// # Errors
    ///
    /// `NONCE_USED` the second time.
    pub fn handed_out(&mut self) -> Result<T, Refusal> {
        self.handed_out.take().ok_or_else(|| {
            let found = format_args!("enrolment {}", self.enrolment).to_string();
            Refusal::new(Code::NonceUsed, found, "an enrolment that waits")
        })
    }

    /// Gives it back: the completion can be said again while the enrolment waits.
    pub fn give_back(mut self, handed_out: T) {
        self.handed_out = Some(handed_out);
    }
}

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        let state = match self.handed_out.take() {
            Some(handed_out) => Enrolment::Open(handed_out),
            None => Enrolment::Spent,
        };
        if let Some(place) = self.waiting.lock().get_mut(&self.enrolment) {
            place.state = state;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u32) -> Timestamp {
        let start = Timestamp::from_seconds(1_795_356_127).unwrap();
        start.plus(Seconds::new(seconds))
    }

    fn id(number: u8) -> EnrolmentId {
        EnrolmentId::from_bytes([number; 16])
    }

    fn waiting() -> Waiting<&'static str> {
        let waiting = Waiting::default();
        waiting.insert(id(1), "handed out", at(120), at(0)).unwrap();
        waiting
    }

    #[test]
    fn an_enrolment_is_completed_once_and_in_time() {
        let waiting = waiting();
        let code = |at| waiting.take(id(1), at).unwrap_err().code();
        let mut taken = waiting.take(id(1), at(119)).unwrap();
        assert_eq!(taken.handed_out().unwrap(), "handed out");
        assert_eq!(code(at(119)), Code::Busy);
        drop(taken);
        assert_eq!(code(at(119)), Code::NonceUsed);
        assert_eq!(
            waiting.take(id(2), at(0)).unwrap_err().code(),
            Code::NonceUnknown
        );
    }

    #[test]
    fn an_enrolment_that_took_too_long_has_run_out() {
        let waiting = waiting();
        let code = |at| waiting.take(id(1), at).unwrap_err().code();
        assert_eq!(code(at(120)), Code::NonceExpired);
        assert_eq!(code(at(120)), Code::NonceUsed);
    }

    #[test]
    fn what_was_given_back_can_be_taken_again() {
        let waiting = waiting();
        let mut taken = waiting.take(id(1), at(1)).unwrap();
        let handed_out = taken.handed_out().unwrap();
        assert_eq!(taken.handed_out().unwrap_err().code(), Code::NonceUsed);
        taken.give_back(handed_out);
        assert!(waiting.take(id(1), at(2)).is_ok());
        // Looked at and not used up: it waits on.
        assert!(waiting.take(id(1), at(3)).is_ok());
    }

    #[test]
    fn a_flood_is_turned_away_until_time_has_passed() {
        let waiting = Waiting::default();
        let number = |n: usize| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            EnrolmentId::from_bytes(bytes)
        };
        for n in 0..MOST {
            waiting.insert(number(n), (), at(120), at(0)).unwrap();
        }
        let refusal = waiting
            .insert(number(MOST), (), at(120), at(60))
            .unwrap_err();
        assert_eq!(refusal.code(), Code::Busy);
        waiting.insert(number(MOST), (), at(300), at(121)).unwrap();
    }
}
