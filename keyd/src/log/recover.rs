//! `keyd recover`: what a restored database has forgotten comes back from a mirror of the record.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use wardkey_edge::client::CallError;
use wardkey_edge::pieces::{PieceError, Pieces};
use wardkey_schemas::action::Target;
use wardkey_schemas::ids::DeviceId;
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::order::{Command, Mode};
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::time::Timestamp;
use wardkey_tlog::checkpoint::VerifiedCheckpoint;
use wardkey_tlog::doubt::{FirstBad, Reader};
use wardkey_tlog::tile::{Piece, PiecePath, WIDTH};
use wardkey_tlog::witness::{AddCheckpoint, PATH, SIZE_TYPE};
use wardkey_tlog::{TlogError, entries};

use super::witnesses::Witness;
use crate::act::{end_by_order, give_order};
use crate::signers::Signers;
use crate::states::Step;
use crate::store::audit::{Actor, Draft, Object};
use crate::store::replay::{Lost, is_for_good};
use crate::store::tree::Place;
use crate::store::{DatabaseUrl, Lane, Store, StoreError, Tx, Work};

/// Why nothing was recovered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// The database.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    /// The mirror.
    #[error("the mirror cannot be read")]
    Piece(#[from] PieceError),
    /// A witness.
    #[error("a witness cannot be asked")]
    Call(#[from] CallError),
    /// The mirror has no checkpoint, or one of another log.
    #[error("the mirror holds no checkpoint that this service has signed")]
    Unsigned(#[source] TlogError),
    /// The mirror has none.
    #[error("the mirror holds no checkpoint")]
    Empty,
    /// An entry does not fit.
    #[error("entry {} of the mirror is not the one that was signed", .0.index.saturating_add(1))]
    Bad(FirstBad),
    /// A witness has signed more than the mirror holds.
    #[error("{witness} has signed {signed} entries, and the mirror holds {here}: it is too old")]
    Older {
        /// Which.
        witness: String,
        /// What it has signed.
        signed: u64,
        /// What the mirror holds.
        here: u64,
    },
    /// A witness gave an answer that says nothing.
    #[error("{witness} does not say what it has signed")]
    Silent {
        /// Which.
        witness: String,
    },
}

/// What was found and done.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// Entries that both have.
    pub common: u64,
    /// The lost entries: place, event, target.
    pub lost: Vec<String>,
    /// Entries that were written here since, and have new places.
    pub kept: usize,
    /// What is stopped again.
    pub stopped: Vec<String>,
    /// What people must look at or do again.
    pub by_hand: Vec<String>,
}

/// Puts back what the mirror has and the database has not. With `look_only` nothing is changed.
///
/// # Errors
///
/// [`RecoverError`]; then nothing is changed.
pub async fn recover(
    database: &DatabaseUrl,
    signers: Arc<Signers>,
    witnesses: &[Witness],
    from: &Pieces,
    look_only: bool,
    (site, now): (SiteCode, Timestamp),
) -> Result<Report, RecoverError> {
    let (checkpoint, texts) = read(&signers, from).await?;
    for witness in witnesses {
        require_newest(witness, &checkpoint).await?;
    }
    let (wake, _wakes) = mpsc::unbounded_channel();
    let store = Store::open(database, wake).await?;
    let common = common(&store, &texts).await?;
    let skip = usize::try_from(common).unwrap_or(usize::MAX);
    let lost: Vec<Lost> = texts
        .into_iter()
        .skip(skip)
        .map(Lost::read)
        .collect::<Result<_, _>>()?;
    let told = lost.iter();
    let told = told.map(|entry| format!("{} {} {}", entry.place, entry.event, entry.target));
    let mut report = Report {
        common,
        lost: told.collect(),
        ..Report::default()
    };
    if !lost.is_empty() && !look_only {
        let key = Arc::clone(signers.log());
        let work = PutBack {
            signers,
            common,
            lost,
            report,
            site,
            now,
        };
        report = store.write(Lane::Kill, work).await?.0;
        // The service starts held and signs nothing while it is: what was put back is signed here,
        // over the entries that were signed before and those that follow them.
        loop {
            let extent = store.extent().await?;
            if extent.placed >= extent.entries {
                break;
            }
            let key = Arc::clone(&key);
            store.write(Lane::Ordinary, Place { key }).await?;
        }
    }
    store.close().await;
    Ok(report)
}

/// Reads the whole mirror, checked entry by entry against what this service has signed.
async fn read(
    signers: &Signers,
    from: &Pieces,
) -> Result<(VerifiedCheckpoint, Vec<String>), RecoverError> {
    let note = from.read("checkpoint").await?.ok_or(RecoverError::Empty)?;
    let note = String::from_utf8_lossy(&note);
    let log = signers.log().verifier();
    let checkpoint = VerifiedCheckpoint::verify(&note, log).map_err(RecoverError::Unsigned)?;
    let size = checkpoint.size();
    let mut reader = Reader::new(Vec::new());
    let mut texts = Vec::new();
    for bundle in 0..size.div_ceil(WIDTH) {
        let first = bundle.saturating_mul(WIDTH);
        let width = size.saturating_sub(first).min(WIDTH);
        let piece = Piece::Entries(bundle);
        let path = PiecePath { piece, width }.to_string();
        let bytes = from.read(&path).await?.unwrap_or_default();
        for entry in entries::from_bytes(&bytes).map_err(RecoverError::Unsigned)? {
            reader.read(entry).map_err(RecoverError::Bad)?;
            texts.push(String::from_utf8_lossy(entry).into_owned());
        }
    }
    let signed = reader.require_signed(checkpoint.checkpoint(), &[]);
    signed.map_err(RecoverError::Bad)?;
    Ok((checkpoint, texts))
}

/// Refuses a mirror that is older than what a witness has signed: it would put back too little.
async fn require_newest(
    witness: &Witness,
    checkpoint: &VerifiedCheckpoint,
) -> Result<(), RecoverError> {
    let request = AddCheckpoint {
        old: 0,
        proof: Vec::new(),
        checkpoint: checkpoint.to_string(),
    };
    let said = witness.client.post_text(PATH, request.to_string()).await?;
    let here = checkpoint.size();
    let text = String::from_utf8_lossy(&said.body);
    let name = || witness.key.name().to_string();
    match (said.status, text.trim_end().parse::<u64>()) {
        (409, Ok(signed)) if said.kind == SIZE_TYPE && signed > here => Err(RecoverError::Older {
            witness: name(),
            signed,
            here,
        }),
        (409, Ok(_)) if said.kind == SIZE_TYPE => Ok(()),
        (200, _) => Ok(()),
        _ => Err(RecoverError::Silent { witness: name() }),
    }
}

/// How many entries from the first on are the same here and there.
async fn common(store: &Store, texts: &[String]) -> Result<u64, RecoverError> {
    const PAGE: u64 = 1000;
    let mut same = 0_u64;
    loop {
        let here = store.entries(same, PAGE).await?;
        let skip = usize::try_from(same).unwrap_or(usize::MAX);
        let pairs = here.iter().zip(texts.iter().skip(skip));
        let equal = pairs.take_while(|(here, there)| here == there).count();
        same = same.saturating_add(u64::try_from(equal).unwrap_or(PAGE));
        if u64::try_from(equal) != Ok(PAGE) {
            return Ok(same);
        }
    }
}

struct PutBack {
    signers: Arc<Signers>,
    common: u64,
    lost: Vec<Lost>,
    report: Report,
    site: SiteCode,
    now: Timestamp,
}

impl Work for PutBack {
    type Out = Report;

    async fn run(&mut self, tx: &mut Tx) -> Result<Report, StoreError> {
        let mut report = self.report.clone();
        let here = tx.put_back(self.common, &self.lost).await?;
        report.kept = here.len();
        let mut others: BTreeMap<&str, usize> = BTreeMap::new();
        for entry in &self.lost {
            let known = match (entry.laptop(), entry.key()) {
                (Some(device), _) => self.laptop(tx, entry, device, &mut report).await?,
                (None, Some(key)) => self.key(tx, entry, key, &mut report).await?,
                (None, None) => false,
            };
            // A backup that brings back what was erased forgets it again.
            if let Some(person) = entry.erased() {
                tx.erase_person(person, self.now).await?;
            }
            if entry.stops() && !known {
                let told = format!("{} {}: stop it by hand", entry.event, entry.target);
                report.by_hand.push(told);
            }
            let again = [
                "bundle.taken-up",
                "site.known",
                "laptop.announced",
                "key.announced",
                "laptop.issued",
                "laptop.renewed",
                "key.issued",
                "laptop.confirmed",
                "key.confirmed",
                "key.spare-marked",
                "person.left",
                "resumed",
            ];
            if let Some(event) = again.iter().find(|event| **event == entry.event) {
                let count = others.entry(event).or_default();
                *count = count.saturating_add(1);
            }
        }
        for (event, count) in others {
            report.by_hand.push(format!(
                "{count} × {event}: not done again; look whether it must be"
            ));
        }
        for text in here {
            tx.audit(self.draft("recovery.kept", serde_json::json!({ "entry": text })));
        }
        let detail = serde_json::json!({
            "common": self.common,
            "lost": self.lost.len(),
            "kept": report.kept,
        });
        tx.audit(self.draft("recovery.done", detail));
        Ok(report)
    }
}

impl PutBack {
    fn draft(&self, event: &'static str, detail: serde_json::Value) -> Draft {
        Draft {
            at: self.now,
            site: self.site.clone(),
            event,
            actor: Actor::Service,
            object: Object::Site,
            code: None,
            detail,
        }
    }

    /// Does again what an entry did to a laptop, as far as it stops; `false` if there is none here.
    async fn laptop(
        &self,
        tx: &mut Tx,
        lost: &Lost,
        id: DeviceId,
        report: &mut Report,
    ) -> Result<bool, StoreError> {
        let Some(device) = tx.device(id).await? else {
            return Ok(false);
        };
        tx.orders_were_given(id, lost).await?;
        if let Some(session) = lost.ended() {
            tx.end_again(session, lost).await?;
        }
        let Some(hold) = lost.hold().filter(|_| lost.stops()) else {
            return Ok(true);
        };
        let target = Target::Laptop { device: id };
        if !tx.place_again(hold, lost, target).await? {
            return Ok(true);
        }
        tx.recount_device_holds(id).await?;
        if is_for_good(&hold) && device.state != ObjectState::Revoked {
            let step = Step::new(device.state, ObjectState::Revoked)
                .map_err(|refusal| StoreError::Refused(Box::new(refusal)))?;
            tx.move_device(id, step, self.now).await?;
        }
        let holds = vec![hold];
        give_order(
            tx,
            &self.signers,
            &device,
            Command::Stop { holds },
            self.now,
        )
        .await?;
        if hold.mode == Mode::Immediate
            && let Some(session) = tx.open_session_on(id).await?
        {
            tx.end_again(session, lost).await?;
        }
        report
            .stopped
            .push(format!("{} {}", lost.event, lost.target));
        Ok(true)
    }

    /// The same for a key.
    async fn key(
        &self,
        tx: &mut Tx,
        lost: &Lost,
        key: Thumbprint,
        report: &mut Report,
    ) -> Result<bool, StoreError> {
        if tx.key(lost.site(), key).await?.is_none() {
            return Ok(false);
        }
        let Some(hold) = lost.hold().filter(|_| lost.stops()) else {
            return Ok(true);
        };
        tx.lock_devices_with(key).await?;
        if !tx.place_again(hold, lost, Target::Key { key }).await? {
            return Ok(true);
        }
        tx.recount_key_holds(key).await?;
        if is_for_good(&hold) {
            tx.revoke_key(key).await?;
        }
        if hold.mode == Mode::Immediate {
            for session in tx.open_sessions_with(key).await? {
                if let Some(device) = tx.device(session.device).await? {
                    end_by_order(tx, &self.signers, &device, session.id, self.now).await?;
                }
            }
        }
        report
            .stopped
            .push(format!("{} {}", lost.event, lost.target));
        Ok(true)
    }
}
