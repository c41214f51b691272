//! Opening a link.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;
use wardkey_schemas::limits;

use super::Served;
use crate::link::socket;

/// Bytes that an idle link may keep for reading: a laptop says hello and then listens.
const BUFFER: usize = 1024;

pub(super) async fn open(State(served): State<Served>, upgrade: WebSocketUpgrade) -> Response {
    let app = Arc::clone(&served.app);
    upgrade
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(limits::EVIDENCE_BYTES.saturating_mul(4))
        .max_message_size(limits::MESSAGE_BYTES)
        .max_frame_size(limits::MESSAGE_BYTES)
        .on_upgrade(move |socket| socket::serve(app, socket))
}
