//! The last step: the certificate goes onto the token, and the management key into oblivion.

use std::fmt;

use wardkey_schemas::names::TokenSerial;

use super::library::{Administrator, Library};
use super::public_key::PublicKey;
use crate::chuid::chuid;
use crate::error::TokenError;
use crate::readers::Readers;
use crate::slot::{ObjectId, Slot};
use crate::tlv;
use crate::token::Token;

/// A provisioned token that waits for its certificate.
///
/// It holds the management key, which nobody else knows and nothing stores: dropped without
/// [`Self::write_certificate`], the token can be used (the certificate is also kept elsewhere)
/// but never be administered again without a reset.
pub struct Provisioning {
    serial: TokenSerial,
    administrator: Administrator,
    guid: [u8; 16],
    slot: Slot,
    key: PublicKey,
}

impl fmt::Debug for Provisioning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provisioning")
            .field("serial", &self.serial)
            .finish_non_exhaustive()
    }
}

/// The certificate was not written; once the reason is gone, it can be tried again.
#[derive(Debug, thiserror::Error)]
#[error("the certificate was not written")]
pub struct NotWritten {
    /// What is still to be done.
    pub provisioning: Provisioning,
    /// Why it was not.
    #[source]
    pub reason: TokenError,
}

impl Provisioning {
    pub(super) fn new(
        token: &Token,
        administrator: Administrator,
        guid: [u8; 16],
        slot: Slot,
        key: PublicKey,
    ) -> Self {
        Self {
            serial: token.serial(),
            administrator,
            guid,
            slot,
            key,
        }
    }

    /// The token that waits.
    pub const fn serial(&self) -> TokenSerial {
        self.serial
    }

    /// Writes the certificate (DER) into the slot and a new card holder identifier beside it,
    /// reads both back, and forgets the management key.
    ///
    /// # Errors
    ///
    /// [`NotWritten`], with [`TokenError::ForeignCertificate`] if it is for another key.
    pub fn write_certificate(
        self,
        readers: &Readers,
        certificate: &[u8],
    ) -> Result<(), Box<NotWritten>> {
        self.try_to_write(readers, certificate).map_err(|reason| {
            Box::new(NotWritten {
                provisioning: self,
                reason,
            })
        })
    }

    fn try_to_write(&self, readers: &Readers, certificate: &[u8]) -> Result<(), TokenError> {
        if !self.key.is_certified_by(certificate) {
            return Err(TokenError::ForeignCertificate { slot: self.slot });
        }
        let token = Token::open_by_serial(readers, self.serial)?;
        // SP 800-73-4 part 1, table 10: certificate, CertInfo (not compressed), error check.
        let object = [
            tlv::element(0x70, certificate),
            tlv::element(0x71, &[0]),
            tlv::element(0xfe, &[]),
        ]
        .concat();
        let chuid = chuid(self.guid);

        let mut library = Library::open(&token)?;
        library.authenticate(&self.administrator)?;
        library.write(self.slot.certificate_object(), &object)?;
        library.write(ObjectId::CHUID, &chuid)?;
        drop(library);

        if token.find_certificate(self.slot)?.as_deref() != Some(certificate) {
            return Err(TokenError::NotAsWritten {
                what: "the certificate",
            });
        }
        if token.find_object(ObjectId::CHUID)? != Some(chuid) {
            return Err(TokenError::NotAsWritten {
                what: "the card holder identifier",
            });
        }
        Ok(())
    }
}
