//! What is on this laptop: its state, who the gate thinks it is, and the programs that run.

use std::time::Duration;

use wardkey_gate::client::Client as GateClient;
use wardkey_gate::identity::Identity;
use wardkey_gate::picture::Awake;
use wardkey_gate::protocol::{Answer, Request};
use wardkey_gate::trusted_file::Writers;
use wardkey_schemas::bytes::Bytes;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};
use wardkey_told::{Finding, on_one_line};
use wardkey_verifier::certificate::Certificate;

use super::calendar;
use crate::config::Config;
use crate::control::client::{self, ClientError};
use crate::failure::Failure;
use crate::files::StateFolder;
use crate::laptop::Laptop;

/// What a gate that works needs to answer.
const GATE_ANSWERS: Duration = Duration::from_secs(5);

const ENROL: &str = "have a team lead run `wardkey-agent enrol`";

/// Looks at the state folder, the certificates in it, and the identity that the gate reads.
pub(super) fn look_at_state(config: &Config, findings: &mut Vec<Finding>) -> Option<Laptop> {
    const WHAT: &str = "laptop";
    let found = StateFolder::open(&config.state).and_then(|folder| Laptop::find(&folder));
    let laptop = match found {
        Ok(Some(laptop)) => laptop,
        Ok(None) => {
            findings.push(Finding::warning(WHAT, "not enrolled", ENROL));
            return None;
        }
        Err(error) => {
            findings.push(Finding::failed(WHAT, &Failure::from(error)));
            return None;
        }
    };
    let Laptop {
        asset,
        site,
        generation,
        device,
        ..
    } = &laptop;
    let line = format!("{asset} at {site}, enrolment {generation}, number {device}");
    findings.push(Finding::good(WHAT, line));
    findings.push(look_at_certificates(&laptop));
    findings.push(look_at_identity(config, &laptop));
    Some(laptop)
}

fn look_at_certificates(laptop: &Laptop) -> Finding {
    const WHAT: &str = "certificates";
    let ends = |certificate: &Bytes| -> Option<Timestamp> {
        let parsed = Certificate::parse(certificate.as_slice()).ok()?;
        Some(parsed.validity().not_after)
    };
    let both = (
        ends(&laptop.device_certificate),
        ends(&laptop.ak_certificate),
    );
    let (Some(device), Some(ak)) = both else {
        let wanted = "two X.509 certificates";
        let refusal = Refusal::new(Code::CertificateMalformed, "something else", wanted);
        return Finding::failed(WHAT, &Failure::not_believed(refusal));
    };
    let renew =
        "leave the laptop on and connected: it renews them by itself; see its log if it does not";
    let known = "device key and attestation key";
    calendar::ending(WHAT, known, device.min(ak), calendar::now(), renew)
}

fn look_at_identity(config: &Config, laptop: &Laptop) -> Finding {
    const WHAT: &str = "identity for the gate";
    let again = "enrol the laptop again, or restore both files from one backup";
    match Identity::load(&config.identity, Writers::of_this_process()) {
        Ok(identity) if identity == laptop.identity() => {
            Finding::good(WHAT, "the same laptop and key")
        }
        Ok(identity) => {
            let refusal = Refusal::new(
                Code::LeaseDevice,
                format!(
                    "laptop {}, enrolment {}",
                    identity.device, identity.generation
                ),
                format!("laptop {}, enrolment {}", laptop.device, laptop.generation),
            );
            let finding = Finding::failed(WHAT, &Failure::refused(refusal));
            Finding {
                hint: Some(again.to_owned()),
                ..finding
            }
        }
        Err(error) => Finding::warning(
            WHAT,
            format!("the gate opens nothing: {}", on_one_line(&error)),
            again,
        ),
    }
}

/// Looks at the agent, and at the gate: through the agent while it runs, since the gate has one
/// caller and closes the picture when that goes.
pub(super) fn look_at_agent_and_gate(
    config: &Config,
    laptop: Option<&Laptop>,
    findings: &mut Vec<Finding>,
) {
    match client::status(&config.control) {
        Ok(status) => {
            let line = format!("running: {}", status.state.as_str());
            findings.push(match &status.reason {
                None => Finding::good("agent", line),
                Some(reason) => Finding {
                    code: Some(reason.code().as_str().to_owned()),
                    ..Finding::warning(
                        "agent",
                        format!("{line}: {}: {}", reason.code().heading(), reason.found()),
                        reason.code().next_step(),
                    )
                },
            });
            findings.push(if status.gate {
                latch("gate", "connected to the agent", status.latched)
            } else {
                let wanted = "a gate that the agent can reach and that believes the key service";
                let refusal = Refusal::new(Code::GateUnavailable, "the agent has none", wanted);
                Finding::failed("gate", &Failure::refused(refusal))
            });
            findings.extend(status.awake.map(awake));
            findings.push(if status.linked {
                Finding::good("orders", "they reach the laptop at once")
            } else {
                let found = "no link to the key service; the laptop asks every 20 seconds";
                Finding::warning(
                    "orders",
                    found,
                    "see whether the network lets WebSockets through",
                )
            });
        }
        Err(error @ ClientError::NoAgent { .. }) => {
            let found = format!("not running: {}", on_one_line(&error));
            let hint = "start it with `wardkey-agent run`, or look why the service has ended";
            findings.push(Finding::warning("agent", found, hint));
            look_at_gate(config, laptop, findings);
        }
        Err(error) => findings.push(Finding::failed("agent", &Failure::from(error))),
    }
}

fn look_at_gate(config: &Config, laptop: Option<&Laptop>, findings: &mut Vec<Finding>) {
    const WHAT: &str = "gate";
    let asked = GateClient::connect(&config.gate, GATE_ANSWERS)
        .and_then(|mut gate| gate.ask(&Request::Status {}));
    let refused = |found: String| {
        let wanted = format!("a gate that answers at `{}`", config.gate.display());
        let refusal = Refusal::new(Code::GateUnavailable, found, wanted);
        Finding::failed(WHAT, &Failure::refused(refusal))
    };
    let finding = match asked {
        Ok(Answer::Status(status)) => {
            findings.push(awake(status.awake));
            let knows = status.identity.as_ref() == laptop.map(Laptop::identity).as_ref();
            if knows {
                latch(WHAT, "answers", status.latched)
            } else {
                let found = "it answers, and knows this laptop by another enrolment";
                Finding::warning(WHAT, found, "start the gate again")
            }
        }
        Ok(Answer::Refused(refusal)) => Finding::failed(WHAT, &Failure::refused(refusal)),
        Ok(_) => refused("another answer".to_owned()),
        Err(error) => refused(on_one_line(&error)),
    };
    findings.push(finding);
}

/// Whether the laptop may fall asleep in a visit; then it has no picture until it was checked anew.
fn awake(awake: Awake) -> Finding {
    const WHAT: &str = "sleep";
    let hint = "`wardkey-gate check`, as root, says what is missing";
    match awake {
        Awake::Ready => Finding::good(WHAT, "the laptop will be kept awake while a room is open"),
        Awake::Kept => Finding::good(WHAT, "the laptop is kept awake while the room is open"),
        Awake::Failed => {
            let found = "the laptop is not kept awake though a room is open";
            Finding::warning(WHAT, found, hint)
        }
        Awake::NoProgram => {
            let found = "nothing keeps the laptop awake while a room is open";
            Finding::warning(WHAT, found, hint)
        }
    }
}

fn latch(what: &'static str, line: &str, latched: bool) -> Finding {
    if latched {
        let found = format!("{line}; a stop stands, so nothing opens");
        return Finding::warning(what, found, "`wardkey resume` lifts it, with whom it needs");
    }
    Finding::good(what, line)
}
