//! Trust bundles, from the hash of a root.

use wardkey_issuance::Profile;
use wardkey_schemas::bundle::{
    BundleVersion, EkAnchor, Profile as Installation, SiteAuthority, TokenAnchor, TrustBundle,
};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::jws::{self, Message as _};
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Seconds;
use wardkey_schemas::{Code, oid};
use wardkey_verifier::bundle::{VerifiedBundle, VerifiedRoot, verify_anchors};
use wardkey_verifier::certificate::{
    BASIC_CONSTRAINTS, Certificate, EXTENDED_KEY_USAGE, KEY_USAGE, NAME_CONSTRAINTS,
};
use wardkey_verifier::der;
use wardkey_verifier::person::VerifiedPerson;
use wardkey_verifier::pins;

use crate::forge::{Forgery, identifiers, text};
use crate::world::{DAY, World, code, key, now, realm, refused};

const ZERO: BundleVersion = BundleVersion::new(0);

#[test]
fn a_genuine_bundle_gives_its_authorities_and_anchors() {
    for installation in [Installation::Test, Installation::Production] {
        let world = World::of(installation);
        let bundle = world.verified();
        assert_eq!(bundle.version(), BundleVersion::new(1));
        assert_eq!(*bundle.realm(), realm());
        assert_eq!(bundle.profile(), installation);
        assert_eq!(bundle.signer(), world.signer.key.public());
        assert_eq!(bundle.root().der(), world.root_certificate);
        assert_eq!(bundle.bundle(), &world.bundle);
        let service = bundle.service_authority();
        assert_eq!(service.certificate().der(), world.service.certificate);
        assert_eq!(service.subtree().as_str(), "keyd.wardkey.example");
        let authority = bundle.site_authority(&code("hmp-x")).unwrap();
        assert_eq!(authority.certificate().der(), world.x().certificate);
        assert_eq!(authority.subtree().as_str(), "hmp-x.wardkey.example");
        let sites: Vec<String> = bundle.sites().map(ToString::to_string).collect();
        assert_eq!(sites, ["hmp-x", "hmp-y"]);
        assert_eq!(bundle.policy_floor().pcrs, [0, 2, 4, 7]);
        assert_eq!(bundle.token_anchors().len(), 1);
        assert_eq!(bundle.ek_anchors().len(), 1);
        refused(bundle.site_authority(&code("hmp-q")), Code::SiteUnknown);
    }
}

#[test]
fn an_installation_may_begin_without_sites() {
    let mut world = World::new();
    world.bundle.site_authorities.clear();
    let bundle = world.verified();
    refused(bundle.site_authority(&code("hmp-x")), Code::SiteUnknown);
    let nurse = world.x().person(1, Role::Staff);
    refused(
        VerifiedPerson::verify(&nurse.certificate, &bundle, now()),
        Code::SiteUnknown,
    );
}

#[test]
fn another_root_is_refused_whatever_it_signed() {
    let (ours, theirs) = (World::new(), World::new());
    refused(
        VerifiedBundle::verify(&theirs.package(), &ours.pin(), ZERO, now()),
        Code::RootMismatch,
    );
    // The right root, and a signer and bundle of the other.
    let mut package = theirs.package();
    package.root = ours.root_certificate.clone().into();
    refused(
        VerifiedBundle::verify(&package, &ours.pin(), ZERO, now()),
        Code::BundleSigner,
    );
    package.root = Vec::new().into();
    refused(
        VerifiedBundle::verify(&package, &ours.pin(), ZERO, now()),
        Code::RootMismatch,
    );
}

#[test]
fn a_pinned_certificate_that_is_no_root_is_refused() {
    let world = World::new();
    let mut package = world.package();
    let judge = |root: Vec<u8>, package: &mut wardkey_schemas::bundle::BundlePackage| {
        let pin = Sha256::of(&root);
        package.root = root.into();
        VerifiedBundle::verify(package, &pin, ZERO, now())
    };
    refused(
        judge(vec![1, 2, 3], &mut package),
        Code::CertificateMalformed,
    );
    // An authority on P-256.
    let site = world.x().certificate.clone();
    refused(judge(site, &mut package), Code::CertificateProfile);
    let spoils: [(Code, fn(&mut Forgery)); 4] = [
        (Code::CertificateProfile, |f| {
            f.extension(BASIC_CONSTRAINTS).value = vec![0x30, 0];
        }),
        (Code::CertificatePurpose, |f| {
            f.extension(KEY_USAGE).value = vec![3, 2, 7, 0x80];
        }),
        (Code::CertificateProfile, |f| f.add("1.2.3", true, &[5, 0])),
        (Code::CertificateIssuer, |f| f.issuer = vec![0x30, 0]),
    ];
    for (code, spoil) in spoils {
        let mut forgery = Forgery::of(&world.root_certificate);
        spoil(&mut forgery);
        let root = forgery.sign_by_root(&world.root);
        refused(judge(root, &mut package), code);
    }
    let mut changed = world.root_certificate.clone();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    refused(judge(changed, &mut package), Code::CertificateSignature);
}

#[test]
fn only_a_key_that_the_root_certified_for_bundles_signs_bundles() {
    let world = World::new();
    let judge = |certificate: &[u8], key: &SigningKey| {
        let mut package = world.package();
        package.signer = certificate.into();
        package.bundle = jws::sign(&world.bundle, key).unwrap();
        VerifiedBundle::verify(&package, &world.pin(), ZERO, now())
    };
    let own = &world.signer;
    assert!(judge(&own.certificate, &own.key).is_ok());
    // Genuine certificates for something else, each with its own key.
    let person = world.x().person(1, Role::Lead);
    for other in [world.x(), &world.service, &person] {
        refused(judge(&other.certificate, &other.key), Code::BundleSigner);
    }
    // The signer's own key in certificates that are not quite right.
    let mut elsewhere = Forgery::of(&own.certificate);
    let below_site = Forgery::of(&person.certificate);
    elsewhere.issuer.clone_from(&below_site.issuer);
    elsewhere.algorithm.clone_from(&below_site.algorithm);
    let by_site = elsewhere.sign(&world.x().key);
    refused(judge(&by_site, &own.key), Code::BundleSigner);
    let spoils: [fn(&mut Forgery); 4] = [
        |f| f.extension(EXTENDED_KEY_USAGE).value = identifiers(&[oid::EKU_LEASE]),
        |f| f.remove(EXTENDED_KEY_USAGE),
        |f| f.extension(BASIC_CONSTRAINTS).value = vec![0x30, 3, 1, 1, 0xff],
        |f| f.add("1.2.3", true, &[5, 0]),
    ];
    for spoil in spoils {
        let mut forgery = Forgery::of(&own.certificate);
        assert!(judge(&forgery.sign_by_root(&world.root), &own.key).is_ok());
        spoil(&mut forgery);
        let certificate = forgery.sign_by_root(&world.root);
        refused(judge(&certificate, &own.key), Code::BundleSigner);
    }
    refused(judge(&[0], &own.key), Code::BundleSigner);

    // The right certificate, another key.
    let mut package = world.package();
    package.bundle = jws::sign(&world.bundle, &key()).unwrap();
    refused(
        VerifiedBundle::verify(&package, &world.pin(), ZERO, now()),
        Code::BundleSigner,
    );
    // Signed by the right key, then changed.
    let mut other = world.bundle.clone();
    other.version = BundleVersion::new(2);
    let other = jws::sign(&other, &world.signer.key).unwrap();
    let (head, _) = other.as_str().rsplit_once('.').unwrap();
    let package = world.package();
    let (_, signature) = package.bundle.as_str().rsplit_once('.').unwrap();
    let mut forged = world.package();
    forged.bundle = jws::Jws::parse(format!("{head}.{signature}")).unwrap();
    refused(
        VerifiedBundle::verify(&forged, &world.pin(), ZERO, now()),
        Code::BundleSigner,
    );
}

#[test]
fn root_and_signer_are_judged_in_their_time() {
    let world = World::new();
    let judge = |at| VerifiedBundle::verify(&world.package(), &world.pin(), ZERO, at);
    refused(
        judge(now().minus(Seconds::new(2 * 3600))),
        Code::CertificateNotYet,
    );
    // The root began an hour before the signer.
    refused(
        judge(now().minus(Seconds::new(1800))),
        Code::CertificateNotYet,
    );
    let years = |number: u32| now().plus(Seconds::new(number * 365 * 24 * 3600));
    refused(judge(years(6)), Code::CertificateExpired);
    refused(judge(years(21)), Code::CertificateExpired);
}

#[test]
fn a_lower_version_is_refused_and_the_same_must_be_the_same() {
    let mut world = World::new();
    let first = world.verified();
    world.bundle.version = BundleVersion::new(7);
    world.bundle.previous = Some(Sha256::of(b"version 6"));
    let package = world.package();
    let judge =
        |newest| VerifiedBundle::verify(&package, &world.pin(), BundleVersion::new(newest), now());
    let seventh = judge(0).unwrap();
    assert!(judge(6).is_ok());
    assert!(judge(7).is_ok());
    refused(judge(8), Code::BundleRollback);

    let payload = seventh.payload_sha256();
    assert!(
        seventh
            .verify_follows(BundleVersion::new(7), &payload)
            .is_ok()
    );
    assert!(
        seventh
            .verify_follows(BundleVersion::new(1), &first.payload_sha256())
            .is_ok()
    );
    refused(
        seventh.verify_follows(BundleVersion::new(7), &Sha256::of(b"another version 7")),
        Code::BundleRollback,
    );
    refused(
        first.verify_follows(BundleVersion::new(7), &payload),
        Code::BundleRollback,
    );
    // The next version names the one that was seen.
    let sixth = Sha256::of(b"version 6");
    assert!(
        seventh
            .verify_follows(BundleVersion::new(6), &sixth)
            .is_ok()
    );
    refused(
        seventh.verify_follows(BundleVersion::new(6), &Sha256::of(b"another version 6")),
        Code::BundleContent,
    );
}

/// What a later version of a bundle might look like.
#[derive(serde::Serialize, serde::Deserialize)]
struct NewerBundle {
    #[serde(flatten)]
    bundle: TrustBundle,
    more: bool,
}

impl jws::Message for NewerBundle {
    const TYP: &'static str = TrustBundle::TYP;
    const MAX: usize = TrustBundle::MAX;
}

#[test]
fn a_genuine_bundle_with_a_field_that_nobody_knows_is_refused_as_unreadable() {
    let world = World::new();
    let newer = NewerBundle {
        bundle: world.bundle.clone(),
        more: true,
    };
    let signed = jws::sign(&newer, &world.signer.key).unwrap();
    let mut package = world.package();
    package.bundle = jws::Jws::parse(signed.as_str().to_owned()).unwrap();
    refused(
        VerifiedBundle::verify(&package, &world.pin(), ZERO, now()),
        Code::MessageMalformed,
    );
}

type Spoil = fn(&mut TrustBundle, &World);

fn anchor(bytes: &[u8], manufacturers: &[&str]) -> EkAnchor {
    EkAnchor {
        sha256: Sha256::of(bytes),
        manufacturers: manufacturers.iter().map(|m| (*m).to_owned()).collect(),
    }
}

#[test]
fn content_that_makes_no_sense_is_refused() {
    let cases: Vec<(&str, &str, Spoil)> = vec![
        ("version 0", "version 0", |b, _| b.version = ZERO),
        ("a predecessor of version 1", "a predecessor", |b, _| {
            b.previous = Some(Sha256::of(b"x"));
        }),
        (
            "no predecessor of version 2",
            "without a predecessor",
            |b, _| {
                b.version = BundleVersion::new(2);
            },
        ),
        (
            "another profile than the root's",
            "a profile that is not the one of the root",
            |b, _| {
                b.profile = Installation::Production;
            },
        ),
        ("no token anchor", "no token anchor", |b, _| {
            b.token_anchors.clear();
        }),
        ("a token anchor twice", "twice", |b, _| {
            b.token_anchors.push(b.token_anchors[0].clone());
        }),
        ("no TPM anchor", "no anchor of a TPM maker", |b, _| {
            b.ek_anchors.clear();
        }),
        ("a TPM anchor twice", "twice", |b, _| {
            b.ek_anchors.push(b.ek_anchors[0].clone());
        }),
        ("a TPM anchor for nobody", "for no manufacturer", |b, _| {
            b.ek_anchors.push(anchor(b"y", &[]));
        }),
        (
            "a manufacturer in small letters",
            "the manufacturer",
            |b, _| {
                b.ek_anchors.push(anchor(b"y", &["id:494e5443"]));
            },
        ),
        (
            "a manufacturer without its prefix",
            "the manufacturer",
            |b, _| {
                b.ek_anchors.push(anchor(b"y", &["494E5443"]));
            },
        ),
        ("registers out of order", "the registers", |b, _| {
            b.policy_floor.pcrs = vec![0, 4, 2, 7];
        }),
        ("a register twice", "the registers", |b, _| {
            b.policy_floor.pcrs = vec![0, 2, 4, 4, 7];
        }),
        ("a register that is none", "the registers", |b, _| {
            b.policy_floor.pcrs = vec![0, 2, 4, 7, 24];
        }),
        ("no registers", "the registers", |b, _| {
            b.policy_floor.pcrs.clear();
        }),
        (
            "firmware that leaks keys",
            "token firmware from 5.4.0",
            |b, _| {
                b.policy_floor.oldest_token_firmware.minor = 4;
            },
        ),
        ("a site twice", "site hmp-x twice", |b, _| {
            b.site_authorities.push(b.site_authorities[0].clone());
        }),
        ("another site's authority", "CERTIFICATE_NAME", |b, _| {
            b.site_authorities[0].certificate = b.site_authorities[1].certificate.clone();
        }),
        (
            "a site authority of another root",
            "CERTIFICATE_ISSUER",
            |b, _| {
                let other = World::new();
                b.site_authorities[0].certificate = other.x().certificate.clone().into();
            },
        ),
        ("a person as authority", "CERTIFICATE_ISSUER", |b, world| {
            let person = world.x().person(1, Role::Lead);
            b.site_authorities[0].certificate = person.certificate.into();
        }),
        ("the root as authority", "a key on P-384", |b, world| {
            b.site_authorities[0].certificate = world.root_certificate.clone().into();
        }),
        (
            "no certificate as authority",
            "CERTIFICATE_MALFORMED",
            |b, _| {
                b.site_authorities[0].certificate = Vec::new().into();
            },
        ),
        (
            "another realm than its authorities",
            "the service authority: CERTIFICATE_NAME",
            |b, _| {
                b.realm = "other.example".parse().unwrap();
            },
        ),
        (
            "a site's authority for the service",
            "the service authority: CERTIFICATE_NAME",
            |b, world| {
                b.service_authority = world.x().certificate.clone().into();
            },
        ),
        (
            "the service's authority for a site",
            "the authority of hmp-x: CERTIFICATE_NAME",
            |b, world| {
                b.site_authorities[0].certificate = world.service.certificate.clone().into();
            },
        ),
        (
            "a site with the service's name",
            "a site with the code keyd",
            |b, world| {
                b.site_authorities.push(SiteAuthority {
                    site: code("keyd"),
                    certificate: world.service.certificate.clone().into(),
                });
            },
        ),
    ];
    for (what, found, spoil) in cases {
        let mut world = World::new();
        let mut bundle = world.bundle.clone();
        spoil(&mut bundle, &world);
        world.bundle = bundle;
        let refusal = world
            .verify()
            .err()
            .unwrap_or_else(|| panic!("{what} passed"));
        assert_eq!(refusal.code(), Code::BundleContent, "{what}: {refusal}");
        assert!(refusal.found().contains(found), "{what}: {refusal}");
    }
    for missing in [0, 2, 4, 7] {
        let mut world = World::new();
        world.bundle.policy_floor.pcrs.retain(|pcr| *pcr != missing);
        refused(world.verify(), Code::BundleContent);
    }
}

#[test]
fn a_site_authority_has_exactly_its_profile_and_its_constraint() {
    let spoils: [(&str, fn(&mut Forgery)); 12] = [
        ("no constraint", |f| f.remove(NAME_CONSTRAINTS)),
        ("the constraint of another site", |f| {
            let value = &mut f.extension(NAME_CONSTRAINTS).value;
            let place = value.windows(5).position(|w| w == b"hmp-x").unwrap();
            value[place + 4] = b'y';
        }),
        ("a constraint to the realm", |f| {
            let base = der::element(der::context(2), b"wardkey.example");
            let tree = der::sequence(&[&base]);
            f.extension(NAME_CONSTRAINTS).value =
                der::sequence(&[&der::element(der::context_constructed(0), &tree)]);
        }),
        ("a constraint that others may ignore", |f| {
            f.extension(NAME_CONSTRAINTS).critical = false;
        }),
        ("a longer path", |f| {
            f.extension(BASIC_CONSTRAINTS).value = vec![0x30, 6, 1, 1, 0xff, 2, 1, 1];
        }),
        ("a path without end", |f| {
            f.extension(BASIC_CONSTRAINTS).value = vec![0x30, 3, 1, 1, 0xff];
        }),
        ("may sign messages too", |f| {
            f.extension(KEY_USAGE).value = vec![3, 2, 2, 0x84];
        }),
        ("for another site", |f| {
            f.extension(oid::EXT_SITE).value = text("hmp-y");
        }),
        ("for no site", |f| f.remove(oid::EXT_SITE)),
        ("with a purpose", |f| {
            f.add(EXTENDED_KEY_USAGE, false, &identifiers(&[oid::EKU_LEASE]));
        }),
        ("with a critical stranger", |f| {
            f.add("1.2.3", true, &[5, 0]);
        }),
        ("without a name", |f| f.subject = vec![0x30, 0]),
    ];
    for (what, spoil) in spoils {
        let mut world = World::new();
        let mut forgery = Forgery::of(&world.x().certificate);
        spoil(&mut forgery);
        world.bundle.site_authorities[0].certificate = forgery.sign_by_root(&world.root).into();
        let refusal = world
            .verify()
            .err()
            .unwrap_or_else(|| panic!("{what} passed"));
        assert_eq!(refusal.code(), Code::BundleContent, "{what}: {refusal}");
    }
}

#[test]
fn one_key_stands_for_one_authority() {
    let mut world = World::new();
    // hmp-y's authority with hmp-x's key, certified by the root without a mistake of its own.
    let profile = Profile::SiteAuthority {
        site: code("hmp-y"),
        realm: realm(),
    };
    let twin = world.certify_by_root(&profile);
    let mut forgery = Forgery::of(&twin.certificate);
    let other = Forgery::of(&world.x().certificate);
    let short = |f: &Forgery| {
        let subject = &f.subject;
        subject[subject.len() - 8..].to_vec()
    };
    let (own, theirs) = (short(&forgery), short(&other));
    let place = forgery.subject.len() - 8;
    assert_ne!(own, theirs);
    forgery.subject[place..].copy_from_slice(&theirs);
    forgery.key.clone_from(&other.key);
    let identifier = other.clone().extension("2.5.29.14").value.clone();
    forgery.extension("2.5.29.14").value = identifier;
    world.bundle.site_authorities[1].certificate = forgery.sign_by_root(&world.root).into();
    let refusal = world.verify().unwrap_err();
    assert_eq!(refusal.code(), Code::BundleContent);
    assert!(refusal.found().contains("a key of another"), "{refusal}");
}

#[test]
fn production_believes_no_test_anchor() {
    let world = World::of(Installation::Production);
    assert!(world.verify().is_ok());
    let mut software = World::of(Installation::Production);
    software.bundle.ek_anchors[0]
        .manufacturers
        .push(pins::SOFTWARE_TPM.to_owned());
    refused(software.verify(), Code::BundleContent);
    let mut token = World::of(Installation::Production);
    token.bundle.token_anchors.push(TokenAnchor {
        sha256: Sha256::of(b"a test root"),
    });
    refused(token.verify(), Code::BundleContent);
    let mut marked = World::of(Installation::Production);
    marked.bundle.profile = Installation::Test;
    refused(marked.verify(), Code::BundleContent);
}

#[test]
fn the_pinned_authorities_are_those_that_yubico_published() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/yubico");
    let read = |name: &str| {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let der = crate::pem::certificates(&text).remove(0);
        Certificate::parse(&der).unwrap().sha256()
    };
    for name in [
        "yubico-piv-root-ca-263751.pem",
        "yubico-attestation-root-1.pem",
        "yubico-attestation-intermediate-a-1.pem",
        "yubico-attestation-intermediate-b-1.pem",
        "yubico-piv-attestation-a-1.pem",
        "yubico-piv-attestation-b-1.pem",
        "yubico-piv-attestation-b2-1.pem",
    ] {
        assert!(pins::is_yubico(&read(name)), "{name}");
    }
    assert!(!pins::is_yubico(&read("yubikey-5ci-intermediate.pem")));
}

#[test]
fn two_hundred_sites_fit_into_a_bundle() {
    let mut world = World::new();
    world.bundle.site_authorities = (0..200)
        .map(|number| {
            let site = code(&format!("hmp-site-with-a-long-name-{number}"));
            let profile = Profile::SiteAuthority {
                site: site.clone(),
                realm: realm(),
            };
            let authority = world.certify_by_root(&profile);
            SiteAuthority {
                site,
                certificate: authority.certificate.into(),
            }
        })
        .collect();
    let package = world.package();
    assert!(package.bundle.as_str().len() < TrustBundle::MAX / 4);
    assert_eq!(world.verified().sites().count(), 200);
}

#[test]
fn one_site_whose_authority_has_run_out_does_not_stop_the_others() {
    let world = World::new();
    let bundle = world.verified();
    let nurse = world.x().person(1, Role::Staff);
    assert!(VerifiedPerson::verify(&nurse.certificate, &bundle, now().plus(DAY)).is_ok());
    let mut old = Forgery::of(&world.y().certificate);
    let utc = |text: &str| der::element(0x17, text.as_bytes());
    old.validity = der::sequence(&[&utc("200101000000Z"), &utc("210101000000Z")]);
    let mut world = world;
    world.bundle.site_authorities[1].certificate = old.sign_by_root(&world.root).into();
    let bundle = world.verified();
    assert!(VerifiedPerson::verify(&nurse.certificate, &bundle, now()).is_ok());
    let other = world.y().person(2, Role::Staff);
    refused(
        VerifiedPerson::verify(&other.certificate, &bundle, now()),
        Code::CertificateExpired,
    );
}

#[test]
fn a_root_judges_what_is_to_stand_in_a_bundle() {
    let world = World::of(Installation::Production);
    let pin = Sha256::of(&world.root_certificate);
    let signer = &world.signer.certificate;
    let root = VerifiedRoot::verify(&world.root_certificate, signer, &pin, now()).unwrap();
    assert_eq!(root.profile(), Installation::Production);
    assert_eq!(root.signer(), world.signer.key.public());
    let (realm, x) = (realm(), &world.x().certificate);
    root.verify_site_authority(x, &code("hmp-x"), &realm)
        .unwrap();
    root.verify_service_authority(&world.service.certificate, &realm)
        .unwrap();

    let wrong = Code::BundleContent;
    refused(root.verify_site_authority(x, &code("hmp-y"), &realm), wrong);
    refused(root.verify_site_authority(x, &code("keyd"), &realm), wrong);
    let elsewhere = "other.example".parse().unwrap();
    refused(
        root.verify_site_authority(x, &code("hmp-x"), &elsewhere),
        wrong,
    );
    refused(root.verify_service_authority(x, &realm), wrong);
    refused(
        VerifiedRoot::verify(&world.root_certificate, x, &pin, now()),
        Code::BundleSigner,
    );
    let other = Sha256::of(b"another root");
    refused(
        VerifiedRoot::verify(&world.root_certificate, signer, &other, now()),
        Code::RootMismatch,
    );
}

#[test]
fn makers_are_judged_before_there_is_a_root() {
    let world = World::of(Installation::Production);
    let (tokens, eks) = (&world.bundle.token_anchors, &world.bundle.ek_anchors);
    let wrong = Code::BundleContent;
    let stranger = vec![TokenAnchor {
        sha256: Sha256::of(b"test token root"),
    }];
    for profile in [Installation::Test, Installation::Production] {
        verify_anchors(tokens, eks, profile).unwrap();
        refused(verify_anchors(&[], eks, profile), wrong);
        refused(verify_anchors(tokens, &[], profile), wrong);
    }
    verify_anchors(&stranger, eks, Installation::Test).unwrap();
    refused(
        verify_anchors(&stranger, eks, Installation::Production),
        wrong,
    );
}

#[test]
fn every_pinned_authority_of_yubico_may_stand_in_production() {
    let pinned = pins::yubico();
    assert_eq!(pinned.len(), 7);
    assert!(pinned.iter().all(pins::is_yubico));
}
