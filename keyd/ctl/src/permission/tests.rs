//! The permission to read, and its file.

use std::os::unix::fs::PermissionsExt as _;
use std::thread;

use wardkey_edge::client::Endpoint;
use wardkey_edge::dates::Dates;

use super::*;

fn now() -> Timestamp {
    "2026-11-22T14:02:07Z".parse().unwrap()
}

fn settings() -> Settings {
    Settings {
        site: "hmp-xyz".parse().unwrap(),
        root: Sha256::of(b"root"),
        root_found: Sha256::of(b"root"),
        keyd: Endpoint {
            url: "https://keyd.wardkey.test".into(),
            connect: None,
            roots: Vec::new(),
            dates: Dates::Calendar,
        },
        extra_roots: 0,
        ca: None,
        serial: None,
        pinentry: "pinentry".into(),
        reader_file: None,
        file: None,
    }
}

fn permission(settings: &Settings) -> Permission {
    let allowed = Allowed {
        reader: ReaderId::from_bytes([7; 16]),
        ends_at: now().plus(Seconds::new(900)),
        serial: TokenSerial::new(33),
        role: Role::Lead,
    };
    NewReaderKey::generate()
        .unwrap()
        .allowed(&allowed, settings)
}

fn file(folder: &tempfile::TempDir) -> PermissionFile {
    PermissionFile::usual(
        folder.path(),
        &"hmp-xyz".parse().unwrap(),
        TokenSerial::new(33),
    )
}

#[test]
fn a_permission_goes_on_where_the_last_command_left_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder);
    let mut first = permission(&settings());
    first.sign(&Question::Laptops, None).unwrap();
    file.keep(&first).unwrap();

    let mut second = file.find().unwrap().unwrap();
    let signed = second.sign(&Question::Keys, None).unwrap();
    let query = signed.open(first.key.public()).unwrap().into_message();
    assert_eq!(query.reader, ReaderId::from_bytes([7; 16]));
    assert_eq!(query.counter, 2);
    assert_eq!(query.question, Question::Keys);
}

#[test]
fn a_permission_is_good_for_its_own_time_service_site_and_key_only() {
    type Spoil = fn(&mut Settings, &mut Timestamp);
    let cases: [(&str, bool, Spoil); 7] = [
        ("good", true, |_, _| ()),
        ("its own key", true, |settings, _| {
            settings.serial = Some(TokenSerial::new(33));
        }),
        ("over", false, |_, now| *now = now.plus(Seconds::new(896))),
        ("site", false, |settings, _| {
            settings.site = "hmp-abc".parse().unwrap();
        }),
        ("service", false, |settings, _| {
            settings.keyd.url = "https://keyd.other.test".into();
        }),
        ("root", false, |settings, _| {
            settings.root = Sha256::of(b"x");
        }),
        ("key", false, |settings, _| {
            settings.serial = Some(TokenSerial::new(34));
        }),
    ];
    let permission = permission(&settings());
    for (what, good, spoil) in cases {
        let (mut settings, mut now) = (settings(), now());
        spoil(&mut settings, &mut now);
        assert_eq!(permission.is_good(&settings, now), good, "{what}");
    }
}

#[test]
fn a_key_that_others_can_read_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder);
    file.keep(&permission(&settings())).unwrap();
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(file.find(), Err(Failure::UnsafeFile { .. })));
}

#[test]
fn half_a_file_is_no_permission() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder);
    assert!(file.find().unwrap().is_none());
    file.keep(&permission(&settings())).unwrap();
    let whole = fs::read(file.path()).unwrap();
    private_file::replace(file.path(), &whole[..whole.len() / 2]).unwrap();
    assert!(file.find().unwrap().is_none());
    assert!(file.forget().unwrap());
}

#[test]
fn the_files_of_a_site_are_found_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let site: SiteCode = "hmp-xyz".parse().unwrap();
    let names = [
        "reader-hmp-xyz-33.json",
        "reader-hmp-xyz-34.json",
        "reader-hmp-xyz-33.json.lock",
        "reader-hmp-xyz-33.json.new",
        "reader-hmp-xy-35.json",
        "reader-hmp-xyz-lead.json",
    ];
    for name in names {
        fs::write(folder.path().join(name), "").unwrap();
    }
    let all = PermissionFile::all(folder.path(), &site).unwrap();
    let wanted = [33, 34].map(|n| PermissionFile::usual(folder.path(), &site, TokenSerial::new(n)));
    assert_eq!(all, wanted);
}

#[test]
fn two_programs_never_use_a_counter_twice() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder);
    file.keep(&permission(&settings())).unwrap();
    let ask = || {
        let _turn = file.lock(|| ()).unwrap();
        let mut permission = file.find().unwrap().unwrap();
        permission.sign(&Question::Laptops, None).unwrap();
        file.keep(&permission).unwrap();
        permission.kept.counter
    };
    let mut counters: Vec<u64> = thread::scope(|scope| {
        let programs: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..10).map(|_| ask()).collect::<Vec<_>>()))
            .collect();
        programs
            .into_iter()
            .flat_map(|program| program.join().unwrap())
            .collect()
    });
    counters.sort_unstable();
    assert_eq!(counters, (1..=40).collect::<Vec<u64>>());
}

#[test]
fn a_permission_does_not_print_its_key() {
    let permission = permission(&settings());
    let secret: &str = &permission.kept.private_key;
    assert!(!format!("{permission:?}").contains(secret));
}
