//! Cutting laptops from their rooms at the video platform, in the same moment in which a stop is on
//! record, and again until the platform's list proves that they are gone.
//!
//! # Invariants
//!
//! - Nothing waits for the platform: the row of a cut is written with the end of the visit, and this
//!   task takes it up after the commit.
//! - A node that dies loses its claims, and another one takes them up.
//! - The proof and its entry in the record are one transaction.
//!
//! Visits that can no longer run and of which nobody has told are ended here as well, so that a
//! laptop which was cut off from keyd is put out of its room when its time is over.
//!
//! # Where to start
//!
//! [`run`] is the loop; [`crate::store::cuts`] are the rows; [`crate::platform`] is who is told.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use wardkey_schemas::time::{Seconds, Timestamp};

use crate::app::App;
use crate::clock;
use crate::platform::{Absence, PlatformError, RoomProvider};
use crate::store::audit::{Actor, Draft, Object};
use crate::store::cuts::ClaimedCut;
use crate::store::{Lane, StoreError, Tx, Work};

/// How often rows are looked for that no word of this node has announced.
const EVERY: Duration = Duration::from_secs(1);

/// How long a claim lasts: longer than an attempt takes (two answers of two seconds), short enough
/// that another node still cuts within the bound (K3: fifteen seconds) if this one dies.
const CLAIM: Seconds = Seconds::new(6);

/// Cuts on their way at once: a platform that hangs holds this many answers open, no more.
const AT_ONCE: usize = 32;

/// Visits ended in one go because their time is over.
const OVERDUE: u32 = 64;

/// The wait after a first attempt that brought nothing; it doubles up to the longest.
const FIRST_WAIT_MS: u64 = 500;
const LONGEST_WAIT_MS: u64 = 30_000;

/// Runs until `stop` says so. What is on its way then is left to the next claim.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut attempts = JoinSet::new();
    loop {
        let look = tokio::select! {
            _ = ticks.tick() => true,
            () = app.store.cut_asked() => false,
            Some(_) = attempts.join_next() => false,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        if look {
            end_overdue(&app).await;
        }
        let Some(platform) = &app.platform else {
            continue;
        };
        let free = AT_ONCE.saturating_sub(attempts.len());
        match take_up(&app, free).await {
            Ok(cuts) => {
                for cut in cuts {
                    let (app, platform) = (Arc::clone(&app), Arc::clone(platform));
                    attempts.spawn(async move { attempt(&app, &*platform, &cut).await });
                }
            }
            Err(error) => tracing::warn!(%error, "Cuts could not be taken up"),
        }
    }
}

/// Claims what is due, as much as there is room for.
async fn take_up(app: &App, free: usize) -> Result<Vec<ClaimedCut>, StoreError> {
    let now = clock::now();
    let (waiting, due) = app.store.waiting_cuts(now).await?;
    metrics::gauge!("wardkey_cuts_waiting")
        .set(f64::from(u32::try_from(waiting).unwrap_or(u32::MAX)));
    if !due || free == 0 {
        return Ok(Vec::new());
    }
    let work = Claim {
        now,
        most: u32::try_from(free).unwrap_or(u32::MAX),
    };
    // A cut is the other half of a stop: it waits behind nothing else.
    Ok(app.store.write(Lane::Kill, work).await?.0)
}

/// One attempt, with what became of it in the row.
async fn attempt(app: &App, platform: &dyn RoomProvider, cut: &ClaimedCut) {
    let outcome = match carry_out(app, platform, cut).await {
        Ok(Ok(())) => "done",
        Ok(Err(error)) => {
            let trouble = error.trouble();
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(
                session.id = %cut.session, room.id = %cut.room, tries = cut.tries, %error, cause,
                "A laptop is not proved to be out of its room yet"
            );
            let due = clock::now().plus_millis(wait_after(cut.tries));
            let work = Failed {
                cut: cut.clone(),
                trouble,
                due,
            };
            if let Err(error) = app.store.write(Lane::Ordinary, work).await {
                tracing::warn!(%error, "The next attempt at a cut waits for its claim to run out");
            }
            trouble.as_str()
        }
        Err(error) => {
            tracing::warn!(%error, session.id = %cut.session, "A cut was not put on record");
            "not-recorded"
        }
    };
    metrics::counter!("wardkey_cuts_total", "outcome" => outcome).increment(1);
}

/// Cuts, proves, and closes the room if it is over.
async fn carry_out(
    app: &App,
    platform: &dyn RoomProvider,
    cut: &ClaimedCut,
) -> Result<Result<(), PlatformError>, StoreError> {
    if !cut.proved {
        let absence = match platform.cut(cut.room, cut.session.into()).await {
            Ok(absence) => absence,
            Err(error) => return Ok(Err(error)),
        };
        let now = clock::now();
        let work = Proved {
            cut: cut.clone(),
            absence,
            now,
        };
        let (new, _) = app.store.write(Lane::Ordinary, work).await?;
        if new && cut.urgent {
            let took = Duration::from_millis(now.millis_since(cut.ended_at));
            metrics::histogram!("wardkey_stop_to_absence_seconds").record(took);
        }
    }
    if cut.close {
        if let Err(error) = platform.close(cut.room).await {
            return Ok(Err(error));
        }
        let work = Done {
            cut: cut.clone(),
            now: clock::now(),
        };
        app.store.write(Lane::Ordinary, work).await?;
    }
    Ok(Ok(()))
}

/// How long to wait after an attempt that brought nothing.
fn wait_after(tries: u32) -> u64 {
    let doublings = tries.saturating_sub(1).min(16);
    FIRST_WAIT_MS
        .saturating_mul(1_u64 << doublings)
        .min(LONGEST_WAIT_MS)
}

/// Ends visits whose time is over and of which nobody has told.
async fn end_overdue(app: &App) {
    let now = clock::now();
    let ended = async {
        if !app.store.has_overdue_sessions(now).await? {
            return Ok(());
        }
        let work = EndOverdue { now };
        let (ended, _) = app.store.write(Lane::Ordinary, work).await?;
        tracing::info!(visits = ended, "Visits ended because their time was over");
        Ok::<_, StoreError>(())
    };
    if let Err(error) = ended.await {
        tracing::warn!(%error, "Visits whose time is over were not ended");
    }
}

struct Claim {
    now: Timestamp,
    most: u32,
}

impl Work for Claim {
    type Out = Vec<ClaimedCut>;

    async fn run(&mut self, tx: &mut Tx) -> Result<Self::Out, StoreError> {
        let until = self.now.plus(CLAIM);
        tx.claim_cuts(self.now, until, self.most).await
    }
}

struct Failed {
    cut: ClaimedCut,
    trouble: crate::platform::Trouble,
    due: Timestamp,
}

impl Work for Failed {
    type Out = ();

    async fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        tx.cut_failed(&self.cut, self.trouble, self.due).await
    }
}

struct Proved {
    cut: ClaimedCut,
    absence: Absence,
    now: Timestamp,
}

impl Work for Proved {
    type Out = bool;

    async fn run(&mut self, tx: &mut Tx) -> Result<bool, StoreError> {
        let new = tx.cut_proved(&self.cut, &self.absence, self.now).await?;
        if new {
            tx.audit(Draft {
                at: self.now,
                site: self.cut.site.clone(),
                event: "room.cut",
                actor: Actor::Service,
                object: Object::Session(self.cut.session),
                code: None,
                detail: serde_json::json!({
                    "room": self.cut.room,
                    "tries": self.cut.tries,
                    "proof": self.absence.sha256(),
                }),
            });
        }
        Ok(new)
    }
}

struct Done {
    cut: ClaimedCut,
    now: Timestamp,
}

impl Work for Done {
    type Out = ();

    async fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        tx.cut_done(&self.cut, self.now).await
    }
}

struct EndOverdue {
    now: Timestamp,
}

impl Work for EndOverdue {
    type Out = usize;

    async fn run(&mut self, tx: &mut Tx) -> Result<usize, StoreError> {
        let ended = tx.end_overdue_sessions(self.now, OVERDUE).await?;
        for session in &ended {
            tx.audit(Draft {
                at: self.now,
                site: session.site.clone(),
                event: "session.ended",
                actor: Actor::Service,
                object: Object::Laptop(session.device),
                code: None,
                detail: serde_json::json!({ "session": session.id, "reason": "lapsed" }),
            });
        }
        Ok(ended.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_and_has_an_end() {
        let waits: Vec<u64> = (1..=8).map(wait_after).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(wait_after(u32::MAX), LONGEST_WAIT_MS);
    }
}
