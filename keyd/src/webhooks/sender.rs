//! Sends what waits: takes it, signs it, tries it, notes what became of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use wardkey_schemas::jws::{Jws, SigningError};
use wardkey_schemas::notification::Notification;
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_told::on_one_line;

use super::settings::Webhook;
use super::{AT_ONCE, FIRST_PAUSE, LONGEST_PAUSE, MOST_TRIES, TAKEN};
use crate::failure::Failure;
use crate::store::notifications::{Due, Tried, Wish};
use crate::store::{Lane, Store, StoreError, Tx, Work};
use crate::{clock, random};

/// How often a node looks.
const EVERY: Duration = Duration::from_secs(1);

/// Characters of an error that are kept.
const ERROR_CHARS: usize = 200;

/// Signs a notification.
pub type Sign = Arc<dyn Fn(&Notification) -> Result<Jws<Notification>, SigningError> + Send + Sync>;

/// Sends for one node.
pub struct Sender {
    store: Store,
    webhooks: Arc<[Webhook]>,
    sign: Sign,
    /// How long one try may take.
    wait: Duration,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("webhooks", &self.webhooks)
            .finish_non_exhaustive()
    }
}

impl Sender {
    /// A sender to these.
    pub fn new(store: Store, webhooks: Vec<Webhook>, sign: Sign, wait: Duration) -> Self {
        Self {
            store,
            webhooks: webhooks.into(),
            sign,
            wait,
        }
    }

    /// Looks once: spreads what is new, and sends what is due; how many were tried.
    ///
    /// # Errors
    ///
    /// Faults of ours; one who does not answer is none.
    pub async fn look(&self, now: Timestamp) -> Result<usize, Failure> {
        if !self.store.notifications_wait(now).await? {
            return Ok(0);
        }
        let take = Take {
            wishes: self.webhooks.iter().map(|hook| hook.wish.clone()).collect(),
            now,
        };
        let (due, _) = self.store.write(Lane::Ordinary, take).await?;
        let mut running = JoinSet::new();
        for due in due {
            let attempt = self.attempt(&due, now)?;
            running.spawn(async move { (due, attempt.await) });
        }
        let mut tried = Vec::new();
        while let Some(done) = running.join_next().await {
            let (due, result) = done.map_err(Failure::fault)?;
            let became = judge(&due, result, now)?;
            tried.push((due, became));
        }
        let count = tried.len();
        if count > 0 {
            self.store
                .write(Lane::Ordinary, Note { tried, now })
                .await?;
        }
        Ok(count)
    }

    /// One try, ready to be made.
    fn attempt(
        &self,
        due: &Due,
        now: Timestamp,
    ) -> Result<impl Future<Output = Result<(), String>> + Send + use<>, Failure> {
        let hook = self
            .webhooks
            .iter()
            .find(|hook| hook.wish.endpoint == due.endpoint);
        let client = hook.map(|hook| hook.client.clone());
        let message = (self.sign)(&Notification {
            id: due.leaf,
            event: due.event,
            site: due.site.clone(),
            about: due.about,
            at: due.at,
            server_time: now,
        })?;
        let wait = self.wait;
        Ok(async move {
            let Some(client) = client else {
                return Err("nobody of this name is in the settings any more".to_owned());
            };
            let delivered = client.deliver(&message, wait).await;
            delivered.map_err(|error| on_one_line(&error).chars().take(ERROR_CHARS).collect())
        })
    }
}

/// What a try has come to.
fn judge(due: &Due, result: Result<(), String>, now: Timestamp) -> Result<Tried, Failure> {
    let tried = match result {
        Ok(()) => Tried::Delivered,
        Err(error) if due.tries >= MOST_TRIES => Tried::Dead(error),
        Err(error) => {
            let chance = u16::from_be_bytes(random::bytes()?);
            Tried::Again(now.plus_millis(pause(due.tries, chance)), error)
        }
    };
    let outcome = match &tried {
        Tried::Delivered => "delivered",
        Tried::Again(..) => "again",
        Tried::Dead(_) => "dead",
    };
    metrics::counter!("wardkey_notifications_total", "outcome" => outcome).increment(1);
    match &tried {
        Tried::Delivered => {}
        Tried::Again(at, error) => {
            tracing::info!(endpoint = due.endpoint, error, again = %at, "A notification was not taken");
        }
        Tried::Dead(error) => {
            tracing::error!(endpoint = due.endpoint, error, id = %due.leaf, "A notification was given up");
        }
    }
    Ok(tried)
}

/// Milliseconds before the try after try number `tries`: twice as long each time, at most an hour,
/// give or take a quarter, so that many which failed together do not come back together.
pub fn pause(tries: u32, chance: u16) -> u64 {
    let millis = |length: Seconds| u64::from(length.number()).saturating_mul(1000);
    let doublings = tries.saturating_sub(1).min(32);
    let length = millis(FIRST_PAUSE)
        .saturating_mul(1_u64.checked_shl(doublings).unwrap_or(u64::MAX))
        .min(millis(LONGEST_PAUSE));
    let spread = (length / 2)
        .saturating_mul(u64::from(chance))
        .checked_div(u64::from(u16::MAX))
        .unwrap_or(0);
    length.saturating_sub(length / 4).saturating_add(spread)
}

struct Take {
    wishes: Vec<Wish>,
    now: Timestamp,
}

impl Work for Take {
    type Out = Vec<Due>;

    async fn run(&mut self, tx: &mut Tx) -> Result<Vec<Due>, StoreError> {
        const SPREAD: u32 = 256;
        tx.spread_notifications(&self.wishes, self.now, SPREAD)
            .await?;
        let until = self.now.plus(TAKEN);
        tx.take_due_notifications(self.now, until, AT_ONCE).await
    }
}

struct Note {
    tried: Vec<(Due, Tried)>,
    now: Timestamp,
}

impl Work for Note {
    type Out = ();

    async fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        for (due, tried) in &self.tried {
            tx.notification_tried(due, tried, self.now).await?;
        }
        Ok(())
    }
}

/// Looks until `stop` says so.
pub async fn run(sender: Sender, mut stop: watch::Receiver<bool>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        match sender.look(clock::now()).await {
            Ok(_) => {}
            Err(Failure::Refused(refusal) | Failure::Recorded(refusal)) => {
                tracing::warn!(%refusal, "Notifications were not sent now");
            }
            Err(Failure::Fault(error)) => {
                tracing::warn!(%error, "Notifications were not sent now");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_an_hour_give_or_take_a_quarter() {
        assert_eq!((pause(1, 0), pause(1, u16::MAX)), (3_750, 6_250));
        assert_eq!((pause(2, 0), pause(2, u16::MAX)), (7_500, 12_500));
        for tries in [11, 40, u32::MAX] {
            assert_eq!(pause(tries, 0), 2_700_000, "{tries}");
            assert_eq!(pause(tries, u16::MAX), 4_500_000, "{tries}");
        }
    }

    #[test]
    fn one_is_given_up_after_about_eight_hours() {
        let all: u64 = (1..MOST_TRIES)
            .map(|tries| pause(tries, u16::MAX / 2))
            .sum();
        let hours = all / 3_600_000;
        assert!((6..=9).contains(&hours), "{hours}");
    }
}
