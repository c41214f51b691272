//! The command line of keyd.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use wardkey_schemas::ids::PersonId;

/// The central service of Wardkey: it appraises laptops and security keys, gives leases, stops and
/// records.
#[derive(Debug, Parser)]
#[command(name = "keyd", version, max_term_width = 100)]
pub struct Cli {
    /// What is logged to standard error, for example `info` or `wardkey_keyd=debug,warn`.
    #[arg(long, global = true, default_value = "info", value_name = "FILTER")]
    pub log: String,
    /// Log lines as JSON.
    #[arg(long, global = true)]
    pub log_json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What keyd can be asked to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new service: folder, keys, settings, database, and a request for the root to sign.
    ///
    /// Nothing that exists is overwritten. Take the request to the root ceremony
    /// (`wardkey-ca root sign --service-authority …`), then import the bundle it gives.
    Init(Init),
    /// Run the service.
    ///
    /// Prints `ready address=… ops=…` once it listens. Stops on SIGTERM or Ctrl-C, letting requests
    /// finish.
    Serve(Settings),
    /// Bring the database schema up to date.
    Migrate(Settings),
    /// Take up a trust bundle from the root ceremony. A running service notices within seconds.
    Trust(TrustCommand),
    /// Put back what a restored database has forgotten, from a mirror of the record.
    ///
    /// Stop the service first. What was stopped is stopped again; what was let in is named and left to
    /// people. Run it with --look-only first to see what was lost.
    Recover(Recover),
    /// Look for what is wrong or soon will be: settings, keys, database, trust, record.
    Doctor(Doctor),
    /// What is kept of a person's name and words, and how it is erased.
    #[command(subcommand)]
    Person(PersonCommand),
    /// What other services were to be told and were not.
    #[command(subcommand)]
    Notifications(NotificationsCommand),
    /// Settings.
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// Where the settings are.
#[derive(Args, Debug)]
pub struct Settings {
    /// The file of settings.
    #[arg(
        long,
        short,
        value_name = "FILE",
        default_value = "/etc/wardkey/keyd.toml"
    )]
    pub config: PathBuf,
}

/// A new service.
#[derive(Args, Debug)]
pub struct Init {
    /// The folder to make; it will hold keys, settings and, unless set otherwise, the database.
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
    /// SHA-256 of the root's certificate, as the root ceremony printed it.
    #[arg(long, value_name = "HEX")]
    pub root_sha256: String,
}

/// A trust bundle.
#[derive(Args, Debug)]
pub struct TrustCommand {
    /// Where the settings are.
    #[command(flatten)]
    pub settings: Settings,
    /// The bundle, as the root ceremony wrote it (`bundle.json`).
    #[arg(value_name = "FILE")]
    pub bundle: PathBuf,
}

/// A recovery.
#[derive(Args, Debug)]
pub struct Recover {
    /// Where the settings are.
    #[command(flatten)]
    pub settings: Settings,
    /// The mirror: a folder, or the address of one that is served.
    #[arg(long, value_name = "DIR|URL")]
    pub from: String,
    /// Root certificates (PEM or DER) to believe for the address.
    #[arg(long, value_name = "FILE")]
    pub roots: Option<PathBuf>,
    /// Show what was lost, and change nothing.
    #[arg(long)]
    pub look_only: bool,
}

/// A look at everything.
#[derive(Args, Debug)]
pub struct Doctor {
    /// Where the settings are.
    #[command(flatten)]
    pub settings: Settings,
    /// The findings as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What to do about a person's name and words.
///
/// A person is named by the number that lists of security keys show with --json.
#[derive(Debug, Subcommand)]
pub enum PersonCommand {
    /// Show what is kept: names and notes, with what the record says of each.
    Show(ShowPerson),
    /// Erase name and notes of somebody who has left.
    ///
    /// All security keys of the person must be revoked before. The record stays as it was signed:
    /// it has salted hashes only, and the salts are erased too. This cannot be undone.
    Erase(ErasePerson),
}

/// A look at a person's words.
#[derive(Args, Debug)]
pub struct ShowPerson {
    /// Where the settings are.
    #[command(flatten)]
    pub settings: Settings,
    /// The person's number.
    #[arg(value_name = "PERSON")]
    pub person: PersonId,
    /// The list as JSON, with salts and hashes.
    #[arg(long)]
    pub json: bool,
}

/// Erasing a person's words.
#[derive(Args, Debug)]
pub struct ErasePerson {
    /// Where the settings are.
    #[command(flatten)]
    pub settings: Settings,
    /// The person's number.
    #[arg(value_name = "PERSON")]
    pub person: PersonId,
}

/// What to do with notifications that were not taken.
#[derive(Debug, Subcommand)]
pub enum NotificationsCommand {
    /// List what was not delivered, oldest first, and why.
    List(NotificationsList),
    /// Try again what was given up.
    Retry(Settings),
}

/// Notifications that were not delivered.
#[derive(Args, Debug)]
pub struct NotificationsList {
    /// Where the settings are.
    #[command(flatten)]
    pub settings: Settings,
    /// The list as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What to do with settings.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say everything that is wrong with a file of settings.
    Check(Settings),
}
