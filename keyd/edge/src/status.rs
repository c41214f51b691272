//! The one place where a refusal becomes an HTTP status.

use wardkey_schemas::Code;
use wardkey_schemas::refusal::Kind;

/// The status for a code (RFC 9110 §15).
pub const fn of(code: Code) -> u16 {
    match code.kind() {
        Kind::Malformed => 400,
        Kind::Unknown => 401,
        Kind::Refused => 403,
        Kind::NotFound => 404,
        Kind::Conflict => 409,
        Kind::TooLarge => 413,
        Kind::TooOften => 429,
        Kind::Unavailable => 503,
    }
}
