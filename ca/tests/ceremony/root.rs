//! Making a root, and what is refused while it is made.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use wardkey_ca::ceremony::draft::Draft;
use wardkey_ca::ceremony::error::CeremonyError;
use wardkey_ca::ceremony::transcript::Transcript;
use wardkey_schemas::Code;
use wardkey_schemas::bytes::Sha256;
use wardkey_verifier::bundle::VerifiedRoot;
use wardkey_verifier::pins;

use crate::room::{INFINEON, Room, SOFTWARE, now, refused};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_root_is_made_with_its_signer_and_a_draft() {
    let room = Room::new();
    let said = room
        .init("root", "test", Some("token.der"), SOFTWARE)
        .unwrap();
    let certificate = fs::read(room.path("root/root.der")).unwrap();
    let signer = fs::read(room.path("root/bundle-signer.der")).unwrap();
    assert_eq!(room.pin(), Sha256::of(&certificate));
    let hex = room.pin().to_hex();
    assert!(said.to_string().contains(&hex[..4]), "{said}");
    VerifiedRoot::verify(&certificate, &signer, &room.pin(), now()).unwrap();
    let draft = Draft::load(&room.path("root/draft.json")).unwrap();
    assert_eq!(draft.token_anchors.len(), 1);
    assert_eq!(draft.ek_anchors[0].manufacturers, [SOFTWARE]);
    assert_eq!(draft.service_authority, None);
    assert_eq!(room.transcript(), ["make-root begun", "make-root done"]);
}

#[test]
fn private_keys_are_for_their_owner_alone() {
    let room = Room::with_root();
    assert_eq!(mode(&room.path("root")), 0o700);
    for key in ["root/keys/root.p8", "root/keys/bundle-signer.p8"] {
        assert_eq!(mode(&room.path(key)), 0o600, "{key}");
    }
    assert_eq!(mode(&room.path("root/root.der")) & 0o044, 0o044);
    let readable = fs::Permissions::from_mode(0o640);
    fs::set_permissions(room.path("root/keys/root.p8"), readable).unwrap();
    room.request("hmp-x", crate::room::REALM);
    let error = room.certify("hmp-x").unwrap_err();
    assert!(matches!(error, CeremonyError::Key(_)), "{error}");
}

#[test]
fn a_root_is_never_overwritten() {
    let room = Room::with_root();
    let before = fs::read(room.path("root/root.der")).unwrap();
    let key = fs::read(room.path("root/keys/root.p8")).unwrap();
    let error = room.init("root", "test", Some("token.der"), SOFTWARE);
    assert!(matches!(error, Err(CeremonyError::Taken { .. })));
    assert_eq!(fs::read(room.path("root/root.der")).unwrap(), before);
    assert_eq!(fs::read(room.path("root/keys/root.p8")).unwrap(), key);
    // Nor is what an interruption left.
    fs::remove_file(room.path("root/draft.json")).unwrap();
    let error = room.init("root", "test", Some("token.der"), SOFTWARE);
    assert!(matches!(error, Err(CeremonyError::Taken { .. })));
    let error = room.bundle("bundle.json").unwrap_err();
    assert!(matches!(error, CeremonyError::NoRoot { .. }), "{error}");
}

#[test]
fn a_production_root_believes_the_makers_of_hardware_only() {
    let room = Room::new();
    let wrong = Code::BundleContent;
    refused(
        room.init("a", "production", Some("token.der"), INFINEON),
        wrong,
    );
    refused(room.init("b", "production", None, SOFTWARE), wrong);
    for nothing in ["a", "b"] {
        assert!(
            !room.path(nothing).exists(),
            "nothing was made for {nothing}"
        );
    }
    room.init("root", "production", None, INFINEON).unwrap();
    let draft = Draft::load(&room.path("root/draft.json")).unwrap();
    let tokens: Vec<Sha256> = draft.token_anchors.iter().map(|a| a.sha256).collect();
    assert_eq!(tokens, pins::yubico());
}

#[test]
fn a_root_needs_makers_whose_certificates_can_be_read() {
    let room = Room::new();
    refused(room.init("a", "test", None, SOFTWARE), Code::BundleContent);
    refused(
        room.init("b", "test", Some("token.der"), "infineon"),
        Code::BundleContent,
    );
    fs::write(room.path("token.der"), "hello").unwrap();
    let error = room.init("c", "test", Some("token.der"), SOFTWARE);
    assert!(matches!(error, Err(CeremonyError::Content { .. })));
}

#[test]
fn one_act_is_done_at_a_time() {
    let room = Room::with_bundle();
    let other = Transcript::open(&room.path("root")).unwrap();
    let error = room.bundle("bundle.json").unwrap_err();
    assert!(matches!(error, CeremonyError::Busy { .. }), "{error}");
    drop(other);
    room.bundle("bundle.json").unwrap();
}
