//! Values that travel as JSON strings, read where the string stands.

use std::fmt;
use std::marker::PhantomData;

use serde::{Deserializer, de};

/// Reads a string and hands it to `read`.
pub(crate) fn deserialize<'de, D, T, E>(
    deserializer: D,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: fmt::Display,
{
    deserializer.deserialize_str(Text(read, PhantomData))
}

struct Text<F, T>(F, PhantomData<fn() -> T>);

impl<F, T, E> de::Visitor<'_> for Text<F, T>
where
    F: FnOnce(&str) -> Result<T, E>,
    E: fmt::Display,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<A: de::Error>(self, text: &str) -> Result<T, A> {
        (self.0)(text).map_err(A::custom)
    }
}
