//! Enrolling a security key: the new one makes its key, the operator's vouches for it, the site's
//! authority certifies it, and it waits to be confirmed on another screen.
//!
//! Two readers do, and so does one: whenever a security key is needed that is not there, the program
//! says which one to plug in.

mod authority;
mod keys;

use std::time::Duration;

use serde::Serialize;
use wardkey_edge::client::Client;
use wardkey_schemas::Code;
use wardkey_schemas::ids::PersonId;
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::key_enrolment::{Consent, Holder, KeyHello, Voucher};
use wardkey_schemas::names::{SiteCode, TokenSerial};
use wardkey_schemas::phrase::Phrase;
use wardkey_schemas::role::Role;
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::time::Timestamp;
use wardkey_token::enrolment::{NewToken, Proof};
use wardkey_token::pin_entry::PinRequest;
use wardkey_token::{Readers, WhenUsed};
use wardkey_told::Exit;
use wardkey_verifier::bundle::VerifiedBundle;

use self::authority::{Authority, Certified, Opened};
use self::keys::{Both, find_both, is_own};
use crate::cli::Enrol;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::operator::with_touch;
use crate::output::Output;
use crate::plugging::await_token;
use crate::times::Times;
use crate::{clock, pins, random, trust};

/// How often the signing is begun anew when people took longer than the authority waits.
const ROUNDS: u32 = 3;

/// How long the authority may take: it asks keyd twice.
const AUTHORITY: Duration = Duration::from_mins(1);

/// Answers that say: it took too long, begin again.
const TOO_LATE: &[Code] = &[Code::NonceExpired, Code::RegistrationUnknown];

/// What was enrolled, as a script reads it.
#[derive(Debug, Serialize)]
struct Enrolled {
    serial: TokenSerial,
    key: Thumbprint,
    person: PersonId,
    site: SiteCode,
    role: Role,
    phrase: Phrase,
    state: ObjectState,
    valid_until: Timestamp,
}

/// `wardkey key enrol`; `new_serial` is what `--serial` named.
pub(super) async fn enrol(
    desk: &mut Desk,
    enrol: Enrol,
    new_serial: Option<TokenSerial>,
) -> Result<Exit, Failure> {
    let Some(endpoint) = &desk.settings.ca else {
        return Err(Failure::usage(
            "the settings do not say where the site's authority is",
            "add `[ca] url = …` to them, or --ca-url",
        ));
    };
    if let Some(serial) = enrol.voucher_serial.filter(|own| Some(*own) == new_serial) {
        return Err(is_own(serial));
    }
    let authority = Authority::new(Client::new(endpoint)?, AUTHORITY);
    let mut new_pins = pins::entry(enrol.new_pin_fd, &desk.settings.pinentry)?;
    let bundle = desk.bundle().await?;
    let service = trust::fetch_service_keys(&desk.keyd, &bundle, clock::now()).await?;
    let voucher_serial = enrol.voucher_serial.or(desk.settings.serial);
    let readers = Readers::connect()?;
    let Both { voucher, new } = find_both(
        &readers,
        desk,
        &bundle,
        voucher_serial.filter(|serial| Some(*serial) != new_serial),
        new_serial,
    )?;
    let serial = new.serial();
    let when_used = if enrol.reset {
        desk.make_sure(&format!(
            "everything on security key {serial} is lost for ever: every key, certificate and PIN"
        ))?;
        WhenUsed::Reset
    } else {
        WhenUsed::Refuse
    };
    let hello = hello(&enrol, voucher.certificate())?;
    let pin = new_pins.ask_new(&PinRequest {
        title: "Wardkey",
        description: &format!("A new PIN for security key {serial}, chosen by its holder"),
        error: None,
    })?;
    // Whether the authority would have it at all, before anything on the new one is changed.
    let mut opened = authority
        .open(&hello, &service, &desk.settings.site)
        .await?;
    desk.output
        .talk(&format!("making a key on security key {serial} …"));
    let token = NewToken::provision(
        &readers,
        serial,
        pin,
        random::provisioning_secrets()?,
        when_used,
    )?;
    let mut round = 1;
    let (proof, certified) = loop {
        let signed = sign(desk, &readers, &token, &voucher, &opened, enrol.role);
        let (proof, consent) = signed?;
        let completion = token.completion(&proof, consent);
        match authority.complete(&opened, completion, &service).await {
            Ok(certified) => break (proof, certified),
            Err(failure) if round < ROUNDS && failure.is_refused_with(TOO_LATE) => {
                round = round.saturating_add(1);
                desk.output
                    .talk("it took longer than the authority waits: once more, please");
                opened = authority
                    .open(&hello, &service, &desk.settings.site)
                    .await?;
            }
            Err(failure) => return Err(failure),
        }
    };
    let enrolled = judged(&certified, &token, &proof, &bundle)?;
    finish(desk.output, &readers, token, &certified)?;
    desk.output
        .data(&words(&enrolled, &desk.times), &enrolled)?;
    Ok(Exit::Done)
}

fn hello(enrol: &Enrol, certificate: &[u8]) -> Result<KeyHello, Failure> {
    let holder = match (&enrol.name, enrol.person) {
        (Some(name), None) => Holder::New { name: name.clone() },
        (None, Some(person)) => Holder::Known { person },
        (Some(_), Some(_)) | (None, None) => {
            return Err(Failure::usage(
                "the security key has one holder",
                "say who with --name, or with --person for somebody who has a key already",
            ));
        }
    };
    Ok(KeyHello {
        holder,
        role: enrol.role,
        voucher: Voucher::Person {
            certificate: certificate.into(),
        },
    })
}

/// The new key proves itself, then the operator's key vouches for it.
fn sign(
    desk: &mut Desk,
    readers: &Readers,
    token: &NewToken,
    voucher: &crate::operator::Operator,
    opened: &Opened,
    role: Role,
) -> Result<(Proof, Consent), Failure> {
    let output = desk.output;
    let new = token.made().serial;
    await_token(
        readers,
        &format!("the new security key {new}"),
        output,
        |found| found.serial == new,
    )?;
    output.talk(&format!(
        "its holder touches security key {new}: it proves itself"
    ));
    let proof = with_touch(new, output, |waiting| {
        token.prove(readers, opened.challenge(), opened.offer(), role, waiting)
    })?;
    let own = voucher.token().serial();
    let back = await_token(
        readers,
        &format!("your own security key {own}"),
        output,
        |found| found.serial == own,
    )?;
    output.talk(&format!(
        "you vouch for security key {new} with your own, {own}"
    ));
    let approval = proof.approval(voucher.person().thumbprint());
    let approval = voucher
        .at(back)
        .unlock(desk.pins(), &format!("vouch for security key {new}"))?
        .sign(&approval, output)?;
    Ok((proof, Consent::Person { approval }))
}

/// What was certified is what was asked for: verified before it is written.
fn judged(
    certified: &Certified,
    token: &NewToken,
    proof: &Proof,
    bundle: &VerifiedBundle,
) -> Result<Enrolled, Failure> {
    let person = certified.verify(token.key(), proof.said(), bundle, clock::now())?;
    Ok(Enrolled {
        serial: token.made().serial,
        key: person.thumbprint(),
        person: person.person(),
        site: person.site().clone(),
        role: person.role(),
        phrase: proof.phrase(),
        state: ObjectState::Pending,
        valid_until: person.valid_until(),
    })
}

/// Writes the certificate onto the new key and tries it out.
fn finish(
    output: Output,
    readers: &Readers,
    mut token: NewToken,
    certified: &Certified,
) -> Result<(), Failure> {
    let new = token.made().serial;
    let wanted = format!("the new security key {new}");
    let certified = loop {
        await_token(readers, &wanted, output, |found| found.serial == new)?;
        match token.write_certificate(readers, certified.certificate()) {
            Ok(certified) => break certified,
            // What it takes to write is in this program's memory only, so it is tried again.
            Err(not) if not.reason.is_gone() => {
                output.talk("it was taken out too early");
                token = not.token;
            }
            Err(not) => return Err(not.reason.into()),
        }
    };
    output.talk("its holder tries it out");
    with_touch(new, output, |waiting| certified.try_out(readers, waiting))
}

fn words(enrolled: &Enrolled, times: &Times) -> String {
    let Enrolled {
        serial,
        site,
        role,
        phrase,
        ..
    } = enrolled;
    format!(
        "security key {serial} is enrolled for role {role} at {site}, until {until}\n\
         \n\
         \x20   {phrase}\n\
         \n\
         It opens nothing yet: a team lead or security officer confirms these four words on\n\
         another screen with\n\
         \x20 wardkey confirm key {serial} --phrase \"{phrase}\"\n",
        until = times.both(enrolled.valid_until),
    )
}

#[cfg(test)]
mod tests {
    use wardkey_schemas::bytes::Sha256;

    use super::*;

    #[test]
    fn the_four_words_stand_alone_with_what_to_do_with_them() {
        let phrase = Phrase::of(&Sha256::of(b"possession"));
        let enrolled = Enrolled {
            serial: TokenSerial::new(33_162_554),
            key: Thumbprint::new([1; 32]),
            person: PersonId::from_bytes([2; 16]),
            site: "hmp-xyz".parse().unwrap(),
            role: Role::Staff,
            phrase: phrase.clone(),
            state: ObjectState::Pending,
            valid_until: "2027-11-22T14:02:07Z".parse().unwrap(),
        };
        let text = words(&enrolled, &Times::of("GMT0"));
        assert!(
            text.lines().any(|line| line.trim() == phrase.as_str()),
            "{text}"
        );
        let command = format!("  wardkey confirm key 33162554 --phrase \"{phrase}\"");
        assert!(text.lines().any(|line| line == command), "{text}");
    }
}
