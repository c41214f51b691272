//! Renewing a lease: one good renewal, and the same with one thing wrong.

use wardkey_schemas::Code;
use wardkey_schemas::Refusal;
use wardkey_schemas::binding::RenewalBinding;
use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::evidence::PcrValue;
use wardkey_schemas::ids::{DeviceId, Generation, SessionId};
use wardkey_schemas::jws::{self, Opened};
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::renewal::{RenewalProof, RenewalRequest, VisitState};
use wardkey_schemas::time::Timestamp;
use wardkey_verifier::appraise::{AppraisedRenewal, ClockAnchor, OpenSession, appraise_renewal};
use wardkey_verifier::tpm::ClockInfo;

use crate::forge::ek::now;
use crate::forge::refused;
use crate::forge::tpm::SoftTpm;

/// A minute after the session began.
fn a_minute_later() -> Timestamp {
    now().plus_millis(60_000)
}

/// The session of this laptop, begun [`now`].
fn session(tpm: &SoftTpm) -> OpenSession<'static> {
    OpenSession {
        session: SessionId::from_bytes([1; 16]),
        device: DeviceId::from_bytes([2; 16]),
        generation: Generation::FIRST,
        device_key: tpm.device.public().thumbprint(),
        ak: tpm.ak_identity(),
        next_seq: 1,
        renew_nonce: Nonce::new([3; 32]),
        baseline: &BASELINE,
        quote_due: now().plus_millis(60_001),
        anchor: ClockAnchor {
            clock: tpm.clock,
            server_time: now(),
        },
        last_clock_ms: tpm.clock.clock_ms,
    }
}

/// The laptop a minute later.
fn later(tpm: SoftTpm) -> SoftTpm {
    SoftTpm {
        clock: ClockInfo {
            clock_ms: tpm.clock.clock_ms + 60_000,
            ..tpm.clock
        },
        ..tpm
    }
}

/// The registers that were accepted.
const BASELINE: [PcrValue; 3] = [register(0, 0), register(4, 0), register(7, 0)];

const fn register(index: u8, value: u8) -> PcrValue {
    PcrValue {
        index,
        sha256: Sha256::new([value; 32]),
    }
}

/// The request with a quote of these registers in place of the time stamp.
fn quoted(tpm: &SoftTpm, session: &OpenSession<'_>, pcrs: &[PcrValue]) -> RenewalRequest {
    let time = request(tpm, session);
    let binding = RenewalBinding {
        session: time.session,
        seq: time.seq,
        renew_nonce: &time.renew_nonce,
        gate_nonce: &time.gate_nonce,
    };
    RenewalRequest {
        proof: RenewalProof::Quote(tpm.quote(&binding.quote(), pcrs)),
        ..time
    }
}

fn request(tpm: &SoftTpm, session: &OpenSession<'_>) -> RenewalRequest {
    let gate_nonce = Nonce::new([4; 32]);
    let binding = RenewalBinding {
        session: session.session,
        seq: session.next_seq,
        renew_nonce: &session.renew_nonce,
        gate_nonce: &gate_nonce,
    };
    RenewalRequest {
        device: session.device,
        generation: session.generation,
        session: session.session,
        seq: session.next_seq,
        renew_nonce: session.renew_nonce,
        gate_nonce,
        state: VisitState::WithPatient,
        proof: RenewalProof::Time(tpm.time(&binding.time())),
    }
}

fn open(request: &RenewalRequest, key: &SigningKey) -> Opened<RenewalRequest> {
    jws::sign(request, key).unwrap().open(key.public()).unwrap()
}

fn appraise(
    tpm: &SoftTpm,
    session: &OpenSession<'_>,
    request: &RenewalRequest,
) -> Result<AppraisedRenewal, Refusal> {
    appraise_renewal(&open(request, &tpm.device), session, a_minute_later())
}

#[test]
fn an_honest_renewal_is_accepted() {
    let tpm = SoftTpm::new();
    let session = session(&tpm);
    let tpm = later(tpm);
    let renewed = appraise(&tpm, &session, &request(&tpm, &session)).unwrap();
    assert_eq!(renewed.clock(), tpm.clock);
    assert_eq!(renewed.seq(), 1);
    assert_eq!(*renewed.gate_nonce(), Nonce::new([4; 32]));
    assert_eq!(renewed.state(), VisitState::WithPatient);
}

#[test]
fn a_renewal_of_another_session_laptop_or_moment_is_refused() {
    let tpm = SoftTpm::new();
    let session = session(&tpm);
    let tpm = later(tpm);
    let good = request(&tpm, &session);
    let cases = [
        (
            "session",
            RenewalRequest {
                session: SessionId::from_bytes([9; 16]),
                ..good.clone()
            },
            Code::SessionUnknown,
        ),
        (
            "laptop",
            RenewalRequest {
                device: DeviceId::from_bytes([9; 16]),
                ..good.clone()
            },
            Code::ContextDevice,
        ),
        (
            "enrolment",
            RenewalRequest {
                generation: Generation::new(2),
                ..good.clone()
            },
            Code::DeviceGeneration,
        ),
        (
            "place in the row",
            RenewalRequest {
                seq: 2,
                ..good.clone()
            },
            Code::RenewalNonce,
        ),
        (
            "nonce of keyd",
            RenewalRequest {
                renew_nonce: Nonce::new([9; 32]),
                ..good.clone()
            },
            Code::RenewalNonce,
        ),
        (
            "nonce of the gate",
            RenewalRequest {
                gate_nonce: Nonce::new([9; 32]),
                ..good.clone()
            },
            Code::QuoteContext,
        ),
        (
            "TPM",
            RenewalRequest {
                proof: request(&later(SoftTpm::new()), &session).proof,
                ..good.clone()
            },
            Code::QuoteSignature,
        ),
    ];
    for (what, request, code) in cases {
        assert_eq!(refused(appraise(&tpm, &session, &request)), code, "{what}");
    }
    let stranger = crate::forge::key();
    let result = appraise_renewal(&open(&good, &stranger), &session, a_minute_later());
    assert_eq!(refused(result), Code::ContextDevice);
}

/// The outcome where the TPM's clock shows this.
fn with_clock(change: impl FnOnce(&mut ClockInfo)) -> Result<AppraisedRenewal, Refusal> {
    let tpm = SoftTpm::new();
    let session = session(&tpm);
    let mut tpm = later(tpm);
    change(&mut tpm.clock);
    appraise(&tpm, &session, &request(&tpm, &session))
}

#[test]
fn a_laptop_that_was_started_again_is_refused() {
    for change in [1, -1] {
        let result = with_clock(|clock| {
            clock.reset_count = clock.reset_count.checked_add_signed(change).unwrap();
        });
        assert_eq!(refused(result), Code::TpmResetInSession);
    }
}

#[test]
fn a_laptop_that_slept_must_make_a_new_statement() {
    let result = with_clock(|clock| clock.restart_count += 1);
    assert_eq!(refused(result), Code::RequoteWanted);
}

#[test]
fn time_must_pass_there_as_here() {
    // A minute here: 1.2 seconds and 5.
    with_clock(|clock| clock.clock_ms += 6_200).unwrap();
    with_clock(|clock| clock.clock_ms -= 6_200).unwrap();
    let fast = with_clock(|clock| clock.clock_ms += 6_201);
    assert_eq!(refused(fast), Code::RequoteWanted);
    let slow = with_clock(|clock| clock.clock_ms -= 6_201);
    assert_eq!(refused(slow), Code::RequoteWanted);
}

#[test]
fn the_clock_does_not_go_back_behind_the_last_renewal() {
    let tpm = SoftTpm::new();
    let session = OpenSession {
        last_clock_ms: tpm.clock.clock_ms + 60_001,
        ..session(&tpm)
    };
    let tpm = later(tpm);
    let result = appraise(&tpm, &session, &request(&tpm, &session));
    assert_eq!(refused(result), Code::TpmClock);
}

#[test]
fn an_old_quote_is_to_be_made_anew() {
    let tpm = SoftTpm::new();
    let session = OpenSession {
        quote_due: a_minute_later(),
        ..session(&tpm)
    };
    let tpm = later(tpm);
    let stamped = appraise(&tpm, &session, &request(&tpm, &session));
    assert_eq!(refused(stamped), Code::RequoteWanted);
    let renewed = appraise(&tpm, &session, &quoted(&tpm, &session, &BASELINE)).unwrap();
    assert_eq!(renewed.clock(), tpm.clock);
    assert_eq!(renewed.quote().unwrap().changed(), None);
}

#[test]
fn a_quote_settles_what_a_sleep_and_a_strange_pace_have_left_open() {
    let tpm = SoftTpm::new();
    let session = session(&tpm);
    let mut tpm = later(tpm);
    tpm.clock.restart_count += 1;
    tpm.clock.clock_ms -= 50_000;
    let good = quoted(&tpm, &session, &BASELINE);
    appraise(&tpm, &session, &good).unwrap();
}

#[test]
fn a_quote_settles_neither_a_reset_nor_a_clock_that_went_back() {
    let reset: fn(&mut ClockInfo) = |clock| clock.reset_count += 1;
    let back: fn(&mut ClockInfo) = |clock| clock.clock_ms -= 60_001;
    for (change, code) in [(reset, Code::TpmResetInSession), (back, Code::TpmClock)] {
        let tpm = SoftTpm::new();
        let session = session(&tpm);
        let mut tpm = later(tpm);
        change(&mut tpm.clock);
        let result = appraise(&tpm, &session, &quoted(&tpm, &session, &BASELINE));
        assert_eq!(refused(result), code);
    }
}

#[test]
fn registers_that_changed_finish_a_visit_or_end_it() {
    let with =
        |changed: u8| BASELINE.map(|value| register(value.index, u8::from(value.index == changed)));
    let tpm = SoftTpm::new();
    let session = session(&tpm);
    let tpm = later(tpm);
    let firmware = appraise(&tpm, &session, &quoted(&tpm, &session, &with(0))).unwrap();
    let changed = firmware.quote().unwrap().changed().unwrap();
    assert_eq!(changed.code(), Code::PcrChanged);
    for grave in [4, 7] {
        let result = appraise(&tpm, &session, &quoted(&tpm, &session, &with(grave)));
        assert_eq!(refused(result), Code::PcrChanged, "PCR {grave}");
    }
}

#[test]
fn a_quote_with_one_thing_wrong_is_refused() {
    let tpm = SoftTpm::new();
    let session = session(&tpm);
    let tpm = later(tpm);
    let good = quoted(&tpm, &session, &BASELINE);
    let spoilt = |spoil: fn(&mut wardkey_schemas::evidence::Quote)| {
        let mut request = good.clone();
        let RenewalProof::Quote(quote) = &mut request.proof else {
            panic!("a quote");
        };
        spoil(quote);
        appraise(&tpm, &session, &request)
    };
    let another_value = spoilt(|quote| quote.pcrs[0] = register(0, 9));
    assert_eq!(refused(another_value), Code::PcrDigest);
    let one_left_out = appraise(&tpm, &session, &quoted(&tpm, &session, &BASELINE[..2]));
    assert_eq!(refused(one_left_out), Code::QuotePcrs);
    let of_another_moment = RenewalRequest {
        gate_nonce: Nonce::new([9; 32]),
        ..good.clone()
    };
    let result = appraise(&tpm, &session, &of_another_moment);
    assert_eq!(refused(result), Code::QuoteContext);
    // A time stamp is no quote, and the other way round.
    let RenewalProof::Time(stamp) = request(&tpm, &session).proof else {
        panic!("a time stamp");
    };
    let in_disguise = RenewalRequest {
        proof: RenewalProof::Quote(wardkey_schemas::evidence::Quote {
            attestation: stamp,
            pcrs: BASELINE.to_vec(),
        }),
        ..good.clone()
    };
    let result = appraise(&tpm, &session, &in_disguise);
    assert_eq!(refused(result), Code::AttestType);
    let nothing_accepted = OpenSession {
        baseline: &[],
        ..session
    };
    let result = appraise(&tpm, &nothing_accepted, &good);
    assert_eq!(refused(result), Code::PcrChanged);
}
