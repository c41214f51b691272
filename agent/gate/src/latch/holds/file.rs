//! The holds as they stand in a file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wardkey_schemas::ids::OrderSeq;

use super::{Holds, Outcome, Owner, Word};

/// The same as [`Holds`], in the words of JSON.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    owner: Option<Owner>,
    last_order: OrderSeq,
    holds: Vec<Word>,
    outcomes: Vec<Outcome>,
}

impl From<Holds> for File {
    fn from(holds: Holds) -> Self {
        Self {
            owner: holds.owner,
            last_order: holds.last_order,
            holds: holds.words.into_values().collect(),
            outcomes: holds.outcomes.into(),
        }
    }
}

impl TryFrom<File> for Holds {
    type Error = String;

    fn try_from(file: File) -> Result<Self, String> {
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
