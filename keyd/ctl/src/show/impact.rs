//! What a stop would do, before anybody touches a key.

use wardkey_schemas::order::Mode;
use wardkey_schemas::query::Impact;

use super::lists;
use crate::text::Text;
use crate::times::Times;

/// Visits that are listed one by one; of more, the number says enough.
const NAMED: usize = 20;

/// The impact in words.
pub fn impact(impact: &Impact, mode: Mode, times: &Times) -> String {
    let mut text = Text::default();
    let (ends, by) = match mode {
        Mode::Immediate => ("would end at once", "if it is not reached, by"),
        Mode::AfterThisCall => ("may finish", "by"),
    };
    text.line(match impact.visits {
        0 => "no visit is running".to_owned(),
        1 => format!("1 running visit {ends}"),
        many => format!("{many} running visits {ends}"),
    });
    for visit in impact.touched.iter().take(NAMED) {
        text.line(format_args!(
            "  laptop {} at {}: {by} {}",
            visit.asset,
            visit.site,
            times.both(visit.ends_by)
        ));
    }
    let listed = impact.touched.len().min(NAMED);
    let others = u64::try_from(listed).map_or(0, |shown| impact.visits.saturating_sub(shown));
    if others > 0 {
        text.line(format_args!("  and {others} more"));
    }
    for (count, one, many) in [
        (impact.laptops, "laptop", "laptops"),
        (impact.keys, "security key", "security keys"),
    ] {
        match count {
            0 => {}
            1 => text.line(format_args!("1 {one} could start nothing new")),
            count => text.line(format_args!("{count} {many} could start nothing new")),
        }
    }
    for hold in &impact.standing {
        text.line(format_args!("stopped already: {}", lists::hold(hold)));
    }
    if !impact.second.is_empty() {
        let roles: Vec<String> = impact.second.iter().map(ToString::to_string).collect();
        text.line(format_args!(
            "a second person must agree: {}",
            roles.join(" or ")
        ));
    }
    text.done()
}

#[cfg(test)]
mod tests {
    use wardkey_schemas::ids::{DeviceId, SessionId};
    use wardkey_schemas::query::TouchedVisit;
    use wardkey_schemas::role::Role;

    use super::*;

    fn sample() -> Impact {
        Impact {
            laptops: 12,
            keys: 0,
            visits: 1,
            touched: vec![TouchedVisit {
                session: SessionId::from_bytes([1; 16]),
                device: DeviceId::from_bytes([2; 16]),
                asset: "HMP-X-03".parse().unwrap(),
                site: "hmp-x".parse().unwrap(),
                started_at: "2026-11-22T14:00:00Z".parse().unwrap(),
                ends_by: "2026-11-22T14:17:07Z".parse().unwrap(),
            }],
            standing: Vec::new(),
            second: vec![Role::Lead, Role::NationalAdministrator],
        }
    }

    #[test]
    fn an_impact_names_calls_laptops_and_who_else_must_agree() {
        assert_eq!(
            impact(&sample(), Mode::Immediate, &Times::of("GMT0")),
            "\
1 running visit would end at once
  laptop HMP-X-03 at hmp-x: if it is not reached, by 2026-11-22T14:17:07Z (14:17:07 GMT)
12 laptops could start nothing new
a second person must agree: lead or national-administrator
"
        );
    }

    #[test]
    fn a_quiet_site_says_so() {
        let quiet = Impact {
            laptops: 1,
            visits: 0,
            touched: Vec::new(),
            second: Vec::new(),
            ..sample()
        };
        assert_eq!(
            impact(&quiet, Mode::AfterThisCall, &Times::of("GMT0")),
            "no visit is running\n1 laptop could start nothing new\n"
        );
    }
}
