//! What people do, and what they ask.

use std::time::Instant;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use wardkey_edge::problem::No;
use wardkey_edge::request::{Body, answer};
use wardkey_edge::serve::Peer;
use wardkey_schemas::jws::Sealed;
use wardkey_schemas::limits::MESSAGE_BYTES;
use wardkey_schemas::order::SignedAct;
use wardkey_schemas::query::Query;

use super::{Served, around};

/// Anybody may ask, and each asking writes a row: so not too often.
pub(super) async fn challenge(
    State(served): State<Served>,
    Extension(Peer(address)): Extension<Peer>,
) -> Result<Response, No> {
    let taken = served.limits.challenges.take(address, Instant::now());
    taken.map_err(|later| No::later(later.refusal, later.after))?;
    Ok(answer(&served.app.challenge_person().await?))
}

pub(super) async fn act(
    State(served): State<Served>,
    Body(body): Body<SignedAct, { around!(MESSAGE_BYTES) }>,
) -> Result<Response, No> {
    Ok(answer(&served.app.act(body).await?))
}

pub(super) async fn ask(
    State(served): State<Served>,
    Body(body): Body<Sealed<Query>, { around!(MESSAGE_BYTES) }>,
) -> Result<Response, No> {
    let _place = served.limits.place_for_a_question().await?;
    Ok(answer(&served.app.ask(body).await?))
}
