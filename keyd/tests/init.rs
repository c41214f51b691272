//! What `keyd init` leaves on the disk.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

#[test]
fn what_init_makes_is_its_owners_alone() {
    let place = tempfile::tempdir().unwrap();
    let state = place.path().join("keyd");
    let init = Command::new(env!("CARGO_BIN_EXE_keyd"))
        .arg("init")
        .arg("--state")
        .arg(&state)
        .args(["--root-sha256", &"0".repeat(64)])
        .output()
        .unwrap();
    assert!(init.status.success(), "{init:?}");
    // The database holds secrets of enrolments that are under way, and names of people.
    for folder in [&state, &state.join("keys")] {
        let mode = folder.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", folder.display());
    }
}
