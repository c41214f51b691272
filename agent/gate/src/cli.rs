//! The command line of `wardkey-gate`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::causes::on_one_line;
use crate::check::check;
use crate::config::Config;
use crate::picture;
use crate::serve::serve;
use crate::trusted_file::Writers;

/// Opens the camera while a lease stands, and closes it when none does
#[derive(Debug, Parser)]
#[command(name = "wardkey-gate", version)]
pub struct Arguments {
    /// What to log, for example `info` or `wardkey_gate=debug`
    #[arg(long, global = true, default_value = "info", value_name = "FILTER")]
    log: EnvFilter,
    /// Write the log as JSON, one object a line
    #[arg(long, global = true)]
    log_json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the gate
    Serve {
        /// The settings
        #[arg(long, default_value = "/etc/wardkey/gate.toml")]
        config: PathBuf,
    },
    /// Says everything that is wrong with the settings and the files they name
    Check {
        /// The settings
        #[arg(long, default_value = "/etc/wardkey/gate.toml")]
        config: PathBuf,
    },
    /// Guards one showing of the gate that started it
    #[command(hide = true)]
    Guard,
    /// Becomes a command, inside a cgroup and tied to the life of a guardian
    #[command(hide = true)]
    Launch {
        /// The guardian's process number
        #[arg(long)]
        guardian: i32,
        /// The cgroup to enter
        #[arg(long)]
        cgroup: Option<PathBuf>,
        /// The command
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Does nothing: what a guard is tried with
    #[command(hide = true)]
    Nothing,
}

/// Does what the arguments say. The exit status is 0 if it was done and 1 if not.
pub fn run(arguments: Arguments) -> ExitCode {
    start_log(arguments.log, arguments.log_json);
    match arguments.command {
        Command::Serve { config } => run_gate(&config),
        Command::Check { config } => tell_problems(&config),
        Command::Guard => picture::guard(),
        Command::Launch {
            guardian,
            cgroup,
            command,
        } => picture::launch(cgroup.as_deref(), guardian, &command),
        Command::Nothing => ExitCode::SUCCESS,
    }
}

fn run_gate(config: &Path) -> ExitCode {
    let config = match Config::load(config, Writers::of_this_process()) {
        Ok(config) => config,
        Err(error) => {
            tracing::error!(error = on_one_line(&error), "There are no settings");
            return ExitCode::FAILURE;
        }
    };
    let Err(error) = serve(&config);
    tracing::error!(error = on_one_line(&error), "The gate ends");
    ExitCode::FAILURE
}

fn tell_problems(config: &Path) -> ExitCode {
    let findings = check(config);
    let mut out = io::stdout().lock();
    for line in findings.facts {
        let _ = writeln!(out, "ok: {line}");
    }
    for line in findings.warnings {
        let _ = writeln!(out, "warning: {line}");
    }
    for line in &findings.problems {
        let _ = writeln!(out, "error: {line}");
    }
    if findings.problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn start_log(filter: EnvFilter, json: bool) {
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        // Nobody who reads the log may end the gate by ceasing to.
        .log_internal_errors(false)
        .with_writer(io::stderr);
    if json {
        log.json().init();
    } else {
        log.init();
    }
}
