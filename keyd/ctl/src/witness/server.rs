//! The one route of a witness.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State as Shared};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use tokio::signal::unix::{SignalKind, signal};
use wardkey_edge::serve::{ListenError, Listener, Transport};
use wardkey_tlog::key::VerifierKey;
use wardkey_tlog::witness::{No, PATH, REQUEST_BYTES, SIZE_TYPE};

use super::state::{Answer, State, WitnessError};
use crate::clock;

/// Why a witness does not serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The listener.
    #[error("a listener cannot be opened")]
    Listen(#[from] ListenError),
    /// Signals or standard output.
    #[error("the operating system refused something that every service needs")]
    Os(#[from] std::io::Error),
}

struct Witness {
    state: State,
    logs: Vec<VerifierKey>,
}

/// Serves until it is asked to stop. Prints `ready address=…` once it listens.
///
/// # Errors
///
/// [`ServeError`].
pub async fn serve(
    state: State,
    logs: Vec<VerifierKey>,
    address: SocketAddr,
    transport: Transport,
) -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = Listener::bind(address, transport).await?;
    let address = listener.address();
    let mut out = std::io::stdout();
    writeln!(out, "ready address={address}")?;
    out.flush()?;
    let router = router(state, logs);
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    listener.serve(router, stop).await;
    Ok(())
}

/// The one route.
pub fn router(state: State, logs: Vec<VerifierKey>) -> Router {
    let witness = Arc::new(Witness { state, logs });
    Router::new().route(PATH, post(add)).with_state(witness)
}

async fn add(Shared(witness): Shared<Arc<Witness>>, request: Request) -> Response {
    let malformed = || no(No::Malformed);
    let Ok(body) = to_bytes(request.into_body(), REQUEST_BYTES).await else {
        return malformed();
    };
    let Ok(text) = String::from_utf8(body.to_vec()) else {
        return malformed();
    };
    let now = clock::now();
    // A small file is read and written; not on the threads that speak with others.
    let judged = tokio::task::spawn_blocking(move || {
        let Witness { state, logs } = &*witness;
        state.answer(&text, logs.as_slice(), now)
    });
    match judged.await {
        Ok(Ok(answer)) => respond(answer),
        Ok(Err(error)) => fault(&error),
        Err(error) => fault(&error),
    }
}

fn fault(error: &(dyn std::error::Error + 'static)) -> Response {
    let cause = error.source().map(ToString::to_string);
    tracing::error!(%error, cause, "Nothing was signed");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

fn respond(answer: Answer) -> Response {
    match answer {
        Answer::Signed(lines) => lines.into_response(),
        Answer::UnknownLog => (StatusCode::NOT_FOUND, "no log of this name\n").into_response(),
        Answer::No(reason) => no(reason),
    }
}

fn no(reason: No) -> Response {
    let status = StatusCode::from_u16(reason.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = (status, reason.body()).into_response();
    if matches!(reason, No::Seen(_)) {
        let kind = HeaderValue::from_static(SIZE_TYPE);
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}

impl From<WitnessError> for crate::failure::Failure {
    fn from(error: WitnessError) -> Self {
        let hint = "look at the folder that --state names";
        Self::usage(wardkey_told::on_one_line(&error), hint)
    }
}

impl From<ServeError> for crate::failure::Failure {
    fn from(error: ServeError) -> Self {
        let hint = "choose another address with --listen";
        Self::usage(wardkey_told::on_one_line(&error), hint)
    }
}
