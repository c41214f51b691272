//! The link is alive by keyd's signature alone; without that the laptop asks.

use wardkey_schemas::order::{Command as Order, HoldClass, Mode};
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Seconds;

use crate::gates::laptop::hold;
use crate::theatre::{FalseBeat, Theatre};

/// A laptop whose link is alive and that has asked all that it had to ask.
fn linked() -> Theatre {
    let mut theatre = Theatre::new();
    theatre.heal(8);
    theatre.settle();
    assert!(theatre.view().linked);
    assert!(!theatre.is_polling());
    theatre
}

#[test]
fn heartbeats_that_are_missing_or_prove_nothing_make_the_laptop_poll() {
    for how in [
        FalseBeat::Missing,
        FalseBeat::Forged,
        FalseBeat::OfAnotherLink,
        FalseBeat::Again,
    ] {
        let mut theatre = linked();
        // Two intervals of fifteen seconds and what a slow network takes.
        for _ in 0..7 {
            theatre.beat_falsely(how);
            theatre.pass(Seconds::new(5));
        }
        assert!(!theatre.view().linked, "{how:?}");
        assert!(theatre.is_polling(), "{how:?}");
    }
    // Honest ones keep it alive as long.
    let mut theatre = linked();
    for _ in 0..7 {
        theatre.beat();
        theatre.pass(Seconds::new(5));
    }
    assert!(theatre.view().linked && !theatre.is_polling());
}

#[test]
fn a_heartbeat_that_names_an_order_which_never_came_makes_the_laptop_ask_at_once() {
    let mut theatre = linked();
    let stop = hold(HoldClass::Lost, Mode::Immediate, Role::SecurityOfficer);
    theatre.keyd.holds.push(stop);
    let order = Order::Stop { holds: vec![stop] };
    assert!(theatre.order_unseen(order).is_some());
    assert!(!theatre.is_polling());
    theatre.beat();
    assert!(theatre.is_polling(), "it waits for something");
    theatre.settle();
    assert!(theatre.view().latched);
    let receipts = theatre.receipts();
    assert!(receipts.values().all(|is_receipted| *is_receipted));
    // An order that the gate is busy with is not missing.
    let mut theatre = linked();
    theatre.keyd.holds.push(stop);
    theatre.order(Order::Stop { holds: vec![stop] });
    theatre.beat();
    assert!(!theatre.is_polling());
}
