//! A network of the lab's own, which can be broken: the services at one end, a laptop at the other,
//! and every packet between them in our hands.
//!
//! Both ends are network namespaces with real TCP. What joins them is a pair of TUN devices, and a
//! forwarder that reads each IP packet from one and writes it to the other, later or not at all:
//! so TCP sees a slow line, a lost packet and a blocked address as they are. It takes no kernel
//! module but `tun`.
//!
//! # Where to start
//!
//! [`Net::lay`] on the thread that will start the services, then [`Net::set`]. [`proxy`] is somebody
//! on the way who ends TLS.

mod namespace;
mod packet;
mod path;
pub mod proxy;
mod weather;

use std::net::Ipv4Addr;
use std::path::Path;

use crate::process::ProcessError;

use self::namespace::Namespace;
use self::path::Forwarder;
pub use self::weather::{Block, Weather};

/// Where the key service and the site's authority are (RFC 5737).
pub const SERVICES: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// Where the laptop is.
pub const LAPTOP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// Where the video platform is: at the same end as the services, and another address.
pub const PLATFORM: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);

/// Why there is no network of our own. It is never passed over: what would have been shown was not.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// There are no namespaces for us.
    #[error(
        "network namespaces cannot be used here; it takes root (CAP_SYS_ADMIN and CAP_NET_ADMIN) \
         and the package iproute2"
    )]
    Namespace(#[source] Box<ProcessError>),
    /// A thread cannot be moved.
    #[error("a thread cannot be moved into a network namespace; it takes CAP_SYS_ADMIN")]
    Enter(#[source] std::io::Error),
    /// There are no TUN devices for us.
    #[error(
        "a TUN device cannot be made ({0}); it takes /dev/net/tun (in a container: `--device \
         /dev/net/tun --cap-add NET_ADMIN`, or `mknod /dev/net/tun c 10 200`)"
    )]
    Tun(String),
}

/// Two ends and what is between them; gone when dropped.
#[derive(Debug)]
pub struct Net {
    forwarder: Forwarder,
    laptop: Namespace,
    _services: Namespace,
}

impl Net {
    /// Lays a network, and moves this thread to the services' end: whatever it starts from now on
    /// is there. Logs go into `folder`.
    ///
    /// # Errors
    ///
    /// [`NetError`] says what is missing on this machine.
    pub fn lay(folder: &Path) -> Result<Self, NetError> {
        let services = Namespace::make(&folder.join("services-net.log"))?;
        let laptop = Namespace::make(&folder.join("laptop-net.log"))?;
        services.enter()?;
        let forwarder = Forwarder::start(&laptop)?;
        Ok(Self {
            forwarder,
            laptop,
            _services: services,
        })
    }

    /// The file of the laptop's namespace, for `nsenter`.
    pub fn laptop(&self) -> &Path {
        self.laptop.path()
    }

    /// Does something at the laptop's end.
    ///
    /// # Errors
    ///
    /// [`NetError::Enter`].
    pub fn on_laptop<T: Send>(&self, deed: impl FnOnce() -> T + Send) -> Result<T, NetError> {
        let done = std::thread::scope(|scope| {
            let deed = scope.spawn(|| self.laptop.enter().map(|()| deed()));
            deed.join()
        });
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// From now on packets fare like this.
    pub fn set(&self, weather: Weather) {
        self.forwarder.set(weather);
    }

    /// Packets that arrived, and packets that were dropped, since the beginning.
    pub fn counts(&self) -> (u64, u64) {
        self.forwarder.counts()
    }
}
