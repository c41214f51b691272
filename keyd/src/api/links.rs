//! Opening a link.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use wardkey_edge::problem::No;
use wardkey_schemas::{Code, Refusal, limits};

use super::Served;
use crate::link::socket;

/// Bytes that an idle link may keep for reading: a laptop says hello and then listens.
const BUFFER: usize = 1024;

pub(super) async fn open(
    State(served): State<Served>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, No> {
    let upgrade = upgrade.map_err(|error| {
        let wanted = "a WebSocket (RFC 6455)";
        Refusal::new(Code::MessageMalformed, error, wanted)
    })?;
    let app = Arc::clone(&served.app);
    Ok(upgrade
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(limits::EVIDENCE_BYTES.saturating_mul(4))
        .max_message_size(limits::MESSAGE_BYTES)
        .max_frame_size(limits::MESSAGE_BYTES)
        .on_upgrade(move |socket| socket::serve(app, socket)))
}
