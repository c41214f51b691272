//! Watching orders reach their laptops: on a terminal one line a laptop, in a pipe one line a
//! change, for scripts one JSON document a change.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use wardkey_schemas::action::OrderSent;
use wardkey_schemas::delivery::DeliveryRow;
use wardkey_told::Report;

use crate::desk::Desk;
use crate::failure::Failure;
use crate::show::deliveries;

/// How often keyd is asked.
const EVERY: Duration = Duration::from_secs(1);

/// Laptops whose lines fit on a terminal of the usual height; more than that are told line by line.
const LINES: usize = 20;

/// Watches the orders that an act brought about until every laptop has stopped, or its last possible
/// second has passed. The act itself is done, so what goes wrong here is only said: `None`.
pub(super) async fn follow_sent(desk: &mut Desk, sent: &[OrderSent]) -> Option<Vec<DeliveryRow>> {
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

/// Watches orders until nothing more is to be waited for.
pub(super) async fn follow(
    desk: &mut Desk,
    sent: &[OrderSent],
) -> Result<Vec<DeliveryRow>, Failure> {
    // Whoever has to sign again while watching is asked again.
    desk.pins().forget();
    let mut known: Vec<DeliveryRow> = Vec::new();
    if sent.is_empty() {
        return Ok(known);
    }
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let rows = desk.deliveries(sent).await?;
        show(desk, &known, &rows)?;
        known = rows;
        // keyd says when nothing more is to come, by its own clock: ours may be another.
        if known.iter().all(|row| row.settled) {
            return Ok(known);
        }
    }
}

/// Shows what has changed.
fn show(desk: &Desk, before: &[DeliveryRow], rows: &[DeliveryRow]) -> Result<(), Failure> {
    let changed: Vec<&DeliveryRow> = rows
        .iter()
        .filter(|row| !before.iter().any(|before| before == *row))
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let output = desk.output;
    let line = |row: &DeliveryRow| deliveries::line(row, &desk.times);
    if output.is_terminal() && rows.len() <= LINES {
        let lines: Vec<String> = rows.iter().map(line).collect();
        return output.progress(&deliveries::redrawn(&lines, before.len()));
    }
    for row in changed {
        output.change(&line(row), &serde_json::json!({ "delivery": row }))?;
    }
    Ok(())
}
