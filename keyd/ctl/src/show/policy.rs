//! A site's policy as a table: what the site says, what the installation says, what is in force.

use wardkey_schemas::policy::Policy;
use wardkey_schemas::query::PolicyRow;

use crate::table::Table;
use crate::text::Text;
use crate::times::Times;

/// Every parameter by its name, as people write it.
fn parameters(policy: &Policy) -> Vec<(&'static str, String)> {
    let another = if policy.confirm_by_another_person {
        "yes"
    } else {
        "no"
    };
    policy
        .lengths()
        .map(|(name, value)| (name, value.to_string()))
        .chain([
            ("presence", policy.presence.as_str().to_owned()),
            ("confirm_by_another_person", another.to_owned()),
        ])
        .collect()
}

/// The policy of a site.
pub fn policy(row: &PolicyRow, times: &Times) -> String {
    let mut text = Text::default();
    match (row.own, row.set_at) {
        (Some(_), Some(at)) => text.line(format_args!(
            "version {} of the site's own policy, since {}",
            row.version,
            times.both(at)
        )),
        _ => text.line(format_args!(
            "the site has no policy of its own: the installation's is in force"
        )),
    }
    let own: Vec<_> = row.own.as_ref().map(parameters).unwrap_or_default();
    let mut table = Table::new(["PARAMETER", "SITE", "INSTALLATION", "IN FORCE"]);
    let installation = parameters(&row.installation);
    for (place, (name, in_force)) in parameters(&row.in_force).into_iter().enumerate() {
        let cell = |values: &[(&str, String)]| {
            values
                .get(place)
                .map_or_else(String::new, |(_, value)| value.clone())
        };
        table.push([name.to_owned(), cell(&own), cell(&installation), in_force]);
    }
    text.add(format_args!("\n{table}"));
    text.done()
}

#[cfg(test)]
mod tests {
    use wardkey_schemas::policy::PolicyVersion;
    use wardkey_schemas::time::Seconds;

    use super::*;

    #[test]
    fn what_is_in_force_stands_beside_what_the_site_and_the_installation_say() {
        let strict = Policy {
            grace: Seconds::ZERO,
            ..Policy::default()
        };
        let row = PolicyRow {
            version: PolicyVersion::new(2),
            own: Some(strict),
            set_at: Some("2026-11-22T14:02:06Z".parse().unwrap()),
            installation: Policy::default(),
            in_force: strict,
        };
        let shown = policy(&row, &Times::of("GMT0"));
        assert!(
            shown.starts_with("version 2 of the site's own policy, since 2026-"),
            "{shown}"
        );
        let grace = shown
            .lines()
            .find(|line| line.starts_with("grace"))
            .unwrap();
        let cells: Vec<&str> = grace.split_whitespace().collect();
        assert_eq!(cells, ["grace", "0", "s", "600", "s", "0", "s"]);
        let none = PolicyRow {
            version: PolicyVersion::NONE,
            own: None,
            set_at: None,
            in_force: Policy::default(),
            ..row
        };
        assert!(policy(&none, &Times::of("GMT0")).contains("no policy of its own"));
    }
}
