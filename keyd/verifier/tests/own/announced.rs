//! Certificates that are about to be signed.

use wardkey_issuance::{Issuer, Profile, prepare};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::{DeviceId, PersonId};
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::registration::{Announced, CertificateKind};
use wardkey_schemas::role::Role;
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_schemas::{Code, oid};
use wardkey_verifier::announced::{Saying, VerifiedAnnouncement};
use wardkey_verifier::der;

use crate::forge::{Forgery, text};
use crate::world::{Certified, World, code, key, now, refused};

const DEVICE: DeviceId = DeviceId::from_bytes([0xd1; 16]);
const PERSON: PersonId = PersonId::from_bytes([0x5a; 16]);

fn prepared(authority: &Certified, profile: &Profile, subject: &SigningKey) -> Vec<u8> {
    prepared_at(authority, profile, subject, now())
}

fn prepared_at(
    authority: &Certified,
    profile: &Profile,
    subject: &SigningKey,
    at: Timestamp,
) -> Vec<u8> {
    let issuer = Issuer::parse(&authority.certificate).unwrap();
    let serial = *b"sixteen octets..";
    let prepared = prepare(profile, subject.public(), &issuer, serial, at).unwrap();
    prepared.tbs().to_vec()
}

fn announced(kind: CertificateKind, tbs: &[u8]) -> Announced {
    Announced {
        kind,
        tbs: tbs.into(),
    }
}

#[test]
fn what_is_announced_says_whose_key_it_is() {
    let world = World::new();
    let bundle = world.verified();
    let subject = key();
    let public = *subject.public();
    let cases = [
        (
            CertificateKind::Device,
            Profile::Device { device: DEVICE },
            Saying::Device {
                device: DEVICE,
                key: public,
            },
        ),
        (
            CertificateKind::AttestationKey,
            Profile::AttestationKey { device: DEVICE },
            Saying::AttestationKey {
                device: DEVICE,
                key: public,
            },
        ),
        (
            CertificateKind::Person,
            Profile::PersonSigning {
                person: PERSON,
                role: Role::Lead,
            },
            Saying::Person {
                person: PERSON,
                role: Role::Lead,
                key: public,
            },
        ),
    ];
    for (kind, profile, saying) in cases {
        let tbs = prepared(world.x(), &profile, &subject);
        let site = code("hmp-x");
        let verified =
            VerifiedAnnouncement::verify(&announced(kind, &tbs), &site, &bundle, now()).unwrap();
        assert_eq!(verified.saying(), saying);
        assert_eq!(verified.tbs_sha256(), Sha256::of(&tbs));
        for other in [
            CertificateKind::Device,
            CertificateKind::AttestationKey,
            CertificateKind::Person,
        ] {
            if other != kind {
                refused(
                    VerifiedAnnouncement::verify(&announced(other, &tbs), &site, &bundle, now()),
                    Code::CertificatePurpose,
                );
            }
        }
    }
}

#[test]
fn one_thing_wrong_in_what_is_announced_is_enough() {
    let world = World::new();
    let bundle = world.verified();
    let profile = Profile::PersonSigning {
        person: PERSON,
        role: Role::Lead,
    };
    let tbs = prepared(world.x(), &profile, &key());
    let judge = |tbs: &[u8], site: &str| {
        let announced = announced(CertificateKind::Person, tbs);
        VerifiedAnnouncement::verify(&announced, &code(site), &bundle, now())
    };
    assert!(judge(&tbs, "hmp-x").is_ok());
    refused(judge(&tbs, "hmp-y"), Code::SiteMismatch);
    refused(
        judge(&tbs[..tbs.len() - 1], "hmp-x"),
        Code::CertificateMalformed,
    );
    refused(judge(&[], "hmp-x"), Code::CertificateMalformed);
    let spoils: [(Code, fn(&mut Forgery)); 5] = [
        (Code::SiteUnknown, |f| {
            f.extension(oid::EXT_SITE).value = text("hmp-q");
        }),
        (Code::CertificateIssuer, |f| f.issuer = vec![0x30, 0]),
        (Code::CertificateProfile, |f| f.add("1.2.3", true, &[5, 0])),
        (Code::CertificateName, |f| f.remove("2.5.29.17")),
        // Longer than its issuer lives.
        (Code::CertificateProfile, |f| {
            let utc = |text: &str| der::element(0x17, text.as_bytes());
            f.validity = der::sequence(&[&utc("260101000000Z"), &utc("490101000000Z")]);
        }),
    ];
    for (code, spoil) in spoils {
        let mut forgery = Forgery::of_tbs(&tbs);
        spoil(&mut forgery);
        refused(judge(&forgery.tbs(), "hmp-x"), code);
    }
    let early = prepared_at(world.x(), &profile, &key(), now().plus(Seconds::new(3600)));
    refused(judge(&early, "hmp-x"), Code::CertificateNotYet);
    let late = |at| {
        let announced = announced(CertificateKind::Person, &tbs);
        VerifiedAnnouncement::verify(&announced, &code("hmp-x"), &bundle, at)
    };
    let year = now().plus(Seconds::new(366 * 24 * 3600));
    refused(late(year), Code::CertificateExpired);
}
