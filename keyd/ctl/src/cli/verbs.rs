//! What each command takes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};
use wardkey_schemas::ids::{ApprovalId, HoldId, PersonId};
use wardkey_schemas::names::{AssetTag, DisplayName, Note, SiteCode, TokenSerial};
use wardkey_schemas::order::{HoldClass, Mode};
use wardkey_schemas::phrase::Phrase;
use wardkey_schemas::role::Role;
use wardkey_tlog::key::{KeyName, VerifierKey};

use crate::target::Typed;

/// A tag as people type it: small letters do as well.
fn tag(text: &str) -> Result<AssetTag, String> {
    text.trim()
        .to_uppercase()
        .parse()
        .map_err(|error: wardkey_schemas::names::NameError| error.to_string())
}

/// A full number from a list or from what a command printed.
fn number<T: FromStr>(text: &str) -> Result<T, &'static str> {
    let parsed = text.trim().parse();
    parsed.map_err(|_| "this is no full number, such as 0193a7c2-5d1e-7b44-9c0f-2a6b1e8d4f70")
}

const TARGET_HELP: &str = "The tag on a laptop's lid, the serial number on a security key, or the \
                           full number from a list";

/// The orders to a laptop.
#[derive(Args, Debug)]
pub struct Orders {
    /// The tag on the laptop's lid, or its full number
    #[arg(value_name = "TAG")]
    pub laptop: Typed,
    /// Go on showing what changes until every order is done
    #[arg(long)]
    pub watch: bool,
}

/// The record.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Log {
    /// What to do with all of it; without one of these, the newest entries of the site are shown
    #[command(subcommand)]
    pub command: Option<LogCommand>,
    /// Only what came before this entry; the last line of the page before names it
    #[arg(long, value_name = "N")]
    pub before: Option<u64>,
}

/// What is done with the whole record. None of it believes the service: every entry is hashed here.
#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Check the whole record, and that it continues what was seen last time
    ///
    /// Names the first entry that does not fit. What was seen is remembered here, 32 bytes an entry.
    Verify(VerifyLog),
    /// Print a proof that an entry is in the record, to keep and to check without the service
    Prove(ProveLog),
    /// Check a proof that was kept, with the entry that it is about
    Check(CheckLog),
    /// Keep a copy of the record in a folder, checked entry by entry
    ///
    /// The folder can be served as it is (C2SP tlog-tiles), and keyd can be restored from it.
    Mirror(MirrorLog),
    /// Write the entries of one site, each with its proof
    Export(ExportLog),
}

/// Whose record, from where, on whose word.
#[derive(Args, Clone, Debug)]
pub struct LogSource {
    /// Read the record from this address or folder instead of the key service
    #[arg(long, value_name = "URL|DIR")]
    pub from: Option<String>,
    /// The log's key, where the key service cannot be asked for it
    #[arg(long, value_name = "NAME+NUMBER+KEY")]
    pub log_key: Option<VerifierKey>,
    /// Want the signature of this witness as well; may be given several times
    #[arg(long = "witness", value_name = "NAME+NUMBER+KEY")]
    pub witnesses: Vec<VerifierKey>,
}

/// A check of the whole record.
#[derive(Args, Debug)]
pub struct VerifyLog {
    /// Whose.
    #[command(flatten)]
    pub source: LogSource,
    /// Do not read again what was checked last time
    #[arg(long)]
    pub new_only: bool,
}

/// A proof.
#[derive(Args, Debug)]
pub struct ProveLog {
    /// Whose.
    #[command(flatten)]
    pub source: LogSource,
    /// The entry, by its number in the record
    #[arg(value_name = "ENTRY")]
    pub entry: u64,
}

/// A proof to check.
#[derive(Args, Debug)]
pub struct CheckLog {
    /// The log's key, where the key service cannot be asked for it
    #[arg(long, value_name = "NAME+NUMBER+KEY")]
    pub log_key: Option<VerifierKey>,
    /// Want the signature of this witness as well; may be given several times
    #[arg(long = "witness", value_name = "NAME+NUMBER+KEY")]
    pub witnesses: Vec<VerifierKey>,
    /// The file with the proof
    #[arg(value_name = "PROOF")]
    pub proof: PathBuf,
    /// The file with the entry, byte for byte
    #[arg(value_name = "ENTRY")]
    pub entry: PathBuf,
}

/// A copy of the record.
#[derive(Args, Debug)]
pub struct MirrorLog {
    /// Whose.
    #[command(flatten)]
    pub source: LogSource,
    /// The folder
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// Entries of a site.
#[derive(Args, Debug)]
pub struct ExportLog {
    /// Whose.
    #[command(flatten)]
    pub source: LogSource,
    /// A table (CSV, RFC 4180) instead of JSON
    #[arg(long)]
    pub csv: bool,
}

/// Being a witness of the record of an installation.
///
/// A witness signs each checkpoint that continues those it signed before, and no other. Let somebody
/// else run it than those who run the key service.
#[derive(Debug, Subcommand)]
pub enum WitnessCommand {
    /// Make a witness, and print the key by which others know it
    Init {
        /// The folder of the witness
        #[arg(long, value_name = "DIR")]
        state: PathBuf,
        /// Its name, for example witness.example.org
        #[arg(long, value_name = "NAME")]
        name: KeyName,
    },
    /// Print the key of a witness, and what it has seen of a log
    Show {
        /// The folder of the witness
        #[arg(long, value_name = "DIR")]
        state: PathBuf,
        /// The log
        #[arg(long, value_name = "NAME+NUMBER+KEY")]
        log_key: Option<VerifierKey>,
    },
    /// Listen, and sign what continues
    Serve(ServeWitness),
}

/// A witness at work. Prints `ready address=…` once it listens.
#[derive(Args, Debug)]
pub struct ServeWitness {
    /// The folder of the witness
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
    /// Where it listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8446")]
    pub listen: SocketAddr,
    /// The key of a log to look after; may be given several times
    #[arg(long = "log-key", value_name = "NAME+NUMBER+KEY", required = true)]
    pub logs: Vec<VerifierKey>,
    /// The certificate chain of the listener (PEM); without one, plain HTTP on a loopback address
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,
    /// Its key (PKCS#8, DER)
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
}

/// Who is meant: a person's full number, or the name that colleagues call them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Who {
    /// Their number.
    Number(PersonId),
    /// Their name.
    Name(String),
}

impl FromStr for Who {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let number = text.parse().map(Self::Number);
        Ok(number.unwrap_or_else(|_| Self::Name(text.to_owned())))
    }
}

/// What is stopped or let work again: exactly one of them.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct What {
    #[arg(value_name = "TARGET", help = TARGET_HELP)]
    /// A laptop or a security key.
    pub target: Option<Typed>,
    /// A person, with all their security keys at every site: their name or full number
    #[arg(long, value_name = "WHO")]
    pub person: Option<Who>,
    /// Every laptop of a site
    #[arg(long, value_name = "CODE")]
    pub site: Option<SiteCode>,
    /// Every laptop of every site
    #[arg(long)]
    pub national: bool,
}

/// A stop.
///
/// Lost and stolen take effect at once; a running visit ends. Staff may report what is lost or
/// stolen; the other reasons are for team leads and security officers. What was lost, stolen or
/// part of an incident comes back only when two people of different roles agree.
///
/// What the stop would do is shown before you touch your key: which visits end, and who else must
/// agree. --dry-run shows that and does nothing. One security officer alone may block all new starts
/// of a site (--after-this-call); ending its running visits takes a second person, and whatever is
/// national takes two national administrators. Then the command prints the number of the request and
/// ends with exit code 3; the second person runs `wardkey agree` with their own security key.
#[derive(Args, Debug)]
pub struct Stop {
    /// What to stop.
    #[command(flatten)]
    pub what: What,
    /// Why.
    #[command(flatten)]
    pub reason: Reason,
    /// Let a running visit finish; nothing new starts
    #[arg(long, conflicts_with_all = ["lost", "stolen"])]
    pub after_this_call: bool,
    /// Show what the stop would do, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// In your own words, for the record; no names of patients
    #[arg(long, value_name = "TEXT")]
    pub note: Option<Note>,
    /// Show each laptop stop, or until when it can run
    #[arg(long)]
    pub watch: bool,
}

impl Stop {
    /// When it takes effect.
    pub const fn mode(&self) -> Mode {
        if self.after_this_call {
            Mode::AfterThisCall
        } else {
            Mode::Immediate
        }
    }
}

/// Why something is stopped: exactly one of them.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own on the command line, and the group allows one"
)]
#[derive(Args, Clone, Copy, Debug)]
#[group(required = true, multiple = false)]
pub struct Reason {
    /// It is lost
    #[arg(long)]
    pub lost: bool,
    /// It was stolen
    #[arg(long)]
    pub stolen: bool,
    /// It is part of an incident at the site
    #[arg(long)]
    pub incident: bool,
    /// Somebody may have misused it
    #[arg(long)]
    pub misuse: bool,
    /// It is being repaired or exchanged
    #[arg(long)]
    pub maintenance: bool,
    /// Something else; say what with --note
    #[arg(long, requires = "note")]
    pub other: bool,
}

impl Reason {
    /// The class of the hold; `None` if no flag was given, which the command line does not allow.
    pub fn class(&self) -> Option<HoldClass> {
        [
            (self.lost, HoldClass::Lost),
            (self.stolen, HoldClass::Stolen),
            (self.incident, HoldClass::Incident),
            (self.misuse, HoldClass::Misuse),
            (self.maintenance, HoldClass::Maintenance),
            (self.other, HoldClass::Other),
        ]
        .into_iter()
        .find_map(|(given, class)| given.then_some(class))
    }
}

/// Reporting a loss.
///
/// Name the laptop by the tag on its lid, the security key by the number printed on it, or both if
/// both are gone: that is one report. Everybody but auditors may report, and needs to look nothing
/// up. It takes effect at once; a running visit ends. What was lost comes back only when two people
/// of different roles agree.
///
/// This is about USB security keys. If a cell or gate key is missing, do what your site says for
/// those; it is not reported here.
#[derive(Args, Debug)]
pub struct Lost {
    /// The tag on the laptop's lid
    #[arg(value_name = "TAG", value_parser = tag, required_unless_present = "key")]
    pub laptop: Option<AssetTag>,
    /// The serial number printed on the security key
    #[arg(long, value_name = "SERIAL")]
    pub key: Option<TokenSerial>,
    /// It was stolen
    #[arg(long)]
    pub stolen: bool,
    /// Somebody may know the PIN of the security key
    #[arg(long, requires = "key")]
    pub pin_known: bool,
    /// In your own words, for the record; no names of patients
    #[arg(long, value_name = "TEXT")]
    pub note: Option<Note>,
    /// Show the laptops stop: sent, received, stopped
    #[arg(long)]
    pub watch: bool,
}

/// Letting something work again.
///
/// Without --hold every stop that stands is lifted. What was lost or stolen is enrolled again before
/// it opens anything. Where a second person must agree, the command
/// prints the number of the request and ends with exit code 3; the second person then runs
/// `wardkey agree` with their own security key.
#[derive(Args, Debug)]
pub struct Resume {
    /// What may work again.
    #[command(flatten)]
    pub what: What,
    /// Lift this stop only; may be given several times [default: all that stand]
    #[arg(long = "hold", value_name = "ID", value_parser = number::<HoldId>)]
    pub holds: Vec<HoldId>,
    /// In your own words, for the record; no names of patients
    #[arg(long, value_name = "TEXT")]
    pub note: Option<Note>,
    /// Show the laptop take note
    #[arg(long)]
    pub watch: bool,
}

/// Taking a stop back.
///
/// A stop for misuse, maintenance or another everyday reason can be taken back by whoever placed it,
/// within ten minutes, in one step. The stop printed its number; lists show it too.
#[derive(Args, Debug)]
pub struct Undo {
    /// The number of the hold
    #[arg(value_name = "HOLD", value_parser = number::<HoldId>)]
    pub hold: HoldId,
    /// In your own words, for the record; no names of patients
    #[arg(long, value_name = "TEXT")]
    pub note: Option<Note>,
    /// Show the laptop take note
    #[arg(long)]
    pub watch: bool,
}

/// Agreeing to what another person has asked for.
///
/// What they signed is shown first, as they signed it: whose word it is, what is done, and why. You
/// sign exactly that.
#[derive(Args, Debug)]
pub struct Agree {
    /// The number of the request, as `wardkey requests` lists it
    #[arg(value_name = "REQUEST", value_parser = number::<ApprovalId>)]
    pub request: ApprovalId,
    /// Show the laptops stop or take note
    #[arg(long)]
    pub watch: bool,
}

/// A line for the people in front of a laptop.
#[derive(Args, Debug)]
pub struct Message {
    /// The tag on the laptop's lid, or its full number
    #[arg(value_name = "TAG")]
    pub laptop: Typed,
    /// What they read; no names of patients
    #[arg(value_name = "TEXT")]
    pub text: Note,
    /// Show it arrive
    #[arg(long)]
    pub watch: bool,
}

/// Taking something out of use.
///
/// What was revoked never comes back: a laptop is enrolled anew, a security key is reset first. With
/// --person all their security keys are revoked, at every site.
/// Only security officers and national administrators can do this.
#[derive(Args, Debug)]
pub struct Revoke {
    /// What to revoke.
    #[command(flatten)]
    pub what: What,
    /// In your own words, for the record; no names of patients
    #[arg(long, value_name = "TEXT")]
    pub note: Option<Note>,
    /// Show each laptop stop, or until when it can run
    #[arg(long)]
    pub watch: bool,
}

/// Letting somebody go who leaves the site.
///
/// All their security keys are out of use at your site from that moment on; a running visit may
/// finish, within an hour. Keys that they use at no other site can be enrolled for somebody else. Team
/// leads do this for staff and leads, security officers for everybody. Somebody who must be stopped at
/// once has their security keys stopped or revoked instead.
#[derive(Args, Debug)]
pub struct Leaver {
    /// The serial number printed on one of their security keys, or their number from `wardkey keys`
    #[arg(value_name = "PERSON")]
    pub person: Typed,
    /// In your own words, for the record; no names of patients
    #[arg(long, value_name = "TEXT")]
    pub note: Option<Note>,
}

/// Ending a visit.
///
/// Nothing is stopped for longer: the next visit can begin at once. Staff end their own visits,
/// team leads and security officers any of the site.
#[derive(Args, Debug)]
pub struct End {
    /// The visit's number, or the tag of the laptop it runs on
    #[arg(value_name = "SESSION")]
    pub session: Typed,
    /// In your own words, for the record; no names of patients
    #[arg(long, value_name = "TEXT")]
    pub note: Option<Note>,
    /// Show the laptop end it
    #[arg(long)]
    pub watch: bool,
}

/// Confirming an enrolment.
#[derive(Debug, Subcommand)]
pub enum Confirm {
    /// Confirm a laptop: its tag and the four words on its screen
    ///
    /// Read both yourself, from its lid and its screen. If the words differ from those you see
    /// there, stop and tell your security officer.
    Laptop(ConfirmLaptop),
    /// Confirm a security key: its serial number and the four words on the screen where it was
    /// enrolled
    Key(ConfirmKey),
}

/// A laptop to confirm.
#[derive(Args, Debug)]
pub struct ConfirmLaptop {
    /// The tag on its lid
    #[arg(value_name = "TAG", value_parser = tag)]
    pub tag: AssetTag,
    /// The four words on its screen
    #[arg(long, value_name = "WORDS")]
    pub phrase: Phrase,
}

/// A security key to confirm.
#[derive(Args, Debug)]
pub struct ConfirmKey {
    /// The serial number printed on it, or its full number
    #[arg(value_name = "SERIAL")]
    pub key: Typed,
    /// The four words on the screen where it was enrolled
    #[arg(long, value_name = "WORDS")]
    pub phrase: Phrase,
}

/// What is done with the site's policy.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Show the site's policy beside the installation's, and what is in force
    Show,
}

/// What is done with security keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Enrol a new security key for somebody, on your own word
    Enrol(Enrol),
    /// Say that a security key is the site's spare, or that it is one no longer
    Spare(Spare),
    /// Show the security key that is plugged in: whose it is, for what, until when
    Show,
}

/// Marking the site's spare security key.
///
/// A spare lies sealed in the safe, for the day on which somebody's own is missing or broken. It opens
/// what any key of its role opens. Each use of it is told: to whoever your site has named for that,
/// and in the record. Have it sealed again then.
#[derive(Args, Debug)]
pub struct Spare {
    /// The serial number printed on it, or its full number
    #[arg(value_name = "SERIAL")]
    pub key: Typed,
    /// It is the spare no longer
    #[arg(long)]
    pub no_longer: bool,
    /// In your own words, for the record: the number of the seal, say
    #[arg(long, value_name = "TEXT")]
    pub note: Option<Note>,
}

/// Enrolling a security key.
///
/// You need the new security key, its holder, who chooses its PIN, and your own security key, with
/// which you vouch for them. Have both plugged in, or one after the other: the program says when to
/// change them. It ends with four words; somebody reads them out to a team lead or security officer
/// who types them into `wardkey confirm key`. Until then the key opens nothing.
///
/// Here --serial names the new security key, and --voucher-serial yours.
#[derive(Args, Debug)]
pub struct Enrol {
    /// What its holder does: staff, lead, security-officer or auditor
    #[arg(long, value_name = "ROLE")]
    pub role: Role,
    /// What colleagues call its holder, somebody new here
    #[arg(long, required_unless_present = "person", conflicts_with = "person")]
    pub name: Option<DisplayName>,
    /// The number of its holder, somebody who has a security key already
    #[arg(long, value_name = "ID", value_parser = number::<PersonId>)]
    pub person: Option<PersonId>,
    /// Serial number of your own security key, where it cannot be told from the new one
    #[arg(long, value_name = "NUMBER")]
    pub voucher_serial: Option<TokenSerial>,
    /// Reset the new security key first if it was used before: every key on it is lost
    #[arg(long)]
    pub reset: bool,
    /// Read the new PIN from this file descriptor instead of asking for it twice in a window
    #[arg(long, value_name = "N")]
    pub new_pin_fd: Option<u32>,
}
