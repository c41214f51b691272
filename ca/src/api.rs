//! The route table, and nothing else: what is not in it does not exist.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::http::Method;
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use wardkey_edge::problem::No;
use wardkey_edge::rate::Bucket;
use wardkey_edge::request::{Body, answer};
use wardkey_schemas::enrolment::{CompleteLaptop, LaptopHello};
use wardkey_schemas::key_enrolment::{CompleteKey, KeyHello};
use wardkey_schemas::limits::{EVIDENCE_BYTES, MESSAGE_BYTES, REGISTRATION_BYTES};
use wardkey_schemas::recertification::{CompleteRecertification, RecertificationHello};

use crate::app::App;
use crate::clock;
use crate::failure::Failure;
use crate::keyd::RemoteKeyd;

/// Requests at once, before the bucket has to fill up again: a fleet manifest of laptops, and some.
const BURST: u32 = 64;

/// Requests a second, for long. Each costs a few milliseconds of arithmetic and a question to keyd.
const PER_SECOND: u32 = 8;

/// A body that is a message with a certificate or two beside it.
const AROUND: usize = 32 * 1024;

macro_rules! routes {
    ($($route:ident, $method:ident, $path:literal, $handler:expr;)*) => {
        /// Every route of a site's authority. Anybody may call them: who is enrolled, and on whose
        /// word, is shown by signatures in the bodies.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum Route {
            $(
                #[doc = concat!("`", stringify!($method), " ", $path, "`")]
                $route,
            )*
        }

        impl Route {
            /// All routes.
            pub const ALL: &[Self] = &[$(Self::$route),*];

            /// Its path.
            pub const fn path(self) -> &'static str {
                match self { $(Self::$route => $path,)* }
            }

            /// Its method.
            pub const fn method(self) -> Method {
                match self { $(Self::$route => Method::$method,)* }
            }

            fn handler(self) -> MethodRouter<Served> {
                match self { $(Self::$route => $handler,)* }
            }
        }
    };
}

routes! {
    OpenLaptop, POST, "/v1/laptops", post(open_laptop);
    CompleteLaptop, POST, "/v1/laptops/complete", post(complete_laptop);
    OpenRecertification, POST, "/v1/recertifications", post(open_recertification);
    CompleteRecertification, POST, "/v1/recertifications/complete", post(complete_recertification);
    OpenKey, POST, "/v1/keys", post(open_key);
    CompleteKey, POST, "/v1/keys/complete", post(complete_key);
    Bundle, GET, "/v1/bundle", get(bundle);
    Health, GET, "/healthz", get(health);
}

#[derive(Clone)]
struct Served {
    app: Arc<App<RemoteKeyd>>,
    rate: Arc<Bucket>,
}

impl Served {
    fn admit(&self) -> Result<(), No> {
        Ok(self.rate.take(Instant::now())?)
    }
}

/// The router of the listener.
pub fn router(app: Arc<App<RemoteKeyd>>) -> Router {
    let rate = Arc::new(Bucket::new(BURST, PER_SECOND, Instant::now()));
    let mut router = Router::new();
    for route in Route::ALL {
        router = router.route(route.path(), route.handler());
    }
    router.with_state(Served { app, rate })
}

/// An act of issuing goes on when whoever asked hangs up: said again, it gets its answer.
async fn to_its_end<T: Send + 'static>(
    act: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    tokio::spawn(act).await.map_err(Failure::fault)?
}

async fn open_laptop(
    State(served): State<Served>,
    Body(hello): Body<LaptopHello, EVIDENCE_BYTES>,
) -> Result<Response, No> {
    served.admit()?;
    let done = served.app.open_laptop(hello).await;
    Ok(answer(&done.map_err(|failure| {
        failure.into_answer("open a laptop's enrolment")
    })?))
}

async fn complete_laptop(
    State(served): State<Served>,
    Body(body): Body<CompleteLaptop, REGISTRATION_BYTES>,
) -> Result<Response, No> {
    served.admit()?;
    let done = to_its_end(async move { served.app.complete_laptop(body).await }).await;
    Ok(answer(&done.map_err(|failure| {
        failure.into_answer("complete a laptop's enrolment")
    })?))
}

async fn open_recertification(
    State(served): State<Served>,
    Body(hello): Body<RecertificationHello, EVIDENCE_BYTES>,
) -> Result<Response, No> {
    served.admit()?;
    let done = served.app.open_recertification(hello, clock::now()).await;
    Ok(answer(&done.map_err(|failure| {
        failure.into_answer("open a renewal of certificates")
    })?))
}

async fn complete_recertification(
    State(served): State<Served>,
    Body(body): Body<CompleteRecertification, REGISTRATION_BYTES>,
) -> Result<Response, No> {
    served.admit()?;
    let now = clock::now();
    let done = to_its_end(async move { served.app.complete_recertification(body, now).await });
    Ok(answer(&done.await.map_err(|failure| {
        failure.into_answer("complete a renewal of certificates")
    })?))
}

async fn open_key(
    State(served): State<Served>,
    Body(hello): Body<KeyHello, { MESSAGE_BYTES + AROUND }>,
) -> Result<Response, No> {
    served.admit()?;
    let done = served.app.open_key(hello).await;
    Ok(answer(&done.map_err(|failure| {
        failure.into_answer("open a key's enrolment")
    })?))
}

async fn complete_key(
    State(served): State<Served>,
    Body(body): Body<CompleteKey, EVIDENCE_BYTES>,
) -> Result<Response, No> {
    served.admit()?;
    let done = to_its_end(async move { served.app.complete_key(body).await }).await;
    Ok(answer(&done.map_err(|failure| {
        failure.into_answer("complete a key's enrolment")
    })?))
}

async fn bundle(State(served): State<Served>) -> Response {
    answer(&served.app.trust().package)
}

/// The process answers; with the version of the bundle in use, for people.
async fn health(State(served): State<Served>) -> Response {
    answer(&serde_json::json!({
        "status": "alive",
        "bundle": served.app.trust().bundle.version(),
    }))
}
