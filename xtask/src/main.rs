//! `cargo xtask`: everything that a developer or a build machine does with this tree.
//!
//! `cargo xtask test` checks it, `cargo xtask demo` shows it, `cargo xtask bounds` and `cargo xtask
//! bench` measure it; each installs the Debian packages that are missing and says which. `cargo xtask --help` lists the rest.
//!
//! # Invariants
//!
//! - Nothing that xtask started outlives it: not after success, not after failure, not after Ctrl-C.
//!   [`supervise`] is the only place that waits for long-running children.
//! - A check that was not made is named in the table; it never counts as passed.
//! - The environment is read in [`workspace`] only.
//!
//! # Where to start
//!
//! [`steps`] is the list of checks in their order; [`mod@test`] runs them.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for developers: what it prints is what it is for"
)]

mod arguments;
mod arrows;
mod counts;
mod failure;
mod fuzz;
mod licences;
mod markdown;
mod metadata;
mod packages;
mod pages;
mod postgres;
mod processes;
mod programs;
mod purity;
mod runners;
mod spdx;
mod steps;
mod supervise;
mod test;
mod watch;
mod workspace;

use std::process::ExitCode;

use self::arguments::Request;
use self::failure::{Failure, Result};
use self::supervise::Supervisor;
use self::workspace::Workspace;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let request = match arguments::parse(&words) {
        Ok(request) => request,
        Err(error) => {
            eprintln!("error: {error}\n\nhint: `cargo xtask --help` lists what there is");
            return ExitCode::from(2);
        }
    };
    match carry_out(request) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("{failure}");
            failure.exit_code()
        }
    }
}

fn carry_out(request: Request) -> Result<ExitCode> {
    if let Request::Help = request {
        println!("{}", arguments::HELP);
        return Ok(ExitCode::SUCCESS);
    }
    let workspace = Workspace::find()?;
    let mut supervisor = Supervisor::start()?;
    match request {
        Request::Help => Ok(ExitCode::SUCCESS),
        Request::ListSteps => {
            steps::print_list();
            Ok(ExitCode::SUCCESS)
        }
        Request::Test(plan) => Ok(test::run(&workspace, &mut supervisor, &plan)),
        Request::Demo(words) => programs::demo(&workspace, &mut supervisor, &words),
        Request::Bounds(words) => programs::bounds(&workspace, &mut supervisor, &words),
        Request::Bench(words) => programs::bench(&workspace, &mut supervisor, &words),
        Request::Schemas => programs::write_schemas(&workspace, &mut supervisor),
        Request::Fuzz(plan) => fuzz::run(&workspace, &mut supervisor, &plan),
        Request::Postgres(words) => programs::with_postgres(&workspace, &mut supervisor, &words),
    }
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Interrupted => ExitCode::from(130),
            Self::Because { .. } => ExitCode::FAILURE,
        }
    }
}
