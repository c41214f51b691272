//! When something is published: the loop that every node runs. On one database whoever takes the
//! epoch first publishes it; the others find it a second later and hand it out as well.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use wardkey_schemas::status_list::{StatusClass, StatusEpoch};
use wardkey_schemas::time::Timestamp;

use super::publishing::{Ledger, Publish, PutWhole, TakeTurn};
use super::{BEAT, FOLD, GAP, KEPT};
use crate::app::App;
use crate::clock;
use crate::failure::Failure;
use crate::store::Lane;
use crate::store::status_lists::Head;

/// How often a node looks.
const EVERY: Duration = Duration::from_millis(500);

/// Publishes for one node.
#[derive(Debug)]
pub struct Publisher {
    app: Arc<App>,
    ledgers: HashMap<StatusClass, Ledger>,
}

impl Publisher {
    /// A publisher that knows nothing yet.
    pub fn new(app: Arc<App>) -> Self {
        Self {
            app,
            ledgers: HashMap::new(),
        }
    }

    /// Looks once: publishes what waits, and puts on the shelf what others published.
    ///
    /// # Errors
    ///
    /// Faults; what was published before stays, and the next look begins from the rows.
    pub async fn look(&mut self, now: Timestamp) -> Result<(), Failure> {
        // Whoever may have forgotten stops signs no list of what may be used.
        let held = self.app.store.recovery().why().is_some();
        for head in self.app.store.status_heads().await? {
            let epoch = if is_due(&head, now) && !held {
                self.publish(head.class, now).await?.max(head.epoch)
            } else {
                head.epoch
            };
            self.catch_up(head.class, epoch).await?;
            // A node that does not know the newest epoch leaves the turn to one that does.
            let knows = self.ledgers.get(&head.class).map(Ledger::epoch) == Some(epoch);
            if knows && !held && head.whole < epoch && is_past(head.folded_at, FOLD, now) {
                self.fold(head.class, now).await?;
            } else if self.app.lists.whole_epoch(head.class) < head.whole {
                self.take_over_whole(head.class).await?;
            }
        }
        Ok(())
    }

    /// Publishes the next epoch if nobody else did meanwhile; the last epoch that this node knows.
    async fn publish(
        &mut self,
        class: StatusClass,
        now: Timestamp,
    ) -> Result<StatusEpoch, Failure> {
        let work = Publish {
            app: Arc::clone(&self.app),
            class,
            now,
            ledger: self.ledgers.remove(&class),
        };
        let (published, _) = self.app.store.write(Lane::Ordinary, work).await?;
        let known = published.ledger.epoch();
        self.ledgers.insert(class, published.ledger);
        if let Some((epoch, token)) = published.epoch {
            metrics::counter!("wardkey_status_epochs_total", "class" => class.as_str())
                .increment(1);
            // A gap before it is filled from the rows.
            if epoch == self.app.lists.epoch(class).next() {
                self.app.lists.add(class, vec![(epoch, token)]);
            }
        }
        Ok(known)
    }

    /// Puts on the shelf what was published up to `epoch` and is not there.
    async fn catch_up(&self, class: StatusClass, epoch: StatusEpoch) -> Result<(), Failure> {
        let here = self.app.lists.epoch(class);
        if here >= epoch {
            return Ok(());
        }
        // No more than the shelf holds.
        let kept = u64::try_from(KEPT).unwrap_or(u64::MAX);
        let oldest = StatusEpoch::new(epoch.number().saturating_sub(kept));
        let most = u32::try_from(KEPT).unwrap_or(u32::MAX);
        let store = &self.app.store;
        let epochs = store
            .status_epochs_after(class, here.max(oldest), most)
            .await?;
        self.app.lists.add(class, epochs);
        Ok(())
    }

    /// Makes a whole list, if it is this node's turn.
    async fn fold(&mut self, class: StatusClass, now: Timestamp) -> Result<(), Failure> {
        let store = &self.app.store;
        let (turn, _) = store.write(Lane::Ordinary, TakeTurn { class, now }).await?;
        let Some(ledger) = self.ledgers.get(&class).filter(|_| turn) else {
            return Ok(());
        };
        // Packing takes milliseconds: not on a thread that serves requests.
        let (app, ledger) = (Arc::clone(&self.app), ledger.clone());
        let list = tokio::task::spawn_blocking(move || ledger.fold(&app, class, now))
            .await
            .map_err(Failure::fault)??;
        let (epoch, token) = (list.epoch, list.token.clone());
        let (kept, _) = self
            .app
            .store
            .write(Lane::Ordinary, PutWhole { class, list })
            .await?;
        if kept {
            self.app.lists.put_whole(class, epoch, &token);
        }
        Ok(())
    }

    /// Puts on the shelf a whole list that another node made, or that was made before we began.
    async fn take_over_whole(&self, class: StatusClass) -> Result<(), Failure> {
        if let Some(whole) = self.app.store.whole_status_list(class).await? {
            self.app.lists.put_whole(class, whole.epoch, &whole.token);
        }
        Ok(())
    }
}

fn is_due(head: &Head, now: Timestamp) -> bool {
    is_past(head.published_at, BEAT, now) || (head.waiting && is_past(head.published_at, GAP, now))
}

/// Whether a time lies so far back, or in a future that a wrong clock wrote.
fn is_past(at: Timestamp, length: wardkey_schemas::time::Seconds, now: Timestamp) -> bool {
    at <= now.minus(length) || at > now
}

/// Looks until `stop` says so.
pub async fn run(mut publisher: Publisher, mut stop: watch::Receiver<bool>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        publisher.look_and_tell(clock::now()).await;
    }
}

impl Publisher {
    /// Looks once; a fault goes into the log, and the next look tries again.
    pub async fn look_and_tell(&mut self, now: Timestamp) {
        match self.look(now).await {
            Ok(()) => {}
            Err(Failure::Refused(refusal) | Failure::Recorded(refusal)) => {
                tracing::warn!(%refusal, "A status list was not published now");
            }
            Err(Failure::Fault(error)) => {
                tracing::warn!(%error, "A status list was not published now");
            }
        }
    }
}
