//! What changed in a status list from one epoch to the next, packed.
//!
//! For each changed entry, in ascending order, one number: the gap to the entry before (how many
//! entries lie between; for the first, how many lie before it), times four, plus the new value. Each
//! number is written in groups of seven bits, lowest first, the high bit set on all but the last
//! (LEB128), never longer than need be. The whole is compressed as a list is.

use wardkey_schemas::limits;
use wardkey_schemas::status_list::StatusValue;

use super::entries::Malformed;
use super::zlib;

/// Bytes of one change at most: a gap of 22 bits and a value of two.
const LONGEST: usize = 4;

/// One entry that changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Change {
    /// Which.
    pub index: u32,
    /// To what.
    pub value: StatusValue,
}

/// Packs changes; they must ascend.
///
/// # Errors
///
/// [`Malformed::Changes`] if they do not, or there are more than one epoch holds.
pub fn pack(changes: &[Change]) -> Result<Vec<u8>, Malformed> {
    if changes.len() > limits::STATUS_CHANGES {
        return Err(Malformed::Changes);
    }
    let mut bytes = Vec::with_capacity(changes.len().saturating_mul(2));
    let mut next = 0_u32;
    for change in changes {
        let gap = change.index.checked_sub(next).ok_or(Malformed::Changes)?;
        if change.index >= limits::STATUS_ENTRIES {
            return Err(Malformed::Changes);
        }
        write(&mut bytes, gap << 2 | u32::from(change.value.number()));
        next = change.index.saturating_add(1);
    }
    Ok(zlib::pack(&bytes))
}

/// Unpacks changes; what comes out ascends.
///
/// # Errors
///
/// [`Malformed`].
pub fn unpack(packed: &[u8]) -> Result<Vec<Change>, Malformed> {
    let bytes = zlib::unpack(packed, limits::STATUS_CHANGES.saturating_mul(LONGEST))?;
    let mut changes = Vec::new();
    let mut next = 0_u32;
    let mut rest = bytes.iter().copied();
    while let Some(number) = read(&mut rest)? {
        let index = next.checked_add(number >> 2).ok_or(Malformed::Changes)?;
        if index >= limits::STATUS_ENTRIES || changes.len() >= limits::STATUS_CHANGES {
            return Err(Malformed::Changes);
        }
        let value = StatusValue::of_bits(u8::try_from(number & 0b11).unwrap_or(0));
        changes.push(Change { index, value });
        next = index.saturating_add(1);
    }
    Ok(changes)
}

fn write(bytes: &mut Vec<u8>, mut number: u32) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

/// The next number; nothing at the end.
fn read(bytes: &mut impl Iterator<Item = u8>) -> Result<Option<u32>, Malformed> {
    let Some(mut byte) = bytes.next() else {
        return Ok(None);
    };
    let mut number = u32::from(byte & 0x7f);
    let mut shift = 7_u32;
    let mut length = 1_usize;
    while byte & 0x80 != 0 {
        byte = bytes.next().ok_or(Malformed::Changes)?;
        length = length.saturating_add(1);
        // A last group of nothing makes it longer than need be.
        if length > LONGEST || byte == 0 {
            return Err(Malformed::Changes);
        }
        number |= u32::from(byte & 0x7f)
            .checked_shl(shift)
            .ok_or(Malformed::Changes)?;
        shift = shift.saturating_add(7);
    }
    Ok(Some(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(index: u32, number: u8) -> Change {
        let value = StatusValue::of_bits(number);
        Change { index, value }
    }

    #[test]
    fn a_change_is_a_gap_and_a_value() {
        let changes = [change(0, 1), change(1, 2), change(34, 3), change(5000, 0)];
        let bytes = [0b01, 0b10, 0x83, 0x01, 0x94, 0x9b, 0x01];
        assert_eq!(pack(&changes).unwrap(), zlib::pack(&bytes));
        assert_eq!(unpack(&zlib::pack(&bytes)).unwrap(), changes);
        assert_eq!(unpack(&pack(&[]).unwrap()).unwrap(), []);
    }

    #[test]
    fn changes_that_do_not_ascend_cannot_be_written() {
        for wrong in [[change(3, 1), change(3, 2)], [change(3, 1), change(2, 1)]] {
            assert_eq!(pack(&wrong), Err(Malformed::Changes));
        }
        let outside = [change(limits::STATUS_ENTRIES, 1)];
        assert_eq!(pack(&outside), Err(Malformed::Changes));
    }

    #[test]
    fn numbers_that_break_off_run_over_or_are_longer_than_need_be_are_refused() {
        for bytes in [
            &[0x80][..],
            &[0x81, 0x00],
            &[0xff, 0xff, 0xff, 0xff, 0x01],
            // A gap of all that may be, and one more.
            &[0xff, 0xff, 0xff, 0x7f, 0x01],
        ] {
            assert_eq!(
                unpack(&zlib::pack(bytes)),
                Err(Malformed::Changes),
                "{bytes:x?}"
            );
        }
    }

    #[test]
    fn more_changes_than_an_epoch_holds_are_refused() {
        let most = limits::STATUS_CHANGES;
        assert_eq!(unpack(&zlib::pack(&vec![1; most])).unwrap().len(), most);
        assert_eq!(
            unpack(&zlib::pack(&vec![1; most + 1])),
            Err(Malformed::Changes)
        );
    }
}
