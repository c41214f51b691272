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
    /// It could not be read or is not this laptop's: closed for good.
    Sealed(Seal),
}

/// Why a latch is closed for good.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Seal {
    /// The file is gone, though the folder has been in use.
    Gone,
    /// The file is no latch; the text says why.
    Unreadable(String),
    /// It belongs to another laptop, or to a later enrolment of this one.
    Foreign {
        /// Whose it is.
        found: Owner,
        /// Who we are.
        wanted: Owner,
    },
}

impl fmt::Display for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the latch file is gone from a folder that was in use"),
            Self::Unreadable(why) => write!(f, "the latch file cannot be read: {why}"),
            Self::Foreign { found, wanted } => {
                write!(f, "the latch file belongs to {found}, this is {wanted}")
            }
        }
    }
}

impl Latch {
    /// Refuses while anything stands.
    ///
    /// # Errors
    ///
    /// `GATE_LATCHED`, with the classes of the holds that stand.
    pub fn permits_opening(&self) -> Result<(), Refusal> {
        let found = match self {
            Self::Sealed(seal) => seal.to_string(),
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

    /// Why it is closed for good, if it is.
    pub const fn seal(&self) -> Option<&Seal> {
        match self {
            Self::Kept(_) => None,
            Self::Sealed(seal) => Some(seal),
        }
    }
}
