//! Every profile, parsed back by other hands and compared field by field with
//! `docs/trust/certificates.md`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    reason = "a test may stop at the first surprise"
)]
#![expect(
    clippy::redundant_closure_for_method_calls,
    reason = "a method of a reader with two lifetimes is not general enough"
)]

mod keys;

use keys::{Hierarchy, Key, now, realm, site};
use wardkey_issuance::{BACKDATED, Profile};
use wardkey_schemas::bundle::{Function, Profile as Installation};
use wardkey_schemas::ids::{DeviceId, PersonId};
use wardkey_schemas::oid;
use wardkey_schemas::role::Role;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;

const DAY: i64 = 24 * 3600;

/// What a certificate is expected to say.
struct Expected {
    common_name: Option<&'static str>,
    days: i64,
    usage: &'static [&'static str],
    purposes: Vec<&'static str>,
    policies: Vec<&'static str>,
    names: Vec<&'static str>,
    permanent: Option<&'static str>,
    site: Option<&'static str>,
    role: Option<&'static str>,
}

const DEVICE: DeviceId = DeviceId::from_bytes([0xd1; 16]);
const DEVICE_TEXT: &str = "d1d1d1d1-d1d1-d1d1-d1d1-d1d1d1d1d1d1";
const DEVICE_NAME: &str = "d-d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1.dev.hmp-x.wardkey.example";
const PERSON: PersonId = PersonId::from_bytes([0x5a; 16]);
const PERSON_NAME: &str = "s-5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a.staff.hmp-x.wardkey.example";
const CLIENT: &str = "1.3.6.1.5.5.7.3.2";
const SERVER: &str = "1.3.6.1.5.5.7.3.1";

fn end_entities() -> Vec<(Profile, Expected)> {
    vec![
        (
            Profile::Device { device: DEVICE },
            Expected {
                common_name: Some("d-d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1"),
                days: 365,
                usage: &["Digital Signature"],
                purposes: vec![CLIENT, oid::EKU_DEVICE],
                policies: vec!["2.23.133.11.1.1", "2.23.133.11.1.2"],
                names: vec![DEVICE_NAME],
                permanent: Some(DEVICE_TEXT),
                site: Some("hmp-x"),
                role: None,
            },
        ),
        (
            Profile::AttestationKey { device: DEVICE },
            Expected {
                common_name: None,
                days: 365,
                usage: &["Digital Signature"],
                purposes: vec!["2.23.133.8.3"],
                policies: vec!["2.23.133.11.1.1", "2.23.133.11.1.3"],
                names: vec![DEVICE_NAME],
                permanent: Some(DEVICE_TEXT),
                site: Some("hmp-x"),
                role: None,
            },
        ),
        (
            Profile::PersonSigning {
                person: PERSON,
                role: Role::SecurityOfficer,
            },
            Expected {
                common_name: Some("s-5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"),
                days: 365,
                usage: &["Digital Signature", "Non Repudiation"],
                purposes: vec![oid::EKU_ACTIVATE],
                policies: vec![oid::POLICY_HARDWARE_TOKEN],
                names: vec![PERSON_NAME],
                permanent: None,
                site: Some("hmp-x"),
                role: Some("security-officer"),
            },
        ),
        (
            Profile::PersonAuthentication { person: PERSON },
            Expected {
                common_name: Some("s-5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"),
                days: 365,
                usage: &["Digital Signature"],
                purposes: vec![CLIENT],
                policies: vec![oid::POLICY_HARDWARE_TOKEN],
                names: vec![PERSON_NAME],
                permanent: None,
                site: Some("hmp-x"),
                role: None,
            },
        ),
        (
            Profile::TlsServer {
                names: vec!["ca.hmp-x.wardkey.example".to_owned()],
            },
            Expected {
                common_name: Some("ca"),
                days: 90,
                usage: &["Digital Signature"],
                purposes: vec![SERVER],
                policies: vec![],
                names: vec!["ca.hmp-x.wardkey.example"],
                permanent: None,
                site: Some("hmp-x"),
                role: None,
            },
        ),
    ]
}

fn service_keys() -> Vec<(Profile, Expected)> {
    let key = |function: Function, word: &'static str, purpose, name| {
        (
            Profile::ServiceKey { function },
            Expected {
                common_name: Some(word),
                days: 90,
                usage: &["Digital Signature"],
                purposes: vec![purpose],
                policies: vec![],
                names: vec![name],
                permanent: None,
                site: None,
                role: None,
            },
        )
    };
    vec![
        key(
            Function::Lease,
            "lease",
            oid::EKU_LEASE,
            "lease.keyd.wardkey.example",
        ),
        key(
            Function::Order,
            "order",
            oid::EKU_ORDER,
            "order.keyd.wardkey.example",
        ),
        key(
            Function::Answer,
            "answer",
            oid::EKU_ANSWER,
            "answer.keyd.wardkey.example",
        ),
        key(
            Function::Status,
            "status",
            oid::EKU_STATUS,
            "status.keyd.wardkey.example",
        ),
        (
            Profile::TlsServer {
                names: vec![
                    "keyd.wardkey.example".to_owned(),
                    "two.keyd.wardkey.example".to_owned(),
                ],
            },
            Expected {
                common_name: Some("keyd"),
                days: 90,
                usage: &["Digital Signature"],
                purposes: vec![SERVER],
                policies: vec![],
                names: vec!["keyd.wardkey.example", "two.keyd.wardkey.example"],
                permanent: None,
                site: None,
                role: None,
            },
        ),
    ]
}

#[test]
fn every_end_entity_says_what_its_profile_says() {
    for installation in [Installation::Production, Installation::Test] {
        let mut hierarchy = Hierarchy::new(installation);
        for (profile, expected) in end_entities() {
            let subject = Key::p256().public();
            let der = hierarchy.site.issue(&profile, &subject);
            let issuer = hierarchy.site.certificate.clone();
            check(&der, &issuer, subject.point(), &expected, installation);
        }
        for (profile, expected) in service_keys() {
            let subject = Key::p256().public();
            let der = hierarchy.service.issue(&profile, &subject);
            let issuer = hierarchy.service.certificate.clone();
            check(&der, &issuer, subject.point(), &expected, installation);
        }
        let subject = Key::p256().public();
        let der = hierarchy.root.issue(&Profile::BundleSigner, &subject);
        let (_, certificate) = X509Certificate::from_der(&der).unwrap();
        let name = certificate.subject().to_string();
        assert!(name.starts_with("CN=Wardkey bundle signer "), "{name}");
        let expected = Expected {
            common_name: Some(""),
            days: 5 * 365,
            usage: &["Digital Signature"],
            purposes: vec![oid::EKU_BUNDLE],
            policies: vec![],
            names: vec![],
            permanent: None,
            site: None,
            role: None,
        };
        let root = hierarchy.root.certificate.clone();
        check(&der, &root, subject.point(), &expected, installation);
    }
}

fn check(der: &[u8], issuer: &[u8], point: &[u8], expected: &Expected, installation: Installation) {
    let (rest, certificate) = X509Certificate::from_der(der).unwrap();
    assert!(rest.is_empty());
    let (_, issuer) = X509Certificate::from_der(issuer).unwrap();

    certificate
        .verify_signature(Some(issuer.public_key()))
        .unwrap();
    assert_eq!(certificate.issuer().as_raw(), issuer.subject().as_raw());
    assert_eq!(certificate.version().0, 2);
    assert_eq!(
        *certificate.public_key().subject_public_key.data,
        *point,
        "{:?}",
        expected.common_name
    );

    // RFC 5280 §4.1.2.2: positive, at most 20 octets; ours are 128 bits.
    let serial = certificate.raw_serial();
    assert_eq!(serial.len(), 16);
    assert_eq!(serial[0] & 0xc0, 0x40);

    let validity = certificate.validity();
    let begins = now().minus(BACKDATED).seconds();
    assert_eq!(validity.not_before.timestamp(), begins);
    let ends = now().seconds() + expected.days * DAY;
    let issuer_ends = issuer.validity().not_after.timestamp();
    assert_eq!(validity.not_after.timestamp(), ends.min(issuer_ends));

    match expected.common_name {
        None => assert_eq!(certificate.subject().as_raw(), [0x30, 0x00]),
        Some("") => {}
        Some(name) => assert_eq!(certificate.subject().to_string(), format!("CN={name}")),
    }
    check_extensions(&certificate, &issuer, expected, installation);
}

fn check_extensions(
    certificate: &X509Certificate<'_>,
    issuer: &X509Certificate<'_>,
    expected: &Expected,
    installation: Installation,
) {
    let mut policies = expected.policies.clone();
    if installation == Installation::Test {
        policies.push(oid::POLICY_TEST);
    }
    let mut seen = 0;
    for extension in certificate.extensions() {
        let oid = extension.oid.to_id_string();
        let critical = match (oid.as_str(), extension.parsed_extension()) {
            ("2.5.29.15", ParsedExtension::KeyUsage(usage)) => {
                assert_eq!(usage.to_string(), expected.usage.join(", "));
                true
            }
            ("2.5.29.19", ParsedExtension::BasicConstraints(basic)) => {
                assert!(!basic.ca && basic.path_len_constraint.is_none());
                true
            }
            ("2.5.29.37", ParsedExtension::ExtendedKeyUsage(_)) => {
                let found = yasna::parse_der(extension.value, |reader| {
                    reader.collect_sequence_of(|reader| reader.read_oid())
                });
                let found: Vec<String> = found.unwrap().iter().map(ToString::to_string).collect();
                assert_eq!(found, expected.purposes);
                false
            }
            ("2.5.29.32", ParsedExtension::CertificatePolicies(found)) => {
                assert!(found.iter().all(|p| p.policy_qualifiers.is_none()));
                let found: Vec<String> = found.iter().map(|p| p.policy_id.to_id_string()).collect();
                assert_eq!(found, policies);
                false
            }
            ("2.5.29.17", ParsedExtension::SubjectAlternativeName(names)) => {
                check_names(&names.general_names, expected);
                expected.common_name.is_none()
            }
            ("2.5.29.14", ParsedExtension::SubjectKeyIdentifier(found)) => {
                let point = &certificate.public_key().subject_public_key.data;
                assert_eq!(found.0, &key_identifier(point));
                false
            }
            ("2.5.29.35", ParsedExtension::AuthorityKeyIdentifier(found)) => {
                let point = &issuer.public_key().subject_public_key.data;
                let found = found.key_identifier.as_ref().unwrap();
                assert_eq!(found.0, &key_identifier(point));
                false
            }
            (oid::EXT_SITE, _) => {
                assert_eq!(utf8(extension.value), expected.site.unwrap());
                false
            }
            (oid::EXT_ROLE, _) => {
                assert_eq!(utf8(extension.value), expected.role.unwrap());
                false
            }
            // No CRL distribution point, no authority information access, nothing else.
            (other, parsed) => panic!("extension {other}: {parsed:?}"),
        };
        assert_eq!(extension.critical, critical, "{oid}");
        seen += 1;
    }
    let wanted = 5
        + usize::from(!policies.is_empty())
        + usize::from(!expected.names.is_empty())
        + usize::from(expected.site.is_some())
        + usize::from(expected.role.is_some());
    assert_eq!(seen, wanted);
}

fn check_names(names: &[GeneralName<'_>], expected: &Expected) {
    let mut dns = Vec::new();
    let mut permanent = None;
    for name in names {
        match name {
            GeneralName::DNSName(name) => dns.push(*name),
            GeneralName::OtherName(kind, value) => {
                // RFC 4043 §2: identifierValue UTF8String, no assigner.
                assert_eq!(kind.to_id_string(), "1.3.6.1.5.5.7.8.3");
                let text = yasna::parse_der(value, |reader| {
                    reader.read_tagged(yasna::Tag::context(0), |reader| {
                        reader.read_sequence(|reader| reader.next().read_utf8string())
                    })
                });
                permanent = Some(text.unwrap());
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(dns, expected.names);
    assert_eq!(permanent.as_deref(), expected.permanent);
}

fn key_identifier(point: &[u8]) -> Vec<u8> {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, point);
    digest.as_ref()[..20].to_vec()
}

fn utf8(value: &[u8]) -> String {
    yasna::parse_der(value, |reader| reader.read_utf8string()).unwrap()
}

#[test]
fn every_authority_says_what_its_profile_says() {
    for installation in [Installation::Production, Installation::Test] {
        let hierarchy = Hierarchy::new(installation);
        let cases = [
            (&hierarchy.root, "Wardkey root ", 1, None),
            (
                &hierarchy.service,
                "Wardkey service ",
                0,
                Some("keyd.wardkey.example"),
            ),
            (
                &hierarchy.site,
                "Wardkey site hmp-x ",
                0,
                Some("hmp-x.wardkey.example"),
            ),
        ];
        for (authority, name, path, subtree) in cases {
            let (_, certificate) = X509Certificate::from_der(&authority.certificate).unwrap();
            let subject = certificate.subject().to_string();
            assert!(subject.starts_with(&format!("CN={name}")), "{subject}");
            let basic = certificate.basic_constraints().unwrap().unwrap();
            assert!(basic.critical && basic.value.ca);
            assert_eq!(basic.value.path_len_constraint, Some(path));
            let usage = certificate.key_usage().unwrap().unwrap();
            assert!(usage.critical);
            assert_eq!(usage.value.to_string(), "Key Cert Sign");
            assert!(certificate.extended_key_usage().unwrap().is_none());
            let policies: Vec<String> = certificate
                .extensions()
                .iter()
                .filter_map(|extension| match extension.parsed_extension() {
                    ParsedExtension::CertificatePolicies(policies) => Some(policies),
                    _ => None,
                })
                .flatten()
                .map(|policy| policy.policy_id.to_id_string())
                .collect();
            match installation {
                Installation::Production => assert!(policies.is_empty()),
                Installation::Test => assert_eq!(policies, [oid::POLICY_TEST]),
            }
            let constraints = certificate.name_constraints().unwrap();
            match subtree {
                None => assert!(constraints.is_none()),
                Some(subtree) => {
                    let constraints = constraints.unwrap();
                    assert!(constraints.critical);
                    let permitted = constraints.value.permitted_subtrees.as_ref().unwrap();
                    let bases: Vec<_> = permitted.iter().map(|tree| &tree.base).collect();
                    assert_eq!(bases, [&GeneralName::DNSName(subtree)]);
                    let excluded = constraints.value.excluded_subtrees.as_ref().unwrap();
                    let bases: Vec<_> = excluded.iter().map(|tree| &tree.base).collect();
                    assert_eq!(
                        bases,
                        [
                            &GeneralName::IPAddress(&[0; 8]),
                            &GeneralName::IPAddress(&[0; 32])
                        ]
                    );
                }
            }
        }
    }
}

#[test]
fn the_realm_and_the_site_come_back_from_the_certificate() {
    let hierarchy = Hierarchy::new(Installation::Test);
    let site_issuer = hierarchy.site.issuer();
    let wardkey_issuance::Authority::Site {
        site: found,
        subtree,
    } = site_issuer.authority()
    else {
        panic!("{:?}", site_issuer.authority());
    };
    assert_eq!(*found, site());
    assert_eq!(subtree.as_str(), format!("{}.{}", site(), realm()));
    assert_eq!(site_issuer.installation(), Installation::Test);
}
