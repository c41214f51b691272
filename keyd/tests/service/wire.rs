//! Bytes that are no HTTP, and what is left of all bytes in the log.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use wardkey_fleet::KeydOptions;
use wardkey_schemas::bytes::{Sha256, encode};

use crate::bodies::assert_ready;
use crate::running::{World, on_each_engine, on_each_engine_with};

/// What comes back on a connection for these bytes, until the service closes it.
fn raw(world: &World, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(world.keyd.address()).unwrap();
    // The service may have closed before all has left; what it said before is what counts.
    drop(stream.write_all(bytes));
    drop(stream.shutdown(Shutdown::Write));
    let mut said = Vec::new();
    drop(stream.read_to_end(&mut said));
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
pub(crate) async fn what_is_no_http_and_what_breaks_off_harms_nobody() {
    on_each_engine(async |world| {
        let long = "x".repeat(100_000);
        let head = "POST /v1/status HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
        for bytes in [
            "GARBAGE\r\n\r\n".to_owned(),
            "\0\0\0\0\r\n\r\n".to_owned(),
            "\u{16}\u{3}\u{1}\u{2}\0".to_owned(),
            "GET / HTTP/9.9\r\n\r\n".to_owned(),
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
            format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nhost: a\r\nx: {long}\r\n\r\n"),
            format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(2000)),
            format!("{head}content-length: -1\r\n\r\n"),
            format!("{head}content-length: 99999999999999999999\r\n\r\n"),
            format!("{head}content-length: 5\r\ncontent-length: 6\r\n\r\n{{}}"),
            format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n"),
            format!("{head}transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n"),
            format!("{head}content-length: 1000\r\n\r\n{{\"message\":"),
            format!("{head}transfer-encoding: chunked\r\n\r\n5\r\n{{\"mes"),
            "GET /v1/link HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\n\r\n".to_owned(),
        ] {
            let said = raw(world, bytes.as_bytes());
            let shown: String = bytes.chars().take(80).collect();
            let refused = said.starts_with("HTTP/1.1 4") || said.starts_with("HTTP/1.0 4");
            assert!(said.is_empty() || refused, "{shown:?} got {said}");
        }
        assert_ready(world).await;
    })
    .await;
}

#[tokio::test]
pub(crate) async fn the_log_holds_no_nonce_that_waits_and_no_message() {
    let options = KeydOptions {
        log: "trace".to_owned(),
        ..KeydOptions::default()
    };
    on_each_engine_with(options, async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let action_nonce = fleet.caller.challenge_person().await.unwrap().nonce;
        let (purpose, room) = (
            wardkey_schemas::challenge::Purpose::Activate,
            wardkey_schemas::challenge::RoomChoice::New,
        );
        let waiting = fleet
            .challenge(&laptop, &people.leads[0], purpose, room)
            .await;
        let waiting = waiting.unwrap().nonce;
        let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
        // Refusals say what was found, and must not say too much.
        let mut wrong = visit.renewal(&laptop);
        wrong.renew_nonce = waiting;
        let body = wardkey_schemas::renewal::RenewalBody {
            session: wrong.session,
            request: laptop.sign(&wrong),
        };
        fleet.caller.renew(&body).await.unwrap_err();
        let log = world.keyd.said();
        assert!(
            log.contains("RENEWAL_NONCE"),
            "it logs too little to be looked at"
        );
        let hex = |bytes: &[u8]| Sha256::new(bytes.try_into().unwrap()).to_hex();
        for nonce in [action_nonce, waiting, visit.lease.renew_nonce] {
            let bytes = nonce.as_bytes();
            for form in [encode(bytes), hex(bytes), format!("{bytes:?}")] {
                assert!(!log.contains(&form), "a nonce that waits is in the log");
            }
        }
        for message in [visit.envelope.as_str(), body.request.as_str()] {
            let (signed, signature) = message.rsplit_once('.').unwrap();
            assert!(!log.contains(signature) && !log.contains(signed));
        }
        assert!(
            !log.contains("Sam Example"),
            "a person's name is in the log"
        );
    })
    .await;
}
