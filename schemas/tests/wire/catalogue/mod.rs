//! Every message with fixed samples of it: what the golden files and the JSON Schemas are made from.
//!
//! To add a message: write a sample of it in the module of its part of the story, name it in
//! [`entries`], run `cargo xtask schemas`, and look at `git diff`.

mod acts;
mod keys;
mod laptops;
mod lists;
mod orders;
mod recertifications;
mod rooms;
mod schema;
mod signers;
mod standing;
mod things;
mod trust;
mod visits;

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wardkey_schemas::jws::{Jws, Message};
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::refusal::Kind;
use wardkey_schemas::{Code, Refusal};

pub(crate) use self::schema::Defined;
pub(crate) use self::signers::Signer;

/// One message.
pub(crate) struct Entry {
    /// The `typ` of a signed message; another's name in the files.
    pub(crate) name: &'static str,
    /// Its JSON Schema.
    pub(crate) schema: Defined,
    /// Samples of it.
    pub(crate) samples: Vec<Sample>,
    /// Reads JSON as this message and writes it again.
    pub(crate) read: fn(&str) -> Result<String, serde_json::Error>,
    /// How it travels if it is signed.
    pub(crate) envelope: Option<Envelope>,
}

/// What is special about a signed message.
pub(crate) struct Envelope {
    /// The longest envelope that is looked at.
    pub(crate) most: usize,
    /// The envelope of the first sample, signed by [`Signer::Golden`].
    pub(crate) text: String,
    /// Opens an envelope under a key and writes the payload again.
    pub(crate) open: fn(&str, &PublicKey) -> Result<String, String>,
}

/// One sample of a message.
pub(crate) struct Sample {
    /// Which case of the message it is; empty if there is one case only.
    pub(crate) case: &'static str,
    /// Its payload, byte for byte.
    pub(crate) json: String,
    /// Whether this JSON is read as exactly this sample.
    pub(crate) is_read_back: Box<dyn Fn(&str) -> bool + Send + Sync>,
}

/// What a message can do.
trait Wire:
    Clone + DeserializeOwned + JsonSchema + PartialEq + Send + Serialize + Sync + 'static
{
}

impl<T> Wire for T where
    T: Clone + DeserializeOwned + JsonSchema + PartialEq + Send + Serialize + Sync + 'static
{
}

type Cases<T> = Vec<(&'static str, T)>;

fn unsigned<T: Wire>(name: &'static str, cases: Cases<T>) -> Entry {
    Entry {
        name,
        schema: Defined::of::<T>(name),
        samples: cases
            .into_iter()
            .map(|(case, sample)| Sample {
                case,
                json: serde_json::to_string(&sample).unwrap(),
                is_read_back: Box::new(move |json| {
                    serde_json::from_str::<T>(json).is_ok_and(|read| read == sample)
                }),
            })
            .collect(),
        read: |json| serde_json::to_string(&serde_json::from_str::<T>(json)?),
        envelope: None,
    }
}

fn signed<T: Message + Wire>(cases: Cases<T>) -> Entry {
    let text = Signer::Golden.seals(&cases[0].1).as_str().to_owned();
    let envelope = Envelope {
        most: T::MAX,
        text,
        open: |text, key| {
            let envelope = Jws::<T>::parse(text.to_owned()).map_err(|error| error.to_string())?;
            let opened = envelope.open(key).map_err(|error| error.to_string())?;
            serde_json::to_string(opened.message()).map_err(|error| error.to_string())
        },
    };
    Entry {
        envelope: Some(envelope),
        ..unsigned(T::TYP, cases)
    }
}

/// A message with one case.
fn one<T>(sample: T) -> Cases<T> {
    vec![("", sample)]
}

/// Every message, in the order of a laptop's life.
pub(crate) fn entries() -> &'static [Entry] {
    // Made once: each sample with an envelope in it costs a signature.
    static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(made_anew);
    &ENTRIES
}

/// Every message, with every signature made anew.
pub(crate) fn made_anew() -> Vec<Entry> {
    vec![
        // Whom to trust.
        signed(one(trust::bundle())),
        unsigned("bundle-package", one(trust::package())),
        signed(one(trust::charter())),
        unsigned("service-keys", one(trust::service_keys())),
        signed(one(trust::log_key())),
        // A security key is enrolled.
        unsigned("key-hello", keys::hellos()),
        unsigned("key-challenge", one(keys::challenge())),
        signed(one(keys::possession())),
        signed(one(keys::approval())),
        unsigned("key-completion", keys::completions()),
        unsigned("complete-key", keys::completed()),
        unsigned("key-enrolled", one(keys::enrolled())),
        // A laptop is enrolled.
        unsigned("laptop-hello", one(laptops::hello())),
        unsigned("laptop-challenge", one(laptops::challenge())),
        signed(one(laptops::approval())),
        unsigned("laptop-completion", one(laptops::completion())),
        unsigned("complete-laptop", one(laptops::completed())),
        unsigned("laptop-enrolled", one(laptops::enrolled())),
        // What ca tells keyd of both.
        unsigned("site-hello", one(trust::site_hello())),
        unsigned("site-welcome", one(trust::site_welcome())),
        signed(one(keys::open())),
        signed(one(keys::offer())),
        signed(one(keys::announcement())),
        signed(one(laptops::open())),
        signed(one(laptops::offer())),
        signed(one(laptops::announcement())),
        signed(one(laptops::report())),
        signed(one(laptops::receipt())),
        // The certificates of a laptop are renewed.
        unsigned("recertification-hello", one(recertifications::hello())),
        signed(one(recertifications::open())),
        signed(one(recertifications::offer())),
        unsigned("recertification-answer", recertifications::answers()),
        signed(one(recertifications::request())),
        unsigned(
            "recertification-completion",
            one(recertifications::completion()),
        ),
        unsigned(
            "complete-recertification",
            one(recertifications::completed()),
        ),
        signed(one(recertifications::announcement())),
        unsigned("laptop-recertified", one(recertifications::recertified())),
        // What people do.
        unsigned("action-challenge", one(acts::challenge())),
        signed(acts::actions()),
        unsigned("signed-act", one(acts::signed_act())),
        unsigned("action-answer", acts::answers()),
        // A visit.
        signed(visits::challenge_requests()),
        signed(one(visits::challenge())),
        signed(one(visits::activation())),
        signed(one(visits::activation_request())),
        unsigned("activation-body", visits::activation_bodies()),
        unsigned("lease-answer", one(visits::lease_answer())),
        signed(visits::leases()),
        signed(visits::renewal_requests()),
        unsigned("renewal-body", one(visits::renewal_body())),
        signed(one(visits::session_end())),
        signed(one(visits::recorded())),
        // Orders and how they arrive.
        signed(orders::orders()),
        signed(one(orders::receipt())),
        unsigned("link-challenge", one(orders::link_challenge())),
        signed(one(orders::link_hello())),
        unsigned("frame", orders::frames()),
        signed(one(orders::heartbeat())),
        signed(one(orders::status_request())),
        signed(one(orders::status())),
        // The video platform.
        signed(rooms::orders()),
        signed(rooms::answers()),
        // No.
        signed(one(orders::denial())),
        unsigned("problem", orders::problems()),
        // Lists for people.
        signed(lists::queries()),
        unsigned("answer", lists::answers()),
        // How things stand, for whoever wants to check.
        signed(standing::notifications()),
        signed(one(standing::list())),
        signed(one(standing::changes())),
        unsigned("status-chain", one(standing::chain())),
        unsigned("kept-status-list", one(standing::kept())),
        // The body that is one signed message, whatever its type.
        unsigned("sealed", one(orders::sealed())),
    ]
}

/// One line a refusal code: its word, its kind, what it does to a running call, its URN.
pub(crate) fn code_lines() -> String {
    let lines: Vec<String> = Code::ALL
        .iter()
        .map(|code| {
            let kind = match code.kind() {
                Kind::Malformed => "malformed",
                Kind::Unknown => "unknown",
                Kind::Refused => "refused",
                Kind::NotFound => "not-found",
                Kind::Conflict => "conflict",
                Kind::TooLarge => "too-large",
                Kind::TooOften => "too-often",
                Kind::Unavailable => "unavailable",
            };
            let verdict = serde_json::to_string(&code.verdict()).unwrap();
            let refusal = Refusal::new(*code, "", "");
            let urn = wardkey_schemas::problem::Problem::new(&refusal, 400).kind;
            format!("{code} {kind} {} {urn}\n", verdict.trim_matches('"'))
        })
        .collect();
    lines.concat()
}

/// A generated file, by its path below `schemas/`.
pub(crate) struct File {
    /// The path.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) text: String,
}

/// Every generated file.
pub(crate) fn files() -> Vec<File> {
    let mut files = vec![
        File {
            path: "golden/codes.txt".to_owned(),
            text: code_lines(),
        },
        File {
            path: "json/index.json".to_owned(),
            text: schema::index(entries()),
        },
    ];
    for entry in entries() {
        let name = entry.name;
        files.push(File {
            path: format!("json/{name}.json"),
            text: entry.schema.text().to_owned(),
        });
        for sample in &entry.samples {
            let dot = if sample.case.is_empty() { "" } else { "." };
            files.push(File {
                path: format!("golden/{name}{dot}{}.json", sample.case),
                text: format!("{}\n", sample.json),
            });
        }
        if let Some(envelope) = &entry.envelope {
            files.push(File {
                path: format!("golden/{name}.jws"),
                text: format!("{}\n", envelope.text),
            });
        }
    }
    files
}

/// The golden key's public half, which opens every golden envelope.
pub(crate) fn golden_key() -> PublicKey {
    Signer::Golden.public()
}
