//! After a crash.
//!
//! What was intended is prepared again, byte for byte, and signed, unless it is too old; what was
//! signed is reported. [`App::recover`] does so at every start and every few seconds; the same
//! completion said again does so for itself ([`App::resume`]).

use wardkey_schemas::jws::Jws;
use wardkey_schemas::registration::Receipt;
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_schemas::{Code, Refusal};

use super::{Intended, Recorded, Released, registered};
use crate::app::App;
use crate::clock;
use crate::failure::Failure;
use crate::journal::{Entry, Ledger, Planned, Purpose, State};
use crate::keyd::Keyd;
use crate::link::Link;

/// How old an intent may be that is finished after a crash. Whoever waited for it has gone away by
/// then, and starts again.
const FINISH_WITHIN: Seconds = Seconds::new(3600);

impl<K: Keyd, L: Ledger> App<K, L> {
    /// Finishes what the journal knows of, from where it stands.
    ///
    /// # Errors
    ///
    /// `REGISTRATION_STATE` if it was given up; [`Failure`].
    pub async fn resume(&self, entry: Entry, link: &Link) -> Result<Released, Failure> {
        let (recorded, receipt) = match entry.state.clone() {
            State::Open => {
                let _alone = self.turns.alone().await?;
                let now = self.reread(&entry).await?;
                match &now.state {
                    State::Open => (self.finish(now, clock::now()).await?, None),
                    State::Signed { .. } | State::Reported { .. } | State::Abandoned { .. } => {
                        recorded(now)?
                    }
                }
            }
            State::Signed { .. } | State::Reported { .. } | State::Abandoned { .. } => {
                recorded(entry)?
            }
        };
        if let Some(receipt) = receipt {
            return Ok(Released {
                purpose: recorded.purpose,
                certificates: recorded.certificates,
                receipt,
            });
        }
        let reported = self.report(recorded, link).await?;
        self.release(reported).await
    }

    async fn reread(&self, entry: &Entry) -> Result<Entry, Failure> {
        let enrolment = registered(&entry.purpose)?.enrolment;
        let found = self.journal.find_by_enrolment(enrolment).await?;
        found.ok_or_else(|| Failure::fault(format!("intent {} is not there", entry.intent)))
    }

    /// Signs an open intent, or gives it up; either is written down. The caller is alone.
    async fn finish(&self, entry: Entry, now: Timestamp) -> Result<Recorded, Failure> {
        let intent = entry.intent;
        match self.prepare_again(entry, now) {
            Ok(intended) => {
                let signed = self.sign(intended).await?;
                self.record(signed).await
            }
            Err(reason) => {
                self.ledger.abandon(intent, &reason, now).await?;
                tracing::warn!(%intent, reason, "An intent without an outcome was given up");
                Err(given_up(&reason).into())
            }
        }
    }

    /// The same certificates again, byte for byte, or why not.
    fn prepare_again(&self, entry: Entry, now: Timestamp) -> Result<Intended, String> {
        if matches!(entry.purpose, Purpose::Listener) {
            return Err("the listener gets a new certificate instead".to_owned());
        }
        if entry.at.plus(FINISH_WITHIN) < now {
            return Err(format!("it is from {}, and nobody waits for it", entry.at));
        }
        let trust = self.trust();
        let mut prepared = Vec::with_capacity(entry.planned.len());
        for Planned { plan, tbs_sha256 } in &entry.planned {
            let again = plan
                .prepare(&trust.issuer)
                .map_err(|error| format!("it cannot be prepared again: {error}"))?;
            if again.sha256() != *tbs_sha256 {
                return Err("it would not be what was announced".to_owned());
            }
            prepared.push(again);
        }
        Ok(Intended {
            intent: entry.intent,
            purpose: entry.purpose,
            prepared,
            note: "signed after an interruption",
        })
    }

    /// Looks after what an interruption has left: intents without an outcome are finished or given
    /// up, and what keyd has not acknowledged is reported again. Returns how many were looked after.
    ///
    /// # Errors
    ///
    /// [`Failure`]; the rest is left for the next time.
    pub async fn recover(&self) -> Result<usize, Failure> {
        let mut count = 0_usize;
        if !self.journal.find_open().await?.is_empty() {
            // What is open while nobody signs was left by somebody who is gone.
            let _alone = self.turns.alone().await?;
            for entry in self.journal.find_open().await? {
                let (intent, kind) = (entry.intent, entry.purpose.as_str());
                tracing::warn!(%intent, kind, at = %entry.at, "An intent has no outcome");
                match self.finish(entry, clock::now()).await {
                    Ok(_) | Err(Failure::Refused(_)) => count = count.saturating_add(1),
                    Err(fault) => return Err(fault),
                }
            }
        }
        let unreported = self.journal.find_unreported().await?;
        if unreported.is_empty() {
            return Ok(count);
        }
        let link = self.link().await?;
        for entry in unreported {
            let (intent, kind) = (entry.intent, entry.purpose.as_str());
            self.resume(entry, &link).await?;
            tracing::info!(%intent, kind, "keyd knows now of what was signed before");
            count = count.saturating_add(1);
        }
        Ok(count)
    }
}

/// What a journal entry says was signed, with keyd's receipt if it is there.
fn recorded(entry: Entry) -> Result<(Recorded, Option<Jws<Receipt>>), Failure> {
    let (certificates, receipt) = match entry.state {
        State::Signed { certificates, .. } => (certificates, None),
        State::Reported {
            certificates,
            receipt,
            ..
        } => (certificates, Some(receipt)),
        State::Abandoned { reason, .. } => return Err(given_up(&reason).into()),
        State::Open => return Err(given_up("it was not signed").into()),
    };
    let recorded = Recorded {
        intent: entry.intent,
        purpose: entry.purpose,
        tbs: entry
            .planned
            .iter()
            .map(|planned| planned.tbs_sha256)
            .collect(),
        certificates,
    };
    Ok((recorded, receipt))
}

fn given_up(reason: &str) -> Refusal {
    let found = format!("an enrolment that was given up: {reason}");
    Refusal::new(Code::RegistrationState, found, "a new enrolment")
}
