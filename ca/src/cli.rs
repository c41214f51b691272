//! The command line of `wardkey-ca`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::names::{Realm, SiteCode};

use crate::ceremony::RootCommand;
use crate::lead::LeadArguments;

/// One site's key authority, and the root ceremony that all sites begin with.
///
/// A new site, in this order: `init` makes its keys and a request; `root sign certificate` at the
/// root ceremony certifies it, and `root sign bundle` says so to everybody; `certificate` takes that
/// into use; `lead` enrols the first team lead in person; `serve` then enrols laptops and keys.
#[derive(Debug, Parser)]
#[command(name = "wardkey-ca", version, max_term_width = 100)]
pub struct Cli {
    /// What is logged to standard error, for example `info` or `wardkey_ca=debug,warn`.
    #[arg(long, global = true, default_value = "info", value_name = "FILTER")]
    pub log: String,
    /// Log lines as JSON.
    #[arg(long, global = true)]
    pub log_json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new authority: folder, keys, journal, settings, and a request for the root to sign.
    ///
    /// Nothing that exists is overwritten. Take `site-request.json` to the root ceremony
    /// (`wardkey-ca root sign certificate --site-request …`), and read its fingerprint aloud there.
    Init(Init),
    /// Take into use the trust bundle in which the root has certified this authority.
    ///
    /// Newer bundles later come the same way, or by themselves from keyd. A running service notices
    /// within seconds.
    Certificate(Certificate),
    /// Enrol one of the site's first people in person: a lead or a security officer.
    ///
    /// Makes a key in the security key that is plugged in, prints `ready first-key=FILE`, waits for the
    /// charter that names the key, and has it certified. Leave it running and the key plugged in.
    Lead(LeadArguments),
    /// Run the service that laptops and enrolment programs talk to.
    ///
    /// Prints `ready address=…` once it listens. Stops on SIGTERM or Ctrl-C, letting requests finish.
    Serve(Settings),
    /// The root ceremony: on a machine that is never on a network.
    #[command(subcommand)]
    Root(RootCommand),
    /// List what this authority was about to sign, and what became of it.
    Journal(Journal),
    /// Look for what is wrong or soon will be: settings, keys, journal, trust, keyd, first leads.
    Doctor(Doctor),
    /// Settings.
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// Where the settings are.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// The file of settings.
    #[arg(
        long,
        short,
        value_name = "FILE",
        default_value = "/etc/wardkey/ca.toml"
    )]
    pub config: PathBuf,
}

/// A new authority.
#[derive(Args, Debug)]
pub struct Init {
    /// The folder to make; it will hold keys, settings, makers' certificates and the journal.
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
    /// The site's code: small letters, digits and hyphens, for example `hmp-xyz`.
    #[arg(long, value_name = "CODE")]
    pub site: SiteCode,
    /// The realm that all sites share, for example `wardkey.example.nhs.uk`.
    #[arg(long, value_name = "DOMAIN")]
    pub realm: Realm,
    /// SHA-256 of the root's certificate, as the root ceremony printed it.
    #[arg(long, value_name = "HEX", value_parser = root_sha256)]
    pub root_sha256: Sha256,
    /// keyd's base address.
    #[arg(long, value_name = "URL")]
    pub keyd_url: String,
    /// Where keyd is, instead of asking DNS.
    #[arg(long, value_name = "IP:PORT")]
    pub keyd_connect: Option<SocketAddr>,
    /// Where to listen.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8444")]
    pub listen: SocketAddr,
}

fn root_sha256(text: &str) -> Result<Sha256, &'static str> {
    Sha256::from_hex(text.trim()).map_err(|_| "it must be 64 hexadecimal digits")
}

/// A trust bundle that certifies this authority.
#[derive(Args, Debug)]
pub struct Certificate {
    /// Where the settings are.
    #[command(flatten)]
    pub settings: Settings,
    /// The bundle, as the root ceremony wrote it (`bundle.json`).
    #[arg(long, value_name = "FILE")]
    pub bundle: PathBuf,
}

/// What was signed.
#[derive(Args, Debug)]
pub struct Journal {
    /// Where the settings are.
    #[command(flatten)]
    pub settings: Settings,
    /// How many to list; the newest come first.
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    pub most: u32,
    /// Everything that is known of each, as JSON.
    #[arg(long)]
    pub json: bool,
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

/// What to do with settings.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say everything that is wrong with a file of settings.
    Check(Settings),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_root_is_pinned_by_its_whole_hash_or_not_at_all() {
        let parse = |hash: &str| {
            Cli::try_parse_from([
                "wardkey-ca",
                "init",
                "--state",
                "ca",
                "--site",
                "hmp-x",
                "--realm",
                "a.example",
                "--keyd-url",
                "https://keyd.a.example",
                "--root-sha256",
                hash,
            ])
        };
        let hash = Sha256::of(b"root").to_hex();
        assert!(parse(&hash).is_ok());
        assert!(parse(&hash[..63]).is_err());
        assert!(parse("").is_err());
    }
}
