//! Which name means which thing.

use wardkey_schemas::ids::{DeviceId, Generation, PersonId};
use wardkey_schemas::names::Firmware;
use wardkey_schemas::role::Role;

use super::*;

fn laptop(number: u8, tag: &str, state: ObjectState) -> LaptopRow {
    LaptopRow {
        device: DeviceId::from_bytes([number; 16]),
        asset: tag.parse().unwrap(),
        generation: Generation::FIRST,
        state,
        holds: Vec::new(),
        last_seen: None,
        linked: false,
        session: None,
    }
}

fn key(number: u8, serial: u32, state: ObjectState) -> KeyRow {
    KeyRow {
        key: Thumbprint::new([number; 32]),
        serial: TokenSerial::new(serial),
        firmware: Firmware {
            major: 5,
            minor: 7,
            patch: 4,
        },
        person: PersonId::from_bytes([number; 16]),
        name: "Sam".parse().unwrap(),
        role: Role::Staff,
        spare: false,
        state,
        left: None,
        holds: Vec::new(),
        last_used: None,
    }
}

fn site() -> (Vec<LaptopRow>, Vec<KeyRow>) {
    use ObjectState::{Active, Pending, Revoked};
    (
        vec![
            laptop(1, "HMP-X-03", Active),
            laptop(2, "HMP-X-04", Revoked),
            laptop(3, "HMP-X-04", Active),
            laptop(4, "HMP-X-05", Revoked),
            laptop(5, "22", Active),
        ],
        vec![
            key(11, 33_162_554, Active),
            key(12, 33_162_555, Revoked),
            key(13, 33_162_555, Pending),
            key(14, 22, Active),
        ],
    )
}

fn found(typed: &str) -> Result<Target, NoTarget> {
    let (laptops, keys) = site();
    find(&typed.parse().unwrap(), &laptops, &keys).map(|found| found.target())
}

fn device(number: u8) -> Target {
    Target::Laptop {
        device: DeviceId::from_bytes([number; 16]),
    }
}

fn security_key(number: u8) -> Target {
    Target::Key {
        key: Thumbprint::new([number; 32]),
    }
}

#[test]
fn a_tag_means_its_laptop_however_it_is_typed() {
    for typed in ["HMP-X-03", "hmp-x-03", " Hmp-X-03 "] {
        assert_eq!(found(typed), Ok(device(1)), "{typed}");
    }
}

#[test]
fn a_serial_number_means_its_security_key() {
    assert_eq!(found("33162554"), Ok(security_key(11)));
}

#[test]
fn full_numbers_mean_exactly_one() {
    assert_eq!(
        found("02020202-0202-0202-0202-020202020202"),
        Ok(device(2)),
        "also what was revoked"
    );
    let thumbprint = Thumbprint::new([12; 32]).to_string();
    assert_eq!(found(&thumbprint), Ok(security_key(12)));
}

#[test]
fn what_was_revoked_is_meant_only_where_nothing_else_bears_the_name() {
    assert_eq!(found("HMP-X-04"), Ok(device(3)));
    assert_eq!(found("33162555"), Ok(security_key(13)));
    assert_eq!(found("HMP-X-05"), Ok(device(4)));
}

#[test]
fn what_fits_two_things_is_not_decided_for_the_person() {
    let error = found("22").unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, NoTarget::Ambiguous { .. }));
    assert!(text.contains("laptop 22 (active, 05050505-"), "{text}");
    assert!(text.contains("security key 22 (active, "), "{text}");
}

#[test]
fn what_is_unknown_is_answered_with_what_looks_like_it() {
    let error = found("HMP-X-33").unwrap_err();
    assert_eq!(
        error.to_string(),
        "your site has no laptop or security key `HMP-X-33`"
    );
    assert!(error.hint().contains("HMP-X-03"), "{}", error.hint());
    let error = found("QQQQQQQQ").unwrap_err();
    assert!(
        error.hint().contains("`wardkey devices`"),
        "{}",
        error.hint()
    );
}

#[test]
fn a_list_that_was_not_looked_at_is_not_named() {
    let (laptops, _) = site();
    let error = find(&"NO-SUCH".parse().unwrap(), &laptops, &[]).unwrap_err();
    assert_eq!(error.to_string(), "your site has no laptop `NO-SUCH`");
}

#[test]
fn text_that_is_no_name_is_refused_before_anything_is_asked() {
    for wrong in ["", " ", "-X", "HMP X", "a/b", "é", &"A".repeat(33)] {
        assert_eq!(wrong.parse::<Typed>(), Err(NotAName), "{wrong:?}");
    }
}

#[test]
fn digits_may_be_a_tag_where_they_are_too_long_for_a_serial_number() {
    let typed: Typed = "99999999999".parse().unwrap();
    assert!(matches!(typed.form(), Form::Digits { serial: None, .. }));
}
