//! Evidence recorded on a measured boot, and logs of real machines.

use std::path::{Path, PathBuf};

use wardkey_schemas::Code;
use wardkey_schemas::bytes::{Sha256, Signature};
use wardkey_schemas::evidence::{Attestation, PcrValue, Quote};
use wardkey_verifier::event_log::{EventLog, RegisterValues as _, require_explained};
use wardkey_verifier::tpm::{
    AkIdentity, Name, PcrSet, PublicArea, QualifiedName, VerifiedQuote, public::KeyArea,
};

use crate::forge::refused;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/measured-boot")
}

pub(crate) fn bytes(boot: &str, name: &str) -> Vec<u8> {
    std::fs::read(folder().join(boot).join(name)).unwrap()
}

/// The SHA-256 bank as it was read in that boot.
pub(crate) fn pcrs(boot: &str) -> Vec<PcrValue> {
    let text = std::fs::read_to_string(folder().join(boot).join("pcrs.txt")).unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("PCR sha256 "))
        .map(|line| {
            let (index, value) = line.split_once(' ').unwrap();
            PcrValue {
                index: index.parse().unwrap(),
                sha256: Sha256::from_hex(value).unwrap(),
            }
        })
        .collect()
}

/// `TPMT_SIGNATURE` as r and s.
pub(crate) fn signature(bytes: &[u8]) -> Signature {
    assert_eq!(bytes[..6], [0x00, 0x18, 0x00, 0x0b, 0x00, 0x20]);
    let (r, s) = (&bytes[6..38], &bytes[40..72]);
    Signature::try_from([r, s].concat().as_slice()).unwrap()
}

pub(crate) fn ak() -> AkIdentity {
    let public = bytes("sb3", "ak_pub.bin");
    let public = PublicArea::parse(&public).unwrap();
    let KeyArea::Ecc(area) = public.key() else {
        panic!("an elliptic-curve key");
    };
    AkIdentity {
        key: area.p256().unwrap(),
        qualified_name: QualifiedName::under_endorsement(&public.name().unwrap()),
    }
}

/// The registers that the recorded quote covers; the last one is extended by Linux, not by firmware.
fn quoted() -> PcrSet {
    PcrSet::new(&[0, 1, 2, 3, 4, 5, 6, 7, 9, 10]).unwrap()
}

fn quote() -> Quote {
    let pcrs = pcrs("sb3");
    Quote {
        attestation: Attestation {
            attest: bytes("sb3", "quote.bin").into(),
            signature: signature(&bytes("sb3", "quote_sig.bin")),
        },
        pcrs: pcrs
            .into_iter()
            .filter(|value| quoted().contains(value.index))
            .collect(),
    }
}

fn nonce() -> Sha256 {
    Sha256::try_from(bytes("sb3", "nonce.bin").as_slice()).unwrap()
}

#[test]
fn the_logs_replay_to_the_registers_that_were_read() {
    for boot in ["tcg1", "sb1", "sb3"] {
        let log = bytes(boot, "binary_bios_measurements");
        let replayed = EventLog::parse(&log).unwrap().replay();
        for value in pcrs(boot) {
            // PCR 10 holds what Linux measured after the firmware had finished its log.
            if value.index != 10 {
                assert_eq!(
                    replayed.find_value(value.index),
                    Some(value.sha256),
                    "{boot} PCR {}",
                    value.index
                );
            }
        }
    }
}

#[test]
fn the_recorded_quote_verifies() {
    let quote = quote();
    let verified = VerifiedQuote::verify(&quote, &ak(), &nonce(), quoted()).unwrap();
    assert_eq!(verified.clock().reset_count, 2);
    assert_eq!(verified.clock().restart_count, 0);
    assert_eq!(verified.firmware_version(), 0x2019_1023_0016_3636);
    let log = bytes("sb3", "binary_bios_measurements");
    let replayed = EventLog::parse(&log).unwrap().replay();
    let firmware: Vec<PcrValue> = verified
        .pcrs()
        .iter()
        .copied()
        .filter(|value| value.index != 10)
        .collect();
    require_explained(&firmware, &replayed).unwrap();
}

#[test]
fn any_byte_of_the_recorded_quote_counts() {
    let good = quote();
    let attest = good.attestation.attest.as_slice();
    for at in 0..attest.len() {
        let mut changed = attest.to_vec();
        changed[at] ^= 1;
        let mut quote = good.clone();
        quote.attestation.attest = changed.into();
        let result = VerifiedQuote::verify(&quote, &ak(), &nonce(), quoted()).map(|_| ());
        assert_eq!(refused(result), Code::QuoteSignature, "byte {at}");
    }
    for at in 0..64 {
        let mut changed = *good.attestation.signature.as_bytes();
        changed[at] ^= 1;
        let mut quote = good.clone();
        quote.attestation.signature = Signature::new(changed);
        let result = VerifiedQuote::verify(&quote, &ak(), &nonce(), quoted()).map(|_| ());
        assert_eq!(refused(result), Code::QuoteSignature, "byte {at}");
    }
    for place in 0..good.pcrs.len() {
        for at in 0..32 {
            let mut changed = *good.pcrs[place].sha256.as_bytes();
            changed[at] ^= 1;
            let mut quote = good.clone();
            quote.pcrs[place].sha256 = Sha256::new(changed);
            let result = VerifiedQuote::verify(&quote, &ak(), &nonce(), quoted()).map(|_| ());
            assert_eq!(refused(result), Code::PcrDigest, "value {place} byte {at}");
        }
    }
}

#[test]
fn any_byte_of_a_measured_digest_counts() {
    let quote = quote();
    let firmware: Vec<PcrValue> = quote
        .pcrs
        .into_iter()
        .filter(|value| value.index != 10)
        .collect();
    let log = bytes("sb3", "binary_bios_measurements");
    let events: Vec<(u8, Sha256)> = EventLog::parse(&log)
        .unwrap()
        .events()
        .iter()
        .map(|event| (event.pcr, event.sha256))
        .collect();
    let mut at = 0;
    let mut changed = 0;
    for (pcr, digest) in events {
        // The log holds the digests in this order, so each is found after the one before.
        let place = at
            + log[at..]
                .windows(32)
                .position(|window| window == digest.as_bytes())
                .unwrap();
        at = place + 32;
        if !firmware.iter().any(|value| value.index == pcr) {
            continue;
        }
        for byte in place..at {
            let mut log = log.clone();
            log[byte] ^= 1;
            let replayed = EventLog::parse(&log).unwrap().replay();
            let result = require_explained(&firmware, &replayed);
            assert_eq!(refused(result), Code::LogReplayMismatch);
            changed += 1;
        }
    }
    assert!(changed > 32 * 30, "{changed} bytes were tried");
}

#[test]
fn the_recorded_certification_is_by_the_recorded_key() {
    use wardkey_verifier::tpm::{Attest, Attested};
    let certify = bytes("sb3", "certify.bin");
    let signature = signature(&bytes("sb3", "certify_sig.bin"));
    assert!(ak().key.verifies(&certify, &signature));
    let device = bytes("sb3", "dev_pub.bin");
    let device = PublicArea::parse(&device).unwrap().name().unwrap();
    let attest = Attest::parse(&certify).unwrap();
    let Attested::Certify { name } = *attest.attested() else {
        panic!("{attest:?}");
    };
    assert_eq!(Name::try_from(name).unwrap(), device);
}

/// Logs of real machines that are not part of this project.
fn logs_beside_the_project() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/eventlogs");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: no {}", folder.display());
        return Vec::new();
    };
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect()
}

#[test]
fn logs_of_real_machines_are_read_or_refused_for_a_known_reason() {
    for (name, log) in logs_beside_the_project() {
        let parsed = EventLog::parse(&log);
        match name.as_str() {
            // Logs of the SHA-1 form, and one event cut out of a log.
            "go-tpm-tools-debian-10" | "go-attestation-short-no-action" => {
                assert_eq!(refused(parsed), Code::LogMalformed, "{name}");
            }
            "keylime-thinkpad-n40et41w" | "go-tpm-tools-glinux-alex" => {
                let parsed = parsed.unwrap();
                assert!(parsed.events().len() > 20, "{name}");
                assert_eq!(parsed.startup_locality(), 3, "{name}");
                let replayed = parsed.replay();
                // PCR 16 is for debugging; no firmware touches it.
                assert_eq!(replayed.find_value(16), Some(Sha256::new([0; 32])));
                assert_ne!(replayed.find_value(0), Some(Sha256::new([0; 32])));
                assert!(parsed.bound_data().count() > 5, "{name}");
            }
            other => panic!("what should become of {other}?"),
        }
    }
}
