//! Who sits there: what they are told, what they are asked, and whether they want to try again.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

use wardkey_schemas::names::TokenSerial;
use wardkey_token::enrolment::{CertifiedToken, NewToken};
use wardkey_token::pin_entry::{PinEntry, PinRequest};
use wardkey_token::{Pin, Readers};
use wardkey_told::on_one_line;

use super::LeadArguments;
use super::error::LeadError;

/// Tells the person something, at once.
///
/// # Errors
///
/// [`LeadError::Terminal`].
pub fn say(words: impl Display) -> Result<(), LeadError> {
    let mut out = io::stdout();
    writeln!(out, "{words}")
        .and_then(|()| out.flush())
        .map_err(LeadError::Terminal)
}

/// The token that is meant: the named one, or the only one that is plugged in.
///
/// # Errors
///
/// [`LeadError::NoToken`], [`LeadError::SeveralTokens`], [`LeadError::Token`].
pub fn choose_token(
    readers: &Readers,
    named: Option<TokenSerial>,
) -> Result<TokenSerial, LeadError> {
    if let Some(serial) = named {
        return Ok(serial);
    }
    let found: Vec<TokenSerial> = readers.tokens()?.iter().map(|token| token.serial).collect();
    match found.as_slice() {
        [only] => Ok(*only),
        [] => Err(LeadError::NoToken),
        [_, _, ..] => Err(LeadError::SeveralTokens { found }),
    }
}

/// The PIN that its holder chooses.
///
/// # Errors
///
/// [`LeadError::Pin`].
pub fn new_pin(arguments: &LeadArguments, serial: TokenSerial) -> Result<Pin, LeadError> {
    let mut entry = match arguments.new_pin_fd {
        Some(number) => PinEntry::descriptor(number)?,
        None => PinEntry::window(&arguments.pinentry),
    };
    let request = PinRequest {
        title: "A new security key",
        description: &format!(
            "Choose a PIN of six to eight digits for security key {serial} of {}.",
            arguments.name
        ),
        error: None,
    };
    Ok(entry.ask_new(&request)?)
}

/// Writes the certificate onto the token; if that fails for a reason that can be cured, as often as the
/// person wants.
///
/// # Errors
///
/// [`LeadError::Token`] if they give up.
pub fn write_certificate(
    mut token: NewToken,
    readers: &Readers,
    certificate: &[u8],
) -> Result<CertifiedToken, LeadError> {
    loop {
        match token.write_certificate(readers, certificate) {
            Ok(certified) => return Ok(certified),
            Err(not_certified) => {
                let error = LeadError::Token(not_certified.reason);
                if !wants_another_try(&error)? {
                    return Err(error);
                }
                token = not_certified.token;
            }
        }
    }
}

/// Has the person try the token out; if nobody touches it in time, as often as they want.
///
/// # Errors
///
/// [`LeadError::Message`] if they give up.
pub fn try_out(token: &CertifiedToken, readers: &Readers) -> Result<(), LeadError> {
    loop {
        say("The certificate is on the token. It is tried out: touch it when it blinks.")?;
        match token.try_out(readers, || ()) {
            Ok(()) => return Ok(()),
            Err(error) => {
                let error = LeadError::Message(error);
                if !wants_another_try(&error)? {
                    return Err(error);
                }
            }
        }
    }
}

/// Whether the person wants to try again what has just failed. Where nobody sits, nobody does.
///
/// # Errors
///
/// [`LeadError::Terminal`].
pub fn wants_another_try(error: &LeadError) -> Result<bool, LeadError> {
    let input = io::stdin();
    if !input.is_terminal() {
        return Ok(false);
    }
    say(format_args!(
        "{}.\nPress Enter to try again. Ctrl-C gives up, and the security key must be reset then.",
        on_one_line(error)
    ))?;
    let mut line = String::new();
    let read = input.read_line(&mut line).map_err(LeadError::Terminal)?;
    Ok(read > 0)
}
