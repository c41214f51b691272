//! For those who run the service: is it alive, is it ready, what has it done.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use wardkey_edge::request::answer;

use super::Served;

/// The process answers.
pub(super) async fn health() -> Response {
    answer(&serde_json::json!({ "status": "alive" }))
}

/// The service can do its work: its database answers.
pub(super) async fn ready(State(served): State<Served>) -> Response {
    match served.app.store.ping().await {
        Ok(()) => answer(&serde_json::json!({
            "status": "ready",
            "bundle": served.app.trust().bundle.version(),
            "database": served.app.store.engine(),
            "links": served.app.hub.count(),
            "held": served.app.store.recovery().why().map(|why| why.to_string()),
        })),
        Err(error) => {
            tracing::warn!(%error, "Not ready");
            let mut response = answer(&serde_json::json!({ "status": "database does not answer" }));
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response
        }
    }
}

/// Counters in the text format of Prometheus.
pub(super) async fn metrics(State(served): State<Served>) -> Response {
    let text = served.metrics.render();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
