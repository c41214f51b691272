//! Showing what the site has.

use wardkey_schemas::Code;
use wardkey_schemas::action::OrderSent;
use wardkey_schemas::query::{KeyRow, LaptopRow};
use wardkey_told::Exit;

use super::watching;
use crate::cli::{Log, Orders};
use crate::clock;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::show::{lists, orders as shown, policy, record};

/// `wardkey devices`
pub(super) async fn devices(desk: &mut Desk) -> Result<Exit, Failure> {
    let rows = desk.laptops().await?;
    let text = lists::laptops(&rows, &desk.times);
    let json = serde_json::json!({ "answer_is_signed": false, "laptops": rows });
    desk.output.data(&text, &json)?;
    Ok(Exit::Done)
}

/// `wardkey keys`
pub(super) async fn keys(desk: &mut Desk) -> Result<Exit, Failure> {
    let rows = desk.keys().await?;
    let text = lists::keys(&rows, &desk.times);
    let json = serde_json::json!({ "answer_is_signed": false, "keys": rows });
    desk.output.data(&text, &json)?;
    Ok(Exit::Done)
}

/// `wardkey sessions`
pub(super) async fn sessions(desk: &mut Desk) -> Result<Exit, Failure> {
    let rows = desk.sessions().await?;
    let text = lists::sessions(&rows, &desk.times);
    let json = serde_json::json!({ "answer_is_signed": false, "sessions": rows });
    desk.output.data(&text, &json)?;
    Ok(Exit::Done)
}

/// `wardkey orders`
pub(super) async fn orders(desk: &mut Desk, orders: &Orders) -> Result<Exit, Failure> {
    let laptop = desk.choose_laptop(&orders.laptop).await?;
    let mut rows = desk.orders(laptop.device).await?;
    let now = clock::now();
    let text = shown::all(&rows, &desk.times, now);
    if orders.watch {
        desk.output.progress(&text)?;
        let open: Vec<OrderSent> = shown::open(&rows).collect();
        watching::follow(desk, &open).await?;
        rows = desk.orders(laptop.device).await?;
    }
    let json = serde_json::json!({
        "answer_is_signed": false,
        "laptop": { "device": laptop.device, "asset": laptop.asset },
        "orders": rows,
    });
    if orders.watch {
        desk.output.after_changes(&json)?;
    } else {
        desk.output.data(&text, &json)?;
    }
    Ok(Exit::Done)
}

/// `wardkey alerts`
pub(super) async fn alerts(desk: &mut Desk) -> Result<Exit, Failure> {
    let rows = desk.alerts().await?;
    let text = lists::alerts(&rows, &desk.times);
    let json = serde_json::json!({ "answer_is_signed": false, "alerts": rows });
    desk.output.data(&text, &json)?;
    Ok(Exit::Done)
}

/// `wardkey log`
pub(super) async fn log(desk: &mut Desk, log: &Log) -> Result<Exit, Failure> {
    let rows = desk.record(log.before).await?;
    // In JSON the numbers stand as they are; for people they have names.
    let names = match desk.output.format() {
        crate::output::Format::Json => record::Names::default(),
        crate::output::Format::Text => {
            let laptops: Vec<LaptopRow> = if_permitted(desk.laptops().await)?;
            let keys: Vec<KeyRow> = if_permitted(desk.keys().await)?;
            record::Names::of(&laptops, &keys)
        }
    };
    let text = record::record(&rows, &names, &desk.times);
    let json = serde_json::json!({ "answer_is_signed": false, "record": rows });
    desk.output.data(&text, &json)?;
    Ok(Exit::Done)
}

/// `wardkey policy show`
pub(super) async fn policy(desk: &mut Desk) -> Result<Exit, Failure> {
    let row = desk.policy().await?;
    let text = policy::policy(&row, &desk.times);
    let json = serde_json::json!({ "answer_is_signed": false, "policy": row });
    desk.output.data(&text, &json)?;
    Ok(Exit::Done)
}

/// What a role may not read is left out where it only adds to something else.
pub(super) fn if_permitted<T>(rows: Result<Vec<T>, Failure>) -> Result<Vec<T>, Failure> {
    match rows {
        Err(failure) if failure.is_refused_with(&[Code::NotPermitted]) => Ok(Vec::new()),
        other => other,
    }
}
