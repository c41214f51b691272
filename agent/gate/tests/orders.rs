//! Stops, ends and resumes.

#![expect(clippy::panic, reason = "a test may stop at the first surprise")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else comes is a surprise"
)]

mod support;

use support::laptop::{Laptop, hold};
use support::stage::Stage;
use wardkey_gate::protocol::{Answer, Event, Obeyed, Request};
use wardkey_schemas::Code;
use wardkey_schemas::ids::{DeviceId, Generation, HoldId};
use wardkey_schemas::jws;
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::order::{Command, Hold, HoldClass, Mode, Order, OrderResult};
use wardkey_schemas::role::Role;
use wardkey_schemas::session::EndReason;
use wardkey_schemas::time::Seconds;

fn maintenance() -> Hold {
    hold(HoldClass::Maintenance, Mode::Immediate, Role::Lead)
}

fn lost() -> Hold {
    hold(HoldClass::Lost, Mode::Immediate, Role::SecurityOfficer)
}

fn after_this_call() -> Hold {
    hold(HoldClass::Maintenance, Mode::AfterThisCall, Role::Lead)
}

fn obeyed(answer: Answer) -> Obeyed {
    match answer {
        Answer::Obeyed(obeyed) => obeyed,
        other => panic!("{other:?}"),
    }
}

fn result(answer: Answer) -> OrderResult {
    obeyed(answer).result
}

fn reasons(stage: &mut Stage) -> Vec<EndReason> {
    std::mem::take(&mut stage.events)
        .into_iter()
        .map(|event| match event {
            Event::Closed { reason, .. } => reason,
            other @ Event::Darkened { .. } => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_stop_closes_and_latches_and_the_latch_outlives_the_gate() {
    let mut stage = Stage::new();
    stage.open();
    let hold = lost();
    let stop = stage.laptop.stop(1, &[hold]);
    assert_eq!(result(stage.ask(stop)), OrderResult::Stopped);
    assert!(!stage.is_open());
    assert_eq!(reasons(&mut stage), [EndReason::Stopped]);
    assert_eq!(stage.refusal_to_open(), Code::GateLatched);
    let mut stage = stage.restart();
    assert_eq!(stage.refusal_to_open(), Code::GateLatched);
    let status = stage.status();
    assert!(status.latched);
    assert_eq!(status.holds, [hold]);
    assert_eq!(status.last_order.number(), 1);
}

#[test]
fn the_refusal_of_a_latched_gate_names_the_classes_and_nothing_else() {
    let mut stage = Stage::new();
    let stop = stage
        .laptop
        .stop(1, &[lost(), maintenance(), maintenance()]);
    stage.ask(stop);
    let request = stage.opening();
    let refusal = stage.refusal(request);
    assert_eq!(refusal.found(), "stopped: lost, maintenance");
}

#[test]
fn a_stop_that_finds_nothing_open_latches_all_the_same() {
    let mut stage = Stage::new();
    let stop = stage.laptop.stop(1, &[maintenance()]);
    assert_eq!(result(stage.ask(stop)), OrderResult::AlreadyClosed);
    assert_eq!(stage.refusal_to_open(), Code::GateLatched);
}

#[test]
fn a_stop_is_obeyed_whatever_the_gap_in_the_row_and_in_whatever_order() {
    let mut stage = Stage::new();
    for seq in [90, 3, 7] {
        let stop = stage.laptop.stop(seq, &[maintenance()]);
        assert_eq!(result(stage.ask(stop)), OrderResult::AlreadyClosed);
    }
    assert_eq!(stage.status().holds.len(), 3);
    assert_eq!(stage.status().last_order.number(), 90);
}

#[test]
fn a_stop_that_comes_twice_is_answered_alike_and_with_the_times_of_the_first() {
    let mut stage = Stage::new();
    stage.open();
    let stop = stage.laptop.stop(1, &[lost()]);
    let first = obeyed(stage.ask(stop.clone()));
    assert_eq!((first.received_ago_ms, first.acted_ago_ms), (0, 0));
    stage.pass(Seconds::new(30));
    let second = obeyed(stage.ask(stop.clone()));
    assert_eq!(second.result, OrderResult::Stopped);
    assert_eq!(second.order_sha256, first.order_sha256);
    assert_eq!(
        (second.received_ago_ms, second.acted_ago_ms),
        (30_000, 30_000)
    );
    // Another run knows what became of it, and no longer when.
    let mut stage = stage.restart();
    assert_eq!(result(stage.ask(stop)), OrderResult::Stopped);
    assert_eq!(stage.status().holds.len(), 1);
}

#[test]
fn a_stop_after_this_call_lets_the_call_end_by_itself_and_starts_nothing_new() {
    let mut stage = Stage::new();
    let opening = stage.open();
    let stop = stage.laptop.stop(1, &[after_this_call()]);
    assert_eq!(result(stage.ask(stop)), OrderResult::AfterThisCall);
    assert!(stage.is_open());
    assert_eq!(stage.refusal_to_open(), Code::GateLatched);
    // It goes on being renewed.
    stage.pass(Seconds::new(60));
    let nonce = stage.nonce();
    let renewal = stage.laptop.renew(&opening, 1, nonce, |_| ());
    assert!(matches!(stage.ask(renewal), Answer::Renewed(_)));
    stage.ask(Request::Close {
        reason: EndReason::Staff,
    });
    assert_eq!(stage.refusal_to_open(), Code::GateLatched);
}

#[test]
fn a_call_under_such_a_stop_ends_an_hour_after_it_at_the_latest() {
    let mut stage = Stage::new();
    let opening = stage.open();
    let stop = stage.laptop.stop(1, &[after_this_call()]);
    stage.ask(stop.clone());
    let hour = stage.now().plus(Seconds::new(3600));
    for seq in 1.. {
        stage.pass(Seconds::new(300));
        if !stage.is_open() {
            break;
        }
        let nonce = stage.nonce();
        let renewal = stage.laptop.renew(&opening, seq, nonce, |_| ());
        stage.ask(renewal);
        // Hearing it again gives it no more time.
        assert_eq!(result(stage.ask(stop.clone())), OrderResult::AfterThisCall);
    }
    assert_eq!(stage.now(), hour);
    assert_eq!(reasons(&mut stage), [EndReason::Stopped]);
}

#[test]
fn a_resume_gives_such_a_call_its_own_end_back() {
    let mut stage = Stage::new();
    let opening = stage.open();
    let hold = after_this_call();
    let stop = stage.laptop.stop(1, &[hold]);
    stage.ask(stop);
    let resume = stage.laptop.resume(2, &[hold.id], &[&stage.laptop.lead]);
    assert_eq!(result(stage.ask(resume)), OrderResult::Resumed);
    for seq in 1..=13 {
        stage.pass(Seconds::new(300));
        let nonce = stage.nonce();
        let renewal = stage.laptop.renew(&opening, seq, nonce, |_| ());
        assert!(matches!(stage.ask(renewal), Answer::Renewed(_)), "{seq}");
    }
}

#[test]
fn a_second_stop_at_once_ends_the_call_that_the_first_let_go_on() {
    let mut stage = Stage::new();
    stage.open();
    let gentle = after_this_call();
    let stop = stage.laptop.stop(1, &[gentle]);
    stage.ask(stop);
    let stop = stage.laptop.stop(2, &[gentle, lost()]);
    assert_eq!(result(stage.ask(stop)), OrderResult::Stopped);
    assert!(!stage.is_open());
}

#[test]
fn an_order_to_end_a_session_ends_that_one_and_latches_nothing() {
    let mut stage = Stage::new();
    let opening = stage.open();
    let session = stage.laptop.lease_of(&opening).session;
    let other = stage.laptop.end(1, support::laptop::new_session());
    assert_eq!(result(stage.ask(other)), OrderResult::SessionEnded);
    assert!(stage.is_open());
    let end = stage.laptop.end(2, session);
    assert_eq!(result(stage.ask(end.clone())), OrderResult::SessionEnded);
    assert!(!stage.is_open());
    assert_eq!(result(stage.ask(end)), OrderResult::SessionEnded);
    stage.open();
}

#[test]
fn an_order_to_end_a_session_ends_it_before_it_has_begun() {
    let mut stage = Stage::new();
    let opening = stage.opening();
    let session = stage.laptop.lease_of(&opening).session;
    let end = stage.laptop.end(1, session);
    stage.ask(end);
    assert_eq!(stage.refusal(opening).code(), Code::SessionEnded);
}

#[test]
fn people_with_the_right_roles_lift_what_they_name() {
    let mut stage = Stage::new();
    let (first, second) = (maintenance(), maintenance());
    let stop = stage.laptop.stop(1, &[first, second]);
    stage.ask(stop);
    let resume = stage.laptop.resume(2, &[first.id], &[&stage.laptop.lead]);
    assert_eq!(result(stage.ask(resume)), OrderResult::Resumed);
    assert_eq!(stage.status().holds, [second]);
    assert_eq!(stage.refusal_to_open(), Code::GateLatched);
    let resume = stage.laptop.resume(3, &[second.id], &[&stage.laptop.lead]);
    stage.ask(resume);
    let mut stage = stage.restart();
    stage.open();
}

#[test]
fn what_was_lost_comes_back_with_two_people_of_different_roles() {
    let mut stage = Stage::new();
    let hold = lost();
    let stop = stage.laptop.stop(1, &[hold]);
    stage.ask(stop);
    let alone = stage.laptop.resume(2, &[hold.id], &[&stage.laptop.officer]);
    assert_eq!(stage.refusal(alone).code(), Code::OrderApproval);
    let second_lead = stage.laptop.pki.person("hmp-x", Role::Lead);
    let same_role = {
        let laptop = &stage.laptop;
        laptop.resume(3, &[hold.id], &[&laptop.lead, &second_lead])
    };
    assert_eq!(stage.refusal(same_role).code(), Code::OrderApproval);
    assert_eq!(stage.status().holds, [hold]);
    let both = {
        let laptop = &stage.laptop;
        laptop.resume(4, &[hold.id], &[&laptop.lead, &laptop.officer])
    };
    assert_eq!(result(stage.ask(both)), OrderResult::Resumed);
    stage.open();
}

#[test]
fn a_resume_without_approvals_or_of_an_unknown_hold_lifts_nothing() {
    let mut stage = Stage::new();
    let hold = maintenance();
    let stop = stage.laptop.stop(1, &[hold]);
    stage.ask(stop);
    let nobody = stage.laptop.resume(2, &[hold.id], &[]);
    assert_eq!(stage.refusal(nobody).code(), Code::OrderApproval);
    let nothing = stage.laptop.resume(3, &[], &[&stage.laptop.lead]);
    stage.refusal(nothing);
    let unknown = [hold.id, HoldId::from_random([1; 16])];
    let unknown = stage.laptop.resume(4, &unknown, &[&stage.laptop.lead]);
    stage.refusal(unknown);
    let staff = stage.laptop.resume(5, &[hold.id], &[&stage.laptop.staff]);
    assert_eq!(stage.refusal(staff).code(), Code::OrderApproval);
    assert_eq!(stage.status().holds, [hold]);
    assert_eq!(stage.refusal_to_open(), Code::GateLatched);
}

#[test]
fn an_old_resume_shown_again_lifts_no_new_hold() {
    let mut stage = Stage::new();
    let (first, second) = (maintenance(), maintenance());
    let stop = stage.laptop.stop(1, &[first]);
    stage.ask(stop);
    let resume = stage.laptop.resume(2, &[first.id], &[&stage.laptop.lead]);
    stage.ask(resume.clone());
    let stop = stage.laptop.stop(3, &[second]);
    stage.ask(stop);
    // It is answered as it was the first time, and does nothing.
    assert_eq!(result(stage.ask(resume)), OrderResult::Resumed);
    assert_eq!(stage.status().holds, [second]);
    // Not even a hold that was placed again under its old number is lifted by the old word.
    let again = stage.laptop.stop(4, &[first]);
    stage.ask(again);
    let old = stage.laptop.resume(2, &[first.id], &[&stage.laptop.lead]);
    assert_eq!(stage.refusal(old).code(), Code::OrderApproval);
    assert_eq!(stage.status().holds.len(), 2);
}

#[test]
fn an_old_stop_shown_again_neither_latches_nor_ends_a_call() {
    let mut stage = Stage::new();
    let hold = maintenance();
    let stop = stage.laptop.stop(1, &[hold]);
    stage.ask(stop.clone());
    let resume = stage.laptop.resume(2, &[hold.id], &[&stage.laptop.lead]);
    stage.ask(resume);
    stage.open();
    assert_eq!(result(stage.ask(stop)), OrderResult::AlreadyClosed);
    // One that comes for the first time, but was overtaken by its resume, says so.
    let late = stage.laptop.stop(1, &[hold]);
    assert_eq!(result(stage.ask(late)), OrderResult::Resumed);
    assert!(stage.is_open());
    assert!(!stage.status().latched);
}

#[test]
fn a_stop_that_names_no_hold_closes() {
    let mut stage = Stage::new();
    stage.open();
    let stop = stage.laptop.stop(1, &[]);
    match stage.ask(stop) {
        Answer::Obeyed(obeyed) => {
            assert_eq!(obeyed.result, OrderResult::Stopped);
            assert!(!stage.is_open());
        }
        Answer::Refused(refusal) => assert_eq!(refusal.code(), Code::MessageMalformed),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_order_with_one_thing_wrong_is_not_obeyed() {
    type Spoil = fn(&mut Order);
    let cases: [(Code, Spoil); 3] = [
        (Code::OrderDevice, |order| {
            order.device = DeviceId::from_random([1; 16]);
        }),
        (Code::OrderDevice, |order| {
            order.device_key = Thumbprint::new([1; 32]);
        }),
        (Code::OrderDevice, |order| {
            order.generation = Generation::FIRST;
        }),
    ];
    let mut stage = Stage::new();
    stage.open();
    for (code, spoil) in cases {
        let holds = vec![maintenance()];
        let order = stage.laptop.order_with(1, Command::Stop { holds }, spoil);
        assert_eq!(stage.refusal(order).code(), code);
    }
    let Request::Order { order } = stage.laptop.stop(1, &[maintenance()]) else {
        panic!("an order");
    };
    let order = order
        .open(stage.laptop.pki.order_key.key.public())
        .unwrap()
        .into_message();
    let stranger = Laptop::new();
    let keys = [
        &stage.laptop.pki.lease_key.key,
        &stage.laptop.pki.answer_key.key,
        &stranger.pki.order_key.key,
    ];
    let forged: Vec<_> = keys
        .into_iter()
        .map(|key| jws::sign(&order, key).unwrap())
        .collect();
    for order in forged {
        let refusal = stage.refusal(Request::Order { order });
        assert_eq!(refusal.code(), Code::OrderSigner);
    }
    assert!(stage.is_open());
    assert!(!stage.status().latched);
}
