//! `keyd`, the central service of Wardkey.

use std::process::ExitCode;

use clap::Parser as _;
use wardkey_keyd::{cli::Cli, run};

#[tokio::main]
async fn main() -> ExitCode {
    match run::run(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            run::complain(&error);
            ExitCode::FAILURE
        }
    }
}
