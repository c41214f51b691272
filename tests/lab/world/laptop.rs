//! A laptop: a virtual TPM that measured a recorded boot, readers of its own, the gate and the
//! agent.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::people::{plug, text_of, unplug};
use super::{Key, Programs, REALM, World, WorldError, file};
use crate::process::{self, Running, Said};
use crate::reader::{ReaderHub, ReaderHubError};
use crate::tpm::{Certified, VirtualTpm};

/// The event log of the boot that virtual laptops measure: Secure Boot on, signed shim, GRUB and
/// kernel; recorded on a virtual machine.
const BOOT: &[u8] = include_bytes!("../../data/measured-boot/sb3/binary_bios_measurements");

/// What stands between a program and the computer's calendar; the loader knows the folder.
const CALENDAR: &str = "/usr/$LIB/faketime/libfaketimeMT.so.1";

/// How long a laptop may take to get from one state to another.
const PATIENCE: Duration = Duration::from_mins(1);

/// What may differ between laptops.
#[derive(Clone, Debug)]
pub struct LaptopOptions {
    /// The tag on its lid.
    pub asset: String,
    /// The site whose settings its image has.
    pub site: String,
    /// The event log of its boot.
    pub boot: Vec<u8>,
    /// The certificates that its TPM has.
    pub certified: Certified,
    /// The video program, in place of the lab's.
    pub video: Option<Vec<String>>,
    /// The network that it is in, if not that of everybody: the file of a network namespace.
    pub network: Option<PathBuf>,
    /// Whether its calendar is its own, and not this computer's ([`Laptop::set_calendar`]).
    pub has_own_calendar: bool,
}

impl LaptopOptions {
    /// A laptop like all others.
    pub fn new(asset: &str, site: &str) -> Self {
        Self {
            asset: asset.to_owned(),
            site: site.to_owned(),
            boot: BOOT.to_vec(),
            certified: Certified::Rsa2048,
            video: None,
            network: None,
            has_own_calendar: false,
        }
    }
}

/// A laptop.
#[derive(Debug)]
pub struct Laptop {
    options: LaptopOptions,
    folder: PathBuf,
    programs: Programs,
    tpm: VirtualTpm,
    readers: ReaderHub,
    gate: Option<Running>,
    agent: Option<Running>,
}

impl World {
    /// Makes a laptop and boots it. Nothing of ours runs on it yet.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn laptop(&self, options: LaptopOptions) -> Result<Laptop, WorldError> {
        let folder = self.folder.join(options.asset.to_lowercase());
        for name in ["state", "gate", "frames", "image"] {
            let path = folder.join(name);
            fs::create_dir_all(&path).map_err(file(&path))?;
        }
        let tpm = folder.join("tpm");
        self.tpms.make(&tpm, &options.asset, options.certified)?;
        let tpm = VirtualTpm::start(&tpm)?;
        tpm.boot_with_log(&options.boot)?;
        let readers = ReaderHub::start(
            &self.programs.readers,
            &folder.join("readers"),
            &self.cards,
            2,
        )?;
        let laptop = Laptop {
            options,
            folder,
            programs: self.programs.clone(),
            tpm,
            readers,
            gate: None,
            agent: None,
        };
        self.write_image(&laptop)?;
        laptop.set_calendar("+0")?;
        Ok(laptop)
    }

    /// What the measured image and its settings hold.
    fn write_image(&self, laptop: &Laptop) -> Result<(), WorldError> {
        let image = laptop.folder.join("image");
        for name in ["root.sha256", "root.der"] {
            let (from, to) = (self.root().join(name), image.join(name));
            fs::copy(&from, &to).map_err(file(&from))?;
        }
        let log = image.join("event-log");
        fs::write(&log, &laptop.options.boot).map_err(file(&log))?;
        self.write_settings(laptop)
    }

    /// The settings of agent and gate, with where the services are now.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn write_settings(&self, laptop: &Laptop) -> Result<(), WorldError> {
        let site = &laptop.options.site;
        let at = |name: &str| laptop.folder.join(name).display().to_string();
        let agent = format!(
            "state = \"{state}\"\n\
             root_sha256 = \"{image}/root.sha256\"\n\
             root_certificate = \"{image}/root.der\"\n\
             tpm = \"{tpm}\"\n\
             event_log = \"{image}/event-log\"\n\
             gate = \"{gate}\"\n\
             control = \"{control}\"\n\
             identity = \"{identity}\"\n\
             [keyd]\nurl = \"https://keyd.{REALM}\"\nconnect = \"{keyd}\"\n\
             [ca]\nurl = \"https://ca.{site}.{REALM}\"\nconnect = \"{ca}\"\n",
            state = at("state"),
            image = at("image"),
            tpm = laptop.tpm.address(),
            gate = at("gate.sock"),
            control = at("control.sock"),
            identity = at("identity.json"),
            keyd = self.keyd_address()?,
            ca = self.authority_address(site)?,
        );
        let video = laptop
            .options
            .video
            .clone()
            .unwrap_or_else(|| laptop.lab_video());
        let video: Vec<String> = video.iter().map(|word| format!("{word:?}")).collect();
        let gate = format!(
            "[trust]\nroot_sha256 = \"{image}/root.sha256\"\nidentity = \"{identity}\"\n\
             [state]\nfolder = \"{state}\"\ntpm = \"{tpm}\"\n\
             [agent]\nsocket = \"{socket}\"\nuid = {uid}\n\
             [sleep]\ninhibitor = \"{image}/no-inhibitor\"\n\
             [video]\ncommand = [{video}]\nfolder = \"{frames}\"\n",
            image = at("image"),
            identity = at("identity.json"),
            state = at("gate"),
            tpm = laptop.tpm.address(),
            socket = at("gate.sock"),
            uid = rustix::process::getuid().as_raw(),
            video = video.join(", "),
            frames = at("frames"),
        );
        for (path, text) in [(laptop.agent_config(), agent), (laptop.gate_config(), gate)] {
            fs::write(&path, text).map_err(file(&path))?;
        }
        Ok(())
    }

    /// Enrols a laptop with a lead's key in its reader; gives the check phrase.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn enrol_laptop(&mut self, laptop: &Laptop, lead: &Key) -> Result<String, WorldError> {
        let said = self.try_enrol_laptop(laptop, lead)?;
        if said.code() != 0 {
            let words = format!(
                "`enrol` ended with {}: {}{}",
                said.code(),
                said.out,
                said.err
            );
            return Err(WorldError::Unexpected(words));
        }
        Ok(text_of(&said.json(), "phrase"))
    }

    /// As [`Self::enrol_laptop`], where it may be refused.
    ///
    /// # Errors
    ///
    /// [`WorldError`] if the program cannot be run.
    pub fn try_enrol_laptop(&mut self, laptop: &Laptop, lead: &Key) -> Result<Said, WorldError> {
        plug(&laptop.readers, lead)?;
        let pin = self.pin_file(&lead.pin)?;
        let mut command = laptop.agent_command_with_pin(&pin);
        command.args([
            "enrol",
            "--json",
            "--asset",
            &laptop.options.asset,
            "--pin-fd",
            "3",
        ]);
        let said = process::run(&mut command)?;
        unplug(&laptop.readers, lead)?;
        Ok(said)
    }

    /// Confirms a laptop by its phrase and tag.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn confirm_laptop(
        &mut self,
        by: &Key,
        laptop: &Laptop,
        phrase: &str,
    ) -> Result<(), WorldError> {
        let asset = laptop.options.asset.clone();
        self.wardkey_done(by, &["confirm", "laptop", &asset, "--phrase", phrase])?;
        Ok(())
    }

    /// Starts a visit: the key in the reader, PIN and touch.
    ///
    /// # Errors
    ///
    /// [`WorldError`] if the program cannot be run.
    pub fn activate(&self, laptop: &Laptop, key: &Key) -> Result<Said, WorldError> {
        self.with_pin(laptop, key, &["activate", "--json", "--pin-fd", "3"])
    }

    /// Runs an agent command that wants a PIN.
    ///
    /// # Errors
    ///
    /// [`WorldError`] if the program cannot be run.
    pub fn with_pin(&self, laptop: &Laptop, key: &Key, words: &[&str]) -> Result<Said, WorldError> {
        let pin = self.pin_file(&key.pin)?;
        Ok(process::run(
            laptop.agent_command_with_pin(&pin).args(words),
        )?)
    }
}

impl Laptop {
    /// The tag on its lid.
    pub fn asset(&self) -> &str {
        &self.options.asset
    }

    /// Where it lives.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its TPM.
    pub const fn tpm(&self) -> &VirtualTpm {
        &self.tpm
    }

    /// Its readers.
    pub const fn readers(&self) -> &ReaderHub {
        &self.readers
    }

    /// The agent's settings.
    pub fn agent_config(&self) -> PathBuf {
        self.folder.join("agent.toml")
    }

    /// The gate's settings.
    pub fn gate_config(&self) -> PathBuf {
        self.folder.join("gate.toml")
    }

    /// Where the video program writes when it showed a frame.
    pub fn frames(&self) -> PathBuf {
        self.folder.join("frames/frames")
    }

    fn lab_video(&self) -> Vec<String> {
        let program = self.programs.readers.with_file_name("lab-picture");
        vec![
            program.display().to_string(),
            self.frames().display().to_string(),
        ]
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    /// A command of the agent.
    pub fn agent_command(&self) -> Command {
        let mut command = self.tied(&self.programs.agent);
        self.set_up(&mut command);
        command
    }

    /// A program that runs on this laptop.
    fn tied(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = match &self.options.network {
            None => process::tied(program),
            Some(network) => {
                let mut command = process::tied("nsenter");
                command.arg(format!("--net={}", network.display()));
                command.arg("--").arg(program);
                command
            }
        };
        if self.options.has_own_calendar {
            // Only the calendar: the steady clocks are the kernel's, and nobody can set those.
            command
                .env("LD_PRELOAD", CALENDAR)
                .env("FAKETIME_TIMESTAMP_FILE", self.calendar())
                .env("FAKETIME_NO_CACHE", "1")
                .env("DONT_FAKE_MONOTONIC", "1");
        }
        command
    }

    fn calendar(&self) -> PathBuf {
        self.folder.join("calendar")
    }

    /// Sets the calendar, also of programs that run: years from the true time, as `+10y`.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn set_calendar(&self, offset: &str) -> Result<(), WorldError> {
        // Replaced whole: programs read it whenever they ask for the time.
        let (path, next) = (self.calendar(), self.folder.join("calendar.next"));
        fs::write(&next, offset).map_err(file(&next))?;
        fs::rename(&next, &path).map_err(file(&path))
    }

    fn agent_command_with_pin(&self, pin: &Path) -> Command {
        let mut command = self.tied("sh");
        command
            .args(["-c", r#"pin=$1; shift; exec "$@" 3<"$pin""#, "sh"])
            .arg(pin)
            .arg(&self.programs.agent);
        self.set_up(&mut command);
        command
    }

    fn set_up(&self, command: &mut Command) {
        command
            .arg("--config")
            .arg(self.agent_config())
            .env("PCSCLITE_CSOCK_NAME", self.readers.pcsc_socket());
    }

    /// Starts the gate, if it does not run.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn start_gate(&mut self) -> Result<(), WorldError> {
        if self.gate.is_none() {
            let mut command = self.tied(&self.programs.gate);
            command.args(["--log", "info,wardkey_gate=debug", "serve", "--config"]);
            command.arg(self.gate_config());
            let log = self.log("gate");
            self.gate = Some(Running::start(command, &self.programs.gate, &log)?);
        }
        Ok(())
    }

    /// Starts gate and agent.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn start(&mut self) -> Result<(), WorldError> {
        self.start_gate()?;
        if self.agent.is_none() {
            let mut command = self.agent_command();
            command.args(["--log", "info,wardkey_agent=debug", "run"]);
            let log = self.log("agent");
            self.agent = Some(Running::start(command, &self.programs.agent, &log)?);
        }
        Ok(())
    }

    /// Ends the agent as a crash would.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn kill_agent(&mut self) -> Result<(), WorldError> {
        match self.agent.take() {
            Some(agent) => Ok(agent.kill()?),
            None => Ok(()),
        }
    }

    /// Ends the gate as a crash would.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn kill_gate(&mut self) -> Result<(), WorldError> {
        match self.gate.take() {
            Some(gate) => Ok(gate.kill()?),
            None => Ok(()),
        }
    }

    /// Cuts the power: agent and gate gone, TPM reset, then boots again. Nothing runs.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn power_cut(&mut self) -> Result<(), WorldError> {
        self.kill_agent()?;
        self.kill_gate()?;
        self.tpm.power_cut()?;
        Ok(self.tpm.boot_with_log(&self.options.boot)?)
    }

    /// Hibernates and wakes: its firmware and boot loaders measure the same boot anew, and
    /// everything runs on.
    ///
    /// # Errors
    ///
    /// [`WorldError`].
    pub fn hibernate(&self) -> Result<(), WorldError> {
        Ok(self.tpm.hibernate_with_log(&self.options.boot)?)
    }

    /// Puts a key into its reader.
    ///
    /// # Errors
    ///
    /// [`ReaderHubError`].
    pub fn plug(&self, key: &Key) -> Result<(), ReaderHubError> {
        self.readers.plug(&key.name).map(drop)
    }

    /// Takes a key out.
    ///
    /// # Errors
    ///
    /// [`ReaderHubError`].
    pub fn unplug(&self, key: &Key) -> Result<(), ReaderHubError> {
        self.readers.unplug(&key.name)
    }

    /// Runs an agent command.
    ///
    /// # Errors
    ///
    /// [`WorldError`] if it cannot be run.
    pub fn agent(&self, words: &[&str]) -> Result<Said, WorldError> {
        Ok(process::run(self.agent_command().args(words))?)
    }

    /// The agent's state as JSON.
    ///
    /// # Errors
    ///
    /// [`WorldError`] if it cannot be run.
    pub fn status(&self) -> Result<serde_json::Value, WorldError> {
        Ok(self.agent(&["status", "--json"])?.json())
    }

    /// Waits until the agent says that this is its state; what it said.
    ///
    /// # Errors
    ///
    /// [`WorldError`] if it does not within a minute.
    pub fn await_state(&self, wanted: &str) -> Result<serde_json::Value, WorldError> {
        self.await_status(wanted, |status| text_of(status, "state") == wanted)
    }

    /// Waits until a stop stands in the gate; what the agent said.
    ///
    /// # Errors
    ///
    /// [`WorldError`] if none does within a minute.
    pub fn await_latch(&self) -> Result<serde_json::Value, WorldError> {
        self.await_status("stopped for good", |status| {
            status.get("latched") == Some(&true.into())
        })
    }

    /// Waits until the agent says something that `holds`, called `what` if it does not.
    ///
    /// # Errors
    ///
    /// [`WorldError`] if it does not within a minute.
    pub fn await_status(
        &self,
        what: &str,
        holds: impl Fn(&serde_json::Value) -> bool,
    ) -> Result<serde_json::Value, WorldError> {
        let mut command = self.agent_command();
        command.args(["status", "--json", "--watch"]);
        let mut agent = Running::spawn(command, &self.programs.agent, &self.log("watch"))?;
        let deadline = process::after(PATIENCE);
        let mut last = String::new();
        while let Ok(Some(line)) = agent.next_line(deadline) {
            let said: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if holds(&said) {
                return Ok(said);
            }
            last = line;
        }
        let words = format!("the laptop did not become {what}; it last said {last}");
        Err(WorldError::Unexpected(words))
    }

    /// The agent, while it runs.
    pub const fn agent_process(&mut self) -> Option<&mut Running> {
        self.agent.as_mut()
    }

    /// The gate, while it runs.
    pub const fn gate_process(&mut self) -> Option<&mut Running> {
        self.gate.as_mut()
    }
}
