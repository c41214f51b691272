//! Makes a new key in a token that nobody used before.
//!
//! The order is that of the protocol "staff enrolment with a security key": numbers of tries
//! first (setting them puts PIN and PUK back to factory values), then the holder's PIN, a PUK and
//! a management key that nobody will know, then the key, then its attestation. What is written
//! after that takes the management key, so [`Provisioning`] keeps it, in memory only, until the
//! certificate is there.
//!
//! Management key, key pair, attestation and objects go through the crate `yubikey`; PIN and PUK
//! through [`Exclusive`], because that crate keeps an unwiped copy of every PIN it is given.

use std::fmt;

use wardkey_schemas::names::{Firmware, TokenSerial};
use zeroize::Zeroizing;

use crate::apdu::{Command, Status};
use crate::error::TokenError;
use crate::exclusive::Exclusive;
use crate::limits::{MOST_TRIES, PIN_TRIES, PUK_TRIES};
use crate::metadata::{Defaults, KeyMetadata};
use crate::pin::Pin;
use crate::readers::Readers;
use crate::slot::{ObjectId, Slot};
use crate::token::Token;

mod library;
mod public_key;
mod written;

use self::library::{Administrator, Library};
pub use self::written::{NotWritten, Provisioning};

/// AES management keys came with this firmware.
const WITH_AES: Firmware = Firmware {
    major: 5,
    minor: 4,
    patch: 2,
};

/// The randomness of one provisioning: 48 octets, which become a PUK, a management key and the
/// GUID of the card holder identifier.
pub struct ProvisioningSecrets {
    puk: Zeroizing<[u8; 8]>,
    management_key: Zeroizing<[u8; 24]>,
    guid: [u8; 16],
}

impl ProvisioningSecrets {
    /// How many octets are needed.
    pub const SIZE: usize = 48;

    /// Takes octets from a cryptographic generator; they must not be used for anything else.
    pub fn new(random: &Zeroizing<[u8; Self::SIZE]>) -> Self {
        let mut octets = random.iter().copied();
        let mut secrets = Self {
            puk: Zeroizing::new([0; 8]),
            management_key: Zeroizing::new([0; 24]),
            guid: [0; 16],
        };
        let Self {
            puk,
            management_key,
            guid,
        } = &mut secrets;
        // 64 of the printable characters, 0 to o: 48 bits, and a PUK that every tool can send.
        let printable = octets
            .by_ref()
            .map(|octet| b'0'.saturating_add(octet & 0x3f));
        puk.iter_mut()
            .zip(printable)
            .for_each(|(to, from)| *to = from);
        let rest = management_key.iter_mut().chain(guid.iter_mut());
        rest.zip(random.iter().skip(8))
            .for_each(|(to, from)| *to = *from);
        secrets
    }
}

impl fmt::Debug for ProvisioningSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProvisioningSecrets(..)")
    }
}

/// What to do with a token that somebody used before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WhenUsed {
    /// Leave it as it is: [`TokenError::AlreadyUsed`].
    Refuse,
    /// Reset its PIV application: every key, certificate and PIN on it is lost for ever.
    Reset,
}

/// A key that was just made, and what the token shows for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewKey {
    /// The token's serial number, as it says.
    pub serial: TokenSerial,
    /// The token's firmware, as it says.
    pub firmware: Firmware,
    /// The slot it is in.
    pub slot: Slot,
    /// `SubjectPublicKeyInfo`, DER.
    pub spki: Vec<u8>,
    /// The attestation statement for it, a certificate, DER.
    pub attestation: Vec<u8>,
    /// The certificate of the token's attestation key, DER.
    pub f9_certificate: Vec<u8>,
    /// What the token says of the key.
    pub metadata: KeyMetadata,
    /// Which of the token's secrets are still the factory's: none.
    pub defaults: Defaults,
}

/// Prepares token `serial` and makes a P-256 key in slot 9C, PIN *always* and touch *always*.
///
/// `pin` is the holder's choice. No touch is needed. If anything fails on the way, the token is
/// left neither clean nor usable, and takes [`WhenUsed::Reset`] the next time.
///
/// # Errors
///
/// [`TokenError::TrivialPin`] and [`TokenError::FirmwareTooOld`] (before 5.4.2) before anything is
/// changed; [`TokenError::AlreadyUsed`] if it may not be reset; [`TokenError::Busy`] while another
/// program is connected to it.
pub fn provision(
    readers: &Readers,
    serial: TokenSerial,
    pin: &Pin,
    secrets: ProvisioningSecrets,
    when_used: WhenUsed,
) -> Result<(NewKey, Provisioning), TokenError> {
    if pin.is_trivial() {
        return Err(TokenError::TrivialPin);
    }
    let token = Token::open_by_serial(readers, serial)?;
    let found = token.firmware();
    if found < WITH_AES {
        return Err(TokenError::FirmwareTooOld {
            found,
            oldest: WITH_AES,
        });
    }
    match (find_trace_of_use(&token)?, when_used) {
        (None, _) => {}
        (Some(what), WhenUsed::Refuse) => return Err(TokenError::AlreadyUsed { what }),
        (Some(_), WhenUsed::Reset) => reset(&token)?,
    }
    let slot = Slot::Signature;
    let ProvisioningSecrets {
        puk,
        management_key,
        guid,
    } = secrets;

    let mut library = Library::open(&token)?;
    library.authenticate(&Administrator::Factory)?;
    library.set_tries(PIN_TRIES, PUK_TRIES)?;
    drop(library);

    let mut exclusive = Exclusive::open(&token)?;
    exclusive.change_factory_pin(pin)?;
    exclusive.change_puk(&FACTORY_PUK.into(), &puk)?;
    drop(exclusive);

    let administrator = Administrator::Random(management_key);
    let mut library = Library::open(&token)?;
    library.authenticate(&Administrator::Factory)?;
    library.set_management_key(&administrator)?;
    let public = library.generate(slot)?;
    let attestation = library.attest(slot)?;
    drop(library);

    let key = NewKey {
        serial,
        firmware: token.firmware(),
        slot,
        spki: public.spki(),
        attestation,
        f9_certificate: f9_certificate(&token)?,
        metadata: token.find_key(slot)?.ok_or(TokenError::NoKey { slot })?,
        defaults: token.defaults()?,
    };
    let provisioning = Provisioning::new(&token, administrator, guid, slot, public);
    Ok((key, provisioning))
}

/// 12345678.
const FACTORY_PUK: [u8; 8] = *b"12345678";

/// Finds something that a token has not when it comes from the factory.
fn find_trace_of_use(token: &Token) -> Result<Option<&'static str>, TokenError> {
    let defaults = token.defaults()?;
    let pin = token.pin_tries()?;
    let puk = token.puk_tries()?;
    let mut has_key = false;
    let mut has_certificate = false;
    for slot in [Slot::Authentication, Slot::Signature] {
        has_key |= token.find_key(slot)?.is_some();
        has_certificate |= token.find_object(slot.certificate_object())?.is_some();
    }
    let traces = [
        (!defaults.pin, "its PIN was changed"),
        (!defaults.puk, "its PUK was changed"),
        (!defaults.management_key, "its management key was changed"),
        (pin.left < pin.total, "its PIN was entered wrongly"),
        (puk.left < puk.total, "its PUK was entered wrongly"),
        (has_key, "it holds a key"),
        (has_certificate, "it holds a certificate"),
    ];
    Ok(traces
        .into_iter()
        .find(|(is_there, _)| *is_there)
        .map(|(_, what)| what))
}

/// Puts the PIV application back to factory state, which a token does only once PIN and PUK are
/// blocked.
fn reset(token: &Token) -> Result<(), TokenError> {
    // Octets that are no digits, so that they are nobody's PIN.
    const NOBODYS: [u8; 16] = [0xff; 16];
    let (one, two) = (NOBODYS.as_slice(), NOBODYS.get(..8).unwrap_or_default());
    let mut exclusive = Exclusive::open(token)?;
    block(
        &mut exclusive,
        "block PIN",
        &Command::new(0x20, 0x00, 0x80).with(two),
    )?;
    block(
        &mut exclusive,
        "block PUK",
        &Command::new(0x2c, 0x00, 0x80).with(one),
    )?;
    match exclusive.exchange("reset", &Command::new(0xfb, 0x00, 0x00))? {
        Status::SUCCESS => Ok(()),
        Status(status) => Err(TokenError::Answered {
            step: "reset",
            status,
        }),
    }
}

/// Repeats a wrong answer until there are no tries left.
fn block(
    exclusive: &mut Exclusive,
    step: &'static str,
    wrong: &Command<'_>,
) -> Result<(), TokenError> {
    let mut status = Status::SUCCESS;
    for _ in 0..MOST_TRIES {
        status = exclusive.exchange(step, wrong)?;
        match status.tries_left() {
            Some(0) => return Ok(()),
            Some(_) => {}
            None => break,
        }
    }
    Err(TokenError::Answered {
        step,
        status: status.0,
    })
}

fn f9_certificate(token: &Token) -> Result<Vec<u8>, TokenError> {
    const STEP: &str = "read the attestation certificate";
    token
        .find_object(ObjectId::F9_CERTIFICATE)?
        .and_then(|object| crate::tlv::find(&object, 0x70).map(<[u8]>::to_vec))
        .ok_or(TokenError::Malformed { step: STEP })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_of_randomness_is_used_once() {
        let random: [u8; 48] = std::array::from_fn(|index| u8::try_from(index).unwrap());
        let secrets = ProvisioningSecrets::new(&random.into());
        assert_eq!(*secrets.puk, *b"01234567");
        assert_eq!(secrets.management_key.as_slice(), &random[8..32]);
        assert_eq!(secrets.guid, random[32..]);
    }

    #[test]
    fn a_puk_is_printable_whatever_the_randomness() {
        for octet in 0..=u8::MAX {
            let secrets = ProvisioningSecrets::new(&[octet; 48].into());
            assert!(secrets.puk.iter().all(u8::is_ascii_graphic), "{octet}");
        }
    }

    #[test]
    fn secrets_do_not_print() {
        let secrets = ProvisioningSecrets::new(&[7; 48].into());
        assert_eq!(format!("{secrets:?}"), "ProvisioningSecrets(..)");
    }
}
