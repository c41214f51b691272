//! The lab's own network: that it breaks what it is told to break, and nothing else.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may stop at the first surprise"
)]

mod calls;
mod flood;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use wardkey_tests::net::{Block, Net, PLATFORM, SERVICES, Weather};

/// Longer than a try that passes takes on any machine.
const WAIT: Duration = Duration::from_secs(2);

fn laid() -> (Net, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Net::lay(folder.path()).unwrap(), folder)
}

/// Somebody at this address who says back what is said; their address.
fn echo(at: Ipv4Addr) -> SocketAddr {
    let listener = TcpListener::bind((at, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut bytes = [0; 1024];
                while let Ok(length @ 1..) = stream.read(&mut bytes) {
                    stream.write_all(&bytes[..length]).unwrap();
                }
            });
        }
    });
    address
}

fn call(net: &Net, address: SocketAddr) -> Option<TcpStream> {
    let connected = net.on_laptop(|| TcpStream::connect_timeout(&address, WAIT));
    connected.unwrap().ok()
}

fn answers(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(WAIT)).unwrap();
    stream.write_all(b"here?").unwrap();
    let mut said = [0; 5];
    match stream.read_exact(&mut said) {
        Ok(()) => said == *b"here?",
        Err(error) => {
            let kinds = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
            assert!(kinds.contains(&error.kind()), "{error}");
            false
        }
    }
}

#[test]
fn a_cable_carries_everything_and_nothing_gets_around_it() {
    let (net, _folder) = laid();
    let address = echo(SERVICES);
    assert!(answers(&mut call(&net, address).unwrap()));
    net.set(Weather::blocked(Block::Everything));
    assert!(call(&net, address).is_none());
    // Loopback is each end's own.
    let inside = echo(Ipv4Addr::LOCALHOST);
    assert!(TcpStream::connect(inside).is_ok());
    assert!(call(&net, inside).is_none());
}

#[test]
fn one_address_is_blocked_and_the_other_is_not() {
    let (net, _folder) = laid();
    let (services, platform) = (echo(SERVICES), echo(PLATFORM));
    net.set(Weather::blocked(Block::SERVICES));
    assert!(call(&net, services).is_none());
    assert!(answers(&mut call(&net, platform).unwrap()));
    net.set(Weather::FINE);
    assert!(answers(&mut call(&net, services).unwrap()));
}

#[test]
fn connections_that_stand_are_blocked_and_new_ones_pass() {
    let (net, _folder) = laid();
    let address = echo(SERVICES);
    let mut standing = call(&net, address).unwrap();
    assert!(answers(&mut standing));
    net.set(Weather::blocked(Block::Standing));
    assert!(!answers(&mut standing));
    assert!(answers(&mut call(&net, address).unwrap()));
}

#[test]
fn a_bad_line_is_slow_loses_packets_and_tcp_gets_everything_across() {
    let (net, _folder) = laid();
    let address = echo(SERVICES);
    net.set(Weather::BAD_LINE);
    let began = Instant::now();
    let mut stream = call(&net, address).unwrap();
    // There and back, for the connection alone.
    assert!(began.elapsed() >= Weather::BAD_LINE.delay * 2);
    let sent: Vec<u8> = (0..=255).cycle().take(400_000).collect();
    let mut writer = stream.try_clone().unwrap();
    let copy = sent.clone();
    let writing = std::thread::spawn(move || writer.write_all(&copy).unwrap());
    let mut heard = vec![0; sent.len()];
    stream.read_exact(&mut heard).unwrap();
    writing.join().unwrap();
    assert_eq!(heard, sent);
    let (_, dropped) = net.counts();
    assert!(dropped > 0, "nothing was lost");
}
