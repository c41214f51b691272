//! How orders change the latch, in whatever turn they come.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use proptest::prelude::*;
use wardkey_gate::latch::{Holds, Outcome, Owner};
use wardkey_gate::limits;
use wardkey_gate::store::State;
use wardkey_schemas::Code;
use wardkey_schemas::ids::{DeviceId, Generation, HoldId, OrderId, OrderSeq};
use wardkey_schemas::order::{Hold, HoldClass, Mode, OrderResult};
use wardkey_schemas::role::Role;

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
    let file = serde_json::to_vec(&holds).unwrap();
    let again: Holds = serde_json::from_slice(&file).unwrap();
    assert_eq!(again, holds);
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

/// One order about one hold.
#[derive(Clone, Copy, Debug)]
struct Word {
    hold: Hold,
    order: OrderSeq,
    lifted: bool,
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
        let _ = State::parse(&bytes);
    }
}
