//! Golden files: what was once on the wire stays readable and stays the same, byte for byte.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use wardkey_schemas::jws::Message;
use wardkey_schemas::lease::Lease;
use wardkey_schemas::order::Order;

use crate::catalogue::{Entry, Signer, code_lines, entries, files, golden_key, made_anew};
use crate::read;

const ANEW: &str = "if that was meant, `cargo xtask schemas` writes it anew";

#[test]
fn every_generated_file_is_up_to_date() {
    for file in files() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file.path);
        let there = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == file.text,
            "schemas/{} is not what the code says; {ANEW}",
            file.path
        );
    }
}

#[test]
fn no_file_tells_of_a_message_that_is_no_more() {
    let wanted: BTreeSet<String> = files().into_iter().map(|file| file.path).collect();
    for folder in ["golden", "json"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in fs::read_dir(path).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let below = format!("{folder}/{name}");
            assert!(
                wanted.contains(&below),
                "schemas/{below} is nobody's; {ANEW}"
            );
        }
    }
}

#[test]
fn a_golden_payload_is_read_as_the_very_sample_it_was_made_from() {
    for entry in entries() {
        for sample in &entry.samples {
            let dot = if sample.case.is_empty() { "" } else { "." };
            let text = read(&format!("golden/{}{dot}{}.json", entry.name, sample.case));
            assert!(
                (sample.is_read_back)(text.trim_end()),
                "{} {}",
                entry.name,
                sample.case
            );
        }
    }
}

#[test]
fn two_samples_of_one_message_are_never_taken_for_each_other() {
    for entry in entries() {
        for (place, sample) in entry.samples.iter().enumerate() {
            for other in &entry.samples[..place] {
                assert!(
                    !(sample.is_read_back)(&other.json),
                    "{} {} and {}",
                    entry.name,
                    sample.case,
                    other.case
                );
            }
        }
    }
}

#[test]
fn a_golden_envelope_by_other_hands_opens_under_its_key_and_no_other() {
    let mut opened = 0;
    for entry in entries() {
        let Some(envelope) = &entry.envelope else {
            continue;
        };
        let text = read(&format!("golden/{}.jws", entry.name));
        let payload = (envelope.open)(text.trim_end(), &golden_key()).unwrap();
        assert_eq!(payload, entry.samples[0].json, "{}", entry.name);
        let refused = (envelope.open)(text.trim_end(), &Signer::Answer.public());
        assert!(refused.is_err(), "{}", entry.name);
        opened += 1;
    }
    assert!(opened > 20, "only {opened} signed messages were looked at");
}

#[test]
fn a_golden_envelope_of_one_type_passes_for_no_other() {
    let entries = entries();
    for entry in entries {
        let Some(envelope) = &entry.envelope else {
            continue;
        };
        for other in entries {
            if let Some(reader) = other.envelope.as_ref().filter(|_| other.name != entry.name) {
                let refused = (reader.open)(&envelope.text, &golden_key()).unwrap_err();
                assert!(
                    refused.contains("a message of type") || refused.contains("characters"),
                    "{} as {}: {refused}",
                    entry.name,
                    other.name
                );
            }
        }
    }
}

#[test]
fn the_name_of_a_signed_message_is_its_typ() {
    let names: BTreeSet<&str> = entries().iter().map(|entry| entry.name).collect();
    assert_eq!(names.len(), entries().len(), "one name a message");
    assert!(names.contains(Lease::TYP) && names.contains(Order::TYP));
    for entry in entries() {
        assert_eq!(entry.envelope.is_some(), entry.name.ends_with("+jwt"));
    }
}

#[test]
fn a_refusal_code_keeps_its_word_its_kind_and_what_it_does_to_a_call() {
    let there = read("golden/codes.txt");
    let now = code_lines();
    for (was, is) in there.lines().zip(now.lines()) {
        assert_eq!(was, is, "a code changed; {ANEW}");
    }
    assert_eq!(there.lines().count(), now.lines().count(), "{ANEW}");
}

#[test]
fn samples_are_the_same_each_time() {
    for (entry, again) in entries().iter().zip(made_anew()) {
        for (sample, again) in entry.samples.iter().zip(again.samples) {
            assert_eq!(sample.json, again.json);
        }
        let envelope = |entry: &Entry| entry.envelope.as_ref().map(|it| it.text.clone());
        assert_eq!(envelope(entry), again.envelope.map(|it| it.text));
    }
}
