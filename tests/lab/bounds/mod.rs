//! K1 to K8: how long a picture may go on after a stop was committed, by whatever way the stop has to
//! take; measured with every part real, on a network that is broken for it.
//!
//! Each bound is measured in a world of its own or shared with bounds that need the same one, in
//! network namespaces of its own; worlds run beside each other, because most of them wait.
//!
//! # Invariants
//!
//! - What is measured ends when no process of the video program is left, not when it looks still.
//! - A bound that depends on the policy is computed from the values in use, by the rule that the
//!   gate follows: how long a lease runs, and its grace.
//!
//! # Where to start
//!
//! [`measure`]; [`crate::ward`] is what all worlds have in common.

mod lease;
mod poll;
mod stream;

use std::path::Path;

use serde_json::{Value, json};

use crate::world::WorldError;

/// One way in which a stop was tried, and how long the picture went on after its commit.
#[derive(Clone, Debug)]
pub struct Run {
    /// What was done to the network or to the laptop.
    pub name: &'static str,
    /// Milliseconds from the commit to the end of the last process of the video program; where
    /// nothing may start, how often something did.
    pub ms: u64,
}

/// A bound, and what was measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Its name.
    pub name: &'static str,
    /// What it says, in a sentence.
    pub says: &'static str,
    /// The bound, with the policy in use.
    pub bound_ms: u64,
    /// The bound with the usual policy, where that differs.
    pub usual_ms: Option<u64>,
    /// Every way that was tried.
    pub runs: Vec<Run>,
}

impl Measured {
    /// The slowest of the ways.
    pub fn ms(&self) -> u64 {
        self.runs.iter().map(|run| run.ms).max().unwrap_or(u64::MAX)
    }

    /// Whether all were within the bound; not if none was tried.
    pub fn held(&self) -> bool {
        self.ms() <= self.bound_ms
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let runs: serde_json::Map<String, Value> = self
            .runs
            .iter()
            .map(|run| (run.name.to_owned(), json!(run.ms)))
            .collect();
        let mut value = json!({
            "ms": self.ms(),
            "bound_ms": self.bound_ms,
            "held": self.held(),
            "says": self.says,
            "runs": runs,
        });
        if let (Some(usual), Some(object)) = (self.usual_ms, value.as_object_mut()) {
            object.insert("usual_bound_ms".to_owned(), json!(usual));
        }
        value
    }
}

/// A world in which some bounds are measured.
struct Scene {
    bounds: &'static [&'static str],
    play: fn(&Path, &Wanted<'_>) -> Result<(), WorldError>,
}

const SCENES: &[Scene] = &[
    Scene {
        bounds: &["K1", "K7", "K8", "K6"],
        play: stream::play,
    },
    Scene {
        bounds: &["K2"],
        play: poll::play,
    },
    Scene {
        bounds: &["K3", "K4"],
        play: lease::unreachable,
    },
    Scene {
        bounds: &["K5"],
        play: lease::offline,
    },
];

/// The names of all bounds.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = SCENES
        .iter()
        .flat_map(|scene| scene.bounds)
        .copied()
        .collect();
    names.sort_unstable();
    names
}

/// Which bounds a world is to measure, and where it says what it found.
struct Wanted<'a> {
    only: &'a [String],
    found: &'a (dyn Fn(Measured) + Sync),
}

impl Wanted<'_> {
    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == name)
    }

    fn found(&self, measured: Measured) {
        (self.found)(measured);
    }
}

/// Measures these bounds, or all of them if `only` is empty, in worlds below `folder`, whose path
/// must be short. Each is handed to `found` as soon as it is known.
///
/// # Errors
///
/// The first [`WorldError`] of a world that does not stand, after all others have ended.
pub fn measure(
    folder: &Path,
    only: &[String],
    found: &(dyn Fn(Measured) + Sync),
) -> Result<(), WorldError> {
    let wanted = Wanted { only, found };
    let is_wanted = |scene: &&Scene| scene.bounds.iter().any(|name| wanted.wants(name));
    std::thread::scope(|scope| {
        let scenes: Vec<_> = SCENES
            .iter()
            .filter(is_wanted)
            .enumerate()
            .map(|(number, scene)| {
                let folder = folder.join(number.to_string());
                let wanted = &wanted;
                // A thread of its own: it moves into its own network, and what it starts is there.
                scope.spawn(move || (scene.play)(&folder, wanted))
            })
            .collect();
        let played: Vec<Result<(), WorldError>> = scenes
            .into_iter()
            .map(|scene| {
                scene
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect();
        played.into_iter().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(runs: &[u64]) -> Measured {
        Measured {
            name: "K1",
            says: "a stop",
            bound_ms: 10,
            usual_ms: None,
            runs: runs
                .iter()
                .map(|ms| Run {
                    name: "so",
                    ms: *ms,
                })
                .collect(),
        }
    }

    #[test]
    fn a_bound_is_held_only_if_every_way_was_within_it_and_one_was_tried() {
        assert!(measured(&[1, 10]).held());
        assert!(!measured(&[11, 1]).held());
        assert!(!measured(&[]).held());
        assert_eq!(measured(&[3, 7]).to_json()["ms"], json!(7));
        assert_eq!(measured(&[3, 7]).to_json()["held"], json!(true));
    }

    #[test]
    fn the_names_are_those_of_the_table() {
        assert_eq!(names(), ["K1", "K2", "K3", "K4", "K5", "K6", "K7", "K8"]);
    }
}
