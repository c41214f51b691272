//! Programs that die at any moment: the picture dies with them, and nothing that must be told is
//! forgotten.

use rustix::process::{Pid, Signal, kill_process};
use wardkey_tests::process::{self, Running};

use crate::ward::{TAG, Ward};

/// Kills the agent as a crash would, while others hold the laptop.
fn kill(pid: u32) {
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

#[test]
fn an_agent_that_dies_in_a_visit_takes_the_picture_with_it_and_its_successor_tells_the_end() {
    let mut ward = Ward::running(&[]);
    ward.activate();
    ward.laptop.kill_agent().unwrap();
    ward.await_darkness();
    ward.laptop.start().unwrap();
    let status = ward.await_told();
    assert_eq!(status["visit"], serde_json::Value::Null);
    assert_eq!(status["state"], "key-in");
    assert_eq!(ward.ends(), ["shutdown"]);
    ward.await_darkness();
    // Closed until somebody activates again.
    assert_eq!(ward.try_activate().code(), 0);
    ward.await_frames();
}

#[test]
fn an_agent_that_is_asked_to_end_closes_the_room_first() {
    let mut ward = Ward::running(&[]);
    ward.activate();
    let agent = ward.laptop.agent_process().unwrap();
    agent.signal(Signal::TERM).unwrap();
    let mut line = agent.next_line(process::after(std::time::Duration::from_secs(30)));
    while let Ok(Some(_)) = line {
        line = agent.next_line(process::after(std::time::Duration::from_secs(30)));
    }
    assert!(line.unwrap().is_none(), "its output ends with it");
    ward.await_darkness();
    ward.laptop.kill_agent().unwrap();
    ward.laptop.start().unwrap();
    ward.await_told();
    assert_eq!(ward.ends(), ["shutdown"]);
}

#[test]
fn an_agent_that_dies_at_any_step_of_an_activation_leaves_the_room_closed() {
    let mut ward = Ward::running(&[]);
    ward.laptop.plug(&ward.staff).unwrap();
    for step in 1..=7 {
        ward.laptop
            .await_status("ready", |status| status["gate"] == true)
            .unwrap();
        let pid = ward.laptop.agent_process().unwrap().pid();
        let mut watch = ward.laptop.agent_command();
        watch.args(["status", "--json", "--watch"]);
        let log = ward.laptop.folder().join("watch.log");
        let program = ward.world.programs().agent.clone();
        let mut watch = Running::spawn(watch, &program, &log).unwrap();
        std::thread::scope(|scope| {
            let activation = scope.spawn(|| ward.try_activate());
            for _ in 0..step {
                let deadline = process::after(std::time::Duration::from_mins(1));
                let line = watch.next_line(deadline).unwrap().expect("a status");
                // Steps that follow each other at once may be told as one.
                if line.contains("\"in-room\"") {
                    break;
                }
            }
            kill(pid);
            // It ends, whatever became of it.
            activation.join().unwrap();
        });
        ward.laptop.kill_agent().unwrap();
        ward.await_darkness();
        ward.laptop.start().unwrap();
        let status = ward.await_told();
        assert_eq!(status["visit"], serde_json::Value::Null, "step {step}");
    }
    assert!(
        ward.ends().iter().all(|end| !end.is_empty()),
        "all are told"
    );
    assert_eq!(ward.try_activate().code(), 0);
}

#[test]
fn an_agent_that_dies_in_a_renewal_leaves_the_room_closed() {
    let mut ward = Ward::running(&[]);
    ward.activate();
    let pid = ward.laptop.agent_process().unwrap().pid();
    // keyd holds still, so that the renewal is under way for certain.
    ward.world.keyd().unwrap().signal(Signal::STOP).unwrap();
    std::thread::scope(|scope| {
        let renewal = scope.spawn(|| ward.agent(&["renew"]));
        // The agent answers others meanwhile; that the renewal waits is seen by its not ending.
        assert_eq!(ward.status()["visit"]["seq"], 0);
        assert!(!renewal.is_finished());
        kill(pid);
        assert_ne!(renewal.join().unwrap().code(), 0);
    });
    ward.world.keyd().unwrap().signal(Signal::CONT).unwrap();
    ward.laptop.kill_agent().unwrap();
    ward.await_darkness();
    ward.laptop.start().unwrap();
    ward.await_told();
    assert_eq!(ward.ends(), ["shutdown"]);
}

#[test]
fn an_agent_that_starts_without_a_network_stays_closed_and_reports_when_it_is_back() {
    let mut ward = Ward::running(&[]);
    ward.activate();
    ward.world.kill_keyd().unwrap();
    ward.laptop.kill_agent().unwrap();
    ward.await_darkness();
    ward.laptop.start().unwrap();
    let waits = |status: &serde_json::Value| status["outbox"] == 1 && status["gate"] == true;
    ward.laptop.await_status("full of reports", waits).unwrap();
    let said = ward.try_activate();
    assert_eq!(said.code(), 5, "{}", said.out);
    ward.await_darkness();
    ward.world.start_keyd().unwrap();
    ward.await_told();
    assert_eq!(ward.ends(), ["shutdown"]);
    assert_eq!(ward.try_activate().code(), 0);
}

#[test]
fn a_gate_that_dies_is_found_again_and_the_visit_is_told_as_over() {
    let mut ward = Ward::running(&[]);
    ward.activate();
    ward.laptop.kill_gate().unwrap();
    ward.await_darkness();
    ward.laptop
        .await_status("without a gate", |status| status["gate"] == false)
        .unwrap();
    ward.laptop.start_gate().unwrap();
    // The agent tells the new gate whom to believe.
    let is_ready = |status: &serde_json::Value| status["gate"] == true && status["outbox"] == 0;
    ward.laptop.await_status("ready", is_ready).unwrap();
    assert_eq!(ward.ends(), ["shutdown"]);
    assert_eq!(ward.try_activate().code(), 0);
    ward.await_frames();
}

#[test]
fn an_order_that_came_and_was_not_acted_on_before_a_crash_is_acted_on_after_it() {
    let mut ward = Ward::running(&[]);
    ward.activate();
    // The gate holds still, so that the order comes and nothing is done.
    let gate = ward.laptop.gate_process().unwrap();
    gate.signal(Signal::STOP).unwrap();
    let officer = ward.officer.clone();
    let words = ["stop", TAG, "--lost"];
    ward.world.wardkey_done(&officer, &words).unwrap();
    let log = ward.laptop.folder().join("agent.log");
    while !std::fs::read_to_string(&log)
        .unwrap()
        .contains("An order came")
    {
        std::thread::yield_now();
    }
    ward.laptop.kill_agent().unwrap();
    let gate = ward.laptop.gate_process().unwrap();
    gate.signal(Signal::CONT).unwrap();
    ward.await_darkness();
    ward.laptop.start().unwrap();
    ward.laptop.await_latch().unwrap();
    ward.await_told();
    let words = ["orders", TAG, "--watch"];
    let orders = ward.world.wardkey_done(&officer, &words).unwrap();
    let result = &orders["orders"][0]["result"];
    assert!(
        result == "stopped" || result == "already-closed",
        "{orders}"
    );
    assert_eq!(ward.try_activate().code(), 2);
}
