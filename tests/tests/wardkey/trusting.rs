//! Whom the program believes: nothing is signed for a service, a bundle or a key that is not
//! genuine.

use std::fs;

use wardkey_tests::world::{Options, Role, World};

use crate::{desk, done, refused, short_folder};

#[test]
fn a_service_that_does_not_answer_is_said_to_be_unreachable() {
    let mut desk = desk();
    let lead = desk.lead.clone();
    done(&desk.world.wardkey(&lead, &["devices"]).unwrap());
    let mut command = desk.command(&["login", "--keyd-connect", "127.0.0.1:1"]);
    let said = wardkey_tests::process::run(&mut command).unwrap();
    refused(&said, 5, "SERVICE_UNREACHABLE");
}

#[test]
fn another_root_is_not_believed_before_anything_is_asked() {
    let mut desk = desk();
    let wrong = "00".repeat(32);
    let said = desk.run(&["login", "--root-sha256", &wrong]);
    refused(&said, 4, "ROOT_MISMATCH");
}

#[test]
fn a_service_under_another_root_is_not_spoken_with() {
    let mut desk = desk();
    let file = desk.world.folder().join("other-root.der");
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    fs::write(&file, certificate.der()).unwrap();
    let hash = wardkey_schemas::bytes::Sha256::of(certificate.der()).to_hex();
    let file = file.to_str().unwrap();
    let said = desk.run(&["login", "--root-certificate", file, "--root-sha256", &hash]);
    let report = refused(&said, 5, "SERVICE_UNREACHABLE");
    let why = report["caused_by"].to_string();
    assert!(why.contains("UnknownIssuer"), "{why}");
}

#[test]
fn an_older_bundle_than_was_seen_is_not_believed() {
    let mut desk = desk();
    let lead = desk.lead.clone();
    done(&desk.world.wardkey(&lead, &["login"]).unwrap());
    let folder = desk.world.folder().join("desk-state/wardkey");
    let memory = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let memory = memory.filter(|path| path.extension().is_some_and(|end| end == "json"));
    let memory = memory.last().unwrap();
    let text = fs::read_to_string(&memory).unwrap();
    let mut seen: serde_json::Value = serde_json::from_str(&text).unwrap();
    let version = seen["version"].as_u64().unwrap();
    seen["version"] = (version + 1).into();
    fs::write(&memory, seen.to_string()).unwrap();
    let said = desk.world.wardkey(&lead, &["login"]).unwrap();
    refused(&said, 4, "BUNDLE_ROLLBACK");
    // The same version with another content is a fork.
    seen["version"] = version.into();
    seen["payload_sha256"] = wardkey_schemas::bytes::Sha256::of(b"other")
        .to_string()
        .into();
    fs::write(&memory, seen.to_string()).unwrap();
    let said = desk.world.wardkey(&lead, &["login"]).unwrap();
    refused(&said, 4, "BUNDLE_ROLLBACK");
    fs::write(&memory, text).unwrap();
    done(&desk.world.wardkey(&lead, &["login"]).unwrap());
}

#[test]
fn a_key_of_another_site_is_not_for_this_one() {
    let folder = short_folder();
    let mut world = World::new(folder.path(), Options::default()).unwrap();
    world.root_ceremony().unwrap();
    for site in ["hmp-abc", "hmp-xyz"] {
        world.prepare_site(site).unwrap();
    }
    world.publish().unwrap();
    world.start_keyd().unwrap();
    for site in ["hmp-abc", "hmp-xyz"] {
        world.start_authority(site).unwrap();
    }
    let mut lead = world.first_key("hmp-abc", "lead", Role::Lead).unwrap();
    done(&world.wardkey(&lead, &["devices"]).unwrap());
    lead.site = "hmp-xyz".to_owned();
    fs::remove_file(world.reader_file(&lead)).unwrap();
    let said = world.wardkey(&lead, &["devices"]).unwrap();
    refused(&said, 2, "KEY_NOT_FOR_THIS_SITE");
}
