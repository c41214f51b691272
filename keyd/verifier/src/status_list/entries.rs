//! The entries of a status list: two bits each, lowest bits of each byte first
//! (draft-ietf-oauth-status-list §4.1).

use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::limits;
use wardkey_schemas::status_list::StatusValue;

use super::changes::Change;
use super::tree::Tree;
use super::zlib;

/// Entries in a byte.
const IN_A_BYTE: usize = 4;

/// Why bytes are no entries or no changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Not one whole ZLIB stream.
    #[error("not exactly one ZLIB stream")]
    Zlib,
    /// More than may come out.
    #[error("more than {most} bytes unpacked")]
    TooLong {
        /// The most that is unpacked.
        most: usize,
    },
    /// More entries than a list may have.
    #[error("{found} entries")]
    TooMany {
        /// Entries found.
        found: u32,
    },
    /// Bytes that are not those of so many entries, or bits set behind the last one.
    #[error("bytes that are not those of {count} entries")]
    Length {
        /// The number of entries.
        count: u32,
    },
    /// Changes that do not ascend, are written longer than need be, or break off.
    #[error("changes that are not written as they must be")]
    Changes,
    /// A change to an entry that is not there, or fewer entries than before.
    #[error("changes that do not fit a list of {count} entries")]
    Outside {
        /// The number of entries.
        count: u32,
    },
}

/// The entries, with the hash of all of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Entries {
    count: u32,
    bytes: Vec<u8>,
    tree: Tree,
}

impl Entries {
    /// Unpacks `count` entries.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it is not exactly so many.
    pub fn unpack(packed: &[u8], count: u32) -> Result<Self, Malformed> {
        let length = length_of(count)?;
        let bytes = zlib::unpack(packed, length)?;
        let behind = (count % 4).saturating_mul(2);
        let spare = bytes.last().is_some_and(|last| {
            behind != 0 && u32::from(*last).checked_shr(behind).unwrap_or(0) != 0
        });
        if bytes.len() != length || spare {
            return Err(Malformed::Length { count });
        }
        let tree = Tree::of(&bytes);
        Ok(Self { count, bytes, tree })
    }

    /// Packs them as `lst` of a status list.
    pub fn pack(&self) -> Vec<u8> {
        zlib::pack(&self.bytes)
    }

    /// How many there are.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The hash of all of them.
    pub fn root(&self) -> Sha256 {
        self.tree.root()
    }

    /// The value at `index`; nothing behind the last one.
    pub fn get(&self, index: u32) -> Option<StatusValue> {
        if index >= self.count {
            return None;
        }
        let (byte, shift) = place(index)?;
        let bits = self.bytes.get(byte)?.checked_shr(shift)?;
        Some(StatusValue::of_bits(bits))
    }

    /// How many entries have each value, in the order of the values' numbers.
    pub fn tally(&self) -> [u32; 4] {
        let mut tally = [0_u32; 4];
        for value in (0..self.count).filter_map(|index| self.get(index)) {
            if let Some(count) = tally.get_mut(usize::from(value.number())) {
                *count = count.saturating_add(1);
            }
        }
        tally
    }

    /// Makes it a list of `count` entries with these changes in it; new entries that no change names
    /// are valid. Nothing is changed if anything is against it.
    ///
    /// # Errors
    ///
    /// [`Malformed::Outside`] if the list would become shorter, or a change is behind its end;
    /// [`Malformed::Changes`] if the changes do not ascend.
    pub fn apply(&mut self, changes: &[Change], count: u32) -> Result<(), Malformed> {
        let length = length_of(count)?;
        let ascend = changes
            .windows(2)
            .all(|pair| matches!(pair, [one, other] if one.index < other.index));
        if !ascend {
            return Err(Malformed::Changes);
        }
        let inside = changes.last().is_none_or(|last| last.index < count);
        if count < self.count || !inside {
            return Err(Malformed::Outside { count });
        }
        let before = self.bytes.len();
        self.bytes.resize(length, 0);
        self.count = count;
        let mut leaves: Vec<usize> = Vec::with_capacity(changes.len());
        for change in changes {
            let Some((at, shift)) = place(change.index) else {
                continue;
            };
            if let Some(byte) = self.bytes.get_mut(at) {
                let mask = 0b11_u8.checked_shl(shift).unwrap_or(0);
                let bits = change.value.number().checked_shl(shift).unwrap_or(0);
                *byte = (*byte & !mask) | bits;
                leaves.push(Tree::leaf_of(at));
            }
        }
        if length > before {
            // The last leaf may have grown; those behind it are new.
            let first = Tree::leaf_of(before.saturating_sub(1));
            leaves.extend(first..=Tree::leaf_of(length.saturating_sub(1)));
            leaves.sort_unstable();
        }
        leaves.dedup();
        self.tree.renew(&self.bytes, leaves);
        Ok(())
    }
}

/// Bytes of so many entries.
fn length_of(count: u32) -> Result<usize, Malformed> {
    if count > limits::STATUS_ENTRIES {
        return Err(Malformed::TooMany { found: count });
    }
    let count = usize::try_from(count).map_err(|_| Malformed::TooMany { found: count })?;
    Ok(count.div_ceil(IN_A_BYTE))
}

/// In which byte, and how far from its lowest bit, an entry stands.
fn place(index: u32) -> Option<(usize, u32)> {
    let byte = usize::try_from(index).ok()? / IN_A_BYTE;
    Some((byte, (index % 4).saturating_mul(2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(values: &[u8]) -> Entries {
        let changes: Vec<Change> = (0_u32..)
            .zip(values)
            .map(|(index, value)| Change {
                index,
                value: StatusValue::of_bits(*value),
            })
            .collect();
        let mut entries = Entries::default();
        let count = u32::try_from(values.len()).unwrap();
        entries.apply(&changes, count).unwrap();
        entries
    }

    /// draft-ietf-oauth-status-list §4.1: the list of one bit an entry whose bytes are B9 A3. Read
    /// two bits at a time, the same bytes are these eight entries.
    #[test]
    fn the_vector_of_the_draft_is_read_and_written() {
        let packed = hex::decode("78dadbb918000217015d").unwrap();
        let entries = Entries::unpack(&packed, 8).unwrap();
        let values: Vec<u8> = (0..8).map(|at| entries.get(at).unwrap().number()).collect();
        assert_eq!(values, [1, 2, 3, 2, 3, 0, 2, 2]);
        assert_eq!(entries.bytes, [0xb9, 0xa3]);
        assert_eq!(entries.pack(), packed);
        assert_eq!(list(&values), entries);
    }

    /// draft-ietf-oauth-status-list §4.1: twelve entries of two bits.
    #[test]
    fn two_bits_stand_lowest_first_as_in_the_draft() {
        let entries = list(&[1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]);
        assert_eq!(entries.bytes, [0xc9, 0x44, 0xf9]);
        assert_eq!(entries.tally(), [3, 4, 2, 3]);
    }

    #[test]
    fn an_entry_behind_the_last_one_has_no_value() {
        let entries = list(&[0, 1, 2]);
        assert_eq!(entries.get(2), Some(StatusValue::Suspended));
        assert_eq!(entries.get(3), None);
        assert_eq!(entries.get(u32::MAX), None);
        assert_eq!(Entries::default().get(0), None);
    }

    #[test]
    fn a_length_that_is_not_that_of_the_entries_is_refused() {
        let packed = list(&[0, 1, 2, 3, 1]).pack();
        assert!(Entries::unpack(&packed, 5).is_ok());
        // Two bytes are five to eight entries, but a bit is set in none behind the fifth.
        assert!(Entries::unpack(&packed, 8).is_ok());
        assert_eq!(
            Entries::unpack(&packed, 9),
            Err(Malformed::Length { count: 9 })
        );
        assert_eq!(
            Entries::unpack(&packed, 4),
            Err(Malformed::TooLong { most: 1 })
        );
        let full = list(&[3; 8]).pack();
        for count in 5..8 {
            assert_eq!(
                Entries::unpack(&full, count),
                Err(Malformed::Length { count })
            );
        }
        let count = limits::STATUS_ENTRIES + 1;
        assert_eq!(
            Entries::unpack(&full, count),
            Err(Malformed::TooMany { found: count })
        );
    }

    #[test]
    fn changes_that_do_not_fit_change_nothing() {
        let mut entries = list(&[0, 0, 0, 0]);
        let before = entries.clone();
        let value = StatusValue::Revoked;
        let change = |index| Change { index, value };
        let outside = Malformed::Outside { count: 4 };
        assert_eq!(entries.apply(&[change(4)], 4), Err(outside));
        assert_eq!(entries.apply(&[], 3), Err(Malformed::Outside { count: 3 }));
        for twice in [[2, 2], [2, 1]] {
            assert_eq!(
                entries.apply(&twice.map(change), 4),
                Err(Malformed::Changes)
            );
        }
        assert_eq!(entries, before);
    }
}
