//! The command line: what can be typed, and the help that teaches it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use wardkey_schemas::ids::RoomId;
use wardkey_schemas::names::{AssetTag, Note, TokenSerial};
use wardkey_told::LEGEND;

const ABOUT: &str = "Enrol this laptop, start visits on it, and see how it stands";

const LONG_ABOUT: &str = "\
Enrol this laptop, start visits on it, and see how it stands.

A laptop is enrolled once, by a team lead who stands beside it with their security key. From then on \
the agent runs in the background (`run`), and staff start a visit with their own security key, its \
PIN and a touch.";

const EXAMPLES: &str = "\
Examples:
  wardkey-agent enrol --asset HMP-X-03     enrol this laptop, the lead's security key plugged in
  wardkey-agent activate                   start a visit in a new room
  wardkey-agent activate --move            go on here with the visit of another laptop
  wardkey-agent status --watch             how things stand, and again whenever that changes
  wardkey-agent report-lost HMP-X-04       a laptop is missing: stop it now
  wardkey-agent doctor                     look for what is wrong";

/// What is typed.
#[derive(Debug, Parser)]
#[command(
    name = "wardkey-agent",
    version,
    about = ABOUT,
    long_about = LONG_ABOUT,
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{LEGEND}"),
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
)]
pub struct Cli {
    /// Settings for every command.
    #[command(flatten)]
    pub options: Options,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EVERY: &str = "Options of every command";

/// What every command takes.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The file of settings
    #[arg(
        long,
        short,
        global = true,
        env = "WARDKEY_AGENT_CONFIG",
        hide_env_values = true,
        default_value = "/etc/wardkey/agent.toml",
        value_name = "FILE",
        help_heading = EVERY
    )]
    pub config: PathBuf,
    /// Print one JSON document on standard output instead of text
    #[arg(long, global = true, help_heading = EVERY)]
    pub json: bool,
    /// What is logged to standard error, for example `debug` [default: info for `run`, else warn]
    #[arg(long, global = true, value_name = "FILTER", help_heading = EVERY)]
    pub log: Option<String>,
    /// Write the log as JSON, one object a line
    #[arg(long, global = true, help_heading = EVERY)]
    pub log_json: bool,
}

impl Options {
    /// The filter of the log for `command`.
    pub fn log_for(&self, command: &Command) -> &str {
        match (&self.log, command) {
            (Some(log), _) => log,
            (None, Command::Run) => "info",
            (None, _) => "warn",
        }
    }
}

/// Where a PIN comes from.
#[derive(Args, Clone, Copy, Debug)]
pub struct PinSource {
    /// Read the PIN from this file descriptor, up to the end of its first line, instead of asking
    /// for it in a window
    #[arg(long, value_name = "N")]
    pub pin_fd: Option<u32>,
}

/// Whose security key, and how long it is waited for.
#[derive(Args, Clone, Copy, Debug)]
pub struct Which {
    /// Use the security key with this serial number [default: the one that was plugged in last]
    #[arg(long, value_name = "NUMBER")]
    pub serial: Option<TokenSerial>,
    /// Wait so long for a security key, and for an agent that is getting ready
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = parse_seconds)]
    pub wait: Duration,
    /// Where the PIN comes from.
    #[command(flatten)]
    pub pin: PinSource,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Enrol this laptop, with a team lead's security key plugged in
    ///
    /// Run it as root, or as the owner of the laptop's identity file. Four words are shown; the
    /// laptop opens nothing before they were confirmed on another screen. A laptop whose last
    /// enrolment is in quarantine is enrolled again as the same one.
    Enrol(Enrol),
    /// Run the agent until it is asked to end
    Run,
    /// Start a visit
    Activate(Activate),
    /// Give the running visit more time
    ///
    /// With another security key than before, its holder takes the visit over.
    #[command(visible_alias = "takeover")]
    Extend(Which),
    /// End the running visit
    End,
    /// Renew the lease of the running visit now
    ///
    /// The agent does this by itself; operators may want to see that it works.
    Renew,
    /// See how things stand
    Status(Status),
    /// Report a laptop, a security key or both lost, with your own security key
    ///
    /// Any laptop and any security key of the site will do. It takes effect at once. Only two people
    /// with different roles can let it work again. This is about USB security keys: if a cell or gate
    /// key is missing, do what your site says for those.
    ReportLost(ReportLost),
    /// Look at the security key that is plugged in: firmware, PIN, role, until when
    ///
    /// Needs no PIN, no network and no running agent. Its certificate is judged by what the laptop
    /// believed last.
    Key,
    /// Look for what is wrong: settings, trust, reader, security chip, gate, network
    Doctor,
}

/// `enrol`
#[derive(Args, Clone, Debug)]
pub struct Enrol {
    /// The tag on the laptop's lid, such as HMP-X-03
    #[arg(long, value_name = "TAG")]
    pub asset: AssetTag,
    /// Use the lead's security key with this serial number, where several are plugged in
    #[arg(long, value_name = "NUMBER")]
    pub serial: Option<TokenSerial>,
    /// Where the PIN comes from.
    #[command(flatten)]
    pub pin: PinSource,
}

/// `report-lost`
#[derive(Args, Clone, Debug)]
pub struct ReportLost {
    /// The tag on the lost laptop's lid
    #[arg(value_name = "TAG", required_unless_present = "key")]
    pub laptop: Option<AssetTag>,
    /// The serial number printed on the lost security key
    #[arg(long, value_name = "NUMBER")]
    pub key: Option<TokenSerial>,
    /// It was stolen
    #[arg(long)]
    pub stolen: bool,
    /// Somebody may know the PIN of the lost security key
    #[arg(long, requires = "key")]
    pub pin_known: bool,
    /// In your own words, for the record; no names of patients
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub note: Note,
    /// Use your own security key with this serial number, where several are plugged in
    #[arg(long, value_name = "NUMBER")]
    pub serial: Option<TokenSerial>,
    /// Where the PIN comes from.
    #[command(flatten)]
    pub pin: PinSource,
}

/// `activate`
#[derive(Args, Clone, Copy, Debug)]
pub struct Activate {
    /// The number of the room [default: a new room]
    #[arg(long, value_name = "ID")]
    pub room: Option<RoomId>,
    /// Go on here with the visit that runs with this security key on another laptop
    ///
    /// The visit there ends, its room stays open, and a laptop that is dead does not stand in the way.
    #[arg(long = "move", conflicts_with = "room")]
    pub move_here: bool,
    /// With which key.
    #[command(flatten)]
    pub key: Which,
}

/// `status`
#[derive(Args, Clone, Copy, Debug)]
pub struct Status {
    /// Go on, and show it again whenever it changes
    #[arg(long)]
    pub watch: bool,
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .map(Duration::from_secs)
        .map_err(|_| "a whole number of seconds is wanted".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(line: &str) -> Result<Cli, ErrorKind> {
        let words = std::iter::once("wardkey-agent").chain(line.split_whitespace());
        Cli::try_parse_from(words).map_err(|error| error.kind())
    }

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn settings_may_stand_before_or_after_the_command() {
        for line in [
            "--config a.toml --json status",
            "status --json --config a.toml",
        ] {
            let cli = parse(line).unwrap();
            assert!(cli.options.json, "{line}");
            assert_eq!(cli.options.config.to_str(), Some("a.toml"));
        }
        let cli = parse("end").unwrap();
        assert_eq!(cli.options.config.to_str(), Some("/etc/wardkey/agent.toml"));
    }

    #[test]
    fn a_laptop_is_enrolled_with_its_tag() {
        let cli = parse("enrol --asset HMP-X-03 --pin-fd 3").unwrap();
        let Command::Enrol(enrol) = cli.command else {
            panic!("another command");
        };
        assert_eq!(enrol.asset.as_str(), "HMP-X-03");
        assert_eq!(enrol.pin.pin_fd, Some(3));
        assert_eq!(
            parse("enrol").unwrap_err(),
            ErrorKind::MissingRequiredArgument
        );
        assert_eq!(
            parse("enrol --asset ../etc").unwrap_err(),
            ErrorKind::ValueValidation
        );
    }

    #[test]
    fn a_visit_moves_into_its_own_room() {
        let Command::Activate(activate) = parse("activate --move").unwrap().command else {
            panic!("another command");
        };
        assert!(activate.move_here);
        assert_eq!(
            parse("activate --move --room 00000000-0000-4000-8000-000000000001").unwrap_err(),
            ErrorKind::ArgumentConflict
        );
        assert!(matches!(
            parse("takeover").unwrap().command,
            Command::Extend(_)
        ));
    }

    #[test]
    fn the_agent_says_more_in_its_log_than_a_command() {
        let log = |line: &str| {
            let cli = parse(line).unwrap();
            cli.options.log_for(&cli.command).to_owned()
        };
        assert_eq!(log("run"), "info");
        assert_eq!(log("status"), "warn");
        assert_eq!(log("--log debug run"), "debug");
    }

    #[test]
    fn a_pin_cannot_be_typed_as_an_argument() {
        assert_eq!(
            parse("activate --pin 583619").unwrap_err(),
            ErrorKind::UnknownArgument
        );
    }
}
