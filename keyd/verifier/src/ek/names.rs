//! Distinguished names: attribute types and values (RFC 5280 §4.1.2.4).

use std::borrow::Cow;

use crate::der::{self, DerError, Reader};

const SET: u8 = 0x31;
const PRINTABLE_STRING: u8 = 0x13;

/// One attribute of a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Attribute<'a> {
    /// In which set it stands, counted from 0.
    set: usize,
    /// Its type in dotted decimals.
    pub(super) oid: String,
    tag: u8,
    value: &'a [u8],
}

impl Attribute<'_> {
    /// Its value as text; what is not UTF-8 is replaced.
    pub(super) fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.value)
    }

    /// Whether both say the same. `PrintableString` and `UTF8String` are two ways to write one text
    /// (RFC 5280 §7.1).
    fn says_what(&self, other: &Self) -> bool {
        let is_text = |tag| matches!(tag, PRINTABLE_STRING | der::UTF8_STRING);
        self.set == other.set
            && self.oid == other.oid
            && self.value == other.value
            && (self.tag == other.tag || (is_text(self.tag) && is_text(other.tag)))
    }
}

/// The attributes of a name (DER), in order. Several may stand in one set; the order within a set is
/// not looked at, because one maker's is not the one that DER demands.
pub(super) fn attributes(name: &[u8]) -> Result<Vec<Attribute<'_>>, DerError> {
    let mut sets = Reader::new(der::only(name, der::SEQUENCE)?);
    let mut found = Vec::new();
    for place in 0_usize.. {
        if sets.is_empty() {
            break;
        }
        let mut set = Reader::new(sets.expect(SET)?);
        while !set.is_empty() {
            let mut pair = Reader::new(set.expect(der::SEQUENCE)?);
            let oid = der::oid_text(pair.expect(der::OBJECT_IDENTIFIER)?)?;
            let value = pair.element()?;
            pair.finish()?;
            found.push(Attribute {
                set: place,
                oid,
                tag: value.tag,
                value: value.contents,
            });
        }
    }
    Ok(found)
}

/// Whether two names (DER) are one: the same bytes, or the same attributes with the same texts. One
/// maker writes its root's name with `PrintableString` in the root and with `UTF8String` below it.
pub(super) fn are_one(name: &[u8], other: &[u8]) -> bool {
    if name == other {
        return true;
    }
    match (attributes(name), attributes(other)) {
        (Ok(name), Ok(other)) => {
            name.len() == other.len()
                && name.iter().zip(&other).all(|(one, two)| one.says_what(two))
        }
        _ => false,
    }
}

/// A name for people: its values with commas between them.
pub(super) fn for_people(name: &[u8]) -> String {
    match attributes(name) {
        Ok(found) if found.is_empty() => "(no name)".to_owned(),
        Ok(found) => {
            let values: Vec<Cow<'_, str>> = found.iter().map(Attribute::text).collect();
            values.join(", ")
        }
        Err(_) => "(a name that cannot be read)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(sets: &[&[(u8, &str)]]) -> Vec<u8> {
        let attribute = |(tag, text): &(u8, &str)| {
            let oid = der::object_identifier("2.5.4.3");
            der::sequence(&[&oid, &der::element(*tag, text.as_bytes())])
        };
        let sets: Vec<Vec<u8>> = sets
            .iter()
            .map(|set| {
                let all: Vec<Vec<u8>> = set.iter().map(attribute).collect();
                der::element(SET, &all.concat())
            })
            .collect();
        der::element(der::SEQUENCE, &sets.concat())
    }

    #[test]
    fn one_name_in_two_kinds_of_string_is_one_name() {
        let printable = name(&[&[(PRINTABLE_STRING, "CH")], &[(PRINTABLE_STRING, "Root")]]);
        let utf8 = name(&[&[(PRINTABLE_STRING, "CH")], &[(der::UTF8_STRING, "Root")]]);
        assert!(are_one(&printable, &utf8));
        assert_eq!(for_people(&utf8), "CH, Root");
    }

    #[test]
    fn other_names_are_other_names() {
        let good = name(&[&[(PRINTABLE_STRING, "CH")], &[(PRINTABLE_STRING, "Root")]]);
        let others = [
            name(&[&[(PRINTABLE_STRING, "CH")], &[(PRINTABLE_STRING, "root")]]),
            name(&[&[(PRINTABLE_STRING, "CH")]]),
            name(&[&[(PRINTABLE_STRING, "CH"), (PRINTABLE_STRING, "Root")]]),
            name(&[&[(PRINTABLE_STRING, "CH")], &[(0x1e, "Root")]]),
            name(&[]),
            b"junk".to_vec(),
        ];
        for other in others {
            assert!(!are_one(&good, &other));
        }
        assert!(!are_one(b"junk", b"other junk"));
    }
}
