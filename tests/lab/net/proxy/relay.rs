//! One connection with one request: TLS ended, looked at, passed on.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::Ordering;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::net::TcpStream;

use super::alter::{Part, alter};
use super::{Manner, Shared};

/// The longest head of a request.
const HEAD: usize = 16 * 1024;

/// What is read at once: a whole answer, so that a signed message is seen whole.
const PIECE: usize = 256 * 1024;

/// The page of a network that wants one to sign in.
const PAGE: &str = "<html><h1>Please sign in</h1></html>";

/// How a link begins.
const LINK: &[u8] = b"HTTP/1.1 101";

/// What the key service said first, by the first line of the request.
pub(super) type Records = HashMap<String, Vec<u8>>;

/// Serves a connection of the laptop until either end closes, or the manner changes.
pub(super) async fn attend(shared: &Shared, stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut told = shared.manner.clone();
    let manner = *told.borrow_and_update();
    let served = async {
        let mut near = shared.acceptor.accept(stream).await?;
        let Some((line, mut request)) = head(&mut near).await? else {
            return Ok(());
        };
        shared.asked.fetch_add(1, Ordering::SeqCst);
        if let Manner::Portal(status) = manner {
            return near.write_all(&page(status)).await;
        }
        let far = TcpStream::connect(shared.keyd).await?;
        far.set_nodelay(true)?;
        let name = ServerName::try_from(shared.name.clone()).map_err(io::Error::other)?;
        let mut far = shared.connector.connect(name, far).await?;
        if manner == Manner::NoUpgrade || !asks_for_upgrade(&request) {
            request = by_itself(&request);
        }
        if let Manner::AlterRequests(part) = manner {
            change(shared, &mut request, part);
        }
        far.write_all(&request).await?;
        pass(shared, manner, line, near, far).await
    };
    tokio::select! {
        done = served => done,
        _ = told.changed() => Ok(()),
    }
}

/// Reads up to the end of a request's head; its first line, and all bytes that came.
async fn head(near: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        if bytes.len() > HEAD || near.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let line = text.lines().next().unwrap_or_default().to_owned();
    Ok(Some((line, bytes)))
}

fn asks_for_upgrade(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    text.lines().any(|line| name(line) == "upgrade")
}

/// A request without what is between one hop and the next (RFC 9110 section 7.6.1), and the last of
/// its connection: each is looked at.
fn by_itself(request: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return request.to_vec();
    };
    let is_kept = |line: &&str| !["upgrade", "connection"].contains(&name(line).as_str());
    let kept: Vec<&str> = head.split("\r\n").filter(is_kept).collect();
    format!("{}\r\nConnection: close\r\n\r\n{body}", kept.join("\r\n")).into_bytes()
}

/// The name of a header.
fn name(line: &str) -> String {
    let name = line.split(':').next().unwrap_or_default();
    name.to_ascii_lowercase()
}

fn page(status: u16) -> Vec<u8> {
    let place = if status == 302 {
        "Location: https://sign-in.example/\r\n"
    } else {
        ""
    };
    let length = PAGE.len();
    format!(
        "HTTP/1.1 {status} Sign in\r\nContent-Type: text/html\r\n{place}\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{PAGE}"
    )
    .into_bytes()
}

/// Passes bytes both ways until either end closes.
async fn pass<N, F>(
    shared: &Shared,
    manner: Manner,
    line: String,
    near: N,
    far: F,
) -> io::Result<()>
where
    N: AsyncRead + AsyncWrite,
    F: AsyncRead + AsyncWrite,
{
    let (mut near_read, mut near_write) = split(near);
    let (mut far_read, mut far_write) = split(far);
    let outward = async {
        let mut bytes = vec![0; PIECE];
        loop {
            let length = near_read.read(&mut bytes).await?;
            let piece = bytes.get_mut(..length).unwrap_or_default();
            if piece.is_empty() {
                return far_write.shutdown().await;
            }
            if let Manner::AlterRequests(part) = manner {
                change(shared, piece, part);
            }
            far_write.write_all(piece).await?;
        }
    };
    let inward = async {
        let mut bytes = vec![0; PIECE];
        let first = shared.records().get(&line).cloned();
        let (records, mut record) = (manner == Manner::Relay && first.is_none(), Vec::new());
        let old = first.filter(|_| manner == Manner::Replay);
        loop {
            let length = far_read.read(&mut bytes).await?;
            let piece = bytes.get_mut(..length).unwrap_or_default();
            if piece.is_empty() {
                return near_write.shutdown().await;
            }
            if let Some(old) = &old {
                near_write.write_all(&instead(piece, old)).await?;
                // A link that is a replay says nothing new; an answer has been given.
                if old.starts_with(LINK) {
                    return std::future::pending().await;
                }
                return near_write.shutdown().await;
            }
            if let Manner::AlterAnswers(part) = manner {
                change(shared, piece, part);
            }
            if records && record.len() < PIECE {
                record.extend_from_slice(piece);
                shared.records().insert(line.clone(), record.clone());
            }
            near_write.write_all(piece).await?;
        }
    };
    tokio::select! {
        done = outward => done,
        done = inward => done,
    }
}

/// What is said in place of an answer: the old one. A link's handshake is of today, or there would
/// be no link; what is said on it is old.
fn instead(today: &[u8], old: &[u8]) -> Vec<u8> {
    if !old.starts_with(LINK) {
        return old.to_vec();
    }
    let after = |bytes: &[u8]| {
        bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .map_or(bytes.len(), |at| at.saturating_add(4))
    };
    let handshake = today.get(..after(today)).unwrap_or(today);
    let said = old.get(after(old)..).unwrap_or_default();
    [handshake, said].concat()
}

fn change(shared: &Shared, bytes: &mut [u8], part: Part) {
    shared
        .altered
        .fetch_add(alter(bytes, part), Ordering::SeqCst);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_arrives_without_the_wish_for_another_protocol() {
        let request = b"GET /v1/link HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
                        upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n";
        let text = String::from_utf8(by_itself(request)).unwrap();
        assert!(asks_for_upgrade(request) && !asks_for_upgrade(text.as_bytes()));
        assert_eq!(
            text,
            "GET /v1/link HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Version: 13\r\nConnection: close\r\n\r\n"
        );
    }

    #[test]
    fn a_replayed_link_has_the_handshake_of_today_and_the_words_of_then() {
        let today = b"HTTP/1.1 101 Yes\r\nSec-WebSocket-Accept: new\r\n\r\n";
        let old = b"HTTP/1.1 101 Yes\r\nSec-WebSocket-Accept: old\r\n\r\nframes";
        let both = [&today[..], b"frames"].concat();
        assert_eq!(instead(today, old), both);
        assert_eq!(
            instead(b"anything", b"HTTP/1.1 200 OK\r\n\r\n{}"),
            b"HTTP/1.1 200 OK\r\n\r\n{}"
        );
    }
}
