//! The JSON Schemas are well formed, and every sample obeys its own and no other.

use serde_json::Value;

use crate::catalogue::entries;
use crate::read;
use crate::validator::Validator;

#[test]
fn every_sample_obeys_the_schema_in_its_file() {
    for entry in entries() {
        let schema: Value =
            serde_json::from_str(&read(&format!("json/{}.json", entry.name))).unwrap();
        let validator = Validator::new(&schema);
        for sample in &entry.samples {
            let value: Value = serde_json::from_str(&sample.json).unwrap();
            assert!(validator.accepts(&value), "{} {}", entry.name, sample.case);
        }
    }
}

#[test]
fn no_sample_obeys_the_schema_of_another_message() {
    let entries = entries();
    for entry in entries {
        let validator = Validator::new(entry.schema.value());
        for other in entries.iter().filter(|other| other.name != entry.name) {
            for sample in &other.samples {
                let value: Value = serde_json::from_str(&sample.json).unwrap();
                let same = (entry.read)(&sample.json).is_ok();
                assert_eq!(
                    validator.accepts(&value),
                    same,
                    "{} by the schema of {}",
                    other.name,
                    entry.name
                );
                // Two messages of one shape are told apart by their `typ`, if they have one.
                assert!(!same || entry.envelope.is_some() || other.envelope.is_some());
            }
        }
    }
}

#[test]
fn every_object_of_every_schema_is_closed() {
    fn open_objects(schema: &Value, found: &mut Vec<String>) {
        match schema {
            Value::Object(keywords) => {
                let closed = keywords.get("additionalProperties") == Some(&Value::Bool(false));
                if keywords.get("type") == Some(&Value::from("object")) && !closed {
                    found.push(schema.to_string());
                }
                keywords
                    .values()
                    .for_each(|value| open_objects(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| open_objects(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    for entry in entries() {
        let mut found = Vec::new();
        open_objects(entry.schema.value(), &mut found);
        assert_eq!(found, Vec::<String>::new(), "{}", entry.name);
    }
}

#[test]
fn a_schema_names_its_dialect_and_itself() {
    for entry in entries() {
        let schema = entry.schema.value();
        let dialect = "https://json-schema.org/draft/2020-12/schema";
        assert_eq!(schema["$schema"], dialect);
        assert_eq!(schema["$id"], format!("urn:wardkey:schema:{}", entry.name));
        assert!(schema["description"].is_string(), "{}", entry.name);
    }
}
