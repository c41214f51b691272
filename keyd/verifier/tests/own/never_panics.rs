//! Whatever the bytes, there is an answer.

use std::sync::OnceLock;

use proptest::prelude::*;
use wardkey_schemas::bundle::{BundlePackage, BundleVersion, Profile as Installation};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::jws;
use wardkey_schemas::registration::{Announced, CertificateKind};
use wardkey_schemas::role::Role;
use wardkey_verifier::announced::VerifiedAnnouncement;
use wardkey_verifier::bundle::VerifiedBundle;
use wardkey_verifier::certificate::Certificate;
use wardkey_verifier::device::VerifiedDevice;
use wardkey_verifier::person::VerifiedPerson;

use crate::world::{World, code, now};

fn world() -> &'static (World, VerifiedBundle, Vec<u8>) {
    static WORLD: OnceLock<(World, VerifiedBundle, Vec<u8>)> = OnceLock::new();
    WORLD.get_or_init(|| {
        let world = World::of(Installation::Test);
        let bundle = world.verified();
        let nurse = world.x().person(1, Role::Staff).certificate;
        (world, bundle, nurse)
    })
}

/// Every reader of a certificate.
fn read_all(certificate: &Certificate) {
    let _ = certificate.key_usage();
    let _ = certificate.basic_constraints();
    let _ = certificate.extended_key_usages();
    let _ = certificate.policies();
    let _ = certificate.alternative_names();
    let _ = certificate.dns_names();
    let _ = certificate.subject_key_identifier();
}

/// A genuine certificate with some bytes changed, left out or put in.
fn spoilt() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0_u8..3);
    prop::collection::vec(change, 1..6).prop_map(|changes| {
        let mut bytes = world().2.clone();
        for (place, value, how) in changes {
            let place = place.index(bytes.len());
            match how {
                0 => bytes[place] = value,
                1 => {
                    bytes.remove(place);
                }
                _ => bytes.insert(place, value),
            }
        }
        bytes
    })
}

/// The same, with the outer lengths put right again, so that the change is looked at.
fn spoilt_inside() -> impl Strategy<Value = Vec<u8>> {
    (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(place, value)| {
        let mut bytes = world().2.clone();
        // Behind the two headers of certificate and signed part.
        let place = 8 + place.index(bytes.len() - 8);
        bytes[place] = value;
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_make_the_certificate_reader_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..700),
    ) {
        if let Ok(certificate) = Certificate::parse(&bytes) {
            read_all(&certificate);
        }
    }

    #[test]
    fn no_spoilt_certificate_passes_or_panics(bytes in prop_oneof![spoilt(), spoilt_inside()]) {
        let (_, bundle, genuine) = world();
        if let Ok(certificate) = Certificate::parse(&bytes) {
            read_all(&certificate);
        }
        let same = bytes == *genuine;
        let _ = VerifiedDevice::verify(&bytes, bundle, now());
        prop_assert_eq!(VerifiedPerson::verify(&bytes, bundle, now()).is_ok(), same);
    }

    #[test]
    fn no_announced_bytes_panic(bytes in prop_oneof![
        spoilt_inside().prop_map(|bytes| bytes[4..].to_vec()),
        prop::collection::vec(any::<u8>(), 0..300),
    ]) {
        let announced = Announced { kind: CertificateKind::Person, tbs: bytes.into() };
        let _ = VerifiedAnnouncement::verify(&announced, &code("hmp-x"), &world().1, now());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A bundle whose root, signer or authorities are any bytes at all, each signed as it should be.
    #[test]
    fn no_bytes_make_a_bundle_pass_or_panic(
        bytes in prop_oneof![spoilt(), prop::collection::vec(any::<u8>(), 0..300)],
        which in 0_u8..4,
        version in any::<u64>(),
    ) {
        let (world, _, _) = world();
        let mut package: BundlePackage = world.package();
        let mut pin = world.pin();
        let mut content = world.bundle.clone();
        match which {
            0 => {
                pin = Sha256::of(&bytes);
                package.root = bytes.into();
            }
            1 => package.signer = bytes.into(),
            2 => content.service_authority = bytes.into(),
            _ => content.site_authorities[0].certificate = bytes.into(),
        }
        package.bundle = jws::sign(&content, &world.signer.key).unwrap();
        let result = VerifiedBundle::verify(&package, &pin, BundleVersion::new(0), now());
        prop_assert!(result.is_err());
        content = world.bundle.clone();
        content.version = BundleVersion::new(version);
        package = world.package();
        package.bundle = jws::sign(&content, &world.signer.key).unwrap();
        let result = VerifiedBundle::verify(&package, &world.pin(), BundleVersion::new(0), now());
        prop_assert_eq!(result.is_ok(), version == 1);
    }

    /// A package as it comes over the network: any JSON, and text that is nearly a package.
    #[test]
    fn no_text_makes_the_package_reader_panic(
        place in any::<prop::sample::Index>(),
        value in any::<char>(),
    ) {
        let (world, _, _) = world();
        let text = serde_json::to_string(&world.package()).unwrap();
        let mut characters: Vec<char> = text.chars().collect();
        let place = place.index(characters.len());
        characters[place] = value;
        let changed: String = characters.into_iter().collect();
        if let Ok(package) = serde_json::from_str::<BundlePackage>(&changed) {
            let newest = BundleVersion::new(0);
            let result = VerifiedBundle::verify(&package, &world.pin(), newest, now());
            prop_assert_eq!(result.is_ok(), package == world.package() || changed == text);
        }
    }
}
