//! PIN, touch and signature, and everything that can come between them.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use wardkey_tests::reader::TouchMode;
use wardkey_token::{
    Content, Defaults, Exclusive, Readers, Slot, Token, TokenError, TokenSerial, Tries,
};

use super::{
    PATIENCE, PIN, SERIAL, factory_token, pin, provisioned_token, sha256, verified, verifies,
};

const DIGEST: [u8; 32] = [9; 32];

with_readers! {
    fn each_wrong_pin_costs_a_try_until_the_pin_is_blocked(lab) {
        let (token, _) = provisioned_token(lab);
        let mut exclusive = Exclusive::open(&token).unwrap();
        for expected in (1..=4).rev() {
            let error = exclusive.verify_pin(&pin("000000")).unwrap_err();
            assert!(
                matches!(error, TokenError::WrongPin { tries_left } if tries_left == expected),
                "{error}"
            );
        }
        let error = exclusive.verify_pin(&pin("000000")).unwrap_err();
        assert!(matches!(error, TokenError::PinBlocked), "{error}");
        let error = exclusive.verify_pin(&pin(PIN)).unwrap_err();
        assert!(matches!(error, TokenError::PinBlocked), "{error}");
        drop(exclusive);
        assert_eq!(token.pin_tries().unwrap(), Tries { total: 5, left: 0 });
    }
}

with_readers! {
    fn the_right_pin_gives_every_try_back(lab) {
        let (token, _) = provisioned_token(lab);
        let mut exclusive = Exclusive::open(&token).unwrap();
        exclusive.verify_pin(&pin("000000")).unwrap_err();
        exclusive.verify_pin(&pin("999999")).unwrap_err();
        drop(exclusive);
        assert_eq!(token.pin_tries().unwrap(), Tries { total: 5, left: 3 });
        drop(verified(&token));
        assert_eq!(token.pin_tries().unwrap(), Tries { total: 5, left: 5 });
    }
}

with_readers! {
    fn a_factory_pin_shows(lab) {
        let (_, token) = factory_token(lab);
        let all = Defaults { pin: true, puk: true, management_key: true };
        assert_eq!(token.defaults().unwrap(), all);
        let mut exclusive = Exclusive::open(&token).unwrap();
        exclusive.change_pin(&pin("123456"), &pin(PIN)).unwrap();
        drop(exclusive);
        assert_eq!(token.defaults().unwrap(), Defaults { pin: false, ..all });
    }
}

with_readers! {
    fn a_pin_is_changed_by_whoever_knows_it_to_one_that_is_hard_to_guess(lab) {
        let (token, _) = provisioned_token(lab);
        let mut exclusive = Exclusive::open(&token).unwrap();
        let wrong = exclusive.change_pin(&pin("000000"), &pin("904417")).unwrap_err();
        assert!(matches!(wrong, TokenError::WrongPin { tries_left: 4 }), "{wrong}");
        let trivial = exclusive.change_pin(&pin(PIN), &pin("111111")).unwrap_err();
        assert!(matches!(trivial, TokenError::TrivialPin), "{trivial}");
        exclusive.change_pin(&pin(PIN), &pin("904417")).unwrap();
        exclusive.verify_pin(&pin("904417")).unwrap();
    }
}

with_readers! {
    fn one_pin_is_good_for_one_signature(lab) {
        let (token, _) = provisioned_token(lab);
        let mut exclusive = Exclusive::open(&token).unwrap();
        let sign = |exclusive: &mut Exclusive| exclusive.sign(Slot::Signature, &DIGEST, || ());
        let needed = |error| matches!(error, TokenError::PinNeeded { slot: Slot::Signature });
        assert!(needed(sign(&mut exclusive).unwrap_err()));
        exclusive.verify_pin(&pin(PIN)).unwrap();
        sign(&mut exclusive).unwrap();
        assert!(needed(sign(&mut exclusive).unwrap_err()));
        exclusive.verify_pin(&pin(PIN)).unwrap();
        exclusive.verify_pin(&pin("000000")).unwrap_err();
        assert!(needed(sign(&mut exclusive).unwrap_err()));
    }
}

with_readers! {
    fn the_card_itself_refuses_a_second_signature_without_the_pin(lab) {
        use yubikey::{YubiKey, piv};
        let (token, _) = provisioned_token(lab);
        // Not our layer, which would not even ask.
        let mut library = YubiKey::open_by_serial(token.serial().number().into()).unwrap();
        let sign = |library: &mut YubiKey| {
            piv::sign_data(library, &DIGEST, piv::AlgorithmId::EccP256, piv::SlotId::Signature)
        };
        let refused = yubikey::Error::AuthenticationError;
        assert_eq!(sign(&mut library).unwrap_err(), refused);
        library.verify_pin(PIN.as_bytes()).unwrap();
        sign(&mut library).unwrap();
        assert_eq!(sign(&mut library).unwrap_err(), refused);
    }
}

with_readers! {
    fn an_empty_slot_signs_nothing(lab) {
        let (_, token) = factory_token(lab);
        let mut exclusive = Exclusive::open(&token).unwrap();
        let error = exclusive.sign(Slot::Signature, &DIGEST, || ()).unwrap_err();
        assert!(matches!(error, TokenError::NoKey { slot: Slot::Signature }));
    }
}

with_readers! {
    fn a_touch_in_time_lets_the_signature_go(lab) {
        let (token, key) = provisioned_token(lab);
        lab.desk.set_touch_mode("staff", TouchMode::Manual).unwrap();
        let (waiting, told) = mpsc::channel();
        let message = b"touch me";
        let signature = thread::scope(|scope| {
            let finger = scope.spawn(move || {
                told.recv_timeout(PATIENCE).unwrap();
                lab.desk.touch_when_wanted("staff", PATIENCE).unwrap();
            });
            let signature = verified(&token)
                .sign(Slot::Signature, &sha256(message), || waiting.send(()).unwrap())
                .unwrap();
            finger.join().unwrap();
            signature
        });
        assert!(verifies(&signature, message, &key.spki));
    }
}

with_readers! {
    fn no_touch_is_told_apart_from_a_missing_pin_and_costs_no_try(lab) {
        let (token, _) = provisioned_token(lab);
        lab.desk.set_touch_mode("staff", TouchMode::Manual).unwrap();
        lab.desk.set_touch_timeout("staff", Duration::from_millis(20)).unwrap();
        let mut exclusive = verified(&token);
        let error = exclusive.sign(Slot::Signature, &DIGEST, || ()).unwrap_err();
        assert!(matches!(error, TokenError::TouchTimeout), "{error}");
        // The PIN is spent all the same.
        let error = exclusive.sign(Slot::Signature, &DIGEST, || ()).unwrap_err();
        assert!(matches!(error, TokenError::PinNeeded { .. }), "{error}");
        // In the same connection it can be tried again.
        lab.desk.set_touch_mode("staff", TouchMode::Auto).unwrap();
        exclusive.verify_pin(&pin(PIN)).unwrap();
        exclusive.sign(Slot::Signature, &DIGEST, || ()).unwrap();
        drop(exclusive);
        assert_eq!(token.pin_tries().unwrap(), Tries { total: 5, left: 5 });
    }
}

with_readers! {
    fn a_token_taken_out_while_it_waits_for_a_touch_is_removed(lab) {
        let (token, _) = provisioned_token(lab);
        lab.desk.set_touch_mode("staff", TouchMode::Manual).unwrap();
        thread::scope(|scope| {
            let hand = scope.spawn(|| {
                lab.desk.await_touch("staff", PATIENCE).unwrap();
                lab.desk.unplug("staff").unwrap();
            });
            let mut exclusive = verified(&token);
            let error = exclusive.sign(Slot::Signature, &DIGEST, || ()).unwrap_err();
            assert!(matches!(&error, TokenError::Removed { reader } if reader == token.reader()));
            drop(exclusive);
            hand.join().unwrap();
        });
        // Put back, it works as before.
        lab.desk.plug("staff").unwrap();
        let token = Token::open_by_serial(&Readers::connect().unwrap(), SERIAL).unwrap();
        verified(&token).sign(Slot::Signature, &DIGEST, || ()).unwrap();
    }
}

with_readers! {
    fn a_token_taken_out_between_two_steps_is_removed(lab) {
        let (token, _) = provisioned_token(lab);
        let mut exclusive = verified(&token);
        lab.desk.unplug("staff").unwrap();
        let error = exclusive.sign(Slot::Signature, &DIGEST, || ()).unwrap_err();
        assert!(matches!(error, TokenError::Removed { .. }), "{error}");
    }
}

with_readers! {
    fn a_token_taken_out_and_put_back_has_to_be_opened_again(lab) {
        let (token, _) = provisioned_token(lab);
        let mut exclusive = verified(&token);
        lab.desk.unplug("staff").unwrap();
        lab.desk.plug("staff").unwrap();
        let error = exclusive.sign(Slot::Signature, &DIGEST, || ()).unwrap_err();
        assert!(matches!(error, TokenError::Removed { .. }), "{error}");
    }
}

with_readers! {
    fn another_token_in_the_same_reader_is_not_taken_for_the_first(lab) {
        let (token, _) = provisioned_token(lab);
        lab.desk.unplug("staff").unwrap();
        lab.plug_new("lead", 22).unwrap();
        let found = TokenSerial::new(22);
        for error in [Exclusive::open(&token).unwrap_err(), token.defaults().unwrap_err()] {
            let TokenError::WrongToken { found: other, wanted, reader } = error else {
                panic!("{error}");
            };
            assert_eq!((other, wanted, reader.as_str()), (found, SERIAL, token.reader()));
        }
    }
}

with_readers! {
    fn nobody_else_gets_in_while_a_token_is_held(lab) {
        let (token, _) = provisioned_token(lab);
        let readers = Readers::connect().unwrap();
        let exclusive = verified(&token);
        let busy = |error: TokenError| {
            matches!(error, TokenError::Busy { reader } if reader == token.reader())
        };
        assert!(busy(Exclusive::open(&token).unwrap_err()));
        assert!(busy(token.defaults().unwrap_err()));
        assert!(busy(Token::open_by_serial(&readers, SERIAL).unwrap_err()));
        let contents = readers.look().unwrap();
        assert!(contents.iter().any(|reader| reader.content == Content::Busy));
        drop(exclusive);
        Token::open_by_serial(&readers, SERIAL).unwrap();
    }
}

with_readers! {
    fn a_token_that_another_program_uses_is_busy(lab) {
        let (token, _) = provisioned_token(lab);
        let library = yubikey::YubiKey::open().unwrap();
        let error = Exclusive::open(&token).unwrap_err();
        assert!(matches!(error, TokenError::Busy { .. }), "{error}");
        // To look, one need not be alone.
        token.defaults().unwrap();
        drop(library);
        Exclusive::open(&token).unwrap();
    }
}

with_readers! {
    fn the_pin_is_forgotten_with_the_connection(lab) {
        use yubikey::{YubiKey, piv};
        let (token, _) = provisioned_token(lab);
        drop(verified(&token));
        let mut library = YubiKey::open().unwrap();
        let signed =
            piv::sign_data(&mut library, &DIGEST, piv::AlgorithmId::EccP256, piv::SlotId::Signature);
        assert_eq!(signed.unwrap_err(), yubikey::Error::AuthenticationError);
    }
}

with_readers! {
    fn two_tokens_sign_at_the_same_time(lab) {
        let (staff, staff_key) = provisioned_token(lab);
        lab.plug_new("lead", 22).unwrap();
        let readers = Readers::connect().unwrap();
        let serial = TokenSerial::new(22);
        let (lead_key, _) = wardkey_token::provision(
            &readers,
            serial,
            &pin(PIN),
            super::secrets(),
            wardkey_token::WhenUsed::Refuse,
        )
        .unwrap();
        let lead = Token::open_by_serial(&readers, serial).unwrap();
        for name in ["staff", "lead"] {
            lab.desk.set_touch_mode(name, TouchMode::Manual).unwrap();
        }
        let message = b"both at once";
        let sign = |token: &Token| {
            verified(token).sign(Slot::Signature, &sha256(message), || ()).unwrap()
        };
        thread::scope(|scope| {
            let by_staff = scope.spawn(|| sign(&staff));
            let by_lead = scope.spawn(|| sign(&lead));
            // Both wait; neither keeps the other from it.
            lab.desk.await_touch("staff", PATIENCE).unwrap();
            lab.desk.await_touch("lead", PATIENCE).unwrap();
            lab.desk.touch("lead").unwrap();
            lab.desk.touch("staff").unwrap();
            assert!(verifies(&by_staff.join().unwrap(), message, &staff_key.spki));
            assert!(verifies(&by_lead.join().unwrap(), message, &lead_key.spki));
        });
    }
}
