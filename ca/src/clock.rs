//! The only wall clock of this program.

use std::time::{SystemTime, UNIX_EPOCH};

use wardkey_schemas::time::Timestamp;

/// Now. A clock set before 1970 or after 9999 reads as the nearest time that can be written.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the wall clock"
)]
pub fn now() -> Timestamp {
    let millis = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    i64::try_from(millis)
        .ok()
        .and_then(|millis| Timestamp::from_millis(millis).ok())
        .unwrap_or(Timestamp::MAX)
}
