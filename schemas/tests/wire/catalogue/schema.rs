//! JSON Schemas (draft 2020-12) of messages, written the same way each time.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::Entry;

/// A JSON Schema and its text.
pub(crate) struct Defined {
    value: Value,
    text: String,
}

impl Defined {
    /// The schema of `T`, under a name of ours.
    pub(crate) fn of<T: JsonSchema>(name: &str) -> Self {
        let generator = SchemaSettings::draft2020_12().into_generator();
        let mut schema = generator.into_root_schema_for::<T>();
        schema.insert(
            "$id".to_owned(),
            json!(format!("urn:wardkey:schema:{name}")),
        );
        // Whether objects keep the order of their fields depends on who else uses serde_json in
        // the same build; sorted, it depends on nothing. The schema's own writer puts its keywords
        // into an order for people.
        let value = sorted(schema.to_value());
        let schema = Schema::try_from(value.clone()).unwrap();
        let mut text = serde_json::to_string_pretty(&schema).unwrap();
        text.push('\n');
        Self { value, text }
    }

    /// The schema.
    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    /// The schema as it stands in its file.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The name of the Rust type.
    pub(crate) fn title(&self) -> &str {
        self.value["title"].as_str().unwrap()
    }
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut fields: Vec<(String, Value)> = object.into_iter().collect();
            fields.sort_by(|(one, _), (other, _)| one.cmp(other));
            let fields = fields
                .into_iter()
                .map(|(name, value)| (name, sorted(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Array(array) => Value::Array(array.into_iter().map(sorted).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

/// The list of all messages: name, schema, and how it travels.
pub(crate) fn index(entries: &[Entry]) -> String {
    let messages: Vec<Value> = entries
        .iter()
        .map(|entry| {
            let mut message = json!({
                "name": entry.name,
                "type": entry.schema.title(),
                "description": entry.schema.value()["description"],
                "schema": format!("{}.json", entry.name),
                "signed": entry.envelope.is_some(),
            });
            if let Some(envelope) = &entry.envelope {
                message["typ"] = json!(entry.name);
                message["longest_envelope"] = json!(envelope.most);
            }
            sorted(message)
        })
        .collect();
    let index = sorted(json!({
        "description": "The messages of Wardkey. A signed one travels as compact JWS (ES256); \
            its schema describes the payload.",
        "messages": messages,
    }));
    let mut text = serde_json::to_string_pretty(&index).unwrap();
    text.push('\n');
    text
}
