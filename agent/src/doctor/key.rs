//! Readers, who may speak to them, and the security key that is plugged in.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use wardkey_schemas::{Code, Refusal};
use wardkey_token::{Content, Readers, Slot, Token, TokenError};
use wardkey_told::Finding;
use wardkey_verifier::certificate::Certificate;
use wardkey_verifier::person::VerifiedPerson;

use super::calendar;
use crate::failure::Failure;
use crate::laptop::Laptop;
use crate::trust_file::Trusted;

/// Where pcscd listens unless the environment says otherwise.
const PCSCD: &str = "/run/pcscd/pcscd.comm";

/// The security key itself.
pub(super) const WHAT: &str = "security key";

/// Looks at all of them. A security key need not be in; how many are is given back.
pub(super) fn look(
    trusted: Option<&Trusted>,
    laptop: Option<&Laptop>,
    findings: &mut Vec<Finding>,
) -> usize {
    let looked = Readers::connect().and_then(|readers| readers.look());
    let readers = match looked {
        Ok(readers) => readers,
        Err(error) => {
            findings.push(Finding::failed("readers", &Failure::from(error)));
            return 0;
        }
    };
    let tokens: Vec<_> = readers
        .iter()
        .filter_map(|reader| match &reader.content {
            Content::Token(token) => Some(token),
            Content::Empty | Content::Busy | Content::Other => None,
        })
        .collect();
    let busy = readers
        .iter()
        .filter(|reader| reader.content == Content::Busy)
        .count();
    let line = format!("{} readers, {} security keys", readers.len(), tokens.len());
    findings.push(if busy == 0 {
        Finding::good("readers", line)
    } else {
        let found = format!("{line}, {busy} held by another program");
        Finding::warning(
            "readers",
            found,
            "the agent itself, or close the other program",
        )
    });
    findings.push(look_at_socket(pcscd_socket()));
    for token in &tokens {
        match Token::open(&token.reader) {
            Ok(token) => look_at_token(&token, trusted, laptop, findings),
            Err(error) => findings.push(Finding::failed(WHAT, &Failure::from(error))),
        }
    }
    tokens.len()
}

/// The socket that libpcsclite uses by itself.
fn pcscd_socket() -> PathBuf {
    std::env::var_os("PCSCLITE_CSOCK_NAME").map_or_else(|| PCSCD.into(), PathBuf::from)
}

/// A PIN and a touch can be hijacked by whoever else may speak to the security key.
fn look_at_socket(socket: PathBuf) -> Finding {
    const WHAT: &str = "smart card service";
    let place = socket.display();
    match socket.metadata() {
        Ok(metadata) if metadata.mode() & 0o002 == 0 => {
            Finding::good(WHAT, format!("`{place}` is not open to every user"))
        }
        Ok(metadata) => Finding::warning(
            WHAT,
            format!(
                "every user of this laptop may open `{place}` (mode {:o})",
                metadata.mode() & 0o777
            ),
            "let the agent's user alone in: SocketMode=0600 and SocketUser= in pcscd.socket",
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Finding::good(WHAT, format!("it answers, and not at `{place}`"))
        }
        Err(error) => Finding::failed(WHAT, &Failure::file(&socket, "cannot be looked at")(error)),
    }
}

fn look_at_token(
    token: &Token,
    trusted: Option<&Trusted>,
    laptop: Option<&Laptop>,
    findings: &mut Vec<Finding>,
) {
    let line = format!("serial {}, firmware {}", token.serial(), token.firmware());
    let floor = trusted.map(|trusted| {
        let floor = trusted.trust().bundle().policy_floor();
        floor.oldest_token_firmware
    });
    findings.push(match floor {
        Some(oldest) if token.firmware() < oldest => {
            let found = token.firmware();
            let error = TokenError::FirmwareTooOld { found, oldest };
            Finding::failed(WHAT, &Failure::from(error))
        }
        Some(_) | None => Finding::good(WHAT, line),
    });
    findings.push(
        look_at_pin(token).unwrap_or_else(|error| Finding::failed("PIN", &Failure::from(error))),
    );
    findings.push(
        look_at_certificate(token, trusted, laptop)
            .unwrap_or_else(|failure| Finding::failed("security key's certificate", &failure)),
    );
}

fn look_at_pin(token: &Token) -> Result<Finding, TokenError> {
    const WHAT: &str = "PIN";
    let tries = token.pin_tries()?;
    if tries.left == 0 {
        return Ok(Finding::failed(
            WHAT,
            &Failure::from(TokenError::PinBlocked),
        ));
    }
    if token.defaults()?.pin {
        let wanted = "a PIN that its holder chose";
        let refusal = Refusal::new(Code::PinIsDefault, "the PIN it was sold with", wanted);
        return Ok(Finding::failed(WHAT, &Failure::refused(refusal)));
    }
    let line = format!("{} of {} tries left", tries.left, tries.total);
    Ok(if tries.left < tries.total {
        Finding::warning(WHAT, line, "the right PIN gives all tries back")
    } else {
        Finding::good(WHAT, line)
    })
}

fn look_at_certificate(
    token: &Token,
    trusted: Option<&Trusted>,
    laptop: Option<&Laptop>,
) -> Result<Finding, Failure> {
    const WHAT: &str = "security key's certificate";
    let Some(der) = token.find_certificate(Slot::Signature)? else {
        return Err(Failure::refused(Refusal::new(
            Code::KeyNotRecognised,
            "no certificate on it",
            "a security key that was enrolled",
        )));
    };
    let Some(trusted) = trusted else {
        let found = "cannot be judged without the trust bundle";
        return Ok(Finding::warning(WHAT, found, "see what is wrong above"));
    };
    let parsed = Certificate::parse(&der).map_err(|error| {
        let wanted = "an X.509 certificate in slot 9c";
        Failure::not_believed(Refusal::new(Code::CertificateMalformed, error, wanted))
    })?;
    // Judged as the agent would, without a calendar; its end is told by the calendar below.
    let now = trusted.trust().note().certainly_past;
    let now = now.max(parsed.validity().not_before);
    let person = VerifiedPerson::verify(&der, trusted.trust().bundle(), now)
        .map_err(Failure::not_believed)?;
    if let Some(laptop) = laptop {
        person.verify_site(&laptop.site).map_err(Failure::refused)?;
    }
    let known = format!("role {} at {}", person.role(), person.site());
    let renew = "ask your team lead to renew it";
    let until = person.valid_until();
    Ok(calendar::ending(
        WHAT,
        &known,
        until,
        calendar::now(),
        renew,
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixListener;

    use super::*;
    use wardkey_told::Health;

    #[test]
    fn a_smart_card_service_that_is_open_to_everybody_is_told() {
        let place = tempfile::tempdir().unwrap();
        let socket = place.path().join("pcscd.comm");
        let _listener = UnixListener::bind(&socket).unwrap();
        for (mode, health) in [
            (0o600, Health::Good),
            (0o660, Health::Good),
            (0o666, Health::Warning),
        ] {
            std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(look_at_socket(socket.clone()).health, health, "{mode:o}");
        }
    }
}
