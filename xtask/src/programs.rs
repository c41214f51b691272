//! Commands that build a program of this tree and run it: demonstration, bounds, benchmarks, generators,
//! and any command beside a private PostgreSQL.

use std::io::{IsTerminal as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, ExitStatus};

use crate::failure::{Failure, Result};
use crate::metadata::Metadata;
use crate::packages;
use crate::postgres::{self, Postgres};
use crate::steps;
use crate::supervise::{Output, Supervisor};
use crate::workspace::Workspace;

/// `cargo xtask demo`: installs, builds, then becomes the demonstration.
///
/// What it prints to standard output is the demonstration's own; all other talk is on standard error.
pub(crate) fn demo(
    workspace: &Workspace,
    supervisor: &mut Supervisor,
    words: &[String],
) -> Result<ExitCode> {
    become_lab(workspace, supervisor, "demo", words)
}

/// `cargo xtask bounds`: installs, builds, then becomes the measuring.
pub(crate) fn bounds(
    workspace: &Workspace,
    supervisor: &mut Supervisor,
    words: &[String],
) -> Result<ExitCode> {
    become_lab(workspace, supervisor, "bounds", words)
}

fn become_lab(
    workspace: &Workspace,
    supervisor: &mut Supervisor,
    part: &str,
    words: &[String],
) -> Result<ExitCode> {
    let note = packages::install_missing(workspace, supervisor)?;
    eprintln!("Debian packages: {note}");
    eprintln!("Building the programs");
    succeeds(supervisor, steps::build_programs(workspace))?;
    let program = Metadata::read(workspace)?.target.join("debug/wardkey-lab");
    if !program.is_file() {
        return Err(
            Failure::new(format!("there is no {} after the build", program.display()))
                .hint("it is the program `wardkey-lab` of package wardkey-tests"),
        );
    }
    supervisor.check()?;
    // It takes our place, and with it the terminal and its signals.
    let error = Command::new(&program).arg(part).args(words).exec();
    Err(Failure::io(
        format!("cannot run {}", program.display()),
        &error,
    ))
}

/// The benchmarks and the programs that they start.
const MEASURED: [&str; 8] = [
    "wardkey-bench",
    "wardkey-keyd",
    "wardkey-ca",
    "wardkey-agent",
    "wardkey-gate",
    "wardkey-ctl",
    "wardkey-tests",
    "wardkey-virtual-yubikey",
];

/// `cargo xtask bench`: builds with optimisation and runs the benchmarks.
pub(crate) fn bench(
    workspace: &Workspace,
    supervisor: &mut Supervisor,
    words: &[String],
) -> Result<ExitCode> {
    let note = packages::install_missing(workspace, supervisor)?;
    eprintln!("Debian packages: {note}");
    eprintln!("Building with optimisation");
    let mut build = workspace.cargo(["build", "--release", "--bins"]);
    for package in MEASURED {
        build.args(["--package", package]);
    }
    succeeds(supervisor, build)?;
    let program = Metadata::read(workspace)?
        .target
        .join("release/wardkey-bench");
    let mut command = Command::new(program);
    command.args(words).current_dir(workspace.root());
    let ended = supervisor.run(command, Output::Inherit)?;
    Ok(same_code(ended.status))
}

/// `cargo xtask schemas`: writes generated files.
pub(crate) fn write_schemas(
    workspace: &Workspace,
    supervisor: &mut Supervisor,
) -> Result<ExitCode> {
    for generator in steps::GENERATORS {
        let command = steps::write_generated(workspace, generator, false);
        let ended = supervisor.run(command, Output::Inherit)?;
        if !ended.status.success() {
            return Ok(same_code(ended.status));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `cargo xtask postgres`: runs a command beside a private PostgreSQL, or waits for Ctrl-C.
pub(crate) fn with_postgres(
    workspace: &Workspace,
    supervisor: &mut Supervisor,
    words: &[String],
) -> Result<ExitCode> {
    let postgres = Postgres::start(supervisor)?;
    let address = format!("{}={}", postgres::VARIABLE, postgres.url());
    let Some((program, arguments)) = words.split_first() else {
        println!("{address}");
        if std::io::stdout().is_terminal() {
            eprintln!("PostgreSQL {} runs until Ctrl-C", postgres.version());
        }
        // Whoever reads the address from a pipe is waiting for it.
        let _ = std::io::stdout().flush();
        supervisor
            .wait_for_stop()
            .map_err(|error| Failure::io("cannot wait", &error))?;
        return Ok(ExitCode::SUCCESS);
    };
    let mut command = workspace.program(program, arguments.iter().map(String::as_str));
    command.env(postgres::VARIABLE, postgres.url());
    let ended = supervisor.run(command, Output::Inherit)?;
    for process in &ended.left_behind {
        eprintln!("ended what the command left running: {process}");
    }
    Ok(same_code(ended.status))
}

fn succeeds(supervisor: &Supervisor, command: Command) -> Result<()> {
    let ended = supervisor.run(command, Output::Inherit)?;
    if ended.status.success() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "the build ended with {}",
        ended.status
    )))
}

/// Our exit code for a child's exit status; 1 where it has none of its own.
fn same_code(status: ExitStatus) -> ExitCode {
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(code) => ExitCode::from(code),
        None => ExitCode::FAILURE,
    }
}
