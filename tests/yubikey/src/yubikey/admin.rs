//! Slot 9B: who may administer the card, with any of the four algorithms a YubiKey knows.

use aes::cipher::{Array, BlockCipherEncrypt, BlockSizeUser, KeyInit};
use rand_core::{OsRng, RngCore};

use super::{YubiKey, touched};
use crate::apdu::Status;
use crate::memory::{DEFAULT_MANAGEMENT_KEY, Firmware, ManagementKey};
use crate::tlv;

const TDES: u8 = 0x03;
const AES_128: u8 = 0x08;
const AES_192: u8 = 0x0a;
const AES_256: u8 = 0x0c;

/// What the next GENERAL AUTHENTICATE must bring.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Expected {
    /// Our challenge, encrypted.
    Response(Vec<u8>),
    /// Our witness, decrypted.
    Witness(Vec<u8>),
}

impl YubiKey<'_, '_> {
    /// GENERAL AUTHENTICATE with 9B: by one side or by both (SP 800-73-4 part 2 §3.2.4).
    pub(super) fn authenticate_administrator(
        &mut self,
        algorithm: u8,
        data: &[u8],
    ) -> Result<Vec<u8>, Status> {
        let key = self.card.memory.management.clone();
        if algorithm != key.algorithm {
            return Err(Status::INCORRECT_PARAMETERS);
        }
        let template = tlv::find(data, 0x7c).ok_or(Status::INCORRECT_DATA)?;
        let field = |tag| tlv::find(template, tag);
        let expected = self.session.expected.take();
        match (field(0x80), field(0x81), field(0x82)) {
            (None, Some([]), None) => {
                let challenge = random_block(&key);
                self.session.expected = Some(Expected::Response(encrypt(&key, &challenge)?));
                Ok(template_with(0x81, &challenge))
            }
            (None, None, Some(response)) => {
                prove(expected, Expected::Response(response.to_vec()))?;
                self.become_administrator(&key)?;
                Ok(Vec::new())
            }
            (Some([]), None, None) => {
                let witness = random_block(&key);
                let shown = encrypt(&key, &witness)?;
                self.session.expected = Some(Expected::Witness(witness));
                Ok(template_with(0x80, &shown))
            }
            (Some(witness), Some(challenge), None | Some([])) => {
                let response = encrypt(&key, challenge)?;
                prove(expected, Expected::Witness(witness.to_vec()))?;
                self.become_administrator(&key)?;
                Ok(template_with(0x82, &response))
            }
            _ => Err(Status::INCORRECT_DATA),
        }
    }

    fn become_administrator(&mut self, key: &ManagementKey) -> Result<(), Status> {
        if key.touch {
            touched(self.touch.demand())?;
        }
        if !self.applet_is_open {
            self.open_applet()?;
            self.applet_is_open = true;
        }
        self.session.administrator = true;
        Ok(())
    }

    /// Shows the applet its own management key, which never left its factory value.
    fn open_applet(&mut self) -> Result<(), Status> {
        let key = ManagementKey {
            algorithm: TDES,
            key: DEFAULT_MANAGEMENT_KEY.to_vec(),
            touch: false,
        };
        let answer = self.demand(0x87, TDES, 0x9b, &template_with(0x81, &[]))?;
        let challenge = tlv::find(&answer, 0x7c)
            .and_then(|template| tlv::find(template, 0x81))
            .ok_or(Status::FAULT)?;
        let response = encrypt(&key, challenge)?;
        self.demand(0x87, TDES, 0x9b, &template_with(0x82, &response))?;
        Ok(())
    }

    /// SET MANAGEMENT KEY; P2 FE asks for a touch at each use.
    pub(super) fn set_management_key(&mut self, p2: u8, data: &[u8]) -> Result<Vec<u8>, Status> {
        self.require_administrator()?;
        let touch = match p2 {
            0xff => false,
            0xfe => true,
            _ => return Err(Status::INCORRECT_PARAMETERS),
        };
        let [algorithm, 0x9b, length, key @ ..] = data else {
            return Err(Status::INCORRECT_DATA);
        };
        let known = *algorithm == TDES || self.card.memory.firmware >= Firmware::WITH_AES;
        let fits = usize::from(*length) == key.len() && key_length(*algorithm) == Some(key.len());
        if !known || !fits {
            return Err(Status::INCORRECT_DATA);
        }
        self.card.memory.management = ManagementKey {
            algorithm: *algorithm,
            key: key.to_vec(),
            touch,
        };
        self.save()?;
        Ok(Vec::new())
    }
}

fn prove(expected: Option<Expected>, shown: Expected) -> Result<(), Status> {
    if expected == Some(shown) {
        Ok(())
    } else {
        Err(Status::SECURITY_STATUS_NOT_SATISFIED)
    }
}

fn template_with(tag: u16, value: &[u8]) -> Vec<u8> {
    tlv::element(0x7c, &tlv::element(tag, value))
}

const fn key_length(algorithm: u8) -> Option<usize> {
    match algorithm {
        TDES | AES_192 => Some(24),
        AES_128 => Some(16),
        AES_256 => Some(32),
        _ => None,
    }
}

fn random_block(key: &ManagementKey) -> Vec<u8> {
    let mut block = vec![0; if key.algorithm == TDES { 8 } else { 16 }];
    OsRng.fill_bytes(&mut block);
    block
}

fn encrypt(key: &ManagementKey, block: &[u8]) -> Result<Vec<u8>, Status> {
    match key.algorithm {
        TDES => encrypt_with::<des::TdesEde3>(&key.key, block),
        AES_128 => encrypt_with::<aes::Aes128>(&key.key, block),
        AES_192 => encrypt_with::<aes::Aes192>(&key.key, block),
        AES_256 => encrypt_with::<aes::Aes256>(&key.key, block),
        _ => None,
    }
    .ok_or(Status::INCORRECT_DATA)
}

fn encrypt_with<C: KeyInit + BlockCipherEncrypt + BlockSizeUser>(
    key: &[u8],
    block: &[u8],
) -> Option<Vec<u8>> {
    let cipher = C::new_from_slice(key).ok()?;
    let mut block: Array<u8, C::BlockSize> = block.try_into().ok()?;
    cipher.encrypt_block(&mut block);
    Some(block.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_algorithm_encrypts_a_block_of_its_own_size() {
        for (algorithm, block) in [(TDES, 8), (AES_128, 16), (AES_192, 16), (AES_256, 16)] {
            let key = vec![7; key_length(algorithm).unwrap()];
            let key = ManagementKey {
                algorithm,
                key,
                touch: false,
            };
            assert_eq!(encrypt(&key, &random_block(&key)).unwrap().len(), block);
            assert_eq!(encrypt(&key, &[0; 3]), Err(Status::INCORRECT_DATA));
        }
    }

    #[test]
    fn aes_192_agrees_with_fips_197() {
        let key = ManagementKey {
            algorithm: AES_192,
            key: (0..24).collect(),
            touch: false,
        };
        let block = hex::decode("00112233445566778899aabbccddeeff").unwrap();
        let expected = hex::decode("dda97ca4864cdfe06eaf70a0ec0d7191").unwrap();
        assert_eq!(encrypt(&key, &block), Ok(expected));
    }
}
