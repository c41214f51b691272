//! BER-TLV as PIV uses it: tags of one or two octets, lengths up to 65,535.

/// Reads the first element of `bytes`: tag, value, and what follows it.
pub(crate) fn split_first(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (tag, rest) = match bytes {
        [first, second, rest @ ..] if first & 0x1f == 0x1f => {
            (u16::from_be_bytes([*first, *second]), rest)
        }
        [first, rest @ ..] => (u16::from(*first), rest),
        [] => return None,
    };
    let (length, rest) = match rest {
        [length @ ..=0x7f, rest @ ..] | [0x81, length, rest @ ..] => (u16::from(*length), rest),
        [0x82, high, low, rest @ ..] => (u16::from_be_bytes([*high, *low]), rest),
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(usize::from(length))?;
    Some((tag, value, rest))
}

/// Finds the value of the first element with `tag` in the sequence `bytes`.
pub(crate) fn find(bytes: &[u8], tag: u16) -> Option<&[u8]> {
    let mut rest = bytes;
    while let Some((found, value, after)) = split_first(rest) {
        if found == tag {
            return Some(value);
        }
        rest = after;
    }
    None
}

/// Writes one element; `value` is at most 65,535 octets and is cut there.
pub(crate) fn element(tag: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    let mut bytes = match tag.to_be_bytes() {
        [0, low] => vec![low],
        [high, low] => vec![high, low],
    };
    match length.to_be_bytes() {
        [0, short @ ..=0x7f] => bytes.push(short),
        [0, medium] => bytes.extend([0x81, medium]),
        [high, low] => bytes.extend([0x82, high, low]),
    }
    bytes.extend(value.iter().take(usize::from(length)));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_every_length_come_back() {
        for length in [0, 1, 127, 128, 255, 256, 3000] {
            for tag in [0x53, 0x7e, 0x7f49, 0x5fc1 & 0x7fff | 0x1f00] {
                let value = vec![0xa5; length];
                let bytes = [element(tag, &value), vec![9]].concat();
                assert_eq!(split_first(&bytes), Some((tag, value.as_slice(), &[9][..])));
            }
        }
    }

    #[test]
    fn the_element_asked_for_is_found_behind_others() {
        let bytes = [element(0x80, &[1]), element(0x81, &[2, 3])].concat();
        assert_eq!(find(&bytes, 0x81), Some(&[2, 3][..]));
        assert_eq!(find(&bytes, 0x82), None);
    }

    #[test]
    fn a_value_cut_short_is_not_read() {
        assert_eq!(split_first(&[0x53, 3, 1, 2]), None);
        assert_eq!(split_first(&[0x53, 0x82, 1]), None);
        assert_eq!(split_first(&[0x53]), None);
    }
}
