//! Asking witnesses (C2SP `tlog-witness`): every ten seconds, and before anything else after the
//! start and whenever the database has moved.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use wardkey_edge::client::{CallError, Client};
use wardkey_tlog::checkpoint::{Checkpoint, VerifiedCheckpoint};
use wardkey_tlog::key::VerifierKey;
use wardkey_tlog::tile::Tiles;
use wardkey_tlog::tree::{consistency_plan, empty_root};
use wardkey_tlog::witness::{AddCheckpoint, PATH, SIZE_TYPE};

use super::recovery::Why;
use crate::app::App;
use crate::failure::Failure;
use crate::store::Lane;
use crate::store::tree::{Hear, Word};

/// How often witnesses are asked while all is well.
const EVERY: Duration = Duration::from_secs(10);

/// How often they are asked while the service is held, and how often it is looked whether the
/// database has moved.
const LOOK: Duration = Duration::from_secs(1);

/// Questions to one witness in a row: it may say once which size it knows, and move on meanwhile.
const TRIES: u32 = 4;

/// A witness.
#[derive(Clone, Debug)]
pub struct Witness {
    /// The way to it.
    pub client: Client,
    /// Its key.
    pub key: VerifierKey,
}

/// What a witness says about the record.
#[derive(Debug)]
enum Heard {
    /// It continues what was signed before.
    Continues(Word),
    /// It does not.
    Not(Why),
}

/// Runs until `stop` says so; ends at once where there are no witnesses.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    if app.witnesses.is_empty() {
        return;
    }
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asked: Option<Instant> = None;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        // A new connection sees for itself where it has come to; this one makes sure there is one.
        if let Err(error) = app.store.look_whether_it_moved().await {
            tracing::debug!(%error, "The database does not say whether it has moved");
        }
        let due = asked.is_none_or(|asked| asked.elapsed() >= EVERY);
        if due || app.store.recovery().why().is_some() {
            ask_all(&app).await;
            asked = Some(Instant::now());
        }
    }
}

/// Asks every witness, and holds or lets go on by what they say.
pub async fn ask_all(app: &App) {
    let recovery = app.store.recovery();
    let moves = recovery.moves();
    let mut found = None;
    let mut continues = false;
    for witness in &app.witnesses {
        match ask(app, witness).await {
            Ok(Heard::Continues(word)) => {
                continues = true;
                if let Err(error) = app.store.write(Lane::Ordinary, Hear(word)).await {
                    tracing::warn!(%error, "What a witness said was not kept");
                }
            }
            Ok(Heard::Not(why)) => found = Some(why),
            Err(error) => {
                let witness = witness.key.name();
                tracing::warn!(%witness, ?error, "A witness gave no answer that can be used");
            }
        }
    }
    match (found, continues) {
        (Some(why), _) => recovery.set(Some(why), moves),
        (None, true) => recovery.set(None, moves),
        // Silence holds whoever is held; it does not stop a service whose record was seen whole.
        (None, false) if recovery.why().is_some() => recovery.set(Some(Why::Silent), moves),
        (None, false) => {}
    }
}

async fn ask(app: &App, witness: &Witness) -> Result<Heard, Failure> {
    let checkpoint = newest(app).await?;
    let here = checkpoint.size();
    let name = witness.key.name().to_string();
    let words = app.store.witness_words().await?;
    let known = words.iter().find(|word| word.witness == name);
    let mut old = known.map_or(0, |word| word.size).min(here);
    for _ in 0..TRIES {
        let request = AddCheckpoint {
            old,
            proof: proof(app, old, here).await?,
            checkpoint: checkpoint.to_string(),
        };
        let said = witness.client.post_text(PATH, request.to_string()).await;
        let said = said.map_err(Failure::fault)?;
        let text = String::from_utf8(said.body).unwrap_or_default();
        match said.status {
            200 => return heard(witness, checkpoint, &text),
            409 if said.kind == SIZE_TYPE => {
                let signed: u64 = text.trim_end().parse().map_err(Failure::fault)?;
                if signed > here {
                    let witness = name;
                    return Ok(Heard::Not(Why::Shortened {
                        witness,
                        signed,
                        here,
                    }));
                }
                old = signed;
            }
            409 | 422 => return Ok(Heard::Not(Why::Forked { witness: name })),
            status => {
                let url = PATH.to_owned();
                return Err(Failure::fault(CallError::NotAnAnswer { url, status }));
            }
        }
    }
    Err(Failure::fault("the witness names another size each time"))
}

/// Believes an answer if it is the witness's signature over this checkpoint.
fn heard(
    witness: &Witness,
    mut checkpoint: VerifiedCheckpoint,
    lines: &str,
) -> Result<Heard, Failure> {
    let said_at = checkpoint
        .add_cosignature(lines, &witness.key)
        .map_err(Failure::fault)?;
    Ok(Heard::Continues(Word {
        witness: witness.key.name().to_string(),
        size: checkpoint.size(),
        checkpoint: checkpoint.to_string(),
        said_at,
    }))
}

/// The newest checkpoint; where nothing was ever signed, that of the empty tree, which every history
/// continues.
async fn newest(app: &App) -> Result<VerifiedCheckpoint, Failure> {
    let key = app.signers.log();
    let Some(text) = app.store.checkpoint().await? else {
        let origin = key.verifier().name().clone();
        let (size, root) = (0, empty_root());
        return Ok(Checkpoint { origin, size, root }.sign(key));
    };
    VerifiedCheckpoint::verify(&text, key.verifier()).map_err(Failure::fault)
}

async fn proof(
    app: &App,
    old: u64,
    new: u64,
) -> Result<Vec<wardkey_schemas::bytes::Sha256>, Failure> {
    let plan = consistency_plan(old, new).unwrap_or_default();
    let tiles = app.store.tiles(Tiles::needed(&plan), new).await?;
    tiles.proof(&plan).map_err(Failure::fault)
}
