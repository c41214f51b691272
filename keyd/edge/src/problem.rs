//! Answers that say no: problem documents (RFC 9457).

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use wardkey_schemas::denial::Denial;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::problem::{MEDIA_TYPE, Problem};
use wardkey_schemas::{Code, Refusal};

use crate::status;

/// A request that is not answered with what it asked for.
#[derive(Debug)]
pub struct No {
    refusal: Refusal,
    denial: Option<Jws<Denial>>,
    /// When to ask again, in seconds.
    after: u32,
}

/// When to ask again where nothing better is known, in seconds.
const USUALLY_AFTER: u32 = 5;

impl No {
    /// The refusal.
    pub const fn refusal(&self) -> &Refusal {
        &self.refusal
    }

    /// The refusal with its signed form beside it.
    #[must_use]
    pub fn signed(refusal: Refusal, denial: Jws<Denial>) -> Self {
        Self {
            refusal,
            denial: Some(denial),
            after: USUALLY_AFTER,
        }
    }

    /// The refusal, and how long until it is of use to ask again.
    #[must_use]
    pub fn later(refusal: Refusal, after: Duration) -> Self {
        Self {
            refusal,
            denial: None,
            // Whole seconds (RFC 9110 section 10.2.3), rounded up so that the one who obeys is served.
            after: u32::try_from(after.as_millis().div_ceil(1000).max(1)).unwrap_or(u32::MAX),
        }
    }

    /// A fault of ours. What it was goes into the log with `doing`, never into the answer.
    pub fn fault(error: &(dyn std::error::Error + 'static), doing: &'static str) -> Self {
        let mut causes = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push_str(": ");
            causes.push_str(&cause.to_string());
            source = cause.source();
        }
        tracing::error!(error = %causes, doing, "A request met a fault");
        Refusal::new(
            Code::ServiceFault,
            "a fault on our side",
            "a working service",
        )
        .into()
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            denial: None,
            after: USUALLY_AFTER,
        }
    }
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        let number = status::of(self.refusal.code());
        let status = StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut problem = Problem::new(&self.refusal, number);
        problem.denial = self.denial;
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if matches!(
            self.refusal.code(),
            Code::RateLimited | Code::Busy | Code::ServiceFault
        ) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(self.after));
        }
        response
    }
}
