//! Looking at the security key that is plugged in; giving and forgetting the permission to read.

use serde::Serialize;
use wardkey_schemas::ids::PersonId;
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::{Firmware, SiteCode, TokenSerial};
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Timestamp;
use wardkey_token::{Readers, Token};
use wardkey_told::{Exit, Report, Told as _};
use wardkey_verifier::person::VerifiedPerson;

use crate::clock;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::operator::{self, Operator};
use crate::text::Text;
use crate::times::Times;

/// A security key as a script reads it.
#[derive(Debug, Serialize)]
struct Shown {
    serial: TokenSerial,
    firmware: Firmware,
    reader: String,
    pin_is_default: bool,
    pin_tries_left: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<Certified>,
    /// Why its certificate is not believed, or cannot be judged now.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Report>,
}

#[derive(Debug, Serialize)]
struct Certified {
    person: PersonId,
    site: SiteCode,
    role: Role,
    key: Thumbprint,
    valid_until: Timestamp,
}

impl From<&VerifiedPerson> for Certified {
    fn from(person: &VerifiedPerson) -> Self {
        Self {
            person: person.person(),
            site: person.site().clone(),
            role: person.role(),
            key: person.thumbprint(),
            valid_until: person.valid_until(),
        }
    }
}

/// `wardkey key show`
pub(super) async fn key(desk: &mut Desk) -> Result<Exit, Failure> {
    let readers = Readers::connect()?;
    let token = operator::find_token(&readers, desk.settings.serial)?;
    let (defaults, tries) = (token.defaults()?, token.pin_tries()?);
    let (certificate, problem) = match certificate(desk, token.clone()).await {
        Ok(operator) => (Some(Certified::from(operator.person())), None),
        Err(failure) => (None, Some(failure)),
    };
    let shown = Shown {
        serial: token.serial(),
        firmware: token.firmware(),
        reader: token.reader().to_owned(),
        pin_is_default: defaults.pin,
        pin_tries_left: tries.left,
        certificate,
        problem: problem.as_ref().map(Report::from),
    };
    let text = words(&shown, &desk.times);
    desk.output.data(&text, &shown)?;
    if let Some(problem) = &problem {
        desk.output.talk(&Report::from(problem).to_string());
    }
    Ok(problem.map_or(Exit::Done, |problem| problem.exit()))
}

async fn certificate(desk: &mut Desk, token: Token) -> Result<Operator, Failure> {
    let bundle = desk.bundle().await?;
    Operator::verify(token, &bundle, &desk.settings.site, clock::now())
}

fn words(shown: &Shown, times: &Times) -> String {
    let mut text = Text::default();
    let mut line = |what: &str, found: String| text.line(format_args!("{what:<12} {found}"));
    line("serial", shown.serial.to_string());
    line("firmware", shown.firmware.to_string());
    line("reader", wardkey_told::shown(&shown.reader));
    let pin = if shown.pin_is_default {
        "still the one it was sold with: it opens nothing".to_owned()
    } else {
        format!("{} tries left", shown.pin_tries_left)
    };
    line("PIN", pin);
    match &shown.certificate {
        Some(certified) => {
            line("site", certified.site.to_string());
            line("role", certified.role.to_string());
            line("person", certified.person.to_string());
            line("key", certified.key.to_string());
            line("good until", times.both(certified.valid_until));
        }
        None => line("certificate", "none that can be believed now".to_owned()),
    }
    text.done()
}

/// `wardkey login`
pub(super) async fn login(desk: &mut Desk) -> Result<Exit, Failure> {
    let (permission, kept) = desk.login().await?;
    let until = desk.times.both(permission.ends_at());
    let text = format!(
        "this program may read as role {} with security key {} until {until}\n",
        permission.role(),
        permission.serial()
    );
    if !kept {
        desk.output
            .talk("there is no file to keep it in, so it ends now");
    }
    let json = serde_json::json!({
        "serial": permission.serial(),
        "role": permission.role(),
        "ends_at": permission.ends_at(),
        "kept": kept,
    });
    desk.output.data(&text, &json)?;
    Ok(Exit::Done)
}

/// `wardkey logout`
pub(super) fn logout(desk: &mut Desk) -> Result<Exit, Failure> {
    let forgotten = desk.logout()?;
    let text = if forgotten {
        "the permission to read is forgotten\n"
    } else {
        "there was no permission to read\n"
    };
    let json = serde_json::json!({ "forgotten": forgotten });
    desk.output.data(text, &json)?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown() -> Shown {
        Shown {
            serial: TokenSerial::new(33_162_554),
            firmware: Firmware {
                major: 5,
                minor: 7,
                patch: 4,
            },
            reader: "Yubico YubiKey 00 00".into(),
            pin_is_default: false,
            pin_tries_left: 5,
            certificate: Some(Certified {
                person: PersonId::from_bytes([1; 16]),
                site: "hmp-xyz".parse().unwrap(),
                role: Role::Lead,
                key: Thumbprint::new([2; 32]),
                valid_until: "2027-11-22T14:02:07Z".parse().unwrap(),
            }),
            problem: None,
        }
    }

    #[test]
    fn a_security_key_says_whose_it_is_for_what_and_until_when() {
        assert_eq!(
            words(&shown(), &Times::of("GMT0")),
            "\
serial       33162554
firmware     5.7.4
reader       Yubico YubiKey 00 00
PIN          5 tries left
site         hmp-xyz
role         lead
person       01010101-0101-0101-0101-010101010101
key          AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI
good until   2027-11-22T14:02:07Z (14:02:07 GMT)
"
        );
    }

    #[test]
    fn one_from_the_factory_says_that_it_opens_nothing() {
        let shown = Shown {
            pin_is_default: true,
            certificate: None,
            ..shown()
        };
        let text = words(&shown, &Times::of("GMT0"));
        assert!(text.contains("it opens nothing"), "{text}");
        assert!(text.contains("none that can be believed"), "{text}");
    }
}
