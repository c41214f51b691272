//! Base64 (RFC 4648 §4, padded) and decimal numbers, each with one spelling.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wardkey_schemas::bytes::Sha256;

pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Strict: padded, no stray bits.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

pub(crate) fn decode_hash(text: &str) -> Option<Sha256> {
    Sha256::try_from(decode(text)?.as_slice()).ok()
}

/// A decimal number without leading zeros or sign.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}
