//! The command line: what can be typed, and the help that teaches it.

mod options;
mod status;
mod verbs;

use clap::{Parser, Subcommand};
use wardkey_told::LEGEND;

pub use self::options::Options;
pub use self::status::{StatusCommand, StatusOptions, StatusShow};
pub use self::verbs::{
    Agree, CheckLog, Confirm, ConfirmKey, ConfirmLaptop, End, Enrol, ExportLog, KeyCommand, Leaver,
    Log, LogCommand, LogSource, Lost, Message, MirrorLog, Orders, PolicyCommand, ProveLog, Reason,
    Resume, Revoke, ServeWitness, Spare, Stop, Undo, VerifyLog, What, Who, WitnessCommand,
};

const ABOUT: &str = "See the laptops and security keys of your site, stop them, and let them work \
                     again";

const LONG_ABOUT: &str = "\
See the laptops and security keys of your site, stop them, and let them work again.

Everything that changes something is signed by your own security key: plug it in, type its PIN, \
touch it when it blinks. To look at lists you do that once; then the program may read on your \
behalf for a quarter of an hour.

A laptop is named by the tag on its lid (HMP-X-03), a security key by the serial number printed on \
it (33162554); the long numbers that lists show with --json work as well.";

const EXAMPLES: &str = "\
Examples:
  wardkey devices                          what the site has, and how it stands
  wardkey stop HMP-X-03 --lost --watch     stop a lost laptop and see it stop
  wardkey lost HMP-X-03 --key 33162554     report a laptop and a security key lost, as one
  wardkey stop 33162554 --stolen           stop a stolen security key
  wardkey stop --site hmp-xyz --incident --after-this-call --dry-run
                                           what blocking all new starts would do
  wardkey resume HMP-X-03                  let it work again
  wardkey confirm laptop HMP-X-03 --phrase \"river candle north garden\"";

/// What is typed.
#[derive(Debug, Parser)]
#[command(
    name = "wardkey",
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

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the site's laptops
    #[command(visible_alias = "laptops")]
    Devices,
    /// List the site's security keys
    Keys,
    /// List the site's visits, newest first
    Sessions,
    /// Show the orders to one laptop: sent, received, done
    Orders(Orders),
    /// Show the record of what happened, newest first; check it, prove it, keep a copy
    Log(Log),
    /// Show how long things last at the site, and who must agree
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Stop a laptop, a security key, a person, a site or the nation
    Stop(Stop),
    /// Report a laptop, a security key or both lost, and see what to do next
    Lost(Lost),
    /// Let it work again
    Resume(Resume),
    /// Take a stop back that you placed a moment ago
    Undo(Undo),
    /// Take a laptop, a security key or a person's keys out of use, for good
    Revoke(Revoke),
    /// Let somebody go who leaves: all their security keys
    Leaver(Leaver),
    /// End one visit
    End(End),
    /// Show staff a line on a laptop
    Message(Message),
    /// List what waits for a second person
    Requests,
    /// Agree, as the second person, to what somebody has asked for
    Agree(Agree),
    /// List what somebody should look at
    Alerts,
    /// Confirm what was enrolled on another screen
    #[command(subcommand)]
    Confirm(Confirm),
    /// Enrol a security key, or look at the one that is plugged in
    #[command(subcommand)]
    Key(KeyCommand),
    /// Fetch and check the signed lists of what may be used and what was stopped
    #[command(subcommand)]
    Status(StatusCommand),
    /// Let this program read on your behalf for a quarter of an hour
    ///
    /// Commands that show lists do this by themselves when it is needed.
    Login,
    /// Forget the permission to read
    Logout,
    /// Be a witness of the record of an installation
    #[command(subcommand)]
    Witness(WitnessCommand),
    /// Look for what is wrong: settings, network, trust, reader, security key
    Doctor,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use clap::error::ErrorKind;
    use wardkey_schemas::order::{HoldClass, Mode};

    use super::*;

    fn parse(line: &str) -> Result<Cli, ErrorKind> {
        let words = std::iter::once("wardkey").chain(line.split_whitespace());
        Cli::try_parse_from(words).map_err(|error| error.kind())
    }

    fn stop(line: &str) -> Stop {
        let Command::Stop(stop) = parse(line).unwrap().command else {
            panic!("{line} is another command");
        };
        stop
    }

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_example_can_be_typed() {
        let examples = EXAMPLES
            .lines()
            .filter(|line| line.starts_with("  wardkey"));
        for line in examples {
            let typed = line.trim().split("   ").next().unwrap();
            // Between quotation marks, blanks belong to the word.
            let parts = typed.split('"').enumerate();
            let words = parts.flat_map(|(place, part)| {
                if place % 2 == 1 {
                    vec![part]
                } else {
                    part.split_whitespace().collect()
                }
            });
            assert!(Cli::try_parse_from(words).is_ok(), "{typed}");
        }
    }

    #[test]
    fn a_stop_has_exactly_one_reason() {
        for (reason, class) in [
            ("--lost", HoldClass::Lost),
            ("--stolen", HoldClass::Stolen),
            ("--incident", HoldClass::Incident),
            ("--misuse", HoldClass::Misuse),
            ("--maintenance", HoldClass::Maintenance),
            ("--other --note dropped", HoldClass::Other),
        ] {
            let stop = stop(&format!("stop HMP-X-03 {reason}"));
            assert_eq!(stop.reason.class(), Some(class), "{reason}");
            assert_eq!(stop.mode(), Mode::Immediate, "{reason}");
        }
        assert_eq!(
            parse("stop HMP-X-03").unwrap_err(),
            ErrorKind::MissingRequiredArgument
        );
        assert_eq!(
            parse("stop HMP-X-03 --lost --stolen").unwrap_err(),
            ErrorKind::ArgumentConflict
        );
    }

    #[test]
    fn what_is_lost_does_not_wait_for_the_end_of_a_call() {
        let after = stop("stop HMP-X-03 --maintenance --after-this-call");
        assert_eq!(after.mode(), Mode::AfterThisCall);
        for reason in ["--lost", "--stolen"] {
            let line = format!("stop HMP-X-03 {reason} --after-this-call");
            assert_eq!(parse(&line).unwrap_err(), ErrorKind::ArgumentConflict);
        }
    }

    #[test]
    fn another_reason_must_be_written_down() {
        assert_eq!(
            parse("stop HMP-X-03 --other").unwrap_err(),
            ErrorKind::MissingRequiredArgument
        );
    }

    #[test]
    fn a_phrase_is_checked_before_a_key_is_touched() {
        let line = |phrase: &str| {
            Cli::try_parse_from(["wardkey", "confirm", "key", "1", "--phrase", phrase])
                .map(|_| ())
                .map_err(|error| error.kind())
        };
        assert_eq!(line("able able able able"), Ok(()));
        assert_eq!(
            line("able able able xyzzy"),
            Err(ErrorKind::ValueValidation)
        );
        assert_eq!(line("able"), Err(ErrorKind::ValueValidation));
    }
}
