//! Connections that only hold their place, and more of them than there are places.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use http::Method;
use wardkey_fleet::{Database as Where, Heard, KeydOptions, LinkClient};

use crate::running::{World, within};

/// How long a connection may take to be closed: three times the longest limit.
const PATIENCE: Duration = Duration::from_mins(2);

/// Sends this and then nothing, and waits until the service closes the connection.
fn hold(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn who_only_holds_a_connection_is_not_waited_for() {
    const BODY: &str = "POST /v1/status HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
                        content-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    let mut world = World::on(Where::Sqlite, KeydOptions::default()).await;
    let address = world.keyd.address();
    let held = [
        "",
        "GET /v1/bundle HTT",
        "GET /v1/bundle HTTP/1.1\r\nhost: a\r\nx: ",
        BODY,
    ];
    let held = held
        .map(|bytes| tokio::task::spawn_blocking(move || (bytes, hold(address, bytes.as_bytes()))));
    // A link without a hello.
    let (mut client, _) = LinkClient::knock(&world.fleet.caller).await.unwrap();
    assert!(matches!(within(client.hear()).await, Heard::Closed));
    for held in held {
        let (bytes, said) = held.await.unwrap();
        if bytes == BODY {
            assert!(said.starts_with("HTTP/1.1 400"), "{said}");
            assert!(said.contains("MESSAGE_MALFORMED"), "{said}");
        } else {
            assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
        }
    }
    world.check().await;
}

#[tokio::test]
async fn over_tls_everything_is_as_without_and_a_handshake_is_not_waited_for() {
    let options = KeydOptions {
        tls: true,
        ..KeydOptions::default()
    };
    let mut world = World::on(Where::Sqlite, options).await;
    {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
        fleet.renew(&laptop, &visit).await.unwrap();
        let mut link = crate::link::Linked::open(&world, &laptop).await;
        crate::link::heartbeat(&world, &mut link, 1).await;
        assert_eq!(hold(world.keyd.address(), b""), "");
        // No word without TLS.
        let said = hold(
            world.keyd.address(),
            b"GET /v1/bundle HTTP/1.1\r\nhost: a\r\n\r\n",
        );
        assert!(!said.contains("HTTP/1.1 200"), "{said}");
    }
    world.check().await;
}

#[tokio::test]
async fn a_service_without_descriptors_goes_on_once_some_are_free() {
    let options = KeydOptions {
        under: ["prlimit", "--nofile=96", "--"].map(str::to_owned).into(),
        ..KeydOptions::default()
    };
    let mut world = World::on(Where::Sqlite, options).await;
    let crowd: Vec<TcpStream> = (0..150)
        .map(|_| TcpStream::connect(world.keyd.address()).unwrap())
        .collect();
    // The operations listener is out of descriptors as well: it says so in the log, not too often.
    let mut last = crowd.last().unwrap();
    last.write_all(b"GET /v1/bundle HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .unwrap();
    drop(crowd);
    let ready = world.keyd.ops();
    let said = within(ready.send(Method::GET, "/readyz", None, Vec::new())).await;
    assert_eq!(said.unwrap().status, 200);
    let fleet = &world.fleet;
    let laptop = fleet.laptop(fleet.first()).await.unwrap();
    fleet.visit(&laptop, &fleet.first().staff).await.unwrap();
    let complaints = world.keyd.said().matches("could not be accepted").count();
    assert!(complaints < 1000, "{complaints} lines about one shortage");
    world.check().await;
}
