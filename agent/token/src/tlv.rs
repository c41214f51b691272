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
    loop {
        let (found, value, after) = split_first(rest)?;
        if found == tag {
            return Some(value);
        }
        rest = after;
    }
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
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_element_reads_as_it_was_written(
            tag in prop_oneof![Just(0x53_u16), Just(0x7e), Just(0x7f49)],
            value in proptest::collection::vec(any::<u8>(), 0..3000),
            after in proptest::collection::vec(any::<u8>(), 0..4),
        ) {
            let bytes = [element(tag, &value), after.clone()].concat();
            prop_assert_eq!(split_first(&bytes), Some((tag, value.as_slice(), after.as_slice())));
        }

        #[test]
        fn nothing_that_a_token_may_say_makes_it_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let _ = find(&bytes, 0x53);
        }
    }

    #[test]
    fn a_value_cut_short_is_not_read() {
        for bytes in [
            &[0x53, 3, 1, 2][..],
            &[0x53, 0x82, 1],
            &[0x53],
            &[],
            &[0x53, 0x83, 0, 0, 1, 1],
        ] {
            assert_eq!(split_first(bytes), None, "{bytes:x?}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let bytes = [element(0x80, &[1]), element(0x81, &[2, 3])].concat();
        assert_eq!(find(&bytes, 0x81), Some(&[2, 3][..]));
        assert_eq!(find(&bytes, 0x82), None);
    }
}
