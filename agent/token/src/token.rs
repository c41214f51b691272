//! A token to read from: certificates and what it says of itself, without any PIN.

use pcsc::ShareMode;
use wardkey_schemas::names::{Firmware, TokenSerial};

use crate::apdu::{Command, Status};
use crate::card::{Connection, Talk};
use crate::error::TokenError;
use crate::metadata::{Defaults, KeyMetadata, SecretMetadata, Tries};
use crate::readers::{Readers, TokenInfo};
use crate::slot::{ObjectId, Slot};
use crate::tlv;

/// A token that was seen in a reader.
///
/// Nothing is held open: each question connects, keeps other programs waiting while it is
/// answered, and makes sure that the same token is still there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Token {
    info: TokenInfo,
}

/// GET METADATA came with this firmware.
const WITH_METADATA: Firmware = Firmware {
    major: 5,
    minor: 3,
    patch: 0,
};

/// Key references of secrets.
const PIN: u8 = 0x80;
const PUK: u8 = 0x81;
const MANAGEMENT_KEY: u8 = 0x9b;

impl Token {
    /// Sees which token is in `reader`.
    ///
    /// # Errors
    ///
    /// [`TokenError::NotAYubiKey`], [`TokenError::Busy`], [`TokenError::Removed`] if the reader is
    /// empty or gone.
    pub fn open(reader: &str) -> Result<Self, TokenError> {
        let who =
            Connection::open(reader, ShareMode::Shared)?.talk_alone(|mut talk| talk.select())?;
        let reader = reader.to_owned();
        Ok(Self {
            info: TokenInfo {
                reader,
                serial: who.serial,
                firmware: who.firmware,
            },
        })
    }

    /// Finds token `serial` in any reader.
    ///
    /// # Errors
    ///
    /// [`TokenError::NotPluggedIn`]; [`TokenError::Busy`] if it may be the one that another
    /// program holds.
    pub fn open_by_serial(readers: &Readers, serial: TokenSerial) -> Result<Self, TokenError> {
        Self::open(&readers.find(serial)?)
    }

    /// Reader, serial number and firmware.
    pub fn info(&self) -> TokenInfo {
        self.info.clone()
    }

    /// The reader it was seen in.
    pub fn reader(&self) -> &str {
        &self.info.reader
    }

    /// Its serial number.
    pub const fn serial(&self) -> TokenSerial {
        self.info.serial
    }

    /// Its firmware.
    pub const fn firmware(&self) -> Firmware {
        self.info.firmware
    }

    /// Finds the certificate of `slot`, DER; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`TokenError::Malformed`] if what is there is not an uncompressed certificate.
    pub fn find_certificate(&self, slot: Slot) -> Result<Option<Vec<u8>>, TokenError> {
        const STEP: &str = "read certificate";
        let Some(object) = self.find_object(slot.certificate_object())? else {
            return Ok(None);
        };
        // SP 800-73-4 part 1, table 10: bit 1 of CertInfo says that it is compressed.
        let is_plain = !matches!(tlv::find(&object, 0x71), Some([info, ..]) if info & 1 == 1);
        match tlv::find(&object, 0x70) {
            Some(certificate @ [_, ..]) if is_plain => Ok(Some(certificate.to_vec())),
            _ => Err(TokenError::Malformed { step: STEP }),
        }
    }

    /// What it says of the key in `slot`; `None` if there is no key.
    ///
    /// # Errors
    ///
    /// [`TokenError::FirmwareTooOld`] before 5.3.
    pub fn find_key(&self, slot: Slot) -> Result<Option<KeyMetadata>, TokenError> {
        self.ask(|talk| find_key(talk, slot))
    }

    /// How often the PIN may be wrong.
    ///
    /// # Errors
    ///
    /// [`TokenError::FirmwareTooOld`] before 5.3.
    pub fn pin_tries(&self) -> Result<Tries, TokenError> {
        self.ask(|talk| tries(talk, PIN))
    }

    /// How often the PUK may be wrong.
    ///
    /// # Errors
    ///
    /// [`TokenError::FirmwareTooOld`] before 5.3.
    pub fn puk_tries(&self) -> Result<Tries, TokenError> {
        self.ask(|talk| tries(talk, PUK))
    }

    /// Which secrets are still the factory's.
    ///
    /// # Errors
    ///
    /// [`TokenError::FirmwareTooOld`] before 5.3.
    pub fn defaults(&self) -> Result<Defaults, TokenError> {
        self.ask(|talk| {
            Ok(Defaults {
                pin: secret(talk, PIN)?.is_default,
                puk: secret(talk, PUK)?.is_default,
                management_key: secret(talk, MANAGEMENT_KEY)?.is_default,
            })
        })
    }

    /// Finds the content of a data object; `None` if there is none.
    pub(crate) fn find_object(&self, id: ObjectId) -> Result<Option<Vec<u8>>, TokenError> {
        const STEP: &str = "read object";
        self.ask(|talk| {
            let ObjectId(tag) = id;
            let data = tlv::element(0x5c, &tag);
            let command = Command::new(0xcb, 0x3f, 0xff).with(&data);
            let answer = match talk.exchange(STEP, &command)? {
                (answer, Status::SUCCESS) => answer,
                (_, Status::NOT_FOUND) => return Ok(None),
                (_, Status(status)) => return Err(TokenError::Answered { step: STEP, status }),
            };
            let content = tlv::find(&answer, 0x53).ok_or(TokenError::Malformed { step: STEP })?;
            Ok((!content.is_empty()).then(|| content.to_vec()))
        })
    }

    fn ask<R>(
        &self,
        question: impl FnOnce(&mut Talk<'_>) -> Result<R, TokenError>,
    ) -> Result<R, TokenError> {
        let serial = self.serial();
        Connection::open(self.reader(), ShareMode::Shared)?.talk_alone(|mut talk| {
            talk.select_expecting(serial)?;
            question(&mut talk)
        })
    }
}

/// What the token says of the key in `slot`.
pub(crate) fn find_key(talk: &mut Talk<'_>, slot: Slot) -> Result<Option<KeyMetadata>, TokenError> {
    const STEP: &str = "read metadata of a key";
    match metadata(talk, STEP, slot.reference())? {
        None => Ok(None),
        Some(answer) => KeyMetadata::parse(&answer)
            .map(Some)
            .ok_or(TokenError::Malformed { step: STEP }),
    }
}

fn tries(talk: &mut Talk<'_>, reference: u8) -> Result<Tries, TokenError> {
    secret(talk, reference)?
        .tries
        .ok_or(TokenError::Malformed { step: SECRET })
}

const SECRET: &str = "read metadata of a secret";

fn secret(talk: &mut Talk<'_>, reference: u8) -> Result<SecretMetadata, TokenError> {
    metadata(talk, SECRET, reference)?
        .and_then(|answer| SecretMetadata::parse(&answer))
        .ok_or(TokenError::Malformed { step: SECRET })
}

fn metadata(
    talk: &mut Talk<'_>,
    step: &'static str,
    reference: u8,
) -> Result<Option<Vec<u8>>, TokenError> {
    match talk.exchange(step, &Command::new(0xf7, 0x00, reference))? {
        (answer, Status::SUCCESS) => Ok(Some(answer)),
        (_, Status::REFERENCE_NOT_FOUND) => Ok(None),
        (_, Status::UNKNOWN_INSTRUCTION) => {
            let found = talk.select()?.firmware;
            Err(TokenError::FirmwareTooOld {
                found,
                oldest: WITH_METADATA,
            })
        }
        (_, Status(status)) => Err(TokenError::Answered { step, status }),
    }
}
