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
#[derive(Clone, Debug, Default, Eq, PartialEq)]
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
    pub fn stop(mut self, seq: OrderSeq, holds: &[Hold]) -> Self {
        for hold in holds {
            self.words
                .entry(hold.id)
                .and_modify(|word| {
                    word.hold = stricter(word.hold, *hold);
                    // A stop that is not older than the resume speaks last.
                    if seq >= word.order {
                        word.order = seq;
                        word.lifted = false;
                    }
                })
                .or_insert(Word {
                    hold: *hold,
                    order: seq,
                    lifted: false,
                });
        }
        self.last_order = self.last_order.max(seq);
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
