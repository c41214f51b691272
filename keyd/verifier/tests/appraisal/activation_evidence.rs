//! Opening a visit: the laptop's own evidence, with one thing wrong.

use wardkey_schemas::Code;
use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::evidence::PcrValue;
use wardkey_schemas::ids::{ChallengeId, Generation, RoomId};
use wardkey_verifier::appraise::{
    EnrolledDevice, IssuedChallenge, LogEvidence, appraise_activation,
};
use wardkey_verifier::event_log::{EventLog, KnownLog};
use wardkey_verifier::tpm::ClockInfo;

use crate::activations::Visit;
use crate::forge::event_log;
use crate::forge::house::{House, other_site};
use crate::forge::refused;

#[test]
fn a_quote_for_another_request_is_refused() {
    let house = House::new();
    let visit = Visit::new(&house, 1);
    // Each of these quotes is honest, for a request that differs in one thing; the staff member has
    // signed over it all the same.
    let others = [
        Visit {
            nonce: Nonce::new([9; 32]),
            ..Visit::new(&house, 1)
        },
        Visit {
            gate_nonce: Nonce::new([9; 32]),
            ..Visit::new(&house, 1)
        },
        Visit {
            room: RoomId::from_bytes([9; 16]),
            ..Visit::new(&house, 1)
        },
        Visit {
            challenge: ChallengeId::from_bytes([9; 16]),
            ..Visit::new(&house, 1)
        },
        Visit {
            generation: Generation::new(2),
            ..Visit::new(&house, 1)
        },
        Visit {
            site: other_site(),
            ..Visit::new(&house, 1)
        },
        Visit::new(&house, 1),
    ];
    for other in others {
        // The last one differs in the device key and the staff certificate alone.
        let quote = visit.tpm.quote(&other.binding(), &visit.baseline());
        let request = visit.request_with(&visit.activation(quote.sha256()), quote);
        assert_eq!(refused(visit.appraise(&request)), Code::QuoteContext);
    }
}

#[test]
fn a_quote_that_leaves_registers_out_is_refused() {
    let house = House::new();
    let visit = Visit::new(&house, 1);
    let fewer = &visit.baseline()[..3];
    let quote = visit.tpm.quote(&visit.binding(), fewer);
    let request = visit.request_with(&visit.activation(quote.sha256()), quote);
    assert_eq!(refused(visit.appraise(&request)), Code::QuotePcrs);
    let mut request = visit.request();
    request.quote.pcrs[0].sha256 = Sha256::new([9; 32]);
    assert_eq!(refused(visit.appraise(&request)), Code::PcrDigest);
}

#[test]
fn a_log_of_another_boot_is_refused() {
    let house = House::new();
    let visit = Visit::new(&house, 1);
    let more = [event_log::boot(), event_log::event(4, 5, b"more")].concat();
    let request = visit.signed(&visit.request());
    let baseline = visit.baseline();
    let appraise = |issued: &IssuedChallenge, log: &[u8]| {
        let log = LogEvidence::Sent(log);
        let device = visit.device(&baseline);
        appraise_activation(&request, issued, &device, &visit.person.verified, log)
    };
    // Another log than the one that was announced.
    let result = appraise(&visit.issued(), &more);
    assert_eq!(refused(result), Code::LogReplayMismatch);
    // The one that was announced does not explain the registers.
    let announced = IssuedChallenge {
        event_log: Sha256::of(&more),
        ..visit.issued()
    };
    let refusal = appraise(&announced, &more).unwrap_err();
    assert_eq!(refusal.code(), Code::LogReplayMismatch);
    assert!(refusal.found().contains("PCR 4"), "{refusal}");
    assert_eq!(
        refused(appraise(&visit.issued(), b"junk")),
        Code::LogMalformed
    );
}

#[test]
fn a_boot_that_is_not_the_accepted_one_is_refused_by_the_registers_that_differ() {
    let house = House::new();
    let visit = Visit::new(&house, 1);
    let request = visit.signed(&visit.request());
    let appraise = |baseline: &[PcrValue]| {
        let device = visit.device(baseline);
        let log = LogEvidence::Sent(&visit.log);
        let person = &visit.person.verified;
        appraise_activation(&request, &visit.issued(), &device, person, log)
    };
    let good = visit.baseline();
    appraise(&good).unwrap();
    let mut changed = good.clone();
    changed[1].sha256 = Sha256::new([9; 32]);
    changed[2].sha256 = Sha256::new([9; 32]);
    let refusal = appraise(&changed).unwrap_err();
    assert_eq!(refusal.code(), Code::PcrChanged);
    assert_eq!(refusal.found(), "other values in PCR 2, 4");

    // A baseline that lacks a register, and one with a register that was not quoted.
    let refusal = appraise(&good[..3]).unwrap_err();
    assert_eq!(refusal.found(), "other values in PCR 7");
    let mut more = good;
    more.push(PcrValue {
        index: 11,
        sha256: Sha256::new([0; 32]),
    });
    let refusal = appraise(&more).unwrap_err();
    assert_eq!(refusal.found(), "other values in PCR 11");
    assert_eq!(refused(appraise(&[])), Code::PcrChanged);
}

#[test]
fn the_tpms_clock_only_goes_forward() {
    let house = House::new();
    let visit = Visit::new(&house, 1);
    let request = visit.signed(&visit.request());
    let baseline = visit.baseline();
    let appraise = |last_clock: ClockInfo| {
        let device = EnrolledDevice {
            last_clock,
            ..visit.device(&baseline)
        };
        let log = LogEvidence::Sent(&visit.log);
        let person = &visit.person.verified;
        appraise_activation(&request, &visit.issued(), &device, person, log)
    };
    let now = visit.tpm.clock;
    // The laptop was started since; its clock may even stand lower.
    appraise(ClockInfo {
        reset_count: now.reset_count - 1,
        clock_ms: now.clock_ms + 1,
        ..now
    })
    .unwrap();
    for later in [
        ClockInfo {
            clock_ms: now.clock_ms + 1,
            ..now
        },
        ClockInfo {
            reset_count: now.reset_count + 1,
            ..now
        },
        ClockInfo {
            restart_count: now.restart_count + 1,
            ..now
        },
    ] {
        assert_eq!(refused(appraise(later)), Code::TpmClock);
    }
}

#[test]
fn a_log_that_is_known_need_not_be_sent() {
    let house = House::new();
    let visit = Visit::new(&house, 1);
    let replayed = EventLog::parse(&visit.log).unwrap().replay();
    let known = KnownLog {
        sha256: replayed.sha256(),
        values: replayed.values(),
    };
    let appraise = |known: &KnownLog| {
        let baseline = visit.baseline();
        appraise_activation(
            &visit.signed(&visit.request()),
            &visit.issued(),
            &visit.device(&baseline),
            &visit.person.verified,
            LogEvidence::new(None, Some(known)).unwrap(),
        )
    };
    assert!(appraise(&known).unwrap().replayed().is_none());
    let other = KnownLog {
        sha256: Sha256::new([9; 32]),
        ..known.clone()
    };
    assert_eq!(refused(appraise(&other)), Code::LogReplayMismatch);
    let mut changed = known;
    changed.values[7].sha256 = Sha256::new([9; 32]);
    assert_eq!(refused(appraise(&changed)), Code::LogReplayMismatch);
    assert_eq!(refused(LogEvidence::new(None, None)), Code::LogMissing);
}
