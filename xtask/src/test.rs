//! `cargo xtask test`: the steps one after the other, a table, and one last line.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::arguments::TestPlan;
use crate::counts::Counts;
use crate::failure::Failure;
use crate::steps::{STEPS, Site, Step};
use crate::supervise::Supervisor;
use crate::workspace::Workspace;

/// What became of a step.
#[derive(Debug, Eq, PartialEq)]
enum Outcome {
    Passed(String),
    Failed,
    LeftOut,
    NotReached,
}

#[derive(Debug)]
struct Row {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
}

/// Runs the steps that the plan names; stops at the first failure.
pub(crate) fn run(workspace: &Workspace, supervisor: &mut Supervisor, plan: &TestPlan) -> ExitCode {
    let unknown = |name: &&String| !STEPS.iter().any(|step| step.name == name.as_str());
    if let Some(name) = plan.only.iter().find(unknown) {
        eprintln!("error: there is no step `{name}`\n\nhint: `cargo xtask test --list`");
        return ExitCode::from(2);
    }
    let start = Instant::now();
    let mut site = Site {
        workspace,
        supervisor,
        counts: Counts::default(),
    };
    let mut rows = Vec::new();
    let mut stopped: Option<Failure> = None;
    for step in STEPS.iter().filter(|step| named(plan, step)) {
        let begun = Instant::now();
        let outcome = if plan.quick && step.slow && plan.only.is_empty() {
            Outcome::LeftOut
        } else if stopped.is_some() {
            Outcome::NotReached
        } else {
            match run_step(&mut site, step) {
                Ok(note) => Outcome::Passed(note),
                Err(failure) => {
                    eprintln!("\n{}", told(&failure, step));
                    stopped = Some(failure);
                    Outcome::Failed
                }
            }
        };
        rows.push(Row {
            name: step.name,
            outcome,
            took: begun.elapsed(),
        });
    }
    println!("\n{}", table(&rows, start.elapsed()));
    println!(
        "{} passed, {} failed",
        site.counts.passed, site.counts.failed
    );
    match stopped {
        None => ExitCode::SUCCESS,
        Some(failure) => failure.exit_code(),
    }
}

fn named(plan: &TestPlan, step: &Step) -> bool {
    plan.only.is_empty() || plan.only.iter().any(|name| name == step.name)
}

/// Runs one step. A step without tests of its own counts as one.
fn run_step(site: &mut Site<'_>, step: &Step) -> Result<String, Failure> {
    println!("\n==> {}: {}", step.name, step.what);
    let begun = Instant::now();
    let before = site.counts;
    let result = (step.run)(site);
    match &result {
        Ok(note) => {
            if site.counts == before {
                site.counts.passed = site.counts.passed.saturating_add(1);
            }
            let colon = if note.is_empty() { "" } else { ": " };
            println!(
                "    {} in {}{colon}{note}",
                step.name,
                shown(begun.elapsed())
            );
        }
        Err(_) => {
            if site.counts.failed == before.failed {
                site.counts.failed = site.counts.failed.saturating_add(1);
            }
        }
    }
    result
}

fn told(failure: &Failure, step: &Step) -> String {
    let name = step.name;
    match failure {
        Failure::Interrupted => failure.to_string(),
        Failure::Because { .. } => {
            let mut text = failure.to_string();
            let just = format!("`cargo xtask test --only {name}` runs just this step");
            // The sentence after another hint is on a line of its own.
            let before = if text.contains("\n\nhint: ") {
                "\n      "
            } else {
                "\n\nhint: "
            };
            let _ = write!(text, "{before}{just}");
            text
        }
    }
}

fn table(rows: &[Row], total: Duration) -> String {
    let mut text = String::new();
    for row in rows {
        let (word, note) = match &row.outcome {
            Outcome::Passed(note) => ("ok", note.as_str()),
            Outcome::Failed => ("FAILED", ""),
            Outcome::LeftOut => ("left out", "slow; leave --quick away to run it"),
            Outcome::NotReached => ("not run", ""),
        };
        let ran = matches!(row.outcome, Outcome::Passed(_) | Outcome::Failed);
        let took = if ran { shown(row.took) } else { String::new() };
        let line = format!("{:<10} {word:<8} {took:>10}  {note}", row.name);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let _ = write!(text, "{:<10} {:<8} {:>10}", "total", "", shown(total));
    text
}

fn shown(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        return format!("{:.1} s", time.as_secs_f32());
    }
    let (minutes, rest) = (seconds / 60, seconds % 60);
    format!("{minutes} min {rest:02} s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_a_name_of_its_own_and_says_what_it_does() {
        for (place, step) in STEPS.iter().enumerate() {
            assert!(!step.what.is_empty());
            assert!(STEPS[..place].iter().all(|other| other.name != step.name));
            assert!(step.name.len() <= 10, "fits the table");
        }
    }

    #[test]
    fn the_table_says_what_was_not_checked() {
        let row = |name, outcome| Row {
            name,
            outcome,
            took: Duration::from_millis(1500),
        };
        let rows = [
            row("format", Outcome::Passed("fine".to_owned())),
            row("clippy", Outcome::Failed),
            row("tests", Outcome::NotReached),
            row("lab", Outcome::LeftOut),
        ];
        assert_eq!(
            table(&rows, Duration::from_secs(125)),
            "format     ok            1.5 s  fine\n\
             clippy     FAILED        1.5 s\n\
             tests      not run\n\
             lab        left out             slow; leave --quick away to run it\n\
             total               2 min 05 s"
        );
    }

    #[test]
    fn a_failure_tells_how_to_run_just_its_step() {
        let step = &STEPS[0];
        let plain = told(&Failure::new("no"), step);
        assert_eq!(
            plain,
            "error: no\n\nhint: `cargo xtask test --only packages` runs just this step"
        );
        let hinted = told(&Failure::new("no").hint("try yes"), step);
        assert!(hinted.ends_with(
            "hint: try yes\n      `cargo xtask test --only packages` runs just this step"
        ));
    }
}
