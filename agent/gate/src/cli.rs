//! The command line of `wardkey-gate`.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::picture;

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

/// Does what the arguments say.
pub fn run(arguments: Arguments) -> ExitCode {
    start_log(arguments.log, arguments.log_json);
    match arguments.command {
        Command::Guard => picture::guard(),
        Command::Launch {
            guardian,
            cgroup,
            command,
        } => picture::launch(cgroup.as_deref(), guardian, &command),
        Command::Nothing => ExitCode::SUCCESS,
    }
}

fn start_log(filter: EnvFilter, json: bool) {
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(io::stderr);
    if json {
        log.json().init();
    } else {
        log.init();
    }
}
