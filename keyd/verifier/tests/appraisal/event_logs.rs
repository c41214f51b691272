//! The event log: limits, form, localities, and what its data is worth.

use wardkey_schemas::Code;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::PcrValue;
use wardkey_verifier::event_log::{
    EventKind, EventLog, KnownLog, RegisterValues as _, require_explained,
};

use crate::forge::event_log::{boot, event, header, record, sha256_header, startup_locality};
use crate::forge::refused;

fn extend(value: &Sha256, measured: &Sha256) -> Sha256 {
    Sha256::of(&[*value.as_bytes(), *measured.as_bytes()].concat())
}

fn pcr0(log: &[u8]) -> Sha256 {
    EventLog::parse(log)
        .unwrap()
        .replay()
        .find_value(0)
        .unwrap()
}

#[test]
fn each_register_is_extended_in_order() {
    let log = boot();
    let replayed = EventLog::parse(&log).unwrap().replay();
    let firmware = extend(&Sha256::new([0; 32]), &Sha256::of(b"firmware 1.0"));
    let separated = extend(&firmware, &Sha256::of(&[0; 4]));
    assert_eq!(replayed.find_value(0), Some(separated));
    assert_eq!(replayed.find_value(1), Some(Sha256::new([0; 32])));
    assert_eq!(replayed.find_value(17), Some(Sha256::new([0xff; 32])));
    assert_eq!(replayed.find_value(23), Some(Sha256::new([0; 32])));
    assert_eq!(replayed.find_value(24), None);
    assert_eq!(replayed.sha256(), Sha256::of(&log));
}

#[test]
fn pcr_0_starts_at_the_locality() {
    for locality in [0, 3, 4] {
        let log = [
            sha256_header(),
            startup_locality(locality),
            event(0, 8, b"firmware"),
        ]
        .concat();
        let mut start = [0; 32];
        start[31] = locality;
        let wanted = extend(&Sha256::new(start), &Sha256::of(b"firmware"));
        assert_eq!(pcr0(&log), wanted);
    }
}

#[test]
fn a_locality_counts_once_and_only_before_pcr_0_is_extended() {
    let late = [
        sha256_header(),
        event(0, 8, b"firmware"),
        startup_locality(3),
    ];
    let twice = [sha256_header(), startup_locality(3), startup_locality(3)];
    let unknown = [sha256_header(), startup_locality(1), Vec::new()];
    for log in [late, twice, unknown] {
        let log = log.concat();
        assert_eq!(refused(EventLog::parse(&log)), Code::LogMalformed);
    }
    // After another register was extended it still counts.
    let other = [sha256_header(), event(7, 4, &[0; 4]), startup_locality(3)].concat();
    assert_eq!(EventLog::parse(&other).unwrap().startup_locality(), 3);
}

#[test]
fn what_is_only_said_is_never_extended() {
    let said = record(0, 3, &[(0x000b, &[7; 32])], b"SP800-155 Event\0");
    let log = [sha256_header(), said, event(0, 8, b"firmware")].concat();
    let without = [sha256_header(), event(0, 8, b"firmware")].concat();
    assert_eq!(pcr0(&log), pcr0(&without));
}

#[test]
fn a_log_may_have_other_banks_beside_sha256() {
    let digest = Sha256::of(b"firmware");
    let both: [(u16, &[u8]); 2] = [(0x0004, &[9; 20]), (0x000b, digest.as_bytes())];
    let log = [
        header(&[(0x0004, 20), (0x000b, 32)]),
        record(0, 8, &both, b"firmware"),
    ]
    .concat();
    let alone = [sha256_header(), event(0, 8, b"firmware")].concat();
    assert_eq!(pcr0(&log), pcr0(&alone));
}

#[test]
fn a_log_that_breaks_the_form_is_refused() {
    let digest = [7_u8; 32];
    let one: [(u16, &[u8]); 1] = [(0x000b, &digest)];
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("half a header", sha256_header()[..40].to_vec()),
        ("no header", event(0, 8, b"firmware")),
        ("no SHA-256 bank", header(&[(0x0004, 20)])),
        ("no bank", header(&[])),
        ("a bank twice", header(&[(0x000b, 32), (0x000b, 32)])),
        ("SHA-256 of 20 bytes", header(&[(0x000b, 20)])),
        ("a digest of no bytes", header(&[(0x000b, 32), (0x000c, 0)])),
        ("too many banks", header(&[(0x000b, 32); 17])),
        (
            "half an event",
            [sha256_header(), event(0, 8, b"firmware")[..20].to_vec()].concat(),
        ),
        (
            "no digest",
            [sha256_header(), record(0, 8, &[], b"")].concat(),
        ),
        (
            "two digests of one bank",
            [
                header(&[(0x0004, 20), (0x000b, 32)]),
                record(0, 8, &[one[0], one[0]], b""),
            ]
            .concat(),
        ),
        (
            "a digest of an unknown bank",
            [sha256_header(), record(0, 8, &[(0x000c, &[0; 48])], b"")].concat(),
        ),
        (
            "a register over 23",
            [sha256_header(), record(24, 8, &one, b"")].concat(),
        ),
        (
            "an event too long",
            [
                sha256_header(),
                record(0, 8, &one, &vec![0; 256 * 1024 + 1]),
            ]
            .concat(),
        ),
        (
            "too many events",
            [sha256_header(), event(0, 8, b"x").repeat(4097)].concat(),
        ),
        (
            "too long a log",
            [sha256_header(), event(0, 8, &[0; 200_000]).repeat(11)].concat(),
        ),
    ];
    for (what, log) in cases {
        assert_eq!(refused(EventLog::parse(&log)), Code::LogMalformed, "{what}");
    }
    let longest = [sha256_header(), record(0, 8, &one, &vec![0; 256 * 1024])].concat();
    assert!(EventLog::parse(&longest).is_ok());
    let most = [sha256_header(), event(0, 8, b"x").repeat(4096)].concat();
    assert_eq!(EventLog::parse(&most).unwrap().events().len(), 4096);
}

#[test]
fn data_is_given_out_only_where_the_digest_covers_it() {
    let secure_boot = 0x8000_0001;
    let wrong: [(u16, &[u8]); 1] = [(0x000b, &[7; 32])];
    let log = [
        sha256_header(),
        event(7, secure_boot, b"SecureBoot = 1"),
        record(7, secure_boot, &wrong, b"SecureBoot = 1"),
        // A boot loader's event describes its file and never is what was measured.
        event(4, 0x8000_0003, b"path"),
    ]
    .concat();
    let log = EventLog::parse(&log).unwrap();
    let bound: Vec<_> = log.bound_data().collect();
    assert_eq!(bound.len(), 1);
    assert_eq!(bound[0].pcr, 7);
    assert_eq!(bound[0].kind, EventKind::VARIABLE_DRIVER_CONFIG);
    assert_eq!(bound[0].data, b"SecureBoot = 1");
}

#[test]
fn the_log_must_explain_every_quoted_register() {
    let log = boot();
    let replayed = EventLog::parse(&log).unwrap().replay();
    let known = KnownLog {
        sha256: replayed.sha256(),
        values: replayed.values(),
    };
    let mut quoted: Vec<PcrValue> = replayed.values().into_iter().take(8).collect();
    require_explained(&quoted, &replayed).unwrap();
    require_explained(&quoted, &known).unwrap();

    quoted[4].sha256 = Sha256::new([1; 32]);
    let refusal = require_explained(&quoted, &known).unwrap_err();
    assert_eq!(refusal.code(), Code::LogReplayMismatch);
    assert!(refusal.found().contains("PCR 4"), "{refusal}");

    assert_eq!(
        refused(require_explained(&[], &replayed)),
        Code::LogReplayMismatch,
        "nothing quoted"
    );
    let empty = KnownLog {
        sha256: known.sha256,
        values: Vec::new(),
    };
    assert_eq!(
        refused(require_explained(&quoted, &empty)),
        Code::LogReplayMismatch,
        "nothing known"
    );
}
