//! The latch: what keeps the gate closed until people lift it.
//!
//! A stop adds holds; a hold is lifted by its number, never all at once. For each hold the order
//! with the highest place in the row that speaks of it decides: so an old resume shown again lifts
//! nothing new, an old stop shown again brings nothing back, and orders may come twice, late or
//! out of turn without a different end.
//!
//! # Invariants
//!
//! - Nothing here lifts a hold but [`Holds::lift`], and it takes a proof that the approvals were
//!   checked.
//! - A latch that cannot be read, or that belongs to another laptop, is [`Latch::Sealed`]: closed,
//!   whatever it may have said.

mod holds;

use std::fmt;

use wardkey_schemas::order::{Hold, HoldClass};
use wardkey_schemas::{Code, Refusal};

pub use self::holds::{Holds, Outcome, Owner};

/// The latch of this laptop.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Latch {
    /// It was read, and it is this laptop's.
    Kept(Holds),
    /// It could not be read, is not this laptop's, or not its newest: closed.
    Sealed(Seal),
}

/// Why a latch is closed, whatever it may have said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Seal {
    /// The file is gone, though the counter has been used.
    Gone,
    /// The file is no state; the text says why.
    Unreadable(String),
    /// Another laptop wrote the file, or nobody who could.
    Forged,
    /// It belongs to another enrolment, or to another laptop.
    Foreign {
        /// Whose it is.
        found: Owner,
        /// Who we are.
        wanted: Owner,
    },
    /// The file is older than the last one: a copy was put back.
    RolledBack {
        /// Its number.
        found: u64,
        /// The counter.
        wanted: u64,
    },
    /// The file is newer than the counter allows.
    Ahead {
        /// Its number.
        found: u64,
        /// The counter.
        wanted: u64,
    },
    /// The security chip has no counter: it was cleared or exchanged.
    NoCounter,
    /// The security chip does not answer; the text says how. It may yet.
    NoChip(String),
}

impl fmt::Display for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the gate's state is gone, though it has been written"),
            Self::Unreadable(why) => write!(f, "the gate's state cannot be read: {why}"),
            Self::Forged => f.write_str("the gate's state was not written by this laptop"),
            Self::Foreign { found, wanted } => {
                write!(f, "the gate's state belongs to {found}, this is {wanted}")
            }
            Self::RolledBack { found, wanted } => write!(
                f,
                "the gate's state is an old copy: number {found}, and the security chip counts \
                 {wanted}"
            ),
            Self::Ahead { found, wanted } => write!(
                f,
                "the gate's state bears number {found}, and the security chip counts {wanted}: far \
                 behind it"
            ),
            Self::NoCounter => f.write_str(
                "the security chip has no counter, though this laptop is enrolled: it was cleared",
            ),
            Self::NoChip(why) => write!(f, "the security chip does not answer: {why}"),
        }
    }
}

impl Seal {
    /// What staff are told.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::NoChip(_) => Refusal::new(Code::TpmUnavailable, self, "a chip that answers"),
            Self::Gone
            | Self::Unreadable(_)
            | Self::Forged
            | Self::Foreign { .. }
            | Self::RolledBack { .. }
            | Self::Ahead { .. }
            | Self::NoCounter => {
                Refusal::new(Code::GateSealed, self, "the state that was written last")
            }
        }
    }

    /// Whether a new enrolment is the only way out; else waiting may be one.
    pub const fn is_for_good(&self) -> bool {
        !matches!(self, Self::NoChip(_))
    }
}

impl Latch {
    /// Refuses while anything stands.
    ///
    /// # Errors
    ///
    /// `GATE_LATCHED`, with the classes of the holds that stand; `GATE_SEALED` or
    /// `TPM_UNAVAILABLE` if they cannot be told.
    pub fn permits_opening(&self) -> Result<(), Refusal> {
        let found = match self {
            Self::Sealed(seal) => return Err(seal.refusal()),
            Self::Kept(holds) => {
                let mut classes: Vec<HoldClass> = holds.standing().map(|hold| hold.class).collect();
                if classes.is_empty() {
                    return Ok(());
                }
                classes.sort_unstable();
                classes.dedup();
                let words: Vec<&str> = classes.iter().map(|class| class.as_str()).collect();
                format!("stopped: {}", words.join(", "))
            }
        };
        Err(Refusal::new(
            Code::GateLatched,
            found,
            "no stop that stands",
        ))
    }

    /// The holds that stand; none can be told while it is sealed.
    pub fn standing(&self) -> Vec<Hold> {
        match self {
            Self::Kept(holds) => holds.standing().collect(),
            Self::Sealed(_) => Vec::new(),
        }
    }

    /// Why it is closed whatever it may have said, if it is.
    pub const fn seal(&self) -> Option<&Seal> {
        match self {
            Self::Kept(_) => None,
            Self::Sealed(seal) => Some(seal),
        }
    }
}
