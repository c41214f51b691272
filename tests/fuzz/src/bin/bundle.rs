//! Trust bundles and site charters: any package, and anything that the bundle signer could sign.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wardkey_fuzz::{House, SITE, begin_with, envelope_over, fixed_key, read_twice};
use wardkey_schemas::bundle::{BundlePackage, BundleVersion, FirstKey};
use wardkey_schemas::jws::sign;
use wardkey_schemas::role::Role;
use wardkey_verifier::bundle::VerifiedBundle;
use wardkey_verifier::charter::VerifiedCharter;

static HOUSE: LazyLock<House> = LazyLock::new(House::build);

fn samples() -> Vec<Vec<u8>> {
    let first = FirstKey {
        key: HOUSE.token.key.public().thumbprint(),
        role: Role::Lead,
    };
    let site = SITE.parse().expect("a code");
    let charter = HOUSE.installation.charter(&site, vec![first]);
    vec![
        unsigned_package(),
        serde_json::to_vec(&HOUSE.installation.bundle()).expect("a bundle"),
        serde_json::to_vec(&charter).expect("a charter"),
    ]
}

/// The package with the signature of nobody.
fn unsigned_package() -> Vec<u8> {
    let bundle = HOUSE.installation.bundle();
    let package = BundlePackage {
        bundle: sign(&bundle, &fixed_key()).expect("a signed bundle"),
        ..HOUSE.package.clone()
    };
    serde_json::to_vec(&package).expect("a package")
}

fn passes(package: &BundlePackage) -> bool {
    let newest = BundleVersion::new(0);
    VerifiedBundle::verify(package, &HOUSE.installation.pin(), newest, HOUSE.now).is_ok()
}

fuzz_target!(init: begin_with("bundle", samples()), |data: &[u8]| {
    if let Some(package) = read_twice::<BundlePackage>(data) {
        // Nobody can sign for the bundle signer.
        assert!(!passes(&package));
    }
    // A signature is dear: only what could be a message gets one.
    if data.first() != Some(&b'{') {
        return;
    }
    let signer = HOUSE.installation.bundle_signer.key();
    if let Some(bundle) = envelope_over(data, signer) {
        let package = BundlePackage {
            bundle,
            ..HOUSE.package.clone()
        };
        let _ = std::hint::black_box(passes(&package));
    }
    if let Some(charter) = envelope_over(data, signer) {
        let _ = std::hint::black_box(VerifiedCharter::verify(&charter, &HOUSE.bundle));
    }
});
