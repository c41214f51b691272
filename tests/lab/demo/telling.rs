//! How the story reaches a person or a program: steps with their times, in words or as JSON.

use std::time::{Duration, Instant};

use serde::Serialize;
use wardkey_tests::world::WorldError;

/// A step that was played.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Step {
    name: &'static str,
    ok: bool,
    ms: u64,
}

/// The document of `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    pub(crate) steps: Vec<Step>,
    pub(crate) plug_to_gate_open_ms: Option<u64>,
    pub(crate) stop_commit_to_gate_closed_ms: Option<u64>,
    pub(crate) refusal_after_stop: Option<String>,
}

/// Tells the story. With JSON, words go to standard error.
#[derive(Debug)]
pub(crate) struct Teller {
    json: bool,
    steps: Vec<Step>,
}

impl Teller {
    pub(crate) const fn new(json: bool) -> Self {
        Self {
            json,
            steps: Vec::new(),
        }
    }

    /// One line of the story.
    pub(crate) fn say(&self, line: &str) {
        if self.json {
            eprintln!("{line}");
        } else {
            println!("{line}");
        }
    }

    /// One line that belongs to a step.
    pub(crate) fn note(&self, line: &str) {
        self.say(&format!("      {line}"));
    }

    /// Plays a step and notes how long the machines took.
    pub(crate) fn step<T>(
        &mut self,
        name: &'static str,
        what: &str,
        play: impl FnOnce(&Self) -> Result<T, WorldError>,
    ) -> Result<T, WorldError> {
        self.say(&format!(
            "\n{:>3}. {name}: {what}",
            self.steps.len().saturating_add(1)
        ));
        let began = Instant::now();
        let played = play(self);
        let ms = millis(began.elapsed());
        self.steps.push(Step {
            name,
            ok: played.is_ok(),
            ms,
        });
        match &played {
            Ok(_) => self.note(&format!("done in {}", seconds(ms))),
            Err(error) => self.note(&format!("FAILED after {}: {}", seconds(ms), causes(error))),
        }
        played
    }

    /// The steps that were played.
    pub(crate) fn steps(&self) -> Vec<Step> {
        self.steps.clone()
    }

    /// Whether every step held.
    pub(crate) fn all_held(&self) -> bool {
        self.steps.iter().all(|step| step.ok)
    }
}

/// Milliseconds of a length of time.
pub(crate) fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// A length of time for people.
pub(crate) fn seconds(ms: u64) -> String {
    if ms < 1000 {
        return format!("{ms} ms");
    }
    let whole = ms.checked_div(1000).unwrap_or(0);
    let tenths = ms
        .checked_rem(1000)
        .and_then(|rest| rest.checked_div(100))
        .unwrap_or(0);
    format!("{whole}.{tenths} s")
}

/// An error with its causes.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
