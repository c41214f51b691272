//! The route table, and nothing else: what is not in it does not exist.

mod limits;
mod links;
mod log;
mod ops;
mod people;
mod registrations;
mod status_lists;
mod trust;
mod visits;

use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use axum::routing::{MethodRouter, get, post};
use metrics_exporter_prometheus::PrometheusHandle;

use crate::app::App;

/// Who may call a route; shown by a signature in the body, never by the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Caller {
    /// Anybody: what is answered is public or signed.
    Anyone,
    /// An enrolled laptop, by its device key.
    Laptop,
    /// A site's ca, by its registrar key.
    Registrar,
    /// A person, by their security key; the act says what, the role whether.
    Person,
    /// A program that a person let read, by its reader key.
    Reader,
    /// Whoever can reach the operations address.
    Operations,
}

macro_rules! routes {
    ($($route:ident, $method:ident, $path:literal, $caller:ident, $handler:expr;)*) => {
        /// Every route of the service.
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

            /// Who may call it.
            pub const fn caller(self) -> Caller {
                match self { $(Self::$route => Caller::$caller,)* }
            }

            fn handler(self) -> MethodRouter<Served> {
                match self { $(Self::$route => $handler,)* }
            }
        }
    };
}

routes! {
    Bundle, GET, "/v1/bundle", Anyone, get(trust::bundle);
    ServiceKeys, GET, "/v1/service-keys", Anyone, get(trust::service_keys);
    StatusList, GET, "/v1/status-lists/{class}", Anyone, get(status_lists::whole);
    StatusChanges, GET, "/v1/status-lists/{class}/changes", Anyone, get(status_lists::changes);
    WelcomeSite, POST, "/v1/sites", Anyone, post(registrations::welcome_site);
    OpenLaptop, POST, "/v1/registrations/laptops", Registrar, post(registrations::open_laptop);
    AnnounceLaptop, POST, "/v1/registrations/laptops/announce", Registrar,
        post(registrations::announce_laptop);
    OpenRecertification, POST, "/v1/registrations/recertifications", Registrar,
        post(registrations::open_recertification);
    AnnounceRecertification, POST, "/v1/registrations/recertifications/announce", Registrar,
        post(registrations::announce_recertification);
    OpenKey, POST, "/v1/registrations/keys", Registrar, post(registrations::open_key);
    AnnounceKey, POST, "/v1/registrations/keys/announce", Registrar,
        post(registrations::announce_key);
    ReportIssued, POST, "/v1/registrations/issued", Registrar, post(registrations::report_issued);
    Challenge, POST, "/v1/challenges", Laptop, post(visits::challenge);
    Activate, POST, "/v1/activations", Laptop, post(visits::activate);
    Renew, POST, "/v1/renewals", Laptop, post(visits::renew);
    EndVisit, POST, "/v1/sessions/end", Laptop, post(visits::end);
    Poll, POST, "/v1/status", Laptop, post(visits::poll);
    Receipt, POST, "/v1/receipts", Laptop, post(visits::receipt);
    Link, GET, "/v1/link", Laptop, get(links::open);
    ChallengePerson, POST, "/v1/actions/challenge", Anyone, post(people::challenge);
    Act, POST, "/v1/actions", Person, post(people::act);
    Ask, POST, "/v1/queries", Reader, post(people::ask);
    LogKey, GET, "/v1/log/key", Anyone, get(log::key);
    LogCheckpoint, GET, "/v1/log/checkpoint", Anyone, get(log::checkpoint);
    LogWitnessed, GET, "/v1/log/witnessed", Anyone, get(log::witnessed);
    LogTile, GET, "/v1/log/tile/{*piece}", Anyone, get(log::piece);
    LogProof, GET, "/v1/log/proof/{place}", Anyone, get(log::proof);
    Health, GET, "/healthz", Operations, get(ops::health);
    Ready, GET, "/readyz", Operations, get(ops::ready);
    Metrics, GET, "/metrics", Operations, get(ops::metrics);
}

/// What handlers see.
#[derive(Clone)]
pub(crate) struct Served {
    app: Arc<App>,
    metrics: PrometheusHandle,
    limits: Arc<limits::Limits>,
}

/// The routers of the two listeners: for laptops, authorities and people; and for operations.
pub fn routers(app: Arc<App>, metrics: PrometheusHandle) -> (Router, Router) {
    let served = Served {
        app,
        metrics,
        limits: Arc::new(limits::Limits::new()),
    };
    let (mut public, mut ops) = (Router::new(), Router::new());
    for route in Route::ALL {
        let router = match route.caller() {
            Caller::Operations => &mut ops,
            Caller::Anyone
            | Caller::Laptop
            | Caller::Registrar
            | Caller::Person
            | Caller::Reader => &mut public,
        };
        *router = std::mem::take(router).route(route.path(), route.handler());
    }
    (public.with_state(served.clone()), ops.with_state(served))
}

/// A body that is JSON around one signed message of at most `$max` characters.
macro_rules! around {
    ($max:expr) => {{ $max + $crate::api::AROUND }};
}
use around;

/// What JSON puts around a signed message, and a certificate or two beside it.
const AROUND: usize = 32 * 1024;
