//! `wardkey-ca`, one site's key authority, and the root ceremony.

use std::process::ExitCode;

use clap::Parser as _;
use wardkey_ca::{cli::Cli, run};

#[tokio::main]
async fn main() -> ExitCode {
    match run::run(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => run::complain(&error),
    }
}
