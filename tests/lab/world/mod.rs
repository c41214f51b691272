//! A running world: root ceremony, key service, site authority, people with security keys, laptops.
//!
//! Every part is the shipped program, started as an operator would start it, on free ports and on
//! virtual hardware; a world lives in one folder and is gone with it.
//!
//! # Where to start
//!
//! [`World::new`], then the ceremonies in their order: [`World::root_ceremony`],
//! [`World::prepare_site`], [`World::publish`], [`World::start_keyd`], [`World::start_authority`],
//! [`World::first_key`]. [`World::ready`] does all of them for one site with a lead, a member of
//! staff and a security officer.

mod first;
mod laptop;
mod people;
mod services;
mod way;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binary::{MissingBinary, workspace_binary};
use crate::net::NetError;
use crate::net::proxy::ProxyError;
use crate::process::{self, ProcessError, Running, Said};
use crate::reader::{CardBox, ReaderHub, ReaderHubError};
use crate::tpm::{TpmFactory, VirtualTpmError};

pub use self::first::{Ended, PendingFirstKey};
pub use self::laptop::{Laptop, LaptopOptions};
pub use self::people::{Key, PendingKey, Role};
pub use self::services::{Database, Options};

/// The realm of all worlds.
pub const REALM: &str = "wardkey.test";

/// The site that [`World::ready`] makes.
pub const SITE: &str = "hmp-xyz";

/// Why a world does not stand.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorldError {
    /// A program is not built.
    #[error(transparent)]
    Missing(#[from] MissingBinary),
    /// A program failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The readers.
    #[error(transparent)]
    Readers(#[from] ReaderHubError),
    /// The virtual TPM.
    #[error(transparent)]
    Tpm(#[from] VirtualTpmError),
    /// A network of our own.
    #[error(transparent)]
    Net(#[from] NetError),
    /// Somebody in between.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// A file.
    #[error("`{path}` cannot be used")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something that should have happened did not.
    #[error("{0}")]
    Unexpected(String),
}

pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> WorldError {
    let path = path.to_owned();
    move |source| WorldError::File { path, source }
}

/// The programs of the product, as they were built.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `wardkey-ca`.
    pub ca: PathBuf,
    /// `keyd`.
    pub keyd: PathBuf,
    /// `wardkey-agent`.
    pub agent: PathBuf,
    /// `wardkey-gate`.
    pub gate: PathBuf,
    /// `wardkey`.
    pub wardkey: PathBuf,
    /// The lab's hub of readers.
    pub readers: PathBuf,
}

impl Programs {
    /// Finds them beside the running program.
    ///
    /// # Errors
    ///
    /// [`MissingBinary`] names the command that builds what is missing.
    pub fn find() -> Result<Self, MissingBinary> {
        Ok(Self {
            ca: workspace_binary("wardkey-ca", "wardkey-ca")?,
            keyd: workspace_binary("wardkey-keyd", "keyd")?,
            agent: workspace_binary("wardkey-agent", "wardkey-agent")?,
            gate: workspace_binary("wardkey-gate", "wardkey-gate")?,
            wardkey: workspace_binary("wardkey-ctl", "wardkey")?,
            readers: workspace_binary("wardkey-virtual-yubikey", "wardkey-virtual-yubikey")?,
        })
    }
}

/// A site with its authority.
#[derive(Debug)]
struct Site {
    code: String,
    folder: PathBuf,
    authority: Option<Running>,
}

/// A world.
#[derive(Debug)]
pub struct World {
    folder: PathBuf,
    programs: Programs,
    options: Options,
    cards: CardBox,
    tpms: TpmFactory,
    /// The readers on an operator's desk; made when the first key is put there.
    desk: Option<ReaderHub>,
    keyd: Option<Running>,
    sites: Vec<Site>,
    keys_made: u32,
}

impl World {
    /// An empty world in `folder`, whose path must be short: sockets live in it.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn new(folder: &Path, options: Options) -> Result<Self, WorldError> {
        let programs = Programs::find()?;
        for name in ["cards", "tpm-maker", "logs", "pins"] {
            let path = folder.join(name);
            fs::create_dir_all(&path).map_err(file(&path))?;
        }
        let cards = CardBox::new(&folder.join("cards"));
        cards.make_root()?;
        Ok(Self {
            folder: folder.to_owned(),
            programs,
            options,
            cards,
            tpms: TpmFactory::build(&folder.join("tpm-maker"))?,
            desk: None,
            keyd: None,
            sites: Vec::new(),
            keys_made: 0,
        })
    }

    /// A world with one site, its services running.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn ready(folder: &Path, options: Options) -> Result<Self, WorldError> {
        let mut world = Self::new(folder, options)?;
        world.root_ceremony()?;
        world.prepare_site(SITE)?;
        world.publish()?;
        world.start_keyd()?;
        world.start_authority(SITE)?;
        Ok(world)
    }

    /// Where the world lives.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The programs.
    pub const fn programs(&self) -> &Programs {
        &self.programs
    }

    /// What makes TPMs here.
    pub const fn tpms(&self) -> &TpmFactory {
        &self.tpms
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join("logs").join(format!("{name}.log"))
    }

    fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    fn site(&self, code: &str) -> Result<&Site, WorldError> {
        let found = self.sites.iter().find(|site| site.code == code);
        found.ok_or_else(|| WorldError::Unexpected(format!("the world has no site {code}")))
    }

    /// A file that only its owner reads, with a PIN in it.
    ///
    /// # Errors
    ///
    /// [`WorldError::File`].
    pub fn pin_file(&self, pin: &str) -> Result<PathBuf, WorldError> {
        let path = self.folder.join("pins").join(pin);
        fs::write(&path, format!("{pin}\n")).map_err(file(&path))?;
        let mode = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&path, mode).map_err(file(&path))?;
        Ok(path)
    }

    /// A command of the root ceremony or of a site's authority.
    fn ca(&self) -> Command {
        process::tied(&self.programs.ca)
    }

    /// The operators' readers.
    ///
    /// # Errors
    ///
    /// [`WorldError::Readers`].
    pub fn desk(&mut self) -> Result<&ReaderHub, WorldError> {
        if self.desk.is_none() {
            let folder = self.folder.join("desk");
            let hub = ReaderHub::start(&self.programs.readers, &folder, &self.cards, 2)?;
            self.desk = Some(hub);
        }
        self.desk
            .as_ref()
            .ok_or_else(|| WorldError::Unexpected("the desk has no readers".to_owned()))
    }

    /// Runs the root ceremony: root, bundle signer, and the anchors of the virtual hardware.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn root_ceremony(&self) -> Result<Said, WorldError> {
        let (ek_root, _) = self.maker_certificates()?;
        let mut anchor = ek_root.into_os_string();
        anchor.push("=id:00001014");
        let mut command = self.ca();
        command
            .args(["root", "init", "--realm", REALM, "--profile", "test"])
            .arg("--folder")
            .arg(self.root())
            .arg("--token-anchor")
            .arg(self.cards.root_certificate())
            .arg("--ek-anchor")
            .arg(anchor);
        Ok(process::succeed(&mut command)?)
    }

    /// The virtual TPM maker's root and issuing authority as files (DER).
    fn maker_certificates(&self) -> Result<(PathBuf, PathBuf), WorldError> {
        let root = self.folder.join("tpm-root.der");
        let issuer = self.folder.join("tpm-issuer.der");
        fs::write(&root, self.tpms.root_certificate()?).map_err(file(&root))?;
        fs::write(&issuer, self.tpms.issuer_certificate()?).map_err(file(&issuer))?;
        Ok((root, issuer))
    }

    /// The hash of the root, as it is pinned everywhere.
    ///
    /// # Errors
    ///
    /// [`WorldError::File`].
    pub fn root_sha256(&self) -> Result<String, WorldError> {
        let path = self.root().join("root.sha256");
        let text = fs::read_to_string(&path).map_err(file(&path))?;
        Ok(text.trim().to_owned())
    }
}
