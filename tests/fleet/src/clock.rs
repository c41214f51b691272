//! The wall clock of the fleet: certificates are made for the time that keyd sees.

use std::time::{SystemTime, UNIX_EPOCH};

use wardkey_schemas::time::Timestamp;

/// Now.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the wall clock"
)]
pub fn now() -> Timestamp {
    let millis = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis();
    Timestamp::from_millis(i64::try_from(millis).unwrap()).unwrap()
}
