//! K1 to K8, as `cargo xtask bounds` measures them.
#![expect(clippy::print_stderr, reason = "what was measured is worth reading")]

use std::sync::Mutex;

use wardkey_tests::bounds::{Measured, measure, names};

#[test]
fn every_bound_is_held() {
    let folder = tempfile::Builder::new()
        .prefix("k")
        .rand_bytes(4)
        .tempdir_in("/tmp")
        .unwrap();
    let found: Mutex<Vec<Measured>> = Mutex::default();
    measure(folder.path(), &[], &|measured| {
        eprintln!("{}: {:#}", measured.name, measured.to_json());
        found.lock().unwrap().push(measured);
    })
    .unwrap();
    let mut found = found.into_inner().unwrap();
    found.sort_by_key(|measured| measured.name);
    let measured: Vec<&str> = found.iter().map(|measured| measured.name).collect();
    assert_eq!(measured, names());
    let broken: Vec<&Measured> = found.iter().filter(|measured| !measured.held()).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}
