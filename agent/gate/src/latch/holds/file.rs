//! The latch as a file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wardkey_schemas::ids::OrderSeq;

use super::{Holds, Outcome, Owner, Word};

/// The latch file: the same as [`Holds`], in the words of JSON.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    owner: Option<Owner>,
    last_order: OrderSeq,
    holds: Vec<Word>,
    outcomes: Vec<Outcome>,
}

/// The only format so far.
const FORMAT: u32 = 1;

impl Holds {
    /// The bytes of a latch file.
    ///
    /// # Errors
    ///
    /// [`serde_json::Error`]; none is known to happen.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let file = File {
            format: FORMAT,
            owner: self.owner,
            last_order: self.last_order,
            holds: self.words.values().copied().collect(),
            outcomes: self.outcomes.iter().copied().collect(),
        };
        let mut bytes = serde_json::to_vec_pretty(&file)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Parses a latch file.
    ///
    /// # Errors
    ///
    /// One sentence on what is wrong with it: not JSON, another format, a hold told of twice.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let file: File = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if file.format != FORMAT {
            return Err(format!("format {}, wanted {FORMAT}", file.format));
        }
        let mut words = BTreeMap::new();
        for word in file.holds {
            if words.insert(word.hold.id, word).is_some() {
                return Err(format!("hold {} stands in it twice", word.hold.id));
            }
        }
        Ok(Self {
            owner: file.owner,
            last_order: file.last_order,
            words,
            outcomes: file.outcomes.into(),
        })
    }
}
