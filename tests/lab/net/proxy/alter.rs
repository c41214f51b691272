//! Changing one character of a signed message as it goes by.

/// A part of a signed message (RFC 7515).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// Who signed, and how.
    Header,
    /// What was said.
    Payload,
    /// The signature.
    Signature,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Header, Self::Payload, Self::Signature];

    const fn place(self) -> usize {
        match self {
            Self::Header => 0,
            Self::Payload => 1,
            Self::Signature => 2,
        }
    }
}

/// How every signed message begins: `{"`, in base64url.
const BEGINNING: &[u8] = b"eyJ";

/// Changes this part of every whole signed message in `bytes`; how many it changed.
///
/// Nothing becomes longer or shorter, so that what is around it stays right.
pub(super) fn alter(bytes: &mut [u8], part: Part) -> u64 {
    let mut changed: u64 = 0;
    let mut at = 0;
    while let Some(rest) = bytes.get_mut(at..) {
        let Some(begins) = rest
            .windows(BEGINNING.len())
            .position(|window| window == BEGINNING)
        else {
            break;
        };
        let message = rest.get_mut(begins..).unwrap_or_default();
        let length = message
            .iter()
            .position(|byte| !is_of_message(*byte))
            .unwrap_or(message.len());
        let message = message.get_mut(..length).unwrap_or_default();
        if spoil(message, part) {
            changed = changed.saturating_add(1);
        }
        at = at
            .saturating_add(begins)
            .saturating_add(length.max(BEGINNING.len()));
    }
    changed
}

fn is_of_message(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// Changes a character in the middle of a part, if there are three.
fn spoil(message: &mut [u8], part: Part) -> bool {
    let mut parts = message.split_mut(|byte| *byte == b'.');
    let found: Vec<&mut [u8]> = parts.by_ref().collect();
    if found.len() != 3 {
        return false;
    }
    let Some(text) = found.into_iter().nth(part.place()) else {
        return false;
    };
    let middle = text.len() / 2;
    match text.get_mut(middle) {
        Some(byte) => {
            *byte = if *byte == b'A' { b'B' } else { b'A' };
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_character_of_the_part_is_another_one_and_the_rest_is_as_it_was() {
        let text = br#"{"a":"eyJhbGc.cGF5bG9hZA.c2lnbmF0dXJl","b":"eyJ4.eQ","c":"eyJx.cc.dd"}"#;
        for (part, place) in Part::ALL.into_iter().zip([6, 14, 26]) {
            let mut bytes = text.to_vec();
            assert_eq!(alter(&mut bytes, part), 2, "{part:?}");
            let different: Vec<usize> = (0..text.len())
                .filter(|place| bytes[*place] != text[*place])
                .collect();
            assert_eq!(different.len(), 2, "{part:?}");
            assert!(different[0].abs_diff(place) <= 5, "{part:?}: {different:?}");
        }
        let mut nothing = b"nothing signed".to_vec();
        assert_eq!(alter(&mut nothing, Part::Payload), 0);
    }
}
