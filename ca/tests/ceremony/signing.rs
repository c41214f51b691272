//! What is signed below a root, and what is not.

use std::fs;

use wardkey_ca::ceremony::error::CeremonyError;
use wardkey_ca::signer::file::{Curve, load_signing_key};
use wardkey_schemas::Code;
use wardkey_schemas::bundle::BundleVersion;
use wardkey_schemas::bytes::Bytes;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::role::Role;
use wardkey_verifier::charter::VerifiedCharter;

use crate::room::{REALM, Room, SOFTWARE, refused};

#[test]
fn a_bundle_holds_what_was_certified_and_follows_the_one_before() {
    let room = Room::with_bundle();
    let first = room.verified("bundle.json");
    assert_eq!(first.version(), BundleVersion::new(1));
    let site = "hmp-x".parse().unwrap();
    let certificate = first.site_authority(&site).unwrap().certificate();
    let file = fs::read(room.path("root/certificates/hmp-x.der")).unwrap();
    assert_eq!(certificate.der(), file);

    room.request("hmp-y", REALM);
    room.certify("hmp-y").unwrap();
    room.bundle("bundle.json").unwrap();
    let second = room.verified("bundle.json");
    assert_eq!(second.version(), BundleVersion::new(2));
    let (version, payload) = (first.version(), first.payload_sha256());
    second.verify_follows(version, &payload).unwrap();
    assert_eq!(second.bundle().previous, Some(payload));
    assert_eq!(second.sites().count(), 2);
    assert_eq!(
        room.transcript(),
        [
            "make-root begun",
            "make-root done",
            "certify-authority begun",
            "certify-authority done",
            "certify-authority begun",
            "certify-authority done",
            "sign-bundle begun",
            "sign-bundle done",
            "certify-authority begun",
            "certify-authority done",
            "sign-bundle begun",
            "sign-bundle done",
        ]
    );
}

#[test]
fn a_request_of_another_realm_is_not_certified() {
    let room = Room::with_root();
    room.request("hmp-x", "other.example");
    let error = room.certify("hmp-x").unwrap_err();
    assert!(matches!(error, CeremonyError::OtherRealm { .. }), "{error}");
    assert!(!room.path("root/certificates/hmp-x.der").exists());
    assert_eq!(room.transcript().len(), 2, "the key was not used");
}

#[test]
fn no_site_has_a_name_of_the_service() {
    let room = Room::with_root();
    for name in ["keyd", "service-authority"] {
        room.request(name, REALM);
        let error = room.certify(name).unwrap_err();
        assert!(matches!(error, CeremonyError::SiteName { .. }), "{error}");
    }
}

#[test]
fn a_request_that_its_own_key_did_not_sign_is_not_certified() {
    let room = Room::with_root();
    let good = room.request("hmp-x", REALM);
    let mut spoiled = good.clone();
    let mut csr = good.csr.clone().into_vec();
    *csr.last_mut().unwrap() ^= 1;
    spoiled.csr = Bytes::from(csr);
    let mut cut = good.clone();
    cut.csr = good.csr.as_slice()[1..].into();
    for wrong in [spoiled, cut] {
        room.bring("hmp-x", &wrong);
        let error = room.certify("hmp-x").unwrap_err();
        assert!(matches!(error, CeremonyError::Request { .. }), "{error}");
    }
    fs::write(room.path("hmp-x.json"), "{}").unwrap();
    let error = room.certify("hmp-x").unwrap_err();
    assert!(matches!(error, CeremonyError::Content { .. }), "{error}");
    room.bring("hmp-x", &good);
    room.certify("hmp-x").unwrap();
}

#[test]
fn one_key_stands_for_one_thing() {
    let room = Room::with_root();
    let mut request = room.request("hmp-x", REALM);
    request.registrar = *load_signing_key(&room.path("hmp-x.p8")).unwrap().public();
    room.bring("hmp-x", &request);
    let error = room.certify("hmp-x").unwrap_err();
    assert!(matches!(error, CeremonyError::KeyInUse { .. }), "{error}");

    let good = room.request("hmp-y", REALM);
    room.certify("hmp-y").unwrap();
    let mut same_key = good.clone();
    same_key.site = "hmp-z".parse().unwrap();
    room.bring("hmp-z", &same_key);
    let error = room.certify("hmp-z").unwrap_err();
    assert!(matches!(error, CeremonyError::KeyInUse { .. }), "{error}");
}

#[test]
fn a_certificate_is_not_signed_twice() {
    let room = Room::with_bundle();
    let path = room.path("root/certificates/hmp-x.der");
    let before = fs::read(&path).unwrap();
    let error = room.certify("hmp-x").unwrap_err();
    assert!(matches!(error, CeremonyError::Taken { .. }), "{error}");
    // Also if its file is gone: the draft has it, and the next act writes it again.
    fs::remove_file(&path).unwrap();
    let error = room.certify("hmp-x").unwrap_err();
    assert!(matches!(error, CeremonyError::Taken { .. }), "{error}");
    room.request("hmp-y", REALM);
    room.certify("hmp-y").unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_charter_names_the_first_people_of_a_site() {
    let room = Room::with_bundle();
    let lead = room.first_key("lead.json", Role::Lead);
    let officer = room.first_key("officer.json", Role::SecurityOfficer);
    room.charter("hmp-x", &[&lead, &officer]).unwrap();
    let text = fs::read_to_string(room.path("charter.jws")).unwrap();
    let charter = Jws::parse(text.trim_end().to_owned()).unwrap();
    let charter = VerifiedCharter::verify(&charter, &room.verified("bundle.json")).unwrap();
    assert_eq!(charter.site().as_str(), "hmp-x");
    let roles: Vec<Role> = charter
        .charter()
        .first_keys
        .iter()
        .map(|k| k.role)
        .collect();
    assert_eq!(roles, [Role::Lead, Role::SecurityOfficer]);
    // Another one is written to another place.
    let error = room.charter("hmp-x", &[&lead]).unwrap_err();
    assert!(matches!(error, CeremonyError::Taken { .. }), "{error}");
    assert_eq!(fs::read_to_string(room.path("charter.jws")).unwrap(), text);
}

#[test]
fn a_charter_that_would_not_be_believed_is_not_written() {
    let room = Room::with_bundle();
    let lead = room.first_key("lead.json", Role::Lead);
    refused(room.charter("hmp-x", &[&lead, &lead]), Code::CharterInvalid);
    for role in [Role::Staff, Role::Auditor] {
        let other = room.first_key("other.json", role);
        let error = room.charter("hmp-x", &[&lead, &other]).unwrap_err();
        assert!(matches!(error, CeremonyError::FirstRole { .. }), "{error}");
    }
    // Certified, but not in a bundle.
    room.request("hmp-y", REALM);
    room.certify("hmp-y").unwrap();
    refused(room.charter("hmp-y", &[&lead]), Code::SiteUnknown);
    // A request with another key than the one that was certified.
    fs::remove_file(room.path("hmp-x.p8")).unwrap();
    room.request("hmp-x", REALM);
    let error = room.charter("hmp-x", &[&lead]).unwrap_err();
    assert!(
        matches!(error, CeremonyError::OtherAuthority { .. }),
        "{error}"
    );
    assert!(!room.path("charter.jws").exists());
}

#[test]
fn a_bundle_needs_the_authority_for_keyds_keys_and_a_charter_needs_a_bundle() {
    let room = Room::with_root();
    room.request("hmp-x", REALM);
    room.certify("hmp-x").unwrap();
    let error = room.bundle("bundle.json").unwrap_err();
    assert!(matches!(error, CeremonyError::NoService), "{error}");
    let lead = room.first_key("lead.json", Role::Lead);
    let error = room.charter("hmp-x", &[&lead]).unwrap_err();
    assert!(matches!(error, CeremonyError::NoBundle), "{error}");
    assert!(!room.path("bundle.json").exists());
}

#[test]
fn a_bundle_takes_the_place_of_an_earlier_one_of_its_root_only() {
    let room = Room::with_bundle();
    fs::copy(room.path("bundle.json"), room.path("older.json")).unwrap();
    room.bundle("bundle.json").unwrap();
    room.bundle("older.json").unwrap();
    assert_eq!(room.verified("older.json").version(), BundleVersion::new(3));

    let other = Room::with_bundle();
    fs::copy(other.path("bundle.json"), room.path("foreign.json")).unwrap();
    fs::write(room.path("letter.json"), "dear colleague").unwrap();
    for name in ["foreign.json", "letter.json"] {
        let before = fs::read(room.path(name)).unwrap();
        let error = room.bundle(name).unwrap_err();
        assert!(matches!(error, CeremonyError::Taken { .. }), "{error}");
        assert_eq!(fs::read(room.path(name)).unwrap(), before);
    }
}

#[test]
fn the_chain_of_bundles_is_verified_before_it_goes_on() {
    let room = Room::with_bundle();
    room.bundle("bundle.json").unwrap();
    let newest = room.path("root/bundles/2.json");
    // An earlier one in the place of the newest.
    fs::copy(room.path("root/bundles/1.json"), &newest).unwrap();
    refused(room.bundle("next.json"), Code::BundleRollback);
    // One of another root.
    let other = Room::with_bundle();
    fs::copy(other.path("bundle.json"), &newest).unwrap();
    refused(room.bundle("next.json"), Code::RootMismatch);
    assert!(!room.path("next.json").exists());
}

#[test]
fn nothing_is_signed_with_a_key_that_was_exchanged() {
    let room = Room::with_bundle();
    room.key("stranger", Curve::P256);
    fs::copy(
        room.path("stranger.p8"),
        room.path("root/keys/bundle-signer.p8"),
    )
    .unwrap();
    refused(room.bundle("next.json"), Code::BundleSigner);
    let lead = room.first_key("lead.json", Role::Lead);
    refused(room.charter("hmp-x", &[&lead]), Code::CharterInvalid);
    assert!(!room.path("next.json").exists());
    assert!(!room.path("root/bundles/2.json").exists());

    room.key("other-root", Curve::P384);
    fs::copy(room.path("other-root.p8"), room.path("root/keys/root.p8")).unwrap();
    room.request("hmp-y", REALM);
    let error = room.certify("hmp-y").unwrap_err();
    assert!(matches!(error, CeremonyError::Sign(_)), "{error}");
}

#[test]
fn a_root_that_is_not_the_pinned_one_signs_nothing() {
    let room = Room::with_bundle();
    let other = Room::new();
    other
        .init("root", "test", Some("token.der"), SOFTWARE)
        .unwrap();
    for name in ["root/root.der", "root/bundle-signer.der"] {
        fs::copy(other.path(name), room.path(name)).unwrap();
    }
    refused(room.bundle("next.json"), Code::RootMismatch);
}
