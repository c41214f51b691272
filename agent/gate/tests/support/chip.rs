//! A security chip in software: libtpms in swtpm, with nothing in it.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use wardkey_tpm::{Tpm, TpmAddress};

use super::video::PATIENCE;

/// A chip that is switched on, until it is dropped. It serves one program at a time.
pub struct VirtualChip {
    process: Child,
    socket: PathBuf,
}

impl VirtualChip {
    pub fn start(place: &Path) -> Self {
        let (state, socket) = (place.join("chip"), place.join("chip.sock"));
        std::fs::create_dir(&state).unwrap();
        let mut process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "swtpm", "socket", "--tpm2"])
            .args(["--flags", "not-need-init,startup-clear"])
            .arg("--tpmstate")
            .arg(format!("dir={}", state.display()))
            .arg("--server")
            .arg(format!("type=unixio,path={}", socket.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while UnixStream::connect(&socket).is_err() {
            assert_eq!(process.try_wait().unwrap(), None, "swtpm ended");
            assert!(began.elapsed() < PATIENCE, "swtpm does not listen");
            std::thread::yield_now();
        }
        Self { process, socket }
    }

    pub fn address(&self) -> TpmAddress {
        TpmAddress::Unix(self.socket.clone())
    }

    pub fn open(&self) -> Tpm {
        Tpm::open(&self.address()).unwrap()
    }
}

impl Drop for VirtualChip {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
