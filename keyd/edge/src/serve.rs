//! The accept loop: TLS handshakes, limits, and a stop that lets requests finish.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::http::Request;
use axum::middleware::from_fn;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower_http::catch_panic::CatchPanicLayer;

use crate::{limits, request};

/// How a listener protects what goes over it.
#[derive(Clone)]
pub enum Transport {
    /// TLS 1.3.
    Tls(Arc<ServerConfig>),
    /// Nothing; only on loopback, and only where the settings say so.
    PlainOnLoopback,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tls(_) => "Tls",
            Self::PlainOnLoopback => "PlainOnLoopback",
        })
    }
}

/// The address that a request came from, among its extensions. Behind a proxy it is the proxy's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Peer(pub IpAddr);

/// Why a listener was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The address is taken, or may not be used.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Plain HTTP where others could listen.
    #[error("plain HTTP is for loopback addresses only, and {address} is not one")]
    PlainBeyondLoopback {
        /// The address.
        address: SocketAddr,
    },
}

/// An open listener.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    transport: Transport,
    address: SocketAddr,
}

impl Listener {
    /// Opens a listener; port 0 takes any free port.
    ///
    /// # Errors
    ///
    /// [`ListenError`].
    pub async fn bind(address: SocketAddr, transport: Transport) -> Result<Self, ListenError> {
        if matches!(transport, Transport::PlainOnLoopback) && !address.ip().is_loopback() {
            return Err(ListenError::PlainBeyondLoopback { address });
        }
        let bind = |source| ListenError::Bind { address, source };
        let socket = TcpListener::bind(address).await.map_err(bind)?;
        let address = socket.local_addr().map_err(bind)?;
        Ok(Self {
            socket,
            transport,
            address,
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `router` until `stop` is done; then lets requests finish for [`limits::DRAIN`].
    pub async fn serve(self, router: Router, stop: impl Future<Output = ()>) {
        let router = router
            .fallback(request::no_such_route)
            .method_not_allowed_fallback(request::no_such_route)
            .layer(CatchPanicLayer::custom(request::panicked))
            .layer(from_fn(request::in_time));
        let (stopping, stopped) = watch::channel(false);
        let places = Arc::new(Semaphore::new(usize::from(limits::CONNECTIONS)));
        let mut stop = pin!(stop);
        loop {
            let stream = tokio::select! {
                biased;
                () = &mut stop => break,
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        // Out of descriptors, mostly: what is open goes on, and so do we, once
                        // there was time for something to close.
                        tracing::warn!(%error, "A connection could not be accepted");
                        if timeout(limits::BREATH, &mut stop).await.is_ok() {
                            break;
                        }
                        continue;
                    }
                },
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                tracing::warn!(
                    most = limits::CONNECTIONS,
                    "A connection over the limit was closed"
                );
                continue;
            };
            let transport = self.transport.clone();
            let router = router.clone();
            let stopped = stopped.clone();
            tokio::spawn(async move {
                connection(stream, transport, router, stopped).await;
                drop(place);
            });
        }
        drop(self.socket);
        stopping.send_replace(true);
        // Each connection has its place until it ends, so all places are free once all have ended.
        let all = places.acquire_many(u32::from(limits::CONNECTIONS));
        if timeout(limits::DRAIN, all).await.is_err() {
            tracing::info!("Connections that did not finish in time were closed");
        }
    }
}

async fn connection(
    stream: TcpStream,
    transport: Transport,
    router: Router,
    stopped: watch::Receiver<bool>,
) {
    // An order is a few hundred bytes that must leave at once.
    let peer = match stream.set_nodelay(true).and_then(|()| stream.peer_addr()) {
        Ok(peer) => Peer(peer.ip()),
        Err(error) => {
            tracing::debug!(%error, "A connection was gone before it was served");
            return;
        }
    };
    let served = match transport {
        Transport::PlainOnLoopback => attend(stream, peer, router, stopped).await,
        Transport::Tls(config) => {
            let accepted = timeout(limits::HANDSHAKE, TlsAcceptor::from(config).accept(stream));
            match accepted.await {
                Ok(Ok(stream)) => attend(stream, peer, router, stopped).await,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "A TLS handshake failed");
                    return;
                }
                Err(_) => {
                    tracing::debug!("A TLS handshake took too long");
                    return;
                }
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "A connection ended early");
    }
}

/// Answers the requests of one connection; once the listener has stopped, the one in hand and no
/// more.
///
/// HTTP/1.1 and nothing else: what looks at the first bytes to tell would take HTTP/2 as well, to
/// which none of these limits apply.
async fn attend<I>(
    stream: I,
    peer: Peer,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), hyper::Error>
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEAD)
        .max_buf_size(limits::BUFFER)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut served = pin!(served);
    tokio::select! {
        done = &mut served => return done,
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
    served.as_mut().graceful_shutdown();
    served.await
}
