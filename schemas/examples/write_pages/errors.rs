//! The page of errors: one entry for each code.

use std::fmt::Write as _;

use wardkey_schemas::problem::Problem;
use wardkey_schemas::refusal::{Kind, Verdict};
use wardkey_schemas::{Code, Refusal};

/// Where each chapter of the table begins.
const CHAPTERS: &[(Code, &str)] = &[
    (Code::MessageMalformed, "Messages and callers"),
    (Code::NonceUnknown, "Nonces"),
    (
        Code::RootNotPinned,
        "Trust bundle, charter and certificates",
    ),
    (Code::KeyNotAttested, "Security keys"),
    (Code::TpmUnavailable, "The laptop's TPM"),
    (Code::ContextChallenge, "What was signed"),
    (Code::DeviceUnknown, "States of laptops, keys and visits"),
    (Code::RegistrationUnknown, "Registration and confirmation"),
    (Code::HoldUnknown, "Stops and approvals"),
    (Code::GateLatched, "The gate"),
    (Code::NotEnrolled, "The laptop's own affairs"),
];

const INTRODUCTION: &str = "\
Every way to say no has one code.
A code keeps its meaning for ever; texts may be improved.

Each entry gives the line that a person reads first, then what it means for an operator, what to do next, \
what kind of no it is, and what it does to a call that is running.

The kind decides the HTTP status, in `keyd/edge/src/status.rs` and nowhere else:

| Kind | Status | Said when |
|---|---|---|
| malformed | 400 | the message cannot be read |
| unknown | 401 | nobody we know signed it |
| refused | 403 | it was read, it is genuine, and the answer is no |
| not found | 404 | there is no such thing here |
| conflict | 409 | right in itself, but not in this state |
| too large | 413 | it is over a limit of size |
| too often | 429 | it was asked too often |
| unavailable | 503 | it cannot be told now |

Where a laptop asked, the answer carries the same in a form that keyd signed, a *denial*, with one of two verdicts.
*Stop* ends a running call.
*Not now* lets it go on while its grace lasts, and the laptop asks again with a new nonce.
An answer that is not signed never ends a call.

[Problem documents](protocol/problems.md) carry the code, its texts, what was found and what was wanted.
";

pub(crate) fn page() -> String {
    let mut text = super::head("Errors", "schemas/src/refusal/codes.rs");
    text.push_str(INTRODUCTION);
    let mut chapters = CHAPTERS.iter().peekable();
    for code in Code::ALL {
        if let Some((_, title)) = chapters.next_if(|(first, _)| first == code) {
            let _ = write!(text, "\n## {title}\n");
        }
        entry(&mut text, *code);
    }
    assert!(
        chapters.next().is_none(),
        "a chapter begins with a code that is out of its order"
    );
    text
}

fn entry(text: &mut String, code: Code) {
    let (kind, status) = kind(code.kind());
    let verdict = match code.verdict() {
        Verdict::Stop => "Signed, it says *stop*: a running call ends.",
        Verdict::NotNow => "Signed, it says *not now*: a running call goes on.",
    };
    let urn = Problem::new(&Refusal::new(code, "", ""), status).kind;
    let _ = write!(
        text,
        "\n### {code}\n\n**{}.**\n\n{}\n\n*What to do:* {}\n\n\
         {kind} ({status}).\n{verdict}\nProblem type `{urn}`.\n",
        code.heading(),
        code.meaning(),
        code.next_step(),
    );
}

/// The word for people and the status; a test of wardkey-edge holds the page against the real one.
fn kind(kind: Kind) -> (&'static str, u16) {
    match kind {
        Kind::Malformed => ("Malformed", 400),
        Kind::Unknown => ("Unknown", 401),
        Kind::Refused => ("Refused", 403),
        Kind::NotFound => ("Not found", 404),
        Kind::Conflict => ("Conflict", 409),
        Kind::TooLarge => ("Too large", 413),
        Kind::TooOften => ("Too often", 429),
        Kind::Unavailable => ("Unavailable", 503),
    }
}
