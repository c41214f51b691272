//! Which of the security keys is the operator's, and which is the new one.

use wardkey_schemas::names::TokenSerial;
use wardkey_token::{Readers, Token, TokenInfo};
use wardkey_verifier::bundle::VerifiedBundle;

use crate::clock;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::operator::Operator;
use crate::plugging::await_token;

/// The operator with their own security key, and the new one.
#[derive(Debug)]
pub(super) struct Both {
    pub(super) voucher: Operator,
    pub(super) new: Token,
}

/// Finds both, by serial number where one was named; else the operator's is the only one that is
/// certified for the site, and the new one is the other.
pub(super) fn find_both(
    readers: &Readers,
    desk: &Desk,
    bundle: &VerifiedBundle,
    voucher_serial: Option<TokenSerial>,
    new_serial: Option<TokenSerial>,
) -> Result<Both, Failure> {
    let verify = |token: Token| Operator::verify(token, bundle, &desk.settings.site, clock::now());
    let voucher = if let Some(serial) = voucher_serial {
        let wanted = format!("your own security key {serial}");
        let found = await_token(readers, &wanted, desk.output, |token| {
            token.serial == serial
        })?;
        verify(found)?
    } else {
        let is_voucher = |token: &TokenInfo| {
            Some(token.serial) != new_serial
                && Token::open(&token.reader).is_ok_and(|token| verify(token).is_ok())
        };
        let certified = readers
            .tokens()?
            .iter()
            .filter(|token| is_voucher(token))
            .count();
        if certified > 1 {
            return Err(Failure::usage(
                "several security keys of your site are plugged in",
                "name your own with --voucher-serial and the new one with --serial",
            ));
        }
        let wanted = "your own security key";
        verify(await_token(readers, wanted, desk.output, is_voucher)?)?
    };
    let own = voucher.token().serial();
    let new = match new_serial {
        Some(serial) if serial == own => return Err(is_own(serial)),
        Some(serial) => {
            let wanted = format!("the new security key {serial}");
            await_token(readers, &wanted, desk.output, |token| {
                token.serial == serial
            })?
        }
        None => {
            let others = readers.tokens()?.iter().filter(|t| t.serial != own).count();
            if others > 1 {
                return Err(Failure::usage(
                    "several security keys besides your own are plugged in",
                    "name the new one with --serial",
                ));
            }
            await_token(readers, "the new security key", desk.output, |token| {
                token.serial != own
            })?
        }
    };
    Ok(Both { voucher, new })
}

/// Nobody enrols the security key with which they vouch.
pub(super) fn is_own(serial: TokenSerial) -> Failure {
    Failure::usage(
        format!("security key {serial} is your own"),
        "name the new one with --serial",
    )
}
