//! What each command does: one module a family.

mod agreeing;
mod confirming;
mod doctor;
mod enrol;
mod leaving;
mod lists;
mod log;
mod lost;
mod resuming;
mod showing;
mod status;
mod stopping;
mod telling;
mod watching;
mod witnessing;

use wardkey_schemas::action::ActionAnswer;
use wardkey_schemas::names::Note;
use wardkey_told::Exit;

use crate::cli::{Cli, Command, Confirm, KeyCommand, Log, PolicyCommand};
use crate::desk::{Chosen, Desk};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::show::{deliveries, outcome};

/// Does what was typed.
///
/// # Errors
///
/// [`Failure`].
pub async fn run(mut cli: Cli, environment: Environment) -> Result<Exit, Failure> {
    // There, `--serial` names the new security key and not the operator's.
    let enrols = matches!(cli.command, Command::Key(KeyCommand::Enrol(_)));
    let new_serial = cli.options.serial.take_if(|_| enrols);
    if matches!(cli.command, Command::Doctor) {
        return doctor::run(&cli.options, environment).await;
    }
    if let Command::Witness(command) = cli.command {
        return witnessing::run(&cli.options, command).await;
    }
    let desk = &mut Desk::open(&cli.options, environment)?;
    match cli.command {
        Command::Devices => lists::devices(desk).await,
        Command::Keys => lists::keys(desk).await,
        Command::Sessions => lists::sessions(desk).await,
        Command::Orders(orders) => lists::orders(desk, &orders).await,
        Command::Log(Log {
            command: Some(command),
            ..
        }) => log::run(desk, command).await,
        Command::Log(log) => lists::log(desk, &log).await,
        Command::Policy(PolicyCommand::Show) => lists::policy(desk).await,
        Command::Stop(stop) => stopping::stop(desk, stop).await,
        Command::Lost(report) => lost::lost(desk, report).await,
        Command::Resume(resume) => resuming::resume(desk, resume).await,
        Command::Undo(undo) => resuming::undo(desk, undo).await,
        Command::Message(message) => telling::message(desk, message).await,
        Command::Requests => agreeing::requests(desk).await,
        Command::Agree(agree) => agreeing::agree(desk, &agree).await,
        Command::Alerts => lists::alerts(desk).await,
        Command::Revoke(revoke) => stopping::revoke(desk, revoke).await,
        Command::Leaver(leaver) => leaving::leaver(desk, leaver).await,
        Command::End(end) => stopping::end(desk, end).await,
        Command::Confirm(Confirm::Laptop(laptop)) => confirming::laptop(desk, laptop).await,
        Command::Confirm(Confirm::Key(key)) => confirming::key(desk, key).await,
        Command::Key(KeyCommand::Enrol(enrol)) => enrol::enrol(desk, enrol, new_serial).await,
        Command::Key(KeyCommand::Spare(spare)) => confirming::spare(desk, spare).await,
        Command::Key(KeyCommand::Show) => showing::key(desk).await,
        Command::Status(command) => status::run(desk, command).await,
        Command::Login => showing::login(desk).await,
        Command::Logout => showing::logout(desk),
        // Answered above, where no settings are needed.
        Command::Doctor | Command::Witness(_) => Ok(Exit::Done),
    }
}

/// A note, empty where none was given.
fn note_or_none(note: Option<Note>) -> Result<Note, Failure> {
    match note {
        Some(note) => Ok(note),
        None => ""
            .parse()
            .map_err(|error: wardkey_schemas::names::NameError| {
                Failure::usage(error.to_string(), "give another --note")
            }),
    }
}

/// What an act was about.
struct About {
    /// For people.
    name: String,
    /// For scripts.
    json: serde_json::Value,
}

impl From<&Chosen> for About {
    fn from(chosen: &Chosen) -> Self {
        Self {
            name: chosen.name.clone(),
            json: chosen.json(),
        }
    }
}

/// Shows what became of an act, and watches its orders if that was asked for.
async fn finish(
    desk: &mut Desk,
    answer: &ActionAnswer,
    about: &About,
    watch: bool,
) -> Result<Exit, Failure> {
    desk.output.talk(&format!("({})", outcome::NOT_SIGNED));
    let text = outcome::outcome(answer, &about.name, &desk.times);
    let mut json = outcome::json(answer);
    let mut add = |name: &str, value: serde_json::Value| {
        if let Some(object) = json.as_object_mut() {
            object.insert(name.to_owned(), value);
        }
    };
    add("target", about.json.clone());
    if let Some(next) = outcome::next_person(answer) {
        desk.output.talk(&next);
    }
    if !watch {
        desk.output.data(&text, &json)?;
        return Ok(outcome::exit(&answer.outcome));
    }
    desk.output.progress(&text)?;
    let orders = watching::follow_sent(desk, outcome::orders(&answer.outcome)).await;
    add("orders", serde_json::json!(orders));
    desk.output.after_changes(&json)?;
    Ok(match (outcome::exit(&answer.outcome), orders) {
        (Exit::Done, Some(orders)) => deliveries::exit(&orders),
        (end, _) => end,
    })
}
