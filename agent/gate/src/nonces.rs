//! The gate's nonces: where the time of a lease begins.
//!
//! # Invariants
//!
//! - They live in memory only: another run of the gate, and another boot, knows none of them.
//! - Each is accepted once. Its stamp is the moment at which it was made, so a lease that took long
//!   to arrive has run for that long already.
//! - None outlives a sleep of the laptop.

use std::collections::VecDeque;

use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::{Code, Refusal};

use crate::boottime::Boottime;
use crate::limits;

/// The nonces of this run.
#[derive(Clone, Debug, Default)]
pub struct Nonces {
    /// Given out, oldest first.
    waiting: VecDeque<(Nonce, Boottime)>,
    /// Accepted, oldest first.
    spent: VecDeque<Nonce>,
}

impl Nonces {
    /// Writes down a nonce that was just made.
    pub fn give_out(&mut self, nonce: Nonce, now: Boottime) {
        self.forget_old(now);
        while self.waiting.len() >= limits::NONCES_OUTSTANDING {
            self.waiting.pop_front();
        }
        self.waiting.push_back((nonce, now));
    }

    /// When `nonce` was made, if it waits for a lease.
    ///
    /// # Errors
    ///
    /// `LEASE_NONCE_USED` if it was accepted once, `LEASE_NONCE_UNKNOWN` if this run did not give
    /// it out or has forgotten it.
    pub fn stamp(&self, nonce: &Nonce, now: Boottime) -> Result<Boottime, Refusal> {
        if self.spent.contains(nonce) {
            return Err(Refusal::new(
                Code::LeaseNonceUsed,
                "a nonce that was accepted before",
                "a nonce that waits for its lease",
            ));
        }
        self.waiting
            .iter()
            .find(|(waiting, made)| waiting == nonce && is_fresh(*made, now))
            .map(|(_, made)| *made)
            .ok_or_else(|| {
                Refusal::new(
                    Code::LeaseNonceUnknown,
                    "a nonce that does not wait here",
                    format!(
                        "one of this run of the gate, at most {} old",
                        limits::NONCE_AGE
                    ),
                )
            })
    }

    /// Forgets all that wait.
    pub fn forget_waiting(&mut self) {
        self.waiting.clear();
    }

    /// Marks `nonce` as accepted, for good.
    pub fn spend(&mut self, nonce: &Nonce) {
        self.waiting.retain(|(waiting, _)| waiting != nonce);
        while self.spent.len() >= limits::NONCES_SPENT {
            self.spent.pop_front();
        }
        self.spent.push_back(*nonce);
    }

    fn forget_old(&mut self, now: Boottime) {
        self.waiting.retain(|(_, made)| is_fresh(*made, now));
    }
}

fn is_fresh(made: Boottime, now: Boottime) -> bool {
    now <= made.plus(limits::NONCE_AGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Boottime {
        Boottime::from_millis(seconds.saturating_mul(1000))
    }

    fn code(answer: Result<Boottime, Refusal>) -> Code {
        answer.unwrap_err().code()
    }

    #[test]
    fn a_nonce_keeps_the_stamp_of_its_making() {
        let mut nonces = Nonces::default();
        nonces.give_out(Nonce::new([1; 32]), at(10));
        assert_eq!(nonces.stamp(&Nonce::new([1; 32]), at(200)), Ok(at(10)));
    }

    #[test]
    fn a_nonce_is_accepted_once() {
        let mut nonces = Nonces::default();
        let nonce = Nonce::new([1; 32]);
        nonces.give_out(nonce, at(10));
        nonces.spend(&nonce);
        assert_eq!(code(nonces.stamp(&nonce, at(11))), Code::LeaseNonceUsed);
    }

    #[test]
    fn a_nonce_of_another_run_is_unknown() {
        let mut nonces = Nonces::default();
        nonces.give_out(Nonce::new([1; 32]), at(10));
        let restarted = Nonces::default();
        assert_eq!(
            code(restarted.stamp(&Nonce::new([1; 32]), at(11))),
            Code::LeaseNonceUnknown
        );
    }

    #[test]
    fn a_nonce_is_forgotten_when_it_is_old() {
        let mut nonces = Nonces::default();
        nonces.give_out(Nonce::new([1; 32]), at(10));
        assert!(nonces.stamp(&Nonce::new([1; 32]), at(310)).is_ok());
        assert_eq!(
            code(nonces.stamp(&Nonce::new([1; 32]), Boottime::from_millis(310_001))),
            Code::LeaseNonceUnknown
        );
    }

    #[test]
    fn the_oldest_is_forgotten_when_too_many_wait() {
        let mut nonces = Nonces::default();
        for number in 0..=16 {
            nonces.give_out(Nonce::new([number; 32]), at(10));
        }
        assert_eq!(
            code(nonces.stamp(&Nonce::new([0; 32]), at(10))),
            Code::LeaseNonceUnknown
        );
        for number in 1..=16 {
            assert!(nonces.stamp(&Nonce::new([number; 32]), at(10)).is_ok());
        }
    }

    #[test]
    fn memory_of_spent_nonces_is_bounded_and_what_is_forgotten_is_still_refused() {
        let mut nonces = Nonces::default();
        for number in 0..=limits::NONCES_SPENT {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            nonces.give_out(Nonce::new(bytes), at(10));
            nonces.spend(&Nonce::new(bytes));
        }
        assert_eq!(
            code(nonces.stamp(&Nonce::new([0; 32]), at(10))),
            Code::LeaseNonceUnknown
        );
        assert_eq!(nonces.spent.len(), limits::NONCES_SPENT);
    }
}
