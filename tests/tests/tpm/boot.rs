//! Recorded boots, measured again.

use std::{collections::BTreeMap, fs, path::Path};

use wardkey_tests::tpm::RecordedBoot;
use wardkey_tpm::PcrSelection;

use crate::laptop::{AK_SALT, Attest, Laptop, Octets, sha256};

fn recorded(path: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/measured-boot");
    fs::read(root.join(path)).unwrap()
}

/// The SHA-256 bank of `pcrs.txt`: lines of `PCR sha256 <index> <hex>`.
fn recorded_pcrs(boot: &str) -> BTreeMap<u8, [u8; 32]> {
    let text = String::from_utf8(recorded(&format!("{boot}/pcrs.txt"))).unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("PCR sha256 "))
        .map(|line| {
            let (index, digest) = line.split_once(' ').unwrap();
            let digest: [u8; 32] = hex::decode(digest).unwrap().try_into().unwrap();
            (index.parse().unwrap(), digest)
        })
        .collect()
}

/// What the kernel extended PCR 10 by: SHA-256 of each entry's template data
/// (`binary_runtime_measurements`: PCR, SHA-1, name, data, in the machine's octet order).
fn ima_digests(log: &[u8]) -> Vec<[u8; 32]> {
    let mut octets = Octets(log);
    let mut digests = Vec::new();
    let sized = |octets: &mut Octets<'_>| {
        let size = u32::from_le_bytes(octets.take(4).try_into().unwrap());
        octets.take(usize::try_from(size).unwrap()).to_vec()
    };
    while !octets.0.is_empty() {
        assert_eq!(octets.take(4), 10_u32.to_le_bytes());
        octets.take(20);
        assert!(sized(&mut octets).starts_with(b"ima-"));
        digests.push(sha256(&sized(&mut octets)));
    }
    digests
}

fn all_pcrs() -> PcrSelection {
    PcrSelection::new(0..24).unwrap()
}

#[test]
fn a_recorded_boot_leaves_the_pcrs_that_were_recorded() {
    let laptop = Laptop::new();
    for boot in ["sb3", "tcg1"] {
        laptop
            .tpm
            .boot_with_log(&recorded(&format!("{boot}/binary_bios_measurements")))
            .unwrap();
        let tpm = laptop.open();
        let mut wanted = recorded_pcrs(boot);
        assert_eq!(wanted.len(), 24);
        // The firmware's log ends where the kernel starts: PCR 10 is the kernel's.
        let kernels = wanted.insert(10, [0; 32]).unwrap();
        assert_eq!(tpm.read_pcrs(all_pcrs()).unwrap(), wanted, "{boot}");

        for digest in ima_digests(&recorded(&format!(
            "{boot}/ima_binary_runtime_measurements"
        ))) {
            tpm.pcr_extend(10, &digest).unwrap();
        }
        wanted.insert(10, kernels);
        assert_eq!(
            tpm.read_pcrs(all_pcrs()).unwrap(),
            wanted,
            "{boot} with the kernel"
        );
    }
}

#[test]
fn a_quote_of_a_boot_measured_again_says_what_the_recorded_one_said() {
    let laptop = Laptop::new();
    laptop
        .tpm
        .boot_with_log(&recorded("sb3/binary_bios_measurements"))
        .unwrap();
    let tpm = laptop.open();
    for digest in ima_digests(&recorded("sb3/ima_binary_runtime_measurements")) {
        tpm.pcr_extend(10, &digest).unwrap();
    }
    let ak = tpm.load_attestation_key(AK_SALT).unwrap();
    let selection = PcrSelection::new([0, 1, 2, 3, 4, 5, 6, 7, 9, 10]).unwrap();
    let quote = ak.quote(selection, &[9; 32]).unwrap();
    let old = recorded("sb3/quote.bin");
    let (new, old) = (Attest::read(&quote.attest), Attest::read(&old));
    assert_eq!(new.attested.0, old.attested.0, "PCRs and their digest");
    assert_eq!(new.extra_data, old.extra_data);
}

#[test]
fn another_event_leaves_other_pcrs() {
    let laptop = Laptop::new();
    let log = recorded("sb3/binary_bios_measurements");
    let mut spoilt = log.clone();
    // Somewhere in the digests of the last event: it is extended as it stands in the log.
    let boot = RecordedBoot::parse(&log).unwrap();
    let (pcr, digest) = boot.measurements.last().unwrap();
    let at = log
        .windows(32)
        .rposition(|window| window == digest)
        .unwrap();
    spoilt[at] ^= 1;
    laptop.tpm.boot_with_log(&spoilt).unwrap();
    let read = laptop.open().read_pcrs(all_pcrs()).unwrap();
    let changed: Vec<u8> = recorded_pcrs("sb3")
        .into_iter()
        .filter(|(index, value)| *index != 10 && read[index] != *value)
        .map(|(index, _)| index)
        .collect();
    assert_eq!(changed, [*pcr]);
}

#[test]
fn a_log_that_ends_too_early_is_refused_wherever_it_ends() {
    let log = recorded("tcg1/binary_bios_measurements");
    let whole = RecordedBoot::parse(&log).unwrap();
    for length in 0..log.len() {
        // Between two events nothing tells a short log from a whole one but what is missing.
        if let Ok(boot) = RecordedBoot::parse(&log[..length]) {
            assert!(
                boot.measurements.len() < whole.measurements.len(),
                "{length}"
            );
        }
    }
    assert!(RecordedBoot::parse(&[]).is_err());
}

#[test]
#[expect(clippy::print_stdout, reason = "what is skipped is said")]
fn laptops_that_start_at_locality_3_are_measured_again_as_they_were() {
    let logs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/eventlogs");
    let Ok(folder) = fs::read_dir(&logs) else {
        println!("skipped: there is no {}", logs.display());
        return;
    };
    let laptop = Laptop::new();
    let mut localities = Vec::new();
    for log in folder {
        let path = log.unwrap().path();
        let Ok(boot) = RecordedBoot::parse(&fs::read(&path).unwrap()) else {
            println!("not a log with a SHA-256 bank: {}", path.display());
            continue;
        };
        // What the registers have to be by TPM 2.0 Library Part 1, 17.
        let mut wanted: BTreeMap<u8, [u8; 32]> = (0..17).map(|pcr| (pcr, [0; 32])).collect();
        wanted.get_mut(&0).unwrap()[31] = boot.startup_locality;
        for (pcr, digest) in &boot.measurements {
            let register = wanted.get_mut(pcr).unwrap();
            *register = sha256(&[*register, *digest].concat());
        }
        localities.push(boot.startup_locality);
        laptop.tpm.boot_with_log(&fs::read(&path).unwrap()).unwrap();
        let read = laptop
            .open()
            .read_pcrs(PcrSelection::new(0..17).unwrap())
            .unwrap();
        assert_eq!(read, wanted, "{}", path.display());
    }
    assert_eq!(localities, [3, 3]);
}
