//! Envelopes opened and refused.

use serde::{Deserialize, Serialize};

use super::*;
use crate::key::SigningKey;

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    text: String,
}

impl Message for Note {
    const TYP: &'static str = "wardkey-test-note+jwt";
    const MAX: usize = 1000;
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Other {
    text: String,
}

impl Message for Other {
    const TYP: &'static str = "wardkey-test-other+jwt";
    const MAX: usize = 1000;
}

pub(super) fn key() -> SigningKey {
    SigningKey::generate().unwrap().0
}

pub(super) fn note() -> Note {
    Note {
        text: "hello".to_owned(),
    }
}

/// Signs a header and payload given as JSON text, whatever they say.
fn forge(header: &str, payload: &[u8], key: &SigningKey) -> String {
    let signed = format!(
        "{}.{}",
        bytes::encode(header.as_bytes()),
        bytes::encode(payload)
    );
    format!("{signed}.{}", key.sign(signed.as_bytes()).unwrap())
}

#[test]
fn a_signed_message_opens_under_its_key() {
    let key = key();
    let opened = sign(&note(), &key).unwrap().open(key.public()).unwrap();
    assert_eq!(*opened.message(), note());
    assert_eq!(opened.signer(), key.public().thumbprint());
    assert_eq!(opened.payload_sha256(), Sha256::of(br#"{"text":"hello"}"#));
}

#[test]
fn another_key_is_refused_by_name() {
    let (key, other) = (key(), key());
    let error = sign(&note(), &key)
        .unwrap()
        .open(other.public())
        .unwrap_err();
    assert!(matches!(error, EnvelopeError::Key { .. }), "{error}");
}

#[test]
fn another_keys_signature_under_the_right_name_is_refused() {
    let (key, other) = (key(), key());
    let kid = key.public().thumbprint();
    let header = format!(r#"{{"alg":"ES256","typ":"wardkey-test-note+jwt","kid":"{kid}"}}"#);
    let text = forge(&header, br#"{"text":"hello"}"#, &other);
    let jws = Jws::<Note>::parse(text).unwrap();
    assert_eq!(jws.open(key.public()), Err(EnvelopeError::Signature));
}

#[test]
fn one_type_of_message_cannot_pass_for_another() {
    let jws = sign(&note(), &key()).unwrap();
    let error = Jws::<Other>::parse(jws.as_str().to_owned()).unwrap_err();
    assert!(matches!(error, EnvelopeError::Type { .. }), "{error}");
}

#[test]
fn every_changed_character_is_refused() {
    let key = key();
    let text = sign(&note(), &key).unwrap().as_str().to_owned();
    for at in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        let opened = Jws::<Note>::parse(changed).and_then(|jws| jws.open(key.public()));
        assert!(opened.is_err(), "character {at}");
    }
}

#[test]
fn headers_with_anything_more_or_less_are_refused() {
    let key = key();
    let kid = key.public().thumbprint();
    let typ = "wardkey-test-note+jwt";
    for header in [
        format!(r#"{{"alg":"none","typ":"{typ}","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"HS256","typ":"{typ}","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"ES256","typ":"{typ}"}}"#),
        format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"ES256","typ":"{typ}","kid":"{kid}","crit":["b64"]}}"#),
        format!(r#"{{"alg":"ES256","typ":"{typ}","kid":"{kid}","jwk":{{}}}}"#),
        format!(r#"{{"alg":"ES256","alg":"ES256","typ":"{typ}","kid":"{kid}"}}"#),
    ] {
        let text = forge(&header, br#"{"text":"hello"}"#, &key);
        assert!(Jws::<Note>::parse(text).is_err(), "{header}");
    }
}

#[test]
fn payloads_that_are_not_exactly_the_message_are_refused() {
    let key = key();
    let kid = key.public().thumbprint();
    let header = format!(r#"{{"alg":"ES256","typ":"wardkey-test-note+jwt","kid":"{kid}"}}"#);
    let payloads: [&[u8]; 7] = [
        b"",
        b"{}",
        br#"{"text":"a","more":1}"#,
        br#"{"text":"a","text":"b"}"#,
        br#"{"text":1}"#,
        b"{\"text\":\"\xff\"}",
        br#"{"text":"a"} {}"#,
    ];
    for payload in payloads {
        let jws = Jws::<Note>::parse(forge(&header, payload, &key)).unwrap();
        let error = jws.open(key.public()).unwrap_err();
        assert!(matches!(error, EnvelopeError::Payload { .. }), "{error}");
    }
}

#[test]
fn a_long_message_is_neither_read_nor_written() {
    let long = Note {
        text: "x".repeat(1000),
    };
    assert!(matches!(
        sign(&long, &key()),
        Err(SigningError::TooLong { .. })
    ));
    let error = Jws::<Note>::parse("x".repeat(1001)).unwrap_err();
    assert_eq!(
        error,
        EnvelopeError::TooLong {
            found: 1001,
            most: 1000
        }
    );
}

#[test]
fn anything_but_three_parts_of_base64url_is_malformed() {
    let text = sign(&note(), &key()).unwrap().as_str().to_owned();
    let (signed, signature) = text.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    for parts in [
        String::new(),
        payload.to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        format!("{header}.{signature}"),
        format!(".{payload}.{signature}"),
        format!("{header}.{payload}."),
        format!("{header}.{payload}.{signature}."),
        format!(".{text}"),
        format!("{text}.{signature}"),
        format!("{header}.{header}.{payload}.{signature}"),
        format!("{header}.{payload}=.{signature}"),
        format!("{header}.{payload}é.{signature}"),
        format!("{header}.{payload}.{signature}A"),
        format!("{header}.{payload} .{signature}"),
    ] {
        let error = Jws::<Note>::parse(parts.clone()).unwrap_err();
        assert_eq!(error, EnvelopeError::Malformed, "{parts}");
    }
}
