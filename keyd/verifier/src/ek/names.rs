//! Distinguished names: attribute types and values (RFC 5280 §4.1.2.4).

use crate::der::{self, DerError, Reader};

const SET: u8 = 0x31;

/// One attribute of a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Attribute {
    /// Its type in dotted decimals.
    pub(super) oid: String,
    /// Its value; what is not ASCII is replaced.
    pub(super) value: String,
}

/// The attributes of a name (DER), in order. Several may stand in one set; the order within a set is
/// not looked at, because one maker's is not the one that DER demands.
pub(super) fn attributes(name: &[u8]) -> Result<Vec<Attribute>, DerError> {
    let mut sets = Reader::new(der::only(name, der::SEQUENCE)?);
    let mut found = Vec::new();
    while !sets.is_empty() {
        let mut set = Reader::new(sets.expect(SET)?);
        while !set.is_empty() {
            let mut pair = Reader::new(set.expect(der::SEQUENCE)?);
            let oid = der::oid_text(pair.expect(der::OBJECT_IDENTIFIER)?)?;
            let value = pair.element()?;
            pair.finish()?;
            found.push(Attribute {
                oid,
                value: String::from_utf8_lossy(value.contents).into_owned(),
            });
        }
    }
    Ok(found)
}

/// A name for people: its values with commas between them.
pub(super) fn for_people(name: &[u8]) -> String {
    match attributes(name) {
        Ok(found) if found.is_empty() => "(no name)".to_owned(),
        Ok(found) => {
            let values: Vec<String> = found.into_iter().map(|part| part.value).collect();
            values.join(", ")
        }
        Err(_) => "(a name that cannot be read)".to_owned(),
    }
}
