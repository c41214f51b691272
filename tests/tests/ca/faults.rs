//! A journal that fails once, and a key that counts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use wardkey_ca::journal::{Intent, IntentId, Journal, JournalError, Ledger};
use wardkey_ca::signer::file::{Curve, FileKey};
use wardkey_ca::signer::{Keeper, SignerError};
use wardkey_issuance::{AuthorityKey, EcdsaSignature, Signer};
use wardkey_schemas::bytes::Bytes;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::registration::Receipt;
use wardkey_schemas::time::Timestamp;

/// A step that is written down.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    Intend,
    Record,
    Report,
}

/// A failure of one step: before it was written, or after.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Fault {
    pub(crate) step: Step,
    pub(crate) written: bool,
}

/// A journal that fails once.
#[derive(Clone, Debug)]
pub(crate) struct FaultyLedger {
    journal: Journal,
    fault: Arc<Mutex<Option<Fault>>>,
    /// What was to be signed last.
    pub(crate) last: Arc<Mutex<Option<Intent>>>,
}

impl FaultyLedger {
    pub(crate) fn new(journal: &Journal, fault: Fault) -> Self {
        Self {
            journal: journal.clone(),
            fault: Arc::new(Mutex::new(Some(fault))),
            last: Arc::default(),
        }
    }

    /// The fault, if it is this step's turn to fail.
    fn fails(&self, step: Step) -> Option<Fault> {
        let mut fault = self.fault.lock().unwrap();
        fault.take_if(|fault| fault.step == step)
    }
}

const INJECTED: JournalError = JournalError::Inconsistent {
    table: "intent",
    column: "a fault of the test",
};

/// Does `$write` unless it is to fail before, and fails if it is to fail after.
macro_rules! or_fail {
    ($self:ident, $step:expr, $write:expr) => {
        match $self.fails($step) {
            None => $write.await,
            Some(Fault { written: true, .. }) => {
                $write.await?;
                Err(INJECTED)
            }
            Some(Fault { written: false, .. }) => Err(INJECTED),
        }
    };
}

impl Ledger for FaultyLedger {
    async fn intend(&self, intent: &Intent) -> Result<IntentId, JournalError> {
        *self.last.lock().unwrap() = Some(intent.clone());
        or_fail!(self, Step::Intend, self.journal.intend(intent))
    }

    async fn record(
        &self,
        intent: IntentId,
        certificates: &[Bytes],
        note: &str,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        let write = self.journal.record(intent, certificates, note, now);
        or_fail!(self, Step::Record, write)
    }

    async fn abandon(
        &self,
        intent: IntentId,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        self.journal.abandon(intent, reason, now).await
    }

    async fn note_reported(
        &self,
        intent: IntentId,
        receipt: &Jws<Receipt>,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        let write = self.journal.note_reported(intent, receipt, now);
        or_fail!(self, Step::Report, write)
    }
}

/// The authority's key, with a count of what it has signed.
#[derive(Debug)]
struct CountingKey {
    key: FileKey,
    uses: Uses,
}

impl Signer for CountingKey {
    type Error = SignerError;

    fn public_key(&self) -> &AuthorityKey {
        self.key.public_key()
    }

    fn sign(&mut self, message: &[u8]) -> Result<EcdsaSignature, SignerError> {
        self.uses.0.fetch_add(1, Ordering::SeqCst);
        self.key.sign(message)
    }
}

/// How often the authority's key was used.
#[derive(Clone, Debug)]
pub(crate) struct Uses(Arc<AtomicUsize>);

impl Uses {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// A keeper of the key in this file that counts.
pub(crate) fn counting(path: &std::path::Path) -> (Keeper, Uses) {
    let uses = Uses(Arc::default());
    let key = FileKey::load(path, Curve::P256).unwrap();
    let key = CountingKey {
        key,
        uses: uses.clone(),
    };
    (Keeper::new(key), uses)
}
