//! The small words on the wire: ids, names, phrases, roles, times, hashes, codes. What is taken is
//! written as it came, so that one thing has one name.

#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use libfuzzer_sys::fuzz_target;
use wardkey_fuzz::{begin_with, read_twice, text};
use wardkey_schemas::Code;
use wardkey_schemas::bytes::{self, Mac, Nonce, Sha256, Signature};
use wardkey_schemas::ids::{
    DeviceId, EnrolmentId, HoldId, OrderId, PersonId, ReaderId, RegistrationId, RoomId, SessionId,
};
use wardkey_schemas::key::{PublicKey, Thumbprint};
use wardkey_schemas::names::{AssetTag, DisplayName, Firmware, Realm, SiteCode, TokenSerial};
use wardkey_schemas::order::HoldClass;
use wardkey_schemas::phrase::Phrase;
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Timestamp;

fn word<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let written = value.to_string();
        assert!(
            written.parse::<T>().is_ok_and(|again| again == value),
            "{written}"
        );
    }
}

/// A word that may be written in one way only.
fn one_way<T: FromStr + Display>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string(), text);
    }
}

fn read(text: &str) {
    one_way::<DeviceId>(text);
    one_way::<EnrolmentId>(text);
    one_way::<HoldId>(text);
    one_way::<OrderId>(text);
    one_way::<PersonId>(text);
    one_way::<ReaderId>(text);
    one_way::<RegistrationId>(text);
    one_way::<RoomId>(text);
    one_way::<SessionId>(text);
    one_way::<Mac>(text);
    one_way::<Nonce>(text);
    one_way::<Sha256>(text);
    one_way::<Signature>(text);
    one_way::<Thumbprint>(text);
    one_way::<AssetTag>(text);
    one_way::<DisplayName>(text);
    one_way::<Realm>(text);
    one_way::<SiteCode>(text);
    one_way::<Role>(text);
    one_way::<Code>(text);
    // People type these.
    word::<Phrase>(text);
    word::<TokenSerial>(text);
    word::<Timestamp>(text);
    let _ = std::hint::black_box(text.parse::<HoldClass>());
    let _ = std::hint::black_box(Sha256::from_hex(text));
    if let Ok(decoded) = bytes::decode(text) {
        assert_eq!(bytes::encode(&decoded), text);
    }
}

fuzz_target!(
    init: begin_with("words", [
        "hmp-xyz",
        "wardkey.test",
        "LAPTOP-1",
        "Sam Example",
        "33000001",
        "2026-11-22T06:00:00.000Z",
        "0b9f2d60-0f7a-4d0b-9b3e-5d0e3f1b6c1a",
        "lead",
        "LAPTOP_HELD",
        Phrase::of(&Sha256::of(b"a phrase")).as_str(),
        &Sha256::of(b"a hash").to_string(),
        &Sha256::of(b"a hash").to_hex(),
    ]),
    |data: &[u8]| {
        if let Some(text) = text(data) {
            read(text);
        }
        let _ = read_twice::<Firmware>(data);
        let _ = read_twice::<PublicKey>(data);
        let _ = read_twice::<Timestamp>(data);
        let _ = read_twice::<Phrase>(data);
    }
);
