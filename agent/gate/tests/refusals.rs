//! What does not open the gate and does not keep it open: each with its code.

mod support;

use serde_json::{Map, Value};
use support::laptop::{Laptop, Terms, new_session};
use support::pki::site;
use support::stage::Stage;
use wardkey_gate::protocol::{Answer, Request, parse_line, to_line};
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
fn a_lease_without_a_signature_is_no_request_at_all() {
    type Change = fn(&mut Map<String, Value>);
    let mut stage = Stage::new();
    let opening = to_line(&stage.opening()).unwrap();
    let opening: Value = serde_json::from_slice(&opening).unwrap();
    assert!(parse_line::<Request>(opening.to_string().as_bytes()).is_ok());
    let code = |change: Change| {
        let mut opening = opening.clone();
        change(opening["open"].as_object_mut().unwrap());
        parse_line::<Request>(opening.to_string().as_bytes())
            .unwrap_err()
            .code()
    };
    let changes: [Change; 5] = [
        |fields| drop(fields.remove("activation")),
        |fields| drop(fields.insert("activation".to_owned(), Value::Null)),
        |fields| drop(fields.insert("activation".to_owned(), "".into())),
        // A lease in the place of the signature.
        |fields| drop(fields.insert("activation".to_owned(), fields["lease"].clone())),
        |fields| drop(fields.remove("staff_certificate")),
    ];
    for change in changes {
        assert_eq!(code(change), Code::MessageMalformed);
    }
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
