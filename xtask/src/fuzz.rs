//! `cargo xtask fuzz`: libFuzzer on the stable toolchain, without cargo-fuzz.
//!
//! A target is one file in `tests/fuzz/src/bin`; seeds are in `tests/fuzz/seeds/TARGET`. What the
//! fuzzer learns is kept in `tests/fuzz/corpus`, what breaks a parser in `tests/fuzz/artifacts`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::arguments::FuzzPlan;
use crate::failure::{Failure, Result};
use crate::supervise::{Output, Supervisor};
use crate::workspace::{Workspace, read_output};

/// The workspace of the targets: it has a target folder of its own, because its flags rebuild all.
const FOLDER: &str = "tests/fuzz";

/// Coverage for libFuzzer (`SanitizerCoverage`: inline 8-bit counters, compared values) and the checks
/// of a debug build. Our code is safe Rust, so `AddressSanitizer` would add little.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks";

/// Longer than any message that a target takes would be looked at; shorter finds more a second.
const LONGEST_INPUT: &str = "-max_len=65536";

/// One input that takes this many seconds is a fault of its own.
const SLOWEST_INPUT: &str = "-timeout=10";

/// `cargo xtask fuzz`.
pub(crate) fn run(
    workspace: &Workspace,
    supervisor: &mut Supervisor,
    plan: &FuzzPlan,
) -> Result<ExitCode> {
    let note = every_target(workspace, supervisor, plan)?;
    println!("{note}");
    Ok(ExitCode::SUCCESS)
}

/// Builds and runs the targets of the plan. Returns a line for the table.
pub(crate) fn every_target(
    workspace: &Workspace,
    supervisor: &Supervisor,
    plan: &FuzzPlan,
) -> Result<String> {
    if !workspace.has_program("c++") && !workspace.has_program("g++") {
        return Ok("skipped: no C++ compiler for libFuzzer (Debian package g++)".to_owned());
    }
    let folder = workspace.path(FOLDER);
    let targets = chosen(&targets_in(&folder.join("src/bin"))?, plan)?;
    let platform = platform(workspace)?;

    let mut build = workspace.cargo(["build", "--release", "--bins", "--target", &platform]);
    build
        .current_dir(&folder)
        .env("RUSTFLAGS", FLAGS)
        .env("CARGO_TARGET_DIR", folder.join("target"));
    if !supervisor.run(build, Output::Inherit)?.status.success() {
        return Err(Failure::new("the fuzz targets could not be built"));
    }
    let programs = folder.join("target").join(&platform).join("release");
    let logs = folder_for_logs(&folder)?;
    // A fuzzer takes one core.
    let at_once = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut inputs = 0_u64;
    for some in targets.chunks(at_once) {
        println!("fuzzing {} for {} s", some.join(", "), plan.seconds);
        let commands = some
            .iter()
            .map(|target| fuzzer(&folder, &programs.join(target), &logs, target, plan))
            .collect::<Result<Vec<Command>>>()?;
        let ended = supervisor.run_together(commands)?;
        for (target, status) in some.iter().zip(ended) {
            let said = fs::read_to_string(log_of(&logs, target)).unwrap_or_default();
            if !status.success() {
                let program = programs.join(target);
                let program = program.strip_prefix(workspace.root()).unwrap_or(&program);
                return Err(Failure::new(format!(
                    "fuzz target {target} found something\n{}",
                    last_lines(&said, LINES_SHOWN)
                ))
                .hint(format!(
                    "`{} {FOLDER}/artifacts/{target}/FILE` shows it again",
                    program.display()
                )));
            }
            inputs = inputs.saturating_add(executed(&said).unwrap_or(0));
        }
    }
    Ok(format!(
        "{} targets for {} s each, {inputs} inputs",
        targets.len(),
        plan.seconds
    ))
}

/// How much of a fuzzer's talk is shown when it found something: panic, stack and input.
const LINES_SHOWN: usize = 60;

/// Where the fuzzers' talk goes: several of them run at once.
fn folder_for_logs(folder: &Path) -> Result<PathBuf> {
    let logs = folder.join("target/logs");
    fs::create_dir_all(&logs)
        .map_err(|error| Failure::io(format!("cannot make {}", logs.display()), &error))?;
    Ok(logs)
}

fn log_of(logs: &Path, target: &str) -> PathBuf {
    logs.join(format!("{target}.txt"))
}

/// The inputs that a fuzzer tried, by its own word (`-print_final_stats=1`).
fn executed(said: &str) -> Option<u64> {
    said.lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
        .and_then(|number| number.trim().parse().ok())
}

fn last_lines(text: &str, most: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(most);
    lines.get(from..).unwrap_or_default().join("\n")
}

fn fuzzer(
    folder: &Path,
    program: &Path,
    logs: &Path,
    target: &str,
    plan: &FuzzPlan,
) -> Result<Command> {
    let corpus = folder.join("corpus").join(target);
    let artifacts = folder.join("artifacts").join(target);
    let seeds = folder.join("seeds").join(target);
    for made in [&corpus, &artifacts] {
        fs::create_dir_all(made)
            .map_err(|error| Failure::io(format!("cannot make {}", made.display()), &error))?;
    }
    let path = log_of(logs, target);
    let cannot = |error| Failure::io(format!("cannot write {}", path.display()), &error);
    let log = File::create(&path).map_err(cannot)?;
    let mut command = Command::new(program);
    command
        .arg(format!("-max_total_time={}", plan.seconds))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args([LONGEST_INPUT, SLOWEST_INPUT])
        .args(["-verbosity=0", "-print_final_stats=1"])
        .arg(corpus)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(cannot)?)
        .stderr(log);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    Ok(command)
}

/// The names of the files that are a target each, in order.
fn targets_in(folder: &Path) -> Result<Vec<String>> {
    let mut names: Vec<String> = crate::purity::rust_files(folder)?
        .iter()
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

/// The targets that the plan names, or all.
fn chosen(all: &[String], plan: &FuzzPlan) -> Result<Vec<String>> {
    if let Some(unknown) = plan.targets.iter().find(|name| !all.contains(name)) {
        return Err(Failure::new(format!("there is no fuzz target `{unknown}`"))
            .hint(format!("there are: {}", all.join(", "))));
    }
    if plan.targets.is_empty() {
        return Ok(all.to_vec());
    }
    Ok(plan.targets.clone())
}

/// The platform that this toolchain builds for. Naming it keeps the flags away from build scripts.
fn platform(workspace: &Workspace) -> Result<String> {
    let text = read_output(workspace.program("rustc", ["--version", "--verbose"]))?;
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .ok_or_else(|| Failure::new("rustc does not say for which platform it builds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fuzzer_says_how_much_it_tried_and_last_what_it_found() {
        let said = "INFO: Seed: 1\nstat::number_of_executed_units: 532145\nstat::x: 2";
        assert_eq!(executed(said), Some(532_145));
        assert_eq!(executed("killed"), None);
        assert_eq!(last_lines(said, 1), "stat::x: 2");
        assert_eq!(last_lines(said, 9), said);
    }

    #[test]
    fn a_target_that_is_not_there_is_named_with_those_that_are() {
        let all = ["envelope".to_owned(), "quote".to_owned()];
        let plan = |targets: &[&str]| FuzzPlan {
            seconds: 1,
            targets: targets.iter().map(|name| (*name).to_owned()).collect(),
        };
        assert_eq!(chosen(&all, &plan(&[])).unwrap(), all);
        assert_eq!(chosen(&all, &plan(&["quote"])).unwrap(), ["quote"]);
        let failure = chosen(&all, &plan(&["quite"])).unwrap_err().to_string();
        assert!(failure.contains("envelope, quote"), "{failure}");
    }
}
