//! Messages: what was read once is read again as the same.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads JSON as a `T`; if it is one, what is written of it must be read as the same again.
///
/// # Panics
///
/// If it is not: two programs would not mean the same by one message.
pub fn read_twice<T: DeserializeOwned + Serialize + PartialEq + Debug>(data: &[u8]) -> Option<T> {
    let message: T = serde_json::from_slice(data).ok()?;
    let written = serde_json::to_vec(&message).expect("a message that can be written");
    let again: T = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(again, message);
    Some(message)
}
