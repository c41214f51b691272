//! keyd's own keys, and the envelopes that they open.

use wardkey_issuance::Profile;
use wardkey_schemas::bundle::{Function, ServiceKeys};
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::ids::DeviceId;
use wardkey_schemas::jws::{self, EnvelopeError, Jws};
use wardkey_schemas::key::{SigningKey, Thumbprint};
use wardkey_schemas::role::Role;
use wardkey_schemas::session::Recorded;
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_schemas::{Code, oid};
use wardkey_verifier::certificate::{EXTENDED_KEY_USAGE, SUBJECT_ALTERNATIVE_NAME};
use wardkey_verifier::envelope;
use wardkey_verifier::service::{MOST_KEYS, VerifiedServiceKeys};

use crate::forge::{Forgery, dns_names, identifiers};
use crate::world::{DAY, World, key, now, refused};

fn recorded(at: Timestamp) -> Recorded {
    Recorded {
        device: DeviceId::from_bytes([1; 16]),
        nonce: Nonce::new([1; 32]),
        server_time: at,
    }
}

#[test]
fn each_function_has_its_own_key() {
    let world = World::new();
    let keys = world.verified_keys();
    for function in Function::ALL {
        let thumbprint = world.function(function).public().thumbprint();
        let found = keys.find(function, thumbprint).unwrap();
        assert_eq!(found.key(), world.function(function).public());
        for other in Function::ALL {
            if other != function {
                assert!(keys.find(other, thumbprint).is_none());
            }
        }
    }
}

#[test]
fn a_message_opens_with_a_key_of_its_function_only() {
    let world = World::new();
    let keys = world.verified_keys();
    let sign = |key: &SigningKey| jws::sign(&recorded(now()), key).unwrap();
    let opened = keys.open(&sign(world.function(Function::Answer))).unwrap();
    assert_eq!(*opened.message(), recorded(now()));
    for wrong in [
        world.function(Function::Lease),
        world.function(Function::Order),
        world.function(Function::Status),
        &world.service.key,
        &key(),
    ] {
        refused(keys.open(&sign(wrong)), Code::AnswerNotBelieved);
    }
    // Signed by the right key, then changed.
    let genuine = sign(world.function(Function::Answer));
    let other = jws::sign(&recorded(now().plus(DAY)), world.function(Function::Answer)).unwrap();
    let (head, _) = other.as_str().rsplit_once('.').unwrap();
    let (_, signature) = genuine.as_str().rsplit_once('.').unwrap();
    let forged: Jws<Recorded> = Jws::parse(format!("{head}.{signature}")).unwrap();
    refused(keys.open(&forged), Code::AnswerNotBelieved);
}

#[test]
fn a_message_from_outside_its_keys_time_is_not_believed() {
    let world = World::new();
    let keys = world.verified_keys();
    let answer = world.function(Function::Answer);
    let judge = |at| keys.open(&jws::sign(&recorded(at), answer).unwrap());
    assert!(judge(now()).is_ok());
    refused(judge(now().minus(DAY)), Code::CertificateNotYet);
    let after = now().plus(Seconds::new(91 * DAY.number()));
    refused(judge(after), Code::CertificateExpired);
}

#[test]
fn keys_are_exchanged_with_an_overlap() {
    let world = World::new();
    let bundle = world.verified();
    let profile = Profile::ServiceKey {
        function: Function::Lease,
    };
    let next = key();
    let later = now().plus(Seconds::new(80 * DAY.number()));
    let certificate = world.service.issue_at(&profile, &next, later);
    let mut keys = world.service_keys();
    keys.certificates.push(certificate.into());
    let find = |at, key: &SigningKey| {
        let keys = VerifiedServiceKeys::verify(&keys, &bundle, at).unwrap();
        keys.find(Function::Lease, key.public().thumbprint())
            .is_some()
    };
    let old = world.function(Function::Lease);
    assert_eq!((find(now(), old), find(now(), &next)), (true, false));
    assert_eq!((find(later, old), find(later, &next)), (true, true));
    // Ninety days on the old lease key is over, and so are the keys of the other functions.
    let over = now().plus(Seconds::new(91 * DAY.number()));
    refused(
        VerifiedServiceKeys::verify(&keys, &bundle, over),
        Code::CertificatePurpose,
    );
}

#[test]
fn one_certificate_that_does_not_stand_for_itself_refuses_the_list() {
    let world = World::new();
    let bundle = world.verified();
    let judge = |extra: Vec<u8>| {
        let mut keys = world.service_keys();
        keys.certificates.push(extra.into());
        VerifiedServiceKeys::verify(&keys, &bundle, now())
    };
    refused(judge(vec![1]), Code::CertificateMalformed);
    let person = world.x().person(1, Role::Lead);
    refused(judge(person.certificate), Code::CertificateIssuer);
    let genuine = &world.functions[&Function::Lease].certificate;
    refused(
        judge(Forgery::of(genuine).sign(&world.x().key)),
        Code::CertificateSignature,
    );
    let spoils: [(Code, fn(&mut Forgery)); 5] = [
        (Code::CertificatePurpose, |f| {
            let purposes = [oid::EKU_LEASE, oid::EKU_ORDER];
            f.extension(EXTENDED_KEY_USAGE).value = identifiers(&purposes);
        }),
        (Code::CertificatePurpose, |f| f.remove(EXTENDED_KEY_USAGE)),
        (Code::CertificatePurpose, |f| {
            f.extension(EXTENDED_KEY_USAGE).value = identifiers(&[oid::EKU_BUNDLE]);
        }),
        (Code::CertificateName, |f| {
            f.extension(SUBJECT_ALTERNATIVE_NAME).value =
                dns_names(&["order.keyd.wardkey.example"]);
        }),
        (Code::CertificateProfile, |f| f.add("1.2.3", false, &[5, 0])),
    ];
    for (code, spoil) in spoils {
        let mut forgery = Forgery::of(genuine);
        spoil(&mut forgery);
        refused(judge(forgery.sign(&world.service.key)), code);
    }
    // keyd's TLS certificate signs no messages.
    let server = world.service.certify(&Profile::TlsServer {
        names: vec!["keyd.wardkey.example".to_owned()],
    });
    refused(judge(server.certificate), Code::CertificatePurpose);
    // One key for two functions.
    let order = Profile::ServiceKey {
        function: Function::Order,
    };
    let twice = world.service.issue(&order, world.function(Function::Lease));
    refused(judge(twice), Code::CertificatePurpose);
}

#[test]
fn every_function_needs_a_key_and_the_list_has_an_end() {
    let world = World::new();
    let bundle = world.verified();
    let empty = ServiceKeys {
        certificates: Vec::new(),
    };
    refused(
        VerifiedServiceKeys::verify(&empty, &bundle, now()),
        Code::CertificatePurpose,
    );
    for missing in 0..3 {
        let mut keys = world.service_keys();
        keys.certificates.remove(missing);
        refused(
            VerifiedServiceKeys::verify(&keys, &bundle, now()),
            Code::CertificatePurpose,
        );
    }
    let mut long = world.service_keys();
    long.certificates
        .resize(MOST_KEYS + 1, long.certificates[0].clone());
    refused(
        VerifiedServiceKeys::verify(&long, &bundle, now()),
        Code::MessageTooLarge,
    );
    long.certificates.truncate(MOST_KEYS);
    long.certificates[1..3].clone_from_slice(&world.service_keys().certificates[1..3]);
    assert!(VerifiedServiceKeys::verify(&long, &bundle, now()).is_ok());
}

#[test]
fn the_authority_of_the_keys_is_judged_in_its_time() {
    let world = World::new();
    let years = now().plus(Seconds::new(6 * 365 * DAY.number()));
    refused(
        VerifiedServiceKeys::verify(&world.service_keys(), &world.verified(), years),
        Code::CertificateExpired,
    );
}

#[test]
fn every_way_an_envelope_stays_shut_has_its_code() {
    let thumbprint = Thumbprint::new([1; 32]);
    let cases = [
        (
            EnvelopeError::TooLong { found: 2, most: 1 },
            Code::MessageTooLarge,
        ),
        (EnvelopeError::Malformed, Code::MessageMalformed),
        (
            EnvelopeError::Algorithm {
                found: "none".to_owned(),
            },
            Code::MessageMalformed,
        ),
        (
            EnvelopeError::Type {
                found: "a".to_owned(),
                wanted: "b",
            },
            Code::MessageType,
        ),
        (
            EnvelopeError::Key {
                found: thumbprint,
                wanted: thumbprint,
            },
            Code::SignerUnknown,
        ),
        (EnvelopeError::Signature, Code::SignatureWrong),
        (
            EnvelopeError::Payload {
                typ: "a",
                reason: "missing field".to_owned(),
            },
            Code::MessageMalformed,
        ),
    ];
    for (error, code) in cases {
        assert_eq!(envelope::refusal(&error).code(), code, "{error}");
    }
    let signed = jws::sign(&recorded(now()), &key()).unwrap();
    refused(envelope::open(&signed, key().public()), Code::SignerUnknown);
}
