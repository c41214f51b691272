//! What opens the gate, how long it stays open, and when it closes by itself.

#![expect(clippy::panic, reason = "a test may stop at the first surprise")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else comes is a surprise"
)]

mod support;

use support::laptop::{hold, new_session};
use support::stage::Stage;
use wardkey_gate::boottime::Boottime;
use wardkey_gate::protocol::{Answer, Event, Opened, Request};
use wardkey_schemas::Code;
use wardkey_schemas::challenge::Purpose;
use wardkey_schemas::ids::SessionId;
use wardkey_schemas::order::{HoldClass, Mode};
use wardkey_schemas::role::Role;
use wardkey_schemas::session::EndReason;
use wardkey_schemas::time::Seconds;

fn seconds(number: u32) -> Seconds {
    Seconds::new(number)
}

fn opened(answer: Answer) -> Opened {
    match answer {
        Answer::Opened(opened) | Answer::Renewed(opened) => opened,
        other => panic!("{other:?}"),
    }
}

/// The one event so far.
fn closed(stage: &mut Stage) -> (SessionId, EndReason, Boottime) {
    let events = std::mem::take(&mut stage.events);
    match events.as_slice() {
        [
            Event::Closed {
                session,
                reason,
                at,
            },
        ] => (*session, *reason, *at),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lease_and_the_staff_members_signature_open_the_room_of_the_lease() {
    let mut stage = Stage::new();
    let made = stage.now();
    let request = stage.opening();
    stage.pass(seconds(20));
    let told = opened(stage.ask(request.clone()));
    let lease = stage.laptop.lease_of(&request);
    assert_eq!(told.session, lease.session);
    assert_eq!(told.closes_at, made.plus(seconds(900)));
    assert_eq!(told.hard_end, made.plus(seconds(5400)));
    let showing = stage.screen.showing.get().unwrap();
    assert_eq!(showing.room, lease.room);
    assert_eq!(showing.session, lease.session);
    assert_eq!(showing.until, told.closes_at);
    assert_eq!(stage.status().open, Some(told));
}

#[test]
fn a_lease_closes_with_its_grace_and_not_before() {
    let mut stage = Stage::new();
    let request = stage.open();
    let end = stage.now().plus(seconds(900));
    stage.pass(seconds(899));
    assert!(stage.is_open());
    stage.pass(seconds(1));
    assert!(!stage.is_open());
    let session = stage.laptop.lease_of(&request).session;
    assert_eq!(closed(&mut stage), (session, EndReason::LeaseOver, end));
}

#[test]
fn a_strict_lease_has_no_grace_and_closes_at_its_own_end() {
    let mut stage = Stage::new();
    let nonce = stage.nonce();
    let end = stage.now().plus(seconds(300));
    let mut terms = stage.laptop.terms(new_session(), nonce);
    terms.lease.grace = Seconds::new(0);
    let opening = stage.laptop.open(terms);
    assert_eq!(opened(stage.ask(opening)).closes_at, end);
    stage.pass(seconds(299));
    assert!(stage.is_open());
    stage.pass(seconds(1));
    assert!(!stage.is_open());
    let (_, reason, at) = closed(&mut stage);
    assert_eq!((reason, at), (EndReason::LeaseOver, end));
}

#[test]
fn no_grace_is_left_after_a_signed_stop() {
    let mut stage = Stage::new();
    let opening = stage.open();
    let nonce = stage.nonce();
    let renewal = stage.laptop.renew(&opening, 1, nonce, |_| ());
    let lost = hold(HoldClass::Lost, Mode::Immediate, Role::Lead);
    let stop = stage.laptop.stop(1, &[lost]);
    assert!(matches!(stage.ask(stop), Answer::Obeyed(_)));
    assert!(!stage.is_open());
    // Fourteen minutes of lease and grace were left, and a renewal was under way.
    assert_eq!(stage.refusal(renewal).code(), Code::GateClosed);
    assert_eq!(stage.refusal(opening).code(), Code::GateLatched);
    assert!(!stage.is_open());
}

#[test]
fn a_renewal_keeps_it_open_up_to_the_hard_end_and_no_further() {
    let mut stage = Stage::new();
    let request = stage.open();
    let hard_end = stage.now().plus(seconds(5400));
    for seq in 1..=90 {
        stage.pass(seconds(60));
        if !stage.is_open() {
            assert_eq!(seq, 90);
            break;
        }
        let nonce = stage.nonce();
        let made = stage.now();
        // The key service gives more than there is: the gate knows better.
        let renewal = stage.laptop.renew(&request, seq, nonce, |_| ());
        let told = opened(stage.ask(renewal));
        assert_eq!(told.hard_end, hard_end);
        assert_eq!(told.closes_at, made.plus(seconds(900)).min(hard_end));
    }
    let (_, reason, at) = closed(&mut stage);
    assert_eq!((reason, at), (EndReason::HardEnd, hard_end));
}

#[test]
fn a_renewal_can_bring_the_hard_end_nearer() {
    let mut stage = Stage::new();
    let request = stage.open();
    stage.pass(seconds(60));
    let nonce = stage.nonce();
    let renewal = stage.laptop.renew(&request, 1, nonce, |lease| {
        lease.hard_end_in = Seconds::new(120);
    });
    let told = opened(stage.ask(renewal));
    assert_eq!(told.closes_at, stage.now().plus(seconds(120)));
}

#[test]
fn a_new_signature_extends_the_open_visit_without_touching_the_picture() {
    let mut stage = Stage::new();
    let opening = stage.open();
    let session = stage.laptop.lease_of(&opening).session;
    stage.pass(seconds(600));
    let nonce = stage.nonce();
    let made = stage.now();
    let mut terms = stage.laptop.terms(session, nonce);
    terms.activation.purpose = Purpose::Extend { session };
    terms.lease.seq = 1;
    let extension = stage.laptop.open(terms);
    let told = opened(stage.ask(extension.clone()));
    assert_eq!(told.hard_end, made.plus(seconds(5400)));
    assert_eq!(stage.screen.openings.get(), 1);
    assert_eq!(stage.events, []);
    // From now on a renewal goes by the new signature.
    let nonce = stage.nonce();
    let old = stage.laptop.renew(&opening, 2, nonce, |_| ());
    assert_eq!(stage.refusal(old).code(), Code::ActivationMismatch);
    let nonce = stage.nonce();
    let new = stage.laptop.renew(&extension, 2, nonce, |_| ());
    opened(stage.ask(new));
}

#[test]
fn a_visit_that_moves_here_opens_as_a_new_one_does() {
    let mut stage = Stage::new();
    let first = stage.open();
    let first = stage.laptop.lease_of(&first).session;
    let now = stage.now();
    let nonce = stage.nonce();
    let mut terms = stage.laptop.terms(new_session(), nonce);
    terms.activation.purpose = Purpose::Move;
    terms.lease.moved_from = Some(first);
    let moved = stage.laptop.open(terms);
    opened(stage.ask(moved));
    assert_eq!(closed(&mut stage), (first, EndReason::Superseded, now));
    assert!(stage.is_open());
}

#[test]
fn a_new_visit_takes_the_place_of_the_open_one() {
    let mut stage = Stage::new();
    let first = stage.open();
    let first = stage.laptop.lease_of(&first).session;
    let now = stage.now();
    stage.open();
    assert_eq!(closed(&mut stage), (first, EndReason::Superseded, now));
    assert_eq!(stage.screen.openings.get(), 2);
    assert!(stage.is_open());
}

/// A laptop that has slept in a visit, and woken: no picture, and the visit goes on.
fn asleep() -> (Stage, Request) {
    let mut stage = Stage::new();
    let opening = stage.open();
    stage.pass(seconds(10));
    stage.sleep(seconds(5));
    stage.look();
    assert!(!stage.is_open());
    let (session, at) = (stage.laptop.lease_of(&opening).session, stage.now());
    assert_eq!(stage.events, [Event::Darkened { session, at }]);
    assert!(stage.status().open.is_some_and(|open| open.dark));
    stage.events.clear();
    (stage, opening)
}

#[test]
fn a_laptop_that_has_slept_shows_its_picture_again_by_a_lease_on_a_fresh_quote() {
    let (mut stage, opening) = asleep();
    let nonce = stage.nonce();
    let renewal = stage
        .laptop
        .renew(&opening, 1, nonce, |lease| lease.quoted = true);
    let told = opened(stage.ask(renewal));
    assert!(!told.dark);
    let showing = stage.screen.showing.get().unwrap();
    assert_eq!(
        (showing.session, showing.until),
        (told.session, told.closes_at)
    );
    assert_eq!(stage.screen.openings.get(), 2);
    // It stays, and the next sleep darkens it again.
    stage.pass(seconds(60));
    assert!(stage.is_open());
    stage.sleep(seconds(1));
    stage.look();
    assert!(!stage.is_open());
}

#[test]
fn a_lease_without_a_fresh_quote_keeps_the_visit_and_not_the_picture() {
    let (mut stage, opening) = asleep();
    let nonce = stage.nonce();
    let made = stage.now();
    let renewal = stage.laptop.renew(&opening, 1, nonce, |_| ());
    let told = opened(stage.ask(renewal));
    assert!(told.dark && !stage.is_open());
    assert_eq!(told.closes_at, made.plus(seconds(900)));
    let nonce = stage.nonce();
    let renewal = stage
        .laptop
        .renew(&opening, 2, nonce, |lease| lease.quoted = true);
    assert!(!opened(stage.ask(renewal)).dark);
    assert!(stage.is_open());
}

#[test]
fn what_was_asked_for_before_the_sleep_brings_no_picture() {
    let mut stage = Stage::new();
    let opening = stage.open();
    let before = stage.nonce();
    stage.sleep(seconds(5));
    // Nobody has looked yet: the gate looks before it answers.
    let renewal = stage
        .laptop
        .renew(&opening, 1, before, |lease| lease.quoted = true);
    assert_eq!(stage.refusal(renewal).code(), Code::LeaseNonceUnknown);
    assert!(stage.status().open.is_some_and(|open| open.dark));
    // Nor what was asked for between two sleeps.
    let between = stage.nonce();
    stage.sleep(seconds(5));
    let renewal = stage
        .laptop
        .renew(&opening, 2, between, |lease| lease.quoted = true);
    assert_eq!(stage.refusal(renewal).code(), Code::LeaseNonceUnknown);
    assert!(!stage.is_open());
}

#[test]
fn a_visit_that_was_asked_for_before_a_sleep_does_not_begin_after_it() {
    let mut stage = Stage::new();
    let request = stage.opening();
    stage.sleep(seconds(5));
    assert_eq!(stage.refusal(request).code(), Code::LeaseNonceUnknown);
    stage.open();
}

#[test]
fn a_member_of_staff_who_extends_a_dark_visit_brings_the_picture_back() {
    let (mut stage, opening) = asleep();
    let session = stage.laptop.lease_of(&opening).session;
    let nonce = stage.nonce();
    let mut terms = stage.laptop.terms(session, nonce);
    terms.activation.purpose = Purpose::Extend { session };
    terms.lease.seq = 1;
    let extension = stage.laptop.open(terms);
    assert!(!opened(stage.ask(extension)).dark);
    assert!(stage.is_open());
}

#[test]
fn a_dark_visit_ends_at_its_time_and_by_a_stop_as_any_other() {
    let (mut stage, _) = asleep();
    stage.pass(seconds(900));
    assert_eq!(closed(&mut stage).1, EndReason::LeaseOver);
    let (mut stage, _) = asleep();
    let lost = hold(HoldClass::Lost, Mode::Immediate, Role::Lead);
    let stop = stage.laptop.stop(1, &[lost]);
    assert!(matches!(stage.ask(stop), Answer::Obeyed(_)));
    assert_eq!(closed(&mut stage).1, EndReason::Stopped);
    assert_eq!(stage.status().open, None);
}

#[test]
fn a_stop_after_this_call_lets_a_dark_visit_finish_too() {
    let (mut stage, opening) = asleep();
    let later = hold(HoldClass::Maintenance, Mode::AfterThisCall, Role::Lead);
    let stop = stage.laptop.stop(1, &[later]);
    assert!(matches!(stage.ask(stop), Answer::Obeyed(_)));
    let nonce = stage.nonce();
    let renewal = stage
        .laptop
        .renew(&opening, 1, nonce, |lease| lease.quoted = true);
    assert!(!opened(stage.ask(renewal)).dark);
    assert!(stage.is_open());
}

#[test]
fn a_picture_that_does_not_come_back_ends_the_visit() {
    let (mut stage, opening) = asleep();
    let nonce = stage.nonce();
    let renewal = stage
        .laptop
        .renew(&opening, 1, nonce, |lease| lease.quoted = true);
    stage.screen.broken.set(true);
    assert!(matches!(stage.ask(renewal), Answer::Fault { .. }));
    assert_eq!(closed(&mut stage).1, EndReason::VideoEnded);
    assert_eq!(stage.status().open, None);
}

#[test]
fn a_picture_that_cannot_be_proved_closed_after_a_sleep_ends_the_gate() {
    let mut stage = Stage::new();
    stage.open();
    stage.sleep(seconds(5));
    stage.screen.broken.set(true);
    assert!(stage.try_ask(Request::Status {}).unwrap_err().is_fatal());
}

#[test]
fn time_asleep_counts_and_a_sleep_before_the_visit_does_not_close_it() {
    let mut stage = Stage::new();
    stage.sleep(seconds(3600));
    stage.open();
    stage.pass(seconds(10));
    assert!(stage.is_open());
    stage.sleep(seconds(900));
    stage.look();
    // Its lease was over before it woke.
    assert_eq!(closed(&mut stage).1, EndReason::LeaseOver);
}

#[test]
fn a_gate_that_was_kept_from_looking_refuses_what_came_too_late() {
    let mut stage = Stage::new();
    let opening = stage.open();
    let nonce = stage.nonce();
    let renewal = stage.laptop.renew(&opening, 1, nonce, |lease| {
        lease.hard_end_in = Seconds::new(60);
    });
    stage.set_now(stage.now().plus(seconds(60)));
    assert_eq!(stage.refusal(renewal).code(), Code::LeaseOver);
}

#[test]
fn a_visit_whose_end_nobody_saw_is_not_brought_back_by_a_renewal() {
    let mut stage = Stage::new();
    let opening = stage.open();
    stage.pass(seconds(890));
    let nonce = stage.nonce();
    let renewal = stage.laptop.renew(&opening, 1, nonce, |_| ());
    stage.set_now(stage.now().plus(seconds(10)));
    assert_eq!(stage.refusal(renewal).code(), Code::GateClosed);
    assert!(!stage.is_open());
    assert_eq!(closed(&mut stage).1, EndReason::LeaseOver);
}

#[test]
fn a_picture_that_does_not_open_leaves_a_closed_gate_and_a_fault() {
    let mut stage = Stage::new();
    let request = stage.opening();
    stage.screen.broken.set(true);
    assert!(matches!(stage.ask(request.clone()), Answer::Fault { .. }));
    assert_eq!(stage.status().open, None);
    assert_eq!(stage.refusal(request).code(), Code::LeaseNonceUsed);
    stage.open();
}

#[test]
fn a_guardian_that_cannot_be_told_anything_closes_the_picture() {
    let mut stage = Stage::new();
    let opening = stage.open();
    let nonce = stage.nonce();
    let renewal = stage.laptop.renew(&opening, 1, nonce, |_| ());
    stage.screen.broken.set(true);
    assert!(matches!(stage.ask(renewal), Answer::Fault { .. }));
    assert!(!stage.is_open());
    assert_eq!(closed(&mut stage).1, EndReason::VideoEnded);
}

#[test]
fn a_picture_that_cannot_be_proved_closed_ends_the_gate() {
    let mut stage = Stage::new();
    stage.open();
    stage.screen.broken.set(true);
    let close = Request::Close {
        reason: EndReason::Staff,
    };
    assert!(stage.try_ask(close).unwrap_err().is_fatal());
}

#[test]
fn the_agent_closes_for_whatever_reason_and_more_than_once() {
    let mut stage = Stage::new();
    let opening = stage.open();
    let session = stage.laptop.lease_of(&opening).session;
    let close = Request::Close {
        reason: EndReason::TpmReset,
    };
    let answer = stage.ask(close.clone());
    assert_eq!(
        answer,
        Answer::Closed {
            session: Some(session)
        }
    );
    assert_eq!(closed(&mut stage).1, EndReason::TpmReset);
    assert_eq!(stage.ask(close), Answer::Closed { session: None });
    assert_eq!(stage.events, []);
}
