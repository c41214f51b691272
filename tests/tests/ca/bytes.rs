//! Bad bytes at each address of the real listener: each is answered with a problem document that
//! says no, and the service goes on.

use std::future;
use std::sync::Arc;

use http::Method;
use serde_json::Value;
use wardkey_ca::api::{self, Route};
use wardkey_edge::serve::{Listener, Transport};
use wardkey_fleet::tpm::EkKind;
use wardkey_fleet::{Caller, Laptop, Person};
use wardkey_schemas::Code;
use wardkey_schemas::enrolment::CompleteLaptop;
use wardkey_schemas::ids::EnrolmentId;
use wardkey_schemas::limits::{EVIDENCE_BYTES, REGISTRATION_BYTES};
use wardkey_schemas::role::Role;

use crate::desk::{self, Desk, new_person, vouched_by};
use crate::house::House;

/// An honest body for each address that takes one.
struct Honest {
    route: Route,
    body: Vec<u8>,
    /// More bytes than this address reads.
    too_long: usize,
}

async fn listening(house: &House) -> Caller {
    let app = Arc::new(house.app().await);
    let listener = Listener::bind(house.config.listen, Transport::PlainOnLoopback);
    let listener = listener.await.unwrap();
    let address = listener.address();
    tokio::spawn(listener.serve(api::router(app), future::pending()));
    Caller::new(address, "wardkey.test", None)
}

async fn honest_bodies(house: &House, lead: &Person) -> Vec<Honest> {
    let app = house.app().await;
    let laptop: Laptop = house.fleet.new_laptop(&house.site, EkKind::P256);
    let hello = desk::hello(house, &laptop, lead);
    let challenge = Desk::open_laptop(&app, hello.clone()).await.unwrap();
    let (completion, _) = desk::completion(house, &laptop, lead, &challenge);
    let key_hello = new_person(Role::Staff, vouched_by(lead));
    let challenge = Desk::open_key(&app, key_hello.clone()).await.unwrap();
    let token = house.fleet.token();
    let (key_completion, _) =
        desk::key_completion(house, &token, Role::Staff, Some(lead), &challenge);
    let json = |value: Result<Vec<u8>, serde_json::Error>| value.unwrap();
    vec![
        Honest {
            route: Route::OpenLaptop,
            body: json(serde_json::to_vec(&hello)),
            too_long: EVIDENCE_BYTES + 1,
        },
        Honest {
            route: Route::CompleteLaptop,
            body: json(serde_json::to_vec(&completion)),
            too_long: REGISTRATION_BYTES + 1,
        },
        Honest {
            route: Route::OpenKey,
            body: json(serde_json::to_vec(&key_hello)),
            too_long: EVIDENCE_BYTES + 1,
        },
        Honest {
            route: Route::CompleteKey,
            body: json(serde_json::to_vec(&key_completion)),
            too_long: EVIDENCE_BYTES + 1,
        },
    ]
}

/// Ways to spoil the bytes of an honest body.
fn spoiled(honest: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut cases: Vec<(String, Vec<u8>)> = Vec::new();
    for most in [0, 1, 20, 200, 2000, usize::MAX] {
        let end = honest.len().saturating_sub(1).min(most);
        cases.push((format!("cut after {end} bytes"), honest[..end].to_vec()));
    }
    let nested = |open: &str, depth: usize| open.repeat(depth).into_bytes();
    cases.push(("nested lists".to_owned(), nested("[", 4_000)));
    cases.push(("nested objects".to_owned(), nested("{\"a\":", 4_000)));
    let quote = honest.iter().rposition(|byte| *byte == b'"').unwrap();
    let mut latin = honest.to_vec();
    latin.insert(quote, 0xe9);
    cases.push(("not UTF-8".to_owned(), latin));
    let mut more = honest.to_vec();
    more.extend_from_slice(b"{}");
    cases.push(("something after it".to_owned(), more));
    for text in ["null", "7", "\"text\"", "[]", "{}", "\u{feff}{}", "NaN"] {
        cases.push((text.to_owned(), text.as_bytes().to_vec()));
    }
    let value: Value = serde_json::from_slice(honest).unwrap();
    let fields = value.as_object().unwrap();
    for (name, content) in fields {
        let mut without = fields.clone();
        without.remove(name);
        cases.push((format!("no {name}"), serde_json::to_vec(&without).unwrap()));
        let wrong = if content.is_number() {
            Value::from("7")
        } else {
            Value::from(7)
        };
        let mut other = fields.clone();
        other.insert(name.clone(), wrong);
        cases.push((
            format!("{name} of another type"),
            serde_json::to_vec(&other).unwrap(),
        ));
        let text = String::from_utf8(honest.to_vec()).unwrap();
        let twice = text.replacen('{', &format!("{{\"{name}\":{content},"), 1);
        cases.push((format!("{name} twice"), twice.into_bytes()));
    }
    let mut unknown = fields.clone();
    unknown.insert("unknown".to_owned(), Value::from(1));
    cases.push((
        "a field that nobody knows".to_owned(),
        serde_json::to_vec(&unknown).unwrap(),
    ));
    cases
}

#[tokio::test]
async fn bad_bytes_get_a_problem_document_and_do_no_harm() {
    let house = House::new().await;
    let [lead, _] = house.leads().await;
    let caller = listening(&house).await;
    let before = house.app().await.journal().newest(99).await.unwrap().len();
    for honest in honest_bodies(&house, &lead).await {
        let path = honest.route.path();
        for (what, body) in spoiled(&honest.body) {
            let said = caller.post(path, body).await.unwrap();
            let problem = said.problem();
            assert!((400..500).contains(&said.status), "{path} {what}: {said:?}");
            let code = problem.unwrap().code;
            assert_eq!(code, Code::MessageMalformed, "{path} {what}");
        }
        let long = vec![b' '; honest.too_long];
        let said = caller.post(path, long).await.unwrap();
        assert_eq!(
            said.problem().unwrap().code,
            Code::MessageTooLarge,
            "{path}"
        );
        for content_type in [None, Some("text/plain"), Some("application/jsonp")] {
            let body = honest.body.clone();
            let said = caller
                .send(Method::POST, path, content_type, body)
                .await
                .unwrap();
            assert_eq!(
                said.problem().unwrap().code,
                Code::MessageMalformed,
                "{path}"
            );
        }
    }
    let after = house.app().await.journal().newest(99).await.unwrap().len();
    assert_eq!(after, before, "nothing was signed");
    let bundle = caller
        .send(Method::GET, Route::Bundle.path(), None, Vec::new())
        .await
        .unwrap();
    assert_eq!(bundle.status, 200);
}

#[tokio::test]
async fn addresses_and_methods_that_are_not_in_the_table_do_not_exist() {
    let house = House::new().await;
    let caller = listening(&house).await;
    for route in Route::ALL {
        let method = if route.method() == Method::GET {
            Method::POST
        } else {
            Method::GET
        };
        let said = caller
            .send(method, route.path(), None, Vec::new())
            .await
            .unwrap();
        assert_eq!(
            said.problem().unwrap().code,
            Code::RouteUnknown,
            "{route:?}"
        );
        let deeper = format!("{}/x", route.path());
        let said = caller.post(&deeper, b"{}".to_vec()).await.unwrap();
        assert_eq!(said.problem().unwrap().code, Code::RouteUnknown, "{deeper}");
    }
}

#[tokio::test]
async fn a_flood_is_slowed_down_before_it_costs_anything() {
    let house = House::new().await;
    let [lead, _] = house.leads().await;
    let caller = listening(&house).await;
    let bodies = honest_bodies(&house, &lead).await;
    let mut body: CompleteLaptop = serde_json::from_slice(&bodies[1].body).unwrap();
    body.enrolment = EnrolmentId::from_random([9; 16]);
    let body = serde_json::to_vec(&body).unwrap();
    let mut codes = Vec::new();
    for _ in 0..200 {
        let said = caller
            .post(Route::CompleteLaptop.path(), body.clone())
            .await
            .unwrap();
        codes.push(said.problem().unwrap().code);
    }
    assert_eq!(codes[0], Code::NonceUnknown);
    assert!(codes.contains(&Code::RateLimited));
}
