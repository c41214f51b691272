//! The state on the disk: found broken, foreign, and on a disk or a chip that fails at any step.

#![expect(clippy::panic, reason = "a test may stop at the first surprise")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else comes is a surprise"
)]

mod support;

use support::laptop::hold;
use support::stage::{Fault, Stage};
use wardkey_gate::identity::Identity;
use wardkey_gate::protocol::{Answer, Obeyed};
use wardkey_gate::store::STATE;
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
fn a_state_that_cannot_be_read_stays_shut_whatever_comes() {
    let mut stage = Stage::new();
    let hold = maintenance();
    let stop = stage.laptop.stop(1, &[hold]);
    stage.ask(stop);
    std::fs::write(stage.path("state").join(STATE), b"{").unwrap();
    let mut stage = stage.restart();
    assert_eq!(stage.refusal_to_open(), Code::GateSealed);
    let sealed = stage.status().sealed.unwrap();
    assert!(sealed.found().contains("cannot be read"), "{sealed}");
    let resume = stage.laptop.resume(2, &[hold.id], &[&stage.laptop.lead]);
    assert_eq!(stage.refusal(resume).code(), Code::GateSealed);
    let stop = stage.laptop.stop(3, &[maintenance()]);
    assert_eq!(result(stage.ask(stop)), OrderResult::AlreadyClosed);
    assert_eq!(stage.refusal_to_open(), Code::GateSealed);
    // What was found is left for whoever looks into it.
    assert_eq!(
        std::fs::read(stage.path("state").join(STATE)).unwrap(),
        b"{"
    );
}

#[test]
fn the_state_of_another_laptop_or_of_another_enrolment_is_shut() {
    let changes: [fn(&mut Identity); 3] = [
        |identity| identity.device = DeviceId::from_random([1; 16]),
        |identity| identity.generation = Generation::FIRST,
        |identity| identity.generation = Generation::new(3),
    ];
    for change in changes {
        let mut stage = Stage::new();
        stage.open();
        change(&mut stage.laptop.identity);
        stage.write_identity();
        let mut stage = stage.restart();
        assert_eq!(stage.refusal_to_open(), Code::GateSealed);
        let sealed = stage.status().sealed.unwrap();
        assert!(sealed.found().contains("belongs to"), "{sealed}");
    }
}

#[test]
fn enrolling_again_lifts_nothing() {
    for restarts in [false, true] {
        let mut stage = Stage::new();
        stage.open();
        let stop = stage.laptop.stop(1, &[lost()]);
        stage.ask(stop);
        stage.enrol(|identity| identity.generation = Generation::new(3));
        if restarts {
            stage = stage.restart();
        }
        assert_eq!(stage.refusal_to_open(), Code::GateLatched);
        assert_eq!(stage.restart().refusal_to_open(), Code::GateLatched);
    }
}

#[test]
fn enrolling_again_opens_what_was_sealed_with_the_gate_running_or_not() {
    for restarts in [false, true] {
        let stage = Stage::new();
        std::fs::remove_file(stage.path("state").join(STATE)).unwrap();
        let mut stage = stage.restart();
        assert_eq!(stage.refusal_to_open(), Code::GateSealed);
        stage.enrol(|identity| identity.generation = Generation::new(3));
        if restarts {
            stage = stage.restart();
        }
        assert_eq!(stage.status().sealed, None);
        stage.open();
        stage.restart().open();
    }
}

#[test]
fn a_machine_that_becomes_another_laptop_begins_anew() {
    let mut stage = Stage::new();
    let stop = stage.laptop.stop(1, &[lost()]);
    stage.ask(stop);
    stage.enrol(|identity| identity.device = DeviceId::from_random([1; 16]));
    stage.restart().open();
}

#[test]
fn a_laptop_before_its_enrolment_writes_nothing_and_opens_after_it_without_a_restart() {
    let mut stage = Stage::new();
    std::fs::remove_file(stage.path("identity.json")).unwrap();
    std::fs::remove_file(stage.path("state").join(STATE)).unwrap();
    stage.chip.clear();
    stage = stage.restart();
    assert_eq!(stage.refusal_to_open(), Code::NotEnrolled);
    assert!(!stage.path("state").join(STATE).exists());
    stage.enrol(|_| ());
    stage.open();
    // The bundle that was believed before is remembered since.
    let stage = stage.restart_without_trust();
    assert!(String::from_utf8_lossy(&stage.copy_disk()).contains("\"version\":1"));
}

/// The durable steps of a change that matters, in their order.
const STEPS: [&str; 5] = ["write", "sync", "rename", "sync folder", "count"];

/// Every way in which the disk or the chip can fail at one of them.
fn faults() -> impl Iterator<Item = Fault> {
    (0..STEPS.len()).flat_map(|step| [Fault::NotDone(step), Fault::DoneAllTheSame(step)])
}

#[test]
fn a_stop_is_on_the_disk_and_counted_before_the_picture_is_touched() {
    let mut stage = Stage::new();
    stage.open();
    stage.row.steps.borrow_mut().clear();
    // The picture cannot be closed: the gate ends there, and what it has done so far stays.
    stage.screen.broken.set(true);
    let stop = stage.laptop.stop(1, &[lost()]);
    assert!(stage.try_ask(stop).unwrap_err().is_fatal());
    assert_eq!(*stage.row.steps.borrow(), STEPS);
    let mut stage = stage.restart();
    assert_eq!(stage.refusal_to_open(), Code::GateLatched);
}

#[test]
fn a_disk_or_chip_that_fails_at_any_step_of_a_stop_never_leaves_it_acknowledged_and_forgotten() {
    for fault in faults() {
        let mut stage = Stage::new();
        stage.open();
        stage.row.steps.borrow_mut().clear();
        stage.row.fault.set(Some(fault));
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
fn a_disk_or_chip_that_recovers_takes_the_stop_when_it_comes_again() {
    for fault in faults() {
        let mut stage = Stage::new();
        stage.row.steps.borrow_mut().clear();
        stage.row.fault.set(Some(fault));
        let stop = stage.laptop.stop(1, &[lost()]);
        assert!(matches!(stage.ask(stop.clone()), Answer::Fault { .. }));
        stage.row.fault.set(None);
        stage.row.steps.borrow_mut().clear();
        assert_eq!(result(stage.ask(stop)), OrderResult::AlreadyClosed);
        // A chip that counted and did not say so is asked, and does not count again.
        let counted = usize::from(fault == Fault::DoneAllTheSame(4));
        let steps = STEPS.len() - counted;
        assert_eq!(*stage.row.steps.borrow(), STEPS[..steps], "{fault:?}");
        assert_eq!(stage.restart().refusal_to_open(), Code::GateLatched);
    }
}

#[test]
fn a_disk_or_chip_that_fails_at_any_step_of_a_resume_lifts_nothing_in_this_run() {
    for fault in faults() {
        let mut stage = Stage::new();
        let hold = maintenance();
        let stop = stage.laptop.stop(1, &[hold]);
        stage.ask(stop);
        stage.row.steps.borrow_mut().clear();
        stage.row.fault.set(Some(fault));
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
    stage.row.steps.borrow_mut().clear();
    stage.ask(stop);
    assert_eq!(*stage.row.steps.borrow(), [""; 0]);
}
