//! Visits as they should go, and as they go when one thing is wrong.

use wardkey_agent::control::protocol::{EndsSoon, State, Word};
use wardkey_agent::session::Command;
use wardkey_schemas::Code;
use wardkey_schemas::challenge::Purpose;
use wardkey_schemas::names::Note;
use wardkey_schemas::order::{Command as Order, HoldClass, Mode};
use wardkey_schemas::policy::Presence;
use wardkey_schemas::refusal::Verdict;
use wardkey_schemas::renewal::VisitState;
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Seconds;

use crate::gates::laptop::hold;
use crate::theatre::{Bad, Theatre};

/// Starts a visit.
fn open() -> Theatre {
    open_at(Presence::Carry)
}

/// The same at a site that wants the security key there.
fn open_at(presence: Presence) -> Theatre {
    let mut theatre = Theatre::new();
    theatre.keyd.presence = presence;
    theatre.heal(2);
    theatre.key_in();
    theatre.command(Command::Activate {
        room: None,
        serial: None,
    });
    theatre.heal(1);
    assert!(theatre.is_open(), "{:?}", theatre.words);
    assert!(matches!(theatre.words.last(), Some(Word::Opened { .. })));
    theatre
}

#[test]
fn a_visit_opens_is_handed_over_is_renewed_and_ends() {
    let mut theatre = open();
    assert_eq!(theatre.view().state, State::InRoom);
    theatre.key_out();
    assert_eq!(theatre.view().state, State::WithPatient);
    theatre.heal(200);
    let visit = theatre.view().visit.unwrap();
    assert!(visit.seq >= 10, "about one renewal a minute: {}", visit.seq);
    assert!(theatre.is_open());
    theatre.command(Command::End);
    theatre.heal(4);
    assert!(!theatre.is_open());
    assert_eq!(
        (theatre.waiting(), theatre.view().state),
        (0, State::Locked)
    );
    theatre.check_ends();
}

#[test]
fn a_key_that_must_stay_in_is_asked_for_and_the_visit_ends_without_it() {
    let mut theatre = open_at(Presence::Present);
    theatre.heal(100);
    let view = theatre.view();
    assert_eq!(view.state, State::InRoom);
    assert_eq!(view.visit.as_ref().unwrap().key, Presence::Present);
    assert!(
        view.body.starts_with("Leave your security key in."),
        "{view:?}"
    );

    theatre.key_out();
    theatre.heal(2);
    let view = theatre.view();
    // Nobody is told to hand over.
    assert_eq!(view.state, State::InRoom);
    assert_eq!(view.heading, "Put the security key back in");
    let wanted = view.visit.unwrap().key_wanted_in_ms.unwrap();
    assert!(wanted <= 30_000, "{wanted}");

    theatre.key_in();
    theatre.heal(1);
    assert_eq!(theatre.view().visit.unwrap().key_wanted_in_ms, None);
    theatre.heal(60);
    assert!(theatre.is_open());

    theatre.key_out();
    theatre.heal(7);
    assert!(!theatre.is_open());
    let view = theatre.view();
    assert_eq!((view.state, &view.visit), (State::Ending, &None));
    assert!(view.body.contains("out too long"), "{view:?}");
    theatre.heal(10);
    theatre.check_ends();
}

#[test]
fn a_laptop_that_slept_goes_on_in_the_dark_and_a_quote_brings_the_picture_back() {
    let mut theatre = open();
    theatre.key_out();
    let before = theatre.view().visit.unwrap();
    theatre.stage().sleep(Seconds::new(120));
    theatre.pass(Seconds::new(1));
    assert!(!theatre.is_open());
    assert!(theatre.view().visit.unwrap().dark);
    assert_eq!(theatre.view().heading, "The picture is off");
    theatre.heal(4);
    let after = theatre.view().visit.unwrap();
    assert!(theatre.is_open() && !after.dark, "{:?}", theatre.words);
    assert_eq!(after.session, before.session);
    theatre.heal(30);
    assert!(theatre.is_open());
    theatre.check_ends();
}

#[test]
fn a_laptop_that_slept_with_a_renewal_under_way_gets_its_picture_back_too() {
    let mut theatre = open();
    theatre.command(Command::Renew);
    theatre.stage().sleep(Seconds::new(30));
    theatre.heal(40);
    assert!(theatre.is_open(), "{:?}", theatre.view());
}

#[test]
fn an_outage_within_grace_is_survived_in_the_same_bytes() {
    let mut theatre = open();
    theatre.key_out();
    // Ten minutes in which questions arrive and answers do not.
    for _ in 0..120 {
        while !theatre.pending.is_empty() {
            theatre.arrive_badly(0, Bad::AnswerLost);
        }
        theatre.pass(Seconds::new(5));
    }
    assert!(theatre.is_open());
    assert!(!theatre.view().visit.unwrap().service_reachable);
    let before = theatre.view().visit.unwrap();
    theatre.heal(12);
    let after = theatre.view().visit.unwrap();
    assert!(after.seq > before.seq && after.service_reachable);
    theatre.heal(240);
    assert!(theatre.is_open(), "the chain of renewals goes on");
}

#[test]
fn a_laptop_that_is_asked_for_a_quote_brings_it_at_once_and_the_call_goes_on() {
    let mut theatre = open();
    theatre.key_out();
    theatre.heal(12);
    let before = theatre.view().visit.unwrap();
    let denied = theatre.keyd.given.len();
    theatre.keyd.wants_quote = true;
    theatre.command(Command::Renew);
    // The refusal, and the renewal after it, in less time than any pause between two tries takes.
    theatre.settle();
    assert!(!theatre.keyd.wants_quote, "the quote came");
    assert_eq!(theatre.keyd.given.len(), denied + 1);
    let after = theatre.view().visit.unwrap();
    assert_eq!(after.seq, before.seq + 1);
    theatre.heal(240);
    assert!(theatre.is_open(), "the chain of renewals goes on");
}

#[test]
fn a_visit_on_a_laptop_that_changed_is_finished_and_gets_no_more_time() {
    let mut theatre = open();
    theatre.keyd.finish = Some(Code::PcrChanged);
    theatre.command(Command::Renew);
    theatre.settle();
    let view = theatre.view();
    assert_eq!(view.state, State::Ending);
    assert!(view.visit.unwrap().finishing);
    assert!(theatre.is_open(), "whoever is in the call may finish it");
    theatre.command(Command::Extend { serial: None });
    let refused = theatre.words.last();
    assert!(
        matches!(refused, Some(Word::Refused(refusal)) if refusal.code() == Code::PcrChanged),
        "{refused:?}"
    );
    assert!(theatre.is_open());
}

#[test]
fn the_end_is_told_ten_and_two_minutes_before_and_no_more_after_more_time() {
    let mut theatre = open();
    let told = |theatre: &Theatre| {
        let visit = theatre.view().visit.unwrap();
        (visit.hard_end_in_ms, visit.ends_soon)
    };
    let mut seen = Vec::new();
    while theatre.is_open() {
        let (left, ends_soon) = told(&theatre);
        let wanted = match left {
            0..=120_000 => Some(EndsSoon::TwoMinutes),
            120_001..=600_000 => Some(EndsSoon::TenMinutes),
            _ => None,
        };
        assert_eq!(ends_soon, wanted, "{left} ms before the end");
        if seen.last() != Some(&ends_soon) {
            seen.push(ends_soon);
        }
        if left < 60_000 && seen.len() == 3 {
            theatre.command(Command::Extend { serial: None });
        }
        theatre.heal(1);
    }
    let first = [None, Some(EndsSoon::TenMinutes), Some(EndsSoon::TwoMinutes)];
    assert_eq!(seen, [first, first].concat());
    theatre.check_ends();
}

#[test]
fn a_visit_that_moves_here_is_asked_for_as_that_and_opens() {
    let mut theatre = Theatre::new();
    theatre.heal(2);
    theatre.key_in();
    theatre.command(Command::MoveHere { serial: None });
    theatre.heal(1);
    assert!(theatre.is_open(), "{:?}", theatre.words);
    assert_eq!(theatre.keyd.asked_for, [Purpose::Move]);
    // Where a visit runs, none can be moved to.
    theatre.command(Command::MoveHere { serial: None });
    let refused = theatre.words.last();
    assert!(
        matches!(refused, Some(Word::Refused(refusal)) if refusal.code() == Code::SessionLimit),
        "{refused:?}"
    );
    theatre.key_out();
    theatre.heal(120);
    assert!(theatre.is_open());
}

#[test]
fn an_outage_beyond_grace_closes_the_room_and_is_told() {
    let mut theatre = open();
    theatre.key_out();
    for _ in 0..200 {
        while !theatre.pending.is_empty() {
            theatre.arrive_badly(0, Bad::Lost);
        }
        theatre.pass(Seconds::new(5));
    }
    assert!(!theatre.is_open());
    assert_eq!(theatre.waiting(), 1);
    theatre.heal(30);
    assert_eq!(theatre.waiting(), 0);
    theatre.check_ends();
}

#[test]
fn more_time_whose_answer_is_lost_is_asked_for_again_and_ends_nothing() {
    let mut theatre = open();
    let before = theatre.view().visit.unwrap();
    theatre.command(Command::Extend { serial: None });
    // Everything up to the answer that brings the lease arrives; that one is lost, three times.
    let mut lost = 0;
    for _ in 0..200 {
        if lost == 3 {
            break;
        }
        let given = theatre.keyd.given.len();
        let place = theatre.place_of_activation();
        match (theatre.pending.is_empty(), place) {
            (_, Some(place)) => {
                theatre.arrive_badly(place, Bad::AnswerLost);
                lost += 1;
                assert_eq!(theatre.keyd.given.len(), given + usize::from(lost == 1));
            }
            (false, None) => theatre.arrive(0),
            (true, None) => theatre.pass(Seconds::new(1)),
        }
    }
    assert_eq!(lost, 3);
    theatre.heal(12);
    let after = theatre.view().visit.unwrap();
    assert_eq!(after.presence, VisitState::StaffControl, "{after:?}");
    theatre.key_out();
    theatre.heal(240);
    assert!(theatre.is_open(), "the chain of renewals goes on");
    assert!(theatre.view().visit.unwrap().seq > before.seq + 10);
}

#[test]
fn no_more_time_for_what_was_asked_to_finish_and_no_end_either() {
    for is_told in [true, false] {
        let mut theatre = open();
        let stop = hold(HoldClass::Maintenance, Mode::AfterThisCall, Role::Lead);
        theatre.keyd.finishing = true;
        if is_told {
            theatre.order(Order::Stop { holds: vec![stop] });
            theatre.heal(2);
        }
        theatre.command(Command::Extend { serial: None });
        theatre.heal(20);
        assert!(
            theatre
                .words
                .iter()
                .any(|word| matches!(word, Word::Refused(_)))
        );
        assert!(theatre.is_open(), "it may finish");
        assert!(theatre.view().visit.unwrap().seq > 0, "and is renewed");
    }
}

#[test]
fn forged_stops_end_nothing() {
    let mut theatre = open();
    theatre.key_out();
    for _ in 0..60 {
        while !theatre.pending.is_empty() {
            theatre.arrive_badly(0, Bad::Forged);
        }
        theatre.pass(Seconds::new(5));
    }
    assert!(theatre.is_open());
    theatre.heal(24);
    assert!(theatre.is_open() && theatre.view().visit.unwrap().service_reachable);
}

#[test]
fn a_signed_not_now_brings_a_new_nonce_and_a_signed_stop_the_end() {
    let mut theatre = open();
    theatre.key_out();
    theatre.keyd.mood = Some(Verdict::NotNow);
    theatre.heal(30);
    assert!(theatre.is_open());
    assert!(theatre.view().visit.unwrap().seq > 0);
    theatre.keyd.mood = Some(Verdict::Stop);
    theatre.command(Command::Renew);
    while !theatre.pending.is_empty() {
        theatre.arrive(0);
    }
    assert!(!theatre.is_open());
    theatre.heal(10);
    theatre.check_ends();
}

#[test]
fn a_stop_closes_latches_and_is_receipted_whether_it_comes_by_link_or_by_poll() {
    for by_link in [true, false] {
        let mut theatre = open();
        theatre.key_out();
        if !by_link {
            theatre.cut();
        }
        let stop = hold(HoldClass::Lost, Mode::Immediate, Role::SecurityOfficer);
        theatre.keyd.holds.push(stop);
        theatre.order(Order::Stop { holds: vec![stop] });
        theatre.heal(20);
        assert!(!theatre.is_open());
        let view = theatre.view();
        assert!(view.latched, "{view:?}");
        assert_eq!(view.state, State::Stopped);
        assert!(
            theatre
                .receipts()
                .values()
                .all(|is_receipted| *is_receipted)
        );
        theatre.key_in();
        theatre.command(Command::Activate {
            room: None,
            serial: None,
        });
        theatre.heal(2);
        assert!(!theatre.is_open());
        theatre.check_ends();
    }
}

#[test]
fn what_an_order_over_the_link_changed_is_on_the_screen_at_once() {
    let mut theatre = Theatre::new();
    theatre.heal(4);
    assert!(theatre.view().linked);
    let stop = hold(HoldClass::Lost, Mode::Immediate, Role::SecurityOfficer);
    theatre.keyd.holds.push(stop);
    theatre.order(Order::Stop { holds: vec![stop] });
    theatre.heal(1);
    let why = theatre.view().reason.unwrap().code();
    assert_eq!(why, Code::DeviceLost);
    // Found again: no stop is left, and it is enrolled anew before anybody uses it.
    theatre.keyd.holds.clear();
    theatre.keyd.is_quarantined = true;
    let laptop = &theatre.stage().laptop;
    let approvals = [&laptop.lead, &laptop.officer].map(|who| laptop.approval(&[stop.id], who));
    theatre.order(Order::Resume {
        holds: vec![stop.id],
        approvals: approvals.to_vec(),
    });
    theatre.heal(1);
    let view = theatre.view();
    assert!(!view.latched, "{view:?}");
    assert_eq!(view.state, State::Stopped);
    assert_eq!(view.reason.unwrap().code(), Code::DeviceQuarantined);
}

#[test]
fn a_line_for_staff_is_on_the_screen_for_an_hour_and_its_receipt_says_so() {
    let mut theatre = Theatre::new();
    theatre.heal(4);
    assert_eq!(theatre.view().line, None);
    for text in ["Please bring it back.", "Thank you."] {
        let by = Role::SecurityOfficer;
        let text: Note = text.parse().unwrap();
        let state = theatre.view().state;
        theatre.order(Order::Message {
            by,
            text: text.clone(),
        });
        theatre.heal(1);
        let view = theatre.view();
        let line = view.line.unwrap();
        // The newest stands there, and nothing else is different.
        assert_eq!((line.by, line.text), (by, text));
        assert_eq!((view.state, view.latched), (state, false));
    }
    assert!(theatre.receipts().values().all(|receipted| *receipted));
    theatre.pass(Seconds::new(3_600));
    assert_eq!(theatre.view().line, None);
}

#[test]
fn a_key_that_leaves_before_the_room_is_open_leaves_it_closed_whenever_that_is() {
    for step in 0..12 {
        let mut theatre = Theatre::new();
        theatre.heal(2);
        theatre.key_in();
        theatre.command(Command::Activate {
            room: None,
            serial: None,
        });
        for _ in 0..step {
            theatre.arrive(0);
        }
        if theatre.is_open() && theatre.view().visit.is_some() {
            break;
        }
        theatre.key_out();
        theatre.heal(6);
        assert!(!theatre.is_open(), "step {step}");
        assert_eq!(theatre.waiting(), 0);
        theatre.check_ends();
    }
}

#[test]
fn a_reset_of_the_tpm_ends_the_visit() {
    let mut theatre = open();
    theatre.reset();
    theatre.heal(6);
    assert!(!theatre.is_open());
    theatre.check_ends();
}

#[test]
fn an_agent_that_died_tells_the_end_of_its_visit_and_opens_nothing() {
    let mut theatre = open();
    theatre.agent_dies();
    assert!(!theatre.is_open());
    theatre.heal(6);
    assert!(!theatre.is_open());
    assert_eq!(theatre.waiting(), 0);
    theatre.check_ends();
    assert_eq!(theatre.view().state, State::KeyIn);
}
