//! A WebSocket to a service (RFC 6455), over TLS as every other call: text in, text out.

use std::io;
use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::client::{ClientError, Endpoint, is_loopback};
use crate::{limits, tls};

/// Bytes that are read at once: a heartbeat or an order.
const BUFFER: usize = 4 * 1024;

/// What TLS and plain connections have in common.
trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Why a socket was not opened, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// The settings do not make a connection.
    #[error(transparent)]
    Settings(#[from] ClientError),
    /// Nobody answered in time.
    #[error("`{url}` does not answer in time")]
    TooSlow {
        /// What was called.
        url: String,
    },
    /// No connection, or its TLS handshake failed.
    #[error("`{url}` cannot be reached")]
    Connect {
        /// What was called.
        url: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What answers does not speak WebSocket, or broke off.
    #[error("the socket broke off")]
    Broken(#[source] Box<Error>),
    /// The peer sent something that is no text.
    #[error("the peer sent something other than text")]
    NotText,
}

impl From<Error> for SocketError {
    fn from(error: Error) -> Self {
        Self::Broken(Box::new(error))
    }
}

/// An open socket.
pub struct Socket(WebSocketStream<Box<dyn Connection>>);

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Socket(..)")
    }
}

impl Socket {
    /// Opens a socket to `path`. Messages of more than `most` bytes end it.
    ///
    /// # Errors
    ///
    /// [`SocketError`].
    pub async fn open(endpoint: &Endpoint, path: &str, most: usize) -> Result<Self, SocketError> {
        let address = || ClientError::Address(endpoint.url.clone());
        let base = reqwest::Url::parse(&endpoint.url).map_err(|_| address())?;
        let host = base.host_str().ok_or_else(address)?;
        let port = base.port_or_known_default().ok_or_else(address)?;
        let scheme = match base.scheme() {
            "https" => "wss",
            "http" if is_loopback(host) => "ws",
            _ => return Err(address().into()),
        };
        let url = format!("{scheme}://{host}:{port}{path}");
        let connect = |source| SocketError::Connect {
            url: url.clone(),
            source,
        };
        let too_slow = |_| SocketError::TooSlow { url: url.clone() };

        let stream = timeout(limits::CONNECT, reach(host, port, endpoint.connect))
            .await
            .map_err(too_slow)?
            .map_err(connect)?;
        // An order is a few hundred bytes that must not wait for others.
        stream.set_nodelay(true).map_err(connect)?;
        let stream: Box<dyn Connection> = if scheme == "wss" {
            let config = tls::client(endpoint.roots.iter().cloned(), &endpoint.dates)
                .map_err(ClientError::Tls)?;
            let name = ServerName::try_from(host.to_owned()).map_err(|_| address())?;
            let connector = TlsConnector::from(std::sync::Arc::new(config));
            let handshake = timeout(limits::HANDSHAKE, connector.connect(name, stream));
            Box::new(handshake.await.map_err(too_slow)?.map_err(connect)?)
        } else {
            Box::new(stream)
        };
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(most))
            .max_frame_size(Some(most));
        let upgrade = client_async_with_config(url.as_str(), stream, Some(config));
        let (socket, _) = timeout(limits::HANDSHAKE, upgrade)
            .await
            .map_err(too_slow)??;
        Ok(Self(socket))
    }

    /// The next text; `None` once the peer has closed.
    ///
    /// # Errors
    ///
    /// [`SocketError::Broken`], [`SocketError::NotText`].
    pub async fn hear(&mut self) -> Result<Option<String>, SocketError> {
        loop {
            match self.0.next().await.transpose()? {
                None | Some(Message::Close(_)) => return Ok(None),
                Some(Message::Text(text)) => return Ok(Some(text.as_str().to_owned())),
                // Answered below us.
                Some(Message::Ping(_) | Message::Pong(_)) => {}
                Some(Message::Binary(_) | Message::Frame(_)) => return Err(SocketError::NotText),
            }
        }
    }

    /// Sends a text.
    ///
    /// # Errors
    ///
    /// [`SocketError::Broken`].
    pub async fn say(&mut self, text: String) -> Result<(), SocketError> {
        Ok(self.0.send(Message::Text(text.into())).await?)
    }
}

async fn reach(host: &str, port: u16, connect: Option<SocketAddr>) -> io::Result<TcpStream> {
    match connect {
        Some(address) => TcpStream::connect(address).await,
        None => TcpStream::connect((host.trim_matches(['[', ']']), port)).await,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::dates::Dates;

    async fn listener() -> (TcpListener, Endpoint) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint {
            url: "http://localhost".to_owned(),
            connect: Some(listener.local_addr().unwrap()),
            roots: Vec::new(),
            dates: Dates::Calendar,
        };
        (listener, endpoint)
    }

    #[tokio::test]
    async fn texts_go_both_ways_until_the_peer_closes() {
        let (listener, endpoint) = listener().await;
        let peer = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut peer = tokio_tungstenite::accept_async(stream).await.unwrap();
            peer.send(Message::Text("who is there".into()))
                .await
                .unwrap();
            let heard = peer.next().await.unwrap().unwrap();
            assert_eq!(heard, Message::Text("a laptop".into()));
            peer.close(None).await.unwrap();
        };
        let caller = async {
            let mut socket = Socket::open(&endpoint, "/v1/link", 100).await.unwrap();
            assert_eq!(socket.hear().await.unwrap().unwrap(), "who is there");
            socket.say("a laptop".to_owned()).await.unwrap();
            assert_eq!(socket.hear().await.unwrap(), None);
        };
        tokio::join!(peer, caller);
    }

    #[tokio::test]
    async fn a_message_that_is_too_long_or_no_text_ends_it() {
        for message in [
            Message::Text("x".repeat(101).into()),
            Message::Binary(vec![1, 2, 3].into()),
        ] {
            let (listener, endpoint) = listener().await;
            let peer = async {
                let (stream, _) = listener.accept().await.unwrap();
                let mut peer = tokio_tungstenite::accept_async(stream).await.unwrap();
                peer.send(message).await.unwrap();
                peer
            };
            let caller = Socket::open(&endpoint, "/v1/link", 100);
            let (_peer, socket) = tokio::join!(peer, caller);
            assert!(socket.unwrap().hear().await.is_err());
        }
    }

    #[tokio::test]
    async fn plain_text_is_spoken_on_loopback_only() {
        let endpoint = Endpoint {
            url: "http://keyd.wardkey.example".to_owned(),
            connect: Some("127.0.0.1:1".parse().unwrap()),
            roots: Vec::new(),
            dates: Dates::Calendar,
        };
        let error = Socket::open(&endpoint, "/v1/link", 100).await.unwrap_err();
        assert!(matches!(
            error,
            SocketError::Settings(ClientError::Address(_))
        ));
    }

    #[tokio::test]
    async fn nobody_there_is_an_error_with_the_address() {
        let (listener, endpoint) = listener().await;
        drop(listener);
        let error = Socket::open(&endpoint, "/v1/link", 100).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "`ws://localhost:80/v1/link` cannot be reached"
        );
    }
}
