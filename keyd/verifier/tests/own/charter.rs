//! Site charters.

use wardkey_schemas::Code;
use wardkey_schemas::bundle::{FirstKey, SiteCharter};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::CharterId;
use wardkey_schemas::jws::{self, Jws};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::role::Role;
use wardkey_verifier::charter::VerifiedCharter;

use crate::world::{World, code, key, now, realm, refused};

fn first(number: u8) -> FirstKey {
    FirstKey {
        key: Thumbprint::new([number; 32]),
        role: Role::Lead,
    }
}

fn charter(world: &World) -> SiteCharter {
    SiteCharter {
        charter: CharterId::from_bytes([1; 16]),
        realm: realm(),
        site: code("hmp-x"),
        authority: Sha256::of(&world.x().certificate),
        registrar: *key().public(),
        first_keys: vec![first(1), first(2)],
        issued_at: now(),
    }
}

#[test]
fn a_genuine_charter_gives_the_site_its_registrar_and_its_first_keys() {
    let world = World::new();
    let said = charter(&world);
    let signed = jws::sign(&said, &world.signer.key).unwrap();
    let verified = VerifiedCharter::verify(&signed, &world.verified()).unwrap();
    assert_eq!(*verified.charter(), said);
    assert_eq!(*verified.site(), code("hmp-x"));
    assert_eq!(*verified.registrar(), said.registrar);
    assert_eq!(verified.sha256(), signed.sha256());
    let first = verified.first_key(Thumbprint::new([2; 32])).unwrap();
    assert_eq!(first.role, Role::Lead);
    refused(
        verified.first_key(Thumbprint::new([3; 32])),
        Code::CharterInvalid,
    );
}

type Spoil = fn(&mut SiteCharter, &World);

#[test]
fn one_thing_wrong_in_a_charter_is_enough() {
    let cases: [(&str, Code, Spoil); 7] = [
        ("another realm", Code::CharterInvalid, |c, _| {
            c.realm = "other.example".parse().unwrap();
        }),
        ("an unknown site", Code::SiteUnknown, |c, _| {
            c.site = code("hmp-q");
        }),
        (
            "another site's authority",
            Code::CharterInvalid,
            |c, world| {
                c.authority = Sha256::of(&world.y().certificate);
            },
        ),
        (
            "the authority as registrar",
            Code::CharterInvalid,
            |c, world| {
                c.registrar = *world.x().key.public();
            },
        ),
        ("no first key", Code::CharterInvalid, |c, _| {
            c.first_keys.clear();
        }),
        ("a first key twice", Code::CharterInvalid, |c, _| {
            c.first_keys.push(first(1));
        }),
        ("a key with two roles", Code::CharterInvalid, |c, _| {
            c.first_keys.push(FirstKey {
                role: Role::SecurityOfficer,
                ..first(2)
            });
        }),
    ];
    let world = World::new();
    let bundle = world.verified();
    for (what, code, spoil) in cases {
        let mut said = charter(&world);
        spoil(&mut said, &world);
        let signed = jws::sign(&said, &world.signer.key).unwrap();
        let result = VerifiedCharter::verify(&signed, &bundle);
        let refusal = result.err().unwrap_or_else(|| panic!("{what} passed"));
        assert_eq!(refusal.code(), code, "{what}: {refusal}");
    }
}

#[test]
fn only_the_bundles_signer_signs_charters() {
    let world = World::new();
    let bundle = world.verified();
    for wrong in [&world.x().key, &world.service.key, &key()] {
        let signed = jws::sign(&charter(&world), wrong).unwrap();
        refused(
            VerifiedCharter::verify(&signed, &bundle),
            Code::CharterInvalid,
        );
    }
    // Signed by the right key, then changed.
    let signed = jws::sign(&charter(&world), &world.signer.key).unwrap();
    let mut other = charter(&world);
    other.first_keys.push(first(9));
    let other = jws::sign(&other, &world.signer.key).unwrap();
    let (head, _) = other.as_str().rsplit_once('.').unwrap();
    let (_, signature) = signed.as_str().rsplit_once('.').unwrap();
    let forged: Jws<SiteCharter> = Jws::parse(format!("{head}.{signature}")).unwrap();
    refused(
        VerifiedCharter::verify(&forged, &bundle),
        Code::CharterInvalid,
    );
}
