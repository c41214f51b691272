//! `cargo xtask fuzz`: libFuzzer on the stable toolchain, without cargo-fuzz.
//!
//! A target is one file in `tests/fuzz/src/bin`; seeds are in `tests/fuzz/seeds/TARGET`. What the
//! fuzzer learns is kept in `tests/fuzz/corpus`, what breaks a parser in `tests/fuzz/artifacts`.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

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
    for target in &targets {
        println!("fuzzing {target} for {} s", plan.seconds);
        let program = programs.join(target);
        let ended = supervisor.run(fuzzer(&folder, &program, target, plan)?, Output::Inherit)?;
        if !ended.status.success() {
            let program = program.strip_prefix(workspace.root()).unwrap_or(&program);
            return Err(
                Failure::new(format!("fuzz target {target} found something")).hint(format!(
                    "`{} {FOLDER}/artifacts/{target}/FILE` shows it again",
                    program.display()
                )),
            );
        }
    }
    Ok(format!(
        "{} for {} s each",
        targets.join(", "),
        plan.seconds
    ))
}

fn fuzzer(folder: &Path, program: &Path, target: &str, plan: &FuzzPlan) -> Result<Command> {
    let corpus = folder.join("corpus").join(target);
    let artifacts = folder.join("artifacts").join(target);
    let seeds = folder.join("seeds").join(target);
    for made in [&corpus, &artifacts] {
        fs::create_dir_all(made)
            .map_err(|error| Failure::io(format!("cannot make {}", made.display()), &error))?;
    }
    let mut command = Command::new(program);
    command
        .arg(format!("-max_total_time={}", plan.seconds))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args([LONGEST_INPUT, SLOWEST_INPUT])
        .args(["-verbosity=0", "-print_final_stats=1"])
        .arg(corpus)
        .current_dir(folder);
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
