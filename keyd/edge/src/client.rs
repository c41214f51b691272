//! Calling a service: its name, where it is, and whom we believe.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wardkey_schemas::jws::{Jws, Message};
use wardkey_schemas::problem::{MEDIA_TYPE, Problem};
use wardkey_schemas::status_list::{
    StatusChain, StatusChanges, StatusClass, StatusEpoch, StatusListToken,
};
use wardkey_schemas::{Code, Refusal};

use crate::dates::Dates;
use crate::{limits, tls};

/// Where a service is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// Its base address, for example `https://keyd.wardkey.example:8443`.
    pub url: String,
    /// Where to connect instead of asking DNS for the name in the address.
    pub connect: Option<SocketAddr>,
    /// Root certificates (DER) to believe: the installation's, and those of a network that
    /// inspects TLS.
    pub roots: Vec<Vec<u8>>,
    /// At which time the service's certificates are judged.
    pub dates: Dates,
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address is not one.
    #[error("`{0}` is not an address that begins with https:// (or http:// on loopback)")]
    Address(String),
    /// The roots cannot be used.
    #[error("the root certificates cannot be used")]
    Tls(#[from] tls::TlsError),
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made")]
    Http(#[source] reqwest::Error),
}

/// What a call brought instead of its answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The service said no.
    #[error("{}", .0.refusal())]
    Refused(Box<Problem>),
    /// No answer came back.
    #[error("`{url}` cannot be reached")]
    Unreachable {
        /// What was called.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// Something came back that is not an answer of ours: a captive portal, a proxy, weather.
    #[error("`{url}` gave an answer that is not one of this service (status {status})")]
    NotAnAnswer {
        /// What was called.
        url: String,
        /// The HTTP status.
        status: u16,
    },
}

impl CallError {
    /// The same as a refusal for the person who asked.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Refused(problem) => problem.refusal(),
            Self::Unreachable { url, .. } => Refusal::new(
                Code::ServiceUnreachable,
                "no answer",
                format!("an answer of {url}"),
            ),
            Self::NotAnAnswer { url, status } => Refusal::new(
                Code::AnswerNotBelieved,
                format!("something else, with status {status}"),
                format!("an answer of {url}"),
            ),
        }
    }
}

/// Whatever a service answered, where it is not JSON.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Said {
    /// The HTTP status.
    pub status: u16,
    /// Its content type.
    pub kind: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// A client of one service.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    /// Makes a client that believes the endpoint's roots and follows nobody elsewhere.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub fn new(endpoint: &Endpoint) -> Result<Self, ClientError> {
        let address = || ClientError::Address(endpoint.url.clone());
        let url = reqwest::Url::parse(&endpoint.url).map_err(|_| address())?;
        let host = url.host_str().ok_or_else(address)?;
        let mut builder = reqwest::Client::builder()
            .connect_timeout(limits::CONNECT)
            .timeout(limits::ANSWER)
            .pool_idle_timeout(limits::IDLE)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tcp_nodelay(true);
        match url.scheme() {
            "https" => {
                let config = tls::client(endpoint.roots.iter().cloned(), &endpoint.dates)?;
                builder = builder.tls_backend_preconfigured(config).https_only(true);
            }
            "http" if is_loopback(host) => {
                // reqwest wants a TLS configuration all the same; it has nobody to believe.
                let config = rustls::ClientConfig::builder_with_provider(
                    rustls::crypto::aws_lc_rs::default_provider().into(),
                )
                .with_protocol_versions(&[&rustls::version::TLS13])
                .map_err(|error| ClientError::Tls(tls::TlsError::Root(error)))?
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
                builder = builder.tls_backend_preconfigured(config);
            }
            _ => return Err(address()),
        }
        if let Some(connect) = endpoint.connect {
            builder = builder.resolve(host, connect);
        }
        let http = builder.build().map_err(ClientError::Http)?;
        Ok(Self {
            http,
            base: endpoint.url.trim_end_matches('/').to_owned(),
        })
    }

    /// Sends `body` to `path` and reads the answer.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn post<B: Serialize + Sync, A: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<A, CallError> {
        self.post_within(path, body, limits::ANSWER).await
    }

    /// As [`Self::post`], with a wait of the caller's choice.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn post_within<B: Serialize + Sync, A: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
        wait: Duration,
    ) -> Result<A, CallError> {
        let url = format!("{}{path}", self.base);
        let request = self.http.post(&url).timeout(wait).json(body);
        self.read(url, request).await
    }

    /// Reads what stands at `path`.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn read_from<A: DeserializeOwned>(&self, path: &str) -> Result<A, CallError> {
        let url = format!("{}{path}", self.base);
        let request = self.http.get(&url);
        self.read(url, request).await
    }

    /// Reads the whole status list of a class.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn status_list(&self, class: StatusClass) -> Result<Jws<StatusListToken>, CallError> {
        let url = format!("{}/v1/status-lists/{class}", self.base);
        let body = self.read_body(&url, self.http.get(&url)).await?;
        let not_an_answer = || CallError::NotAnAnswer {
            url: url.clone(),
            status: 200,
        };
        let text = String::from_utf8(body).map_err(|_| not_an_answer())?;
        Jws::parse(text).map_err(|_| not_an_answer())
    }

    /// Reads what was published of a status list after an epoch, oldest first: answer after answer,
    /// `most` epochs at most.
    ///
    /// # Errors
    ///
    /// [`CallError`]; a refusal with `STATUS_CHANGES_GONE` where only the whole list helps.
    pub async fn status_changes(
        &self,
        class: StatusClass,
        since: StatusEpoch,
        most: usize,
    ) -> Result<Vec<Jws<StatusChanges>>, CallError> {
        let mut changes: Vec<Jws<StatusChanges>> = Vec::new();
        while changes.len() < most {
            let have = u64::try_from(changes.len()).unwrap_or(u64::MAX);
            let since = since.number().saturating_add(have);
            let path = format!("/v1/status-lists/{class}/changes?since={since}");
            let chain: StatusChain = self.read_from(&path).await?;
            let last = chain.changes.len() < wardkey_schemas::limits::STATUS_EPOCHS;
            changes.extend(chain.changes);
            if last {
                break;
            }
        }
        Ok(changes)
    }

    /// Reads the bytes that stand at `path`; nothing where the service says that there is nothing.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn read_bytes(&self, path: &str) -> Result<Option<Vec<u8>>, CallError> {
        let url = format!("{}{path}", self.base);
        let said = self.say(&url, self.http.get(&url)).await?;
        match said.status {
            200 => Ok(Some(said.body)),
            404 => Ok(None),
            status => Err(CallError::NotAnAnswer { url, status }),
        }
    }

    /// Sends a text to `path`, and gives whatever is answered.
    ///
    /// # Errors
    ///
    /// [`CallError::Unreachable`], or [`CallError::NotAnAnswer`] if the answer is too long.
    pub async fn post_text(&self, path: &str, text: String) -> Result<Said, CallError> {
        let url = format!("{}{path}", self.base);
        let request = self.http.post(&url).header(CONTENT_TYPE, "text/plain");
        self.say(&url, request.body(text)).await
    }

    async fn say(&self, url: &str, request: reqwest::RequestBuilder) -> Result<Said, CallError> {
        let unreachable = |source| CallError::Unreachable {
            url: url.to_owned(),
            source,
        };
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status().as_u16();
        let kind = response.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|value| value.to_str().ok());
        let kind = kind.unwrap_or_default().to_owned();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            body.extend_from_slice(&chunk);
            if body.len() > limits::PIECE_BYTES {
                let url = url.to_owned();
                return Err(CallError::NotAnAnswer { url, status });
            }
        }
        Ok(Said { status, kind, body })
    }

    /// Hands a signed message over: posts it as it is (RFC 7519 §10.3.1), and wants no answer but
    /// that it was taken.
    ///
    /// # Errors
    ///
    /// [`CallError`], never [`CallError::Refused`].
    pub async fn deliver<T: Message>(
        &self,
        message: &Jws<T>,
        wait: Duration,
    ) -> Result<(), CallError> {
        let url = self.base.clone();
        let request = self.http.post(&url).timeout(wait);
        let request = request
            .header(CONTENT_TYPE, "application/jwt")
            .body(message.as_str().to_owned());
        let response = match request.send().await {
            Ok(response) => response,
            Err(source) => return Err(CallError::Unreachable { url, source }),
        };
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        Err(CallError::NotAnAnswer {
            url,
            status: status.as_u16(),
        })
    }

    async fn read<A: DeserializeOwned>(
        &self,
        url: String,
        request: reqwest::RequestBuilder,
    ) -> Result<A, CallError> {
        let body = self.read_body(&url, request).await?;
        serde_json::from_slice(&body).map_err(|_| CallError::NotAnAnswer { url, status: 200 })
    }

    /// The body of an answer that is a yes.
    async fn read_body(
        &self,
        url: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<Vec<u8>, CallError> {
        let unreachable = |source| CallError::Unreachable {
            url: url.to_owned(),
            source,
        };
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let is_problem = response
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|value| value == MEDIA_TYPE);
        let not_an_answer = || CallError::NotAnAnswer {
            url: url.to_owned(),
            status: status.as_u16(),
        };
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            body.extend_from_slice(&chunk);
            if body.len() > limits::ANSWER_BYTES {
                return Err(not_an_answer());
            }
        }
        if status.is_success() {
            return Ok(body);
        }
        if is_problem && let Ok(problem) = serde_json::from_slice(&body) {
            return Err(CallError::Refused(Box::new(problem)));
        }
        Err(not_an_answer())
    }
}

pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}
