//! What each command does, and what it prints.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use wardkey_edge::telemetry::{self, Format};
use wardkey_schemas::Refusal;
use wardkey_schemas::bundle::BundlePackage;
use wardkey_schemas::limits::BUNDLE_BYTES;
use wardkey_told::{finding, on_one_line};

use crate::ceremony::{self, CeremonyError};
use crate::cli::{self, Cli, Command, ConfigCommand};
use crate::clock;
use crate::config::{Config, ConfigError};
use crate::doctor;
use crate::durable::{self, FileError};
use crate::journal::{Entry, Journal, JournalError, Purpose, State};
use crate::lead::{self, LeadError};
use crate::open::{self, OpenError};
use crate::serve::{self, ServeError};
use crate::set_up::{NewAuthority, SetUpError};
use crate::signer::file::KeyFileError;
use crate::trust::TrustError;

/// The end of a command that could not tell.
const CANNOT_TELL: u8 = 1;

/// The end of a command to which the answer was no.
const REFUSED: u8 = 3;

/// Why a command did not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The log filter.
    #[error(transparent)]
    Filter(#[from] telemetry::FilterError),
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A new authority.
    #[error("no authority was set up")]
    SetUp(#[from] SetUpError),
    /// Settings, keys, journal or trust.
    #[error("the authority cannot work")]
    Open(#[from] OpenError),
    /// The root ceremony.
    #[error(transparent)]
    Ceremony(#[from] CeremonyError),
    /// A first key.
    #[error("the key was not enrolled")]
    Lead(#[from] LeadError),
    /// The service.
    #[error("the authority does not run")]
    Serve(#[from] ServeError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The bundle file.
    #[error("`{}` does not hold a trust bundle: {reason}", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The journal.
    #[error("the journal cannot be read")]
    Journal(#[from] JournalError),
    /// Standard output.
    #[error("standard output cannot be written")]
    Output(#[from] std::io::Error),
}

impl RunError {
    /// What to try next, if we know.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Open(error) | Self::Serve(ServeError::Open(error)) => Some(hint_for(error)),
            Self::Ceremony(error) => error.hint(),
            Self::Lead(error) => error.hint(),
            Self::Serve(_) => Some("run `wardkey-ca doctor` to see what is wrong"),
            Self::SetUp(SetUpError::IsThere { .. }) => {
                Some("for another site choose another folder with --state")
            }
            Self::Filter(_)
            | Self::Config(_)
            | Self::SetUp(_)
            | Self::File(_)
            | Self::Bundle { .. }
            | Self::Journal(_)
            | Self::Output(_) => None,
        }
    }

    /// The refusal, if the answer was no.
    pub const fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Open(error) | Self::Serve(ServeError::Open(error)) => refusal_in(error),
            Self::Ceremony(error) => error.refusal(),
            Self::Lead(error) => error.refusal(),
            Self::Serve(_)
            | Self::Filter(_)
            | Self::Config(_)
            | Self::SetUp(_)
            | Self::File(_)
            | Self::Bundle { .. }
            | Self::Journal(_)
            | Self::Output(_) => None,
        }
    }
}

const fn hint_for(error: &OpenError) -> &'static str {
    match error {
        OpenError::Trust(TrustError::NoBundle) => {
            "take `site-request.json` to the root ceremony (`wardkey-ca root sign certificate \
             --site-request …`), then run `wardkey-ca certificate --bundle FILE`"
        }
        OpenError::Key(KeyFileError::Readable { .. }) => {
            "if nobody can have read it, `chmod 600` the file; else make a new authority"
        }
        OpenError::Key(_) | OpenError::Journal(_) | OpenError::Trust(_) | OpenError::Keyd(_) => {
            "run `wardkey-ca doctor` to see what is wrong"
        }
    }
}

const fn refusal_in(error: &OpenError) -> Option<&Refusal> {
    match error {
        OpenError::Trust(TrustError::Refused(refusal)) => Some(refusal),
        OpenError::Trust(_) | OpenError::Key(_) | OpenError::Journal(_) | OpenError::Keyd(_) => {
            None
        }
    }
}

/// Runs a command.
///
/// # Errors
///
/// [`RunError`].
pub async fn run(cli: Cli) -> Result<ExitCode, RunError> {
    let format = if cli.log_json {
        Format::Json
    } else {
        Format::Text
    };
    telemetry::start(&cli.log, format)?;
    match cli.command {
        Command::Init(init) => initialise(&init).await,
        Command::Certificate(certificate) => take_certificate(&certificate).await,
        Command::Serve(settings) => {
            serve::run(Config::load(&settings.config)?).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Root(command) => {
            ceremony::run(command)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Lead(arguments) => {
            lead::run(arguments).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Journal(journal) => list(&journal).await,
        Command::Doctor(doctor) => examine(&doctor).await,
        Command::Config(ConfigCommand::Check(settings)) => {
            Config::load(&settings.config)?;
            say(&format!("`{}` can be used", settings.config.display()))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn say(line: &str) -> Result<(), std::io::Error> {
    writeln!(std::io::stdout(), "{line}")
}

async fn initialise(init: &cli::Init) -> Result<ExitCode, RunError> {
    let new = NewAuthority {
        state: &init.state,
        site: &init.site,
        realm: &init.realm,
        root: &init.root_sha256,
        listen: init.listen,
        keyd_url: &init.keyd_url,
        keyd_connect: init.keyd_connect,
    };
    let made = new.make().await?;
    let keys = if made.keys.is_empty() {
        "none; they were there".to_owned()
    } else {
        made.keys.join(", ")
    };
    say(&format!("keys made:   {keys}"))?;
    say(&format!("settings:    {}", made.settings.display()))?;
    say(&format!("request:     {}", made.request.display()))?;
    say(&format!(
        "fingerprint: {}",
        in_groups(&made.fingerprint.to_hex())
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// A fingerprint that two people can read to each other.
fn in_groups(hex: &str) -> String {
    let digits: Vec<char> = hex.chars().collect();
    let groups: Vec<String> = digits
        .chunks(4)
        .map(|group| group.iter().collect())
        .collect();
    groups.join(" ")
}

async fn take_certificate(command: &cli::Certificate) -> Result<ExitCode, RunError> {
    let config = Config::load(&command.settings.config)?;
    let package = read_bundle(&command.bundle)?;
    let keeper = open::keeper(&config).map_err(OpenError::from)?;
    let sources = open::sources(&config, &keeper);
    let journal = Journal::open(&config.journal()).await?;
    let taken = open::take_bundle(&journal, package, &sources, clock::now()).await;
    journal.close().await;
    let (trust, new) = taken?;
    let verb = if new {
        "was taken into use"
    } else {
        "is in use already"
    };
    say(&format!(
        "trust bundle version {} {verb}",
        trust.bundle.version()
    ))?;
    let authority = trust.bundle.site_authority(&config.site);
    let ends = authority.map_err(|refusal| OpenError::from(TrustError::Refused(refusal)))?;
    let ends = ends.certificate().validity().not_after;
    say(&format!(
        "the authority of {} is certified until {ends}",
        config.site
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn read_bundle(path: &Path) -> Result<BundlePackage, RunError> {
    let bytes = durable::read_at_most(path, BUNDLE_BYTES)?;
    serde_json::from_slice(&bytes).map_err(|error| RunError::Bundle {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

async fn list(command: &cli::Journal) -> Result<ExitCode, RunError> {
    let config = Config::load(&command.settings.config)?;
    let journal = Journal::open(&config.journal()).await?;
    let entries = journal.newest(command.most).await;
    journal.close().await;
    let entries = entries?;
    if command.json {
        say(&serde_json::to_string_pretty(&entries).map_err(std::io::Error::from)?)?;
    } else {
        for entry in &entries {
            say(&line(entry))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// An act of issuing on one line: number, time, what for, how far it has come.
fn line(entry: &Entry) -> String {
    let what = match &entry.purpose {
        Purpose::Laptop {
            device, generation, ..
        } => format!("laptop {device}, enrolment {generation}"),
        Purpose::Recertification {
            device, generation, ..
        } => format!("laptop {device}, enrolment {generation}, renewed"),
        Purpose::Key {
            person,
            role,
            serial,
            ..
        } => format!("key {serial} of person {person} ({role})"),
        Purpose::Listener => "this authority's own listener".to_owned(),
    };
    let state = match (&entry.state, &entry.purpose) {
        (State::Open, _) => "intended, without an outcome".to_owned(),
        (State::Signed { at, .. }, Purpose::Listener) => format!("signed {at}"),
        (State::Signed { at, .. }, _) => format!("signed {at}, not yet reported"),
        (State::Reported { at, .. }, _) => format!("signed {at}, reported and released"),
        (State::Abandoned { at, reason }, _) => format!("given up {at}: {reason}"),
    };
    format!("{}  {}  {what}: {state}", entry.intent, entry.at)
}

async fn examine(command: &cli::Doctor) -> Result<ExitCode, RunError> {
    let config = Config::load(&command.settings.config)?;
    let findings = doctor::examine(&config, clock::now()).await;
    let text = if command.json {
        serde_json::to_string_pretty(&findings).map_err(std::io::Error::from)?
    } else {
        finding::words(&findings)
    };
    say(text.trim_end())?;
    Ok(finding::exit(&findings).into())
}

/// Tells a person why a command did not do its work, and gives the end that scripts see: 1 if it
/// cannot be told, 3 if the answer was no (2 is clap's, for a command line that cannot be used).
pub fn complain(error: &RunError) -> ExitCode {
    let mut text = format!("error: {}\n", on_one_line(error));
    if let Some(hint) = error.hint() {
        text.push_str("\nhint: ");
        text.push_str(hint);
        text.push('\n');
    }
    // Standard error that is closed has nobody to tell.
    drop(std::io::stderr().write_all(text.as_bytes()));
    ExitCode::from(if error.refusal().is_some() {
        REFUSED
    } else {
        CANNOT_TELL
    })
}
