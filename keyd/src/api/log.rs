//! The record as a transparency log: checkpoint, tiles, proofs. What is answered proves itself.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use wardkey_edge::problem::No;
use wardkey_edge::request::answer;

use super::Served;

/// Text that is another the next second.
const FRESH: (HeaderValue, HeaderValue) = (
    HeaderValue::from_static("text/plain; charset=utf-8"),
    HeaderValue::from_static("no-store"),
);

/// Bytes that are the same for ever.
const FIXED: (HeaderValue, HeaderValue) = (
    HeaderValue::from_static("application/octet-stream"),
    HeaderValue::from_static("public, max-age=31536000, immutable"),
);

fn with((kind, caching): (HeaderValue, HeaderValue), body: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, caching),
    ];
    (headers, body).into_response()
}

pub(super) async fn key(State(served): State<Served>) -> Response {
    answer(&served.app.log_key())
}

pub(super) async fn checkpoint(State(served): State<Served>) -> Result<Response, No> {
    let checkpoint = served.app.checkpoint().await;
    let checkpoint = checkpoint.map_err(|no| no.into_answer("give the checkpoint"))?;
    Ok(with(FRESH, checkpoint.to_string().into_bytes()))
}

pub(super) async fn witnessed(State(served): State<Served>) -> Result<Response, No> {
    let checkpoint = served.app.witnessed().await;
    let checkpoint = checkpoint.map_err(|no| no.into_answer("give a witnessed checkpoint"))?;
    Ok(with(FRESH, checkpoint.into_bytes()))
}

pub(super) async fn piece(
    State(served): State<Served>,
    Path(piece): Path<String>,
) -> Result<Response, No> {
    let bytes = served.app.piece(&format!("tile/{piece}")).await;
    let bytes = bytes.map_err(|no| no.into_answer("give a tile"))?;
    Ok(with(FIXED, bytes))
}

pub(super) async fn proof(
    State(served): State<Served>,
    Path(place): Path<String>,
) -> Result<Response, No> {
    let proof = served.app.proof(&place).await;
    let proof = proof.map_err(|no| no.into_answer("prove an entry"))?;
    Ok(with(FRESH, proof.to_string().into_bytes()))
}
