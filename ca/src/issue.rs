//! Issuing, in the order that keeps it honest: keyd's receipt, then the intent on disk, then the key,
//! then the outcome on disk, then keyd again; only then is anything released.
//!
//! Each step takes what the step before it made, and nothing else makes it: a certificate that was not
//! announced, or whose intent is not on disk, cannot be signed, and one of which keyd does not know
//! cannot be released.
//!
//! What a crash has left is for [`recovery`].

pub mod recovery;

use std::sync::{Arc, PoisonError};

use wardkey_issuance::{Prepared, sign};
use wardkey_schemas::Refusal;
use wardkey_schemas::bytes::{Bytes, Sha256};
use wardkey_schemas::jws::{Jws, Sealed};
use wardkey_schemas::registration::{Receipt, ReportIssued, Stage};

use crate::app::App;
use crate::clock;
use crate::failure::Failure;
use crate::journal::{Intent, IntentId, Ledger, Planned, Purpose, Registered};
use crate::keyd::Keyd;
use crate::link::{Link, WantedReceipt};
use crate::plan::Plan;
use crate::trust::Trust;

/// Certificates that are ready to be signed, and may be: keyd has recorded them, or they concern
/// nobody but this ca.
#[derive(Debug)]
pub struct Announced {
    purpose: Purpose,
    work: Vec<(Plan, Prepared)>,
}

/// The same, with the intent on disk.
#[derive(Debug)]
pub struct Intended {
    intent: IntentId,
    purpose: Purpose,
    prepared: Vec<Prepared>,
    note: &'static str,
}

/// Signed certificates that nobody has seen.
#[derive(Debug)]
pub struct Signed {
    intent: IntentId,
    purpose: Purpose,
    tbs: Vec<Sha256>,
    certificates: Vec<Bytes>,
    note: &'static str,
}

/// The same, with the outcome on disk.
#[derive(Debug)]
pub struct Recorded {
    intent: IntentId,
    purpose: Purpose,
    tbs: Vec<Sha256>,
    certificates: Vec<Bytes>,
}

/// The same, of which keyd knows.
#[derive(Debug)]
pub struct Reported {
    recorded: Recorded,
    receipt: Jws<Receipt>,
}

/// Certificates that may leave.
#[derive(Debug)]
pub struct Released {
    purpose: Purpose,
    certificates: Vec<Bytes>,
    receipt: Jws<Receipt>,
}

impl Released {
    /// Why they were issued.
    pub const fn purpose(&self) -> &Purpose {
        &self.purpose
    }

    /// The certificates (DER), in the order announced.
    pub fn certificates(&self) -> &[Bytes] {
        &self.certificates
    }

    /// keyd's receipt.
    pub const fn receipt(&self) -> &Jws<Receipt> {
        &self.receipt
    }
}

impl Recorded {
    /// The certificate of this ca's own listener, which is not reported.
    pub fn into_listener_certificate(self) -> Option<Bytes> {
        match self.purpose {
            Purpose::Listener => self.certificates.into_iter().next(),
            Purpose::Laptop { .. } | Purpose::Recertification { .. } | Purpose::Key { .. } => None,
        }
    }
}

/// Prepares everything that is planned.
pub(crate) fn prepare(plans: Vec<Plan>, trust: &Trust) -> Result<Vec<(Plan, Prepared)>, Failure> {
    plans
        .into_iter()
        .map(|plan| {
            let prepared = plan.prepare(&trust.issuer)?;
            Ok((plan, prepared))
        })
        .collect()
}

impl Announced {
    /// What keyd has recorded under `registered`, if its receipt says exactly so.
    ///
    /// # Errors
    ///
    /// `ANSWER_NOT_BELIEVED`, `CERTIFICATE_…`.
    pub(crate) fn verify(
        purpose: Purpose,
        registered: &Registered,
        work: Vec<(Plan, Prepared)>,
        link: &Link,
    ) -> Result<Self, Refusal> {
        let tbs: Vec<Sha256> = work.iter().map(|(_, prepared)| prepared.sha256()).collect();
        let wanted = WantedReceipt {
            enrolment: registered.enrolment,
            registration: registered.registration,
            stage: Stage::Announced,
            certificates: &tbs,
        };
        link.verify_receipt(&registered.receipt, &wanted)?;
        Ok(Self { purpose, work })
    }

    /// The certificate of this ca's own listener.
    pub(crate) fn listener(plan: Plan, trust: &Trust) -> Result<Self, Failure> {
        Ok(Self {
            purpose: Purpose::Listener,
            work: prepare(vec![plan], trust)?,
        })
    }
}

impl<K: Keyd, L: Ledger> App<K, L> {
    /// Goes all the way from what keyd has recorded to what may leave.
    ///
    /// # Errors
    ///
    /// [`Failure`]; what was done until then is in the journal.
    pub async fn issue(&self, announced: Announced, link: &Link) -> Result<Released, Failure> {
        let recorded = self.sign_on_record(announced).await?;
        let reported = self.report(recorded, link).await?;
        self.release(reported).await
    }

    /// Intends, signs and records, in one turn.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn sign_on_record(&self, announced: Announced) -> Result<Recorded, Failure> {
        let _turn = self.turns.to_sign().await?;
        let intended = self.intend(announced).await?;
        let signed = self.sign(intended).await?;
        self.record(signed).await
    }

    /// Writes down what is about to be signed.
    ///
    /// # Errors
    ///
    /// [`Failure::Fault`]; the intent may be on disk all the same.
    pub async fn intend(&self, announced: Announced) -> Result<Intended, Failure> {
        let Announced { purpose, work } = announced;
        let planned = work.iter().map(|(plan, prepared)| Planned {
            plan: plan.clone(),
            tbs_sha256: prepared.sha256(),
        });
        let intent = Intent {
            purpose,
            planned: planned.collect(),
            at: clock::now(),
        };
        let number = self.ledger.intend(&intent).await?;
        Ok(Intended {
            intent: number,
            purpose: intent.purpose,
            prepared: work.into_iter().map(|(_, prepared)| prepared).collect(),
            note: "signed",
        })
    }

    /// Uses the authority's key.
    ///
    /// # Errors
    ///
    /// [`Failure::Fault`]; the intent stays open.
    pub async fn sign(&self, intended: Intended) -> Result<Signed, Failure> {
        let Intended {
            intent,
            purpose,
            prepared,
            note,
        } = intended;
        let tbs = prepared.iter().map(Prepared::sha256).collect();
        let keeper = Arc::clone(&self.keeper);
        // A key in hardware takes its time.
        let signing = tokio::task::spawn_blocking(move || {
            let mut keeper = keeper.lock().unwrap_or_else(PoisonError::into_inner);
            prepared
                .into_iter()
                .map(|prepared| sign(prepared, &mut *keeper).map(Bytes::from))
                .collect::<Result<Vec<_>, _>>()
        });
        let certificates = signing.await.map_err(Failure::fault)??;
        Ok(Signed {
            intent,
            purpose,
            tbs,
            certificates,
            note,
        })
    }

    /// Writes down what was signed.
    ///
    /// # Errors
    ///
    /// [`Failure::Fault`]; the outcome may be on disk all the same.
    pub async fn record(&self, signed: Signed) -> Result<Recorded, Failure> {
        let Signed {
            intent,
            purpose,
            tbs,
            certificates,
            note,
        } = signed;
        self.ledger
            .record(intent, &certificates, note, clock::now())
            .await?;
        tracing::info!(intent = %intent, kind = purpose.as_str(), "Certificates were signed");
        Ok(Recorded {
            intent,
            purpose,
            tbs,
            certificates,
        })
    }

    /// Shows keyd what was signed.
    ///
    /// # Errors
    ///
    /// What keyd refused; `SERVICE_UNREACHABLE`, `ANSWER_NOT_BELIEVED`.
    pub async fn report(&self, recorded: Recorded, link: &Link) -> Result<Reported, Failure> {
        let registered = registered(&recorded.purpose)?;
        let report = ReportIssued {
            site: self.sources.site.clone(),
            registration: registered.registration,
            certificates: recorded.certificates.clone(),
        };
        let Sealed { message: receipt } = self.keyd.report(&self.say(&report)?).await?;
        let wanted = WantedReceipt {
            enrolment: registered.enrolment,
            registration: registered.registration,
            stage: Stage::Issued,
            certificates: &recorded.tbs,
        };
        link.verify_receipt(&receipt, &wanted)?;
        Ok(Reported { recorded, receipt })
    }

    /// Writes down that keyd knows, and lets the certificates go.
    ///
    /// # Errors
    ///
    /// [`Failure::Fault`].
    pub async fn release(&self, reported: Reported) -> Result<Released, Failure> {
        let Reported { recorded, receipt } = reported;
        self.ledger
            .note_reported(recorded.intent, &receipt, clock::now())
            .await?;
        Ok(Released {
            purpose: recorded.purpose,
            certificates: recorded.certificates,
            receipt,
        })
    }
}

fn registered(purpose: &Purpose) -> Result<&Registered, Failure> {
    purpose
        .registered()
        .ok_or_else(|| Failure::fault("the listener's certificate is not reported"))
}
