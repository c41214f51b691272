//! What each command does, and what it prints.

use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use tokio::sync::mpsc;
use wardkey_edge::client::{Client, ClientError, Endpoint};
use wardkey_edge::dates::Dates;
use wardkey_edge::pem;
use wardkey_edge::pieces::Pieces;
use wardkey_edge::telemetry::{self, Format};
use wardkey_issuance::{AuthorityKey, prepare_request, sign_request};
use wardkey_schemas::bundle::{BundlePackage, BundleVersion};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::names::SiteCode;
use wardkey_told::{finding, on_one_line};

use crate::cli::{
    Cli, Command, ConfigCommand, Doctor, ErasePerson, Init, NotificationsCommand,
    NotificationsList, PersonCommand, Recover, ShowPerson, TrustCommand,
};
use crate::clock;
use crate::config::{self, Config, ConfigError};
use crate::doctor;
use crate::keys::{AUTHORITY, KeyFileError, KeyFolder};
use crate::log::recover::{RecoverError, recover};
use crate::personal;
use crate::serve::{self, ServeError};
use crate::store::audit::{Actor, Draft, Object};
use crate::store::{DatabaseUrl, Lane, Store, StoreError, Tx, Work};
use crate::trust::{self, KeySigner, Sources, Trust, TrustError};

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
    /// The service.
    #[error("keyd does not run")]
    Serve(#[from] ServeError),
    /// The database.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    /// Whom to trust.
    #[error("the bundle cannot be used")]
    Trust(#[from] TrustError),
    /// The recovery.
    #[error("nothing was recovered")]
    Recover(#[from] RecoverError),
    /// Erasing.
    #[error("nothing was erased")]
    Erase(#[source] StoreError),
    /// An address.
    #[error("an address cannot be called")]
    Client(#[from] ClientError),
    /// A key.
    #[error("a key cannot be used")]
    Key(#[from] KeyFileError),
    /// A file.
    #[error("`{path}` cannot be used")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The root's hash.
    #[error("--root-sha256 must be 64 hexadecimal digits")]
    RootHash,
    /// The bundle file.
    #[error("`{path}` does not hold a trust bundle: {reason}")]
    Bundle {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The request for the root.
    #[error("the request for the root cannot be made: {0}")]
    Request(String),
    /// Standard output.
    #[error("standard output cannot be written")]
    Output(#[from] std::io::Error),
}

impl RunError {
    /// What to try next, if we know.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Serve(ServeError::Trust(TrustError::NoBundle)) => Some(
                "take `service-authority.csr` to the root ceremony (`wardkey-ca root sign \
                 certificate --service-authority …`), then run `keyd trust BUNDLE`",
            ),
            Self::Serve(ServeError::Store(
                StoreError::Schema { .. } | StoreError::Unguarded(_),
            ))
            | Self::Store(StoreError::Schema { .. } | StoreError::Unguarded(_)) => {
                Some("run `keyd migrate`")
            }
            Self::Recover(RecoverError::Older { .. }) => {
                Some("find a newer mirror; the witness's operator may have one")
            }
            Self::Erase(StoreError::Refused(_)) => Some(
                "only somebody who is known, and whose security keys are all revoked, is erased",
            ),
            Self::Serve(_) | Self::Store(_) | Self::Erase(_) => {
                Some("run `keyd doctor` to see what is wrong")
            }
            Self::Filter(_)
            | Self::Config(_)
            | Self::Trust(_)
            | Self::Recover(_)
            | Self::Client(_)
            | Self::Key(_)
            | Self::File { .. }
            | Self::RootHash
            | Self::Bundle { .. }
            | Self::Request(_)
            | Self::Output(_) => None,
        }
    }
}

/// Runs a command.
///
/// # Errors
///
/// [`RunError`].
pub async fn run(cli: Cli) -> Result<ExitCode, RunError> {
    telemetry::start(
        &cli.log,
        if cli.log_json {
            Format::Json
        } else {
            Format::Text
        },
    )?;
    match cli.command {
        Command::Init(init) => initialise(&init).await,
        Command::Serve(settings) => {
            serve::run(Config::load(&settings.config)?).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Migrate(settings) => migrate(&Config::load(&settings.config)?).await,
        Command::Trust(command) => import(command).await,
        Command::Recover(command) => put_back(command).await,
        Command::Doctor(command) => examine(command).await,
        Command::Person(PersonCommand::Show(command)) => show_person(command).await,
        Command::Person(PersonCommand::Erase(command)) => erase_person(command).await,
        Command::Notifications(NotificationsCommand::List(list)) => list_undelivered(list).await,
        Command::Notifications(NotificationsCommand::Retry(settings)) => {
            retry(&Config::load(&settings.config)?).await
        }
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

fn file(path: &Path) -> impl FnOnce(std::io::Error) -> RunError {
    let path = path.to_owned();
    move |source| RunError::File { path, source }
}

async fn initialise(init: &Init) -> Result<ExitCode, RunError> {
    let root = Sha256::from_hex(init.root_sha256.trim()).map_err(|_| RunError::RootHash)?;
    let state = &init.state;
    // What is made here is the owner's alone: the database knows of secrets and of people.
    let mut folders = std::fs::DirBuilder::new();
    let folders = folders.recursive(true).mode(0o700);
    folders.create(state.join("anchors")).map_err(file(state))?;
    let keys = KeyFolder::within(state);
    let made = keys.create_missing()?;
    let settings = state.join("keyd.toml");
    write_new(&settings, config::template(&root).as_bytes())?;
    let request = state.join("service-authority.csr");
    let authority = keys.load(AUTHORITY)?.key;
    let key = AuthorityKey::P256(*authority.public());
    let prepared =
        prepare_request("service", &key).map_err(|error| RunError::Request(error.to_string()))?;
    let csr = sign_request(prepared, &mut KeySigner::new(&authority))
        .map_err(|error| RunError::Request(error.to_string()))?;
    write_new(&request, &csr)?;
    let url: DatabaseUrl = format!("sqlite:{}", state.join("keyd.db").display()).parse()?;
    Store::migrate(&url).await?;
    say(&format!(
        "keys made: {}",
        if made.is_empty() {
            "none".into()
        } else {
            made.join(", ")
        }
    ))?;
    say(&format!("settings:  {}", settings.display()))?;
    say(&format!("request:   {}", request.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a file that must not be there; one with the same bytes is no harm.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    use std::io::ErrorKind::AlreadyExists;
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path);
    match made {
        Ok(mut made) => made
            .write_all(bytes)
            .and_then(|()| made.sync_all())
            .map_err(file(path)),
        Err(error) if error.kind() == AlreadyExists => Ok(()),
        Err(error) => Err(file(path)(error)),
    }
}

async fn migrate(config: &Config) -> Result<ExitCode, RunError> {
    let (before, after) = Store::migrate(&config.database).await?;
    if before == after {
        say(&format!("the schema is up to date (version {after})"))?;
    } else {
        say(&format!(
            "the schema was brought from version {before} to {after}"
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn import(command: TrustCommand) -> Result<ExitCode, RunError> {
    let config = Config::load(&command.settings.config)?;
    let path = &command.bundle;
    let text = std::fs::read(path).map_err(file(path))?;
    let package: BundlePackage =
        serde_json::from_slice(&text).map_err(|error| RunError::Bundle {
            path: path.clone(),
            reason: error.to_string(),
        })?;
    let (wake, _) = mpsc::unbounded_channel();
    let store = Store::open(&config.database, wake).await?;
    let newest = store.newest_bundle().await?;
    let seen = newest
        .as_ref()
        .map_or(BundleVersion::new(0), |(version, _)| *version);
    let sources = Sources::within(&config.state, config.root);
    let now = clock::now();
    let trust = Trust::establish(package.clone(), seen, &sources, now)?;
    if let Some((version, before)) = newest {
        let before = Trust::establish(before, version, &sources, now)?;
        trust
            .bundle
            .verify_follows(version, &before.bundle.payload_sha256())
            .map_err(TrustError::Refused)?;
    }
    let (version, payload) = (trust.bundle.version(), trust.bundle.payload_sha256());
    let site = service_site()?;
    let work = Import {
        version,
        payload,
        package,
        site,
        now,
    };
    let (new, _) = store.write(Lane::Ordinary, work).await?;
    store.close().await;
    let verb = if new {
        "was taken up"
    } else {
        "is in use already"
    };
    say(&format!("trust bundle version {version} {verb}"))?;
    Ok(ExitCode::SUCCESS)
}

/// The name under which the record keeps what concerns no site: no site may be called so.
fn service_site() -> Result<SiteCode, RunError> {
    "keyd".parse().map_err(|_| RunError::RootHash)
}

struct Import {
    version: BundleVersion,
    payload: Sha256,
    package: BundlePackage,
    site: SiteCode,
    now: wardkey_schemas::time::Timestamp,
}

impl Work for Import {
    type Out = bool;

    async fn run(&mut self, tx: &mut Tx) -> Result<bool, StoreError> {
        let (version, payload) = (self.version, self.payload);
        let new = tx
            .insert_bundle(version, payload, &self.package, self.now)
            .await?;
        if new {
            tx.audit(Draft {
                at: self.now,
                site: self.site.clone(),
                event: "bundle.taken-up",
                actor: Actor::Service,
                object: Object::Site,
                code: None,
                detail: serde_json::json!({ "version": version, "payload": payload }),
            });
        }
        Ok(new)
    }
}

async fn put_back(command: Recover) -> Result<ExitCode, RunError> {
    let config = Config::load(&command.settings.config)?;
    let (wake, _) = mpsc::unbounded_channel();
    let store = Store::open(&config.database, wake).await?;
    let newest = store.newest_bundle().await?;
    store.close().await;
    let (version, package) = newest.ok_or(TrustError::NoBundle)?;
    let sources = Sources::within(&config.state, config.root);
    let now = clock::now();
    let trust = Trust::establish(package, version, &sources, now)?;
    let signers = trust::load_signers(&sources.keys, trust.bundle.realm())?;
    let from = if command.from.starts_with("http") {
        let roots = match &command.roots {
            Some(path) => pem::certificates(&std::fs::read(path).map_err(file(path))?),
            None => Vec::new(),
        };
        let endpoint = Endpoint {
            url: command.from.clone(),
            connect: None,
            roots,
            dates: Dates::Calendar,
        };
        Pieces::Service(Client::new(&endpoint)?, String::new())
    } else {
        Pieces::Folder(PathBuf::from(&command.from))
    };
    let witnesses = config.witnesses()?;
    let (site, look_only) = (service_site()?, command.look_only);
    let report = recover(
        &config.database,
        Arc::new(signers),
        &witnesses,
        &from,
        look_only,
        (site, now),
    )
    .await?;
    let (common, lost) = (report.common, report.lost.len());
    say(&format!(
        "{common} entries are the same here and in the mirror; {lost} were lost:"
    ))?;
    for line in &report.lost {
        say(&format!("  {line}"))?;
    }
    if look_only {
        return Ok(ExitCode::SUCCESS);
    }
    for line in &report.stopped {
        say(&format!("done again: {line}"))?;
    }
    for line in &report.by_hand {
        say(&format!("for people: {line}"))?;
    }
    say(&format!(
        "{} entries that were written here since have new places",
        report.kept
    ))?;
    Ok(ExitCode::SUCCESS)
}

async fn show_person(command: ShowPerson) -> Result<ExitCode, RunError> {
    let config = Config::load(&command.settings.config)?;
    let kept = personal::show(&config.database, command.person).await?;
    if command.json {
        let text = serde_json::to_string_pretty(&kept).map_err(std::io::Error::from)?;
        say(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    for row in &kept {
        let words = wardkey_told::shown(&row.words);
        say(&format!("{}  {}  {words}", row.at, row.kind))?;
    }
    if kept.is_empty() {
        say("nothing is kept")?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn erase_person(command: ErasePerson) -> Result<ExitCode, RunError> {
    let config = Config::load(&command.settings.config)?;
    let site = service_site()?;
    let erased = personal::erase(&config.database, command.person, site, clock::now())
        .await
        .map_err(RunError::Erase)?;
    let (details, rows) = (erased.details, erased.rows);
    say(&format!(
        "{details} names and notes were erased with their salts, and words in {rows} other rows"
    ))?;
    Ok(ExitCode::SUCCESS)
}

async fn examine(command: Doctor) -> Result<ExitCode, RunError> {
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

/// Rows of the list of what was not delivered.
const ROWS: u32 = 500;

async fn list_undelivered(command: NotificationsList) -> Result<ExitCode, RunError> {
    let config = Config::load(&command.settings.config)?;
    let (wake, _) = mpsc::unbounded_channel();
    let store = Store::open(&config.database, wake).await?;
    let rows = store.undelivered(ROWS).await?;
    store.close().await;
    if command.json {
        let text = serde_json::to_string_pretty(&rows).map_err(std::io::Error::from)?;
        say(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    for row in &rows {
        let next = row
            .due_at
            .map_or_else(|| "given up".to_owned(), |at| format!("again at {at}"));
        let error = row.error.as_deref().map(wardkey_told::shown);
        say(&format!(
            "{at}  {event:<14}  {site}  to {to}: {tries} tries, {next}; {error}",
            at = row.at,
            event = row.event.as_str(),
            site = row.site,
            to = row.endpoint,
            tries = row.tries,
            error = error.as_deref().unwrap_or("not tried yet"),
        ))?;
    }
    if rows.is_empty() {
        say("everything was delivered")?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn retry(config: &Config) -> Result<ExitCode, RunError> {
    let (wake, _) = mpsc::unbounded_channel();
    let store = Store::open(&config.database, wake).await?;
    let work = RetryDead { now: clock::now() };
    let (count, _) = store.write(Lane::Ordinary, work).await?;
    store.close().await;
    say(&format!("{count} will be tried again"))?;
    Ok(ExitCode::SUCCESS)
}

struct RetryDead {
    now: wardkey_schemas::time::Timestamp,
}

impl Work for RetryDead {
    type Out = u64;

    async fn run(&mut self, tx: &mut Tx) -> Result<u64, StoreError> {
        tx.retry_dead_notifications(self.now).await
    }
}

/// Tells a person why a command did not do its work.
pub fn complain(error: &RunError) {
    let mut text = format!("error: {}\n", on_one_line(error));
    if let Some(hint) = error.hint() {
        text.push_str("\nhint: ");
        text.push_str(hint);
        text.push('\n');
    }
    // Standard error that is closed has nobody to tell.
    drop(std::io::stderr().write_all(text.as_bytes()));
}
