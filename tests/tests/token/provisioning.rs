//! A new key: made in the token, attested, certified.

use rcgen::{
    CertificateParams, DnType, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData,
    SignatureAlgorithm,
};
use wardkey_tests::reader::Firmware;
use wardkey_token::{
    Defaults, Exclusive, KeyMetadata, Origin, PinPolicy, Readers, Slot, Token, TokenError,
    TouchPolicy, Tries, WhenUsed, provision,
};
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{
    PIN, SERIAL, factory_token, pin, point, provisioned, provisioned_token, secrets, sha256,
    verified, verifies,
};

/// A public key as rcgen wants to see it.
struct Certified<'a>(&'a [u8]);

impl PublicKeyData for Certified<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

/// A certificate for the key, by an authority made up on the spot.
pub(crate) fn certificate_for(spki: &[u8]) -> Vec<u8> {
    let authority = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::default();
    parameters
        .distinguished_name
        .push(DnType::CommonName, "s-7");
    let issuer = Issuer::from_params(&parameters, &authority);
    parameters
        .signed_by(&Certified(point(spki)), &issuer)
        .unwrap()
        .der()
        .to_vec()
}

/// The content of extension 1.3.6.1.4.1.41482.3.`arc`.
fn extension<'a>(certificate: &'a X509Certificate<'_>, arc: u8) -> &'a [u8] {
    let oid = format!("1.3.6.1.4.1.41482.3.{arc}");
    let found = certificate
        .extensions()
        .iter()
        .find(|e| e.oid.to_id_string() == oid);
    found.unwrap_or_else(|| panic!("no extension {oid}")).value
}

with_readers! {
    fn a_new_key_is_attested_up_to_the_test_root_and_signs(lab) {
        let (token, key) = provisioned_token(lab);

        let pem = std::fs::read(lab.cards.root_certificate()).unwrap();
        let (_, pem) = parse_x509_pem(&pem).unwrap();
        let root = pem.parse_x509().unwrap();
        let (rest, f9) = X509Certificate::from_der(&key.f9_certificate).unwrap();
        assert!(rest.is_empty());
        let (rest, statement) = X509Certificate::from_der(&key.attestation).unwrap();
        assert!(rest.is_empty());
        root.verify_signature(None).unwrap();
        f9.verify_signature(Some(root.public_key())).unwrap();
        statement.verify_signature(Some(f9.public_key())).unwrap();
        assert!(root.subject().to_string().contains("TEST ONLY"));
        assert!(f9.subject().to_string().contains("TEST ONLY"));
        assert_eq!((f9.issuer(), statement.issuer()), (root.subject(), f9.subject()));

        assert_eq!(statement.subject().to_string(), "CN=YubiKey PIV Attestation 9c");
        assert_eq!(statement.public_key().raw, key.spki);
        assert_eq!(statement.validity(), f9.validity());
        assert_eq!(statement.extensions().len(), 4);
        assert_eq!(extension(&statement, 3), [5, 7, 4]);
        assert_eq!(extension(&statement, 7), [0x02, 0x04, 0x00, 0xa9, 0x8a, 0xc7]);
        assert_eq!(extension(&statement, 8), [3, 2]);
        assert_eq!(extension(&statement, 9), [1]);

        let message = b"a challenge";
        let mut exclusive = verified(&token);
        let signature = exclusive.sign(Slot::Signature, &sha256(message), || ()).unwrap();
        assert!(verifies(&signature, message, &key.spki));
        assert!(!verifies(&signature, b"another challenge", &key.spki));
    }
}

with_readers! {
    fn a_new_key_wants_pin_and_touch_and_no_secret_is_the_factorys(lab) {
        let (token, key) = provisioned_token(lab);
        let expected = KeyMetadata {
            algorithm: KeyMetadata::P256,
            pin_policy: PinPolicy::Always,
            touch_policy: TouchPolicy::Always,
            origin: Origin::Generated,
        };
        assert_eq!((key.serial, key.slot, key.metadata), (SERIAL, Slot::Signature, expected));
        assert_eq!(token.find_key(Slot::Signature).unwrap(), Some(expected));
        let none = Defaults { pin: false, puk: false, management_key: false };
        assert_eq!((key.defaults, token.defaults().unwrap()), (none, none));
        assert_eq!(token.pin_tries().unwrap(), Tries { total: 5, left: 5 });
        assert_eq!(token.puk_tries().unwrap(), Tries { total: 3, left: 3 });
    }
}

with_readers! {
    fn keys_survive_unplugging_and_differ_from_token_to_token(lab) {
        let (token, key) = provisioned_token(lab);
        lab.desk.unplug("staff").unwrap();
        lab.plug_new("lead", 22).unwrap();
        lab.desk.plug("staff").unwrap();
        let readers = Readers::connect().unwrap();
        let lead = wardkey_token::TokenSerial::new(22);
        let (other, _) =
            provision(&readers, lead, &pin(PIN), secrets(), WhenUsed::Refuse).unwrap();
        assert_ne!(other.spki, key.spki);
        // The reader may be another one now, so the token is looked for.
        let token = Token::open_by_serial(&readers, token.serial()).unwrap();
        let message = b"after a while";
        let signature =
            verified(&token).sign(Slot::Signature, &sha256(message), || ()).unwrap();
        assert!(verifies(&signature, message, &key.spki));
        assert!(!verifies(&signature, message, &other.spki));
    }
}

with_readers! {
    fn the_certificate_is_written_once_it_arrives_with_a_new_card_identifier(lab) {
        let (readers, token) = factory_token(lab);
        assert_eq!(token.find_certificate(Slot::Signature).unwrap(), None);
        let (key, provisioning) = provisioned(&readers).unwrap();
        // In between the key is tried, as enrolment does.
        verified(&token).sign(Slot::Signature, &[7; 32], || ()).unwrap();

        let foreign = certificate_for(&[4; 91]);
        let not_written = provisioning.write_certificate(&readers, &foreign).unwrap_err();
        assert!(matches!(
            not_written.reason,
            TokenError::ForeignCertificate { slot: Slot::Signature }
        ));
        lab.desk.unplug("staff").unwrap();
        let certificate = certificate_for(&key.spki);
        let not_written =
            not_written.provisioning.write_certificate(&readers, &certificate).unwrap_err();
        assert!(matches!(not_written.reason, TokenError::NotPluggedIn { serial: SERIAL }));
        lab.desk.plug("staff").unwrap();
        not_written.provisioning.write_certificate(&readers, &certificate).unwrap();

        let token = Token::open_by_serial(&readers, SERIAL).unwrap();
        assert_eq!(token.find_certificate(Slot::Signature).unwrap(), Some(certificate));
        assert_eq!(token.find_certificate(Slot::Authentication).unwrap(), None);
    }
}

with_readers! {
    fn a_token_that_was_used_before_is_refused_unless_it_may_be_reset(lab) {
        let (_, first) = provisioned_token(lab);
        let readers = Readers::connect().unwrap();
        let again = |when_used| provision(&readers, SERIAL, &pin("904417"), secrets(), when_used);
        let error = again(WhenUsed::Refuse).unwrap_err();
        assert!(matches!(error, TokenError::AlreadyUsed { what: "its PIN was changed" }), "{error}");
        let (second, _) = again(WhenUsed::Reset).unwrap();
        assert_ne!(first.spki, second.spki);
        // The factory's trust survived.
        assert_eq!(first.f9_certificate, second.f9_certificate);
    }
}

with_readers! {
    fn a_trace_of_use_is_enough_to_refuse_a_token(lab) {
        let (readers, token) = factory_token(lab);
        let wrong = Exclusive::open(&token).unwrap().verify_pin(&pin("000000")).unwrap_err();
        assert!(matches!(wrong, TokenError::WrongPin { tries_left: 2 }));
        let error = provisioned(&readers).unwrap_err();
        let expected = "its PIN was entered wrongly";
        assert!(matches!(error, TokenError::AlreadyUsed { what } if what == expected), "{error}");
    }
}

with_readers! {
    fn a_pin_that_anybody_would_try_changes_nothing(lab) {
        let (readers, token) = factory_token(lab);
        let trivial =
            provision(&readers, SERIAL, &pin("123456"), secrets(), WhenUsed::Refuse).unwrap_err();
        assert!(matches!(trivial, TokenError::TrivialPin));
        let all = Defaults { pin: true, puk: true, management_key: true };
        assert_eq!(token.defaults().unwrap(), all);
    }
}

with_readers! {
    fn old_firmware_is_provisioned_for_a_verifier_to_refuse_and_older_one_is_not(lab) {
        lab.cards.make("old", 43, Firmware(5, 4, 3)).unwrap();
        lab.cards.make("older", 41, Firmware(5, 4, 1)).unwrap();
        let readers = Readers::connect().unwrap();
        let provision = |serial| {
            let serial = wardkey_token::TokenSerial::new(serial);
            provision(&readers, serial, &pin(PIN), secrets(), WhenUsed::Refuse)
        };
        lab.desk.plug("old").unwrap();
        lab.desk.plug("older").unwrap();
        let (key, _) = provision(43).unwrap();
        let (_, statement) = X509Certificate::from_der(&key.attestation).unwrap();
        assert_eq!(extension(&statement, 3), [5, 4, 3]);
        let error = provision(41).unwrap_err();
        assert!(matches!(error, TokenError::FirmwareTooOld { .. }), "{error}");
    }
}

with_readers! {
    fn a_token_taken_out_before_provisioning_is_not_there(lab) {
        let (readers, token) = factory_token(lab);
        lab.desk.unplug("staff").unwrap();
        let gone = provisioned(&readers).unwrap_err();
        assert!(matches!(gone, TokenError::NotPluggedIn { serial: SERIAL }));
        assert!(token.defaults().unwrap_err().is_gone());
        assert!(Exclusive::open(&token).unwrap_err().is_gone());
    }
}

with_readers! {
    fn an_imported_key_is_not_attested(lab) {
        use yubikey::{MgmKey, PinPolicy, TouchPolicy, YubiKey, piv};
        let (_, token) = factory_token(lab);
        let mut library = YubiKey::open().unwrap();
        let factory = MgmKey::get_default(&library).unwrap();
        library.authenticate(&factory).unwrap();
        let (slot, p256) = (piv::SlotId::Signature, piv::AlgorithmId::EccP256);
        piv::import_ecc_key(
            &mut library,
            slot,
            p256,
            &[7; 32],
            TouchPolicy::Always,
            PinPolicy::Always,
        )
        .unwrap();
        assert!(piv::attest(&mut library, slot).is_err());
        drop(library);
        let key = token.find_key(Slot::Signature).unwrap().unwrap();
        assert_eq!(key.origin, Origin::Imported);
    }
}
