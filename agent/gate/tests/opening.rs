//! What opens the gate, what keeps it open, and when it closes by itself.

#![expect(clippy::panic, reason = "a test may stop at the first surprise")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else comes is a surprise"
)]

mod support;

use support::laptop::{Laptop, Terms, new_session};
use support::pki::site;
use support::stage::Stage;
use wardkey_gate::boottime::Boottime;
use wardkey_gate::protocol::{Answer, Event, Opened, Request};
use wardkey_schemas::Code;
use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::challenge::Purpose;
use wardkey_schemas::ids::{DeviceId, Generation, RoomId, SessionId};
use wardkey_schemas::jws;
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::lease::Lease;
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
fn one_thing_wrong_with_the_terms_is_enough() {
    type Spoil = fn(&mut Terms);
    let cases: [(&str, Code, Spoil); 20] = [
        ("another device", Code::LeaseDevice, |terms| {
            terms.lease.sub = DeviceId::from_random([1; 16]);
            terms.activation.device = terms.lease.sub;
        }),
        ("another device key", Code::LeaseDevice, |terms| {
            terms.lease.cnf.jkt = Thumbprint::new([1; 32]);
            terms.activation.device_key = terms.lease.cnf.jkt;
        }),
        ("an earlier enrolment", Code::LeaseDevice, |terms| {
            terms.lease.generation = Generation::FIRST;
            terms.activation.generation = Generation::FIRST;
        }),
        ("another site", Code::SiteMismatch, |terms| {
            terms.lease.site = site("hmp-y");
            terms.activation.site = site("hmp-y");
        }),
        ("a nonce of another run", Code::LeaseNonceUnknown, |terms| {
            terms.lease.eat_nonce = Nonce::new([1; 32]);
            terms.activation.gate_nonce = terms.lease.eat_nonce;
        }),
        ("too long a run", Code::LeaseLimits, |terms| {
            terms.lease.run_for = Seconds::new(901);
        }),
        ("too short a run", Code::LeaseLimits, |terms| {
            terms.lease.run_for = Seconds::new(59);
        }),
        ("too much grace", Code::LeaseLimits, |terms| {
            terms.lease.grace = Seconds::new(1801);
        }),
        ("too late a hard end", Code::LeaseLimits, |terms| {
            terms.lease.hard_end_in = Seconds::new(14_401);
        }),
        ("renewals too seldom", Code::LeaseLimits, |terms| {
            terms.lease.renew_after = Seconds::new(101);
        }),
        ("a signature for another room", Code::LeaseRoom, |terms| {
            terms.activation.room = RoomId::from_random([1; 16]);
        }),
        (
            "a signature for another device",
            Code::ContextDevice,
            |terms| {
                terms.activation.device = DeviceId::from_random([1; 16]);
            },
        ),
        (
            "a signature for another device key",
            Code::ContextDevice,
            |terms| {
                terms.activation.device_key = Thumbprint::new([1; 32]);
            },
        ),
        (
            "a signature for another enrolment",
            Code::ContextDevice,
            |terms| {
                terms.activation.generation = Generation::FIRST;
            },
        ),
        ("a signature for another site", Code::ContextSite, |terms| {
            terms.activation.site = site("hmp-y");
        }),
        ("a signature on another nonce", Code::ContextGate, |terms| {
            terms.activation.gate_nonce = Nonce::new([1; 32]);
        }),
        ("a signature by another key", Code::ContextKey, |terms| {
            terms.activation.staff_key = Thumbprint::new([1; 32]);
        }),
        (
            "a signature under another certificate",
            Code::ContextKey,
            |terms| {
                terms.activation.staff_certificate = Sha256::of(b"another");
            },
        ),
        ("a lease for another key", Code::ContextKey, |terms| {
            terms.lease.staff_key = Thumbprint::new([1; 32]);
        }),
        (
            "a signature that extends what is not open",
            Code::GateClosed,
            |terms| {
                let session = terms.lease.session;
                terms.activation.purpose = Purpose::Extend { session };
            },
        ),
    ];
    let mut stage = Stage::new();
    for (name, code, spoil) in cases {
        let nonce = stage.nonce();
        let mut terms = stage.laptop.terms(new_session(), nonce);
        spoil(&mut terms);
        let request = stage.laptop.open(terms.clone());
        let refusal = stage.refusal(request);
        assert_eq!(refusal.code(), code, "{name}: {refusal}");
        assert!(!stage.is_open(), "{name}");
        assert!(!refusal.found().is_empty() && !refusal.wanted().is_empty());
    }
    // None of that has spoiled the gate.
    stage.open();
}

#[test]
fn a_lease_needs_the_signature_that_it_names() {
    let mut stage = Stage::new();
    let nonce = stage.nonce();
    let terms = stage.laptop.terms(new_session(), nonce);
    let Request::Open {
        lease,
        activation,
        staff_certificate,
    } = stage.laptop.open(terms.clone())
    else {
        panic!("an opening request");
    };
    // The same words, signed once more: ECDSA signatures differ each time.
    let again = jws::sign(&terms.activation, &stage.laptop.staff.key).unwrap();
    assert_ne!(again, activation);
    let refusal = stage.refusal(Request::Open {
        lease: lease.clone(),
        activation: again,
        staff_certificate: staff_certificate.clone(),
    });
    assert_eq!(refusal.code(), Code::ActivationMismatch);
    // The right words, signed by somebody else.
    let forged = {
        let mut terms = terms.clone();
        terms.activation.staff_key = stage.laptop.lead.key.public().thumbprint();
        jws::sign(&terms.activation, &stage.laptop.lead.key).unwrap()
    };
    let refusal = stage.refusal(Request::Open {
        lease: lease.clone(),
        activation: forged,
        staff_certificate,
    });
    assert!(!stage.is_open(), "{refusal}");
}

#[test]
fn a_lease_must_come_from_a_lease_key_of_the_service() {
    let mut stage = Stage::new();
    for key in 0..3 {
        let request = stage.opening();
        let lease = stage.laptop.lease_of(&request);
        let Request::Open {
            activation,
            staff_certificate,
            ..
        } = request
        else {
            panic!("an opening request");
        };
        let pki = &stage.laptop.pki;
        let stranger = Laptop::new();
        let key = match key {
            0 => &pki.order_key.key,
            1 => &pki.answer_key.key,
            _ => &stranger.pki.lease_key.key,
        };
        let lease = jws::sign(&lease, key).unwrap();
        let refusal = stage.refusal(Request::Open {
            lease,
            activation,
            staff_certificate,
        });
        assert_eq!(refusal.code(), Code::LeaseSigner, "{refusal}");
    }
}

#[test]
fn a_member_of_staff_of_another_site_opens_nothing() {
    let mut stage = Stage::new();
    let visitor = stage.laptop.pki.person("hmp-y", Role::Staff);
    let nonce = stage.nonce();
    let mut terms = stage.laptop.terms(new_session(), nonce);
    let key = visitor.key.public().thumbprint();
    terms.activation.staff_key = key;
    terms.activation.staff_certificate = visitor.certificate.sha256();
    terms.lease.staff_key = key;
    let request = stage.laptop.open_by(terms, &visitor);
    assert_eq!(stage.refusal(request).code(), Code::KeyNotForThisSite);
}

#[test]
fn an_old_lease_shown_again_opens_nothing() {
    let mut stage = Stage::new();
    let request = stage.open();
    let refusal = stage.refusal(request.clone());
    assert_eq!(refusal.code(), Code::LeaseNonceUsed);
    stage.ask(Request::Close {
        reason: EndReason::Staff,
    });
    assert_eq!(stage.refusal(request).code(), Code::LeaseNonceUsed);
    assert!(!stage.is_open());
}

#[test]
fn a_lease_of_another_run_opens_nothing() {
    let mut stage = Stage::new();
    let unused = stage.opening();
    let used = stage.open();
    let mut stage = stage.restart();
    for request in [unused, used] {
        assert_eq!(stage.refusal(request).code(), Code::LeaseNonceUnknown);
    }
    assert!(!stage.is_open());
    assert_eq!(stage.screen.openings.get(), 1);
}

#[test]
fn a_lease_that_took_too_long_opens_nothing_and_grace_does_not_help_it() {
    let mut stage = Stage::new();
    let nonce = stage.nonce();
    let mut terms = stage.laptop.terms(new_session(), nonce);
    terms.lease.run_for = seconds(120);
    terms.lease.renew_after = seconds(30);
    let request = stage.laptop.open(terms);
    stage.pass(seconds(120));
    assert_eq!(stage.refusal(request).code(), Code::LeaseOver);
    // A nonce is forgotten before a lease of the usual length is over.
    let request = stage.opening();
    stage.pass(seconds(301));
    assert_eq!(stage.refusal(request).code(), Code::LeaseNonceUnknown);
}

#[test]
fn nothing_opens_before_somebody_is_trusted_or_the_laptop_is_enrolled() {
    let mut stage = Stage::without_trust();
    assert_eq!(stage.refusal_to_open(), Code::StateOutOfTurn);
    let identity = stage.path("identity.json");
    std::fs::remove_file(&identity).unwrap();
    assert_eq!(stage.refusal_to_open(), Code::NotEnrolled);
    std::fs::write(&identity, b"{}").unwrap();
    let request = stage.opening();
    assert!(matches!(stage.ask(request), Answer::Fault { .. }));
    stage.laptop.identity.write(&identity).unwrap();
    let trust = stage.laptop.trust(1);
    stage.ask(trust);
    stage.open();
}

#[test]
fn a_laptop_without_the_roots_hash_trusts_nobody() {
    let mut stage = Stage::without_trust();
    let pin = stage.path("root.sha256");
    let right = std::fs::read(&pin).unwrap();
    let trust = stage.laptop.trust(1);
    std::fs::remove_file(&pin).unwrap();
    assert_eq!(stage.refusal(trust.clone()).code(), Code::RootNotPinned);
    std::fs::write(&pin, b"").unwrap();
    assert_eq!(stage.refusal(trust.clone()).code(), Code::RootNotPinned);
    std::fs::write(&pin, Sha256::of(b"another root").to_hex()).unwrap();
    assert_eq!(stage.refusal(trust.clone()).code(), Code::RootMismatch);
    std::fs::write(&pin, right).unwrap();
    assert!(matches!(stage.ask(trust), Answer::Trusted { .. }));
}

#[test]
fn a_lower_bundle_version_is_refused_after_a_restart_too() {
    let mut stage = Stage::new();
    let (one, two) = (stage.laptop.trust(1), stage.laptop.trust(2));
    assert!(matches!(stage.ask(two.clone()), Answer::Trusted { .. }));
    assert_eq!(stage.refusal(one.clone()).code(), Code::BundleRollback);
    let mut stage = stage.restart_without_trust();
    assert_eq!(stage.refusal(one).code(), Code::BundleRollback);
    // The same document again is no rollback, another one under its number is.
    assert!(matches!(stage.ask(two), Answer::Trusted { .. }));
    let other = stage.laptop.pki.bundle_with(2, |bundle| {
        bundle.site_authorities.pop();
    });
    let refusal = stage.refusal(Request::Trust {
        bundle: Box::new(other),
        service_keys: stage.laptop.pki.service_keys(),
    });
    assert_eq!(refusal.code(), Code::BundleRollback);
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
fn one_thing_wrong_with_a_renewal_is_enough() {
    type Spoil = fn(&mut Lease);
    let cases: [(&str, Code, Spoil); 8] = [
        ("a reset of the TPM", Code::TpmResetInSession, |lease| {
            lease.reset_count = 6;
        }),
        ("another session", Code::LeaseSession, |lease| {
            lease.session = SessionId::from_random([1; 16]);
        }),
        ("another activation", Code::ActivationMismatch, |lease| {
            lease.activation = Sha256::of(b"another");
        }),
        ("another room", Code::LeaseRoom, |lease| {
            lease.room = RoomId::from_random([1; 16]);
        }),
        ("another laptop", Code::LeaseDevice, |lease| {
            lease.cnf.jkt = Thumbprint::new([1; 32]);
        }),
        ("a nonce of nobody", Code::LeaseNonceUnknown, |lease| {
            lease.eat_nonce = Nonce::new([1; 32]);
        }),
        ("too long", Code::LeaseLimits, |lease| {
            lease.run_for = Seconds::new(901);
        }),
        ("a place that was taken", Code::LeaseSession, |lease| {
            lease.seq = 0;
        }),
    ];
    let mut stage = Stage::new();
    let opening = stage.open();
    let before = stage.status().open;
    for (name, code, spoil) in cases {
        let nonce = stage.nonce();
        let renewal = stage.laptop.renew(&opening, 1, nonce, spoil);
        let refusal = stage.refusal(renewal);
        assert_eq!(refusal.code(), code, "{name}: {refusal}");
        assert_eq!(stage.status().open, before, "{name}");
    }
}

#[test]
fn a_renewal_shown_again_gives_no_more_time() {
    let mut stage = Stage::new();
    let opening = stage.open();
    stage.pass(seconds(60));
    let nonce = stage.nonce();
    let renewal = stage.laptop.renew(&opening, 1, nonce, |_| ());
    stage.ask(renewal.clone());
    let before = stage.status().open;
    assert_eq!(stage.refusal(renewal).code(), Code::LeaseNonceUsed);
    assert_eq!(stage.status().open, before);
}

#[test]
fn a_renewal_opens_nothing() {
    let mut stage = Stage::new();
    let opening = stage.open();
    let nonce = stage.nonce();
    let renewal = stage.laptop.renew(&opening, 1, nonce, |_| ());
    stage.ask(Request::Close {
        reason: EndReason::Staff,
    });
    assert_eq!(stage.refusal(renewal.clone()).code(), Code::GateClosed);
    // Nor as an opening, with the signature that once opened.
    let (
        Request::Renew { lease },
        Request::Open {
            activation,
            staff_certificate,
            ..
        },
    ) = (renewal, opening)
    else {
        panic!("a renewal and an opening");
    };
    let refusal = stage.refusal(Request::Open {
        lease,
        activation,
        staff_certificate,
    });
    assert!(!stage.is_open(), "{refusal}");
}

#[test]
fn a_session_that_has_ended_does_not_open_again() {
    let mut stage = Stage::new();
    let opening = stage.open();
    let session = stage.laptop.lease_of(&opening).session;
    stage.ask(Request::Close {
        reason: EndReason::Staff,
    });
    let nonce = stage.nonce();
    let again = stage.laptop.terms(session, nonce);
    let again = stage.laptop.open(again);
    assert_eq!(stage.refusal(again).code(), Code::SessionEnded);
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
fn a_signature_that_extends_another_visit_or_room_extends_nothing() {
    let mut stage = Stage::new();
    let opening = stage.open();
    let session = stage.laptop.lease_of(&opening).session;
    let before = stage.status().open;
    let other = new_session();
    let nonce = stage.nonce();
    let mut terms = stage.laptop.terms(other, nonce);
    terms.activation.purpose = Purpose::Extend { session: other };
    let request = stage.laptop.open(terms);
    assert_eq!(stage.refusal(request).code(), Code::LeaseSession);
    let nonce = stage.nonce();
    let mut terms = stage.laptop.terms(session, nonce);
    terms.activation.purpose = Purpose::Extend { session };
    terms.activation.room = RoomId::from_random([1; 16]);
    terms.lease.room = terms.activation.room;
    let request = stage.laptop.open(terms);
    assert_eq!(stage.refusal(request).code(), Code::LeaseRoom);
    let nonce = stage.nonce();
    let terms = stage.laptop.terms(session, nonce);
    let request = stage.laptop.open(terms);
    assert_eq!(stage.refusal(request).code(), Code::LeaseSession);
    assert_eq!(stage.status().open, before);
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

#[test]
fn a_laptop_that_has_slept_wakes_with_a_closed_gate() {
    let mut stage = Stage::new();
    stage.open();
    stage.pass(seconds(10));
    stage.sleep(seconds(5));
    stage.look();
    assert!(!stage.is_open());
    let (_, reason, _) = closed(&mut stage);
    assert_eq!(reason, EndReason::Shutdown);
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
