//! Bundles of entries (C2SP `tlog-tiles`): up to 256, each with its length in two bytes.

use crate::{TlogError, malformed};

/// Bytes of an entry at most, by the form of a bundle.
pub const ENTRY_BYTES: usize = 65_535;

/// Puts entries into a bundle.
///
/// # Errors
///
/// [`TlogError::Malformed`] if one is too long.
pub fn to_bytes<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, TlogError> {
    let mut bytes = Vec::new();
    for entry in entries {
        let length = u16::try_from(entry.len())
            .map_err(|_| malformed("an entry", "longer than 65,535 bytes"))?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// Takes the entries out of a bundle.
///
/// # Errors
///
/// [`TlogError::Malformed`].
pub fn from_bytes(bytes: &[u8]) -> Result<Vec<&[u8]>, TlogError> {
    let wrong = |why| malformed("a bundle of entries", why);
    let mut entries = Vec::new();
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, after) = after
            .split_at_checked(length)
            .ok_or_else(|| wrong("it ends within an entry"))?;
        if entries.len() == 256 {
            return Err(wrong("more than 256 entries"));
        }
        entries.push(entry);
        rest = after;
    }
    if rest.is_empty() {
        Ok(entries)
    } else {
        Err(wrong("it ends within a length"))
    }
}
