//! Problem documents: what an HTTP answer says when the answer is no (RFC 9457).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::denial::Denial;
use crate::jws::Jws;
use crate::refusal::{Code, Refusal};

/// The media type of a problem document (RFC 9457 §6.1).
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Where the page about a code stands; the code in lower case follows.
pub const TYPE_PREFIX: &str = "urn:wardkey:problem:";

/// A problem document.
///
/// Where a laptop asked, `denial` says the same in signed form, and only that form may end a call.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// A URN that names the code (RFC 9457 §3.1.1).
    #[serde(rename = "type")]
    pub kind: String,
    /// The code's heading.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What it means, for operators.
    pub detail: String,
    /// The stable code.
    pub code: Code,
    /// What was found.
    pub found: String,
    /// What was wanted.
    pub wanted: String,
    /// What to do next.
    pub next: String,
    /// The same, signed by keyd, where a laptop asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denial: Option<Jws<Denial>>,
}

impl Problem {
    /// The document for a refusal, under the status that the edge chose.
    pub fn new(refusal: &Refusal, status: u16) -> Self {
        let code = refusal.code();
        Self {
            kind: format!(
                "{TYPE_PREFIX}{}",
                code.as_str().to_lowercase().replace('_', "-")
            ),
            title: code.heading().to_owned(),
            status,
            detail: code.meaning().to_owned(),
            code,
            found: refusal.found().to_owned(),
            wanted: refusal.wanted().to_owned(),
            next: code.next_step().to_owned(),
            denial: None,
        }
    }

    /// The same document with the signed form beside it.
    #[must_use]
    pub fn with_denial(self, denial: Jws<Denial>) -> Self {
        Self {
            denial: Some(denial),
            ..self
        }
    }

    /// The refusal that the document tells of.
    pub fn refusal(&self) -> Refusal {
        Refusal::new(self.code, &self.found, &self.wanted)
    }
}
