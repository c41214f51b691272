//! Many TPMs, many programs on one TPM, and what is left when a program or the lab dies.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};
use wardkey_tests::tpm::{Certified, TpmFactory, VirtualTpm};
use wardkey_tpm::{EkTemplate, PcrSelection, Salt, Tpm, TpmAddress};

use crate::laptop::{AK_SALT, DEVICE_SALT, Laptop, NONCE, sha256, verifies};

#[test]
fn eight_tpms_of_one_factory_work_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let factory = TpmFactory::build(&folder.path().join("factory")).unwrap();
    let endorsed: Vec<Vec<u8>> = thread::scope(|scope| {
        let laptops: Vec<_> = (0..8)
            .map(|number| {
                let (factory, folder) = (&factory, folder.path().join(format!("laptop-{number}")));
                scope.spawn(move || {
                    factory
                        .make(&folder, &format!("laptop-{number}"), Certified::Rsa2048)
                        .unwrap();
                    let chip = VirtualTpm::start(&folder).unwrap();
                    let tpm = Tpm::open(&chip.address()).unwrap();
                    let ak = tpm.load_attestation_key(AK_SALT).unwrap();
                    let device = tpm.load_device_key(DEVICE_SALT).unwrap();
                    for pcr in 0..8 {
                        let selection = PcrSelection::new([pcr]).unwrap();
                        let quote = ak.quote(selection, &NONCE).unwrap();
                        assert!(verifies(
                            ak.public(),
                            &quote.attest,
                            quote.signature.as_r_s()
                        ));
                    }
                    let signature = device.sign(&sha256(b"eight")).unwrap();
                    assert!(verifies(device.public(), b"eight", &signature));
                    tpm.ek_certificates()
                        .unwrap()
                        .certificates
                        .swap_remove(0)
                        .der
                })
            })
            .collect();
        laptops
            .into_iter()
            .map(|laptop| laptop.join().unwrap())
            .collect()
    });
    let distinct: std::collections::BTreeSet<_> = endorsed.iter().collect();
    assert_eq!(distinct.len(), 8);
}

#[test]
fn several_programs_keep_more_keys_than_there_are_places() {
    let laptop = Laptop::new();
    let programs: Vec<_> = (0..4)
        .map(|number| {
            let tpm = laptop.open();
            let ak = tpm.load_attestation_key(Salt([number; 32])).unwrap();
            let device = tpm.load_device_key(Salt([number; 32])).unwrap();
            (ak, device)
        })
        .collect();
    thread::scope(|scope| {
        for (ak, device) in &programs {
            scope.spawn(move || {
                for _ in 0..20 {
                    let word = ak.certify(device, &NONCE).unwrap();
                    assert!(verifies(ak.public(), &word.attest, word.signature.as_r_s()));
                    let signature = device.sign(&sha256(b"many")).unwrap();
                    assert!(verifies(device.public(), b"many", &signature));
                }
            });
        }
    });
}

#[test]
fn a_program_cannot_touch_the_keys_of_another() {
    let laptop = Laptop::new();
    let tpm = laptop.open();
    let device = tpm.load_device_key(DEVICE_SALT).unwrap();
    let TpmAddress::Unix(path) = laptop.tpm.address() else {
        panic!("not a socket")
    };
    let mut intruder = UnixStream::connect(path).unwrap();
    let mut ask = |frame: &str| {
        intruder.write_all(&hex::decode(frame).unwrap()).unwrap();
        let mut answer = [0; 10];
        intruder.read_exact(&mut answer).unwrap();
        u32::from_be_bytes(answer[6..].try_into().unwrap())
    };
    // TPM2_ReadPublic and TPM2_FlushContext, by the handle of the broker and by that of the TPM.
    for handle in ["80f00000", "80000000", "80000001"] {
        assert_ne!(ask(&format!("80010000000e00000173{handle}")), 0, "{handle}");
        assert_ne!(ask(&format!("80010000000e00000165{handle}")), 0, "{handle}");
    }
    device.sign(&NONCE).unwrap();
}

#[test]
fn keys_of_a_program_that_ends_are_forgotten() {
    let laptop = Laptop::new();
    for _ in 0..5 {
        let tpm = laptop.open();
        // Never flushed by the program: the broker has to.
        std::mem::forget(tpm.load_attestation_key(AK_SALT).unwrap());
        std::mem::forget(tpm.load_endorsement_key(EkTemplate::EccP256).unwrap());
        drop(tpm);
    }
    laptop
        .open()
        .load_device_key(DEVICE_SALT)
        .unwrap()
        .sign(&NONCE)
        .unwrap();
}

/// Waits for a process to end.
fn wait_for_end(pid: i32) {
    let process = match pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()) {
        Ok(process) => process,
        Err(rustix::io::Errno::SRCH) => return,
        Err(error) => panic!("{error}"),
    };
    let soon = Timespec::try_from(Duration::from_secs(20)).unwrap();
    let ended = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&soon)).unwrap();
    assert_eq!(ended, 1, "process {pid} goes on");
}

#[test]
fn a_dropped_tpm_leaves_no_process() {
    let laptop = Laptop::new();
    let pid = i32::try_from(laptop.tpm.pid()).unwrap();
    let program = laptop.open();
    program.read_clock().unwrap();
    drop(laptop);
    wait_for_end(pid);
    assert!(program.read_clock().unwrap_err().calls_for_reopening());
}

#[test]
fn swtpm_ends_when_the_process_that_holds_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut holder = Command::new(env!("CARGO_BIN_EXE_virtual-tpm"))
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(holder.stdout.take().unwrap())
        .read_line(&mut address)
        .unwrap();
    let tpm = Tpm::open(&address.trim().parse().unwrap()).unwrap();
    tpm.read_clock().unwrap();

    let children = format!("/proc/{pid}/task/{pid}/children", pid = holder.id());
    let children = fs::read_to_string(children).unwrap();
    let swtpm: i32 = children.split_whitespace().next().unwrap().parse().unwrap();
    assert_eq!(
        fs::read_to_string(format!("/proc/{swtpm}/comm")).unwrap(),
        "swtpm\n"
    );
    holder.kill().unwrap();
    holder.wait().unwrap();
    wait_for_end(swtpm);

    // What it left behind starts again.
    let chip = VirtualTpm::start(&folder.path().join("laptop")).unwrap();
    assert!(
        !Tpm::open(&chip.address())
            .unwrap()
            .read_clock()
            .unwrap()
            .safe
    );
}
