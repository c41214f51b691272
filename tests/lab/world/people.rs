//! People: their virtual security keys, and what they do at a desk.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{REALM, World, WorldError, file};
use crate::process::{self, Said};
use crate::reader::{Firmware, ReaderDesk};

pub use wardkey_schemas::role::Role;

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
pub(super) fn with_pins(program: &Path, first: &Path, second: Option<&Path>) -> Command {
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
pub(super) fn pin_for(serial: u32) -> String {
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
        self.enrolled(voucher, name, serial, role, &[])
    }

    /// Wipes a key that was enrolled before, and enrols it again; it waits to be confirmed.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn enrol_key_again(&mut self, voucher: &Key, key: &Key) -> Result<PendingKey, WorldError> {
        let reset = ["--reset", "--yes"];
        self.enrolled(voucher, &key.name, key.serial, key.role, &reset)
    }

    fn enrolled(
        &mut self,
        voucher: &Key,
        name: &str,
        serial: u32,
        role: Role,
        words: &[&str],
    ) -> Result<PendingKey, WorldError> {
        let said = self.run_key_enrol(voucher, name, serial, role, words)?;
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
        self.run_key_enrol(voucher, name, serial, role, &[])
    }

    fn run_key_enrol(
        &mut self,
        voucher: &Key,
        name: &str,
        serial: u32,
        role: Role,
        words: &[&str],
    ) -> Result<Said, WorldError> {
        let pin = self.pin_file(&voucher.pin)?;
        let new_pin = self.pin_file(&pin_for(serial))?;
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
            .args(words);
        self.set_up_desk(&mut command, &voucher.site)?;
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
        let pin = self.pin_file(&by.pin)?;
        self.desk()?.plug(&by.name)?;
        let reader = self.reader_file(by);
        let mut command = with_pins(&self.programs.wardkey, &pin, None);
        command
            .args(how)
            .args(["--yes", "--pin-fd", "3"])
            .args(["--serial", &by.serial.to_string()])
            .arg("--reader-file")
            .arg(&reader)
            .args(words);
        self.set_up_desk(&mut command, &by.site)?;
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

    /// Where a person's permission to read is kept at the desk.
    pub fn reader_file(&self, of: &Key) -> PathBuf {
        self.folder.join(format!("reader-{}", of.serial))
    }

    /// A command of `wardkey` at the desk, for a site; whose security key it uses is up to what is
    /// plugged in.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn wardkey_command(&mut self, site: &str) -> Result<Command, WorldError> {
        let mut command = process::tied(&self.programs.wardkey);
        self.set_up_desk(&mut command, site)?;
        Ok(command)
    }

    /// The readers and settings of the desk, and a home of its own.
    fn set_up_desk(&mut self, command: &mut Command, site: &str) -> Result<(), WorldError> {
        let config = self.wardkey_config(site)?;
        command
            .arg("--config")
            .arg(&config)
            .env("PCSCLITE_CSOCK_NAME", self.desk()?.pcsc_socket())
            .env("XDG_STATE_HOME", self.folder.join("desk-state"))
            .env_remove("XDG_RUNTIME_DIR");
        Ok(())
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
