//! The one wall clock of the program.

use wardkey_schemas::time::Timestamp;

/// Now, by this computer's clock.
///
/// It judges whether certificates are in their time and when a permission to read is worth using;
/// what keyd decides, it decides by its own clock.
pub(crate) fn now() -> Timestamp {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks for the time"
    )]
    let since_1970 = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let millis = i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(millis).unwrap_or(Timestamp::MAX)
}
