//! The checks of `cargo xtask test`, in their order.

use std::fs;
use std::io::IsTerminal as _;
use std::process::{Command, Stdio};

use crate::arguments::{FUZZ_SECONDS, FuzzPlan};
use crate::counts::{self, Counts, Runner};
use crate::failure::{Failure, Result};
use crate::metadata::Metadata;
use crate::postgres::{self, Postgres};
use crate::runners::{self, Which};
use crate::supervise::{Output, Supervisor};
use crate::workspace::Workspace;
use crate::{arrows, fuzz, licences, packages, pages, purity};

/// One check.
pub(crate) struct Step {
    /// What `--only` calls it.
    pub(crate) name: &'static str,
    /// What it checks.
    pub(crate) what: &'static str,
    /// Left out by `--quick`.
    pub(crate) slow: bool,
    /// Makes the check; returns a line for the table.
    pub(crate) run: fn(&mut Site<'_>) -> Result<String>,
}

/// All checks, in their order: cheap ones and those that fail most often first.
pub(crate) const STEPS: &[Step] = &[
    step(
        "packages",
        "the Debian packages of xtask/packages.txt",
        |site| packages::install_missing(site.workspace, site.supervisor),
    ),
    step("format", "cargo fmt --check", |site| {
        site.succeeds(site.cargo(&["fmt", "--all", "--check"]))?;
        // A workspace of its own, which `--all` does not see.
        let fuzz = ["fmt", "--manifest-path", "tests/fuzz/Cargo.toml", "--check"];
        site.succeeds(site.cargo(&fuzz))?;
        Ok(String::new())
    }),
    step("clippy", "cargo clippy, warnings refused", |site| {
        let words = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ];
        site.succeeds(site.cargo(&words))?;
        Ok(String::new())
    }),
    step(
        "arrows",
        "which room may know which; pure crates stay pure",
        |site| {
            let arrows = arrows::check(&site.metadata()?)?;
            let purity = purity::check(site.workspace)?;
            Ok(format!("{arrows}; {purity}"))
        },
    ),
    step(
        "alone",
        "pure crates compile without their neighbours' features",
        |site| {
            site.succeeds(site.cargo(&["check", "-p", "wardkey-issuance"]))?;
            let core = ["check", "-p", "wardkey-verifier", "--no-default-features"];
            site.succeeds(site.cargo(&core))?;
            Ok(String::new())
        },
    ),
    step(
        "licences",
        "licences, origins and unwanted crates (deny.toml)",
        |site| licences::check(site.workspace, site.supervisor),
    ),
    step(
        "build",
        "the tests, and the programs that they start",
        |site| {
            // One selection for all that follows: with another, cargo chooses other features of what
            // we depend on, and builds most of it again.
            let words = ["build", "--workspace", "--bins", "--tests", "--examples"];
            site.succeeds(site.cargo(&words))?;
            Ok(String::new())
        },
    ),
    step(
        "tests",
        "unit and integration tests; the store on SQLite and PostgreSQL",
        |site| site.tests_beside_postgres(Which::Others),
    ),
    step(
        "doctests",
        "examples in the documentation of the code",
        |site| {
            let command = site.cargo(&["test", "--workspace", "--doc", "--no-fail-fast"]);
            site.run_tests(Runner::Libtest, vec![command])?;
            Ok(String::new())
        },
    ),
    step(
        "generated",
        "schemas/json, schemas/golden and two pages of the book are up to date",
        |site| {
            let mut stale = false;
            for generator in GENERATORS {
                let command = write_generated(site.workspace, generator, true);
                let ended = site.supervisor.run(command, Output::Inherit)?;
                stale |= !ended.status.success();
            }
            if !stale {
                return Ok(String::new());
            }
            Err(Failure::new("generated files are not up to date")
                .hint("`cargo xtask schemas` writes them anew; then look at `git diff`"))
        },
    ),
    step(
        "pages",
        "links, headings and files that the pages name",
        |site| pages::check(site.workspace),
    ),
    slow_step("lab", "whole systems on virtual hardware", |site| {
        site.tests_beside_postgres(Which::Lab)
    }),
    slow_step("rustdoc", "cargo doc, warnings refused", |site| {
        let mut command = site.cargo(&["doc", "--workspace", "--no-deps"]);
        command.env("RUSTDOCFLAGS", "-Dwarnings");
        site.succeeds(command)?;
        Ok(String::new())
    }),
    slow_step("fuzz", "every fuzz target for half a minute", |site| {
        let plan = FuzzPlan {
            seconds: FUZZ_SECONDS,
            targets: Vec::new(),
        };
        fuzz::every_target(site.workspace, site.supervisor, &plan)
    }),
];

const fn step(
    name: &'static str,
    what: &'static str,
    run: fn(&mut Site<'_>) -> Result<String>,
) -> Step {
    Step {
        name,
        what,
        slow: false,
        run,
    }
}

const fn slow_step(
    name: &'static str,
    what: &'static str,
    run: fn(&mut Site<'_>) -> Result<String>,
) -> Step {
    Step {
        name,
        what,
        slow: true,
        run,
    }
}

/// Prints the steps.
pub(crate) fn print_list() {
    for step in STEPS {
        let slow = if step.slow {
            "  (left out by --quick)"
        } else {
            ""
        };
        println!("{:<10} {}{slow}", step.name, step.what);
    }
}

/// Builds every program that the lab and the demonstration start.
pub(crate) fn build_programs(workspace: &Workspace) -> Command {
    // Building xtask again while it runs would only be confusing.
    workspace.cargo(["build", "--workspace", "--exclude", "xtask", "--bins"])
}

/// The examples of `schemas` that write what is made from its types.
pub(crate) const GENERATORS: [&str; 2] = ["write_json", "write_pages"];

/// Writes the files of one of [`GENERATORS`], or only tells which are not up to date.
pub(crate) fn write_generated(workspace: &Workspace, generator: &str, check_only: bool) -> Command {
    let words = [
        "run",
        "--quiet",
        "-p",
        "wardkey-schemas",
        "--example",
        generator,
    ];
    let mut command = workspace.cargo(words);
    if check_only {
        command.args(["--", "--check"]);
    }
    command
}

/// Where a check is made, and how many tests it has seen.
pub(crate) struct Site<'a> {
    /// The tree.
    pub(crate) workspace: &'a Workspace,
    /// Runs children.
    pub(crate) supervisor: &'a Supervisor,
    /// Tests that were run so far.
    pub(crate) counts: Counts,
}

impl Site<'_> {
    fn metadata(&self) -> Result<Metadata> {
        Metadata::read(self.workspace)
    }

    fn cargo(&self, words: &[&str]) -> Command {
        self.workspace.cargo(words.iter().copied())
    }

    /// Runs a command that must succeed.
    fn succeeds(&self, mut command: Command) -> Result<()> {
        command.stdin(Stdio::null());
        let line = written(&command);
        let ended = self.supervisor.run(command, Output::Inherit)?;
        if ended.status.success() {
            return Ok(());
        }
        Err(Failure::new(format!(
            "`{line}` ended with {}",
            ended.status
        )))
    }

    /// Runs these tests beside a private PostgreSQL.
    fn tests_beside_postgres(&mut self, which: Which) -> Result<String> {
        let postgres = Postgres::start(self.supervisor)?;
        let name = if self.workspace.has_subcommand("nextest") {
            let mut command = runners::nextest(self.workspace, &self.metadata()?, which);
            command.env(postgres::VARIABLE, postgres.url());
            self.run_tests(Runner::Nextest, vec![command])?;
            "nextest"
        } else {
            let mut commands = runners::executables(self.workspace, &self.metadata()?, which)?;
            for command in &mut commands {
                command.env(postgres::VARIABLE, postgres.url());
            }
            self.run_tests(Runner::Libtest, commands)?;
            "cargo test"
        };
        let sessions = postgres.sessions();
        let version = postgres.version();
        if sessions == 0 && which == Which::Others && self.store_asks_for_postgres()? {
            return Err(Failure::new("the store tests never reached PostgreSQL")
                .hint(format!("they take its address from {}", postgres::VARIABLE)));
        }
        Ok(format!("{name}; PostgreSQL {version}: {sessions} sessions"))
    }

    /// Whether any test of keyd looks for PostgreSQL at all.
    fn store_asks_for_postgres(&self) -> Result<bool> {
        let files = purity::rust_files(&self.workspace.path("keyd"))?;
        Ok(files.iter().any(|file| {
            fs::read_to_string(file).is_ok_and(|text| text.contains(postgres::VARIABLE))
        }))
    }

    /// Runs test runners, one after the other, and adds up what they count. A failure does not keep
    /// the next one from running.
    fn run_tests(&mut self, runner: Runner, commands: Vec<Command>) -> Result<()> {
        let mut counts = Counts::default();
        let mut broken = false;
        let mut left_behind = Vec::new();
        for mut command in commands {
            command.stdin(Stdio::null());
            if std::io::stdout().is_terminal() {
                // It prints into our pipe and would leave colours out.
                command.env("CARGO_TERM_COLOR", "always");
            }
            let mut line = |line: &str| {
                if let Some(more) = counts::parse_line(runner, line) {
                    counts.add(more);
                }
            };
            let ended = self.supervisor.run(command, Output::Watched(&mut line))?;
            broken |= !ended.status.success();
            left_behind.extend(ended.left_behind);
        }
        self.counts.add(counts);
        if broken {
            let failed = match counts.failed {
                0 => "the tests could not be built or run".to_owned(),
                1 => "one test failed".to_owned(),
                number => format!("{number} tests failed"),
            };
            return Err(Failure::new(failed));
        }
        if !left_behind.is_empty() {
            let processes = left_behind.join(", ");
            return Err(Failure::new(format!(
                "tests left processes running (they have been ended): {processes}"
            )));
        }
        Ok(())
    }
}

/// A command as one would type it.
fn written(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    let program = program.rsplit('/').next().unwrap_or_default().to_owned();
    let arguments = command
        .get_args()
        .map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once(program)
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}
