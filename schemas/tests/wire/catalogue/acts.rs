//! What people do.

use wardkey_schemas::action::{
    Act, Action, ActionAnswer, ActionChallenge, OrderSent, Outcome, Placed, Target,
};
use wardkey_schemas::ids::OrderSeq;
use wardkey_schemas::names::TokenSerial;
use wardkey_schemas::order::{HoldClass, Mode, SignedAct};
use wardkey_schemas::phrase::Phrase;
use wardkey_schemas::time::Seconds;

use super::things::{
    approval_id, asset, at, bytes, device, digest, hold_id, keyd_nonce, note, person, reader_id,
    session, site,
};
use super::{Cases, Signer};

pub(super) const fn challenge() -> ActionChallenge {
    ActionChallenge {
        nonce: keyd_nonce(),
        expires_in: Seconds::new(120),
    }
}

fn action(act: Act) -> Action {
    Action {
        nonce: keyd_nonce(),
        site: site(),
        act,
    }
}

pub(super) fn stop() -> Action {
    action(Act::Stop {
        target: Target::Laptop { device: device() },
        class: HoldClass::Lost,
        mode: Mode::Immediate,
        note: note("Not in the cupboard at the count."),
    })
}

fn stop_nation() -> Action {
    action(Act::Stop {
        target: Target::Nation,
        class: HoldClass::Incident,
        mode: Mode::Immediate,
        note: note("Incident 4711."),
    })
}

pub(super) fn resume() -> Action {
    action(Act::Resume {
        target: Target::Laptop { device: device() },
        holds: vec![hold_id()],
        note: note("Found in the other cupboard."),
    })
}

pub(super) fn actions() -> Cases<Action> {
    let key = Signer::Staff.thumbprint();
    vec![
        (
            "confirm-laptop",
            action(Act::ConfirmLaptop {
                device: device(),
                asset: asset(),
                phrase: Phrase::of(&digest("what the lead signed")),
            }),
        ),
        (
            "confirm-key",
            action(Act::ConfirmKey {
                key,
                phrase: Phrase::of(&digest("what the new key signed")),
            }),
        ),
        ("stop", stop()),
        (
            "report-lost",
            action(Act::ReportLost {
                laptop: Some(asset()),
                key: Some(TokenSerial::new(33_162_554)),
                stolen: false,
                pin_may_be_known: true,
                note: note("The bag is gone."),
            }),
        ),
        ("resume", resume()),
        (
            "undo",
            action(Act::Undo {
                hold: hold_id(),
                note: note("The wrong laptop."),
            }),
        ),
        (
            "stop-person",
            action(Act::Stop {
                target: Target::Person { person: person() },
                class: HoldClass::Misuse,
                mode: Mode::Immediate,
                note: note(""),
            }),
        ),
        (
            "stop-site",
            action(Act::Stop {
                target: Target::Site { site: site() },
                class: HoldClass::Incident,
                mode: Mode::AfterThisCall,
                note: note("Incident 4711."),
            }),
        ),
        ("stop-nation", stop_nation()),
        (
            "message",
            action(Act::Message {
                device: device(),
                text: note("Please bring this laptop to the office after the visit."),
            }),
        ),
        (
            "agree",
            action(Act::Agree {
                request: approval_id(),
                act: Signer::Officer.seals(&stop_nation()).sha256(),
            }),
        ),
        (
            "revoke",
            action(Act::Revoke {
                target: Target::Key { key },
                note: note("Left the service."),
            }),
        ),
        (
            "end-session",
            action(Act::EndSession {
                session: session(),
                note: note("The patient has gone."),
            }),
        ),
        (
            "mark-spare",
            action(Act::MarkSpare {
                key,
                spare: true,
                note: note("In the envelope in the safe."),
            }),
        ),
        (
            "leaver",
            action(Act::Leaver {
                person: person(),
                note: note("Last day."),
            }),
        ),
        (
            "open-reader",
            action(Act::OpenReader {
                reader_key: Signer::Reader.public(),
                lasts: Seconds::new(900),
            }),
        ),
    ]
}

pub(super) fn signed_act() -> SignedAct {
    SignedAct {
        action: Signer::Officer.seals(&stop()),
        certificate: bytes("the security officer (DER)"),
    }
}

pub(super) fn answers() -> Cases<ActionAnswer> {
    let sent = || {
        vec![OrderSent {
            device: device(),
            seq: OrderSeq::new(3),
        }]
    };
    let answer = |outcome| ActionAnswer {
        outcome,
        leaf: digest("the audit entry"),
        committed_at: at(0),
    };
    vec![
        ("confirmed", answer(Outcome::Confirmed)),
        (
            "person-left",
            answer(Outcome::PersonLeft {
                keys: vec![Signer::Staff.thumbprint()],
                visits: 1,
            }),
        ),
        ("spare-marked", answer(Outcome::SpareMarked { spare: true })),
        (
            "stopped",
            answer(Outcome::Stopped {
                hold: hold_id(),
                orders: sent(),
            }),
        ),
        (
            "reported-lost",
            answer(Outcome::ReportedLost {
                placed: vec![Placed {
                    target: Target::Laptop { device: device() },
                    hold: hold_id(),
                }],
                orders: sent(),
            }),
        ),
        (
            "resumed",
            answer(Outcome::Resumed {
                remaining: vec![hold_id()],
                orders: sent(),
            }),
        ),
        (
            "waits",
            answer(Outcome::WaitsForSecondPerson {
                request: approval_id(),
                act: digest("the act that waits"),
                expires_in: Seconds::new(3600),
            }),
        ),
        (
            "session-ended",
            answer(Outcome::SessionEnded { orders: sent() }),
        ),
        (
            "message-sent",
            answer(Outcome::MessageSent { orders: sent() }),
        ),
        (
            "reader-opened",
            answer(Outcome::ReaderOpened {
                reader: reader_id(),
                lasts: Seconds::new(900),
            }),
        ),
    ]
}
