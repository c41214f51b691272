//! From columns to types: the one place where a stored value is believed to be what it should be.

use std::str::FromStr;

use wardkey_schemas::key::PublicKey;
use wardkey_schemas::time::Timestamp;

use super::StoreError;

/// The table and column that a value came from.
#[derive(Clone, Copy, Debug)]
pub struct Column(pub &'static str, pub &'static str);

impl Column {
    const fn inconsistent(self) -> StoreError {
        StoreError::Inconsistent {
            table: self.0,
            column: self.1,
        }
    }

    /// A value with a fixed number of bytes: an id, a digest, a thumbprint.
    pub(super) fn fixed<'a, T: TryFrom<&'a [u8]>>(self, bytes: &'a [u8]) -> Result<T, StoreError> {
        T::try_from(bytes).map_err(|_| self.inconsistent())
    }

    /// A value that is parsed from text.
    pub(super) fn text<T: FromStr>(self, text: &str) -> Result<T, StoreError> {
        text.parse().map_err(|_| self.inconsistent())
    }

    /// A value that is kept as JSON.
    pub(super) fn json<T: serde::de::DeserializeOwned>(self, text: &str) -> Result<T, StoreError> {
        serde_json::from_str(text).map_err(|_| self.inconsistent())
    }

    /// A word of an enum that serde knows.
    pub(super) fn word<T: serde::de::DeserializeOwned>(self, word: &str) -> Result<T, StoreError> {
        serde_json::from_value(serde_json::Value::String(word.to_owned()))
            .map_err(|_| self.inconsistent())
    }

    /// A public key, by its uncompressed point.
    pub(super) fn key(self, point: &[u8]) -> Result<PublicKey, StoreError> {
        PublicKey::from_point(point).map_err(|_| self.inconsistent())
    }

    /// A time in milliseconds since 1970.
    pub(super) fn time(self, millis: i64) -> Result<Timestamp, StoreError> {
        Timestamp::from_millis(millis).map_err(|_| self.inconsistent())
    }

    /// A number that fits.
    pub(super) fn number<T: TryFrom<i64>>(self, number: i64) -> Result<T, StoreError> {
        T::try_from(number).map_err(|_| self.inconsistent())
    }
}

/// A value as JSON text, for a column that keeps lists.
pub(super) fn to_json<T: serde::Serialize>(
    value: &T,
    column: Column,
) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| column.inconsistent())
}

/// A number that a signed 64-bit column can hold; larger ones are cut to its maximum, which only
/// counters far beyond any real one could reach.
pub(super) fn to_i64<T: TryInto<i64>>(number: T) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// A TPM counter of 64 bits in a signed column: the same bits.
pub(super) const fn bits_to_i64(number: u64) -> i64 {
    i64::from_be_bytes(number.to_be_bytes())
}

/// The way back from [`bits_to_i64`].
pub(super) const fn i64_to_bits(number: i64) -> u64 {
    u64::from_be_bytes(number.to_be_bytes())
}
