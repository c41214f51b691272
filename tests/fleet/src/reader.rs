//! A program that a person lets read.

use std::sync::atomic::{AtomicU64, Ordering};

use wardkey_schemas::ids::ReaderId;
use wardkey_schemas::jws::{self, Sealed};
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::query::{Query, Question};

/// A reader key with its permission.
#[derive(Debug)]
pub struct Reader {
    /// The permission.
    pub id: ReaderId,
    /// The key that asks.
    pub key: SigningKey,
    counter: AtomicU64,
}

impl Reader {
    #[cfg(feature = "service")]
    pub(crate) const fn new(id: ReaderId, key: SigningKey) -> Self {
        Self {
            id,
            key,
            counter: AtomicU64::new(1),
        }
    }

    /// The next question, before it is signed.
    pub fn query(&self, question: Question) -> Query {
        Query {
            reader: self.id,
            counter: self.counter.fetch_add(1, Ordering::Relaxed),
            about: None,
            question,
        }
    }

    /// A question, signed.
    pub fn sign(&self, query: &Query) -> Sealed<Query> {
        Sealed::new(jws::sign(query, &self.key).unwrap())
    }
}
