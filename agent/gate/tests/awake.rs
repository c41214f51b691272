//! What keeps the laptop awake while the picture is open: the real systemd-logind, and programs in
//! its place that do everything wrong.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Instant;

use rustix::process::Signal;
use support::installation::{Installation, Running, children_of};
use support::logind::{Logind, script};
use support::video::PATIENCE;
use wardkey_gate::picture::Awake;
use wardkey_gate::protocol::{Answer, Request};
use wardkey_schemas::session::EndReason;
use wardkey_schemas::time::Seconds;

const INHIBITOR: &str = "/usr/bin/systemd-inhibit";

/// What is blocked in a visit.
const BLOCKED: &str = "sleep:idle:handle-lid-switch";

fn with_logind() -> (Installation, Logind) {
    let mut laptop = Installation::new("auto");
    let logind = Logind::start(laptop.path("state").parent().unwrap());
    laptop.kept_awake_by(Path::new(INHIBITOR), Some(logind.bus()));
    (laptop, logind)
}

fn with_script(text: &str) -> Installation {
    let mut laptop = Installation::new("auto");
    let program = script(laptop.path("inhibitor"), text);
    laptop.kept_awake_by(&program, None);
    laptop
}

fn close(gate: &mut Running) {
    let reason = EndReason::Staff;
    let answer = gate.ask(&Request::Close { reason });
    assert!(matches!(answer, Answer::Closed { .. }), "{answer:?}");
}

/// Waits until the gate says this of itself.
#[track_caller]
fn await_awake(gate: &mut Running, wanted: Awake) {
    let began = Instant::now();
    while gate.status().awake != wanted {
        assert!(began.elapsed() < PATIENCE, "{:?}", gate.status());
    }
}

#[test]
fn a_laptop_neither_sleeps_nor_heeds_its_lid_while_the_picture_is_open() {
    let (mut laptop, logind) = with_logind();
    let mut gate = laptop.start();
    assert_eq!(gate.status().awake, Awake::Ready);
    logind.await_blocked("");
    drop(gate);
    let (mut gate, _) = laptop.open();
    logind.await_blocked(BLOCKED);
    assert_eq!(gate.status().awake, Awake::Kept);
    let inhibitors = logind.inhibitors();
    assert!(
        inhibitors.contains("\"Wardkey\" \"A visit is running\" \"block\""),
        "{inhibitors}"
    );
    close(&mut gate);
    logind.await_blocked("");
    assert_eq!(gate.status().awake, Awake::Ready);
    assert!(children_of(gate.pid()).is_empty());
}

#[test]
fn the_end_of_the_time_and_the_death_of_the_gate_let_the_laptop_sleep() {
    let (mut laptop, logind) = with_logind();
    let soon = Seconds::new(2);
    let (mut gate, _) = laptop.open_with(|terms| terms.lease.hard_end_in = soon);
    assert_eq!(gate.wait_for_end(), EndReason::HardEnd);
    logind.await_blocked("");
    drop(gate);
    laptop
        .video
        .wait_until_gone("the end of the gate", Instant::now());
    let (mut gate, _) = laptop.open();
    logind.await_blocked(BLOCKED);
    gate.signal(Signal::KILL);
    gate.wait();
    logind.await_blocked("");
}

#[test]
fn a_lock_that_was_lost_is_taken_again_with_the_next_lease() {
    let (mut laptop, first) = with_logind();
    let (mut gate, opening) = laptop.open();
    first.await_blocked(BLOCKED);
    // logind goes, and its lock with it; whoever held it does not notice.
    for child in children_of(gate.pid()) {
        let name = fs::read_to_string(format!("/proc/{child}/comm")).unwrap();
        if name.trim() == "systemd-inhibit" {
            rustix::process::kill_process(child, Signal::KILL).unwrap();
        }
    }
    first.await_blocked("");
    await_awake(&mut gate, Awake::Failed);
    assert!(laptop.video.is_up(), "the picture goes on");
    let nonce = gate.nonce();
    let renewal = laptop.laptop.renew(&opening, 1, nonce, |_| ());
    let answer = gate.ask(&renewal);
    assert!(matches!(answer, Answer::Renewed(_)), "{answer:?}");
    first.await_blocked(BLOCKED);
    assert_eq!(gate.status().awake, Awake::Kept);
}

#[test]
fn a_laptop_that_nothing_keeps_awake_opens_all_the_same_and_says_so() {
    let mut laptop = Installation::new("auto");
    let (mut gate, _) = laptop.open();
    assert_eq!(gate.status().awake, Awake::NoProgram);
    drop(gate);
    let (_, text) = laptop.check();
    assert!(
        text.contains("warning: nothing keeps the laptop awake"),
        "{text}"
    );

    let mut laptop = with_script("#!/bin/sh\necho no bus >&2\nexit 1\n");
    let (mut gate, _) = laptop.open();
    await_awake(&mut gate, Awake::Failed);
    assert!(laptop.video.is_up());
    drop(gate);
    let (_, text) = laptop.check();
    assert!(text.contains("exit status: 1, no bus"), "{text}");

    // One that cannot be run at all.
    let mut laptop = with_script("no program");
    let (mut gate, _) = laptop.open();
    await_awake(&mut gate, Awake::Failed);
    assert!(laptop.video.is_up());
}

#[test]
fn a_program_that_does_not_want_to_end_keeps_no_picture_open() {
    let stubborn = "#!/bin/sh\ntrap '' HUP INT TERM PIPE\nsleep 1000 &\nsleep 1000\nsleep 1000\n";
    let mut laptop = with_script(stubborn);
    let (mut gate, _) = laptop.open();
    assert_eq!(gate.status().awake, Awake::Kept);
    let cause = Instant::now();
    close(&mut gate);
    laptop.video.wait_until_gone("a stubborn inhibitor", cause);
    assert!(children_of(gate.pid()).is_empty());
    assert_eq!(gate.status().awake, Awake::Ready);
}

#[test]
fn a_gate_does_not_run_a_program_that_others_can_write() {
    let laptop = with_script("#!/bin/sh\n");
    let everybody = fs::Permissions::from_mode(0o777);
    fs::set_permissions(laptop.path("inhibitor"), everybody).unwrap();
    let (status, text) = laptop.check();
    assert!(!status.success());
    assert!(text.contains("can be written by others"), "{text}");
    assert!(!laptop.refuses_to_start().success());
}
