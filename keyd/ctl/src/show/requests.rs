//! What waits for a second person, as the first has signed it.

use serde_json::{Value, json};
use wardkey_schemas::action::{Act, Target};
use wardkey_schemas::order::Mode;
use wardkey_schemas::query::RequestRow;
use wardkey_told::shown;
use wardkey_verifier::act::VerifiedAct;

use crate::text::Text;
use crate::times::Times;

/// A target in words.
pub fn target(target: &Target) -> String {
    match target {
        Target::Laptop { device } => format!("laptop {device}"),
        Target::Key { key } => format!("security key {key}"),
        Target::Person { person } => format!("person {person} with all their security keys"),
        Target::Site { site } => format!("every laptop of site {site}"),
        Target::Nation => "every laptop of every site".to_owned(),
    }
}

/// What is asked for, in a line.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else is asked for is told by its word"
)]
pub fn what(act: &Act) -> String {
    match act {
        Act::Stop {
            target: of,
            class,
            mode,
            ..
        } => {
            let when = match mode {
                Mode::Immediate => "at once, running visits end",
                Mode::AfterThisCall => "running visits may finish",
            };
            format!("stop {} ({class}; {when})", target(of))
        }
        Act::Resume {
            target: of, holds, ..
        } => format!("let {} work again ({} stops)", target(of), holds.len()),
        other => other.as_str().to_owned(),
    }
}

/// One request with everything that is known of it.
pub fn request(row: &RequestRow, act: &VerifiedAct, times: &Times) -> String {
    let mut text = Text::default();
    text.line(what(&act.action().act));
    let (role, site) = (act.person().role(), act.site());
    text.line(format_args!("  request    {}", row.request));
    text.line(format_args!(
        "  asked by   {} ({role} at {site})",
        shown(row.name.as_str())
    ));
    if let Some(note) = act.action().act.note() {
        text.line(format_args!("  because    {}", shown(note.as_str())));
    }
    text.line(format_args!("  waits till {}", times.both(row.expires_at)));
    text.line(format_args!("  act        {}", act.sha256()));
    text.done()
}

/// The same for a script.
pub fn json(row: &RequestRow, act: &VerifiedAct) -> Value {
    json!({
        "request": row.request,
        "site": row.site,
        "name": row.name,
        "role": act.person().role(),
        "act": act.action().act,
        "act_sha256": act.sha256(),
        "requested_at": row.requested_at,
        "expires_at": row.expires_at,
    })
}

#[cfg(test)]
mod tests {
    use wardkey_schemas::order::HoldClass;

    use super::*;

    #[test]
    fn what_is_asked_for_says_how_far_it_reaches_and_whether_calls_end() {
        let stop = |target, mode| Act::Stop {
            target,
            class: HoldClass::Incident,
            mode,
            note: "".parse().unwrap(),
        };
        let site = Target::Site {
            site: "hmp-x".parse().unwrap(),
        };
        assert_eq!(
            what(&stop(site, Mode::AfterThisCall)),
            "stop every laptop of site hmp-x (incident; running visits may finish)"
        );
        assert_eq!(
            what(&stop(Target::Nation, Mode::Immediate)),
            "stop every laptop of every site (incident; at once, running visits end)"
        );
    }
}
