//! Attestation of security keys: a token made here that is right in everything but one thing.

use wardkey_schemas::Code;
use wardkey_schemas::bundle::PolicyFloor;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::names::Firmware;
use wardkey_verifier::piv::{
    FormFactor, GenuineStatement, PinPolicy, TokenAnchors, TokenPolicy, TouchPolicy,
    verify_attestation,
};

use crate::forge::certificate::{
    DIGITAL_SIGNATURE, Signer, Spec, authority, common_name, end_entity, integer, key_usage,
    rsa_spki,
};
use crate::forge::refused;
use crate::forge::yubikey::{
    FIRMWARE, FORM_FACTOR, POLICY, SERIAL, Token, anchors, policy, wrapped,
};

#[test]
fn a_key_in_9c_with_pin_and_touch_always_is_accepted() {
    let token = Token::new();
    let verified = verify_attestation(
        &token.leaf(),
        &token.f9(),
        &token.anchors(),
        token.public(),
        token.serial,
        &policy(),
    )
    .unwrap();
    assert_eq!(verified.key(), token.public());
    assert_eq!(verified.serial(), token.serial);
    assert_eq!(verified.firmware().to_string(), "5.7.4");
    assert_eq!(verified.form_factor(), FormFactor::UsbCKeychain);
    assert!(!verified.is_fips());
    assert_eq!(verified.pin_policy(), PinPolicy::Always);
    assert_eq!(verified.touch_policy(), TouchPolicy::Always);
    assert_eq!(verified.attestation(), Sha256::of(&token.leaf()));
    assert_eq!(verified.intermediate(), Sha256::of(&token.f9()));
    assert_eq!(verified.root(), Sha256::of(&token.root()));
}

/// The outcome for `token` with this statement: *accepted* or a code.
fn outcome(token: &Token, leaf: &Spec) -> Option<Code> {
    let result = verify_attestation(
        &token.sign_leaf(leaf),
        &token.f9(),
        &token.anchors(),
        token.public(),
        token.serial,
        &policy(),
    );
    result.err().map(|refusal| refusal.code())
}

#[test]
fn a_statement_with_one_thing_wrong_is_refused() {
    use Code::{
        AttestationMalformed, TokenFormFactor, TokenKeyAlgorithm, TokenKeyMismatch,
        TokenNotGenuine, TokenPinPolicy, TokenSerial, TokenSlot, TokenTooOld, TokenTouchPolicy,
    };
    let token = Token::new();
    let good = token.leaf_spec();
    let with = |oid: &'static str, value: &[u8]| good.clone().with((oid, false, value.to_vec()));
    let subject = |text: &str| Spec {
        subject: common_name(text),
        ..good.clone()
    };
    let rsa_key = Spec {
        spki: rsa_spki("1.2.840.113549.1.1.1", &{
            let modulus = integer(&[0xc3; 256]);
            wardkey_verifier::der::sequence(&[&modulus, &integer(&[1, 0, 1])])
        }),
        ..good.clone()
    };
    let other_key = Spec {
        spki: Signer::p256().spki(),
        ..good.clone()
    };
    let other_dates = Spec {
        not_after: "20991231235959Z",
        ..good.clone()
    };
    let other_issuer = Spec {
        issuer: common_name("YubiKey PIV Attestation 2"),
        ..good.clone()
    };
    let two_names = Spec {
        subject: crate::forge::certificate::name(&[
            ("2.5.4.3", "YubiKey PIV Attestation 9c"),
            ("2.5.4.3", "YubiKey PIV Attestation 9c"),
        ]),
        ..good.clone()
    };
    let accepted: [(&str, Spec); 4] = [
        ("as it should be", good.clone()),
        ("firmware at the floor", with(FIRMWARE, &[5, 7, 0])),
        ("a later firmware", with(FIRMWARE, &[5, 10, 0])),
        (
            "a serial number in more octets than it needs",
            with(SERIAL, &[2, 5, 0, 0x01, 0xfa, 0x05, 0x3a]),
        ),
    ];
    for (what, spec) in accepted {
        assert_eq!(outcome(&token, &spec), None, "{what}");
    }
    let fips = |firmware: [u8; 3]| with(FIRMWARE, &firmware).with((FORM_FACTOR, false, vec![0x83]));
    let bio = |firmware: [u8; 3]| with(FIRMWARE, &firmware).with((FORM_FACTOR, false, vec![7]));
    assert_eq!(outcome(&token, &fips([5, 7, 2])), None);
    assert_eq!(outcome(&token, &bio([5, 7, 2])), None);

    let refused: [(&str, Spec, Code); 34] = [
        ("other dates than F9", other_dates, TokenNotGenuine),
        ("another issuer", other_issuer, TokenNotGenuine),
        ("slot 9a", subject("YubiKey PIV Attestation 9a"), TokenSlot),
        ("slot 82", subject("YubiKey PIV Attestation 82"), TokenSlot),
        (
            "no slot",
            subject("YubiKey PIV Attestation "),
            AttestationMalformed,
        ),
        (
            "a long slot",
            subject("YubiKey PIV Attestation 9c9"),
            AttestationMalformed,
        ),
        (
            "a signed slot",
            subject("YubiKey PIV Attestation +9"),
            AttestationMalformed,
        ),
        (
            "another subject",
            subject("YubiKey FIDO Attestation 9c"),
            AttestationMalformed,
        ),
        ("two subjects", two_names, AttestationMalformed),
        ("an RSA key", rsa_key, TokenKeyAlgorithm),
        ("another key", other_key, TokenKeyMismatch),
        (
            "no firmware",
            good.clone().without(FIRMWARE),
            AttestationMalformed,
        ),
        (
            "wrapped firmware",
            with(FIRMWARE, &wrapped(&[5, 7, 4])),
            AttestationMalformed,
        ),
        ("firmware 5.6.9", with(FIRMWARE, &[5, 6, 9]), TokenTooOld),
        ("firmware 5.4.3", with(FIRMWARE, &[5, 4, 3]), TokenTooOld),
        ("firmware 4.9.9", with(FIRMWARE, &[4, 9, 9]), TokenTooOld),
        ("FIPS 5.7.1", fips([5, 7, 1]), TokenTooOld),
        ("Bio 5.7.1", bio([5, 7, 1]), TokenTooOld),
        (
            "no form factor",
            good.clone().without(FORM_FACTOR),
            AttestationMalformed,
        ),
        ("form factor 0", with(FORM_FACTOR, &[0]), TokenFormFactor),
        ("form factor 8", with(FORM_FACTOR, &[8]), TokenFormFactor),
        (
            "no policies",
            good.clone().without(POLICY),
            AttestationMalformed,
        ),
        ("one policy", with(POLICY, &[3]), AttestationMalformed),
        ("PIN never", with(POLICY, &[1, 2]), TokenPinPolicy),
        ("PIN once", with(POLICY, &[2, 2]), TokenPinPolicy),
        ("PIN or finger", with(POLICY, &[5, 2]), TokenPinPolicy),
        ("PIN unknown", with(POLICY, &[9, 2]), TokenPinPolicy),
        ("touch never", with(POLICY, &[3, 1]), TokenTouchPolicy),
        ("touch cached", with(POLICY, &[3, 3]), TokenTouchPolicy),
        (
            "no serial number",
            good.clone().without(SERIAL),
            TokenSerial,
        ),
        ("serial number 0", with(SERIAL, &[2, 1, 0]), TokenSerial),
        (
            "another serial number",
            with(SERIAL, &integer(&[7])),
            TokenSerial,
        ),
        (
            "a negative serial number",
            with(SERIAL, &[2, 4, 0xff, 1, 1, 1]),
            AttestationMalformed,
        ),
        (
            "a critical extension",
            good.clone().with(("1.2.3.4", true, vec![])),
            AttestationMalformed,
        ),
    ];
    for (what, spec, code) in refused {
        assert_eq!(outcome(&token, &spec), Some(code), "{what}");
    }
    for serial in [&[2, 5, 1, 0, 0, 0, 0][..], &[2, 0], &[1, 2, 3, 4]] {
        assert_eq!(
            outcome(&token, &with(SERIAL, serial)),
            Some(AttestationMalformed),
            "{serial:?}"
        );
    }
}

#[test]
fn a_path_with_one_thing_wrong_is_refused() {
    let token = Token::new();
    let other = Token::new();
    let f9 = token.f9_spec();
    let root = token.root_spec();
    let not_genuine = |leaf: &[u8], f9: &[u8], anchors: &TokenAnchors| {
        refused(GenuineStatement::verify(leaf, f9, anchors)) == Code::TokenNotGenuine
    };
    let leaf = token.leaf();
    // Before firmware 5.7.4 the F9 certificate has no basic constraints.
    let plain = token.sign_f9(&f9.clone().without("2.5.29.19"));
    GenuineStatement::verify(&leaf, &plain, &token.anchors()).unwrap();

    for spec in [
        f9.clone().with(end_entity()),
        f9.clone().with(("2.5.29.19", true, vec![1, 2, 3])),
        f9.clone().with(key_usage(DIGITAL_SIGNATURE)),
        Spec {
            issuer: common_name("Another root"),
            ..f9.clone()
        },
    ] {
        assert!(not_genuine(&leaf, &token.sign_f9(&spec), &token.anchors()));
    }
    // The right names, another root's key.
    assert!(not_genuine(&leaf, &other.sign_f9(&f9), &token.anchors()));
    // The right chain, another token's root believed.
    assert!(not_genuine(&leaf, &token.f9(), &other.anchors()));
    // The statement signed by somebody else.
    assert!(not_genuine(
        &other.sign_leaf(&token.leaf_spec()),
        &token.f9(),
        &token.anchors()
    ));
    // A root that may have nothing between itself and a leaf, as that of before 2018.
    for spec in [
        root.clone().with(authority(Some(0))),
        root.clone().with(end_entity()),
        root.clone().without("2.5.29.19"),
        root.with(key_usage(DIGITAL_SIGNATURE)),
    ] {
        let root = token.sign_f9(&spec);
        assert!(not_genuine(&leaf, &token.f9(), &anchors(&[root])));
    }
}

#[test]
fn a_root_that_did_not_sign_itself_is_no_root() {
    let token = Token::new();
    let stranger = Signer::rsa();
    // It names itself as its issuer, and the pinned hash is its own.
    let root = token.root_spec().signed(&stranger);
    let result = GenuineStatement::verify(&token.leaf(), &token.f9(), &anchors(&[root]));
    assert_eq!(refused(result), Code::TokenNotGenuine);
}

#[test]
fn a_path_has_an_end() {
    let token = Token::new();
    // Six authorities above each other, all pinned, the lowest with the name that F9 asks for.
    let keys: Vec<Signer> = (0..6).map(|_| Signer::p256()).collect();
    let mut pinned = vec![
        Spec {
            issuer: common_name("tier 0"),
            ..token.root_spec().with(authority(None))
        }
        .signed(&keys[0]),
    ];
    for tier in 0..6 {
        let above = (tier + 1).min(5);
        pinned.push(
            Spec::authority(
                &format!("tier {tier}"),
                &format!("tier {above}"),
                &keys[tier],
            )
            .signed(&keys[above]),
        );
    }
    let result = GenuineStatement::verify(&token.leaf(), &token.f9(), &anchors(&pinned));
    let refusal = result.unwrap_err();
    assert_eq!(refusal.code(), Code::TokenNotGenuine);
    assert!(refusal.wanted().contains("four"), "{refusal}");
}

#[test]
fn a_missing_or_broken_statement_is_refused() {
    let token = Token::new();
    let anchors = token.anchors();
    let verify = |leaf: &[u8], f9: &[u8]| refused(GenuineStatement::verify(leaf, f9, &anchors));
    assert_eq!(verify(b"", &token.f9()), Code::KeyNotAttested);
    assert_eq!(verify(b"junk", &token.f9()), Code::AttestationMalformed);
    assert_eq!(verify(&token.leaf(), b""), Code::AttestationMalformed);
    let two = [token.leaf(), vec![0]].concat();
    assert_eq!(verify(&two, &token.f9()), Code::AttestationMalformed);
}

#[test]
fn the_sites_policy_can_only_be_stricter() {
    let token = Token::new();
    let judge = |policy: &TokenPolicy| {
        verify_attestation(
            &token.leaf(),
            &token.f9(),
            &token.anchors(),
            token.public(),
            token.serial,
            policy,
        )
    };
    let firmware = |minor, patch| Firmware {
        major: 5,
        minor,
        patch,
    };
    let newer = TokenPolicy {
        oldest_firmware: firmware(7, 5),
        ..policy()
    };
    assert_eq!(refused(judge(&newer)), Code::TokenTooOld);
    let none = TokenPolicy {
        form_factors: Vec::new(),
        ..policy()
    };
    assert_eq!(refused(judge(&none)), Code::TokenFormFactor);
    let others = TokenPolicy {
        form_factors: vec![FormFactor::UsbANano],
        ..policy()
    };
    assert_eq!(refused(judge(&others)), Code::TokenFormFactor);

    // A floor below the firmware that leaks keys does not open the way to it.
    let floor = PolicyFloor {
        oldest_token_firmware: firmware(4, 0),
        pcrs: vec![0],
    };
    let low = TokenPolicy::of_floor(&floor);
    let wanted = low.oldest_firmware_for(FormFactor::UsbAKeychain, false);
    assert_eq!(wanted, firmware(7, 0));
    judge(&low).unwrap();
}
