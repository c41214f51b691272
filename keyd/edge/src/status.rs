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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_errors_tells_the_same_status() {
        let page = include_str!("../../../docs/errors.md");
        for code in Code::ALL {
            let (_, entry) = page.split_once(&format!("\n### {code}\n")).unwrap();
            let entry = entry.split("\n#").next().unwrap();
            let status = format!(" ({}).\n", of(*code));
            assert!(entry.contains(&status), "{code} is not{status}");
        }
    }
}
