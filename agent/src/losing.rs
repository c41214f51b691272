//! Reporting a loss from this laptop, with any security key of its site
//! (`docs/walkthroughs/stop.md`).
//!
//! A program of its own, which needs no running agent and no enrolled laptop: whoever misses
//! something takes the nearest laptop. What is reported is signed by the person's own security key,
//! as at a desk; keyd looks both things up within the site of its certificate.

use serde::Serialize;
use wardkey_edge::client::Client;
use wardkey_schemas::action::{Act, Action, ActionAnswer, ActionChallenge, Outcome};
use wardkey_schemas::bundle::{BundlePackage, ServiceKeys};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::names::{AssetTag, Note, TokenSerial};
use wardkey_schemas::order::SignedAct;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};
use wardkey_token::pin_entry::PinEntry;

use crate::config::Config;
use crate::failure::Failure;
use crate::files::StateFolder;
use crate::holder::{Holder, Tell};
use crate::root::Root;
use crate::trust_file::{self, Trusted};

/// What is missed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// The tag on the laptop's lid.
    pub laptop: Option<AssetTag>,
    /// The number on the security key.
    pub key: Option<TokenSerial>,
    /// Whether it was stolen.
    pub stolen: bool,
    /// Whether somebody may know the PIN of the key.
    pub pin_known: bool,
    /// In the person's own words.
    pub note: Note,
    /// The reporter's own security key, where several are plugged in.
    pub serial: Option<TokenSerial>,
}

/// A loss that was reported.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Reported {
    /// What was reported.
    pub laptop: Option<AssetTag>,
    /// The same of a security key.
    pub key: Option<TokenSerial>,
    /// How many laptops were told at once.
    pub orders: usize,
    /// Its entry in the record.
    pub leaf: Sha256,
    /// When it was on record.
    pub committed_at: Timestamp,
}

impl Report {
    /// The things by their names.
    pub fn name(&self) -> String {
        match (&self.laptop, self.key) {
            (Some(tag), Some(serial)) => format!("laptop {tag} and security key {serial}"),
            (Some(tag), None) => format!("laptop {tag}"),
            (None, Some(serial)) => format!("security key {serial}"),
            (None, None) => "nothing".to_owned(),
        }
    }
}

/// Reports it.
///
/// # Errors
///
/// `ROOT_NOT_PINNED`, `ROOT_MISMATCH`; `TOKEN_…`, `PIN_…`; whatever keyd refuses;
/// [`Failure::NotBelieved`] for what is not genuine; [`Failure::Unreachable`].
pub async fn report(
    config: &Config,
    report: &Report,
    mut pins: PinEntry,
    tell: Tell<'_>,
) -> Result<Reported, Failure> {
    if report.key == report.serial && report.key.is_some() {
        return Err(Failure::usage(
            "a security key that is plugged in is not lost",
            "report with another one",
        ));
    }
    let root = Root::load(config)?;
    let folder = StateFolder::open(&config.state)?;
    let newest = trust_file::find(&folder)?.map(|kept| kept.newest);
    if let Some(newest) = &newest {
        root.past().raise(newest.certainly_past);
    }
    tell("asking the key service whom to trust …");
    let keyd = Client::new(&root.endpoint(&config.keyd))?;
    let package: BundlePackage = keyd.read_from("/v1/bundle").await?;
    let certified: ServiceKeys = keyd.read_from("/v1/service-keys").await?;
    let trusted = Trusted::verify(package, certified, &root.pin(), newest.as_ref())
        .map_err(Failure::not_believed)?;
    root.past().raise(trusted.trust().note().certainly_past);
    let holder = Holder::find(report.serial, &trusted, "your own security key")?;
    let purpose = format!("report {} lost", report.name());
    let unlocked = holder.unlock(&purpose, &mut pins, tell)?;
    // The nonce after the PIN: its time is for the touch.
    let nothing = serde_json::json!({});
    let challenge: ActionChallenge = keyd.post("/v1/actions/challenge", &nothing).await?;
    let action = Action {
        nonce: challenge.nonce,
        site: holder.person().site().clone(),
        act: Act::ReportLost {
            laptop: report.laptop.clone(),
            key: report.key,
            stolen: report.stolen,
            pin_may_be_known: report.pin_known,
            note: report.note.clone(),
        },
    };
    let signed = SignedAct {
        action: unlocked.sign(&action, tell)?,
        certificate: holder.certificate().into(),
    };
    let answer: ActionAnswer = keyd.post("/v1/actions", &signed).await?;
    let Outcome::ReportedLost { orders, .. } = answer.outcome else {
        return Err(Failure::not_believed(Refusal::new(
            Code::AnswerNotBelieved,
            "an answer to another act",
            "a loss that was reported",
        )));
    };
    Ok(Reported {
        laptop: report.laptop.clone(),
        key: report.key,
        orders: orders.len(),
        leaf: answer.leaf,
        committed_at: answer.committed_at,
    })
}

/// What people do now.
pub fn words(reported: &Reported) -> String {
    let mut lines = vec!["it is reported and stopped; now:".to_owned()];
    let mut step = |words: &str| {
        let number = lines.len();
        lines.push(format!("  {number}. {words}"));
    };
    step("Tell the security department or the orderly officer now.");
    if let Some(tag) = &reported.laptop {
        step(&format!(
            "Ring the IT service desk. Tell them the tag: {tag}."
        ));
        step("If the laptop turns up, do not switch it on. Give it to a security officer.");
    }
    if reported.key.is_some() {
        step("Ask your team lead for a new security key.");
        step("If the security key turns up, do not use it. Give it to your team lead.");
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_is_about_what_was_lost() {
        let reported = |laptop: bool, key: bool| Reported {
            laptop: laptop.then(|| "HMP-X-03".parse().unwrap()),
            key: key.then(|| "33162554".parse().unwrap()),
            orders: 1,
            leaf: Sha256::of(b"entry"),
            committed_at: "2026-11-22T14:02:07Z".parse().unwrap(),
        };
        let laptop = words(&reported(true, false));
        assert!(
            laptop.contains("1. Tell the security department"),
            "{laptop}"
        );
        assert!(laptop.contains("HMP-X-03"), "{laptop}");
        assert!(!laptop.contains("new security key"), "{laptop}");
        let key = words(&reported(false, true));
        assert!(key.contains("new security key"), "{key}");
        assert!(!key.contains("IT service desk"), "{key}");
    }
}
