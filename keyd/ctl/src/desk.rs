//! The desk at which an operator sits: settings, the line to keyd, the security key in the reader,
//! the permission to read. Every command works with one.
//!
//! The order is always the same: the trust bundle is verified, then the certificate on the security
//! key, then the PIN is asked for, and only then something is signed.

mod acting;
mod asking;
mod choosing;

use std::path::{Path, PathBuf};

use wardkey_edge::client::Client;
use wardkey_schemas::names::{SiteCode, TokenSerial};
use wardkey_token::Readers;
use wardkey_verifier::bundle::VerifiedBundle;
use wardkey_verifier::service::VerifiedServiceKeys;

pub use self::choosing::Chosen;
use crate::cli::Options;
use crate::clock;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::operator::{self, Operator};
use crate::output::{Format, Output};
use crate::permission::Permission;
use crate::pins::{self, Pins};
use crate::private_file;
use crate::settings::Settings;
use crate::status_lists::{Believed, Cabinet, Grounds};
use crate::times::Times;
use crate::trust::{self, Memory};

/// What every command works with.
#[derive(Debug)]
pub struct Desk {
    /// The settings.
    pub settings: Settings,
    /// Where it speaks.
    pub output: Output,
    /// How it writes times.
    pub times: Times,
    /// The line to keyd.
    pub keyd: Client,
    environment: Environment,
    /// Whether nobody is to be asked if something is meant.
    yes: bool,
    /// The site that is asked about, where it is not one's own.
    about: Option<SiteCode>,
    pins: Pins,
    bundle: Option<VerifiedBundle>,
    operator: Option<Operator>,
    slot: Option<asking::Slot>,
    /// A permission that is kept nowhere else.
    unkept: Option<Permission>,
}

impl Desk {
    /// Reads the settings and makes ready; nothing is called yet.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn open(options: &Options, environment: Environment) -> Result<Self, Failure> {
        let settings = Settings::load(options, &environment)?;
        let keyd = Client::new(&settings.keyd)?;
        let pins = Pins::new(pins::entry(options.pin_fd, &settings.pinentry)?);
        let format = if options.json {
            Format::Json
        } else {
            Format::Text
        };
        Ok(Self {
            settings,
            output: Output::new(format),
            times: Times::local(),
            keyd,
            environment,
            yes: options.yes,
            about: options.about.clone(),
            pins,
            bundle: None,
            operator: None,
            slot: None,
            unkept: None,
        })
    }

    /// Makes sure that what `lines` say is meant.
    ///
    /// # Errors
    ///
    /// [`Failure::Declined`], [`Failure::NobodyToAsk`].
    pub fn make_sure(&self, lines: &str) -> Result<(), Failure> {
        if self.yes {
            self.output.talk(lines);
            return Ok(());
        }
        self.output.ask(lines)
    }

    /// The folder in which the program remembers things; made if it is not there.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] if the environment names no place for it.
    pub fn state_folder(&self) -> Result<PathBuf, Failure> {
        let folder = self.environment.state.clone().ok_or_else(|| {
            let hint = "set HOME or XDG_STATE_HOME";
            Failure::usage("there is no place to remember what was seen", hint)
        })?;
        private_file::make_folder(&folder)?;
        Ok(folder)
    }

    /// Whether nobody is to be asked if something is meant.
    pub const fn asks_nobody(&self) -> bool {
        self.yes
    }

    /// The PINs of this command.
    pub const fn pins(&mut self) -> &mut Pins {
        &mut self.pins
    }

    /// The trust bundle; fetched and verified the first time.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn bundle(&mut self) -> Result<VerifiedBundle, Failure> {
        if let Some(bundle) = &self.bundle {
            return Ok(bundle.clone());
        }
        let memory = Memory::of(&self.settings.root, &self.environment)?;
        let bundle = trust::fetch_bundle(&self.keyd, &self.settings, &memory, clock::now()).await?;
        self.bundle = Some(bundle.clone());
        Ok(bundle)
    }

    /// The folder of status lists.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn cabinet(&self, folder: Option<&Path>) -> Result<Cabinet, Failure> {
        Cabinet::open(folder, &self.settings.root, &self.environment)
    }

    /// Fetches what proves status lists, verifies it and keeps it beside them.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn fetch_grounds(&self, cabinet: &Cabinet) -> Result<Believed, Failure> {
        trust::verify_root(&self.settings)?;
        let grounds = Grounds {
            package: self.keyd.read_from("/v1/bundle").await?,
            service_keys: self.keyd.read_from("/v1/service-keys").await?,
        };
        let believed = self.believe(&grounds)?;
        cabinet.keep_grounds(&grounds)?;
        Ok(believed)
    }

    /// Verifies what proves the status lists that are kept, without asking anybody.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn kept_grounds(&self, cabinet: &Cabinet) -> Result<Believed, Failure> {
        trust::verify_root(&self.settings)?;
        self.believe(&cabinet.grounds()?)
    }

    fn believe(&self, grounds: &Grounds) -> Result<Believed, Failure> {
        let memory = Memory::of(&self.settings.root, &self.environment)?;
        let now = clock::now();
        let bundle = memory.verify(&grounds.package, &self.settings.root, now)?;
        let keys = VerifiedServiceKeys::verify(&grounds.service_keys, &bundle, now)
            .map_err(Failure::not_believed)?;
        let realm = bundle.realm().clone();
        Ok(Believed { keys, realm })
    }

    /// The person with their security key; verified the first time.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn operator(&mut self) -> Result<Operator, Failure> {
        if let Some(operator) = &self.operator {
            return Ok(operator.clone());
        }
        let bundle = self.bundle().await?;
        let readers = Readers::connect()?;
        let token = operator::find_token(&readers, self.settings.serial)?;
        let operator = Operator::verify(token, &bundle, &self.settings.site, clock::now())?;
        self.operator = Some(operator.clone());
        Ok(operator)
    }

    /// The serial number of the security key that would be used, without asking it anything more.
    fn serial_in_sight(&self) -> Option<TokenSerial> {
        if self.settings.serial.is_some() {
            return self.settings.serial;
        }
        // Lists are shown without a security key as well, so whatever is wrong here is no matter.
        let token = Readers::connect().and_then(|readers| readers.tokens());
        match token.unwrap_or_default().as_slice() {
            [only] => Some(only.serial),
            [] | [_, ..] => None,
        }
    }
}
