//! The private pcscd: configuration, socket activation, readiness of its readers.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{HubError, file_error};
use crate::control::PCSC_SOCKET;

/// The name under which `ykman` and `yubico-piv-tool` accept a reader; each has a number more,
/// since pcscd tells only readers of the same driver file apart by itself.
const READER_NAME: &str = "Yubico YubiKey FIDO+CCID";

/// First TCP port of the virtual readers, in the hub's own network.
const FIRST_PORT: u16 = 0x9ca4;

/// The virtual reader's driver, from package vsmartcard-vpcd.
const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";

/// Slots of one virtual reader.
const SLOTS_A_READER: usize = 2;

/// Where pcscd listens, if the path is short enough for a socket.
pub(super) fn socket_path(folder: &Path) -> Result<PathBuf, HubError> {
    let path = folder.join(PCSC_SOCKET);
    if path.as_os_str().len() > 107 {
        return Err(HubError::PathTooLong(path));
    }
    Ok(path)
}

/// The port behind which the card of `slot` is expected, and the slot's reader in PC/SC.
pub(super) fn address(slot: usize) -> (u16, String) {
    let port = u16::try_from(slot)
        .unwrap_or_default()
        .saturating_add(FIRST_PORT);
    let (reader, side) = (
        slot.div_euclid(SLOTS_A_READER),
        slot.rem_euclid(SLOTS_A_READER),
    );
    (port, format!("{} 00 {side:02X}", friendly_name(reader)))
}

fn friendly_name(reader: usize) -> String {
    format!("{READER_NAME} ({reader})")
}

/// How many slots there are if at least `wanted` are to be.
pub(super) fn rounded_up(wanted: usize) -> usize {
    wanted.next_multiple_of(SLOTS_A_READER)
}

/// Starts pcscd with `slots` readers. Clients may connect from now on: the socket is bound here
/// and handed over, as systemd would.
pub(super) fn start(folder: &Path, slots: usize) -> Result<Child, HubError> {
    isolate()?;
    let configuration = folder.join("reader.conf.d");
    fs::create_dir_all(&configuration).map_err(file_error(&configuration))?;
    let readers = configuration.join("vpcd.conf");
    fs::write(&readers, reader_file(folder, slots)?).map_err(file_error(&readers))?;

    let socket = socket_path(folder)?;
    let _ = fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).map_err(file_error(&socket))?;
    let log_path = folder.join("pcscd.log");
    let log = File::create(&log_path).map_err(file_error(&log_path))?;

    // sd_listen_fds(3): the socket is descriptor 3, and LISTEN_PID the process that takes it.
    let script = "exec 3<&0 </dev/null >&2; LISTEN_FDS=1 LISTEN_PID=$$ exec pcscd -f -c \"$0\"";
    Command::new("sh")
        .args(["-c", script])
        .arg(&configuration)
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|source| HubError::Program {
            program: "pcscd",
            source,
        })
}

/// Loopback up, and a `/run/pcscd` of our own: pcscd writes its process id there whatever it is
/// told.
fn isolate() -> Result<(), HubError> {
    const OURS: &str = "/run/pcscd";
    run("ip", &["link", "set", "lo", "up"])?;
    // Without root there may be no such folder, and no way to make it but to cover `/run`.
    let covered = if fs::create_dir_all(OURS).is_ok() {
        OURS
    } else {
        "/run"
    };
    run(
        "mount",
        &["-t", "tmpfs", "-o", "mode=0755", "tmpfs", covered],
    )?;
    fs::create_dir_all(OURS).map_err(file_error(Path::new(OURS)))
}

fn run(program: &'static str, arguments: &[&str]) -> Result<(), HubError> {
    let failed = |source| HubError::Program { program, source };
    let status = Command::new(program)
        .args(arguments)
        .status()
        .map_err(failed)?;
    if status.success() {
        Ok(())
    } else {
        Err(failed(std::io::Error::other(format!("{status}"))))
    }
}

/// What pcscd is told of its readers. Each has the driver from a file of its own: the driver
/// keeps its slots in variables that readers sharing a file would share.
fn reader_file(folder: &Path, slots: usize) -> Result<String, HubError> {
    let mut text = String::new();
    for slot in (0..slots).step_by(SLOTS_A_READER) {
        let (port, _) = address(slot);
        let driver = folder.join(format!("vpcd-{port}.so"));
        fs::copy(DRIVER, &driver).map_err(file_error(Path::new(DRIVER)))?;
        let driver = driver.display();
        let name = friendly_name(slot.div_euclid(SLOTS_A_READER));
        let _ = write!(
            text,
            "FRIENDLYNAME \"{name}\"\nDEVICENAME /dev/null:{port:#06X}\n\
             LIBPATH {driver}\nCHANNELID {port:#06X}\n\n"
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_slot_has_a_port_and_a_name_of_its_own() {
        assert_eq!(
            address(0),
            (40_100, "Yubico YubiKey FIDO+CCID (0) 00 00".to_owned())
        );
        assert_eq!(
            address(1),
            (40_101, "Yubico YubiKey FIDO+CCID (0) 00 01".to_owned())
        );
        assert_eq!(
            address(2),
            (40_102, "Yubico YubiKey FIDO+CCID (1) 00 00".to_owned())
        );
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused() {
        let folder = PathBuf::from(format!("/tmp/{}", "x".repeat(100)));
        assert!(matches!(
            socket_path(&folder),
            Err(HubError::PathTooLong(_))
        ));
    }
}
