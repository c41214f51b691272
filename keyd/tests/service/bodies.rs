//! Bodies that are no message: each is answered with a problem document and a status of its own kind,
//! never with a fault, and never with silence.

use http::Method;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use wardkey_fleet::Said;
use wardkey_keyd::api::{Caller as Who, Route};
use wardkey_schemas::Code;
use wardkey_schemas::bytes::encode;
use wardkey_schemas::ids::OrderSeq;
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::limits::{EVENT_LOG_BYTES, EVIDENCE_BYTES, MESSAGE_BYTES, REGISTRATION_BYTES};

use crate::authorisation::Things;
use crate::running::{World, on_each_engine};
use crate::samples::body;

/// Whether a route's body names what it is about beside the signed message.
const fn is_around(route: Route) -> bool {
    matches!(route, Route::Activate | Route::Renew)
}

/// Whether a route's body belongs to what came before it: a message of another route stands for it.
const fn is_announced(route: Route) -> bool {
    matches!(
        route,
        Route::AnnounceLaptop
            | Route::OpenRecertification
            | Route::AnnounceRecertification
            | Route::AnnounceKey
    )
}

/// Every route that takes a body, with an honest one.
fn samples(world: &World, things: &Things) -> Vec<(Route, Vec<u8>)> {
    let people = world.fleet.first();
    Route::ALL
        .iter()
        .filter_map(|route| {
            let key = match route.caller() {
                Who::Laptop => &things.laptop.chip.device,
                Who::Registrar => &world.fleet.installation.site(&people.site).key,
                Who::Person => &people.staff.token.key,
                Who::Reader => &things.reader.key,
                Who::Anyone | Who::Operations => world.fleet.installation.bundle_signer.key(),
            };
            // Of some, only the outer form matters here.
            let shown = if is_announced(*route) {
                Route::ReportIssued
            } else if is_around(*route) {
                Route::Poll
            } else {
                *route
            };
            let sample = body(world, things, shown, key);
            sample.map(|sample| (*route, sample))
        })
        .collect()
}

/// Bodies that no route takes.
fn bad_bodies(sample: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let text = String::from_utf8(sample.to_vec()).unwrap();
    let object: Value = serde_json::from_slice(sample).unwrap();
    let fields = object.as_object().unwrap();
    let mut bodies = vec![
        ("nothing", Vec::new()),
        ("null", b"null".to_vec()),
        ("a list", b"[]".to_vec()),
        ("a text", b"\"text\"".to_vec()),
        ("a number beyond all", b"1e999999".to_vec()),
        ("an empty object", b"{}".to_vec()),
        ("cut short", sample[..sample.len() - 1].to_vec()),
        ("one brace more", [sample, b"}"].concat()),
        ("two of them", [sample, sample].concat()),
        (
            "no UTF-8",
            [&b"{\"message\":\""[..], &[0xff, 0xfe], b"\"}"].concat(),
        ),
        ("a NUL", b"{\"message\":\"\\u0000\"}".to_vec()),
        ("half a surrogate", b"{\"message\":\"\\ud800\"}".to_vec()),
        ("lists in lists", vec![b'['; 20_000]),
        ("objects in objects", b"{\"message\":".repeat(2_000)),
        (
            "a field that nobody knows",
            text.replacen('{', "{\"unknown\":1,", 1).into_bytes(),
        ),
    ];
    for (name, value) in fields {
        let doubled = format!("{{\"{name}\":{value},");
        bodies.push((
            "a field twice",
            text.replacen('{', &doubled, 1).into_bytes(),
        ));
        for other in [
            json!(null),
            json!(1),
            json!([value]),
            json!({ "a": value }),
            json!("\u{0}"),
        ] {
            let mut changed = object.clone();
            changed[name] = other;
            bodies.push(("a field of another type", changed.to_string().into_bytes()));
        }
        let mut less = fields.clone();
        less.remove(name);
        bodies.push((
            "a field missing",
            Value::Object(less).to_string().into_bytes(),
        ));
    }
    bodies
}

#[track_caller]
fn assert_problem(said: &Said, code: Code, what: &str) {
    let problem = said.problem().unwrap_or_else(|| {
        panic!(
            "{what}: no problem document, but {} {}",
            said.status, said.media_type
        )
    });
    assert_eq!(problem.code, code, "{what}: {}", problem.found);
    assert_eq!(problem.status, said.status, "{what}");
    assert!((400..500).contains(&said.status), "{what}: {}", said.status);
}

pub(crate) async fn assert_ready(world: &World) {
    let ready = world.keyd.ops();
    let said = ready.send(Method::GET, "/readyz", None, Vec::new()).await;
    assert_eq!(said.unwrap().status, 200);
    let said = world.keyd.said();
    assert!(!said.contains("panicked"), "{said}");
}

/// The longest body of a route: its messages, and what JSON and certificates put around them.
fn most(route: Route) -> usize {
    const AROUND: usize = 32 * 1024;
    if matches!(
        route,
        Route::AnnounceLaptop | Route::AnnounceRecertification
    ) {
        REGISTRATION_BYTES + AROUND
    } else if route == Route::Activate {
        // The log in base64, and the request.
        EVENT_LOG_BYTES / 3 * 4 + 128 * 1024
    } else if route.caller() == Who::Registrar || route == Route::Renew {
        EVIDENCE_BYTES + AROUND
    } else {
        MESSAGE_BYTES + AROUND
    }
}

#[tokio::test]
pub(crate) async fn every_route_answers_bad_bodies_with_a_problem_document() {
    on_each_engine(async |world| {
        let caller = &world.fleet.caller;
        let things = Things::at(world, 0).await;
        for (route, sample) in samples(world, &things) {
            let path = route.path();
            for (what, bad) in bad_bodies(&sample) {
                let said = caller.post(path, bad).await.unwrap();
                assert_problem(&said, Code::MessageMalformed, &format!("{route:?} {what}"));
            }
            for kind in [
                None,
                Some("text/plain"),
                Some("application/jsonx"),
                Some(""),
            ] {
                let said = caller.send(Method::POST, path, kind, sample.clone()).await;
                let what = format!("{route:?} {kind:?}");
                assert_problem(&said.unwrap(), Code::MessageMalformed, &what);
            }
            // One byte more than the route takes; all but that one may be spaces.
            let most = most(route);
            let padded = [sample.clone(), vec![b' '; most - sample.len()]].concat();
            let said = caller.post(path, padded).await.unwrap();
            let code = said.problem().map(|problem| problem.code);
            assert_ne!(
                code,
                Some(Code::MessageTooLarge),
                "{route:?} as long as it may be"
            );
            let long = vec![b' '; most + 1];
            let said = caller.post(path, long).await.unwrap();
            assert_problem(&said, Code::MessageTooLarge, &format!("{route:?} too long"));
        }
        let said = caller.post("/v1/nothing", b"{}".to_vec()).await.unwrap();
        assert_problem(&said, Code::RouteUnknown, "no such route");
        assert_ready(world).await;
    })
    .await;
}

/// An envelope around any payload at all.
fn envelope(typ: &str, payload: &Value, key: &SigningKey) -> String {
    let kid = key.public().thumbprint();
    let header = json!({ "alg": "ES256", "typ": typ, "kid": kid }).to_string();
    let signed = format!(
        "{}.{}",
        encode(header.as_bytes()),
        encode(payload.to_string().as_bytes())
    );
    let signature = key.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{signature}")
}

/// Values in the place of a field of a genuine message.
fn odd_values() -> [Value; 14] {
    [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!("\u{0}"),
        json!("a\u{0}b\u{202e}\u{1b}[31m\r\n"),
        json!("00000000-0000-0000-0000-000000000000"),
        json!("9999-12-31T23:59:59Z"),
        json!("x".repeat(2000)),
        json!([]),
        json!({}),
    ]
}

#[tokio::test]
pub(crate) async fn a_genuine_signer_who_says_odd_things_is_answered_and_breaks_nothing() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let things = Things::at(world, 0).await;
        let laptop = &things.laptop;
        let site = fleet.installation.site(&people.site);
        let (enrolment, nonce) = fleet.enrolment();
        let fresh = fleet.new_laptop(&people.site, wardkey_fleet::tpm::EkKind::P256);
        let hello = fresh.hello(&fleet.installation.tpm_maker, &people.leads[0]);
        let open = site.open_laptop(enrolment, nonce, hello);
        let (purpose, room) = (
            wardkey_schemas::challenge::Purpose::Activate,
            wardkey_schemas::challenge::RoomChoice::New,
        );
        let request = laptop.challenge_request(&people.staff, purpose, room);
        let query = things
            .reader
            .query(wardkey_schemas::query::Question::Record { before: None });
        let device = &laptop.chip.device;
        let messages: [(Route, &str, Value, &SigningKey); 4] = [
            (
                Route::Challenge,
                "wardkey-challenge-request+jwt",
                json!(request),
                device,
            ),
            (
                Route::Poll,
                "wardkey-status-request+jwt",
                json!(laptop.status(OrderSeq::NONE)),
                device,
            ),
            (
                Route::OpenLaptop,
                "wardkey-open-laptop+jwt",
                json!(open),
                &site.key,
            ),
            (
                Route::Ask,
                "wardkey-query+jwt",
                json!(query),
                &things.reader.key,
            ),
        ];
        for (route, typ, honest, key) in messages {
            for (field, _) in honest.as_object().unwrap() {
                for odd in odd_values() {
                    let mut message = honest.clone();
                    message[field] = odd.clone();
                    let body = json!({ "message": envelope(typ, &message, key) });
                    let said = fleet
                        .caller
                        .post(route.path(), body.to_string().into())
                        .await;
                    let said = said.unwrap();
                    let what = format!("{route:?} {field} {odd}");
                    assert!(said.status < 500, "{what}: {}", said.status);
                    assert!(said.status == 200 || said.problem().is_some(), "{what}");
                }
            }
        }
        assert_ready(world).await;
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_signed_message_that_was_changed_is_nobodys() {
    on_each_engine(async |world| {
        let things = Things::at(world, 0).await;
        for (route, sample) in samples(world, &things) {
            let mut object: Value = serde_json::from_slice(&sample).unwrap();
            let field = ["message", "charter", "action"]
                .into_iter()
                .find(|field| object.get(field).is_some())
                .unwrap();
            let text = object[field].as_str().unwrap().to_owned();
            let parts: Vec<&str> = text.split('.').collect();
            let payload: Vec<u8> = wardkey_schemas::bytes::decode(parts[1]).unwrap();
            let changed = [&payload[..payload.len() - 1], b" }"].concat();
            let other = format!("{}.{}.{}", parts[0], encode(&changed), parts[2]);
            object[field] = json!(other);
            let said = world
                .fleet
                .caller
                .post(route.path(), object.to_string().into());
            let code = said.await.unwrap().problem().unwrap().code;
            let another = is_announced(route);
            let wanted = if route == Route::WelcomeSite {
                Code::CharterInvalid
            } else if another || is_around(route) {
                // The sample is of another route: it does not come as far as its signature.
                Code::MessageMalformed
            } else {
                Code::SignatureWrong
            };
            assert_eq!(code, wanted, "{route:?}");
        }
    })
    .await;
}

#[test]
fn no_mutation_of_an_honest_body_is_a_fault() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(on_each_engine(async |world| {
        let things = Things::at(world, 0).await;
        let samples = samples(world, &things);
        let caller = &world.fleet.caller;
        // Drawn first and sent afterwards: proptest itself knows nothing of waiting.
        let mut runner = TestRunner::deterministic();
        let strategy = (
            0..samples.len(),
            proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..6),
        );
        for _ in 0..250 {
            let tree = strategy.new_tree(&mut runner).unwrap();
            let (place, changes) = proptest::strategy::ValueTree::current(&tree);
            let (route, mut bytes) = samples[place].clone();
            for (index, byte, how) in changes {
                let at = index.index(bytes.len());
                match how {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => drop(bytes.remove(at)),
                }
            }
            let said = caller.post(route.path(), bytes.clone()).await.unwrap();
            let what = || format!("{route:?}: {}", String::from_utf8_lossy(&bytes));
            assert!(said.status < 500, "{}: {}", said.status, what());
            assert!(said.status == 200 || said.problem().is_some(), "{}", what());
        }
        assert_ready(world).await;
    }));
}
