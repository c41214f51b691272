//! The real systemd-logind on a message bus of its own, in a mount namespace of its own.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use super::video::PATIENCE;

/// A bus on which everybody may do everything: whoever reaches it is this test.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=BUS</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/>
<allow user="*"/></policy></busconfig>
"#;

/// Starts the bus, waits until it listens, and becomes logind. Both die with this test.
const SCRIPT: &str = r#"
mount -t tmpfs none /run
mkdir -p /run/systemd/seats /run/systemd/sessions /run/systemd/users /run/systemd/inhibit
mkdir -p /run/systemd/shutdown /run/udev/tags
mkfifo "$1/listens"
setpriv --pdeathsig KILL dbus-daemon --config-file="$1/bus.conf" --nofork --nopidfile \
    --print-address=3 3>"$1/listens" &
read -r address <"$1/listens"
exec /lib/systemd/systemd-logind
"#;

/// logind, until dropped.
pub struct Logind {
    child: Child,
    bus: String,
}

impl Logind {
    /// Starts it, with its files in `place`, and waits until it says that it is ready.
    pub fn start(place: &Path) -> Self {
        let place = place.join("logind");
        fs::create_dir(&place).unwrap();
        let socket = place.join("bus").display().to_string();
        fs::write(
            place.join("bus.conf"),
            BUS.replace("BUS</", &format!("{socket}</")),
        )
        .unwrap();
        let bus = format!("unix:path={socket}");
        let notified = place.join("notified");
        let ready = UnixDatagram::bind(&notified).unwrap();
        ready.set_read_timeout(Some(PATIENCE)).unwrap();
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .args(["unshare", "--mount", "--propagation", "private"])
            .args(["sh", "-euc", SCRIPT, "sh"])
            .arg(&place)
            .env("DBUS_SYSTEM_BUS_ADDRESS", &bus)
            .env("NOTIFY_SOCKET", &notified)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let logind = Self { child, bus };
        let mut said = [0; 4096];
        loop {
            let length = ready.recv(&mut said).expect("logind says that it is ready");
            let said = String::from_utf8_lossy(&said[..length]);
            if said.lines().any(|line| line == "READY=1") {
                return logind;
            }
        }
    }

    /// Where programs find its bus.
    pub fn bus(&self) -> (&'static str, &str) {
        ("DBUS_SYSTEM_BUS_ADDRESS", &self.bus)
    }

    /// Waits until the locks that block are exactly these, in logind's own words.
    #[track_caller]
    pub fn await_blocked(&self, wanted: &str) {
        let began = Instant::now();
        loop {
            let blocked = self.blocked();
            if blocked == wanted {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{blocked:?}, not {wanted:?}");
            std::thread::yield_now();
        }
    }

    /// What is blocked now.
    pub fn blocked(&self) -> String {
        let output = self.busctl(&["get-property", "BlockInhibited"]);
        // `s "sleep:idle"`
        let text = String::from_utf8(output.stdout).unwrap();
        text.trim()
            .trim_start_matches("s ")
            .trim_matches('"')
            .to_owned()
    }

    /// Who holds which lock, why, and how.
    pub fn inhibitors(&self) -> String {
        let output = self.busctl(&["call", "ListInhibitors"]);
        String::from_utf8(output.stdout).unwrap()
    }

    fn busctl(&self, words: &[&str; 2]) -> Output {
        let [verb, member] = words;
        let output = Command::new("busctl")
            .arg(format!("--address={}", self.bus))
            .args([verb, "org.freedesktop.login1", "/org/freedesktop/login1"])
            .args(["org.freedesktop.login1.Manager", member])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        output
    }
}

impl Drop for Logind {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that can be run, of this text.
pub fn script(path: PathBuf, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}
