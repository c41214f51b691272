//! How changes are grouped: one transaction for all that waits, one commit, then the answers.
//!
//! On SQLite one task writes; on PostgreSQL several do, and a lane of its own carries stops, so that
//! they never queue behind ordinary work. There is no window to wait for: while one group is being
//! committed, the next one gathers.
//!
//! If a group fails, each of its works runs again alone, so that one bad work costs the others a
//! little time and nothing else. A work therefore must be able to run more than once: it starts
//! afresh each time it is called.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::time::Timestamp;

use super::audit::Entry;
use super::engine::{Db, Tx};
use super::{StoreError, Wake};
use crate::clock;
use crate::log::recovery::Recovery;

/// Works in one transaction, at most: enough to share a commit, few enough to keep it short.
const GROUP: usize = 64;

/// Works that may wait; more than that and the service is over its limit.
const QUEUE: usize = 4096;

/// How often a work is tried alone when it meets a deadlock.
const TRIES: u32 = 3;

/// Writers on PostgreSQL beside the kill lane.
const POSTGRES_WRITERS: usize = 4;

/// Which queue a work goes through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lane {
    /// Stops: ahead of everything.
    Kill,
    /// Everything else.
    Ordinary,
}

/// A change, written as one decision: statements and audit entries.
pub trait Work: Send + 'static {
    /// What it answers.
    type Out: Send + 'static;

    /// Runs it in `tx`. May be called again after a failure, from the beginning.
    fn run(&mut self, tx: &mut Tx) -> impl Future<Output = Result<Self::Out, StoreError>> + Send;
}

/// What is known once a work is on disk.
#[derive(Clone, Debug)]
pub struct Committed {
    /// When the commit returned.
    pub at: Timestamp,
    /// The leaves of the entries that the work asked for, in order.
    pub leaves: Vec<Sha256>,
}

impl Committed {
    /// The leaf of the last entry: the decision itself.
    ///
    /// # Errors
    ///
    /// [`StoreError::Inconsistent`] if the work recorded nothing.
    pub fn leaf(&self) -> Result<Sha256, StoreError> {
        let missing = StoreError::Inconsistent {
            table: "audit",
            column: "leaf",
        };
        self.leaves.last().copied().ok_or(missing)
    }
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A work whose type is forgotten, so that different ones can wait in one queue.
trait Queued: Send {
    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> BoxFuture<'a, Result<(), StoreError>>;
    fn finish(self: Box<Self>, result: Result<Committed, StoreError>);
}

struct Envelope<W: Work> {
    work: W,
    out: Option<W::Out>,
    answer: oneshot::Sender<Result<(W::Out, Committed), StoreError>>,
}

impl<W: Work> Queued for Envelope<W> {
    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.out = None;
            self.out = Some(self.work.run(tx).await?);
            Ok(())
        })
    }

    fn finish(self: Box<Self>, result: Result<Committed, StoreError>) {
        let answer = match (result, self.out) {
            (Ok(committed), Some(out)) => Ok((out, committed)),
            (Ok(_), None) => Err(StoreError::Stopped),
            (Err(error), _) => Err(error),
        };
        // Whoever asked may have gone; the work is done all the same.
        drop(self.answer.send(answer));
    }
}

type Sender = mpsc::Sender<Box<dyn Queued>>;
type Receiver = mpsc::Receiver<Box<dyn Queued>>;

/// The way to the writers.
#[derive(Clone)]
pub(super) struct Writer(Arc<Lanes>);

struct Lanes {
    kill: Sender,
    /// One queue a writer; works take turns.
    ordinary: Vec<Sender>,
    turn: AtomicUsize,
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer(..)")
    }
}

impl Writer {
    pub(super) fn start(
        db: &Db,
        wakes: mpsc::UnboundedSender<Wake>,
        cuts: &Arc<Notify>,
        recovery: &Arc<Recovery>,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let task = |kill, ordinary| {
            let (db, wakes, stopped) = (db.clone(), wakes.clone(), stopped.clone());
            let (cuts, recovery) = (Arc::clone(cuts), Arc::clone(recovery));
            tokio::spawn(
                Task {
                    db,
                    wakes,
                    cuts,
                    recovery,
                    kill,
                    ordinary,
                    stopped,
                }
                .run(),
            )
        };
        let (kill, kill_queue) = mpsc::channel(QUEUE);
        let (ordinary, tasks) = match db {
            Db::Sqlite { .. } => {
                let (ordinary, queue) = mpsc::channel(QUEUE);
                (vec![ordinary], vec![task(Some(kill_queue), Some(queue))])
            }
            Db::Postgres(_) => {
                let (senders, queues): (Vec<_>, Vec<_>) =
                    (0..POSTGRES_WRITERS).map(|_| mpsc::channel(QUEUE)).unzip();
                let killer = std::iter::once(task(Some(kill_queue), None));
                let others = queues.into_iter().map(|queue| task(None, Some(queue)));
                (senders, killer.chain(others).collect())
            }
        };
        let tasks = Mutex::new(tasks);
        Self(Arc::new(Lanes {
            kill,
            ordinary,
            turn: AtomicUsize::new(0),
            stop,
            tasks,
        }))
    }

    pub(super) async fn write<W: Work>(
        &self,
        lane: Lane,
        work: W,
    ) -> Result<(W::Out, Committed), StoreError> {
        let (answer, answered) = oneshot::channel();
        let envelope: Box<dyn Queued> = Box::new(Envelope {
            work,
            out: None,
            answer,
        });
        match lane {
            Lane::Kill => self
                .0
                .kill
                .send(envelope)
                .await
                .map_err(|_| StoreError::Stopped)?,
            Lane::Ordinary => {
                let turn = self.0.turn.fetch_add(1, Ordering::Relaxed);
                let writer = turn.checked_rem(self.0.ordinary.len()).unwrap_or(0);
                let queue = self.0.ordinary.get(writer).ok_or(StoreError::Stopped)?;
                queue.try_send(envelope).map_err(|error| match error {
                    TrySendError::Full(_) => StoreError::Busy,
                    TrySendError::Closed(_) => StoreError::Stopped,
                })?;
            }
        }
        answered.await.map_err(|_| StoreError::Stopped)?
    }

    /// Finishes what waits, then ends the tasks.
    pub(super) async fn stop(&self) {
        self.0.stop.send_replace(true);
        for task in self.0.tasks.lock().await.drain(..) {
            if let Err(error) = task.await {
                tracing::error!(%error, "A writer ended badly");
            }
        }
    }
}

struct Task {
    db: Db,
    wakes: mpsc::UnboundedSender<Wake>,
    cuts: Arc<Notify>,
    recovery: Arc<Recovery>,
    kill: Option<Receiver>,
    ordinary: Option<Receiver>,
    stopped: watch::Receiver<bool>,
}

/// The next work of a queue; for ever nothing if there is no such queue here.
async fn next(queue: &mut Option<Receiver>) -> Option<Box<dyn Queued>> {
    match queue {
        Some(queue) => queue.recv().await,
        None => std::future::pending().await,
    }
}

impl Task {
    async fn run(mut self) {
        loop {
            let first = tokio::select! {
                biased;
                work = next(&mut self.kill) => work,
                work = next(&mut self.ordinary) => work,
                _ = self.stopped.wait_for(|stopped| *stopped) => None,
            };
            let last = first.is_none();
            let mut group: Vec<_> = first.into_iter().collect();
            self.gather(&mut group);
            if !group.is_empty() {
                self.write(group).await;
            } else if last {
                return;
            }
        }
    }

    /// Adds what waits, stops first.
    fn gather(&mut self, group: &mut Vec<Box<dyn Queued>>) {
        for queue in [&mut self.kill, &mut self.ordinary].into_iter().flatten() {
            while group.len() < GROUP {
                let Ok(work) = queue.try_recv() else { break };
                group.push(work);
            }
        }
    }

    async fn write(&self, mut group: Vec<Box<dyn Queued>>) {
        match self.attempt(&mut group).await {
            Ok(results) => {
                for (work, committed) in group.into_iter().zip(results) {
                    work.finish(Ok(committed));
                }
            }
            // Nobody writes while somebody else holds the file: each work alone would wait as long.
            Err(error) if is_locked(&error) => {
                tracing::error!(error = %Chain(&error), works = group.len(), "The file is locked");
                for work in group {
                    work.finish(Err(StoreError::Locked));
                }
            }
            Err(error) => {
                tracing::debug!(error = %Chain(&error), works = group.len(), "A group starts over");
                for work in group {
                    self.write_alone(work).await;
                }
            }
        }
    }

    async fn write_alone(&self, work: Box<dyn Queued>) {
        let mut alone = [work];
        let mut result = self.attempt(&mut alone).await;
        for _ in 1..TRIES {
            if !result.as_ref().is_err_and(is_worth_another_try) {
                break;
            }
            result = self.attempt(&mut alone).await;
        }
        if let Err(error) = &result
            && !matches!(error, StoreError::Refused(_))
        {
            tracing::error!(error = %Chain(error), "A work could not be written");
        }
        let [work] = alone;
        work.finish(result.and_then(|mut results| results.pop().ok_or(StoreError::Stopped)));
    }

    /// Runs all works in one transaction and commits it.
    async fn attempt(&self, group: &mut [Box<dyn Queued>]) -> Result<Vec<Committed>, StoreError> {
        let mut tx = self.db.begin(&self.recovery).await?;
        let mut counts = Vec::with_capacity(group.len());
        for work in group.iter_mut() {
            let before = tx.drafts.len();
            if let Err(error) = work.run(&mut tx).await {
                // Dropping would roll back as well; saying so keeps the connection clean.
                drop(tx.rollback().await);
                return Err(error);
            }
            counts.push(tx.drafts.len().saturating_sub(before));
        }
        let noted: Vec<_> = tx.drafts.iter().map(super::notifications::noted).collect();
        let entries = super::audit::append(&mut tx).await?;
        let told: Vec<_> = entries
            .iter()
            .map(|entry| entry.leaf)
            .zip(noted)
            .filter_map(|(leaf, noted)| Some((leaf, noted?)))
            .collect();
        super::notifications::insert(&mut tx, told).await?;
        super::orders::notify(&mut tx).await?;
        let wakes = std::mem::take(&mut tx.wakes);
        let cuts = tx.cuts;
        tx.commit().await?;
        if cuts {
            self.cuts.notify_one();
        }
        let committed = Some(Instant::now());
        for wake in wakes {
            let wake = Wake { committed, ..wake };
            // Without a receiver there are no links at this node.
            drop(self.wakes.send(wake));
        }
        let at = clock::now();
        let mut entries = entries.into_iter();
        Ok(counts
            .into_iter()
            .map(|count| Committed {
                at,
                leaves: entries
                    .by_ref()
                    .take(count)
                    .map(|entry: Entry| entry.leaf)
                    .collect(),
            })
            .collect())
    }
}

/// Deadlocks pass at once; a lock that was waited for in vain is no better after as long a wait
/// again, and whoever asked has gone by then.
fn is_worth_another_try(error: &StoreError) -> bool {
    // 40001 and 40P01: serialisation and deadlock.
    has_code(error, &["40001", "40P01"])
}

/// Somebody else holds the one lock of an SQLite file.
fn is_locked(error: &StoreError) -> bool {
    // SQLITE_BUSY, after the busy time-out.
    has_code(error, &["5"])
}

fn has_code(error: &StoreError, codes: &[&str]) -> bool {
    let StoreError::Database(sqlx::Error::Database(error)) = error else {
        return false;
    };
    error.code().is_some_and(|code| codes.contains(&&*code))
}

/// An error with its causes on one line.
struct Chain<'a>(&'a (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
