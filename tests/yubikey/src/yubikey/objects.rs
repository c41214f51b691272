//! Data objects: PIV's are the applet's, Yubico's (5FFFxx) are kept here.

use super::YubiKey;
use crate::apdu::Status;
use crate::tlv;

/// The certificate of the attestation key.
const F9_CERTIFICATE: &[u8] = &[0x5f, 0xff, 0x01];

impl YubiKey<'_, '_> {
    /// GET DATA (SP 800-73-4 part 2 §3.1.2).
    pub(super) fn read_object(&mut self, data: &[u8]) -> Result<Vec<u8>, Status> {
        let id = tlv::find(data, 0x5c).ok_or(Status::INCORRECT_DATA)?;
        match id {
            F9_CERTIFICATE => {
                let certificate = [
                    tlv::element(0x70, self.card.identity.certificate()),
                    tlv::element(0x71, &[0]),
                    tlv::element(0xfe, &[]),
                ];
                Ok(tlv::element(0x53, &certificate.concat()))
            }
            [0x5f, 0xff, _] => {
                let object = self.card.memory.objects.get(&hex::encode(id));
                let content = object.and_then(|object| hex::decode(object).ok());
                content
                    .map(|content| tlv::element(0x53, &content))
                    .ok_or(Status::NOT_FOUND)
            }
            _ => match self.demand(0xcb, 0x3f, 0xff, data) {
                // Written empty is how an object is deleted.
                Ok(content) if content == [0x53, 0x00] => Err(Status::NOT_FOUND),
                // The applet does not know the name, or has nothing under it.
                Err(Status::INCORRECT_DATA) => Err(Status::NOT_FOUND),
                other => other,
            },
        }
    }

    /// PUT DATA (§3.3.1).
    pub(super) fn write_object(&mut self, data: &[u8]) -> Result<Vec<u8>, Status> {
        self.require_administrator()?;
        match tlv::find(data, 0x5c) {
            // Factory trust, once overwritten, never comes back: this card does not let it go.
            Some(F9_CERTIFICATE) => Err(Status::SECURITY_STATUS_NOT_SATISFIED),
            Some(id @ [0x5f, 0xff, _]) => {
                let objects = &mut self.card.memory.objects;
                match tlv::find(data, 0x53).ok_or(Status::INCORRECT_DATA)? {
                    [] => objects.remove(&hex::encode(id)),
                    content => objects.insert(hex::encode(id), hex::encode(content)),
                };
                self.save()?;
                Ok(Vec::new())
            }
            _ => self.demand(0xdb, 0x3f, 0xff, data),
        }
    }
}
