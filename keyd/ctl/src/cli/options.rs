//! What every command takes: where the settings are, and what to put in their place.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use wardkey_schemas::names::{SiteCode, TokenSerial};

const EVERYWHERE: &str = "For every command";
const SETTINGS: &str = "Settings (each also in the file of settings)";

const KEYD_URL: &str = "Address of the key service, such as https://keyd.wardkey.example:8443";
const READER_FILE: &str =
    "Where the permission to read is kept [default: in $XDG_RUNTIME_DIR/wardkey]";

/// Settings and how to speak with whoever called.
#[derive(Args, Clone, Debug, Default)]
pub struct Options {
    /// Print one JSON document on standard output instead of text
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub json: bool,
    /// The file of settings [default: wardkey/wardkey.toml in ~/.config, then in /etc]
    ///
    /// It says which site you work for, where its services are, and whom to trust: `site`,
    /// `root_certificate`, `root_sha256`, `[keyd] url`, `[ca] url`. Relative paths in it start at
    /// the file's folder.
    #[arg(
        long,
        short,
        global = true,
        help_heading = EVERYWHERE,
        env = "WARDKEY_CONFIG",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub config: Option<PathBuf>,
    /// Do not ask whether it is meant
    #[arg(long, short, global = true, help_heading = EVERYWHERE)]
    pub yes: bool,
    /// Use the security key with this serial number, where several are plugged in
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "NUMBER")]
    pub serial: Option<TokenSerial>,
    /// Read the PIN from this file descriptor, up to the end of its first line, instead of asking
    /// for it in a window
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "N")]
    pub pin_fd: Option<u32>,
    /// The program that asks for a PIN in a window [default: pinentry]
    #[arg(long, global = true, value_name = "PROGRAM", hide_short_help = true, help_heading = SETTINGS)]
    pub pinentry: Option<PathBuf>,
    /// Where the permission to read is kept.
    #[arg(long, global = true, help = READER_FILE, value_name = "FILE", hide_short_help = true, help_heading = SETTINGS)]
    pub reader_file: Option<PathBuf>,
    /// The site you work for, as in its security keys; `national` for the whole nation
    #[arg(long = "as-site", global = true, value_name = "CODE", hide_short_help = true, help_heading = SETTINGS)]
    pub site: Option<SiteCode>,
    /// Ask about this site; for people who work for the whole nation
    #[arg(long, global = true, value_name = "CODE", hide_short_help = true, help_heading = EVERYWHERE)]
    pub about: Option<SiteCode>,
    /// The installation's root certificate, DER or PEM
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true, help_heading = SETTINGS)]
    pub root_certificate: Option<PathBuf>,
    /// SHA-256 of the root certificate, 64 hexadecimal digits, or a file that holds them
    #[arg(long, global = true, value_name = "HEX", hide_short_help = true, help_heading = SETTINGS)]
    pub root_sha256: Option<String>,
    /// Address of the key service.
    #[arg(long, global = true, help = KEYD_URL, value_name = "URL", hide_short_help = true, help_heading = SETTINGS)]
    pub keyd_url: Option<String>,
    /// Where to connect for it, instead of asking DNS
    #[arg(long, global = true, value_name = "IP:PORT", hide_short_help = true, help_heading = SETTINGS)]
    pub keyd_connect: Option<SocketAddr>,
    /// Address of the site's authority; only `key enrol` needs it
    #[arg(long, global = true, value_name = "URL", hide_short_help = true, help_heading = SETTINGS)]
    pub ca_url: Option<String>,
    /// Where to connect for it, instead of asking DNS
    #[arg(long, global = true, value_name = "IP:PORT", hide_short_help = true, help_heading = SETTINGS)]
    pub ca_connect: Option<SocketAddr>,
    /// A further root to believe for TLS, for networks that inspect it
    #[arg(long = "extra-root", global = true, value_name = "FILE", hide_short_help = true, help_heading = SETTINGS)]
    pub extra_roots: Vec<PathBuf>,
    /// What is logged to standard error, for example `debug`
    #[arg(long, global = true, value_name = "FILTER", default_value = "warn", hide_short_help = true, help_heading = SETTINGS)]
    pub log: String,
}
