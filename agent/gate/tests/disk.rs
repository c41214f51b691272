//! The latch's file: found broken, foreign, and on a disk that fails at any step.

#![expect(clippy::panic, reason = "a test may stop at the first surprise")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else comes is a surprise"
)]

mod support;

use support::laptop::hold;
use support::stage::{Fault, Stage};
use wardkey_gate::protocol::{Answer, Obeyed};
use wardkey_gate::store::LATCH;
use wardkey_schemas::Code;
use wardkey_schemas::ids::{DeviceId, Generation};
use wardkey_schemas::order::{Hold, HoldClass, Mode, OrderResult};
use wardkey_schemas::role::Role;

fn maintenance() -> Hold {
    hold(HoldClass::Maintenance, Mode::Immediate, Role::Lead)
}

fn lost() -> Hold {
    hold(HoldClass::Lost, Mode::Immediate, Role::SecurityOfficer)
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

#[test]
fn a_latch_that_cannot_be_read_stays_shut_whatever_comes() {
    let mut stage = Stage::new();
    let hold = maintenance();
    let stop = stage.laptop.stop(1, &[hold]);
    stage.ask(stop);
    std::fs::write(stage.path("state").join(LATCH), b"{").unwrap();
    let mut stage = stage.restart();
    assert_eq!(stage.refusal_to_open(), Code::GateLatched);
    assert!(stage.status().sealed.unwrap().contains("cannot be read"));
    let resume = stage.laptop.resume(2, &[hold.id], &[&stage.laptop.lead]);
    stage.refusal(resume);
    let stop = stage.laptop.stop(3, &[maintenance()]);
    assert_eq!(result(stage.ask(stop)), OrderResult::AlreadyClosed);
    assert_eq!(stage.refusal_to_open(), Code::GateLatched);
    // What was found is left for whoever looks into it.
    assert_eq!(
        std::fs::read(stage.path("state").join(LATCH)).unwrap(),
        b"{"
    );
}

#[test]
fn the_latch_of_another_laptop_or_of_a_later_enrolment_is_shut() {
    for change in [0, 1] {
        let mut stage = Stage::new();
        stage.open();
        let mut identity = stage.laptop.identity.clone();
        if change == 0 {
            identity.device = DeviceId::from_random([1; 16]);
        } else {
            identity.generation = Generation::FIRST;
        }
        identity.write(&stage.path("identity.json")).unwrap();
        stage.laptop.identity = identity;
        let mut stage = stage.restart();
        assert_eq!(stage.refusal_to_open(), Code::GateLatched);
        assert!(stage.status().sealed.unwrap().contains("belongs to"));
    }
}

#[test]
fn enrolling_again_lifts_nothing() {
    let mut stage = Stage::new();
    stage.open();
    let stop = stage.laptop.stop(1, &[lost()]);
    stage.ask(stop);
    stage.laptop.identity.generation = Generation::new(3);
    let identity = stage.laptop.identity.clone();
    identity.write(&stage.path("identity.json")).unwrap();
    let mut stage = stage.restart();
    assert_eq!(stage.refusal_to_open(), Code::GateLatched);
}

/// The durable steps of writing the latch, in their order.
const STEPS: [&str; 4] = ["write", "sync", "rename", "sync folder"];

/// Every way in which the disk can fail at one of them.
fn faults() -> impl Iterator<Item = Fault> {
    (0..STEPS.len()).flat_map(|step| [Fault::NotDone(step), Fault::DoneAllTheSame(step)])
}

#[test]
fn a_stop_is_on_the_disk_before_the_picture_is_touched() {
    let mut stage = Stage::new();
    stage.open();
    stage.folder.steps.borrow_mut().clear();
    // The picture cannot be closed: the gate ends there, and what it has done so far stays.
    stage.screen.broken.set(true);
    let stop = stage.laptop.stop(1, &[lost()]);
    assert!(stage.try_ask(stop).unwrap_err().is_fatal());
    assert_eq!(*stage.folder.steps.borrow(), STEPS);
    let mut stage = stage.restart();
    assert_eq!(stage.refusal_to_open(), Code::GateLatched);
}

#[test]
fn a_disk_that_fails_at_any_step_of_a_stop_never_leaves_it_acknowledged_and_forgotten() {
    for fault in faults() {
        let mut stage = Stage::new();
        stage.open();
        stage.folder.steps.borrow_mut().clear();
        stage.folder.fault.set(Some(fault));
        let hold = lost();
        let stop = stage.laptop.stop(1, &[hold]);
        // The picture closes, and the order is not acknowledged.
        assert!(
            matches!(stage.ask(stop.clone()), Answer::Fault { .. }),
            "{fault:?}"
        );
        assert!(!stage.is_open(), "{fault:?}");
        assert_eq!(stage.refusal_to_open(), Code::GateLatched, "{fault:?}");
        // After a power cut the file is whole, old or new, and the order comes again.
        let mut stage = stage.restart();
        assert!(stage.status().sealed.is_none(), "{fault:?}");
        assert!(matches!(stage.ask(stop), Answer::Obeyed(_)), "{fault:?}");
        assert_eq!(stage.status().holds, [hold], "{fault:?}");
        assert_eq!(stage.restart().refusal_to_open(), Code::GateLatched);
    }
}

#[test]
fn a_disk_that_recovers_takes_the_stop_when_it_comes_again() {
    for fault in faults() {
        let mut stage = Stage::new();
        stage.folder.steps.borrow_mut().clear();
        stage.folder.fault.set(Some(fault));
        let stop = stage.laptop.stop(1, &[lost()]);
        assert!(matches!(stage.ask(stop.clone()), Answer::Fault { .. }));
        stage.folder.fault.set(None);
        stage.folder.steps.borrow_mut().clear();
        assert_eq!(result(stage.ask(stop)), OrderResult::AlreadyClosed);
        assert_eq!(*stage.folder.steps.borrow(), STEPS, "{fault:?}");
        assert_eq!(stage.restart().refusal_to_open(), Code::GateLatched);
    }
}

#[test]
fn a_disk_that_fails_at_any_step_of_a_resume_lifts_nothing_in_this_run() {
    for fault in faults() {
        let mut stage = Stage::new();
        let hold = maintenance();
        let stop = stage.laptop.stop(1, &[hold]);
        stage.ask(stop);
        stage.folder.steps.borrow_mut().clear();
        stage.folder.fault.set(Some(fault));
        let resume = stage.laptop.resume(2, &[hold.id], &[&stage.laptop.lead]);
        assert!(
            matches!(stage.ask(resume.clone()), Answer::Fault { .. }),
            "{fault:?}"
        );
        assert_eq!(stage.refusal_to_open(), Code::GateLatched, "{fault:?}");
        let mut stage = stage.restart();
        assert!(stage.status().sealed.is_none(), "{fault:?}");
        assert_eq!(result(stage.ask(resume)), OrderResult::Resumed, "{fault:?}");
        stage.open();
    }
}

#[test]
fn an_order_that_changes_nothing_writes_nothing() {
    let mut stage = Stage::new();
    let stop = stage.laptop.stop(1, &[lost()]);
    stage.ask(stop.clone());
    stage.folder.steps.borrow_mut().clear();
    stage.ask(stop);
    assert_eq!(*stage.folder.steps.borrow(), [""; 0]);
}
