//! `wardkey-lab bounds`: measures K1 to K8, and says whether each was held.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use wardkey_tests::bounds::{self, Measured};

use crate::arguments::Measure;
use crate::telling::causes;

/// Measures in a folder; success only if every bound that was asked for was measured and held.
pub(crate) fn play(measure: &Measure) -> ExitCode {
    let known = bounds::names();
    if let Some(unknown) = measure
        .bounds
        .only
        .iter()
        .find(|name| !is_known(&known, name))
    {
        eprintln!(
            "error: there is no bound `{unknown}`\n\nhint: there are {}",
            known.join(", ")
        );
        return ExitCode::from(2);
    }
    let found: Mutex<BTreeMap<&'static str, Measured>> = Mutex::default();
    let note = |measured: Measured| {
        eprintln!("{} is measured", measured.name);
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.insert(measured.name, measured);
    };
    let only: Vec<String> = measure
        .bounds
        .only
        .iter()
        .map(|name| name.to_ascii_uppercase())
        .collect();
    let played = bounds::measure(&measure.folder, &only, &note);
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    if measure.bounds.json {
        let document: serde_json::Map<String, Value> = found
            .iter()
            .map(|(name, measured)| ((*name).to_owned(), measured.to_json()))
            .collect();
        println!("{:#}", Value::Object(document));
    } else {
        for measured in found.values() {
            println!("{}", told(measured));
        }
    }
    match played {
        Ok(()) if found.values().all(Measured::held) => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!(
                "error: not every bound could be measured: {}",
                causes(&error)
            );
            ExitCode::FAILURE
        }
    }
}

fn is_known(known: &[&str], name: &str) -> bool {
    known.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// A bound in words: a line for it, and one for each way that was tried.
fn told(measured: &Measured) -> String {
    let Measured {
        name,
        says,
        bound_ms,
        usual_ms,
        runs,
    } = measured;
    let word = if measured.held() { "held" } else { "NOT held" };
    let usual = usual_ms.map_or_else(String::new, |ms| {
        format!(" with this policy; {ms} ms with the usual one")
    });
    let mut lines = vec![format!(
        "{name}  {} ms, at most {bound_ms} ms{usual}: {word}  ({says})",
        measured.ms()
    )];
    for run in runs {
        lines.push(format!("      {:<42} {} ms", run.name, run.ms));
    }
    lines.join("\n")
}
