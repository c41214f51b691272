//! Calling keyd: every route, with its own types or with any bytes at all.

use std::net::SocketAddr;

use http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use wardkey_edge::client::{CallError, Client, Endpoint};
use wardkey_edge::dates::Dates;
use wardkey_schemas::Code;
use wardkey_schemas::action::{ActionAnswer, ActionChallenge};
use wardkey_schemas::activation::{ActivationBody, LeaseAnswer};
use wardkey_schemas::bundle::{BundlePackage, ServiceKeys};
use wardkey_schemas::challenge::{Challenge, ChallengeRequest};
use wardkey_schemas::jws::{Jws, Sealed};
use wardkey_schemas::order::{OrderReceipt, SignedAct};
use wardkey_schemas::problem::{MEDIA_TYPE, Problem};
use wardkey_schemas::query::{Answer, Query};
use wardkey_schemas::recertification::{
    AnnounceRecertification, OpenRecertification, RecertificationOffer,
};
use wardkey_schemas::registration::{
    AnnounceKey, AnnounceLaptop, KeyOffer, LaptopOffer, OpenKey, OpenLaptop, Receipt, ReportIssued,
    SiteHello, SiteWelcome,
};
use wardkey_schemas::renewal::RenewalBody;
use wardkey_schemas::session::{Recorded, SessionEnd};
use wardkey_schemas::status::{Status, StatusRequest};
use wardkey_schemas::status_list::{StatusChanges, StatusClass, StatusEpoch, StatusListToken};

/// What keyd said to any bytes.
#[derive(Clone, Debug)]
pub struct Said {
    /// The HTTP status.
    pub status: u16,
    /// The media type; empty where there is none.
    pub media_type: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Said {
    /// The problem document, if it is one under its own media type.
    pub fn problem(&self) -> Option<Problem> {
        (self.media_type == MEDIA_TYPE)
            .then(|| serde_json::from_slice(&self.body).ok())
            .flatten()
    }

    /// The answer, if it is one.
    pub fn answer<A: DeserializeOwned>(&self) -> Option<A> {
        (self.status == 200)
            .then(|| serde_json::from_slice(&self.body).ok())
            .flatten()
    }
}

/// The code of a refusal; that of a service that was not reached otherwise.
pub fn code_of(error: &CallError) -> Code {
    error.refusal().code()
}

/// A client of one keyd.
#[derive(Clone, Debug)]
pub struct Caller {
    endpoint: Endpoint,
    client: Client,
    raw: reqwest::Client,
}

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident: $path:literal, $body:ty => $answer:ty;)*) => {
        impl Caller {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                ///
                /// [`CallError`]: a refusal, or no answer.
                pub async fn $name(&self, body: &$body) -> Result<$answer, CallError> {
                    self.client.post($path, body).await
                }
            )*
        }
    };
}

calls! {
    /// Shows a site's charter.
    welcome_site: "/v1/sites", SiteHello => SiteWelcome;
    /// Opens a laptop's registration.
    open_laptop: "/v1/registrations/laptops", Sealed<OpenLaptop> => Sealed<LaptopOffer>;
    /// Announces a laptop's certificates.
    announce_laptop: "/v1/registrations/laptops/announce", Sealed<AnnounceLaptop> => Sealed<Receipt>;
    /// Opens a renewal of a laptop's certificates.
    open_recertification: "/v1/registrations/recertifications",
        Sealed<OpenRecertification> => Sealed<RecertificationOffer>;
    /// Announces new certificates of a laptop.
    announce_recertification: "/v1/registrations/recertifications/announce",
        Sealed<AnnounceRecertification> => Sealed<Receipt>;
    /// Opens a security key's registration.
    open_key: "/v1/registrations/keys", Sealed<OpenKey> => Sealed<KeyOffer>;
    /// Announces a security key's certificate.
    announce_key: "/v1/registrations/keys/announce", Sealed<AnnounceKey> => Sealed<Receipt>;
    /// Reports what was signed.
    report_issued: "/v1/registrations/issued", Sealed<ReportIssued> => Sealed<Receipt>;
    /// Asks for a challenge.
    challenge: "/v1/challenges", Sealed<ChallengeRequest> => Sealed<Challenge>;
    /// Opens or extends a visit.
    activate: "/v1/activations", ActivationBody => LeaseAnswer;
    /// Renews a lease.
    renew: "/v1/renewals", RenewalBody => LeaseAnswer;
    /// Ends a visit.
    end_visit: "/v1/sessions/end", Sealed<SessionEnd> => Sealed<Recorded>;
    /// Asks how a laptop stands.
    poll: "/v1/status", Sealed<StatusRequest> => Sealed<Status>;
    /// Tells what became of an order.
    receipt: "/v1/receipts", Sealed<OrderReceipt> => Sealed<Recorded>;
    /// Does what a person signed.
    act: "/v1/actions", SignedAct => ActionAnswer;
    /// Asks a question.
    ask: "/v1/queries", Sealed<Query> => Answer;
}

impl Caller {
    /// A client of the keyd at `address`: over TLS under `root` (DER), or plain without one.
    pub fn new(address: SocketAddr, realm: &str, root: Option<Vec<u8>>) -> Self {
        let endpoint = match root {
            Some(root) => Endpoint {
                url: format!("https://keyd.{realm}:{}", address.port()),
                connect: Some(address),
                roots: vec![root],
                dates: Dates::Calendar,
            },
            None => Endpoint {
                url: format!("http://{address}"),
                connect: None,
                roots: Vec::new(),
                dates: Dates::Calendar,
            },
        };
        Self {
            client: Client::new(&endpoint).unwrap(),
            raw: raw(&endpoint),
            endpoint,
        }
    }

    /// Where it is.
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// A nonce for an act.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn challenge_person(&self) -> Result<ActionChallenge, CallError> {
        self.client.post("/v1/actions/challenge", &()).await
    }

    /// The trust bundle.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn bundle(&self) -> Result<BundlePackage, CallError> {
        self.client.read_from("/v1/bundle").await
    }

    /// The certificates of keyd's keys.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn service_keys(&self) -> Result<ServiceKeys, CallError> {
        self.client.read_from("/v1/service-keys").await
    }

    /// A whole status list.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn status_list(&self, class: StatusClass) -> Result<Jws<StatusListToken>, CallError> {
        self.client.status_list(class).await
    }

    /// What was published of a status list after an epoch.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn status_changes(
        &self,
        class: StatusClass,
        since: StatusEpoch,
    ) -> Result<Vec<Jws<StatusChanges>>, CallError> {
        self.client.status_changes(class, since, 1_000).await
    }

    /// Reads a path with a header, as a cache on the way does: status, headers, length of the body.
    ///
    /// # Errors
    ///
    /// [`reqwest::Error`] if no answer came back.
    pub async fn get_with(
        &self,
        path: &str,
        name: http::HeaderName,
        value: &str,
    ) -> Result<(u16, http::HeaderMap, usize), reqwest::Error> {
        let url = format!("{}{path}", self.endpoint.url);
        let response = self.raw.get(url).header(name, value).send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok((status, headers, response.bytes().await?.len()))
    }

    /// Sends any bytes with any method and content type.
    ///
    /// # Errors
    ///
    /// [`reqwest::Error`] if no answer came back.
    pub async fn send(
        &self,
        method: http::Method,
        path: &str,
        content_type: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Said, reqwest::Error> {
        let url = format!("{}{path}", self.endpoint.url);
        let mut request = self.raw.request(method, url).body(body);
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        let response = request.send().await?;
        let media_type = response.headers().get(CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok());
        Ok(Said {
            status: response.status().as_u16(),
            media_type: media_type.unwrap_or_default().to_owned(),
            body: response.bytes().await?.to_vec(),
        })
    }

    /// Posts any bytes as JSON.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub async fn post(&self, path: &str, body: Vec<u8>) -> Result<Said, reqwest::Error> {
        let json = Some("application/json");
        self.send(http::Method::POST, path, json, body).await
    }
}

/// A client that sends what it is given.
fn raw(endpoint: &Endpoint) -> reqwest::Client {
    let config = if endpoint.roots.is_empty() {
        rustls::ClientConfig::builder_with_provider(
            rustls::crypto::aws_lc_rs::default_provider().into(),
        )
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
    } else {
        wardkey_edge::tls::client(endpoint.roots.iter().cloned(), &endpoint.dates).unwrap()
    };
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tcp_nodelay(true);
    if let Some(address) = endpoint.connect {
        let host = endpoint.url.trim_start_matches("https://");
        let host = host.split(':').next().unwrap();
        builder = builder.resolve(host, address);
    }
    builder.build().unwrap()
}
