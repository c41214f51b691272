//! Watching orders reach their laptops.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use wardkey_schemas::action::OrderSent;
use wardkey_schemas::ids::{DeviceId, OrderSeq};
use wardkey_schemas::query::OrderRow;
use wardkey_told::Report;

use crate::clock;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::show::orders;

/// How often keyd is asked.
const EVERY: Duration = Duration::from_secs(1);

/// Watches the orders that an act brought about until each is done, or nothing can run any more.
/// The act itself is done, so what goes wrong here is only said: `None`.
pub(super) async fn follow_sent(desk: &mut Desk, sent: &[OrderSent]) -> Option<Vec<OrderRow>> {
    // Whoever has to sign again while watching is asked again.
    desk.pins().forget();
    match follow(desk, sent).await {
        Ok(rows) => Some(rows),
        Err(failure) => {
            let report = Report::from(&failure);
            desk.output
                .talk(&format!("it is done, but cannot be watched:\n{report}"));
            None
        }
    }
}

async fn follow(desk: &mut Desk, sent: &[OrderSent]) -> Result<Vec<OrderRow>, Failure> {
    let mut devices: Vec<DeviceId> = sent.iter().map(|order| order.device).collect();
    devices.sort_unstable();
    devices.dedup();
    let mut rows = Vec::new();
    for device in devices {
        let wanted: Vec<OrderSeq> = sent
            .iter()
            .filter(|order| order.device == device)
            .map(|order| order.seq)
            .collect();
        let is_wanted = |row: &OrderRow| wanted.contains(&row.seq);
        rows.extend(watch(desk, device, Vec::new(), is_wanted).await?);
    }
    Ok(rows)
}

/// Watches all orders to a laptop, of which `known` were shown, until each is done or nothing can
/// run any more.
pub(super) async fn follow_all(
    desk: &mut Desk,
    device: DeviceId,
    known: Vec<OrderRow>,
) -> Result<Vec<OrderRow>, Failure> {
    desk.pins().forget();
    watch(desk, device, known, |_| true).await
}

async fn watch(
    desk: &mut Desk,
    device: DeviceId,
    mut known: Vec<OrderRow>,
    is_wanted: impl Fn(&OrderRow) -> bool,
) -> Result<Vec<OrderRow>, Failure> {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let all = desk.orders(device).await?;
        let rows: Vec<OrderRow> = all.into_iter().filter(|row| is_wanted(row)).collect();
        for row in rows.iter().rev() {
            let before = known.iter().find(|before| before.seq == row.seq);
            desk.output
                .progress(&orders::news(before, row, &desk.times))?;
        }
        known = rows;
        let now = clock::now();
        if known.iter().all(|row| orders::is_settled(row, now)) {
            for row in known.iter().rev() {
                if let Some(text) = orders::given_up(row, &desk.times, now) {
                    desk.output.progress(&text)?;
                }
            }
            return Ok(known);
        }
    }
}
