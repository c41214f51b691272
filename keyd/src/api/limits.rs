//! How much of the service one kind of caller may take up, so that the others are served.
//!
//! A stop goes before everything: what is limited here is never what a stop or a renewal needs, but
//! for the nonce of an act, of which every address has enough.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use wardkey_edge::problem::No;
use wardkey_edge::rate::PerAddress;
use wardkey_schemas::{Code, Refusal};

/// Nonces for acts that an address may ask for at once: an office behind one address, all acting in
/// the same moment.
const CHALLENGES: u32 = 60;

/// And for long. Each is a row until it runs out.
const CHALLENGES_PER_SECOND: u32 = 10;

/// Questions that are answered at once. Lists are long readings, and half of what reads stays for
/// laptops that ask for a lease.
const QUESTIONS: usize = 2;

/// How long a question waits for its turn.
const QUESTION_WAITS: Duration = Duration::from_secs(5);

/// What is counted.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) challenges: PerAddress,
    questions: Semaphore,
    question_waits: Duration,
}

impl Limits {
    pub(super) fn new() -> Self {
        Self {
            challenges: PerAddress::new(CHALLENGES, CHALLENGES_PER_SECOND),
            questions: Semaphore::new(QUESTIONS),
            question_waits: QUESTION_WAITS,
        }
    }

    /// Waits for a place to have a question answered.
    ///
    /// # Errors
    ///
    /// `BUSY` if there is none in time.
    pub(super) async fn place_for_a_question(&self) -> Result<SemaphorePermit<'_>, No> {
        let busy = || {
            let wanted = format!("a place within {} seconds", self.question_waits.as_secs());
            let refusal = Refusal::new(Code::Busy, "too many questions at once", wanted);
            No::later(refusal, self.question_waits)
        };
        match timeout(self.question_waits, self.questions.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(busy()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_waits_for_a_place_and_not_for_ever() {
        let limits = Limits {
            question_waits: Duration::ZERO,
            ..Limits::new()
        };
        let first = limits.place_for_a_question().await.unwrap();
        let _second = limits.place_for_a_question().await.unwrap();
        let no = limits.place_for_a_question().await.unwrap_err();
        assert_eq!(no.refusal().code(), Code::Busy);
        drop(first);
        drop(limits.place_for_a_question().await.unwrap());
    }
}
