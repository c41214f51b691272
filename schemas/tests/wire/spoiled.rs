//! A good message, spoiled in one place: refused by the code and by the schema alike.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::catalogue::{Entry, entries};
use crate::validator::Validator;

/// Fields that may be absent or null, by name; by parent and name where the name alone means another
/// field too. Everything else must be there.
const OPTIONAL: &[&str] = &[
    "about",
    "acted_at",
    "before",
    "cannot_run_past",
    "code",
    "denial",
    "end_reason",
    "ended_at",
    "event_log",
    "finish",
    "last_seen",
    "last_used",
    "left",
    "moved_from",
    "own",
    "previous",
    "received_at",
    "removed_at",
    "report-lost/key",
    "report-lost/laptop",
    "result",
    "sent_at",
    "session",
    "set_at",
    "trouble",
];

/// All places in a value, as JSON pointers (RFC 6901); names of ours need no escapes.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut below = |name: String, value: &Value| {
        let place = format!("{at}/{name}");
        found.push(place.clone());
        places(value, &place, found);
    };
    match value {
        Value::Object(object) => object
            .iter()
            .for_each(|(name, value)| below(name.clone(), value)),
        Value::Array(array) => array
            .iter()
            .enumerate()
            .for_each(|(index, value)| below(index.to_string(), value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn places_of(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    places(value, "", &mut found);
    found
}

/// `value` as JSON text, with the field at `place` written twice.
fn with_twice(value: &Value, at: &str, place: &str) -> String {
    match value {
        Value::Object(object) => {
            let fields: Vec<String> = object
                .iter()
                .map(|(name, value)| {
                    let here = format!("{at}/{name}");
                    let field = format!("{}:{}", json!(name), with_twice(value, &here, place));
                    if here == place {
                        format!("{field},{field}")
                    } else {
                        field
                    }
                })
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(array) => {
            let items: Vec<String> = array
                .iter()
                .enumerate()
                .map(|(index, item)| with_twice(item, &format!("{at}/{index}"), place))
                .collect();
            format!("[{}]", items.join(","))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// Values of every other type than this one.
fn of_other_types(value: &Value) -> Vec<Value> {
    let kind = |value: &Value| std::mem::discriminant(value);
    [
        json!(null),
        json!(true),
        json!(1),
        json!("x"),
        json!([]),
        json!({}),
        json!(1.5),
    ]
    .into_iter()
    .filter(|other| kind(other) != kind(value) || *other == json!(1.5))
    .collect()
}

/// Calls `judge` with each sample of each message, its value and its schema.
fn each_sample(mut judge: impl FnMut(&Entry, &Value, &Validator<'_>)) {
    for entry in entries() {
        let validator = Validator::new(entry.schema.value());
        for sample in &entry.samples {
            let value: Value = serde_json::from_str(&sample.json).unwrap();
            judge(entry, &value, &validator);
        }
    }
}

fn name_of(place: &str) -> &str {
    place.rsplit('/').next().unwrap()
}

/// As [`OPTIONAL`] would list it.
fn listed_as(place: &str) -> &str {
    let with_parent = |listed: &&&str| {
        let before = place.strip_suffix(**listed);
        listed.contains('/') && before.is_some_and(|before| before.ends_with('/'))
    };
    OPTIONAL
        .iter()
        .find(with_parent)
        .copied()
        .unwrap_or_else(|| name_of(place))
}

/// Whether a spoiled value is accepted; the code and the schema must agree.
fn accepted(entry: &Entry, validator: &Validator<'_>, spoiled: &Value, what: &str) -> bool {
    let by_code = (entry.read)(&spoiled.to_string());
    let by_schema = validator.accepts(spoiled);
    assert_eq!(
        by_code.is_ok(),
        by_schema,
        "{}, {what}: code and schema disagree ({by_code:?})",
        entry.name
    );
    by_schema
}

#[test]
fn a_missing_field_is_refused_unless_it_is_one_of_the_optional_ones() {
    let mut optional = BTreeSet::new();
    each_sample(|entry, value, validator| {
        for place in places_of(value) {
            let (parent, name) = place.rsplit_once('/').unwrap();
            let mut spoiled = value.clone();
            let Some(Value::Object(object)) = spoiled.pointer_mut(parent) else {
                continue;
            };
            object.remove(name).unwrap();
            if accepted(entry, validator, &spoiled, &format!("without {place}")) {
                optional.insert(listed_as(&place).to_owned());
            }
        }
    });
    let listed: BTreeSet<String> = OPTIONAL.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(optional, listed);
}

#[test]
fn an_unknown_field_is_refused_at_every_depth() {
    each_sample(|entry, value, validator| {
        let mut objects = places_of(value);
        objects.push(String::new());
        for place in objects {
            let mut spoiled = value.clone();
            if let Some(Value::Object(object)) = spoiled.pointer_mut(&place) {
                object.insert("unknown".to_owned(), json!(1));
                let what = format!("more in {place:?}");
                assert!(
                    !accepted(entry, validator, &spoiled, &what),
                    "{} {what}",
                    entry.name
                );
            }
        }
    });
}

#[test]
fn a_duplicated_field_is_refused_at_every_depth() {
    each_sample(|entry, value, _| {
        assert!((entry.read)(&with_twice(value, "", "nowhere")).is_ok());
        for place in places_of(value) {
            if name_of(&place).parse::<usize>().is_err() {
                let text = with_twice(value, "", &place);
                assert!((entry.read)(&text).is_err(), "{} {place} twice", entry.name);
            }
        }
    });
}

#[test]
fn a_value_of_the_wrong_type_is_refused_at_every_depth() {
    each_sample(|entry, value, validator| {
        for place in places_of(value) {
            for other in of_other_types(value.pointer(&place).unwrap()) {
                let mut spoiled = value.clone();
                *spoiled.pointer_mut(&place).unwrap() = other.clone();
                let what = format!("{other} at {place}");
                if accepted(entry, validator, &spoiled, &what) {
                    // Null says of an optional field that it is absent; where null stood, another
                    // value may be the right one.
                    let optional = OPTIONAL.contains(&listed_as(&place));
                    let absent = other.is_null() || value.pointer(&place).unwrap().is_null();
                    assert!(optional && absent, "{}: {what}", entry.name);
                }
            }
        }
    });
}

#[test]
fn what_follows_a_message_is_refused() {
    each_sample(|entry, value, _| {
        assert!(
            (entry.read)(&format!("{value} {{}}")).is_err(),
            "{}",
            entry.name
        );
        let whole = value.to_string();
        for cut in [1, whole.len() / 2, whole.len() - 1] {
            if let Some(part) = whole.get(..cut) {
                assert!((entry.read)(part).is_err(), "{} cut at {cut}", entry.name);
            }
        }
    });
}
