//! What everybody may know: the trust bundle and the certificates of keyd's keys.

use axum::extract::State;
use axum::response::Response;
use wardkey_edge::request::answer;

use super::Served;

pub(super) async fn bundle(State(served): State<Served>) -> Response {
    answer(&served.app.trust().package)
}

pub(super) async fn service_keys(State(served): State<Served>) -> Response {
    answer(&served.app.trust().service_keys)
}
