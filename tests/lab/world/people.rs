//! People: their virtual security keys, and what they do at a desk.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{REALM, World, WorldError, file};
use crate::process::{self, ProcessError, Running, Said};
use crate::reader::{Firmware, ReaderDesk};

pub use wardkey_schemas::role::Role;

/// How long a person may take over one step in person.
const IN_PERSON: Duration = Duration::from_mins(1);

/// A person's security key.
#[derive(Clone, Debug)]
pub struct Key {
    /// The name of the virtual key.
    pub name: String,
    /// The serial number printed on it.
    pub serial: u32,
    /// Its PIN, once it is enrolled.
    pub pin: String,
    /// The role it is enrolled for.
    pub role: Role,
    /// The site it is enrolled at.
    pub site: String,
}

/// A key that waits to be confirmed.
#[derive(Clone, Debug)]
pub struct PendingKey {
    /// The key.
    pub key: Key,
    /// The four words on the screen where it was enrolled.
    pub phrase: String,
}

/// Runs a command with PINs on file descriptors 3 and 4.
fn with_pins(program: &Path, first: &Path, second: Option<&Path>) -> Command {
    let mut command = process::tied("sh");
    let script = if second.is_some() {
        r#"first=$1 second=$2; shift 2; exec "$@" 3<"$first" 4<"$second""#
    } else {
        r#"first=$1; shift; exec "$@" 3<"$first""#
    };
    command.args(["-c", script, "sh"]).arg(first);
    if let Some(second) = second {
        command.arg(second);
    }
    command.arg(program);
    command
}

/// A PIN that nobody would guess, the same each time for the same key.
fn pin_for(serial: u32) -> String {
    const PINS: [&str; 8] = [
        "482915", "739164", "915372", "364827", "271849", "586293", "847261", "193758",
    ];
    let place = usize::try_from(serial)
        .unwrap_or(0)
        .checked_rem(PINS.len())
        .unwrap_or(0);
    PINS.get(place).copied().unwrap_or("482915").to_owned()
}

/// A text in the JSON that a program wrote; empty where there is none.
pub(super) fn text_of(json: &serde_json::Value, name: &str) -> String {
    json.get(name)
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

impl World {
    /// A factory-new security key in the box: firmware 5.7.4, PIN 123456.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn new_key(&mut self, name: &str) -> Result<u32, WorldError> {
        self.new_key_with(name, Firmware(5, 7, 4))
    }

    /// A factory-new security key with this firmware.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn new_key_with(&mut self, name: &str, firmware: Firmware) -> Result<u32, WorldError> {
        self.keys_made = self.keys_made.saturating_add(1);
        let serial = 20_000_000_u32.saturating_add(self.keys_made);
        self.cards.make(name, serial, firmware)?;
        Ok(serial)
    }

    /// Enrols a first key of a site, in person and by the site's charter, which the root signs
    /// while the program waits.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn first_key(&mut self, site: &str, name: &str, role: Role) -> Result<Key, WorldError> {
        let serial = self.new_key(name)?;
        let pin = pin_for(serial);
        let pin_file = self.pin_file(&pin)?;
        let config = self.authority_config(site)?;
        let state = config.parent().map(Path::to_owned).unwrap_or_default();
        let charter = self.folder.join(format!("charter-{site}-{serial}.jws"));
        let socket = self.desk()?.pcsc_socket();
        self.desk()?.plug(name)?;
        let mut command = with_pins(&self.programs.ca, &pin_file, None);
        command
            .args([
                "lead",
                "--role",
                role.as_str(),
                "--name",
                name,
                "--new-pin-fd",
                "3",
            ])
            .args(["--serial", &serial.to_string()])
            .arg("--config")
            .arg(&config)
            .arg("--charter")
            .arg(&charter)
            .env("PCSCLITE_CSOCK_NAME", socket);
        let log = self.log(&format!("lead-{serial}"));
        let request = state.join("first-keys").join(format!("{serial}.json"));
        let mut lead = Running::start(command, &self.programs.ca, &log)?;
        if !request.exists() {
            return Err(WorldError::Unexpected(format!(
                "{} was not written",
                request.display()
            )));
        }
        let mut sign = self.ca();
        sign.args(["root", "sign", "charter", "--folder"])
            .arg(self.root())
            .arg("--site-request")
            .arg(state.join("site-request.json"))
            .arg("--first-key")
            .arg(&request)
            .arg("--out")
            .arg(&charter);
        process::succeed(&mut sign)?;
        let deadline = process::after(IN_PERSON);
        while lead.next_line(deadline)?.is_some() {}
        lead.finish()?;
        self.desk()?.unplug(name)?;
        let (name, site) = (name.to_owned(), site.to_owned());
        Ok(Key {
            name,
            serial,
            pin,
            role,
            site,
        })
    }

    /// Enrols a key at the desk, vouched for by `voucher`; it waits to be confirmed.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn enrol_key(
        &mut self,
        voucher: &Key,
        name: &str,
        role: Role,
    ) -> Result<PendingKey, WorldError> {
        let serial = self.new_key(name)?;
        let said = self.try_enrol_key(voucher, name, serial, role)?;
        if said.code() != 0 {
            let words = format!(
                "`key enrol` ended with {}: {}{}",
                said.code(),
                said.out,
                said.err
            );
            return Err(WorldError::Unexpected(words));
        }
        let phrase = text_of(&said.json(), "phrase");
        let key = Key {
            name: name.to_owned(),
            serial,
            pin: pin_for(serial),
            role,
            site: voucher.site.clone(),
        };
        Ok(PendingKey { key, phrase })
    }

    /// As [`Self::enrol_key`], for a key that was made before and may be refused.
    ///
    /// # Errors
    ///
    /// [`WorldError`] if the program cannot be run.
    pub fn try_enrol_key(
        &mut self,
        voucher: &Key,
        name: &str,
        serial: u32,
        role: Role,
    ) -> Result<Said, WorldError> {
        let config = self.wardkey_config(&voucher.site)?;
        let pin = self.pin_file(&voucher.pin)?;
        let new_pin = self.pin_file(&pin_for(serial))?;
        let socket = self.desk()?.pcsc_socket();
        self.desk()?.plug(&voucher.name)?;
        self.desk()?.plug(name)?;
        let mut command = with_pins(&self.programs.wardkey, &pin, Some(&new_pin));
        command
            .args([
                "--json",
                "key",
                "enrol",
                "--role",
                role.as_str(),
                "--name",
                name,
            ])
            .args(["--pin-fd", "3", "--new-pin-fd", "4"])
            .args(["--serial", &serial.to_string()])
            .args(["--voucher-serial", &voucher.serial.to_string()])
            .arg("--config")
            .arg(&config)
            .env("PCSCLITE_CSOCK_NAME", socket);
        let said = process::run(&mut command)?;
        self.desk()?.unplug(name)?;
        self.desk()?.unplug(&voucher.name)?;
        Ok(said)
    }

    /// Confirms a pending key by its phrase.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn confirm_key(&mut self, by: &Key, pending: &PendingKey) -> Result<Key, WorldError> {
        let serial = pending.key.serial.to_string();
        self.wardkey_done(
            by,
            &["confirm", "key", &serial, "--phrase", &pending.phrase],
        )?;
        Ok(pending.key.clone())
    }

    /// Runs `wardkey` at the desk with a person's key and PIN; it answers in JSON.
    ///
    /// # Errors
    ///
    /// [`WorldError`] if it cannot be run.
    pub fn wardkey<S: AsRef<OsStr>>(&mut self, by: &Key, words: &[S]) -> Result<Said, WorldError> {
        self.at_desk(by, &["--json"], words)
    }

    /// As [`Self::wardkey`]; it answers as it does to people.
    ///
    /// # Errors
    ///
    /// [`WorldError`] if it cannot be run.
    pub fn wardkey_in_words<S: AsRef<OsStr>>(
        &mut self,
        by: &Key,
        words: &[S],
    ) -> Result<Said, WorldError> {
        self.at_desk(by, &[], words)
    }

    fn at_desk<S: AsRef<OsStr>>(
        &mut self,
        by: &Key,
        how: &[&str],
        words: &[S],
    ) -> Result<Said, WorldError> {
        let config = self.wardkey_config(&by.site)?;
        let pin = self.pin_file(&by.pin)?;
        let socket = self.desk()?.pcsc_socket();
        self.desk()?.plug(&by.name)?;
        let reader = self.folder.join(format!("reader-{}", by.serial));
        let mut command = with_pins(&self.programs.wardkey, &pin, None);
        command
            .args(how)
            .args(["--yes", "--pin-fd", "3"])
            .args(["--serial", &by.serial.to_string()])
            .arg("--config")
            .arg(&config)
            .arg("--reader-file")
            .arg(&reader)
            .args(words)
            .env("PCSCLITE_CSOCK_NAME", socket);
        let said = process::run(&mut command)?;
        self.desk()?.unplug(&by.name)?;
        Ok(said)
    }

    /// As [`Self::wardkey`], and it must have been done.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn wardkey_done<S: AsRef<OsStr>>(
        &mut self,
        by: &Key,
        words: &[S],
    ) -> Result<serde_json::Value, WorldError> {
        let said = self.wardkey(by, words)?;
        if said.code() == 0 {
            return Ok(said.json());
        }
        let words: Vec<OsString> = words.iter().map(|word| word.as_ref().to_owned()).collect();
        let text = format!(
            "`wardkey {words:?}` ended with {}: {}{}",
            said.code(),
            said.out,
            said.err
        );
        Err(WorldError::Unexpected(text))
    }

    /// The settings of `wardkey` for a site.
    fn wardkey_config(&self, site: &str) -> Result<PathBuf, WorldError> {
        let path = self.folder.join(format!("wardkey-{site}.toml"));
        let root = self.root();
        let text = format!(
            "site = \"{site}\"\n\
             root_certificate = \"{}\"\n\
             root_sha256 = \"{}\"\n\
             [keyd]\nurl = \"https://keyd.{REALM}\"\nconnect = \"{}\"\n\
             [ca]\nurl = \"https://ca.{site}.{REALM}\"\nconnect = \"{}\"\n",
            root.join("root.der").display(),
            root.join("root.sha256").display(),
            self.keyd_address()?,
            self.authority_address(site)?,
        );
        match fs::write(&path, text) {
            Ok(()) => Ok(path),
            Err(error) => Err(file(&path)(error)),
        }
    }
}

impl Running {
    /// Waits for a program that ends by itself; it must succeed.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Failed`].
    pub fn finish(self) -> Result<(), ProcessError> {
        let (status, program, said) = self.wait()?;
        if status.success() {
            return Ok(());
        }
        Err(ProcessError::Failed {
            program,
            status,
            said,
        })
    }
}

/// Plugs a key into whichever readers these are.
///
/// # Errors
///
/// [`WorldError::Readers`].
pub(super) fn plug(readers: &ReaderDesk, key: &Key) -> Result<(), WorldError> {
    readers.plug(&key.name)?;
    Ok(())
}

/// Takes a key out.
///
/// # Errors
///
/// [`WorldError::Readers`].
pub(super) fn unplug(readers: &ReaderDesk, key: &Key) -> Result<(), WorldError> {
    Ok(readers.unplug(&key.name)?)
}
