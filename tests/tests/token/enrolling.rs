//! A new token from provisioning to its trial signature, with an authority made up on the spot.

use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::ids::{EnrolmentId, PersonId, RegistrationId};
use wardkey_schemas::jws::{self, SigningError, Unsigned};
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::key_enrolment::{Consent, KeyChallenge};
use wardkey_schemas::phrase::Phrase;
use wardkey_schemas::registration::KeyOffer;
use wardkey_schemas::role::Role;
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_tests::reader::TouchMode;
use wardkey_token::enrolment::NewToken;
use wardkey_token::message::{self, MessageError, certified_key};
use wardkey_token::{Exclusive, Readers, Slot, Token, TokenError, WhenUsed};

use super::provisioning::certificate_for;
use super::{SERIAL, factory_token, pin, provisioned, secrets, verified};

fn offer() -> KeyOffer {
    KeyOffer {
        site: "hmp-x".parse().unwrap(),
        enrolment: EnrolmentId::from_bytes([1; 16]),
        ca_nonce: Nonce::new([2; 32]),
        registration: RegistrationId::from_bytes([3; 16]),
        person: PersonId::from_bytes([4; 16]),
        nonce: Nonce::new([5; 32]),
        expires_in: Seconds::new(120),
        server_time: Timestamp::from_seconds(1_795_356_127).unwrap(),
    }
}

fn challenge(offer: &KeyOffer) -> KeyChallenge {
    let (keyd, _) = SigningKey::generate().unwrap();
    KeyChallenge {
        site: offer.site.clone(),
        enrolment: offer.enrolment,
        nonce: offer.ca_nonce,
        offer: jws::sign(offer, &keyd).unwrap(),
        expires_in: Seconds::new(120),
    }
}

fn new_token(readers: &Readers) -> NewToken {
    NewToken::provision(
        readers,
        SERIAL,
        pin(super::PIN),
        secrets(),
        WhenUsed::Refuse,
    )
    .unwrap()
}

with_readers! {
    fn a_new_token_proves_itself_is_certified_and_tried_out(lab) {
        let (readers, _) = factory_token(lab);
        let token = new_token(&readers);
        let offer = offer();
        let touched = std::cell::RefCell::new(Vec::new());
        let waiting = || touched.borrow_mut().push(());
        let proof =
            token.prove(&readers, &challenge(&offer), &offer, Role::Staff, waiting).unwrap();

        let completion = token.completion(&proof, Consent::Charter);
        let opened = completion.possession.open(token.key()).unwrap();
        assert_eq!(opened.message(), proof.said());
        assert_eq!(opened.message().keyd_nonce, offer.nonce);
        assert_eq!(opened.message().attestation, completion.attestation.sha256());
        assert_eq!(proof.phrase(), Phrase::of(&opened.payload_sha256()));
        let approver = SigningKey::generate().unwrap().0.public().thumbprint();
        let approval = proof.approval(approver);
        assert_eq!(approval.possession, opened.payload_sha256());
        assert_eq!((approval.key, approval.approver_key), (token.key().thumbprint(), approver));

        let certificate = certificate_for(&token.made().spki);
        let certified = token.write_certificate(&readers, &certificate).unwrap();
        certified.try_out(&readers, waiting).unwrap();
        assert_eq!(touched.borrow().len(), 2);
    }
}

with_readers! {
    fn a_certificate_that_could_not_be_written_can_be_written_later(lab) {
        let (readers, _) = factory_token(lab);
        let token = new_token(&readers);
        let certificate = certificate_for(&token.made().spki);
        lab.desk.unplug("staff").unwrap();
        let not_certified = token.write_certificate(&readers, &certificate).unwrap_err();
        assert!(not_certified.reason.is_gone(), "{not_certified}");
        lab.desk.plug("staff").unwrap();
        let certified = not_certified.token.write_certificate(&readers, &certificate).unwrap();

        // Nobody touches it the first time.
        lab.desk.set_touch_mode("staff", TouchMode::Never).unwrap();
        lab.desk.set_touch_timeout("staff", std::time::Duration::from_millis(50)).unwrap();
        let error = certified.try_out(&readers, || ()).unwrap_err();
        assert!(matches!(error, MessageError::Token(TokenError::TouchTimeout)), "{error}");
        lab.desk.set_touch_mode("staff", TouchMode::Auto).unwrap();
        certified.try_out(&readers, || ()).unwrap();
    }
}

with_readers! {
    fn a_message_is_signed_under_the_certified_key_only(lab) {
        let (readers, token) = factory_token(lab);
        let (key, provisioning) = provisioned(&readers).unwrap();
        let certificate = certificate_for(&key.spki);
        provisioning.write_certificate(&readers, &certificate).unwrap();
        let read_back = token.find_certificate(Slot::Signature).unwrap().unwrap();
        let key = certified_key(&read_back).unwrap();

        let offer = offer();
        let unsigned = || Unsigned::new(&offer, key.thumbprint()).unwrap();
        let signed = message::sign(unsigned(), &mut verified(&token), &key, || ()).unwrap();
        assert_eq!(*signed.open(&key).unwrap().message(), offer);

        let mut locked = Exclusive::open(&token).unwrap();
        let error = message::sign(unsigned(), &mut locked, &key, || ()).unwrap_err();
        assert!(matches!(error, MessageError::Token(TokenError::PinNeeded { .. })), "{error}");
        drop(locked);

        // Prepared for the certificate of another token than the one that is plugged in.
        let (other, _) = SigningKey::generate().unwrap();
        let elsewhere = Unsigned::new(&offer, other.public().thumbprint()).unwrap();
        let error = message::sign(elsewhere, &mut verified(&token), other.public(), || ());
        assert!(
            matches!(error, Err(MessageError::Signing(SigningError::OtherKey))),
            "{error:?}"
        );
        assert!(matches!(certified_key(b"no certificate"), Err(MessageError::Certificate)));
        assert!(Token::open_by_serial(&readers, SERIAL).is_ok());
    }
}
