//! The holds of a latch that was read, and how orders change them.

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

/// The latch file: the same as [`Holds`], in the words of JSON.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    owner: Option<Owner>,
    last_order: OrderSeq,
    holds: Vec<Word>,
    outcomes: Vec<Outcome>,
}

/// The only format so far.
const FORMAT: u32 = 1;

impl Holds {
    /// The bytes of a latch file.
    ///
    /// # Errors
    ///
    /// [`serde_json::Error`]; none is known to happen.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let file = File {
            format: FORMAT,
            owner: self.owner,
            last_order: self.last_order,
            holds: self.words.values().copied().collect(),
            outcomes: self.outcomes.iter().copied().collect(),
        };
        let mut bytes = serde_json::to_vec_pretty(&file)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Parses a latch file.
    ///
    /// # Errors
    ///
    /// One sentence on what is wrong with it: not JSON, another format, a hold told of twice.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let file: File = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if file.format != FORMAT {
            return Err(format!("format {}, wanted {FORMAT}", file.format));
        }
        let mut words = BTreeMap::new();
        for word in file.holds {
            if words.insert(word.hold.id, word).is_some() {
                return Err(format!("hold {} stands in it twice", word.hold.id));
            }
        }
        Ok(Self {
            owner: file.owner,
            last_order: file.last_order,
            words,
            outcomes: file.outcomes.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(number: u8) -> HoldId {
        HoldId::from_random([number; 16])
    }

    fn hold(number: u8) -> Hold {
        Hold {
            id: id(number),
            class: HoldClass::Maintenance,
            mode: Mode::Immediate,
            by: Role::Lead,
        }
    }

    fn seq(number: u64) -> OrderSeq {
        OrderSeq::new(number)
    }

    fn standing(holds: &Holds) -> Vec<HoldId> {
        holds.standing().map(|hold| hold.id).collect()
    }

    #[test]
    fn a_resume_lifts_the_holds_it_names_and_no_other() {
        let holds = Holds::default()
            .stop(seq(1), &[hold(1), hold(2)])
            .lift(seq(2), &[id(1)])
            .unwrap();
        assert_eq!(standing(&holds), [id(2)]);
        assert_eq!(holds.last_order(), seq(2));
    }

    #[test]
    fn an_old_resume_shown_again_lifts_no_new_hold() {
        let holds = Holds::default()
            .stop(seq(1), &[hold(1)])
            .lift(seq(2), &[id(1)])
            .unwrap()
            .stop(seq(3), &[hold(2)])
            .lift(seq(2), &[id(1)])
            .unwrap();
        assert_eq!(standing(&holds), [id(2)]);
    }

    #[test]
    fn an_old_resume_does_not_lift_a_hold_that_was_placed_again_under_the_same_number() {
        let holds = Holds::default()
            .stop(seq(1), &[hold(1)])
            .lift(seq(2), &[id(1)])
            .unwrap()
            .stop(seq(3), &[hold(1)]);
        assert_eq!(standing(&holds), [id(1)]);
        let refusal = holds.lift(seq(2), &[id(1)]).unwrap_err();
        assert_eq!(refusal.code(), Code::OrderApproval);
    }

    #[test]
    fn an_old_stop_shown_again_brings_no_lifted_hold_back() {
        let holds = Holds::default()
            .stop(seq(1), &[hold(1)])
            .lift(seq(2), &[id(1)])
            .unwrap()
            .stop(seq(1), &[hold(1)]);
        assert_eq!(standing(&holds), []);
        assert_eq!(holds.last_order(), seq(2));
    }

    #[test]
    fn a_resume_of_an_unknown_hold_lifts_nothing_at_all() {
        let holds = Holds::default().stop(seq(1), &[hold(1)]);
        let refusal = holds.clone().lift(seq(2), &[id(1), id(9)]).unwrap_err();
        assert_eq!(refusal.code(), Code::HoldUnknown);
        assert_eq!(standing(&holds), [id(1)]);
    }

    #[test]
    fn a_revoked_laptop_is_never_let_go() {
        let revoked = Hold {
            class: HoldClass::Revoked,
            ..hold(1)
        };
        let holds = Holds::default().stop(seq(1), &[revoked]);
        let refusal = holds.lift(seq(2), &[id(1)]).unwrap_err();
        assert_eq!(refusal.code(), Code::OrderApproval);
    }

    #[test]
    fn a_hold_told_of_again_only_becomes_harder_to_lift() {
        let harder = Hold {
            class: HoldClass::Stolen,
            by: Role::SecurityOfficer,
            ..hold(1)
        };
        let softer = Hold {
            mode: Mode::AfterThisCall,
            class: HoldClass::Other,
            by: Role::Staff,
            ..hold(1)
        };
        let holds = Holds::default()
            .stop(seq(1), &[hold(1)])
            .stop(seq(2), &[harder])
            .stop(seq(3), &[softer]);
        assert_eq!(holds.standing().collect::<Vec<_>>(), [harder]);
    }

    #[test]
    fn memory_of_lifted_holds_is_bounded_and_standing_ones_are_kept() {
        let mut holds = Holds::default().stop(seq(1), &[hold(255)]);
        for number in 0..=u64::try_from(limits::HOLDS_LIFTED).unwrap() {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            let one = Hold {
                id: HoldId::from_bytes(bytes),
                ..hold(0)
            };
            holds = holds
                .stop(seq(2 * number + 2), &[one])
                .lift(seq(2 * number + 3), &[one.id])
                .unwrap();
        }
        assert_eq!(holds.known().len(), limits::HOLDS_LIFTED + 1);
        assert_eq!(standing(&holds), [id(255)]);
        assert!(
            !holds
                .known()
                .iter()
                .any(|hold| hold.id == HoldId::from_bytes([0; 16]))
        );
    }

    #[test]
    fn outcomes_are_remembered_in_bounds_and_survive_the_file() {
        let mut holds = Holds::default();
        for number in 0..=u8::try_from(limits::OUTCOMES).unwrap() {
            holds = holds.record(Outcome {
                order: OrderId::from_random([number; 16]),
                seq: seq(u64::from(number)),
                result: OrderResult::Stopped,
            });
        }
        assert_eq!(holds.outcome(OrderId::from_random([0; 16])), None);
        assert_eq!(
            holds.outcome(OrderId::from_random([1; 16])),
            Some(OrderResult::Stopped)
        );
        let again = Holds::parse(&holds.to_json().unwrap()).unwrap();
        assert_eq!(again, holds);
    }

    #[test]
    fn a_file_with_one_thing_wrong_is_not_read() {
        let good = Holds::default().stop(seq(1), &[hold(1)]).to_json().unwrap();
        let good = String::from_utf8(good).unwrap();
        assert!(Holds::parse(good.as_bytes()).is_ok());
        let word = good.split_once("\"holds\": [").unwrap().1;
        let word = word.split_once("],").unwrap().0;
        for wrong in [
            String::new(),
            good.replacen("\"format\": 1", "\"format\": 2", 1),
            good.replacen("\"last_order\"", "\"lastorder\"", 1),
            good.replacen("false", "maybe", 1),
            good.replacen(word, &format!("{word},{word}"), 1),
            good[..good.len() / 2].to_owned(),
        ] {
            assert!(Holds::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_latch_serves_its_laptop_in_this_and_in_later_enrolments() {
        let owner = |device, generation| Owner {
            device: DeviceId::from_random([device; 16]),
            generation: Generation::new(generation),
        };
        assert!(owner(1, 1).may_serve(owner(1, 1)));
        assert!(owner(1, 1).may_serve(owner(1, 2)));
        assert!(!owner(1, 2).may_serve(owner(1, 1)));
        assert!(!owner(1, 1).may_serve(owner(2, 1)));
    }

    /// An honest row of orders: each hold is placed once and lifted at most once, later.
    fn honest_orders() -> impl Strategy<Value = Vec<Word>> {
        prop::collection::vec((any::<bool>(), 0_u8..6), 1..24).prop_map(|wishes| {
            let mut orders: Vec<Word> = Vec::new();
            for (stop, number) in wishes {
                let place = seq(u64::try_from(orders.len()).unwrap().saturating_add(1));
                let of_hold = |lifted| {
                    orders
                        .iter()
                        .any(|word| word.hold.id == id(number) && word.lifted == lifted)
                };
                let wanted = if stop {
                    !of_hold(false)
                } else {
                    of_hold(false) && !of_hold(true)
                };
                if wanted {
                    orders.push(Word {
                        hold: hold(number),
                        order: place,
                        lifted: !stop,
                    });
                }
            }
            orders
        })
    }

    fn apply(holds: Holds, order: &Word) -> Holds {
        if order.lifted {
            // A resume whose stop has not come yet is refused and comes again later.
            holds
                .clone()
                .lift(order.order, &[order.hold.id])
                .unwrap_or(holds)
        } else {
            holds.stop(order.order, &[order.hold])
        }
    }

    proptest! {
        #[test]
        fn orders_may_come_twice_and_out_of_turn_without_another_end(
            orders in honest_orders(),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        ) {
            let in_turn = orders.iter().fold(Holds::default(), apply);
            if !orders.is_empty() {
                let shuffled = picks
                    .iter()
                    .fold(Holds::default(), |holds, pick| apply(holds, &orders[pick.index(orders.len())]));
                // keyd hands out again what was not acknowledged, oldest first.
                let settled = orders.iter().fold(shuffled, apply);
                prop_assert_eq!(standing(&settled), standing(&in_turn));
            }
        }

        #[test]
        fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Holds::parse(&bytes);
        }
    }
}
