//! The real keyd in a folder of its own, on free ports, ended by its process number.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use wardkey_schemas::bundle::BundlePackage;
use wardkey_schemas::key::SigningKey;

use crate::caller::Caller;
use crate::installation::Installation;
use crate::platform::Platform;

/// How long it may take until it listens.
const READY: Duration = Duration::from_mins(1);

/// Where keyd keeps its data.
#[derive(Clone, Debug, Default)]
pub enum Database {
    /// A file in its folder.
    #[default]
    Sqlite,
    /// A database that is there and empty, by its address.
    At(String),
}

/// How keyd is set up.
#[derive(Clone, Debug)]
pub struct KeydOptions {
    /// Its database.
    pub database: Database,
    /// Whether it speaks TLS; plain HTTP otherwise.
    pub tls: bool,
    /// Lines for the `[policy]` of its settings.
    pub policy: Vec<String>,
    /// The video platform that it speaks to; none in most tests.
    pub platform: Option<Platform>,
    /// What it logs.
    pub log: String,
    /// Words that come before the program on its command line, for limits of resources; usually none.
    pub under: Vec<String>,
}

impl Default for KeydOptions {
    fn default() -> Self {
        Self {
            database: Database::Sqlite,
            tls: false,
            policy: Vec::new(),
            platform: None,
            log: "info".to_owned(),
            under: Vec::new(),
        }
    }
}

/// A running keyd, or one that ran; gone when dropped.
#[derive(Debug)]
pub struct Keyd {
    program: PathBuf,
    options: KeydOptions,
    folder: TempDir,
    realm: String,
    root: Vec<u8>,
    child: Option<Child>,
    address: SocketAddr,
    ops: SocketAddr,
}

const NOWHERE: &str = "127.0.0.1:0";

impl Keyd {
    /// Makes a folder with `keyd init`, has its request signed by the installation, publishes a
    /// bundle, imports it, and starts the service.
    pub fn start(program: &Path, installation: &mut Installation, options: KeydOptions) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("wardkey-keyd-")
            .tempdir()
            .unwrap();
        let mut keyd = Self {
            program: program.to_owned(),
            options,
            realm: installation.realm().to_string(),
            root: installation.root.clone(),
            folder,
            child: None,
            address: NOWHERE.parse().unwrap(),
            ops: NOWHERE.parse().unwrap(),
        };
        let state = keyd.state();
        let pin = installation.pin().to_hex();
        keyd.command(&["init", "--root-sha256", &pin, "--state"], &[&state]);
        installation.certify_service(&fs::read(state.join("service-authority.csr")).unwrap());
        for (name, der) in installation.anchors() {
            fs::write(state.join("anchors").join(name), der).unwrap();
        }
        keyd.write_settings();
        if matches!(keyd.options.database, Database::At(_)) {
            keyd.command(&["migrate", "--config"], &[&keyd.config()]);
        }
        keyd.import(&installation.publish());
        keyd.serve();
        keyd
    }

    /// Another node beside this one: its own folder and ports, the same keys, anchors and database.
    #[must_use]
    pub fn start_beside(&self) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("wardkey-keyd-")
            .tempdir()
            .unwrap();
        let mut beside = Self {
            program: self.program.clone(),
            options: self.options.clone(),
            realm: self.realm.clone(),
            root: self.root.clone(),
            folder,
            child: None,
            address: NOWHERE.parse().unwrap(),
            ops: NOWHERE.parse().unwrap(),
        };
        for name in ["keys", "anchors"] {
            let (from, to) = (self.state().join(name), beside.state().join(name));
            fs::create_dir_all(&to).unwrap();
            for entry in fs::read_dir(from).unwrap() {
                let path = entry.unwrap().path();
                let copy = to.join(path.file_name().unwrap());
                fs::copy(&path, &copy).unwrap();
                fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).unwrap();
            }
        }
        let settings = fs::read_to_string(self.config()).unwrap();
        let settings = settings
            .replace(&self.address.to_string(), NOWHERE)
            .replace(&self.ops.to_string(), NOWHERE);
        fs::write(beside.config(), settings).unwrap();
        beside.serve();
        beside
    }

    /// Its folder of keys, anchors, settings and, on SQLite, data.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Its settings.
    pub fn config(&self) -> PathBuf {
        self.state().join("keyd.toml")
    }

    /// The file of its SQLite database.
    pub fn database_file(&self) -> PathBuf {
        self.state().join("keyd.db")
    }

    /// Changes the words before the program, from the next start on.
    pub fn set_under(&mut self, words: Vec<String>) {
        self.options.under = words;
    }

    /// How it was set up.
    pub const fn options(&self) -> &KeydOptions {
        &self.options
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("keyd.log")
    }

    fn write_settings(&self) {
        let mut text = fs::read_to_string(self.config()).unwrap();
        text = text
            .replace("127.0.0.1:8443", NOWHERE)
            .replace("127.0.0.1:9443", NOWHERE);
        if !self.options.tls {
            text = text.replace(
                "# plain_http_on_loopback = false",
                "plain_http_on_loopback = true",
            );
        }
        if let Database::At(url) = &self.options.database {
            text = text.replace("[database]", &format!("[database]\nurl = \"{url}\""));
        }
        let policy = self.options.policy.join("\n");
        text = text.replace("[policy]", &format!("[policy]\n{policy}"));
        if let Some(platform) = &self.options.platform {
            let key = self.state().join("platform.jwk");
            fs::write(&key, serde_json::to_vec(platform.key()).unwrap()).unwrap();
            let (url, key) = (platform.url(), key.display());
            text = format!("{text}[platform]\nurl = \"{url}\"\nkey_file = \"{key}\"\n");
            let order = fs::read(self.state().join("keys/order.p8")).unwrap();
            platform.believe(*SigningKey::from_pkcs8(&order).unwrap().public());
        }
        fs::write(self.config(), text).unwrap();
    }

    /// Runs a command of keyd that must succeed.
    fn command(&self, words: &[&str], paths: &[&Path]) {
        let output = Command::new(&self.program)
            .args(["--log", "warn"])
            .args(words)
            .args(paths)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "keyd {words:?}: {said}");
    }

    /// Takes up a trust bundle; a running service notices within seconds.
    pub fn import(&self, bundle: &BundlePackage) {
        let path = self.folder.path().join("bundle.json");
        fs::write(&path, serde_json::to_vec(bundle).unwrap()).unwrap();
        self.command(&["trust", "--config"], &[&self.config(), &path]);
    }

    /// Starts the service, or starts it again on the same addresses.
    pub fn serve(&mut self) {
        // It dies with the thread that starts it, however that ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]);
        command.args(&self.options.under);
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .unwrap();
        let mut child = command
            .arg(&self.program)
            .args(["--log", &self.options.log, "serve", "--config"])
            .arg(self.config())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        self.child = Some(child);
        let (found, ready) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if line.starts_with("ready ") {
                    // Whoever waited may have given up.
                    drop(found.send(line));
                }
            }
        });
        let line = ready
            .recv_timeout(READY)
            .unwrap_or_else(|_| unreachable!("keyd did not get ready:\n{}", self.said()));
        let value = |name: &str| -> SocketAddr {
            let words = line.split_whitespace();
            let mut values = words.filter_map(|word| word.strip_prefix(name));
            values.next().unwrap().parse().unwrap()
        };
        (self.address, self.ops) = (value("address="), value("ops="));
        // From now on it is known by these addresses.
        let text = fs::read_to_string(self.config()).unwrap();
        let text = text
            .replace(
                "\naddress = \"127.0.0.1:0\"",
                &format!("\naddress = \"{}\"", self.address),
            )
            .replace(
                "\nops = \"127.0.0.1:0\"",
                &format!("\nops = \"{}\"", self.ops),
            );
        fs::write(self.config(), text).unwrap();
    }

    /// Where laptops, authorities and people call.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A client of its public listener.
    pub fn caller(&self) -> Caller {
        self.caller_of(self.address)
    }

    /// A client of its operations listener.
    pub fn ops(&self) -> Caller {
        self.caller_of(self.ops)
    }

    fn caller_of(&self, address: SocketAddr) -> Caller {
        Caller::new(
            address,
            &self.realm,
            self.options.tls.then(|| self.root.clone()),
        )
    }

    /// What it has logged since it was made.
    pub fn said(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// Its process number; none once it has ended.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = self.pid().and_then(|pid| i32::try_from(pid).ok());
        kill_process(pid.and_then(Pid::from_raw).unwrap(), signal).unwrap();
    }

    /// Ends it as a power cut would, and waits until it is gone.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Asks it to stop, and waits until it has; whether it ended well.
    pub fn stop(&mut self) -> bool {
        self.signal(Signal::TERM);
        let mut child = self.child.take().unwrap();
        child.wait().unwrap().success()
    }

    /// Whether its process still runs.
    pub fn is_running(&mut self) -> bool {
        let ended = self.child.as_mut().map(Child::try_wait);
        matches!(ended, Some(Ok(None)))
    }
}

impl Drop for Keyd {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Gone already, or gone now: both are what is wanted.
            drop(child.kill());
            drop(child.wait());
        }
    }
}
