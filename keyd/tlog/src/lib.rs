//! The record as a transparency log: what a log, a witness and a doubting reader all compute.
//!
//! Pure: bytes and numbers in, hashes, texts and verdicts out. keyd places entries with it, the
//! command line checks keyd with it, and a witness judges with it; so nobody has to believe
//! another's arithmetic.
//!
//! # Invariants
//!
//! - Hashing is RFC 6962 §2.1 (SHA-256; leaves begin with 00, nodes with 01); proofs are those of
//!   RFC 9162 §2.1.3 and §2.1.4.
//! - [`checkpoint::VerifiedCheckpoint`] has one mint: the function that checked the log's signature.
//! - Texts are those of C2SP (`signed-note`, `tlog-checkpoint`, `tlog-tiles`, `tlog-cosignature`,
//!   `tlog-proof`, `tlog-witness`); each has one spelling, and any other is refused.
//! - Nothing here panics on what it is given.
//!
//! # Where to start
//!
//! [`tree`] for which hashes a proof needs, [`tile`] for where they are kept, [`proof`] for how a
//! proof is checked, [`checkpoint`] for what is signed, [`witness`] for what a witness does.

pub mod checkpoint;
pub mod doubt;
pub mod entries;
pub mod frontier;
pub mod key;
pub mod note;
pub mod proof;
pub mod proof_text;
pub mod tile;
pub mod tree;
pub mod witness;

mod text;

/// Why something is not what a log, a witness or a proof would say.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TlogError {
    /// Not in the one form that its specification gives it.
    #[error("{what} is not well formed: {why}")]
    Malformed {
        /// What was read.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The key that must have signed has not.
    #[error("{name} has not signed it")]
    Unsigned {
        /// The name of the key.
        name: String,
    },
    /// There is a signature by that key's name and number, and it does not verify.
    #[error("the signature of {name} does not match")]
    Signature {
        /// The name of the key.
        name: String,
    },
    /// The checkpoint is of another log.
    #[error("a checkpoint of {found}; wanted one of {wanted}")]
    Origin {
        /// The origin found.
        found: String,
        /// The origin wanted.
        wanted: String,
    },
    /// The entry is not at this place of this tree.
    #[error("the proof does not show the entry in the tree")]
    NotIncluded,
    /// The larger tree is not the smaller one with entries added.
    #[error("the proof does not show that the larger tree continues the smaller one")]
    NotConsistent,
    /// A tile that is needed is not at hand.
    #[error("tile {level}/{index} is missing or too short")]
    Missing {
        /// The tile's level.
        level: u8,
        /// Its number.
        index: u64,
    },
    /// A key cannot be used.
    #[error("the key cannot be used")]
    Key,
}

pub(crate) const fn malformed(what: &'static str, why: &'static str) -> TlogError {
    TlogError::Malformed { what, why }
}
