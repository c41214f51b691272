//! The page of messages: one entry for each message of the catalogue, then their parts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;

use crate::catalogue::{Entry, entries};

/// Who signs each message. The schema cannot know.
const SIGNERS: &[(&str, &str)] = &[
    ("statuslist+jwt", "keyd's status key"),
    (
        "wardkey-action+jwt",
        "a person's security key (slot 9c, PIN and touch)",
    ),
    (
        "wardkey-activation+jwt",
        "the staff member's security key (slot 9c, PIN and touch)",
    ),
    ("wardkey-activation-request+jwt", "the laptop's device key"),
    ("wardkey-announce-key+jwt", "the site's registrar key"),
    ("wardkey-announce-laptop+jwt", "the site's registrar key"),
    (
        "wardkey-announce-recertification+jwt",
        "the site's registrar key",
    ),
    ("wardkey-bundle+jwt", "the bundle signer, offline"),
    ("wardkey-challenge+jwt", "keyd's answer key"),
    ("wardkey-challenge-request+jwt", "the laptop's device key"),
    ("wardkey-charter+jwt", "the bundle signer, offline"),
    ("wardkey-denial+jwt", "keyd's answer key"),
    (
        "wardkey-enrol-key+jwt",
        "the security key of the lead or officer who vouches (slot 9c, PIN and touch)",
    ),
    (
        "wardkey-enrol-laptop+jwt",
        "the lead's security key (slot 9c, PIN and touch)",
    ),
    ("wardkey-heartbeat+jwt", "keyd's answer key"),
    ("wardkey-key-offer+jwt", "keyd's answer key"),
    (
        "wardkey-key-possession+jwt",
        "the new security key (slot 9c, PIN and touch)",
    ),
    ("wardkey-laptop-offer+jwt", "keyd's answer key"),
    ("wardkey-lease+jwt", "keyd's lease key"),
    ("wardkey-link-hello+jwt", "the laptop's device key"),
    ("wardkey-log-key+jwt", "keyd's service authority"),
    ("wardkey-notification+jwt", "keyd's answer key"),
    ("wardkey-open-key+jwt", "the site's registrar key"),
    ("wardkey-open-laptop+jwt", "the site's registrar key"),
    (
        "wardkey-open-recertification+jwt",
        "the site's registrar key",
    ),
    ("wardkey-order+jwt", "keyd's order key"),
    ("wardkey-order-receipt+jwt", "the laptop's device key"),
    ("wardkey-query+jwt", "the reader key that a person opened"),
    ("wardkey-receipt+jwt", "keyd's answer key"),
    ("wardkey-recertification-offer+jwt", "keyd's answer key"),
    (
        "wardkey-recertification-request+jwt",
        "the laptop's device key",
    ),
    ("wardkey-recorded+jwt", "keyd's answer key"),
    ("wardkey-renewal-request+jwt", "the laptop's device key"),
    ("wardkey-report-issued+jwt", "the site's registrar key"),
    ("wardkey-room-answer+jwt", "the video platform's key"),
    ("wardkey-room-order+jwt", "keyd's order key"),
    ("wardkey-session-end+jwt", "the laptop's device key"),
    ("wardkey-status+jwt", "keyd's answer key"),
    ("wardkey-status-changes+jwt", "keyd's status key"),
    ("wardkey-status-request+jwt", "the laptop's device key"),
];

const INTRODUCTION: &str = "\
Every message on the wire, in the order of a laptop's life, then the parts that several of them share.

A signed message travels as a compact JWS; its table shows the payload.
[The envelope](protocol/envelope.md) tells how it is opened.
No message takes a field that is not in its table, and no field may stand twice.
A field marked *optional* may be left out; all others must be there.

The same as JSON Schema lies in `schemas/json`, with a list in `schemas/json/index.json`.
Samples of every message, byte for byte, lie in `schemas/golden`.
";

pub(crate) fn page() -> String {
    let mut text = crate::head("Messages", "the types in schemas/src");
    text.push_str(INTRODUCTION);
    let titles: BTreeSet<&str> = entries().iter().map(|entry| entry.schema.title()).collect();
    let mut parts: BTreeMap<String, Value> = BTreeMap::new();
    for entry in entries() {
        message(&mut text, entry);
        if let Some(defined) = entry.schema.value()["$defs"].as_object() {
            for (name, part) in defined {
                if !titles.contains(name.as_str()) && !name.starts_with("Jws-") {
                    parts.insert(name.clone(), part.clone());
                }
            }
        }
    }
    text.push_str("\n## Parts\n");
    for (name, part) in &parts {
        let _ = write!(text, "\n### {name}\n");
        if name == "Code" {
            text.push_str("\nA word of the page [Errors](errors.md).\n");
        } else {
            body(&mut text, part);
        }
    }
    text
}

fn message(text: &mut String, entry: &Entry) {
    let title = entry.schema.title();
    let _ = write!(text, "\n## {}\n", title.split('_').next().unwrap());
    if let Some(envelope) = &entry.envelope {
        let (_, signer) = SIGNERS
            .iter()
            .find(|(typ, _)| *typ == entry.name)
            .unwrap_or_else(|| panic!("who signs {}?", entry.name));
        let _ = write!(
            text,
            "\nSigned by {signer}.\n`typ` is `{}`; at most {} characters are looked at.\n",
            entry.name, envelope.most
        );
    } else {
        let _ = write!(
            text,
            "\nNot signed itself; schema `schemas/json/{}.json`.\n",
            entry.name
        );
    }
    body(text, entry.schema.value());
}

/// What a schema says: its description, then its fields, its cases, or how it is written.
fn body(text: &mut String, schema: &Value) {
    let told = description(schema);
    if !told.is_empty() {
        let _ = write!(text, "\n{told}\n");
    }
    if let Some(cases) = schema["oneOf"].as_array() {
        text.push_str("\n| Case | Holds | Meaning |\n|---|---|---|\n");
        for case in cases {
            row_of_case(text, case);
        }
    } else if schema["type"] == "object" {
        text.push_str("\n| Field | Type | Meaning |\n|---|---|---|\n");
        for (name, field) in fields(schema) {
            let optional = if is_required(schema, name) {
                ""
            } else {
                "*optional*; "
            };
            let told = in_row(&description(field));
            let _ = writeln!(text, "| `{name}` | {} | {optional}{told} |", kind(field));
        }
    } else {
        let _ = write!(text, "\nWritten as {}.\n", kind(schema));
    }
}

fn row_of_case(text: &mut String, case: &Value) {
    let told = in_row(&description(case));
    if let Some(word) = case["const"].as_str() {
        let _ = writeln!(text, "| `{word}` | | {told} |");
        return;
    }
    for (name, held) in fields(case) {
        let holds: Vec<String> = if held["type"] == "object" {
            let inner = fields(held).into_iter();
            inner
                .map(|(inner, field)| {
                    let optional = if is_required(held, inner) {
                        ""
                    } else {
                        " (optional)"
                    };
                    format!("`{inner}` {}{optional}", kind(field))
                })
                .collect()
        } else {
            vec![kind(held)]
        };
        let _ = writeln!(text, "| `{name}` | {} | {told} |", holds.join(", "));
    }
}

/// The fields of an object: required ones in the order in which they are written, then the others.
fn fields(schema: &Value) -> Vec<(&str, &Value)> {
    let Some(properties) = schema["properties"].as_object() else {
        return Vec::new();
    };
    let required = schema["required"].as_array().into_iter().flatten();
    let mut names: Vec<&str> = required.filter_map(Value::as_str).collect();
    for name in properties.keys() {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
        .into_iter()
        .map(|name| (name, &properties[name]))
        .collect()
}

fn is_required(schema: &Value, name: &str) -> bool {
    schema["required"]
        .as_array()
        .is_some_and(|names| names.iter().any(|other| other == name))
}

/// The type of a field in a few words.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return match name.strip_prefix("Jws-") {
            Some(typ) => format!("signed `{typ}`"),
            None => format!("[{name}](#{})", name.to_lowercase()),
        };
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let one = choices.iter().find(|choice| choice["type"] != "null");
        return kind(one.unwrap());
    }
    if let Some(word) = schema["const"].as_str() {
        return format!("`\"{word}\"`");
    }
    let word = match schema["type"].as_array() {
        // A type or null: the field is optional, and its row says so.
        Some(words) => words.iter().find_map(Value::as_str),
        None => schema["type"].as_str(),
    };
    let word = word.unwrap_or_else(|| panic!("a schema without a type: {schema}"));
    match word {
        "array" => format!("list of {}", kind(&schema["items"])),
        "string" => match schema["format"].as_str() {
            Some("uuid") => "a UUID".to_owned(),
            Some("date-time") => "text, RFC 3339".to_owned(),
            _ => "text".to_owned(),
        },
        "integer" => "a number".to_owned(),
        "boolean" => "yes or no".to_owned(),
        "object" => "an object".to_owned(),
        other => panic!("a schema of type {other}"),
    }
}

/// The description, with names that rustdoc would link as plain code.
fn description(schema: &Value) -> String {
    let told = schema["description"].as_str().unwrap_or_default();
    told.replace("[`", "`").replace("`]", "`")
}

fn in_row(text: &str) -> String {
    text.replace('|', "\\|")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}
