//! `wardkey-agent`: see the library's documentation.

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use serde_json::json;
use wardkey_agent::cli::Cli;
use wardkey_agent::commands;
use wardkey_agent::failure::Failure;
use wardkey_agent::output::Output;
use wardkey_edge::telemetry;
use wardkey_told::{Exit, Report, Told as _};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => return explain(&told).into(),
    };
    let json = cli.options.json;
    let format = if cli.options.log_json {
        telemetry::Format::Json
    } else {
        telemetry::Format::Text
    };
    if let Err(error) = telemetry::start(cli.options.log_for(&cli.command), format) {
        let failure = Failure::usage(error.to_string(), "see --log in `wardkey-agent --help`");
        return complain(&failure, json).into();
    }
    match commands::run(cli) {
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
    let output = Output::new(json);
    output.talk(report.to_string().trim_end());
    if json {
        drop(output.data("", &json!({ "error": report })));
    }
    failure.exit()
}
