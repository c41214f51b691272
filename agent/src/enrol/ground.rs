//! What must be in order before anybody is asked for anything: the pinned root, a state that can be
//! understood, files that can be written, and the log of this boot.

use std::fs::File;
use std::path::Path;

use rustix::fs::{Access, access};
use wardkey_edge::client::Client;
use wardkey_gate::folder::read_at_most;
use wardkey_gate::store::NewestBundle;
use wardkey_schemas::bundle::{BundlePackage, ServiceKeys};
use wardkey_schemas::bytes::Bytes;
use wardkey_schemas::limits;

use crate::config::Config;
use crate::failure::Failure;
use crate::files::StateFolder;
use crate::laptop::Laptop;
use crate::root::Root;
use crate::trust_file::{self, Trusted};

/// The ground on which an enrolment stands.
#[derive(Debug)]
pub(super) struct Ground {
    root: Root,
    folder: StateFolder,
    newest: Option<NewestBundle>,
    event_log: Bytes,
}

impl Ground {
    /// Looks at everything that needs no network, no security key and no TPM.
    ///
    /// # Errors
    ///
    /// `ROOT_NOT_PINNED`, `ROOT_MISMATCH`, [`Failure::State`], [`Failure::File`].
    pub(super) fn prepare(config: &Config) -> Result<Self, Failure> {
        let root = Root::load(config)?;
        let folder = StateFolder::open(&config.state)?;
        // Whatever was there before is understood, or nothing is written over it.
        Laptop::find(&folder)?;
        let newest = trust_file::find(&folder)?.map(|kept| kept.newest);
        if let Some(newest) = &newest {
            root.past().raise(newest.certainly_past);
        }
        require_writable(&config.state)?;
        require_writable(config.identity.parent().unwrap_or(&config.identity))?;
        let event_log = read_event_log(&config.event_log)?;
        Ok(Self {
            root,
            folder,
            newest,
            event_log,
        })
    }

    pub(super) const fn root(&self) -> &Root {
        &self.root
    }

    pub(super) const fn folder(&self) -> &StateFolder {
        &self.folder
    }

    /// The log of this boot, as the firmware wrote it.
    pub(super) const fn event_log(&self) -> &Bytes {
        &self.event_log
    }

    /// Fetches the trust bundle and keyd's keys and verifies them from the pinned hash; never older
    /// than what this laptop has seen.
    ///
    /// # Errors
    ///
    /// [`Failure::Unreachable`]; [`Failure::NotBelieved`] with the refusals of [`Trusted::verify`].
    pub(super) async fn fetch_trust(&self, keyd: &Client) -> Result<Trusted, Failure> {
        let package: BundlePackage = keyd.read_from("/v1/bundle").await?;
        let certified: ServiceKeys = keyd.read_from("/v1/service-keys").await?;
        let pin = self.root.pin();
        let trusted = Trusted::verify(package, certified, &pin, self.newest.as_ref())
            .map_err(Failure::not_believed)?;
        self.root
            .past()
            .raise(trusted.trust().note().certainly_past);
        Ok(trusted)
    }
}

/// Better now than after the lead's touch.
fn require_writable(folder: &Path) -> Result<(), Failure> {
    let needed = Access::EXISTS | Access::WRITE_OK | Access::EXEC_OK;
    access(folder, needed).map_err(|error| Failure::File {
        path: folder.to_owned(),
        what: "cannot be written to; run this as root, or as its owner",
        source: error.into(),
    })
}

fn read_event_log(path: &Path) -> Result<Bytes, Failure> {
    let most = u64::try_from(limits::EVENT_LOG_BYTES).unwrap_or(u64::MAX);
    File::open(path)
        .and_then(|file| read_at_most(file, most))
        .map(Bytes::from)
        .map_err(Failure::file(
            path,
            "cannot be read; it is the event log of this boot, which only root may read",
        ))
}
