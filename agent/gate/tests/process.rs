//! The real gate with a real video program that tries to get away: every way in which it ends.

#![expect(clippy::print_stdout, reason = "what was measured and skipped is told")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else comes is a surprise"
)]

mod support;

use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::process::ExitStatus;
use std::time::Instant;

use rustix::process::{Signal, kill_process};
use support::installation::Installation;
use support::laptop::hold;
use wardkey_gate::protocol::{Answer, FromGate, Request, parse_line, to_line};
use wardkey_gate::store::STATE;
use wardkey_schemas::Code;
use wardkey_schemas::order::{HoldClass, Mode, OrderResult};
use wardkey_schemas::role::Role;
use wardkey_schemas::session::EndReason;
use wardkey_schemas::time::Seconds;

/// The guards that this machine grants.
const GUARDS: [&str; 3] = ["both", "cgroup", "namespace"];

#[test]
fn a_gate_is_closed_when_it_starts_and_says_what_it_guards_with() {
    for guard in GUARDS {
        let mut laptop = Installation::new(guard);
        let mut gate = laptop.start();
        let status = gate.status();
        assert_eq!(status.guard.as_str(), guard);
        assert_eq!(status.open, None);
        assert!(!laptop.video.is_up());
    }
}

#[test]
fn the_strongest_guard_is_chosen_by_itself() {
    let laptop = Installation::new("auto");
    let mut gate = laptop.start();
    assert_eq!(gate.status().guard.as_str(), "both");
}

#[test]
fn an_agent_that_is_killed_takes_the_picture_with_it() {
    for guard in GUARDS {
        let mut laptop = Installation::new(guard);
        let mut gate = laptop.start();
        let mut stream = gate.connect_raw();
        let mut ask = |request: &Request| {
            stream.write_all(&to_line(request).unwrap()).unwrap();
            let mut line = Vec::new();
            while !line.ends_with(b"\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                line.push(byte[0]);
            }
            match parse_line(&line).unwrap() {
                FromGate::Answer(answer) => answer,
                other @ FromGate::Event(_) => panic!("{other:?}"),
            }
        };
        ask(&laptop.laptop.trust(1));
        let Answer::Nonce { nonce, .. } = ask(&Request::Nonce {}) else {
            panic!("a nonce");
        };
        let terms = laptop.laptop.terms(support::laptop::new_session(), nonce);
        ask(&laptop.laptop.open(terms));
        laptop.video.wait_until_up();
        let mut agent = gate.give_connection_away(stream);
        assert!(laptop.video.is_up());
        let cause = Instant::now();
        agent.kill().unwrap();
        let what = format!("{guard}: death of the agent");
        laptop.video.wait_until_gone(&what, cause);
        agent.wait().unwrap();
        // The gate lives on, closed, for the next agent.
        gate.wait_for_line("The agent has gone");
        assert_eq!(gate.status().open, None);
    }
}

#[test]
fn a_gate_that_is_killed_takes_the_picture_with_it() {
    for guard in GUARDS {
        // Not SIGINT: whoever runs this test in the background has it ignored.
        for signal in [Signal::KILL, Signal::TERM, Signal::ABORT] {
            let mut laptop = Installation::new(guard);
            let (mut gate, _) = laptop.open();
            let cause = Instant::now();
            gate.signal(signal);
            let what = format!("{guard}: death of the gate by {signal:?}");
            laptop.video.wait_until_gone(&what, cause);
            gate.wait();
            // The next one starts, and it is closed.
            drop(gate);
            assert_eq!(laptop.start().status().open, None);
        }
    }
}

#[test]
fn a_guardian_that_is_killed_takes_the_picture_with_it() {
    for guard in GUARDS {
        let mut laptop = Installation::new(guard);
        let (mut gate, _) = laptop.open();
        let guardian = gate.guardian();
        let cause = Instant::now();
        kill_process(guardian, Signal::KILL).unwrap();
        let what = format!("{guard}: death of the guardian");
        laptop.video.wait_until_gone(&what, cause);
        assert_eq!(gate.wait_for_end(), EndReason::VideoEnded);
        assert_eq!(gate.status().open, None);
    }
}

#[test]
fn gate_and_guardian_that_are_killed_together_take_the_picture_with_them() {
    for guard in GUARDS {
        let mut laptop = Installation::new(guard);
        let (mut gate, _) = laptop.open();
        let guardian = gate.guardian();
        // Frozen first, so that neither can do anything about the other's death.
        for process in [gate.pid(), guardian] {
            kill_process(process, Signal::STOP).unwrap();
        }
        let cause = Instant::now();
        for process in [guardian, gate.pid()] {
            kill_process(process, Signal::KILL).unwrap();
        }
        gate.wait();
        let what = format!("{guard}: death of gate and guardian");
        drop(gate);
        if guard != "cgroup" {
            laptop.video.wait_until_gone(&what, cause);
        }
        // The next gate clears away what they left. A cgroup alone still holds what escaped from
        // the program, which itself died by the kernel.
        let next = laptop.start();
        if guard == "cgroup" {
            laptop.video.wait_until_gone(&what, cause);
        }
        drop(next);
    }
}

#[test]
fn a_gate_that_is_frozen_beyond_the_end_is_overruled_by_its_guardian() {
    for guard in GUARDS {
        let mut laptop = Installation::new(guard);
        let (mut gate, _) = laptop.open_with(|terms| terms.lease.hard_end_in = Seconds::new(2));
        let status = gate.status();
        let end = status.open.unwrap().closes_at;
        let patience = wardkey_gate::limits::GUARDIAN_WAITS.duration();
        let cause = Instant::now() + status.now.until(end) + patience;
        gate.signal(Signal::STOP);
        laptop
            .video
            .wait_until_gone(&format!("{guard}: end of the time of a frozen gate"), cause);
        gate.signal(Signal::CONT);
        assert_eq!(gate.wait_for_end(), EndReason::HardEnd);
        assert!(gate.status().now >= end);
    }
}

#[test]
fn an_agent_that_says_nothing_counts_as_dead() {
    let mut laptop = Installation::new("both");
    let (mut gate, _) = laptop.open();
    let silent = wardkey_gate::limits::AGENT_SILENT.duration();
    let cause = Instant::now() + silent;
    let look = wardkey_gate::limits::LOOK_EVERY.duration();
    laptop
        .video
        .wait_until_gone("silence of the agent", cause + look);
    gate.hang_up();
    assert_eq!(gate.status().open, None);
}

#[test]
fn the_end_of_the_time_ends_the_picture() {
    for guard in GUARDS {
        let mut laptop = Installation::new(guard);
        let (mut gate, _) = laptop.open_with(|terms| terms.lease.hard_end_in = Seconds::new(1));
        let status = gate.status();
        let left = status.now.until(status.open.unwrap().closes_at);
        let cause = Instant::now() + left;
        laptop
            .video
            .wait_until_gone(&format!("{guard}: end of the time"), cause);
        assert_eq!(gate.wait_for_end(), EndReason::HardEnd);
    }
}

#[test]
fn a_stop_ends_the_picture_and_outlives_the_gate() {
    for guard in GUARDS {
        let mut laptop = Installation::new(guard);
        let (mut gate, _) = laptop.open();
        let lost = hold(HoldClass::Lost, Mode::Immediate, Role::SecurityOfficer);
        let stop = laptop.laptop.stop(1, &[lost]);
        let cause = Instant::now();
        let answer = gate.ask(&stop);
        laptop
            .video
            .wait_until_gone(&format!("{guard}: stop"), cause);
        let Answer::Obeyed(obeyed) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(obeyed.result, OrderResult::Stopped);
        assert_eq!(gate.wait_for_end(), EndReason::Stopped);
        gate.signal(Signal::KILL);
        gate.wait();
        drop(gate);
        let mut gate = laptop.start();
        assert_eq!(gate.status().holds, [lost]);
        gate.trust(&laptop.laptop);
        let nonce = gate.nonce();
        let terms = laptop.laptop.terms(support::laptop::new_session(), nonce);
        let answer = gate.ask(&laptop.laptop.open(terms));
        assert!(
            matches!(&answer, Answer::Refused(refusal) if refusal.code() == Code::GateLatched),
            "{answer:?}"
        );
    }
}

#[test]
fn a_word_from_the_agent_ends_the_picture() {
    for guard in GUARDS {
        let mut laptop = Installation::new(guard);
        let (mut gate, _) = laptop.open();
        let close = Request::Close {
            reason: EndReason::TpmReset,
        };
        let cause = Instant::now();
        let answer = gate.ask(&close);
        laptop
            .video
            .wait_until_gone(&format!("{guard}: reset of the TPM"), cause);
        assert!(matches!(answer, Answer::Closed { session: Some(_) }));
        assert_eq!(gate.wait_for_end(), EndReason::TpmReset);
    }
}

#[test]
fn a_program_that_ends_by_itself_is_noticed() {
    for guard in GUARDS {
        let mut laptop = Installation::with_fuse(guard);
        let (mut gate, _) = laptop.open();
        let cause = Instant::now();
        laptop.video.let_it_end();
        laptop
            .video
            .wait_until_gone(&format!("{guard}: end of the program"), cause);
        gate.wait_for_line("exit status 3");
        assert_eq!(gate.wait_for_end(), EndReason::VideoEnded);
        assert_eq!(gate.status().open, None);
    }
}

#[test]
fn a_renewal_moves_the_end_without_touching_the_program() {
    let mut laptop = Installation::new("auto");
    let (mut gate, opening) = laptop.open();
    let before = gate.status().open.unwrap();
    let nonce = gate.nonce();
    let renewal = laptop.laptop.renew(&opening, 1, nonce, |_| ());
    let Answer::Renewed(after) = gate.ask(&renewal) else {
        panic!("a renewal");
    };
    assert!(after.closes_at > before.closes_at);
    assert!(laptop.video.is_up());
}

#[test]
fn a_gate_goes_on_though_nobody_reads_its_log() {
    let mut laptop = Installation::new("auto");
    let mut gate = laptop.start_unheard();
    gate.trust(&laptop.laptop);
    let nonce = gate.nonce();
    let terms = laptop.laptop.terms(support::laptop::new_session(), nonce);
    gate.ask(&laptop.laptop.open(terms));
    laptop.video.wait_until_up();
    gate.ask(&Request::Close {
        reason: EndReason::Staff,
    });
    assert_eq!(gate.status().open, None);
}

#[test]
fn there_is_one_agent_at_a_time() {
    let mut laptop = Installation::new("auto");
    let (mut gate, _) = laptop.open();
    let mut second = gate.connect();
    match second.hear().unwrap() {
        FromGate::Answer(Answer::Refused(refusal)) => assert_eq!(refusal.code(), Code::Busy),
        other => panic!("{other:?}"),
    }
    assert!(second.hear().is_err());
    assert!(gate.status().open.is_some());
    assert!(laptop.video.is_up());
}

#[test]
fn a_process_of_another_user_is_sent_away() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can run a gate for another user");
        return;
    }
    let laptop = Installation::for_agent(54_321);
    let gate = laptop.start();
    // The socket is that user's, and nobody else's but root's.
    let socket = laptop.path("gate.sock").metadata().unwrap();
    assert_eq!((socket.uid(), socket.mode() & 0o777), (54_321, 0o600));
    let mut root = gate.connect();
    match root.hear().unwrap() {
        FromGate::Answer(Answer::Refused(refusal)) => {
            assert_eq!(refusal.code(), Code::NotPermitted);
        }
        other => panic!("{other:?}"),
    }
    assert!(root.hear().is_err());
}

#[test]
fn a_line_that_is_no_request_is_refused_and_one_that_does_not_end_ends_the_connection() {
    let mut laptop = Installation::new("auto");
    let (mut gate, _) = laptop.open();
    gate.hang_up();
    gate.wait_for_line("The agent has gone");
    let mut stream = gate.connect_raw();
    let mut hear = |text: &[u8]| {
        stream.write_all(text).unwrap();
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            line.push(byte[0]);
        }
        match parse_line(&line).unwrap() {
            FromGate::Answer(Answer::Refused(refusal)) => refusal.code(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(hear(b"{}\n"), Code::MessageMalformed);
    assert_eq!(hear(b"\xff\n"), Code::MessageMalformed);
    assert_eq!(hear(b"{\"open\":{}}\n"), Code::MessageMalformed);
    let piece = vec![b' '; wardkey_gate::limits::LINE_BYTES + 1];
    assert_eq!(hear(&piece), Code::MessageTooLarge);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    // Somebody else may try.
    gate.wait_for_line("does not end");
    assert_eq!(gate.status().open, None);
}

#[test]
fn a_gate_without_a_guard_that_works_does_not_start() {
    let laptop = Installation::new("namespace");
    let settings = std::fs::read_to_string(laptop.path("gate.toml")).unwrap();
    let settings = settings + "\nbwrap = \"/nowhere/bwrap\"\n";
    std::fs::write(laptop.path("gate.toml"), settings).unwrap();
    let (status, text) = laptop.check();
    assert!(!status.success());
    assert!(text.contains("no guard works here"), "{text}");
    assert!(text.contains("/nowhere/bwrap"), "{text}");
}

#[test]
fn check_tells_what_is_well_and_every_problem() {
    let laptop = Installation::new("auto");
    let check = || -> (ExitStatus, String) { laptop.check() };
    let (status, text) = check();
    assert!(status.success(), "{text}");
    // The test is root, and so is its agent; and it has nothing that keeps it awake.
    assert_eq!(text.matches("warning: ").count(), 2, "{text}");
    assert!(
        text.contains("ok: the video program would run in: both"),
        "{text}"
    );
    let gate = laptop.start();
    let (status, text) = check();
    assert!(status.success(), "{text}");
    assert!(text.contains("in use by another gate"), "{text}");
    drop(gate);
    std::fs::remove_file(laptop.path("root.sha256")).unwrap();
    std::fs::write(laptop.path("identity.json"), b"{}").unwrap();
    std::fs::remove_file(laptop.path("video.sh")).unwrap();
    let (status, text) = check();
    assert!(!status.success());
    assert_eq!(text.matches("error: ").count(), 3, "{text}");
}

#[test]
fn check_says_why_the_state_is_not_believed() {
    let laptop = Installation::new("auto");
    drop(laptop.start());
    std::fs::write(laptop.path("state").join(STATE), b"{}").unwrap();
    let (status, text) = laptop.check();
    assert!(!status.success());
    assert!(
        text.contains("error: the gate's state cannot be read"),
        "{text}"
    );
}

#[test]
fn an_older_copy_of_the_folder_opens_nothing_by_a_real_chip() {
    let mut laptop = Installation::new("auto");
    let (mut gate, _) = laptop.open();
    let file = laptop.path("state").join(STATE);
    let copy = std::fs::read(&file).unwrap();
    let lost = hold(HoldClass::Lost, Mode::Immediate, Role::SecurityOfficer);
    let cause = Instant::now();
    assert!(matches!(
        gate.ask(&laptop.laptop.stop(1, &[lost])),
        Answer::Obeyed(_)
    ));
    println!(
        "a stop, written and counted: {} us",
        cause.elapsed().as_micros()
    );
    drop(gate);
    std::fs::write(&file, copy).unwrap();
    let mut gate = laptop.start();
    gate.trust(&laptop.laptop);
    let nonce = gate.nonce();
    let terms = laptop.laptop.terms(support::laptop::new_session(), nonce);
    match gate.ask(&laptop.laptop.open(terms)) {
        Answer::Refused(refusal) => {
            assert_eq!(refusal.code(), Code::GateSealed);
            assert!(refusal.found().contains("an old copy"), "{refusal}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_gate_killed_at_any_moment_of_a_stop_never_forgets_one_that_it_has_acknowledged() {
    let mut laptop = Installation::new("auto");
    let lost = hold(HoldClass::Lost, Mode::Immediate, Role::SecurityOfficer);
    let stop = laptop.laptop.stop(1, &[lost]);
    let (mut acknowledged, mut on_disk, mut cut_short) = (0, 0, 0);
    for round in 0_u32..24 {
        laptop.enrol_anew();
        let (mut gate, _) = laptop.open();
        let mut stream = gate.take_stream();
        let moment = std::time::Duration::from_micros(u64::from(round.pow(2)) * 60);
        stream.write_all(&to_line(&stop).unwrap()).unwrap();
        let cause = Instant::now();
        let mut heard = String::new();
        if round < 20 {
            while cause.elapsed() < moment {
                std::hint::spin_loop();
            }
        } else {
            // However slow the machine, some rounds come after the answer.
            while !heard.contains("\"obeyed\"") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                heard.push(char::from(byte[0]));
            }
        }
        gate.signal(Signal::KILL);
        gate.wait();
        laptop
            .video
            .wait_until_gone(&format!("killed {moment:?} after the stop"), cause);
        let _ = stream.read_to_string(&mut heard);
        drop(gate);
        let mut gate = laptop.start();
        let status = gate.status();
        assert_eq!(status.sealed, None);
        if heard.contains("\"obeyed\"") {
            acknowledged += 1;
            assert_eq!(status.holds, [lost]);
        } else if status.latched {
            on_disk += 1;
        } else {
            cut_short += 1;
        }
        // What was not acknowledged comes again.
        gate.trust(&laptop.laptop);
        assert!(matches!(gate.ask(&stop), Answer::Obeyed(_)));
        assert_eq!(gate.status().holds, [lost]);
    }
    assert!(acknowledged >= 4);
    println!(
        "killed before the latch was written {cut_short} times, after {on_disk}, after the answer {acknowledged}"
    );
}
