//! The state as a file: one line of JSON, and below it the seal over that line's bytes.

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};
use wardkey_schemas::bytes;

use super::{Kept, NewestBundle};
use crate::latch::Holds;

/// What a state file says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct State {
    /// Where the security chip's counter stood.
    pub counter: u64,
    /// What was remembered.
    pub kept: Kept,
}

/// The line, in the words of JSON.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line {
    format: u32,
    counter: u64,
    latch: Holds,
    bundle: Option<NewestBundle>,
}

/// The only format so far.
const FORMAT: u32 = 1;

/// Why bytes are no state file of this laptop.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FileError {
    /// The seal is not this laptop's.
    #[error("this laptop did not write it")]
    Forged,
    /// It is no state; one sentence on what is wrong.
    #[error("{0}")]
    Unreadable(String),
}

impl State {
    /// The bytes of the file.
    ///
    /// # Errors
    ///
    /// [`serde_json::Error`]; none is known to happen.
    pub fn seal(&self, secret: &[u8; 32]) -> Result<Vec<u8>, serde_json::Error> {
        let mut file = serde_json::to_vec(&Line {
            format: FORMAT,
            counter: self.counter,
            latch: self.kept.holds.clone(),
            bundle: self.kept.newest,
        })?;
        let seal = hmac::sign(&key(secret), &file);
        file.push(b'\n');
        file.extend(bytes::encode(seal.as_ref()).as_bytes());
        file.push(b'\n');
        Ok(file)
    }

    /// Reads a file that this laptop wrote. Nothing is parsed before the seal was verified.
    ///
    /// # Errors
    ///
    /// [`FileError`].
    pub fn open(file: &[u8], secret: &[u8; 32]) -> Result<Self, FileError> {
        let malformed = || FileError::Unreadable("it is not one line and its seal".to_owned());
        let mut parts = file.split(|byte| *byte == b'\n');
        let (Some(line), Some(seal), Some([]), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed());
        };
        let seal = std::str::from_utf8(seal)
            .ok()
            .and_then(|text| bytes::decode(text).ok())
            .ok_or_else(malformed)?;
        hmac::verify(&key(secret), line, &seal).map_err(|_| FileError::Forged)?;
        Self::parse(line).map_err(FileError::Unreadable)
    }

    /// Parses the line.
    ///
    /// # Errors
    ///
    /// One sentence on what is wrong with it: not JSON, another format, a hold told of twice.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        let line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        if line.format != FORMAT {
            return Err(format!("format {}, wanted {FORMAT}", line.format));
        }
        Ok(Self {
            counter: line.counter,
            kept: Kept {
                holds: line.latch,
                newest: line.bundle,
            },
        })
    }
}

fn key(secret: &[u8; 32]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret)
}

#[cfg(test)]
mod tests {
    use wardkey_schemas::ids::{HoldId, OrderSeq};
    use wardkey_schemas::order::{Hold, HoldClass, Mode};
    use wardkey_schemas::role::Role;

    use super::*;

    const SECRET: [u8; 32] = [7; 32];

    fn state() -> State {
        let hold = Hold {
            id: HoldId::from_random([1; 16]),
            class: HoldClass::Lost,
            mode: Mode::Immediate,
            by: Role::Lead,
        };
        State {
            counter: 12,
            kept: Kept {
                holds: Holds::default().stop(OrderSeq::new(1), &[hold]),
                newest: None,
            },
        }
    }

    #[test]
    fn a_state_survives_its_file() {
        let file = state().seal(&SECRET).unwrap();
        assert_eq!(State::open(&file, &SECRET), Ok(state()));
    }

    #[test]
    fn the_file_of_another_laptop_is_forged() {
        let file = state().seal(&[8; 32]).unwrap();
        assert_eq!(State::open(&file, &SECRET), Err(FileError::Forged));
    }

    #[test]
    fn any_changed_or_missing_byte_is_found() {
        let file = state().seal(&SECRET).unwrap();
        for at in 0..file.len() {
            let mut other = file.clone();
            other[at] ^= 1;
            assert!(State::open(&other, &SECRET).is_err(), "byte {at} changed");
            assert!(State::open(&file[..at], &SECRET).is_err(), "ends at {at}");
        }
    }

    #[test]
    fn a_line_with_one_thing_wrong_is_not_read() {
        let file = state().seal(&SECRET).unwrap();
        let line = file.split(|byte| *byte == b'\n').next().unwrap();
        let good = String::from_utf8(line.to_vec()).unwrap();
        assert_eq!(State::parse(good.as_bytes()), Ok(state()));
        let hold = good.split_once("\"holds\":[").unwrap().1;
        let hold = hold.split_once("],").unwrap().0;
        for wrong in [
            String::new(),
            good.replacen("\"format\":1", "\"format\":2", 1),
            good.replacen("\"last_order\"", "\"lastorder\"", 1),
            good.replacen("false", "maybe", 1),
            good.replacen(hold, &format!("{hold},{hold}"), 1),
            good[..good.len() / 2].to_owned(),
        ] {
            assert!(State::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
