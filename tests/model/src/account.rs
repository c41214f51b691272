//! What really happened, as somebody would know it who saw everything. It decides nothing: the
//! properties are judged by it.

use std::collections::{BTreeMap, BTreeSet};

use wardkey_schemas::order::HoldClass;
use wardkey_schemas::role::Role;

use crate::scene::{Stop, Who};
use crate::time::Tick;

/// Something that must never happen.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Wrong {
    /// A lease was given for something that was stopped or revoked.
    Leased,
    /// A visit was opened under a stop that the laptop had acknowledged and nobody had lifted.
    Opened,
    /// keyd lifted a hold that too few had agreed to lift.
    Lifted,
    /// A call was ended by an answer that keyd had not signed, or had signed for another question.
    Ended,
}

/// The account.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Account {
    /// For each visit under an acknowledged stop, what people were told: it cannot run past this.
    pub bounds: BTreeMap<u8, Tick>,
    /// Stops of which the laptop has said that they are latched, by number.
    pub latched: BTreeMap<u8, Stop>,
    /// Who has signed that a stop is to be lifted.
    pub agreed: BTreeSet<(u8, Who)>,
    /// What must never happen and did.
    pub wrongs: BTreeSet<Wrong>,
}

impl Account {
    /// Writes down what must never happen, if it did.
    pub fn note(&mut self, wrong: Wrong, happened: bool) {
        if happened {
            self.wrongs.insert(wrong);
        }
    }

    /// Whether it never happened.
    pub fn is_free_of(&self, wrong: Wrong) -> bool {
        !self.wrongs.contains(&wrong)
    }

    /// Whether those who have agreed may lift stop number `number`: told here once more in the
    /// plainest words, on purpose not by the product's own table.
    pub fn may_be_lifted(&self, number: u8, stop: Stop) -> bool {
        let agreed = || {
            self.agreed
                .iter()
                .filter(|(lifted, _)| *lifted == number)
                .map(|(_, who)| *who)
        };
        let two = || {
            agreed().any(|one| {
                agreed().any(|other| one.person() != other.person() && one.role() != other.role())
            })
        };
        match stop.class {
            HoldClass::Revoked => false,
            HoldClass::Lost | HoldClass::Stolen | HoldClass::Incident => two(),
            HoldClass::Misuse | HoldClass::Maintenance | HoldClass::Other => {
                let officer = agreed().any(|who| who.role() == Role::SecurityOfficer);
                officer || (stop.by != Role::SecurityOfficer && agreed().next().is_some())
            }
        }
    }

    /// Whether something that the laptop has latched still binds it.
    pub fn binds(&self, at_once_only: bool) -> bool {
        self.latched.iter().any(|(number, stop)| {
            let counts = !(at_once_only && stop.waits);
            counts && !self.may_be_lifted(*number, *stop)
        })
    }
}
