//! Lists for people.

use wardkey_schemas::action::{OrderSent, Target};
use wardkey_schemas::alert::{AlertKind, AlertRow};
use wardkey_schemas::delivery::{Delivery, DeliveryRow};
use wardkey_schemas::ids::{AlertId, Generation, OrderSeq};
use wardkey_schemas::names::{Firmware, TokenSerial};
use wardkey_schemas::order::{Mode, OrderResult};
use wardkey_schemas::policy::{Policy, PolicyVersion};
use wardkey_schemas::query::{
    Answer, Impact, KeyRow, LaptopRow, OrderRow, PolicyRow, Query, Question, RecordRow, RequestRow,
    SessionRow, TouchedVisit,
};
use wardkey_schemas::role::Role;
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::time::Seconds;

use super::things::{
    approval_id, asset, at, device, digest, order_id, person, reader_id, room, session, site,
};
use super::{Cases, Signer, acts, orders};

pub(super) fn queries() -> Cases<Query> {
    let query = |question| Query {
        reader: reader_id(),
        counter: 12,
        about: None,
        question,
    };
    let record = |before| query(Question::Record { before });
    let elsewhere = Query {
        about: Some(site()),
        ..query(Question::Laptops)
    };
    let impact = query(Question::Impact {
        target: Target::Site { site: site() },
        mode: Mode::Immediate,
    });
    vec![
        ("laptops", query(Question::Laptops)),
        ("keys", query(Question::Keys)),
        ("sessions", query(Question::Sessions)),
        ("orders", query(Question::Orders { device: device() })),
        (
            "delivery",
            query(Question::Delivery {
                orders: vec![OrderSent {
                    device: device(),
                    seq: OrderSeq::new(3),
                }],
            }),
        ),
        ("record", record(None)),
        ("older-record", record(Some(4_711))),
        ("policy", query(Question::Policy)),
        ("elsewhere", elsewhere),
        ("impact", impact),
        ("requests", query(Question::Requests)),
        ("alerts", query(Question::Alerts)),
    ]
}

pub(super) fn answers() -> Cases<Answer> {
    let laptop = LaptopRow {
        device: device(),
        asset: asset(),
        generation: Generation::FIRST,
        state: ObjectState::Active,
        holds: vec![orders::hold()],
        last_seen: Some(at(0)),
        linked: true,
        session: Some(session()),
    };
    let key = KeyRow {
        key: Signer::Staff.thumbprint(),
        serial: TokenSerial::new(33_162_554),
        firmware: Firmware {
            major: 5,
            minor: 7,
            patch: 4,
        },
        person: person(),
        name: "Sam O'Neill".parse().unwrap(),
        role: Role::Staff,
        spare: false,
        state: ObjectState::Pending,
        left: None,
        holds: Vec::new(),
        last_used: None,
    };
    let visit = SessionRow {
        session: session(),
        device: device(),
        asset: asset(),
        staff_key: Signer::Staff.thumbprint(),
        earlier_keys: vec![Signer::Lead.thumbprint()],
        room: room(),
        started_at: at(0),
        hard_end: at(3_600_000),
        cannot_run_past: at(900_000),
        renewals: 3,
        state: "with-patient".to_owned(),
        ended_at: Some(at(200_000)),
        end_reason: Some("staff".to_owned()),
        moved_from: None,
    };
    let order = OrderRow {
        order: order_id(),
        seq: OrderSeq::new(3),
        device: device(),
        command: "stop".to_owned(),
        committed_at: at(0),
        sent_at: Some(at(4)),
        received_at: Some(at(31)),
        acted_at: Some(at(56)),
        result: Some("stopped".to_owned()),
        cannot_run_past: Some(at(900_000)),
    };
    let entry = RecordRow {
        place: 4_710,
        at: at(0),
        site: site(),
        event: "activation-refused".to_owned(),
        actor: Signer::Staff.thumbprint().to_string(),
        target: device().to_string(),
        code: Some("DEVICE_LOST".to_owned()),
        leaf: digest("the entry"),
        previous: digest("the entry before"),
    };
    let strict = Policy {
        grace: Seconds::ZERO,
        ..Policy::default()
    };
    let policy = PolicyRow {
        version: PolicyVersion::new(2),
        own: Some(strict),
        set_at: Some(at(0)),
        installation: Policy::default(),
        in_force: strict,
    };
    let impact = Impact {
        laptops: 12,
        keys: 0,
        visits: 1,
        touched: vec![TouchedVisit {
            session: session(),
            device: device(),
            asset: asset(),
            site: site(),
            started_at: at(0),
            ends_by: at(900_000),
        }],
        standing: vec![orders::hold()],
        second: vec![Role::Lead, Role::NationalAdministrator],
    };
    let request = RequestRow {
        request: approval_id(),
        site: site(),
        act: acts::signed_act(),
        name: "Sam O'Neill".parse().unwrap(),
        requested_at: at(0),
        expires_at: at(1_800_000),
    };
    let alerts = AlertKind::ALL.map(|kind| AlertRow {
        alert: AlertId::from_bytes([0x61; 16]),
        at: at(0),
        site: site(),
        kind,
        object: person().to_string(),
        detail: "4 within 10 minutes".to_owned(),
    });
    vec![
        ("laptops", Answer::Laptops(vec![laptop])),
        ("keys", Answer::Keys(vec![key])),
        ("sessions", Answer::Sessions(vec![visit])),
        ("orders", Answer::Orders(vec![order])),
        ("delivery", Answer::Delivery(deliveries())),
        ("record", Answer::Record(vec![entry])),
        ("policy", Answer::Policy(policy)),
        ("impact", Answer::Impact(impact)),
        ("requests", Answer::Requests(vec![request])),
        ("alerts", Answer::Alerts(alerts.to_vec())),
    ]
}

/// Every way in which an order can have come how far.
fn deliveries() -> Vec<DeliveryRow> {
    let (past, then) = (at(900_000), at(56));
    let removed_at = Some(at(48));
    [
        Delivery::Stopped {
            at: then,
            removed_at,
        },
        Delivery::CannotStart,
        Delivery::NotReached {
            cannot_run_past: past,
        },
        Delivery::Sent {
            at: then,
            cannot_run_past: past,
        },
        Delivery::RemovedFromRoom {
            at: then,
            cannot_run_past: past,
        },
        Delivery::LaptopStopped { at: then },
        Delivery::AfterThisCall { at: then },
        Delivery::RanOut { at: past },
        Delivery::Resumed { at: then },
        Delivery::Shown { at: then },
        Delivery::Refused { at: then },
        Delivery::Waiting,
    ]
    .into_iter()
    .map(|delivery| DeliveryRow {
        device: device(),
        asset: asset(),
        seq: OrderSeq::new(3),
        command: "stop".to_owned(),
        committed_at: at(0),
        delivery,
        result: Some(OrderResult::Stopped),
        platform: true,
        trouble: Some("still-there".to_owned()),
        settled: true,
    })
    .collect()
}
