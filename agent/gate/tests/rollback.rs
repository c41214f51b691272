//! An older copy of the disk, another chip, a chip that was cleared: closed, whatever the copy says.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may stop at the first surprise"
)]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else comes is a surprise"
)]

mod support;

use support::laptop::hold;
use support::stage::{Fault, Stage};
use wardkey_gate::limits;
use wardkey_gate::protocol::{Answer, Request};
use wardkey_schemas::Code;
use wardkey_schemas::order::{Hold, HoldClass, Mode, OrderResult};
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Seconds;

fn lost() -> Hold {
    hold(HoldClass::Lost, Mode::Immediate, Role::SecurityOfficer)
}

fn maintenance() -> Hold {
    hold(HoldClass::Maintenance, Mode::Immediate, Role::Lead)
}

fn result(answer: Answer) -> OrderResult {
    match answer {
        Answer::Obeyed(obeyed) => obeyed.result,
        other => panic!("{other:?}"),
    }
}

/// Why the gate is sealed, in words.
fn sealed(stage: &mut Stage) -> String {
    assert_eq!(stage.refusal_to_open(), Code::GateSealed);
    stage.status().sealed.unwrap().found().to_owned()
}

#[test]
fn a_copy_of_the_disk_from_before_a_stop_opens_nothing() {
    let mut stage = Stage::new();
    stage.open();
    let copy = stage.copy_disk();
    let stop = stage.laptop.stop(1, &[lost()]);
    assert_eq!(result(stage.ask(stop)), OrderResult::Stopped);
    let newest = stage.copy_disk();
    stage.put_disk_back(&copy);
    let mut stage = stage.restart();
    let why = sealed(&mut stage);
    assert!(why.contains("an old copy"), "{why}");
    // Found and left as it is; with the newest in its place the stop stands as before.
    assert_eq!(stage.copy_disk(), copy);
    stage.put_disk_back(&newest);
    assert_eq!(stage.restart().refusal_to_open(), Code::GateLatched);
}

#[test]
fn a_copy_from_between_resume_and_next_stop_opens_nothing() {
    let mut stage = Stage::new();
    let first = maintenance();
    let stop = stage.laptop.stop(1, &[first]);
    stage.ask(stop);
    let resume = stage.laptop.resume(2, &[first.id], &[&stage.laptop.lead]);
    assert_eq!(result(stage.ask(resume)), OrderResult::Resumed);
    let copy = stage.copy_disk();
    let stop = stage.laptop.stop(3, &[lost()]);
    stage.ask(stop);
    stage.put_disk_back(&copy);
    assert!(sealed(&mut stage.restart()).contains("an old copy"));
}

#[test]
fn a_copy_from_before_a_newer_bundle_opens_nothing() {
    let mut stage = Stage::new();
    let copy = stage.copy_disk();
    let trust = stage.laptop.trust(2);
    assert!(matches!(stage.ask(trust), Answer::Trusted { .. }));
    stage.put_disk_back(&copy);
    assert!(sealed(&mut stage.restart()).contains("an old copy"));
}

#[test]
fn a_file_that_was_taken_away_opens_nothing() {
    let stage = Stage::new();
    std::fs::remove_dir_all(stage.path("state")).unwrap();
    std::fs::create_dir(stage.path("state")).unwrap();
    assert!(sealed(&mut stage.restart()).contains("is gone"));
}

#[test]
fn a_disk_in_another_machine_and_another_chip_in_this_one_open_nothing() {
    let stage = Stage::new();
    stage.chip.exchange();
    assert!(sealed(&mut stage.restart()).contains("not written by this laptop"));
}

#[test]
fn a_chip_that_was_cleared_opens_nothing_and_gets_no_counter_by_itself() {
    let stage = Stage::new();
    stage.chip.clear();
    let mut stage = stage.restart();
    assert!(sealed(&mut stage).contains("was cleared"));
    assert_eq!(stage.chip.value(), 0);
    assert!(sealed(&mut stage.restart()).contains("was cleared"));
}

#[test]
fn a_chip_that_is_silent_at_the_start_closes_until_it_answers() {
    let stage = Stage::new();
    stage.chip.silent.set(true);
    let mut stage = stage.restart();
    assert_eq!(stage.refusal_to_open(), Code::TpmUnavailable);
    // A stop is not acknowledged, for nobody would know of it after the next start.
    let stop = stage.laptop.stop(1, &[lost()]);
    assert!(matches!(stage.ask(stop.clone()), Answer::Fault { .. }));
    stage.chip.silent.set(false);
    assert_eq!(result(stage.ask(stop)), OrderResult::AlreadyClosed);
    assert_eq!(stage.restart().refusal_to_open(), Code::GateLatched);
}

#[test]
fn a_chip_that_falls_silent_delays_no_stop_and_the_order_comes_again() {
    let mut stage = Stage::new();
    stage.open();
    let before = stage.copy_disk();
    stage.chip.silent.set(true);
    let stop = stage.laptop.stop(1, &[lost()]);
    for _ in 0..100 {
        assert!(matches!(stage.ask(stop.clone()), Answer::Fault { .. }));
        assert!(!stage.is_open());
    }
    stage.chip.silent.set(false);
    assert!(matches!(stage.ask(stop), Answer::Obeyed(_)));
    let counted = stage.chip.value();
    let mut stage = stage.restart();
    assert_eq!(stage.refusal_to_open(), Code::GateLatched);
    assert_eq!(stage.chip.value(), counted, "nothing was left to mend");
    stage.put_disk_back(&before);
    assert!(sealed(&mut stage.restart()).contains("an old copy"));
}

#[test]
fn a_power_cut_between_file_and_counter_is_mended_and_the_file_before_is_of_the_past() {
    for fault in [Fault::NotDone(4), Fault::DoneAllTheSame(4)] {
        let mut stage = Stage::new();
        let before = stage.copy_disk();
        stage.row.steps.borrow_mut().clear();
        stage.row.fault.set(Some(fault));
        let stop = stage.laptop.stop(1, &[lost()]);
        assert!(matches!(stage.ask(stop), Answer::Fault { .. }));
        let mut stage = stage.restart();
        assert_eq!(stage.refusal_to_open(), Code::GateLatched, "{fault:?}");
        stage.put_disk_back(&before);
        assert!(sealed(&mut stage.restart()).contains("an old copy"));
    }
}

#[test]
fn a_lift_that_was_never_certain_does_not_come_back_over_a_later_stop() {
    let mut stage = Stage::new();
    let first = maintenance();
    let stop = stage.laptop.stop(1, &[first]);
    stage.ask(stop);
    // The file with the lifted hold is written, and the chip does not count it.
    stage.row.steps.borrow_mut().clear();
    stage.row.fault.set(Some(Fault::NotDone(4)));
    let resume = stage.laptop.resume(2, &[first.id], &[&stage.laptop.lead]);
    assert!(matches!(stage.ask(resume), Answer::Fault { .. }));
    let lifted = stage.copy_disk();
    stage.row.fault.set(None);
    let stop = stage.laptop.stop(3, &[lost()]);
    stage.ask(stop);
    stage.put_disk_back(&lifted);
    assert!(sealed(&mut stage.restart()).contains("an old copy"));
}

#[test]
fn a_counter_that_somebody_else_moves_closes_at_a_restart_and_never_a_stop() {
    let mut stage = Stage::new();
    stage.chip.meddle();
    let stop = stage.laptop.stop(1, &[lost()]);
    assert!(matches!(stage.ask(stop), Answer::Obeyed(_)));
    let mut stage = stage.restart();
    assert_eq!(stage.refusal_to_open(), Code::GateLatched);
    stage.chip.meddle();
    assert!(sealed(&mut stage.restart()).contains("an old copy"));
}

#[test]
fn what_does_not_matter_moves_the_counter_once_an_hour_at_most() {
    let mut stage = Stage::new();
    let began = stage.chip.value();
    let mut seq = 0;
    let mut end_something = |stage: &mut Stage| {
        seq += 1;
        let end = stage.laptop.end(seq, support::laptop::new_session());
        assert_eq!(result(stage.ask(end)), OrderResult::SessionEnded);
    };
    for _ in 0..30 {
        end_something(&mut stage);
    }
    assert_eq!(stage.chip.value(), began);
    stage.pass(limits::ADVANCE_EVERY);
    for _ in 0..30 {
        end_something(&mut stage);
    }
    assert_eq!(stage.chip.value(), began + 1);
    // And a stop at once, however short a time has passed.
    stage.pass(Seconds::new(1));
    let stop = stage.laptop.stop(100, &[lost()]);
    stage.ask(stop);
    assert_eq!(stage.chip.value(), began + 2);
    stage.ask(Request::Status {});
    assert_eq!(stage.restart().chip.value(), began + 2);
}
