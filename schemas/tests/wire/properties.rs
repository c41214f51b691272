//! Properties of texts: what is written is read back as the same; nothing that is read can panic.

use proptest::prelude::*;
use wardkey_schemas::bytes::{self, Bytes, Nonce, Sha256, Signature};
use wardkey_schemas::enrolment::LaptopApproval;
use wardkey_schemas::ids::{DeviceId, HoldId, SessionId};
use wardkey_schemas::jws::{Jws, Message as _};
use wardkey_schemas::key::{PublicKey, Thumbprint};
use wardkey_schemas::lease::Lease;
use wardkey_schemas::names::{AssetTag, DisplayName, Note, Realm, SiteCode, TokenSerial};
use wardkey_schemas::phrase::Phrase;
use wardkey_schemas::refusal::Refusal;
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_schemas::{Code, oid};

use crate::catalogue::entries;

/// Written as JSON and as text, read back from both.
macro_rules! survives {
    ($value:expr, $type:ty) => {{
        let value: $type = $value;
        let json = serde_json::to_string(&value).unwrap();
        prop_assert_eq!(&serde_json::from_str::<$type>(&json).unwrap(), &value);
        prop_assert_eq!(&value.to_string().parse::<$type>().unwrap(), &value);
    }};
}

/// Any text, or one in which every second word is likely to mean something here.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".*",
        "[a-zA-Z0-9_.=+/-]{0,200}",
        "[A-Za-z0-9_-]{0,80}[.][A-Za-z0-9_-]{0,80}[.][A-Za-z0-9_-]{86}",
        "[0-9T:Z.+-]{0,40}",
    ]
}

proptest! {
    #[test]
    fn an_id_survives_its_text(random: [u8; 16]) {
        survives!(DeviceId::from_random(random), DeviceId);
        survives!(SessionId::from_random(random), SessionId);
        let hold = HoldId::from_bytes(random);
        prop_assert_eq!(HoldId::from_bytes(*hold.as_bytes()), hold);
        prop_assert_eq!(HoldId::try_from(&random[..]).unwrap(), hold);
    }

    #[test]
    fn an_id_of_a_random_number_is_a_version_4_uuid(random: [u8; 16]) {
        let text = DeviceId::from_random(random).to_string();
        prop_assert_eq!(text.chars().nth(14), Some('4'));
        prop_assert!(matches!(text.chars().nth(19), Some('8' | '9' | 'a' | 'b')));
    }

    #[test]
    fn bytes_survive_their_text(any: Vec<u8>) {
        prop_assert_eq!(&bytes::decode(&bytes::encode(&any)).unwrap(), &any);
        let json = serde_json::to_string(&Bytes::from(any.clone())).unwrap();
        prop_assert_eq!(serde_json::from_str::<Bytes>(&json).unwrap().into_vec(), any);
    }

    #[test]
    fn base64url_has_one_text_for_some_bytes(text in any_text()) {
        if let Ok(decoded) = bytes::decode(&text) {
            prop_assert_eq!(bytes::encode(&decoded), text);
        }
    }

    #[test]
    fn fixed_bytes_survive_their_text(short: [u8; 32], one: [u8; 32], two: [u8; 32]) {
        survives!(Nonce::new(short), Nonce);
        survives!(Sha256::new(short), Sha256);
        survives!(Thumbprint::new(short), Thumbprint);
        let mut long = [0; 64];
        long[..32].copy_from_slice(&one);
        long[32..].copy_from_slice(&two);
        survives!(Signature::new(long), Signature);
    }

    #[test]
    fn fixed_bytes_of_another_length_are_refused(any: Vec<u8>) {
        prop_assert_eq!(Sha256::try_from(any.as_slice()).is_ok(), any.len() == 32);
        prop_assert_eq!(bytes::encode(&any).parse::<Nonce>().is_ok(), any.len() == 32);
    }

    #[test]
    fn a_time_survives_its_text(millis in 0..=Timestamp::MAX.millis()) {
        survives!(Timestamp::from_millis(millis).unwrap(), Timestamp);
    }

    #[test]
    fn a_time_is_never_outside_the_calendar(millis: i64, seconds: u32, more: u64) {
        if let Ok(time) = Timestamp::from_millis(millis) {
            prop_assert!(time.plus(Seconds::new(seconds)) >= time);
            prop_assert!(time.plus_millis(more) <= Timestamp::MAX);
            prop_assert!(time.minus(Seconds::new(seconds)) <= time);
            prop_assert_eq!(time.minus(Seconds::new(seconds)).millis() < 0, false);
        }
    }

    #[test]
    fn a_name_that_is_taken_is_kept_as_it_was_typed(text in any_text()) {
        macro_rules! kept {
            ($($type:ty),*) => {$(
                if let Ok(name) = text.parse::<$type>() {
                    prop_assert_eq!(name.as_str(), &text);
                    survives!(name, $type);
                }
            )*};
        }
        kept!(SiteCode, Realm, AssetTag, DisplayName, Note);
    }

    #[test]
    fn a_name_made_by_its_rule_is_taken(
        site in "[a-z][a-z0-9-]{0,30}[a-z0-9]",
        asset in "[A-Z0-9][A-Z0-9-]{0,31}",
        realm in "[a-z0-9]{1,10}([.][a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?){0,4}",
        serial: u32,
    ) {
        survives!(site.parse().unwrap(), SiteCode);
        survives!(asset.parse().unwrap(), AssetTag);
        survives!(realm.parse().unwrap(), Realm);
        survives!(TokenSerial::new(serial), TokenSerial);
    }

    #[test]
    fn a_phrase_survives_being_said_and_typed(digest: [u8; 32]) {
        let phrase = Phrase::of(&Sha256::new(digest));
        prop_assert_eq!(phrase.as_str().split(' ').count(), 4);
        let typed = phrase.as_str().to_uppercase().replace(' ', " - ");
        prop_assert_eq!(&typed.parse::<Phrase>().unwrap(), &phrase);
        survives!(phrase, Phrase);
    }

    #[test]
    fn two_digests_have_one_phrase_only_if_44_bits_are_the_same(one: [u8; 32], other: [u8; 32]) {
        let bits = |digest: &[u8; 32]| -> (Vec<u8>, u8) { (digest[..5].to_vec(), digest[5] >> 4) };
        let same = Phrase::of(&Sha256::new(one)) == Phrase::of(&Sha256::new(other));
        prop_assert_eq!(same, bits(&one) == bits(&other));
        let mut tail = one;
        tail[6..].copy_from_slice(&other[6..]);
        tail[5] ^= 1;
        prop_assert_eq!(Phrase::of(&Sha256::new(one)), Phrase::of(&Sha256::new(tail)));
    }

    #[test]
    fn nothing_that_is_read_can_panic(text in any_text()) {
        let _ = text.parse::<DeviceId>();
        let _ = text.parse::<Timestamp>();
        let _ = text.parse::<Phrase>();
        let _ = text.parse::<TokenSerial>();
        let _ = text.parse::<Code>();
        let _ = Sha256::from_hex(&text);
        let _ = serde_json::from_str::<PublicKey>(&text);
        let _ = oid::arcs(&text);
        prop_assert!(Refusal::new(Code::MessageMalformed, &text, &text).found().chars().count() <= 200);
        if let Ok(envelope) = Jws::<Lease>::parse(text.clone()) {
            prop_assert_eq!(envelope.as_str(), &text);
        }
        let _ = Jws::<LaptopApproval>::parse(text);
    }

    #[test]
    fn a_point_of_any_bytes_is_refused_or_kept(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        if let Ok(key) = PublicKey::from_point(&bytes) {
            prop_assert_eq!(&key.point()[..], &bytes[..]);
        }
    }

    #[test]
    fn a_golden_envelope_with_changed_characters_is_never_opened(
        entry in any::<prop::sample::Index>(),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<char>()), 1..4),
    ) {
        let entries: Vec<_> = entries().iter().filter_map(|entry| entry.envelope.as_ref()).collect();
        let envelope = *entry.get(&entries);
        let mut characters: Vec<char> = envelope.text.chars().collect();
        for (place, character) in places {
            let place = place.index(characters.len());
            characters[place] = character;
        }
        let changed: String = characters.into_iter().collect();
        let opened = (envelope.open)(&changed, &crate::catalogue::golden_key());
        prop_assert_eq!(opened.is_ok(), changed == envelope.text);
    }

    #[test]
    fn bytes_that_are_no_message_are_refused_without_panic(text in any_text(), entry in any::<prop::sample::Index>()) {
        let read = entry.get(entries()).read;
        if let Ok(again) = read(&text) {
            prop_assert_eq!(read(&again).unwrap(), again);
        }
    }
}

#[test]
fn an_envelope_of_the_greatest_length_is_looked_at_and_a_longer_one_is_not() {
    let padded = |length: usize| {
        let tail = format!(".{}.{}", "A".repeat(64), "A".repeat(86));
        format!("{}{tail}", "A".repeat(length - tail.len()))
    };
    let error = |length| Jws::<Lease>::parse(padded(length)).unwrap_err().to_string();
    assert!(error(Lease::MAX).contains("compact JWS"));
    assert!(error(Lease::MAX + 1).contains("at most"));
}
