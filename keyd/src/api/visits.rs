//! What a laptop says about its visits.

use axum::extract::State;
use axum::response::Response;
use wardkey_edge::problem::No;
use wardkey_edge::request::{Body, answer};
use wardkey_schemas::activation::ActivationBody;
use wardkey_schemas::challenge::ChallengeRequest;
use wardkey_schemas::jws::Sealed;
use wardkey_schemas::limits::{EVENT_LOG_BYTES, EVIDENCE_BYTES, MESSAGE_BYTES};
use wardkey_schemas::order::OrderReceipt;
use wardkey_schemas::renewal::RenewalBody;
use wardkey_schemas::session::SessionEnd;
use wardkey_schemas::status::StatusRequest;

use super::{Served, around};

type Message<T> = Body<T, { around!(MESSAGE_BYTES) }>;

/// The log in base64, and the request.
const ACTIVATION: usize = EVENT_LOG_BYTES / 3 * 4 + 128 * 1024;

pub(super) async fn challenge(
    State(served): State<Served>,
    Body(body): Message<Sealed<ChallengeRequest>>,
) -> Result<Response, No> {
    Ok(answer(&served.app.challenge(body).await?))
}

pub(super) async fn activate(
    State(served): State<Served>,
    Body(body): Body<ActivationBody, ACTIVATION>,
) -> Result<Response, No> {
    Ok(answer(&served.app.activate(body).await?))
}

pub(super) async fn renew(
    State(served): State<Served>,
    Body(body): Body<RenewalBody, { around!(EVIDENCE_BYTES) }>,
) -> Result<Response, No> {
    Ok(answer(&served.app.renew(body).await?))
}

pub(super) async fn end(
    State(served): State<Served>,
    Body(body): Message<Sealed<SessionEnd>>,
) -> Result<Response, No> {
    Ok(answer(&served.app.end_visit(body).await?))
}

pub(super) async fn poll(
    State(served): State<Served>,
    Body(body): Message<Sealed<StatusRequest>>,
) -> Result<Response, No> {
    Ok(answer(&served.app.poll(body).await?))
}

pub(super) async fn receipt(
    State(served): State<Served>,
    Body(body): Message<Sealed<OrderReceipt>>,
) -> Result<Response, No> {
    Ok(answer(&served.app.receive_receipt(body).await?))
}
