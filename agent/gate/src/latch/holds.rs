//! The holds of a latch that was read, and how orders change them.

mod file;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use serde::{Deserialize, Serialize};
use wardkey_schemas::ids::{DeviceId, Generation, HoldId, OrderId, OrderSeq};
use wardkey_schemas::order::{Hold, HoldClass, Mode, OrderResult};
use wardkey_schemas::role::Role;
use wardkey_schemas::{Code, Refusal};

use crate::limits;

/// Whose latch it is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// The laptop.
    pub device: DeviceId,
    /// Its enrolment when the latch was last written.
    pub generation: Generation,
}

impl Owner {
    /// Whether a latch of `self` may serve `laptop`: the same laptop, in this or a later enrolment.
    /// Enrolling again lifts nothing.
    pub fn may_serve(self, laptop: Self) -> bool {
        self.device == laptop.device && self.generation <= laptop.generation
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "laptop {} in its enrolment {}",
            self.device, self.generation
        )
    }
}

/// What the newest order that spoke of a hold said of it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Word {
    hold: Hold,
    /// The place of that order.
    order: OrderSeq,
    lifted: bool,
}

impl Word {
    /// Both words about one hold as one: the later order decides whether it is lifted, of two with
    /// one place the stop; in all else the stricter.
    fn joined(self, other: Self) -> Self {
        let newest = if (self.order, !self.lifted) >= (other.order, !other.lifted) {
            self
        } else {
            other
        };
        Self {
            hold: stricter(self.hold, other.hold),
            ..newest
        }
    }
}

/// What became of one order, so that it is answered alike when it comes again.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The order.
    pub order: OrderId,
    /// Its place.
    pub seq: OrderSeq,
    /// What became of it.
    pub result: OrderResult,
}

/// The holds of this laptop: those that stand and those that were lifted.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "file::File", into = "file::File")]
pub struct Holds {
    owner: Option<Owner>,
    last_order: OrderSeq,
    words: BTreeMap<HoldId, Word>,
    outcomes: VecDeque<Outcome>,
}

impl Holds {
    /// Whose they are; nobody's before the laptop is enrolled.
    pub const fn owner(&self) -> Option<Owner> {
        self.owner
    }

    /// The same holds as `owner`'s.
    #[must_use]
    pub fn owned_by(mut self, owner: Owner) -> Self {
        self.owner = Some(owner);
        self
    }

    /// Whether `other` is the same laptop's, with the same word on every hold.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        self.owner == other.owner && self.words == other.words
    }

    /// The highest place of an order that was acted on.
    pub const fn last_order(&self) -> OrderSeq {
        self.last_order
    }

    /// The holds that stand, by their numbers.
    pub fn standing(&self) -> impl Iterator<Item = Hold> {
        self.words
            .values()
            .filter(|word| !word.lifted)
            .map(|word| word.hold)
    }

    /// Every hold that is remembered, standing or lifted: a resume that comes twice names holds
    /// that were lifted the first time.
    pub fn known(&self) -> Vec<Hold> {
        self.words.values().map(|word| word.hold).collect()
    }

    /// What became of `order`, if it is remembered.
    pub fn outcome(&self, order: OrderId) -> Option<OrderResult> {
        self.outcomes
            .iter()
            .find(|outcome| outcome.order == order)
            .map(|outcome| outcome.result)
    }

    /// Whether `hold` stands.
    pub fn stands(&self, hold: HoldId) -> bool {
        self.words.get(&hold).is_some_and(|word| !word.lifted)
    }

    /// Adds the holds of a stop at the place `seq`: the union, but for those that a later order
    /// lifted.
    #[must_use]
    pub fn stop(self, seq: OrderSeq, holds: &[Hold]) -> Self {
        let words = holds.iter().map(|hold| Word {
            hold: *hold,
            order: seq,
            lifted: false,
        });
        self.merge(words, seq)
    }

    /// Takes in what another history says, up to the order at `last`. Two histories come to the same
    /// whichever takes in the other, in whatever order and however often.
    fn merge(mut self, words: impl IntoIterator<Item = Word>, last: OrderSeq) -> Self {
        for word in words {
            self.words
                .entry(word.hold.id)
                .and_modify(|known| *known = known.joined(word))
                .or_insert(word);
        }
        self.last_order = self.last_order.max(last);
        self
    }

    /// Lifts `holds` by a resume at the place `seq`: all of them or none.
    ///
    /// # Errors
    ///
    /// `HOLD_UNKNOWN` for a hold that is not remembered; `ORDER_APPROVAL` for one that a later or
    /// the same order placed, as when an old resume is shown again, and for one that is never
    /// lifted.
    pub fn lift(mut self, seq: OrderSeq, holds: &[HoldId]) -> Result<Self, Refusal> {
        for id in holds {
            let word = self.words.get_mut(id).ok_or_else(|| {
                Refusal::new(Code::HoldUnknown, id, "a hold that this laptop was told of")
            })?;
            if !word.hold.class.can_be_lifted() {
                return Err(Refusal::new(
                    Code::OrderApproval,
                    format!("hold {id} of class {}", word.hold.class),
                    "a hold that can be lifted",
                ));
            }
            if word.lifted {
                word.order = word.order.max(seq);
            } else if seq > word.order {
                word.order = seq;
                word.lifted = true;
            } else {
                return Err(Refusal::new(
                    Code::OrderApproval,
                    format!("a resume at place {seq}"),
                    format!("one given after order {}, which stops", word.order),
                ));
            }
        }
        self.last_order = self.last_order.max(seq);
        self.forget_lifted();
        Ok(self)
    }

    /// Notes what became of an order.
    #[must_use]
    pub fn record(mut self, outcome: Outcome) -> Self {
        if !self.outcomes.contains(&outcome) {
            self.outcomes.retain(|known| known.order != outcome.order);
            self.remember(outcome);
        }
        self
    }

    fn remember(&mut self, outcome: Outcome) {
        while self.outcomes.len() >= limits::OUTCOMES {
            self.outcomes.pop_front();
        }
        self.last_order = self.last_order.max(outcome.seq);
        self.outcomes.push_back(outcome);
    }

    /// Keeps the newest of the lifted holds. Those that stand are never forgotten.
    fn forget_lifted(&mut self) {
        let mut lifted: Vec<(OrderSeq, HoldId)> = self
            .words
            .iter()
            .filter(|(_, word)| word.lifted)
            .map(|(id, word)| (word.order, *id))
            .collect();
        lifted.sort_unstable();
        let surplus = lifted.len().saturating_sub(limits::HOLDS_LIFTED);
        for (_, id) in lifted.into_iter().take(surplus) {
            self.words.remove(&id);
        }
    }
}

/// One hold told of twice: in each respect the word that is harder to lift. A key service that was
/// taken over cannot soften a stop by telling it again.
fn stricter(one: Hold, other: Hold) -> Hold {
    const fn class_rank(class: HoldClass) -> u8 {
        match class {
            HoldClass::Revoked => 6,
            HoldClass::Stolen => 5,
            HoldClass::Lost => 4,
            HoldClass::Incident => 3,
            HoldClass::Misuse => 2,
            HoldClass::Maintenance => 1,
            HoldClass::Other => 0,
        }
    }
    const fn role_rank(role: Role) -> u8 {
        match role {
            Role::NationalAdministrator => 4,
            Role::SecurityOfficer => 3,
            Role::Lead => 2,
            Role::Staff => 1,
            Role::Auditor => 0,
        }
    }
    let immediate = one.mode == Mode::Immediate || other.mode == Mode::Immediate;
    Hold {
        id: one.id,
        class: if class_rank(one.class) >= class_rank(other.class) {
            one.class
        } else {
            other.class
        },
        mode: if immediate {
            Mode::Immediate
        } else {
            Mode::AfterThisCall
        },
        by: if role_rank(one.by) >= role_rank(other.by) {
            one.by
        } else {
            other.by
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn word() -> impl Strategy<Value = Word> {
        let hold = (
            0..4_u8,
            proptest::sample::select(&HoldClass::ALL[..]),
            any::<bool>(),
            proptest::sample::select(&Role::ALL[..]),
        );
        (hold, 0..4_u64, any::<bool>()).prop_map(|((id, class, waits, by), order, lifted)| Word {
            hold: Hold {
                id: HoldId::from_bytes([id; 16]),
                class,
                mode: if waits {
                    Mode::AfterThisCall
                } else {
                    Mode::Immediate
                },
                by,
            },
            order: OrderSeq::new(order),
            lifted,
        })
    }

    /// A history: any words, taken in one by one.
    fn history() -> impl Strategy<Value = Holds> {
        (proptest::collection::vec(word(), 0..8), 0..8_u64)
            .prop_map(|(words, last)| Holds::default().merge(words, OrderSeq::new(last)))
    }

    fn merged(one: &Holds, other: &Holds) -> Holds {
        let words = other.words.values().copied();
        one.clone().merge(words, other.last_order)
    }

    proptest! {
        #[test]
        fn two_histories_come_to_the_same_whichever_takes_in_the_other(
            one in history(), other in history(),
        ) {
            prop_assert_eq!(merged(&one, &other), merged(&other, &one));
        }

        #[test]
        fn three_histories_come_to_the_same_in_any_grouping(
            one in history(), two in history(), three in history(),
        ) {
            let left = merged(&merged(&one, &two), &three);
            let right = merged(&one, &merged(&two, &three));
            prop_assert_eq!(left, right);
        }

        #[test]
        fn a_history_that_is_taken_in_again_changes_nothing(one in history(), other in history()) {
            let once = merged(&one, &other);
            prop_assert_eq!(merged(&once, &other), once.clone());
            prop_assert_eq!(merged(&once, &once), once);
        }

        #[test]
        fn a_merged_hold_is_as_strict_as_either_and_stands_unless_a_later_order_lifted_it(
            one in history(), other in history(),
        ) {
            let both = merged(&one, &other);
            for (id, word) in one.words.iter().chain(&other.words) {
                let merged = both.words.get(id).copied();
                prop_assert!(merged.is_some(), "no hold is lost");
                let merged = merged.unwrap_or(*word);
                prop_assert_eq!(stricter(merged.hold, word.hold), merged.hold);
                let lifted_later = merged.lifted && merged.order > word.order;
                prop_assert!(word.lifted || !merged.lifted || lifted_later);
            }
        }
    }
}
