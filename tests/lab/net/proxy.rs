//! Somebody on the way who ends the laptop's TLS and begins one of their own, as networks do that
//! inspect what goes through them: relays, or interferes.
//!
//! It works on the bytes inside TLS, so that everything passes that a real one lets pass, WebSockets
//! included. Its root is its own; a laptop believes it only where its settings name it.

mod alter;
mod relay;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use wardkey_edge::dates::Dates;
use wardkey_edge::tls::{self, Identity};

pub use self::alter::Part;

/// What it does with what goes through it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Manner {
    /// Passes everything on as it came.
    #[default]
    Relay,
    /// Speaks HTTP/1.1 and nothing else: what asks for another protocol arrives without the asking.
    NoUpgrade,
    /// Asks to sign in: every request is answered with a page and this status.
    Portal(u16),
    /// Changes one character in this part of every signed message from the key service.
    AlterAnswers(Part),
    /// Changes one character in this part of every signed message from the laptop.
    AlterRequests(Part),
    /// Answers every question, and every link, with what was answered to the first of its kind.
    Replay,
}

/// Why nobody is in between.
#[derive(Debug, thiserror::Error)]
#[error("the proxy cannot be set up: {0}")]
pub struct ProxyError(String);

impl ProxyError {
    fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// What all its connections share.
struct Shared {
    manner: watch::Receiver<Manner>,
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    name: String,
    keyd: SocketAddr,
    recorded: Mutex<relay::Records>,
    asked: AtomicU64,
    altered: AtomicU64,
}

impl Shared {
    fn records(&self) -> MutexGuard<'_, relay::Records> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody in between, until dropped.
pub struct Proxy {
    shared: Arc<Shared>,
    manner: watch::Sender<Manner>,
    stop: watch::Sender<bool>,
    address: SocketAddr,
    root: String,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proxy({})", self.address)
    }
}

impl Proxy {
    /// Listens at this address for calls to `name`, which is at `keyd` and shows a certificate of
    /// `root` (DER).
    ///
    /// # Errors
    ///
    /// [`ProxyError`].
    pub fn start(
        at: Ipv4Addr,
        name: &str,
        keyd: SocketAddr,
        root: Vec<u8>,
    ) -> Result<Self, ProxyError> {
        let (identity, own_root) = identity(name).map_err(ProxyError::of)?;
        let server = tls::server(identity).map_err(ProxyError::of)?;
        let client = tls::client([root], &Dates::Calendar).map_err(ProxyError::of)?;
        let (manner, told) = watch::channel(Manner::default());
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared {
            manner: told,
            acceptor: TlsAcceptor::from(server),
            connector: TlsConnector::from(Arc::new(client)),
            name: name.to_owned(),
            keyd,
            recorded: Mutex::default(),
            asked: AtomicU64::new(0),
            altered: AtomicU64::new(0),
        });
        let (bound, ready) = mpsc::channel();
        let thread = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || serve(&shared, at, stopped, &bound))
        };
        let address = ready.recv().map_err(ProxyError::of)?.map_err(ProxyError)?;
        Ok(Self {
            shared,
            manner,
            stop,
            address,
            root: own_root,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its root certificate (PEM).
    pub fn root(&self) -> &str {
        &self.root
    }

    /// From now on it does this. Connections that stand are closed.
    pub fn set(&self, manner: Manner) {
        self.manner.send_replace(manner);
    }

    /// How many requests it has seen.
    pub fn asked(&self) -> u64 {
        self.shared.asked.load(Ordering::SeqCst)
    }

    /// How many signed messages it has changed.
    pub fn altered(&self) -> u64 {
        self.shared.altered.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // It has nothing to say at its end.
            drop(thread.join());
        }
    }
}

/// A certificate for `name` by a root of its own, and that root.
fn identity(name: &str) -> Result<(Arc<Identity>, String), rcgen::Error> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec![name.to_owned()])?.signed_by(&key, &authority)?;
    let identity = Identity::new(vec![leaf.der().to_vec()], &key.serialize_der())
        .map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
    Ok((identity, authority.pem()))
}

type Bound = mpsc::Sender<Result<SocketAddr, String>>;

fn serve(shared: &Arc<Shared>, at: Ipv4Addr, mut stopped: watch::Receiver<bool>, bound: &Bound) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            // Whoever waits is there.
            drop(bound.send(Err(error.to_string())));
            return;
        }
    };
    runtime.block_on(async {
        let listener = match TcpListener::bind((at, 0)).await {
            Ok(listener) => listener,
            Err(error) => {
                drop(bound.send(Err(error.to_string())));
                return;
            }
        };
        drop(bound.send(listener.local_addr().map_err(|error| error.to_string())));
        loop {
            let stream = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stopped.wait_for(|stopped| *stopped) => return,
            };
            if let Ok((stream, _)) = stream {
                let shared = Arc::clone(shared);
                tokio::spawn(async move {
                    // A connection that breaks is a connection that ends.
                    drop(relay::attend(&shared, stream).await);
                });
            }
        }
    });
}
