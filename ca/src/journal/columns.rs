//! From columns to types: the one place where a stored value is believed to be what it should be.

use wardkey_schemas::time::Timestamp;

use super::JournalError;

/// The table and column that a value came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column(pub(super) &'static str, pub(super) &'static str);

impl Column {
    const fn inconsistent(self) -> JournalError {
        JournalError::Inconsistent {
            table: self.0,
            column: self.1,
        }
    }

    /// A value with a fixed number of bytes: an id, a digest, a thumbprint.
    pub(super) fn fixed<'a, T: TryFrom<&'a [u8]>>(
        self,
        bytes: &'a [u8],
    ) -> Result<T, JournalError> {
        T::try_from(bytes).map_err(|_| self.inconsistent())
    }

    /// A value that is kept as JSON.
    pub(super) fn json<T: serde::de::DeserializeOwned>(
        self,
        text: &str,
    ) -> Result<T, JournalError> {
        serde_json::from_str(text).map_err(|_| self.inconsistent())
    }

    /// A value that is parsed by the caller.
    pub(super) fn found<T>(self, value: Option<T>) -> Result<T, JournalError> {
        value.ok_or_else(|| self.inconsistent())
    }

    /// A time in milliseconds since 1970.
    pub(super) fn time(self, millis: i64) -> Result<Timestamp, JournalError> {
        Timestamp::from_millis(millis).map_err(|_| self.inconsistent())
    }

    /// A number that fits.
    pub(super) fn number<T: TryFrom<i64>>(self, number: i64) -> Result<T, JournalError> {
        T::try_from(number).map_err(|_| self.inconsistent())
    }

    /// A value as JSON text.
    pub(super) fn to_json<T: serde::Serialize>(self, value: &T) -> Result<String, JournalError> {
        serde_json::to_string(value).map_err(|_| self.inconsistent())
    }
}
