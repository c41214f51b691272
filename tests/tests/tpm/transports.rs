//! swtpm's own sockets, without the lab's broker between: one program, three places for keys.

use std::{fs, net::TcpListener, path::Path, process::Command};

use wardkey_tests::tpm::{Certified, TpmFactory};
use wardkey_tpm::{EkTemplate, Tpm};

use crate::laptop::{AK_SALT, DEVICE_SALT, NONCE};

/// Starts swtpm on a TPM fresh from the factory. It goes to the background once its socket
/// listens, and ends when the connection does.
fn swtpm(folder: &Path, server: &str) {
    let factory = TpmFactory::build(&folder.join("factory")).unwrap();
    let laptop = folder.join("laptop");
    factory
        .make(&laptop, "laptop-1", Certified::Rsa2048)
        .unwrap();
    let started = Command::new("swtpm")
        .args(["socket", "--tpm2", "--daemon", "--terminate"])
        .args(["--flags", "not-need-init,startup-clear"])
        .args(["--server", server, "--tpmstate"])
        .arg(format!("dir={}", laptop.join("state").display()))
        .arg("--pid")
        .arg(format!("file={}", folder.join("pid").display()))
        .status()
        .unwrap();
    assert!(started.success());
}

fn three_places_are_enough(tpm: &Tpm) {
    for _ in 0..5 {
        let ak = tpm.load_attestation_key(AK_SALT).unwrap();
        let device = tpm.load_device_key(DEVICE_SALT).unwrap();
        for template in [EkTemplate::EccP256, EkTemplate::Rsa2048] {
            let ek = tpm.load_endorsement_key(template).unwrap();
            let error = tpm.load_endorsement_key(template).unwrap_err();
            assert_eq!(
                error.to_string(),
                "TPM2_CreatePrimary: the TPM answered TPM_RC_OBJECT_MEMORY (0x902)"
            );
            ek.flush().unwrap();
        }
        ak.certify(&device, &NONCE).unwrap();
        device.flush().unwrap();
        // The AK is forgotten as it goes.
    }
}

#[test]
fn a_unix_socket_of_swtpm_is_spoken_to_directly() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("swtpm.sock");
    swtpm(
        folder.path(),
        &format!("type=unixio,path={}", path.display()),
    );
    let tpm = Tpm::open(&format!("unix:{}", path.display()).parse().unwrap()).unwrap();
    three_places_are_enough(&tpm);
}

#[test]
fn a_tcp_socket_of_swtpm_is_spoken_to_directly() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    swtpm(
        folder.path(),
        &format!("type=tcp,port={port},bindaddr=127.0.0.1"),
    );
    let tpm = Tpm::open(&format!("tcp:127.0.0.1:{port}").parse().unwrap()).unwrap();
    three_places_are_enough(&tpm);
    assert!(fs::metadata(folder.path().join("pid")).is_ok());
}
