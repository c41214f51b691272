//! The first people of a site, step by step: the key is made, the root signs a charter that names it,
//! and the program that waited for the charter has the key certified.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use super::people::{pin_for, with_pins};
use super::{Key, Role, World, WorldError};
use crate::process::{self, Running, Said};

/// How long a person may take over one step in person.
const IN_PERSON: Duration = Duration::from_mins(1);

/// A key that was made in a token at the desk; the program waits for the charter.
#[derive(Debug)]
pub struct PendingFirstKey {
    key: Key,
    lead: Running,
    request: PathBuf,
    charter: PathBuf,
}

impl PendingFirstKey {
    /// What the root is asked to name in the charter.
    pub fn request(&self) -> &Path {
        &self.request
    }

    /// Where the charter is waited for.
    pub fn charter(&self) -> &Path {
        &self.charter
    }

    /// The serial number of the token.
    pub const fn serial(&self) -> u32 {
        self.key.serial
    }
}

/// How a program ended that waited for a charter.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its exit status.
    pub code: i32,
    /// What it wrote to standard error.
    pub said: String,
}

impl World {
    /// Enrols a first key of a site, in person and by the site's charter, which the root signs
    /// while the program waits.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn first_key(&mut self, site: &str, name: &str, role: Role) -> Result<Key, WorldError> {
        let serial = self.new_key(name)?;
        let pending = self.begin_first_key(site, name, serial, role)?;
        self.sign_charter(site, &[pending.request()], pending.charter())?;
        let key = pending.key.clone();
        let ended = self.end_first_key(pending)?;
        if ended.code == 0 {
            return Ok(key);
        }
        let words = format!("`lead` ended with {}: {}", ended.code, ended.said);
        Err(WorldError::Unexpected(words))
    }

    /// Plugs a new token in and has a key made in it, which the charter is to name.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn begin_first_key(
        &mut self,
        site: &str,
        name: &str,
        serial: u32,
        role: Role,
    ) -> Result<PendingFirstKey, WorldError> {
        self.begin_first_key_with(site, name, serial, role, &[])
    }

    /// As [`Self::begin_first_key`], with more words on the command line.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn begin_first_key_with(
        &mut self,
        site: &str,
        name: &str,
        serial: u32,
        role: Role,
        words: &[&str],
    ) -> Result<PendingFirstKey, WorldError> {
        let pin = pin_for(serial);
        let pin_file = self.pin_file(&pin)?;
        let config = self.authority_config(site)?;
        let state = config.parent().map(Path::to_owned).unwrap_or_default();
        let charter = self.charter_of(site, serial);
        let socket = self.desk()?.pcsc_socket();
        self.desk()?.plug(name)?;
        let mut command = with_pins(&self.programs.ca, &pin_file, None);
        command
            .args(["lead", "--role", role.as_str(), "--name", name])
            .args(["--new-pin-fd", "3", "--serial", &serial.to_string()])
            .args(words)
            .arg("--config")
            .arg(&config)
            .arg("--charter")
            .arg(&charter)
            .env("PCSCLITE_CSOCK_NAME", socket);
        let log = self.log(&format!("lead-{serial}"));
        let lead = match Running::start(command, &self.programs.ca, &log) {
            Ok(lead) => lead,
            Err(error) => {
                self.desk()?.unplug(name)?;
                return Err(error.into());
            }
        };
        let request = state.join("first-keys").join(format!("{serial}.json"));
        if !request.exists() {
            let words = format!("{} was not written", request.display());
            return Err(WorldError::Unexpected(words));
        }
        let (name, site) = (name.to_owned(), site.to_owned());
        Ok(PendingFirstKey {
            key: Key {
                name,
                serial,
                pin,
                role,
                site,
            },
            lead,
            request,
            charter,
        })
    }

    /// Where the charter for a token's first key is waited for.
    pub fn charter_of(&self, site: &str, serial: u32) -> PathBuf {
        self.folder.join(format!("charter-{site}-{serial}.jws"))
    }

    /// Ends a program that waits, as Ctrl-C does, and takes the token out.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn give_up_first_key(&mut self, pending: PendingFirstKey) -> Result<(), WorldError> {
        pending.lead.signal(Signal::INT)?;
        self.end_first_key(pending).map(drop)
    }

    /// Has the root sign a charter of `site` that names these first keys, and write it to `out`.
    ///
    /// # Errors
    ///
    /// [`WorldError::Process`] if the ceremony refuses.
    pub fn sign_charter(
        &self,
        site: &str,
        first_keys: &[&Path],
        out: &Path,
    ) -> Result<Said, WorldError> {
        let config = self.authority_config(site)?;
        let mut sign = self.ca();
        sign.args(["root", "sign", "charter", "--folder"])
            .arg(self.root())
            .arg("--site-request")
            .arg(config.with_file_name("site-request.json"));
        for first_key in first_keys {
            sign.arg("--first-key").arg(first_key);
        }
        Ok(process::succeed(sign.arg("--out").arg(out))?)
    }

    /// Waits until the program has taken the charter, or refused it, and takes the token out.
    ///
    /// # Errors
    ///
    /// [`WorldError::Process`] if it does not end in time.
    pub fn end_first_key(&mut self, pending: PendingFirstKey) -> Result<Ended, WorldError> {
        let PendingFirstKey { key, mut lead, .. } = pending;
        let deadline = process::after(IN_PERSON);
        while lead.next_line(deadline)?.is_some() {}
        let (status, _, said) = lead.wait()?;
        self.desk()?.unplug(&key.name)?;
        let code = status.code().unwrap_or(255);
        Ok(Ended { code, said })
    }
}
