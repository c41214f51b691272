//! Somebody who asks for the nonces of acts without end has their own limit, and takes nothing from
//! a stop.

use tempfile::TempDir;
use wardkey_edge::client::{CallError, Client, Endpoint};
use wardkey_edge::dates::Dates;
use wardkey_schemas::Code;
use wardkey_schemas::action::ActionChallenge;
use wardkey_tests::ward::{TAG, Ward};

/// More than any address may ask for at once.
const MANY: usize = 400;

#[test]
fn an_address_that_asks_for_challenges_without_end_is_told_to_wait_and_a_stop_goes_through() {
    let folder: TempDir = tempfile::Builder::new()
        .prefix("f")
        .rand_bytes(4)
        .tempdir_in("/tmp")
        .unwrap();
    let mut ward = Ward::set(folder.path(), &[]).unwrap();
    let endpoint = Endpoint {
        url: "https://keyd.wardkey.test".to_owned(),
        connect: Some(ward.world.keyd_address().unwrap().parse().unwrap()),
        roots: vec![std::fs::read(ward.laptop.folder().join("image/root.der")).unwrap()],
        dates: Dates::Calendar,
    };
    let answers = ward
        .net
        .on_laptop(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(flood(&endpoint))
        })
        .unwrap();
    let told_to_wait = |answer: &Result<ActionChallenge, CallError>| {
        matches!(
            answer, Err(CallError::Refused(no)) if no.refusal().code() == Code::RateLimited
        )
    };
    assert!(
        answers
            .iter()
            .all(|answer| answer.is_ok() || told_to_wait(answer))
    );
    assert!(answers.iter().any(told_to_wait), "nobody was told to wait");
    // From the officer's address, in the same second.
    ward.stop(TAG, "--lost").unwrap();
    ward.laptop.await_latch().unwrap();
}

async fn flood(endpoint: &Endpoint) -> Vec<Result<ActionChallenge, CallError>> {
    let client = Client::new(endpoint).unwrap();
    let mut answers = Vec::new();
    for _ in 0..MANY {
        answers.push(client.post("/v1/actions/challenge", &()).await);
    }
    answers
}
