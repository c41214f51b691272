//! The chip under the applet: Trussed with the operating system's entropy and storage in files.
//!
//! One power cycle is one call of [`power`]: what is volatile lives exactly as long as that call,
//! as it does in hardware. Calls into Trussed run in the thread of the card, without a service
//! thread and its polling.
//!
//! The crate's own `virt` platform seeds its generator with a constant, so every card would make
//! the same keys; [`Platform`] here is why they do not.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rand_core::OsRng;
use trussed::ClientImplementation;
use trussed::backend::BackendId;
use trussed::pipe::{ServiceEndpoint, TrussedChannel};
use trussed::service::Service;
use trussed::types::CoreContext;
use trussed::virt::{self, StorageConfig, StoreConfig};

use self::dispatch::{Backends, Contexts, Dispatch};

mod dispatch;

/// Name under which the applet's files lie in the chip's file systems.
const APPLET: &str = "piv";

static BACKENDS: &[BackendId<Backends>] = &[
    BackendId::Custom(Backends::Staging),
    BackendId::Custom(Backends::Auth),
    BackendId::Core,
];

/// A line into Trussed, as the applet.
pub(crate) type Client<'chip> = ClientImplementation<'chip, Call<'chip>, Dispatch>;

struct Core<'chip> {
    service: Service<Platform<'chip>, Dispatch>,
    endpoints: Vec<ServiceEndpoint<'chip, Backends, Contexts>>,
}

/// Enters Trussed, in the thread that calls.
pub(crate) struct Call<'chip>(Rc<RefCell<Core<'chip>>>);

impl trussed::platform::Syscall for Call<'_> {
    fn syscall(&mut self) {
        let mut core = self.0.borrow_mut();
        let Core { service, endpoints } = &mut *core;
        service.process(endpoints);
    }
}

struct Platform<'chip> {
    rng: OsRng,
    store: virt::Store<'chip>,
    user_interface: virt::UserInterface,
}

impl<'chip> trussed::platform::Platform for Platform<'chip> {
    type R = OsRng;
    type S = virt::Store<'chip>;
    type UI = virt::UserInterface;

    fn rng(&mut self) -> &mut Self::R {
        &mut self.rng
    }

    fn store(&self) -> Self::S {
        self.store
    }

    fn user_interface(&mut self) -> &mut Self::UI {
        &mut self.user_interface
    }
}

fn images(folder: &Path) -> [PathBuf; 2] {
    [folder.join("internal.lfs"), folder.join("external.lfs")]
}

/// Removes what the chip in `folder` keeps; the next power cycle formats it anew.
///
/// # Errors
///
/// The file system's.
pub(crate) fn wipe(folder: &Path) -> std::io::Result<()> {
    for image in images(folder) {
        match std::fs::remove_file(&image) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Two lines into Trussed, both seeing the applet's files.
pub(crate) struct Clients<'chip> {
    /// The applet's own.
    pub(crate) applet: Client<'chip>,
    /// The card's, for what the applet does not offer.
    pub(crate) card: Client<'chip>,
}

/// One power cycle of the chip in `folder`.
///
/// # Panics
///
/// Trussed panics if the images cannot be read or written.
pub(crate) fn power<R>(folder: &Path, session: impl FnOnce(Clients<'_>) -> R) -> Option<R> {
    let [internal, external] = images(folder).map(StorageConfig::filesystem);
    let mut store = StoreConfig {
        internal,
        external,
        volatile: StorageConfig::ram(),
    };
    store.with_store(|store| {
        let channels = [TrussedChannel::new(), TrussedChannel::new()];
        let platform = Platform {
            rng: OsRng,
            store,
            user_interface: virt::UserInterface::new(),
        };
        let mut lines = Vec::new();
        let mut endpoints = Vec::new();
        for channel in &channels {
            let (requester, responder) = channel.split()?;
            let context = CoreContext::new(APPLET.try_into().ok()?);
            endpoints.push(ServiceEndpoint::new(responder, context, BACKENDS));
            lines.push(requester);
        }
        let service = Service::with_dispatch(platform, Dispatch::default());
        let core = Rc::new(RefCell::new(Core { service, endpoints }));
        let mut clients = lines
            .into_iter()
            .map(|line| Client::new(line, Call(Rc::clone(&core)), None));
        Some(session(Clients {
            applet: clients.next()?,
            card: clients.next()?,
        }))
    })
}
