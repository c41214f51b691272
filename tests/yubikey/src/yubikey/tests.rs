//! The card's own rules, without a reader.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use tempfile::TempDir;

use super::*;
use crate::card::{self, Factory};
use crate::memory::{DEFAULT_MANAGEMENT_KEY, Firmware, FormFactor};
use crate::tlv;
use crate::touch::TouchMode;

const PIN: &[u8; 8] = b"123456\xff\xff";
const WRONG: &[u8; 8] = b"999999\xff\xff";
const PUK: &[u8; 8] = b"12345678";
const MESSAGE: &[u8] = b"a message";

struct Bench {
    _folder: TempDir,
    card: Card,
    touch: TouchSensor,
}

impl Bench {
    fn new(firmware: Firmware) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card");
        let root = folder.path().join("root");
        let form_factor = FormFactor::UsbAKeychain;
        card::create(
            &path,
            &Factory {
                serial: 7,
                firmware,
                form_factor,
                root,
            },
        )
        .unwrap();
        let card = Card::open(&path).unwrap();
        let touch = TouchSensor::new(TouchMode::Auto, Duration::from_millis(1));
        Self {
            _folder: folder,
            card,
            touch,
        }
    }

    fn current() -> Self {
        Self::new(Firmware(5, 7, 4))
    }

    /// One power cycle, with PIV selected.
    fn power<R>(&mut self, session: impl FnOnce(&mut YubiKey<'_, '_>) -> R) -> R {
        self.card
            .power(&self.touch, |mut yubikey| {
                assert!(yubikey.select().is_success());
                session(&mut yubikey)
            })
            .unwrap()
    }
}

/// Sends a command; data if it succeeded, the status word if not.
fn send(yubikey: &mut YubiKey<'_, '_>, head: [u8; 3], data: &[u8]) -> Result<Vec<u8>, u16> {
    let [instruction, p1, p2] = head;
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    let bytes = [&[0, instruction, p1, p2, 0], &length[..], data].concat();
    let answer = yubikey.run(&Command::parse(&bytes).unwrap());
    if answer.is_success() {
        Ok(answer.data)
    } else {
        Err(answer.status.0)
    }
}

fn verify(yubikey: &mut YubiKey<'_, '_>, pin: &[u8]) -> Result<Vec<u8>, u16> {
    send(yubikey, [0x20, 0, 0x80], pin)
}

/// Shows the card its management key, proving each side to the other.
fn administer(yubikey: &mut YubiKey<'_, '_>, key: &[u8; 24]) -> Result<(), u16> {
    use aes::cipher::{Array, BlockCipherDecrypt, KeyInit};
    let head = [0x87, 0x0a, 0x9b];
    let witness = send(yubikey, head, &[0x7c, 2, 0x80, 0])?;
    let shown = tlv::find(tlv::find(&witness, 0x7c).unwrap(), 0x80).unwrap();
    let mut block = Array::try_from(shown).unwrap();
    aes::Aes192::new_from_slice(key)
        .unwrap()
        .decrypt_block(&mut block);
    let proof = [tlv::element(0x80, &block), tlv::element(0x81, &[0; 16])].concat();
    send(yubikey, head, &tlv::element(0x7c, &proof)).map(drop)
}

fn administrate(yubikey: &mut YubiKey<'_, '_>) {
    administer(yubikey, &DEFAULT_MANAGEMENT_KEY).unwrap();
}

/// Makes a P-256 key with these policies; its point.
fn generate(yubikey: &mut YubiKey<'_, '_>, slot: u8, pin: u8, touch: u8) -> Vec<u8> {
    let template = tlv::element(0xac, &[0x80, 1, 0x11, 0xaa, 1, pin, 0xab, 1, touch]);
    let answer = send(yubikey, [0x47, 0, slot], &template).unwrap();
    tlv::find(tlv::find(&answer, 0x7f49).unwrap(), 0x86)
        .unwrap()
        .to_vec()
}

/// Signs [`MESSAGE`] and checks the signature under `point`.
fn sign(yubikey: &mut YubiKey<'_, '_>, slot: u8, point: &[u8]) -> Result<(), u16> {
    let digest = digest(&SHA256, MESSAGE);
    let request = [tlv::element(0x82, &[]), tlv::element(0x81, digest.as_ref())].concat();
    let answer = send(yubikey, [0x87, 0x11, slot], &tlv::element(0x7c, &request))?;
    let signature = tlv::find(tlv::find(&answer, 0x7c).unwrap(), 0x82).unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
        .verify(MESSAGE, signature)
        .unwrap();
    Ok(())
}

#[test]
fn each_pin_policy_is_kept_in_each_slot() {
    const NEVER: u8 = 1;
    const ONCE: u8 = 2;
    const ALWAYS: u8 = 3;
    let mut bench = Bench::current();
    for slot in [0x9a, 0x9c, 0x9e, 0x82] {
        bench.power(|card| {
            for policy in [NEVER, ONCE, ALWAYS] {
                card.select();
                administrate(card);
                let key = generate(card, slot, policy, 1);
                let without = sign(card, slot, &key);
                assert_eq!(without.is_ok(), policy == NEVER, "{slot:x} {policy}");
                verify(card, PIN).unwrap();
                sign(card, slot, &key).unwrap();
                let again = sign(card, slot, &key);
                assert_eq!(again.is_ok(), policy != ALWAYS, "{slot:x} {policy}");
                verify(card, WRONG).unwrap_err();
                let forgotten = sign(card, slot, &key);
                assert_eq!(forgotten.is_ok(), policy == NEVER, "{slot:x} {policy}");
                verify(card, PIN).unwrap();
            }
        });
    }
}

#[test]
fn a_pin_for_each_use_is_one_just_before_it() {
    let mut bench = Bench::current();
    bench.power(|card| {
        administrate(card);
        let key = generate(card, 0x9c, 3, 1);
        verify(card, PIN).unwrap();
        send(card, [0xfd, 0, 0], &[]).unwrap();
        assert_eq!(sign(card, 0x9c, &key), Err(0x6982));
    });
}

#[test]
fn a_touch_that_does_not_come_is_refused_and_spends_the_pin() {
    let mut bench = Bench::current();
    let key = bench.power(|card| {
        administrate(card);
        generate(card, 0x9c, 3, 2)
    });
    bench.touch.set_mode(TouchMode::Never);
    bench.power(|card| {
        verify(card, PIN).unwrap();
        assert_eq!(sign(card, 0x9c, &key), Err(0x6982));
        card.touch.set_mode(TouchMode::Auto);
        assert_eq!(sign(card, 0x9c, &key), Err(0x6982));
        verify(card, PIN).unwrap();
        sign(card, 0x9c, &key).unwrap();
    });
}

#[test]
fn a_cached_touch_serves_the_next_use_too() {
    let mut bench = Bench::current();
    bench.power(|card| {
        administrate(card);
        let key = generate(card, 0x9a, 1, 3);
        sign(card, 0x9a, &key).unwrap();
        card.touch.set_mode(TouchMode::Never);
        sign(card, 0x9a, &key).unwrap();
    });
}

#[test]
fn reset_select_and_power_forget_who_was_there() {
    let mut bench = Bench::current();
    bench.power(|card| {
        administrate(card);
        let key = generate(card, 0x9a, 2, 1);
        verify(card, PIN).unwrap();
        sign(card, 0x9a, &key).unwrap();
        card.select();
        assert_eq!(sign(card, 0x9a, &key), Err(0x6982));
        assert_eq!(
            send(card, [0x47, 0, 0x9a], &[0xac, 3, 0x80, 1, 0x11]),
            Err(0x6982)
        );
        verify(card, PIN).unwrap();
    });
    bench.power(|card| assert_eq!(verify(card, &[]), Err(0x63c3)));
}

#[test]
fn wrong_pins_count_even_those_that_are_no_digits() {
    let mut bench = Bench::current();
    bench.power(|card| {
        assert_eq!(verify(card, WRONG), Err(0x63c2));
        assert_eq!(verify(card, &[0xff; 8]), Err(0x63c1));
        assert_eq!(verify(card, &[0; 8]), Err(0x6983));
        assert_eq!(verify(card, PIN), Err(0x6983));
        assert_eq!(verify(card, &[]), Err(0x6983));
        assert_eq!(verify(card, &[1; 7]), Err(0x6a80));
    });
}

#[test]
fn the_puk_unblocks_the_pin_with_all_its_tries() {
    let mut bench = Bench::current();
    let new = b"904417\xff\xff";
    bench.power(|card| {
        administrate(card);
        let key = generate(card, 0x9c, 3, 1);
        verify(card, PIN).unwrap();
        send(card, [0xfa, 6, 4], &[]).unwrap();
        for _ in 0..6 {
            verify(card, WRONG).unwrap_err();
        }
        assert_eq!(verify(card, PIN), Err(0x6983));
        let unblock = |card: &mut YubiKey<'_, '_>, puk: &[u8]| {
            send(card, [0x2c, 0, 0x80], &[puk, new].concat())
        };
        assert_eq!(unblock(card, WRONG), Err(0x63c3));
        unblock(card, PUK).unwrap();
        assert_eq!(verify(card, &[]), Err(0x63c6));
        verify(card, new).unwrap();
        // The key outlived it all.
        sign(card, 0x9c, &key).unwrap();
        assert_eq!(
            send(card, [0xf7, 0, 0x80], &[]).unwrap(),
            [1, 1, 0xff, 5, 1, 0, 6, 2, 6, 6]
        );
    });
}

#[test]
fn tries_are_set_by_an_administrator_with_the_pin_and_bring_factory_codes_back() {
    let mut bench = Bench::current();
    bench.power(|card| {
        assert_eq!(send(card, [0xfa, 5, 3], &[]), Err(0x6982));
        administrate(card);
        assert_eq!(send(card, [0xfa, 5, 3], &[]), Err(0x6982));
        verify(card, PIN).unwrap();
        assert_eq!(send(card, [0xfa, 0, 3], &[]), Err(0x6a86));
        send(card, [0x24, 0, 0x80], &[*PIN, *b"904417\xff\xff"].concat()).unwrap();
        send(card, [0x24, 0, 0x81], &[*PUK, *b"87654321"].concat()).unwrap();
        verify(card, b"904417\xff\xff").unwrap();
        send(card, [0xfa, 5, 3], &[]).unwrap();
        assert_eq!(verify(card, &[]), Err(0x63c5));
        verify(card, PIN).unwrap();
        send(card, [0x24, 0, 0x81], &[*PUK, *b"87654321"].concat()).unwrap();
    });
}

#[test]
fn a_reset_takes_two_blocked_codes_and_leaves_the_factorys_trust() {
    let mut bench = Bench::current();
    let trust = [0x5c, 3, 0x5f, 0xff, 0x01];
    let before = bench.power(|card| {
        administrate(card);
        generate(card, 0x9c, 3, 2);
        assert_eq!(send(card, [0xfb, 0, 0], &[]), Err(0x6985));
        for _ in 0..3 {
            verify(card, WRONG).unwrap_err();
        }
        assert_eq!(send(card, [0xfb, 0, 0], &[]), Err(0x6985));
        for _ in 0..3 {
            send(card, [0x2c, 0, 0x80], &[0xff; 16]).unwrap_err();
        }
        let trust = send(card, [0xcb, 0x3f, 0xff], &trust).unwrap();
        send(card, [0xfb, 0, 0], &[]).unwrap();
        assert!(card.is_reset());
        trust
    });
    bench.power(|card| {
        assert_eq!(send(card, [0xcb, 0x3f, 0xff], &trust).unwrap(), before);
        assert_eq!(send(card, [0xf7, 0, 0x9c], &[]), Err(0x6a88));
        assert_eq!(verify(card, &[]), Err(0x63c3));
        verify(card, PIN).unwrap();
    });
}

#[test]
fn a_moved_key_keeps_its_policies_and_leaves_room_for_another() {
    let mut bench = Bench::current();
    bench.power(|card| {
        administrate(card);
        let first = generate(card, 0x9c, 3, 1);
        send(card, [0xf6, 0x82, 0x9c], &[]).unwrap();
        assert_eq!(sign(card, 0x9c, &first), Err(0x6a88));
        let second = generate(card, 0x9c, 3, 1);
        for (slot, key) in [(0x82, &first), (0x9c, &second)] {
            assert_eq!(sign(card, slot, key), Err(0x6982));
            verify(card, PIN).unwrap();
            sign(card, slot, key).unwrap();
        }
        assert_eq!(send(card, [0xf6, 0x82, 0x9c], &[]), Err(0x6a80), "occupied");
        send(card, [0xf6, 0xff, 0x82], &[]).unwrap();
        assert_eq!(sign(card, 0x82, &first), Err(0x6a88));
        assert_eq!(send(card, [0xf6, 0xff, 0x82], &[]), Err(0x6a88));
    });
}

#[test]
fn an_imported_key_signs_and_is_not_attested() {
    let mut bench = Bench::current();
    // RFC 6979, A.2.5: a private key on P-256 and its public point.
    let scalar = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
    let point = "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6\
                 7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";
    let (scalar, point) = (hex::decode(scalar).unwrap(), hex::decode(point).unwrap());
    bench.power(|card| {
        administrate(card);
        let data = [tlv::element(0x06, &scalar), vec![0xaa, 1, 3, 0xab, 1, 1]].concat();
        send(card, [0xfe, 0x11, 0x9c], &data).unwrap();
        assert_eq!(send(card, [0xf9, 0x9c, 0], &[]), Err(0x6a80));
        verify(card, PIN).unwrap();
        sign(card, 0x9c, &point).unwrap();
        for impossible in [[0; 32], [0xff; 32]] {
            let data = tlv::element(0x06, &impossible);
            assert_eq!(send(card, [0xfe, 0x11, 0x9a], &data), Err(0x6a80));
        }
    });
}

#[test]
fn objects_of_both_kinds_are_kept_and_the_trust_anchor_cannot_be_overwritten() {
    let mut bench = Bench::current();
    let put = |id: [u8; 3], content: &[u8]| {
        [tlv::element(0x5c, &id), tlv::element(0x53, content)].concat()
    };
    let certificate = vec![0x5a; 2500];
    bench.power(|card| {
        let (piv, vendor) = ([0x5f, 0xc1, 0x0a], [0x5f, 0xff, 0x00]);
        assert_eq!(send(card, [0xdb, 0x3f, 0xff], &put(piv, &[1])), Err(0x6982));
        administrate(card);
        for id in [piv, vendor] {
            let get = tlv::element(0x5c, &id);
            assert_eq!(send(card, [0xcb, 0x3f, 0xff], &get), Err(0x6a82));
            send(card, [0xdb, 0x3f, 0xff], &put(id, &certificate)).unwrap();
            let object = send(card, [0xcb, 0x3f, 0xff], &get).unwrap();
            assert_eq!(tlv::find(&object, 0x53), Some(certificate.as_slice()));
            send(card, [0xdb, 0x3f, 0xff], &put(id, &[])).unwrap();
            assert_eq!(send(card, [0xcb, 0x3f, 0xff], &get), Err(0x6a82));
        }
        let trust = put([0x5f, 0xff, 0x01], &[1]);
        assert_eq!(send(card, [0xdb, 0x3f, 0xff], &trust), Err(0x6982));
    });
}

#[test]
fn the_management_key_can_be_changed_and_made_to_want_a_touch() {
    let mut bench = Bench::current();
    let new = [0x42; 24];
    let set = |p2| ([0xff, 0xff, p2], [&[0x0a, 0x9b, 24], &new[..]].concat());
    bench.power(|card| {
        let (head, data) = set(0xfe);
        assert_eq!(send(card, head, &data), Err(0x6982));
        administrate(card);
        send(card, head, &data).unwrap();
        card.select();
        assert_eq!(administer(card, &DEFAULT_MANAGEMENT_KEY), Err(0x6982));
        administer(card, &new).unwrap();
        card.select();
        card.touch.set_mode(TouchMode::Never);
        assert_eq!(administer(card, &new), Err(0x6982));
        assert_eq!(
            send(card, [0xf7, 0, 0x9b], &[]).unwrap(),
            [1, 1, 0x0a, 2, 2, 0, 2, 5, 1, 0]
        );
    });
}

#[test]
fn old_firmware_lacks_what_came_later() {
    let mut bench = Bench::new(Firmware(5, 2, 4));
    bench.power(|card| {
        assert_eq!(send(card, [0xfd, 0, 0], &[]).unwrap(), [5, 2, 4]);
        assert_eq!(send(card, [0xf7, 0, 0x80], &[]), Err(0x6d00));
        assert_eq!(send(card, [0xf6, 0x82, 0x9c], &[]), Err(0x6d00));
        // 3DES is its management key's algorithm.
        assert_eq!(
            send(card, [0x87, 0x0a, 0x9b], &[0x7c, 2, 0x80, 0]),
            Err(0x6a86)
        );
        send(card, [0x87, 0x03, 0x9b], &[0x7c, 2, 0x80, 0]).unwrap();
    });
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut bench = Bench::current();
    bench.power(|card| {
        administrate(card);
        let cases: [([u8; 3], &[u8], u16); 9] = [
            ([0x47, 0, 0x9b], &[0xac, 3, 0x80, 1, 0x11], 0x6a86),
            ([0x47, 0, 0x9c], &[0xac, 3, 0x80, 1, 0x07], 0x6a80),
            (
                [0x47, 0, 0x9c],
                &[0xac, 6, 0x80, 1, 0x11, 0xaa, 1, 9],
                0x6a80,
            ),
            ([0x47, 0, 0x9c], &[], 0x6a80),
            ([0x87, 0x11, 0x9c], &[0x7c, 0], 0x6a88),
            ([0xf9, 0x9c, 0], &[], 0x6a80),
            ([0xf9, 0xf9, 0], &[], 0x6a80),
            ([0x20, 0, 0x81], &[], 0x6a88),
            ([0x99, 0, 0], &[], 0x6d00),
        ];
        for (head, data, status) in cases {
            assert_eq!(send(card, head, data), Err(status), "{head:x?} {data:x?}");
        }
    });
}
