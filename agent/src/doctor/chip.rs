//! The TPM and the log of this boot.

use std::fs::File;

use wardkey_gate::folder::read_at_most;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::PcrValue;
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::{Code, Refusal, limits};
use wardkey_told::Finding;
use wardkey_tpm::{EccPublicKey, PcrSelection, Tpm, TpmError};
use wardkey_verifier::event_log::{EventLog, require_explained};

use crate::config::Config;
use crate::failure::Failure;
use crate::laptop::Laptop;

/// The registers that firmware and boot loader measure into and a log must explain; later ones are
/// extended by the running system as well.
const EXPLAINED: [u8; 4] = [0, 2, 4, 7];

/// Looks at the TPM, its certificates and keys, and at the event log.
pub(super) fn look(config: &Config, laptop: Option<&Laptop>, findings: &mut Vec<Finding>) {
    const WHAT: &str = "security chip";
    let opened = Tpm::open(&config.tpm).and_then(|tpm| Ok((tpm.properties()?, tpm)));
    let tpm = match opened {
        Ok((said, tpm)) => {
            let maker = String::from_utf8_lossy(&said.manufacturer);
            let maker: String = maker.chars().filter(char::is_ascii_graphic).collect();
            let (whole, part) = (said.revision / 100, said.revision % 100);
            let line = format!(
                "TPM {} (revision {whole}.{part:02}) by {maker}, firmware {:#018x}",
                said.family, said.firmware_version
            );
            findings.push(if said.family == "2.0" {
                Finding::good(WHAT, line)
            } else {
                let refusal = Refusal::new(Code::TpmStructure, line, "a TPM 2.0");
                Finding::failed(WHAT, &Failure::refused(refusal))
            });
            tpm
        }
        Err(error) => {
            findings.push(Finding::failed(WHAT, &Failure::from(error)));
            return;
        }
    };
    findings.push(look_at_certificates(&tpm));
    if let Some(laptop) = laptop {
        findings.push(
            look_at_keys(&tpm, laptop)
                .unwrap_or_else(|error| Finding::failed("keys", &Failure::from(error))),
        );
    }
    findings.push(look_at_log(config, &tpm));
}

fn look_at_certificates(tpm: &Tpm) -> Finding {
    const WHAT: &str = "maker's certificate";
    let found = match tpm.ek_certificates() {
        Ok(found) => found,
        Err(error) => return Finding::failed(WHAT, &Failure::from(error)),
    };
    let places: Vec<String> = found
        .certificates
        .iter()
        .map(|certificate| certificate.index.to_string())
        .collect();
    if places.is_empty() {
        let wanted = "a certificate of the endorsement key";
        let refusal = Refusal::new(Code::EkCertificateMissing, "none in the chip", wanted);
        return Finding::failed(WHAT, &Failure::refused(refusal));
    }
    let line = format!("at {}; {} above them", places.join(", "), found.chain.len());
    Finding::good(WHAT, line)
}

/// Whether the TPM still makes the keys that were enrolled: it does not if it was cleared.
fn look_at_keys(tpm: &Tpm, laptop: &Laptop) -> Result<Finding, TpmError> {
    const WHAT: &str = "keys";
    let is = |made: &EccPublicKey, enrolled: &PublicKey| {
        let (x, y) = made.coordinates();
        PublicKey::from_coordinates(x, y).is_ok_and(|made| made == *enrolled)
    };
    let ak = tpm.load_attestation_key(laptop.ak_salt.salt())?;
    let device = tpm.load_device_key(laptop.device_salt.salt())?;
    if is(ak.public(), &laptop.ak) && is(device.public(), &laptop.device_key) {
        return Ok(Finding::good(
            WHAT,
            "the chip makes those that were enrolled",
        ));
    }
    let refusal = Refusal::new(
        Code::TpmUnavailable,
        "the chip makes other keys: it was cleared, or is another one",
        "the keys that were enrolled",
    );
    let finding = Finding::failed(WHAT, &Failure::refused(refusal));
    Ok(Finding {
        hint: Some("have the laptop put into quarantine and enrolled again".to_owned()),
        ..finding
    })
}

fn look_at_log(config: &Config, tpm: &Tpm) -> Finding {
    const WHAT: &str = "event log";
    let most = u64::try_from(limits::EVENT_LOG_BYTES).unwrap_or(u64::MAX);
    let read = File::open(&config.event_log).and_then(|file| read_at_most(file, most));
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(error) => {
            let failure = Failure::file(&config.event_log, "cannot be read")(error);
            let finding = Finding::failed(WHAT, &failure);
            let hint = "it is readable for root; a unit for the agent gets it as a credential";
            return Finding {
                hint: Some(hint.to_owned()),
                ..finding
            };
        }
    };
    let registers = PcrSelection::new(EXPLAINED).map(|selection| tpm.read_pcrs(selection));
    let registers: Vec<PcrValue> = match registers {
        Ok(Ok(values)) => values
            .into_iter()
            .map(|(index, value)| PcrValue {
                index,
                sha256: Sha256::new(value),
            })
            .collect(),
        Ok(Err(error)) => return Finding::failed(WHAT, &Failure::from(error)),
        Err(_) => Vec::new(),
    };
    judge_log(&bytes, &registers)
}

fn judge_log(bytes: &[u8], registers: &[PcrValue]) -> Finding {
    const WHAT: &str = "event log";
    let judged = EventLog::parse(bytes).and_then(|log| {
        require_explained(registers, &log.replay())?;
        Ok(log.events().len())
    });
    match judged {
        Ok(events) => {
            let list: Vec<String> = EXPLAINED.iter().map(u8::to_string).collect();
            let line = format!("{events} events explain PCR {}", list.join(", "));
            Finding::good(WHAT, line)
        }
        Err(refusal) => Finding::failed(WHAT, &Failure::refused(refusal)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wardkey_told::Health;

    #[test]
    fn a_log_that_is_none_is_bad_whatever_the_registers_say() {
        for bytes in [&b""[..], b"log"] {
            let finding = judge_log(bytes, &[]);
            assert_eq!(finding.health, Health::Bad);
            assert!(finding.code.unwrap().starts_with("LOG_"));
        }
    }
}
