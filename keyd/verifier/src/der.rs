//! DER (X.690 §10), read strictly and written plainly.
//!
//! Certificates are named by their hash, so one certificate must not have two encodings. The
//! parser of whole certificates accepts long forms of short lengths; what frames a certificate, and
//! what our own profile fixes byte for byte, is read and written here instead.

use wardkey_schemas::oid;

/// BOOLEAN.
pub const BOOLEAN: u8 = 0x01;
/// INTEGER.
pub const INTEGER: u8 = 0x02;
/// BIT STRING.
pub const BIT_STRING: u8 = 0x03;
/// OCTET STRING.
pub const OCTET_STRING: u8 = 0x04;
/// NULL.
pub const NULL: u8 = 0x05;
/// OBJECT IDENTIFIER.
pub const OBJECT_IDENTIFIER: u8 = 0x06;
/// `UTF8String`.
pub const UTF8_STRING: u8 = 0x0c;
/// SEQUENCE.
pub const SEQUENCE: u8 = 0x30;
/// SET.
pub const SET: u8 = 0x31;

/// The tag \[`number`\] of a primitive, context-specific element, as an implicit tag makes it.
pub const fn context(number: u8) -> u8 {
    0x80 | (number & 0x1f)
}

/// The tag \[`number`\] of a constructed, context-specific element, as an explicit tag makes it.
pub const fn context_constructed(number: u8) -> u8 {
    0xa0 | (number & 0x1f)
}

/// Why bytes are not the DER that was wanted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DerError {
    /// The bytes end inside an element.
    #[error("the bytes end inside an element")]
    Truncated,
    /// A length that is indefinite, not in its shortest form, or over 2^32.
    #[error("a length is not in the shortest definite form")]
    Length,
    /// A tag number of 31 or more.
    #[error("a tag of more than one byte")]
    LongTag,
    /// Another element than the one wanted.
    #[error("an element with tag {found:#04x} where {wanted:#04x} is wanted")]
    Tag {
        /// The identifier octet found.
        found: u8,
        /// The identifier octet wanted.
        wanted: u8,
    },
    /// Bytes after the last element.
    #[error("{0} bytes after the end")]
    Trailing(usize),
    /// Contents that this type cannot have.
    #[error("contents that the type cannot have")]
    Contents,
}

/// One element.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Element<'a> {
    /// Its identifier octet.
    pub tag: u8,
    /// Its contents octets.
    pub contents: &'a [u8],
    /// All of it: identifier, length, contents.
    pub whole: &'a [u8],
}

/// Reads elements one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Starts at the first of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The identifier octet of the next element, if there is one.
    pub fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Reads the next element, whatever it is.
    ///
    /// # Errors
    ///
    /// [`DerError`] if it is cut short or not DER.
    pub fn element(&mut self) -> Result<Element<'a>, DerError> {
        let (&tag, rest) = self.0.split_first().ok_or(DerError::Truncated)?;
        if tag & 0x1f == 0x1f {
            return Err(DerError::LongTag);
        }
        let (length, rest) = length(rest)?;
        let (contents, after) = rest.split_at_checked(length).ok_or(DerError::Truncated)?;
        let used = self.0.len().saturating_sub(after.len());
        let (whole, _) = self.0.split_at_checked(used).ok_or(DerError::Truncated)?;
        self.0 = after;
        Ok(Element {
            tag,
            contents,
            whole,
        })
    }

    /// Reads the next element, which must have this identifier octet, and returns its contents.
    ///
    /// # Errors
    ///
    /// [`DerError`], [`DerError::Tag`] if it is another one.
    pub fn expect(&mut self, wanted: u8) -> Result<&'a [u8], DerError> {
        let element = self.element()?;
        if element.tag == wanted {
            Ok(element.contents)
        } else {
            Err(DerError::Tag {
                found: element.tag,
                wanted,
            })
        }
    }

    /// Says that nothing may be left.
    ///
    /// # Errors
    ///
    /// [`DerError::Trailing`] if something is.
    pub const fn finish(self) -> Result<(), DerError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(DerError::Trailing(self.0.len()))
        }
    }
}

/// Reads a length in its shortest definite form (X.690 §10.1).
fn length(bytes: &[u8]) -> Result<(usize, &[u8]), DerError> {
    let (&first, rest) = bytes.split_first().ok_or(DerError::Truncated)?;
    if first < 0x80 {
        return Ok((usize::from(first), rest));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || count > 4 {
        return Err(DerError::Length);
    }
    let (octets, rest) = rest.split_at_checked(count).ok_or(DerError::Truncated)?;
    if octets.first() == Some(&0) {
        return Err(DerError::Length);
    }
    let value = octets
        .iter()
        .fold(0_u64, |sum, octet| (sum << 8) | u64::from(*octet));
    if value < 0x80 {
        return Err(DerError::Length);
    }
    let value = usize::try_from(value).map_err(|_| DerError::Length)?;
    Ok((value, rest))
}

/// Reads bytes that are exactly one element with this identifier octet; returns its contents.
///
/// # Errors
///
/// [`DerError`] for anything else, [`DerError::Trailing`] if more follows.
pub fn only(bytes: &[u8], wanted: u8) -> Result<&[u8], DerError> {
    let mut reader = Reader::new(bytes);
    let contents = reader.expect(wanted)?;
    reader.finish()?;
    Ok(contents)
}

/// Reads bytes that are exactly one `UTF8String`.
///
/// # Errors
///
/// [`DerError`] for anything else.
pub fn only_utf8(bytes: &[u8]) -> Result<&str, DerError> {
    std::str::from_utf8(only(bytes, UTF8_STRING)?).map_err(|_| DerError::Contents)
}

/// Reads the contents of an OBJECT IDENTIFIER as dotted decimals (X.690 §8.19).
///
/// # Errors
///
/// [`DerError::Contents`] if they are empty, cut short, not in the shortest form, or have an arc
/// over 2^64.
pub fn oid_text(contents: &[u8]) -> Result<String, DerError> {
    let mut arcs: Vec<u64> = Vec::new();
    let mut arc: Option<u64> = None;
    for octet in contents {
        let so_far = match arc {
            // A leading 80 would be a longer form of the same arc.
            None if *octet == 0x80 => return Err(DerError::Contents),
            None => 0,
            Some(so_far) => so_far,
        };
        let next = so_far
            .checked_mul(128)
            .and_then(|shifted| shifted.checked_add(u64::from(octet & 0x7f)))
            .ok_or(DerError::Contents)?;
        if octet & 0x80 == 0 {
            arcs.push(next);
            arc = None;
        } else {
            arc = Some(next);
        }
    }
    let (None, Some((first, rest))) = (arc, arcs.split_first()) else {
        return Err(DerError::Contents);
    };
    // X.690 §8.19.4: the first two arcs share one number, 40 × first + second.
    let top = (first / 40).min(2);
    let second = first.saturating_sub(top.saturating_mul(40));
    let mut text = format!("{top}.{second}");
    for arc in rest {
        text.push('.');
        text.push_str(&arc.to_string());
    }
    Ok(text)
}

/// Writes one element.
pub fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(contents.len()) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let octets = contents.len().to_be_bytes();
            let significant: Vec<u8> = octets.into_iter().skip_while(|octet| *octet == 0).collect();
            // At most eight octets, so the count fits beside the flag.
            out.push(0x80 | u8::try_from(significant.len()).unwrap_or(0x7f));
            out.extend(significant);
        }
    }
    out.extend_from_slice(contents);
    out
}

/// Writes a SEQUENCE of elements that are already written.
pub fn sequence(elements: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, &elements.concat())
}

/// Writes an OBJECT IDENTIFIER from dotted decimals; empty if `text` is not one.
pub fn object_identifier(text: &str) -> Vec<u8> {
    let arcs = oid::arcs(text).unwrap_or_default();
    let Some((first, [second, rest @ ..])) = arcs.split_first() else {
        return Vec::new();
    };
    let joined = first.saturating_mul(40).saturating_add(*second);
    let mut contents = Vec::new();
    for arc in std::iter::once(&joined).chain(rest) {
        push_base128(&mut contents, *arc);
    }
    element(OBJECT_IDENTIFIER, &contents)
}

fn push_base128(out: &mut Vec<u8>, arc: u64) {
    for group in (0..10_u32).rev() {
        let above = arc >> (group.saturating_mul(7));
        if above == 0 && group != 0 {
            continue;
        }
        let low = u8::try_from(above & 0x7f).unwrap_or(0);
        out.push(if group == 0 { low } else { low | 0x80 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_read_with_everything_it_has() {
        let mut reader = Reader::new(&[0x04, 0x02, 0xaa, 0xbb, 0x05, 0x00]);
        let element = reader.element().unwrap();
        assert_eq!(element.tag, OCTET_STRING);
        assert_eq!(element.contents, [0xaa, 0xbb]);
        assert_eq!(element.whole, [0x04, 0x02, 0xaa, 0xbb]);
        assert_eq!(reader.peek(), Some(NULL));
        assert_eq!(reader.expect(NULL), Ok(&[][..]));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn a_length_has_one_form_only() {
        let long = element(OCTET_STRING, &[7; 200]);
        assert_eq!(long[..3], [0x04, 0x81, 200]);
        assert_eq!(only(&long, OCTET_STRING).unwrap().len(), 200);
        // The same two bytes with a long form of a short length, and with leading zeroes.
        assert_eq!(only(&[4, 0x81, 2, 1, 1], 4), Err(DerError::Length));
        assert_eq!(only(&[4, 0x82, 0, 200], 4), Err(DerError::Length));
        assert_eq!(only(&[4, 0x80, 1, 0, 0], 4), Err(DerError::Length));
        assert_eq!(only(&[4, 0x85, 1, 0, 0, 0, 0], 4), Err(DerError::Length));
    }

    #[test]
    fn what_is_cut_short_or_goes_on_is_refused() {
        assert_eq!(only(&[], 4), Err(DerError::Truncated));
        assert_eq!(only(&[4], 4), Err(DerError::Truncated));
        assert_eq!(only(&[4, 2, 1], 4), Err(DerError::Truncated));
        assert_eq!(only(&[4, 1, 1, 9], 4), Err(DerError::Trailing(1)));
        assert_eq!(only(&[0x1f, 1, 1], 4), Err(DerError::LongTag));
        assert_eq!(
            only(&[2, 1, 1], 4),
            Err(DerError::Tag {
                found: 2,
                wanted: 4
            })
        );
    }

    #[test]
    fn an_object_identifier_survives_its_bytes() {
        for text in [
            "1.2.840.113549.1.1.11",
            "2.5.29.15",
            "2.999.1",
            "0.9.2342",
            oid::EKU_DEVICE,
            oid::POLICY_TPM_RESIDENCY,
        ] {
            let der = object_identifier(text);
            let contents = only(&der, OBJECT_IDENTIFIER).unwrap();
            assert_eq!(oid_text(contents).unwrap(), text);
        }
        // rsaEncryption, as every certificate with an RSA key has it.
        assert_eq!(
            object_identifier("1.2.840.113549.1.1.1"),
            [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]
        );
    }

    #[test]
    fn an_object_identifier_in_a_longer_form_is_refused() {
        for wrong in [
            &[][..],
            &[0x80, 0x2a],
            &[0x2a, 0x86],
            &[0x2a, 0x80, 0x01],
            &[
                0x2a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
            ],
        ] {
            assert_eq!(oid_text(wrong), Err(DerError::Contents), "{wrong:?}");
        }
    }
}
