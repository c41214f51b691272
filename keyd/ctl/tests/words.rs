//! Every word that a person can see without a service: help, mistakes in what was typed, settings
//! that cannot be used, services and readers that do not answer.
//!
//! One file a family under `tests/cmd`; `TRYCMD=overwrite cargo test -p wardkey-ctl --test words`
//! writes what the program says now.

/// What the program may know of the computer it runs on: nothing but an empty home.
#[test]
fn the_program_says_what_is_written_down() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().to_str().unwrap();
    trycmd::TestCases::new()
        .env("HOME", home)
        .env("XDG_STATE_HOME", format!("{home}/state"))
        .env("XDG_CONFIG_HOME", format!("{home}/config"))
        // As good as none: what is not absolute does not count.
        .env("XDG_RUNTIME_DIR", "")
        .env("WARDKEY_CONFIG", "tests/cmd/desk/wardkey.toml")
        // Nobody is there, whatever this computer has in its readers.
        .env("PCSCLITE_CSOCK_NAME", format!("{home}/no-readers"))
        .env("TZ", "UTC")
        .case("tests/cmd/*.trycmd");
}
