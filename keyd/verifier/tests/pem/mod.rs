//! PEM (RFC 7468), as far as the test data needs it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Every certificate in `text`, as DER.
pub(crate) fn certificates(text: &str) -> Vec<Vec<u8>> {
    text.split("-----BEGIN CERTIFICATE-----")
        .skip(1)
        .map(|part| {
            let (body, _) = part.split_once("-----END CERTIFICATE-----").unwrap();
            let body: String = body.split_whitespace().collect();
            STANDARD.decode(body).unwrap()
        })
        .collect()
}
