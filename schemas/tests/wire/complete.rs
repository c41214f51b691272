//! Nothing was forgotten: every message of `schemas/src` is in the catalogue, and every case of every
//! message has a sample.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::catalogue::entries;
use crate::validator::Validator;

/// Types with a JSON form that are no part of a message.
const OFF_THE_WIRE: &[&str] = &[
    // The word in file names of keyd's keys.
    "Function",
];

/// The product's text of every file of this crate, tests left out.
fn sources(folder: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("tests.rs")
        {
            let text = fs::read_to_string(path).unwrap();
            texts.push(text.split("#[cfg(test)]").next().unwrap().to_owned());
        }
    }
    texts
}

fn all_sources() -> Vec<String> {
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

#[test]
fn every_type_of_signed_message_is_in_the_catalogue() {
    let mut found = BTreeSet::new();
    for text in all_sources() {
        for part in text.split("const TYP: &'static str = \"").skip(1) {
            found.insert(part.split('"').next().unwrap().to_owned());
        }
    }
    let listed: BTreeSet<String> = entries()
        .iter()
        .filter(|entry| entry.envelope.is_some())
        .map(|entry| entry.name.to_owned())
        .collect();
    assert_eq!(found, listed);
}

#[test]
fn every_public_type_with_a_json_form_is_part_of_a_message_in_the_catalogue() {
    let mut reached = BTreeSet::new();
    for entry in entries() {
        reached.insert(entry.schema.title().to_owned());
        if let Some(parts) = entry.schema.value()["$defs"].as_object() {
            reached.extend(parts.keys().cloned());
        }
    }
    let mut looked_at = 0;
    for text in all_sources() {
        // From one derive to the next there is one type.
        for part in text.split("#[derive(").skip(1) {
            let (derived, rest) = part.split_once(")]").unwrap();
            let types = ["struct ", "enum "];
            let first = types.iter().filter_map(|word| rest.find(word)).min();
            let (before, declared) = rest.split_at(first.unwrap());
            if !before.ends_with("pub ") || !derived.contains("JsonSchema") {
                continue;
            }
            let name: String = declared
                .split(' ')
                .nth(1)
                .unwrap()
                .chars()
                .take_while(|c| c.is_alphanumeric())
                .collect();
            // `Sealed<T>` has a name for each T; `$name` is a macro's.
            let there = reached
                .iter()
                .any(|known| known.split('_').next() == Some(&name));
            assert!(
                name.is_empty() || there || OFF_THE_WIRE.contains(&name.as_str()),
                "{name} has a JSON form and is in no message of tests/wire/catalogue"
            );
            looked_at += 1;
        }
    }
    assert!(looked_at > 80, "only {looked_at} types were looked at");
}

#[test]
fn every_case_of_every_message_has_a_sample() {
    let mut cases = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for entry in entries() {
        let schema = entry.schema.value();
        cases_of(entry.schema.title(), schema, &mut cases);
        if let Some(parts) = schema["$defs"].as_object() {
            for (name, part) in parts {
                cases_of(name, part, &mut cases);
            }
        }
        let validator = Validator::new(schema);
        for sample in &entry.samples {
            validator.accepts(&serde_json::from_str(&sample.json).unwrap());
        }
        taken.extend(validator.taken());
    }
    let forgotten: Vec<_> = cases.difference(&taken).collect();
    assert_eq!(forgotten, Vec::<&(String, usize)>::new());
}

/// The cases of a choice that have fields of their own. Words alone are listed in the schema.
fn cases_of(name: &str, schema: &Value, cases: &mut BTreeSet<(String, usize)>) {
    let choices = schema["oneOf"].as_array();
    for (place, case) in choices.into_iter().flatten().enumerate() {
        if case["type"] == "object" {
            cases.insert((name.to_owned(), place));
        }
    }
}
