//! `wardkey status`: lists by which anybody can check how things stand, fetched once and checked
//! without asking.

use serde::Serialize;
use wardkey_schemas::status_list::{StatusClass, StatusEpoch, StatusValue};
use wardkey_schemas::time::Timestamp;
use wardkey_told::{Exit, Report, Told as _};
use wardkey_verifier::status_list::VerifiedStatusList;

use crate::cli::{StatusCommand, StatusOptions, StatusShow};
use crate::clock;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::table::Table;
use crate::text::Text;
use crate::times::Times;

/// A list as a script reads it.
#[derive(Debug, Serialize)]
struct Listed {
    class: StatusClass,
    epoch: StatusEpoch,
    signed_at: Timestamp,
    age_seconds: u64,
    good_until: Timestamp,
    entries: u32,
    valid: u32,
    revoked: u32,
    suspended: u32,
    draining: u32,
}

impl Listed {
    fn new(list: &VerifiedStatusList, now: Timestamp) -> Self {
        let [valid, revoked, suspended, draining] = list.entries().tally();
        Self {
            class: list.class(),
            epoch: list.epoch(),
            signed_at: list.signed_at(),
            age_seconds: now.millis_since(list.signed_at()) / 1000,
            good_until: list.expires_at(),
            entries: list.entries().count(),
            valid,
            revoked,
            suspended,
            draining,
        }
    }
}

/// What became of one list.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Checked {
    Good(Listed),
    Bad { class: StatusClass, error: Report },
}

/// `wardkey status …`
pub(super) async fn run(desk: &mut Desk, command: StatusCommand) -> Result<Exit, Failure> {
    match command {
        StatusCommand::Fetch(options) => fetch(desk, &options).await,
        StatusCommand::Verify(options) => verify(desk, &options),
        StatusCommand::Show(show) => self::show(desk, &show),
    }
}

async fn fetch(desk: &mut Desk, options: &StatusOptions) -> Result<Exit, Failure> {
    let cabinet = desk.cabinet(options.dir.as_deref())?;
    let believed = desk.fetch_grounds(&cabinet).await?;
    let now = clock::now();
    let mut found = Vec::new();
    for class in options.meant() {
        let list = cabinet.fetch(&desk.keyd, &believed, class, now).await;
        found.push((class, list));
    }
    tell(desk, found, now)
}

fn verify(desk: &mut Desk, options: &StatusOptions) -> Result<Exit, Failure> {
    let cabinet = desk.cabinet(options.dir.as_deref())?;
    let believed = desk.kept_grounds(&cabinet)?;
    let now = clock::now();
    let check = |class| (class, cabinet.verify(&believed, class, now));
    tell(desk, options.meant().into_iter().map(check).collect(), now)
}

/// Tells what became of each list; the first that is not good says how the command ends.
fn tell(
    desk: &Desk,
    found: Vec<(StatusClass, Result<VerifiedStatusList, Failure>)>,
    now: Timestamp,
) -> Result<Exit, Failure> {
    let mut exit = Exit::Done;
    let mut checked = Vec::new();
    for (class, list) in found {
        checked.push(match list {
            Ok(list) => Checked::Good(Listed::new(&list, now)),
            Err(failure) => {
                let error = Report::from(&failure);
                desk.output
                    .talk(&format!("{class}: {}", error.to_string().trim_end()));
                if exit == Exit::Done {
                    exit = failure.exit();
                }
                Checked::Bad { class, error }
            }
        });
    }
    let json = serde_json::json!({ "lists": checked });
    desk.output.data(&table(&checked, &desk.times), &json)?;
    Ok(exit)
}

fn table(checked: &[Checked], times: &Times) -> String {
    let mut table = Table::new(["LIST", "EPOCH", "ENTRIES", "STOPPED", "AGE", "GOOD UNTIL"]);
    for checked in checked {
        table.push(match checked {
            Checked::Good(list) => [
                list.class.to_string(),
                list.epoch.to_string(),
                list.entries.to_string(),
                list.entries.saturating_sub(list.valid).to_string(),
                age(list.age_seconds),
                times.both(list.good_until),
            ],
            Checked::Bad { class, .. } => [
                class.to_string(),
                "not believed".to_owned(),
                String::new(),
                String::new(),
                String::new(),
                String::new(),
            ],
        });
    }
    table.to_string()
}

fn age(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

fn show(desk: &mut Desk, show: &StatusShow) -> Result<Exit, Failure> {
    let cabinet = desk.cabinet(show.dir.as_deref())?;
    let believed = desk.kept_grounds(&cabinet)?;
    let now = clock::now();
    let list = cabinet.verify(&believed, show.class, now)?;
    let Some(index) = show.index else {
        let listed = Listed::new(&list, now);
        desk.output.data(&words(&listed, &desk.times), &listed)?;
        return Ok(Exit::Done);
    };
    let value = list.value(index);
    let word = value.map_or("unknown", StatusValue::as_str);
    let json = serde_json::json!({
        "class": show.class, "index": index, "value": word, "epoch": list.epoch(),
    });
    desk.output
        .data(&format!("{} {index}: {word}\n", show.class), &json)?;
    Ok(if value.is_some() {
        Exit::Done
    } else {
        Exit::NotFound
    })
}

fn words(list: &Listed, times: &Times) -> String {
    let mut text = Text::default();
    let mut line = |what: &str, found: String| text.line(format_args!("{what:<12} {found}"));
    line("list", list.class.to_string());
    line("epoch", list.epoch.to_string());
    line("signed", times.both(list.signed_at));
    line("age", age(list.age_seconds));
    line("good until", times.both(list.good_until));
    line("entries", list.entries.to_string());
    line("valid", list.valid.to_string());
    line("suspended", list.suspended.to_string());
    line("draining", list.draining.to_string());
    line("revoked", list.revoked.to_string());
    text.done()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed() -> Listed {
        Listed {
            class: StatusClass::Devices,
            epoch: StatusEpoch::new(41),
            signed_at: "2026-11-22T14:02:07Z".parse().unwrap(),
            age_seconds: 130,
            good_until: "2026-11-23T14:02:07Z".parse().unwrap(),
            entries: 12,
            valid: 9,
            revoked: 1,
            suspended: 2,
            draining: 0,
        }
    }

    #[test]
    fn a_list_that_is_good_says_how_old_it_is_and_one_that_is_not_says_nothing_else() {
        let bad = Checked::Bad {
            class: StatusClass::Keys,
            error: Report::from(&Failure::Declined),
        };
        assert_eq!(
            table(&[Checked::Good(listed()), bad], &Times::of("GMT0")),
            "\
LIST     EPOCH         ENTRIES  STOPPED  AGE    GOOD UNTIL
devices  41            12       3        2 min  2026-11-23T14:02:07Z (14:02:07 GMT)
keys     not believed  -        -        -      -
"
        );
    }

    #[test]
    fn ages_are_told_in_the_unit_that_fits() {
        let told = [0, 119, 120, 7_199, 7_200].map(age);
        assert_eq!(told, ["0 s", "119 s", "2 min", "119 min", "2 h"]);
    }
}
