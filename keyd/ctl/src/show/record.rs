//! The record as a table, with the names that people know in the place of long numbers.

use std::collections::BTreeMap;

use wardkey_schemas::query::{KeyRow, LaptopRow, RecordRow};

use crate::table::Table;
use crate::text::Text;
use crate::times::Times;

/// What the long numbers of a site are called.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// The names in the site's lists.
    pub fn of(laptops: &[LaptopRow], keys: &[KeyRow]) -> Self {
        let laptops = laptops
            .iter()
            .map(|row| (row.device.to_string(), row.asset.to_string()));
        let keys = keys
            .iter()
            .map(|row| (row.key.to_string(), row.serial.to_string()));
        Self(laptops.chain(keys).collect())
    }

    /// `laptop 0198…` becomes `laptop HMP-X-03`; what has no name stays as it is.
    fn put_into(&self, text: &str) -> String {
        let words = text.split(' ').map(|word| {
            let known = self.0.get(word).map(String::as_str);
            known.unwrap_or(word)
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

/// Entries of the record, newest first.
pub fn record(rows: &[RecordRow], names: &Names, times: &Times) -> String {
    let mut table = Table::new(["ENTRY", "WHEN", "WHAT", "BY", "TO", "REFUSED"]);
    for row in rows {
        table.push([
            row.place.to_string(),
            times.both(row.at),
            row.event.clone(),
            names.put_into(&row.actor),
            names.put_into(&row.target),
            row.code.clone().unwrap_or_default(),
        ]);
    }
    let mut text = Text::from(table.to_string());
    match rows.last() {
        None => text.line("(no entries)"),
        Some(last) if last.place > 1 => {
            text.line(format_args!("(more: wardkey log --before {})", last.place));
        }
        Some(_) => {}
    }
    text.done()
}

#[cfg(test)]
mod tests {
    use wardkey_schemas::bytes::Sha256;
    use wardkey_schemas::ids::{DeviceId, Generation};
    use wardkey_schemas::status::ObjectState;

    use super::*;

    fn row(place: u64) -> RecordRow {
        RecordRow {
            place,
            at: "2026-11-22T14:02:06.120Z".parse().unwrap(),
            site: "hmp-xyz".parse().unwrap(),
            event: "laptop.stopped".into(),
            actor: "key somebody".into(),
            target: format!("laptop {}", DeviceId::from_bytes([1; 16])),
            code: None,
            leaf: Sha256::new([0; 32]),
            previous: Sha256::new([0; 32]),
        }
    }

    #[test]
    fn entries_name_what_people_know_and_say_how_to_go_on() {
        let laptop = LaptopRow {
            device: DeviceId::from_bytes([1; 16]),
            asset: "HMP-X-03".parse().unwrap(),
            generation: Generation::FIRST,
            state: ObjectState::Active,
            holds: Vec::new(),
            last_seen: None,
            linked: false,
            session: None,
        };
        let text = record(&[row(7)], &Names::of(&[laptop], &[]), &Times::of("GMT0"));
        assert_eq!(
            text,
            "\
ENTRY  WHEN                                 WHAT            BY            TO               REFUSED
7      2026-11-22T14:02:06Z (14:02:06 GMT)  laptop.stopped  key somebody  laptop HMP-X-03  -
(more: wardkey log --before 7)
"
        );
    }

    #[test]
    fn the_first_entry_has_nothing_before_it() {
        let text = record(&[row(1)], &Names::default(), &Times::of("GMT0"));
        assert!(!text.contains("more"), "{text}");
        let text = record(&[], &Names::default(), &Times::of("GMT0"));
        assert!(text.ends_with("(no entries)\n"), "{text}");
    }
}
