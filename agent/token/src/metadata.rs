//! What a token says of its keys and secrets (GET METADATA, since firmware 5.3).

use crate::tlv;

/// When a key wants the PIN.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PinPolicy {
    /// Never.
    Never,
    /// Once a session.
    Once,
    /// Just before each use.
    Always,
    /// One of the biometric policies.
    Other(u8),
}

/// When a key wants a touch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TouchPolicy {
    /// Never.
    Never,
    /// At each use.
    Always,
    /// Unless touched in the last 15 s.
    Cached,
    /// One we do not know; taken for one that wants a touch.
    Other(u8),
}

/// Where a key came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// Made in the token.
    Generated,
    /// Brought from outside.
    Imported,
}

/// What a token says of a key; only an attestation proves it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyMetadata {
    /// PIV algorithm (SP 800-78-4, table 6-2): 11 for P-256.
    pub algorithm: u8,
    /// When it wants the PIN.
    pub pin_policy: PinPolicy,
    /// When it wants a touch.
    pub touch_policy: TouchPolicy,
    /// Where it came from.
    pub origin: Origin,
}

impl KeyMetadata {
    /// PIV's number of ECC P-256.
    pub const P256: u8 = 0x11;

    pub(crate) fn parse(answer: &[u8]) -> Option<Self> {
        let &[algorithm] = tlv::find(answer, 0x01)? else {
            return None;
        };
        let &[pin, touch] = tlv::find(answer, 0x02)? else {
            return None;
        };
        let origin = match tlv::find(answer, 0x03)? {
            [1] => Origin::Generated,
            [2] => Origin::Imported,
            _ => return None,
        };
        let pin_policy = match pin {
            1 => PinPolicy::Never,
            2 => PinPolicy::Once,
            3 => PinPolicy::Always,
            other => PinPolicy::Other(other),
        };
        let touch_policy = match touch {
            1 => TouchPolicy::Never,
            2 => TouchPolicy::Always,
            3 => TouchPolicy::Cached,
            other => TouchPolicy::Other(other),
        };
        Some(Self {
            algorithm,
            pin_policy,
            touch_policy,
            origin,
        })
    }
}

/// How often a PIN or PUK may be wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tries {
    /// When fresh.
    pub total: u8,
    /// Now.
    pub left: u8,
}

/// Which of a token's secrets are still those of the factory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Defaults {
    /// 123456.
    pub pin: bool,
    /// 12345678.
    pub puk: bool,
    /// 0102…08, three times.
    pub management_key: bool,
}

/// What a token says of a secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SecretMetadata {
    pub(crate) is_default: bool,
    pub(crate) tries: Option<Tries>,
}

impl SecretMetadata {
    pub(crate) fn parse(answer: &[u8]) -> Option<Self> {
        let &[is_default] = tlv::find(answer, 0x05)? else {
            return None;
        };
        let tries = match tlv::find(answer, 0x06) {
            None => None,
            Some(&[total, left]) => Some(Tries { total, left }),
            Some(_) => return None,
        };
        Some(Self {
            is_default: is_default == 1,
            tries,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_of_a_key_are_read() {
        let answer = hex::decode("01011102020302030101ff").unwrap();
        let key = KeyMetadata::parse(&answer[..answer.len() - 1]).unwrap();
        assert_eq!(
            key,
            KeyMetadata {
                algorithm: KeyMetadata::P256,
                pin_policy: PinPolicy::Always,
                touch_policy: TouchPolicy::Always,
                origin: Origin::Generated,
            }
        );
    }

    #[test]
    fn metadata_of_a_pin_are_read() {
        let answer = hex::decode("0101ff05010106020502").unwrap();
        assert_eq!(
            SecretMetadata::parse(&answer),
            Some(SecretMetadata {
                is_default: true,
                tries: Some(Tries { total: 5, left: 2 })
            })
        );
    }

    #[test]
    fn metadata_without_an_element_are_refused() {
        for answer in [
            "",
            "010111",
            "01011102020302",
            "01011102010303010100",
            "0501",
        ] {
            let answer = hex::decode(answer).unwrap();
            assert_eq!(KeyMetadata::parse(&answer), None);
            assert_eq!(SecretMetadata::parse(&answer), None);
        }
    }
}
