//! People's certificates.

use wardkey_issuance::Profile;
use wardkey_schemas::bundle::Profile as Installation;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::{DeviceId, PersonId};
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Seconds;
use wardkey_schemas::{Code, oid};
use wardkey_verifier::certificate::{
    BASIC_CONSTRAINTS, CERTIFICATE_POLICIES, EXTENDED_KEY_USAGE, KEY_USAGE,
    SUBJECT_ALTERNATIVE_NAME, SUBJECT_KEY_IDENTIFIER,
};
use wardkey_verifier::der;
use wardkey_verifier::person::VerifiedPerson;

use crate::forge::{Forgery, dns_names, identifiers, text};
use crate::world::{DAY, World, code, now, refused};

#[test]
fn a_genuine_certificate_gives_person_site_role_and_key() {
    let world = World::new();
    let bundle = world.verified();
    for role in Role::ALL {
        let nurse = world.x().person(0x5a, role);
        if role == Role::NationalAdministrator {
            // One of a single site is nobody.
            let at_a_site = VerifiedPerson::verify(&nurse.certificate, &bundle, now());
            refused(at_a_site, Code::CertificateProfile);
            continue;
        }
        let person = VerifiedPerson::verify(&nurse.certificate, &bundle, now()).unwrap();
        assert_eq!(person.person(), PersonId::from_bytes([0x5a; 16]));
        assert_eq!(*person.site(), code("hmp-x"));
        assert_eq!(person.role(), role);
        assert_eq!(person.key(), nurse.key.public());
        assert_eq!(person.thumbprint(), nurse.key.public().thumbprint());
        assert_eq!(person.certificate(), Sha256::of(&nurse.certificate));
        assert_eq!(
            person.valid_until().seconds(),
            now().seconds() + 365 * 24 * 3600
        );
    }
}

#[test]
fn the_same_holds_in_production() {
    let world = World::of(Installation::Production);
    let nurse = world.x().person(1, Role::Staff);
    assert!(VerifiedPerson::verify(&nurse.certificate, &world.verified(), now()).is_ok());
}

type Spoil = fn(&mut Forgery);

#[test]
fn one_thing_wrong_in_the_certificate_is_enough() {
    let cases: Vec<(&str, Code, Spoil)> = vec![
        ("another site", Code::SiteUnknown, |f| {
            f.extension(oid::EXT_SITE).value = text("hmp-q");
        }),
        ("no site", Code::CertificateProfile, |f| {
            f.remove(oid::EXT_SITE);
        }),
        ("a site that is none", Code::CertificateProfile, |f| {
            f.extension(oid::EXT_SITE).value = text("HMP X");
        }),
        ("a site of another type", Code::CertificateProfile, |f| {
            f.extension(oid::EXT_SITE).value = der::element(0x13, b"hmp-x");
        }),
        ("more after the site", Code::CertificateProfile, |f| {
            f.extension(oid::EXT_SITE).value.push(0);
        }),
        ("a critical site", Code::CertificateProfile, |f| {
            f.extension(oid::EXT_SITE).critical = true;
        }),
        ("no role", Code::CertificateProfile, |f| {
            f.remove(oid::EXT_ROLE);
        }),
        ("an unknown role", Code::CertificateProfile, |f| {
            f.extension(oid::EXT_ROLE).value = text("governor");
        }),
        ("no purpose", Code::CertificatePurpose, |f| {
            f.remove(EXTENDED_KEY_USAGE);
        }),
        ("another purpose", Code::CertificatePurpose, |f| {
            f.extension(EXTENDED_KEY_USAGE).value = identifiers(&[oid::EKU_DEVICE]);
        }),
        ("one purpose more", Code::CertificatePurpose, |f| {
            let purposes = [oid::EKU_ACTIVATE, oid::EKU_LEASE];
            f.extension(EXTENDED_KEY_USAGE).value = identifiers(&purposes);
        }),
        ("any purpose", Code::CertificatePurpose, |f| {
            f.extension(EXTENDED_KEY_USAGE).value = identifiers(&["2.5.29.37.0"]);
        }),
        (
            "a purpose that cannot be read",
            Code::CertificatePurpose,
            |f| {
                f.extension(EXTENDED_KEY_USAGE).value = vec![1, 2, 3];
            },
        ),
        ("no key usage", Code::CertificatePurpose, |f| {
            f.remove(KEY_USAGE);
        }),
        ("may sign certificates", Code::CertificatePurpose, |f| {
            f.extension(KEY_USAGE).value = vec![3, 2, 2, 0xc4];
        }),
        ("cannot be denied later", Code::CertificatePurpose, |f| {
            f.extension(KEY_USAGE).value = vec![3, 2, 7, 0x80];
        }),
        ("key usage not critical", Code::CertificateProfile, |f| {
            f.extension(KEY_USAGE).critical = false;
        }),
        ("an authority", Code::CertificateProfile, |f| {
            f.extension(BASIC_CONSTRAINTS).value = vec![0x30, 3, 1, 1, 0xff];
        }),
        ("no word on authority", Code::CertificateProfile, |f| {
            f.remove(BASIC_CONSTRAINTS);
        }),
        ("FALSE spelt out", Code::CertificateProfile, |f| {
            f.extension(BASIC_CONSTRAINTS).value = vec![0x30, 3, 1, 1, 0];
        }),
        ("no hardware policy", Code::CertificateProfile, |f| {
            f.extension(CERTIFICATE_POLICIES).value =
                der::sequence(&[&identifiers(&[oid::POLICY_TEST])]);
        }),
        ("not marked as a test", Code::CertificateProfile, |f| {
            f.extension(CERTIFICATE_POLICIES).value =
                der::sequence(&[&identifiers(&[oid::POLICY_HARDWARE_TOKEN])]);
        }),
        ("a name of another site", Code::CertificateName, |f| {
            let name = "s-5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a.staff.hmp-y.wardkey.example";
            f.extension(SUBJECT_ALTERNATIVE_NAME).value = dns_names(&[name]);
        }),
        ("a laptop's name", Code::CertificateName, |f| {
            let name = "d-5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a.dev.hmp-x.wardkey.example";
            f.extension(SUBJECT_ALTERNATIVE_NAME).value = dns_names(&[name]);
        }),
        (
            "another number than the subject",
            Code::CertificateProfile,
            |f| {
                let name = "s-5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b.staff.hmp-x.wardkey.example";
                f.extension(SUBJECT_ALTERNATIVE_NAME).value = dns_names(&[name]);
            },
        ),
        ("two names", Code::CertificateName, |f| {
            let name = "s-5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a.staff.hmp-x.wardkey.example";
            f.extension(SUBJECT_ALTERNATIVE_NAME).value = dns_names(&[name, name]);
        }),
        (
            "a mail address beside the name",
            Code::CertificateName,
            |f| {
                let name = "s-5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a.staff.hmp-x.wardkey.example";
                let names = [
                    der::element(der::context(2), name.as_bytes()),
                    der::element(der::context(1), b"nurse@example.com"),
                ];
                f.extension(SUBJECT_ALTERNATIVE_NAME).value =
                    der::element(der::SEQUENCE, &names.concat());
            },
        ),
        ("no name", Code::CertificateName, |f| {
            f.remove(SUBJECT_ALTERNATIVE_NAME);
        }),
        ("another key's identifier", Code::CertificateProfile, |f| {
            f.extension(SUBJECT_KEY_IDENTIFIER).value = der::element(der::OCTET_STRING, &[7; 20]);
        }),
        (
            "another issuer's identifier",
            Code::CertificateProfile,
            |f| {
                f.extension("2.5.29.35").value =
                    der::sequence(&[&der::element(der::context(0), &[7; 20])]);
            },
        ),
        (
            "an unknown critical extension",
            Code::CertificateProfile,
            |f| {
                f.add("1.3.6.1.4.1.32473.9.9", true, &[5, 0]);
            },
        ),
        ("an unknown extension", Code::CertificateProfile, |f| {
            f.add("1.3.6.1.4.1.32473.9.9", false, &[5, 0]);
        }),
        ("a revocation list", Code::CertificateProfile, |f| {
            f.add("2.5.29.31", false, &[0x30, 0]);
        }),
        ("the role twice", Code::CertificateProfile, |f| {
            f.add(oid::EXT_ROLE, false, &text("lead"));
        }),
        ("no subject", Code::CertificateProfile, |f| {
            f.subject = vec![0x30, 0];
        }),
        ("a short serial number", Code::CertificateProfile, |f| {
            f.serial = der::element(der::INTEGER, &[0x41; 7]);
        }),
        ("a long serial number", Code::CertificateProfile, |f| {
            f.serial = der::element(der::INTEGER, &[0x41; 21]);
        }),
        ("a negative serial number", Code::CertificateProfile, |f| {
            f.serial = der::element(der::INTEGER, &[0x81; 16]);
        }),
        ("version 2", Code::CertificateProfile, |f| {
            f.version = vec![0xa0, 3, 2, 1, 1];
        }),
        ("another issuer", Code::CertificateIssuer, |f| {
            f.issuer = vec![0x30, 0];
        }),
    ];
    let world = World::new();
    let bundle = world.verified();
    let nurse = world.x().person(0x5a, Role::Staff);
    let untouched = Forgery::of(&nurse.certificate).sign(&world.x().key);
    assert!(VerifiedPerson::verify(&untouched, &bundle, now()).is_ok());
    for (what, code, spoil) in cases {
        let mut forgery = Forgery::of(&nurse.certificate);
        spoil(&mut forgery);
        let certificate = forgery.sign(&world.x().key);
        let result = VerifiedPerson::verify(&certificate, &bundle, now());
        let refusal = result.err().unwrap_or_else(|| panic!("{what} passed"));
        assert_eq!(refusal.code(), code, "{what}: {refusal}");
    }
}

#[test]
fn only_the_authority_of_the_site_counts() {
    let world = World::new();
    let bundle = world.verified();
    // A genuine certificate of hmp-y that says it is for hmp-x, signed by hmp-y.
    let other = world.y().person(1, Role::Lead);
    let mut forgery = Forgery::of(&other.certificate);
    forgery.extension(oid::EXT_SITE).value = text("hmp-x");
    let certificate = forgery.sign(&world.y().key);
    refused(
        VerifiedPerson::verify(&certificate, &bundle, now()),
        Code::CertificateIssuer,
    );
    // The same, and it names the issuer too.
    let nurse = world.x().person(1, Role::Lead);
    let certificate = Forgery::of(&nurse.certificate).sign(&world.y().key);
    refused(
        VerifiedPerson::verify(&certificate, &bundle, now()),
        Code::CertificateSignature,
    );
    // A person's key is no authority.
    let certificate = Forgery::of(&nurse.certificate).sign(&nurse.key);
    refused(
        VerifiedPerson::verify(&certificate, &bundle, now()),
        Code::CertificateSignature,
    );
}

#[test]
fn another_kind_of_certificate_is_no_persons() {
    let world = World::new();
    let bundle = world.verified();
    let device = DeviceId::from_bytes([1; 16]);
    let person = PersonId::from_bytes([1; 16]);
    for profile in [
        Profile::Device { device },
        Profile::AttestationKey { device },
        Profile::PersonAuthentication { person },
        Profile::TlsServer {
            names: vec!["ca.hmp-x.wardkey.example".to_owned()],
        },
    ] {
        let certified = world.x().certify(&profile);
        refused(
            VerifiedPerson::verify(&certified.certificate, &bundle, now()),
            Code::CertificatePurpose,
        );
    }
    // The authority itself.
    refused(
        VerifiedPerson::verify(&world.x().certificate, &bundle, now()),
        Code::CertificateIssuer,
    );
}

#[test]
fn time_is_judged_at_the_time_handed_in() {
    let world = World::new();
    let bundle = world.verified();
    let nurse = world.x().person(1, Role::Staff);
    let person = VerifiedPerson::verify(&nurse.certificate, &bundle, now()).unwrap();
    let last = person.valid_until();
    let first = now().minus(Seconds::new(300));
    // Once verified, the time alone is judged, with the same outcome.
    let judge = |at| {
        let anew = VerifiedPerson::verify(&nurse.certificate, &bundle, at).map(drop);
        assert_eq!(anew, person.verify_time(at));
        anew
    };
    for good in [first, last] {
        assert_eq!(judge(good), Ok(()));
    }
    refused(judge(last.plus(Seconds::new(1))), Code::KeyExpired);
    refused(judge(first.minus(Seconds::new(1))), Code::CertificateNotYet);
    // Issued tomorrow, judged today.
    let early = world.x().issue_at(
        &Profile::PersonSigning {
            person: PersonId::from_bytes([1; 16]),
            role: Role::Staff,
        },
        &nurse.key,
        now().plus(DAY),
    );
    refused(
        VerifiedPerson::verify(&early, &bundle, now()),
        Code::CertificateNotYet,
    );
    // Six years later the authority's own time is over, which is another thing to do about.
    let years = Seconds::new(6 * 365 * 24 * 3600);
    refused(judge(now().plus(years)), Code::CertificateExpired);
}

#[test]
fn a_person_of_one_site_is_nobody_at_another() {
    let world = World::new();
    let bundle = world.verified();
    let nurse = world.x().person(1, Role::Staff);
    let person = VerifiedPerson::verify(&nurse.certificate, &bundle, now()).unwrap();
    assert!(person.verify_site(&code("hmp-x")).is_ok());
    refused(person.verify_site(&code("hmp-y")), Code::KeyNotForThisSite);
}

#[test]
fn only_staff_and_leads_open_visits() {
    let world = World::new();
    let bundle = world.verified();
    for role in Role::ALL {
        let certified = world.x().person(1, role);
        let person = VerifiedPerson::verify(&certified.certificate, &bundle, now());
        match role {
            Role::Staff | Role::Lead => assert!(person.unwrap().verify_may_activate().is_ok()),
            Role::SecurityOfficer | Role::Auditor => {
                refused(person.unwrap().verify_may_activate(), Code::KeyRole);
            }
            // Their authority is that of the reserved site.
            Role::NationalAdministrator => refused(person, Code::CertificateProfile),
        }
    }
}

#[test]
fn a_test_certificate_is_never_believed_in_production() {
    let production = World::of(Installation::Production);
    let bundle = production.verified();
    let nurse = production.x().person(1, Role::Staff);
    let mut forgery = Forgery::of(&nurse.certificate);
    let one = |oid: &str| der::sequence(&[&der::object_identifier(oid)]);
    forgery.extension(CERTIFICATE_POLICIES).value =
        der::sequence(&[&one(oid::POLICY_HARDWARE_TOKEN), &one(oid::POLICY_TEST)]);
    let certificate = forgery.sign(&production.x().key);
    refused(
        VerifiedPerson::verify(&certificate, &bundle, now()),
        Code::CertificateProfile,
    );
}

#[test]
fn a_key_on_another_curve_is_refused() {
    let world = World::new();
    let bundle = world.verified();
    let nurse = world.x().person(0x5a, Role::Staff);
    let mut forgery = Forgery::of(&nurse.certificate);
    forgery.key = Forgery::of(&world.root_certificate).key;
    let certificate = forgery.sign(&world.x().key);
    refused(
        VerifiedPerson::verify(&certificate, &bundle, now()),
        Code::CertificateProfile,
    );
}

#[test]
fn every_single_changed_byte_is_refused() {
    let world = World::new();
    let bundle = world.verified();
    let nurse = world.x().person(0x5a, Role::Staff);
    let genuine = &nurse.certificate;
    for place in 0..genuine.len() {
        let values = (0..8).map(|bit| genuine[place] ^ (1 << bit));
        for new in values.chain([0x00, 0xff, genuine[place].wrapping_add(1)]) {
            if new == genuine[place] {
                continue;
            }
            let mut other = genuine.clone();
            other[place] = new;
            let result = VerifiedPerson::verify(&other, &bundle, now());
            assert!(result.is_err(), "byte {place} as {new:#04x}");
        }
    }
    for length in 0..genuine.len() {
        assert!(VerifiedPerson::verify(&genuine[..length], &bundle, now()).is_err());
    }
    let mut longer = genuine.clone();
    longer.push(0);
    refused(
        VerifiedPerson::verify(&longer, &bundle, now()),
        Code::CertificateMalformed,
    );
    refused(
        VerifiedPerson::verify(&vec![0x30; 9000], &bundle, now()),
        Code::CertificateMalformed,
    );
}
