//! What the commands do: each asks the room whose business it is, and says what came of it.

use std::io;
use std::path::Path;

use serde_json::json;
use tokio::runtime::{self, Runtime};
use wardkey_schemas::time::Timestamp;
use wardkey_token::pin_entry::PinEntry;
use wardkey_told::{Exit, Finding, finding, on_one_line};

use crate::cli::{Activate, Cli, Command, Enrol, PinSource, ReportLost, Which};
use crate::config::Config;
use crate::control::client::{self, ClientError, Progress, With};
use crate::control::protocol::{Status, Timing};
use crate::doctor;
use crate::drive;
use crate::enrol::{self, Wish};
use crate::failure::Failure;
use crate::losing::{self, Report};
use crate::output::Output;

/// Does what was typed.
///
/// # Errors
///
/// [`Failure`].
pub fn run(cli: Cli) -> Result<Exit, Failure> {
    let output = Output::new(cli.options.json);
    let config = match Config::load(&cli.options.config) {
        Ok(config) => config,
        // It says itself what is wrong with the settings.
        Err(_) if matches!(cli.command, Command::Doctor) => {
            return examine(&cli.options.config, output);
        }
        Err(error) => return Err(error.into()),
    };
    match cli.command {
        Command::Enrol(enrol) => enrol_laptop(&config, enrol, output)?,
        Command::Run => drive::run(&config)?,
        Command::Activate(activate) => start_visit(&config, activate, output)?,
        Command::Extend(key) => extend_visit(&config, key, output)?,
        Command::End => {
            let session = client::end(&config.control)?;
            let text = match session {
                Some(_) => "the visit has ended\n",
                None => "no visit was running\n",
            };
            output.data(text, &json!({ "session": session }))?;
        }
        Command::Renew => {
            let renewed = client::renew(&config.control)?;
            let text = format!(
                "renewed: lease {}, good for {} s\n",
                renewed.seq,
                renewed.closes_in_ms / 1000
            );
            output.data(&text, &renewed)?;
        }
        Command::Status(status) if status.watch => watch(&config, output)?,
        Command::Status(_) => {
            let status = client::status(&config.control)?;
            output.data(&status_words(&status, &config), &status)?;
        }
        Command::ReportLost(lost) => report_lost(&config, lost, output)?,
        Command::Key => return tell(&doctor::examine_key(&config)?, output),
        Command::Doctor => return examine(&cli.options.config, output),
    }
    Ok(Exit::Done)
}

fn examine(config: &Path, output: Output) -> Result<Exit, Failure> {
    tell(&runtime()?.block_on(doctor::examine(config)), output)
}

fn tell(findings: &[Finding], output: Output) -> Result<Exit, Failure> {
    output.data(&finding::words(findings), &findings)?;
    Ok(finding::exit(findings))
}

/// What programs need that wait for a network, and do one thing at a time.
fn runtime() -> Result<Runtime, Failure> {
    runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)
}

/// Somebody to ask for a PIN: a file descriptor if one was named, else a window.
fn pin_entry(source: PinSource, config: &Config) -> Result<PinEntry, Failure> {
    match source.pin_fd {
        Some(number) => Ok(PinEntry::descriptor(number)?),
        None => Ok(PinEntry::window(&config.pinentry)),
    }
}

fn enrol_laptop(config: &Config, enrol: Enrol, output: Output) -> Result<(), Failure> {
    let pins = pin_entry(enrol.pin, config)?;
    let wish = Wish {
        asset: enrol.asset,
        serial: enrol.serial,
    };
    let tell = |line: &str| output.talk(line);
    let enrolled = runtime()?.block_on(enrol::enrol(config, &wish, pins, &tell))?;
    match client::reload(&config.control) {
        // Nobody runs who would have to know, or somebody does and knows now.
        Ok(()) | Err(ClientError::NoAgent { .. }) => {}
        Err(error) => output.talk(&format!(
            "the running agent has not taken note ({}); start it again",
            on_one_line(&error)
        )),
    }
    output.data(&enrol::words(&enrolled), &enrolled)
}

fn report_lost(config: &Config, lost: ReportLost, output: Output) -> Result<(), Failure> {
    let pins = pin_entry(lost.pin, config)?;
    let report = Report {
        laptop: lost.laptop,
        key: lost.key,
        stolen: lost.stolen,
        pin_known: lost.pin_known,
        note: lost.note,
        serial: lost.serial,
    };
    let tell = |line: &str| output.talk(line);
    let reported = runtime()?.block_on(losing::report(config, &report, pins, &tell))?;
    output.data(&losing::words(&reported), &reported)
}

fn start_visit(config: &Config, activate: Activate, output: Output) -> Result<(), Failure> {
    let (mut pins, with) = prepared(config, activate.key)?;
    let progress = &mut |progress| output.talk(&progress_words(progress));
    let opened = if activate.move_here {
        client::move_here(&config.control, with, &mut pins, progress)?
    } else {
        client::activate(&config.control, activate.room, with, &mut pins, progress)?
    };
    let text = format!(
        "the room {} is open; visit {}\n{}",
        opened.room,
        opened.session,
        timing_words(&opened.timing)
    );
    output.data(&text, &opened)
}

fn extend_visit(config: &Config, key: Which, output: Output) -> Result<(), Failure> {
    let (mut pins, with) = prepared(config, key)?;
    let extended = client::extend(&config.control, with, &mut pins, &mut |progress| {
        output.talk(&progress_words(progress));
    })?;
    let text = format!(
        "the visit goes on until {}\n",
        clock_time(extended.hard_end, config)
    );
    output.data(&text, &extended)
}

fn prepared(config: &Config, key: Which) -> Result<(PinEntry, With), Failure> {
    let with = With {
        serial: key.serial,
        wait: key.wait,
    };
    Ok((pin_entry(key.pin, config)?, with))
}

fn watch(config: &Config, output: Output) -> Result<(), Failure> {
    let show = &mut |status: &Status| {
        let text = format!("{}\n", status_words(status, config));
        output
            .more(&text, status)
            .map_err(|failure| io::Error::other(failure.to_string()))
    };
    Ok(client::watch(&config.control, show)?)
}

fn progress_words(progress: Progress) -> String {
    match progress {
        Progress::GettingReady => "getting ready …".to_owned(),
        Progress::KeyWanted => "put in your security key".to_owned(),
        Progress::PinWrong { tries_left: 1 } => {
            "that was not the right PIN; 1 try left before it is blocked".to_owned()
        }
        Progress::PinWrong { tries_left } => {
            format!("that was not the right PIN; {tries_left} tries left before it is blocked")
        }
        Progress::TouchWanted => "touch your security key now".to_owned(),
        Progress::Checking => "checking …".to_owned(),
    }
}

fn timing_words(timing: &Timing) -> String {
    format!(
        "it took {} ms, the wait for PIN and finger apart\n",
        timing.plug_to_gate_open_ms
    )
}

fn status_words(status: &Status, config: &Config) -> String {
    let mut lines = vec![format!("{} [{}]", status.heading, status.state.as_str())];
    if !status.body.is_empty() {
        lines.push(status.body.clone());
    }
    if let Some(line) = &status.line {
        lines.push(crate::words::line(line, &config.time_zone));
    }
    if let Some(reason) = &status.reason {
        let (found, wanted) = (reason.found(), reason.wanted());
        lines.push(format!(
            "{}: found: {found}; wanted: {wanted}",
            reason.code()
        ));
    }
    if let Some(laptop) = &status.laptop {
        let state = laptop
            .state
            .map_or_else(|| "not heard yet".to_owned(), |state| state.to_string());
        lines.push(format!(
            "laptop {} at {}, enrolment {}: {state}",
            laptop.asset, laptop.site, laptop.generation
        ));
    }
    if let Some(visit) = &status.visit {
        lines.push(format!(
            "visit {} in room {}: lease {}, closes in {} s unless renewed, ends at {}",
            visit.session,
            visit.room,
            visit.seq,
            visit.closes_in_ms / 1000,
            clock_time(visit.hard_end, config)
        ));
    }
    for key in &status.keys {
        lines.push(format!(
            "security key {}, firmware {}",
            key.serial, key.firmware
        ));
    }
    let word = |is: bool, yes: &'static str, no: &'static str| if is { yes } else { no };
    lines.push(format!(
        "gate {}; orders {}; {} to report",
        word(status.gate, "ready", "not ready"),
        word(status.linked, "come at once", "are polled for"),
        status.outbox
    ));
    lines.push(String::new());
    lines.join("\n")
}

/// A time of keyd's clock as this laptop's people would read it.
fn clock_time(at: Timestamp, config: &Config) -> String {
    crate::words::time(at, &config.time_zone)
}
