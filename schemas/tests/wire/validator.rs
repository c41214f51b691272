//! A second opinion on messages: a small validator of JSON Schema (draft 2020-12).
//!
//! It knows the keywords that our schemas use and stops at any other, so that none is ever skipped in
//! silence. It takes `format` for an assertion (draft 2020-12, validation §7.2.2).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::{Map, Value};

/// Keywords that describe and do not judge.
const SILENT: &[&str] = &["$defs", "$id", "$schema", "description", "title"];

/// Judges values by one schema.
pub(crate) struct Validator<'a> {
    root: &'a Value,
    /// Cases of a choice that some value took: the definition's name and the case's place.
    taken: RefCell<BTreeSet<(String, usize)>>,
    patterns: RefCell<BTreeMap<String, Regex>>,
}

impl<'a> Validator<'a> {
    pub(crate) fn new(root: &'a Value) -> Self {
        Self {
            root,
            taken: RefCell::default(),
            patterns: RefCell::default(),
        }
    }

    /// Whether the schema accepts `value`.
    pub(crate) fn accepts(&self, value: &Value) -> bool {
        let title = self.root["title"].as_str().unwrap();
        self.judge(self.root, title, value)
    }

    /// The cases that accepted values took so far.
    pub(crate) fn taken(&self) -> BTreeSet<(String, usize)> {
        self.taken.borrow().clone()
    }

    fn matches(&self, pattern: &str, text: &str) -> bool {
        let mut patterns = self.patterns.borrow_mut();
        let regex = patterns
            .entry(pattern.to_owned())
            .or_insert_with(|| Regex::new(pattern).unwrap());
        regex.is_match(text)
    }

    fn judge(&self, schema: &Value, name: &str, value: &Value) -> bool {
        let keywords = schema.as_object().unwrap_or_else(|| {
            panic!("{name}: a schema that is no object is not understood: {schema}")
        });
        keywords
            .iter()
            .filter(|(keyword, _)| !SILENT.contains(&keyword.as_str()))
            .all(|(keyword, rule)| self.obeys(keyword, rule, keywords, name, value))
    }

    fn obeys(
        &self,
        keyword: &str,
        rule: &Value,
        beside: &Map<String, Value>,
        name: &str,
        value: &Value,
    ) -> bool {
        match keyword {
            "$ref" => {
                let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                self.judge(&self.root["$defs"][name], name, value)
            }
            "oneOf" | "anyOf" => {
                let cases = rule.as_array().unwrap();
                let places: Vec<usize> = (0..cases.len())
                    .filter(|place| self.judge(&cases[*place], name, value))
                    .collect();
                if keyword == "oneOf" {
                    self.taken
                        .borrow_mut()
                        .extend(places.iter().map(|place| (name.to_owned(), *place)));
                }
                places.len() == 1 || (keyword == "anyOf" && !places.is_empty())
            }
            "const" => rule == value,
            "enum" => rule.as_array().unwrap().contains(value),
            "type" => match rule.as_array() {
                Some(types) => types.iter().any(|kind| is_a(kind, value)),
                None => is_a(rule, value),
            },
            "required" => value.as_object().is_none_or(|object| {
                let mut names = rule.as_array().unwrap().iter();
                names.all(|name| object.contains_key(name.as_str().unwrap()))
            }),
            "properties" => value.as_object().is_none_or(|object| {
                object.iter().all(|(field, value)| {
                    rule.get(field)
                        .is_none_or(|schema| self.judge(schema, name, value))
                })
            }),
            "additionalProperties" => {
                assert_eq!(*rule, Value::Bool(false), "{name}");
                let known = beside.get("properties").and_then(Value::as_object);
                value.as_object().is_none_or(|object| {
                    let mut fields = object.keys();
                    fields.all(|field| known.is_some_and(|known| known.contains_key(field)))
                })
            }
            "items" => value
                .as_array()
                .is_none_or(|items| items.iter().all(|item| self.judge(rule, name, item))),
            "minimum" => number(value).is_none_or(|it| it >= number(rule).unwrap()),
            "maximum" => number(value).is_none_or(|it| it <= number(rule).unwrap()),
            "maxLength" => value.as_str().is_none_or(|text| {
                u64::try_from(text.chars().count()).unwrap() <= rule.as_u64().unwrap()
            }),
            "pattern" => value
                .as_str()
                .is_none_or(|text| self.matches(rule.as_str().unwrap(), text)),
            "format" => {
                let pattern = match rule.as_str().unwrap() {
                    "uuid" => "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
                    "date-time" => "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}Z$",
                    // How wide a number is; `minimum` and `maximum` say what follows from it.
                    "uint8" | "uint16" | "uint32" | "uint64" | "int64" => return true,
                    other => panic!("{name}: the format {other} is not understood"),
                };
                value
                    .as_str()
                    .is_none_or(|text| self.matches(pattern, text))
            }
            other => panic!("{name}: the keyword {other} is not understood"),
        }
    }
}

/// Whole numbers of any size that JSON of ours has.
fn number(value: &Value) -> Option<i128> {
    let signed = value.as_i64().map(i128::from);
    signed.or_else(|| value.as_u64().map(i128::from))
}

fn is_a(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the type {other} is not understood"),
    }
}
