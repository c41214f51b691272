//! Envelopes: any text as one, any payload inside one that is genuinely signed.
//!
//! A fuzzer cannot forge a signature, so behind one it would never see a payload. Therefore the same
//! bytes are tried twice: as the text of an envelope, and as a message. What is a message must come
//! out of an envelope, signed by a key of this process, as it went in.

#![no_main]

use std::fmt::Debug;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wardkey_schemas::activation::ActivationRequest;
use wardkey_schemas::bundle::TrustBundle;
use wardkey_schemas::bytes;
use wardkey_schemas::jws::{Jws, Message};
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::lease::Lease;
use wardkey_schemas::order::Order;
use wardkey_schemas::registration::AnnounceLaptop;

static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate().expect("randomness for a key").0);

fn any_text<T: Message>(text: &str) {
    if let Ok(envelope) = Jws::<T>::parse(text.to_owned()) {
        assert_eq!(envelope.as_str(), text);
        // The key is new, so nothing that was written before can open under it.
        assert!(envelope.open(KEY.public()).is_err());
    }
}

fn any_payload<T: Message + PartialEq + Debug>(payload: &[u8]) {
    let Ok(message) = serde_json::from_slice::<T>(payload) else {
        return;
    };
    let header = format!(
        r#"{{"alg":"ES256","typ":"{}","kid":"{}"}}"#,
        T::TYP,
        KEY.public().thumbprint()
    );
    let signed = format!(
        "{}.{}",
        bytes::encode(header.as_bytes()),
        bytes::encode(payload)
    );
    let signature = KEY.sign(signed.as_bytes()).expect("a key that signs");
    match Jws::<T>::parse(format!("{signed}.{signature}")) {
        Ok(envelope) => {
            let opened = envelope.open(KEY.public()).expect("signed by this key");
            assert_eq!(*opened.message(), message);
        }
        // 87 characters are the last dot and the signature.
        Err(_) => assert!(signed.len() + 87 > T::MAX, "only its length is against it"),
    }
    let again = serde_json::to_vec(&message).expect("a message that can be written");
    let second = serde_json::from_slice::<T>(&again).expect("what was written can be read");
    assert_eq!(second, message);
}

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        any_text::<Lease>(text);
        any_text::<Order>(text);
        any_text::<TrustBundle>(text);
    }
    any_payload::<Lease>(data);
    any_payload::<Order>(data);
    any_payload::<ActivationRequest>(data);
    any_payload::<AnnounceLaptop>(data);
});
