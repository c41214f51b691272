//! Somebody who asks for the nonces of acts without end has their own limit, and takes nothing from
//! a stop.

use tempfile::TempDir;
use wardkey_edge::client::{CallError, Client, Endpoint};
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
    };
    let refused = ward
        .net
        .on_laptop(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(flood(&endpoint))
        })
        .unwrap();
    assert!(refused > 0, "nobody was told to wait");
    // From the officer's address, in the same second.
    ward.stop(TAG, "--lost").unwrap();
    ward.laptop.await_latch().unwrap();
}

/// Asks, and counts how often the answer was to wait.
async fn flood(endpoint: &Endpoint) -> usize {
    let client = Client::new(endpoint).unwrap();
    let mut refused = 0;
    for _ in 0..MANY {
        let asked = client.post::<(), ActionChallenge>("/v1/actions/challenge", &());
        match asked.await {
            Ok(_) => {}
            Err(CallError::Refused(no)) => {
                assert_eq!(no.refusal().code(), Code::RateLimited);
                refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    refused
}
