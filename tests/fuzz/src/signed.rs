//! Genuine signatures over made-up bytes.

use wardkey_schemas::bytes;
use wardkey_schemas::jws::{Jws, Message};
use wardkey_schemas::key::SigningKey;
use wardkey_verifier::der;

/// The envelope of this payload, whatever it is; none if it is longer than its type allows.
///
/// # Panics
///
/// If an envelope within its length is refused.
pub fn envelope_over<T: Message>(payload: &[u8], key: &SigningKey) -> Option<Jws<T>> {
    let header = format!(
        r#"{{"alg":"ES256","typ":"{}","kid":"{}"}}"#,
        T::TYP,
        key.public().thumbprint()
    );
    let signed = format!(
        "{}.{}",
        bytes::encode(header.as_bytes()),
        bytes::encode(payload)
    );
    // 87 characters are the last dot and the signature.
    if signed.len() + 87 > T::MAX {
        return None;
    }
    let signature = key.sign(signed.as_bytes()).expect("a key that signs");
    let envelope = Jws::parse(format!("{signed}.{signature}"));
    Some(envelope.expect("only its payload may be against it"))
}

/// The certificate, or the certificate request, that says these bytes (DER).
///
/// # Panics
///
/// If the key does not sign.
#[must_use]
pub fn certificate_over(signed: &[u8], key: &SigningKey) -> Vec<u8> {
    let signature = key.sign(signed).expect("a key that signs");
    let (r, s) = signature.as_bytes().split_at(32);
    let signature = der::sequence(&[&integer(r), &integer(s)]);
    let mut bits = vec![0];
    bits.extend(signature);
    der::sequence(&[
        signed,
        &der::sequence(&[&der::object_identifier("1.2.840.10045.4.3.2")]),
        &der::element(der::BIT_STRING, &bits),
    ])
}

/// The same with a signature that is not genuine: a sample of the form. What is genuine stays out of
/// the corpus, since it would still pass in the next run, with the same keys.
#[must_use]
pub fn spoilt(der: &[u8]) -> Vec<u8> {
    let mut spoilt = der.to_vec();
    if let Some(last) = spoilt.last_mut() {
        *last ^= 1;
    }
    spoilt
}

fn integer(big_endian: &[u8]) -> Vec<u8> {
    let mut digits: Vec<u8> = big_endian
        .iter()
        .copied()
        .skip_while(|byte| *byte == 0)
        .collect();
    if digits.first().is_none_or(|first| first & 0x80 != 0) {
        digits.insert(0, 0);
    }
    der::element(der::INTEGER, &digits)
}
