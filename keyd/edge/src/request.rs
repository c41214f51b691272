//! Bodies: JSON within a limit, or a problem document that says what is wrong with it.

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use wardkey_schemas::{Code, Refusal};

use crate::limits;
use crate::problem::No;

/// A body that is exactly a `T`, at most `MAX` bytes long.
#[derive(Debug)]
pub struct Body<T, const MAX: usize>(pub T);

impl<S: Send + Sync, T: DeserializeOwned, const MAX: usize> FromRequest<S> for Body<T, MAX> {
    type Rejection = No;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| {
                value
                    .split(';')
                    .next()
                    .is_some_and(|v| v.trim() == "application/json")
            });
        if !json {
            let wanted = "content type application/json";
            return Err(
                Refusal::new(Code::MessageMalformed, "another content type", wanted).into(),
            );
        }
        let body = Limited::new(request.into_body(), MAX).collect();
        let body = timeout(limits::BODY, body)
            .await
            .map_err(|_| {
                let wanted = format!("a whole body within {} seconds", limits::BODY.as_secs());
                Refusal::new(
                    Code::MessageMalformed,
                    "a body that came too slowly",
                    wanted,
                )
            })?
            .map_err(|error| {
                if error.downcast_ref::<LengthLimitError>().is_some() {
                    Refusal::new(
                        Code::MessageTooLarge,
                        "a longer body",
                        format!("at most {MAX} bytes"),
                    )
                } else {
                    Refusal::new(
                        Code::MessageMalformed,
                        "a body that broke off",
                        "a whole body",
                    )
                }
            })?;
        parse(&body.to_bytes()).map(Self).map_err(No::from)
    }
}

/// Parses a body.
///
/// # Errors
///
/// [`Code::MessageMalformed`] with the place and the reason.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(bytes)
        .map_err(|error| Refusal::new(Code::MessageMalformed, error, "the message of this address"))
}

/// An answer as JSON that nobody keeps.
pub fn answer<T: Serialize>(value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => {
            let mut response = body.into_response();
            let headers = response.headers_mut();
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            );
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(error) => No::fault(&error, "write an answer").into_response(),
    }
}

/// What is answered where no route is.
pub async fn no_such_route() -> No {
    Refusal::new(
        Code::RouteUnknown,
        "another address or method",
        "one of the documented routes",
    )
    .into()
}

/// What is answered when a handler panics: a fault like any other, and one that must be mended.
pub fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    tracing::error!("A handler panicked");
    No::from(Refusal::new(
        Code::ServiceFault,
        "a fault on our side",
        "a working service",
    ))
    .into_response()
}

/// Lets a request go that is not answered in time: whoever asked is told so.
pub async fn in_time(request: Request, next: Next) -> Response {
    if let Ok(response) = timeout(limits::REQUEST, next.run(request)).await {
        return response;
    }
    tracing::error!("A request was not answered in time");
    let wanted = format!("an answer within {} seconds", limits::REQUEST.as_secs());
    let refusal = Refusal::new(Code::ServiceFault, "no answer in time", wanted);
    No::from(refusal).into_response()
}
