//! `wardkey`, the operators' command line.

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use wardkey_ctl::cli::Cli;
use wardkey_ctl::commands;
use wardkey_ctl::environment::Environment;
use wardkey_ctl::failure::Failure;
use wardkey_ctl::output::{Format, Output};
use wardkey_edge::telemetry;
use wardkey_told::{Exit, Report, Told as _};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => return explain(&told).into(),
    };
    let json = cli.options.json;
    if let Err(error) = telemetry::start(&cli.options.log, telemetry::Format::Text) {
        let failure = Failure::usage(error.to_string(), "see --log in `wardkey --help`");
        return complain(&failure, json).into();
    }
    match commands::run(cli, Environment::read()).await {
        Ok(exit) => exit.into(),
        Err(failure) => complain(&failure, json).into(),
    }
}

/// Help and version are what was asked for; everything else is a mistake in what was typed.
fn explain(told: &clap::Error) -> Exit {
    // An output that is closed has nobody to tell.
    drop(told.print());
    let asked_for = [ErrorKind::DisplayHelp, ErrorKind::DisplayVersion];
    if asked_for.contains(&told.kind()) {
        Exit::Done
    } else {
        Exit::Usage
    }
}

/// Tells a person why it was not done, and a script as well if it is one that asks.
fn complain(failure: &Failure, json: bool) -> Exit {
    let report = Report::from(failure);
    let output = Output::new(if json { Format::Json } else { Format::Text });
    output.talk(report.to_string().trim_end());
    if json {
        let document = serde_json::json!({ "error": report });
        drop(output.data("", &document));
    }
    failure.exit()
}
