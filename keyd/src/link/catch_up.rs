//! The safety net: every second, what a hint may have missed; and whether the database still
//! answers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use wardkey_schemas::time::Seconds;

use crate::app::App;
use crate::clock;
use crate::store::Wake;

/// How often the database is read.
const EVERY: Duration = Duration::from_secs(1);

/// How long it may stay silent before the links are dropped.
const SILENT: Duration = Duration::from_secs(5);

/// How far back each read looks: longer than a transaction may take and clocks of nodes may differ.
const BACK: Seconds = Seconds::new(15);

/// Runs until `stop` says so.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        if app.hub.count() == 0 {
            heard = Instant::now();
            continue;
        }
        let read = app.store.waiting_orders_since(clock::now().minus(BACK));
        match tokio::time::timeout(SILENT, read).await {
            Ok(Ok(orders)) => {
                heard = Instant::now();
                for order in orders {
                    let (device, seq) = (order.device, order.seq.number());
                    app.hub.offer(Wake {
                        device,
                        seq,
                        body: order.body,
                        committed: None,
                    });
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "The catch-up read failed"),
            Err(_) => tracing::warn!("The catch-up read took too long"),
        }
        if heard.elapsed() >= SILENT && app.hub.count() > 0 {
            tracing::error!(
                links = app.hub.count(),
                "The database is silent: links are dropped"
            );
            app.hub.close_all();
        }
    }
}
