//! Somebody between laptop and key service who ends the laptop's TLS, as networks do that inspect it:
//! relays what is asked, or answers in the key service's stead.

use std::collections::HashMap;
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;
use tokio::runtime::Runtime;
use wardkey_edge::client::{CallError, Client, Endpoint};
use wardkey_edge::dates::Dates;
use wardkey_edge::serve::{Listener, Transport};
use wardkey_edge::tls::{self, Identity};
use wardkey_schemas::bytes::decode;
use wardkey_schemas::denial::Denial;
use wardkey_schemas::jws;
use wardkey_schemas::key::SigningKey;
use wardkey_schemas::problem::{MEDIA_TYPE, Problem};
use wardkey_schemas::refusal::Verdict;
use wardkey_schemas::time::Seconds;
use wardkey_schemas::{Code, Refusal};

use crate::ward::Ward;

/// What it does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// Relays requests, and no link.
    Relay,
    /// 403 with a page.
    CaptivePortal,
    /// 500 with nothing.
    Broken,
    /// 200 with JSON that is something else.
    Garbage,
    /// A problem document of ours, without a signature.
    UnsignedNo,
    /// The same with a *stop* under a key of its own, for this very request.
    ForgedStop,
    /// What the key service answered to an earlier request.
    OldAnswers,
}

struct Shared {
    mode: Mutex<Mode>,
    keyd: Client,
    key: SigningKey,
    answers: Mutex<HashMap<String, Value>>,
    asked: AtomicU32,
}

/// Somebody in between, until dropped.
pub(crate) struct Impostor {
    shared: Arc<Shared>,
    _runtime: Runtime,
}

impl Impostor {
    /// Gets between a ward's laptop and its key service; the laptop's settings name its root.
    pub(crate) fn between(ward: &Ward) -> Self {
        Self::start(ward, true)
    }

    /// The same, while the settings do not name its root.
    pub(crate) fn unknown_between(ward: &Ward) -> Self {
        Self::start(ward, false)
    }

    fn start(ward: &Ward, is_known: bool) -> Self {
        let keyd = ward.world.keyd_address().unwrap();
        let image = ward.laptop.folder().join("image");
        let root = fs::read(image.join("root.der")).unwrap();
        let name = "keyd.wardkey.test";
        let url = format!("https://{name}");
        let endpoint = Endpoint {
            url: url.clone(),
            connect: Some(keyd.parse().unwrap()),
            roots: vec![root],
            dates: Dates::Calendar,
        };
        let shared = Arc::new(Shared {
            mode: Mutex::new(Mode::Relay),
            keyd: Client::new(&endpoint).unwrap(),
            key: SigningKey::generate().unwrap().0,
            answers: Mutex::default(),
            asked: AtomicU32::new(0),
        });

        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap());
        let authority = authority.unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let leaf = leaf.signed_by(&key, &authority).unwrap();
        let chain = vec![leaf.der().to_vec()];
        let identity = Identity::new(chain, &key.serialize_der()).unwrap();

        let runtime = Runtime::new().unwrap();
        let transport = Transport::Tls(tls::server(identity).unwrap());
        let free = "127.0.0.1:0".parse().unwrap();
        let listener = runtime.block_on(Listener::bind(free, transport)).unwrap();
        let address = listener.address();
        let router = Router::new()
            .route("/{*path}", any(answer))
            .with_state(Arc::clone(&shared));
        runtime.spawn(listener.serve(router, std::future::pending()));

        let path = ward.laptop.agent_config();
        let mut text = fs::read_to_string(&path).unwrap();
        text = text.replace(&keyd, &address.to_string());
        if is_known {
            let file = image.join("inspection.pem");
            fs::write(&file, authority.pem()).unwrap();
            text = format!("extra_roots = [\"{}\"]\n{text}", file.display());
        }
        fs::write(&path, text).unwrap();
        Self {
            shared,
            _runtime: runtime,
        }
    }

    /// From now on it does this.
    pub(crate) fn play(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap() = mode;
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> u32 {
        self.shared.asked.load(Ordering::SeqCst)
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Response {
    shared.asked.fetch_add(1, Ordering::SeqCst);
    let path = uri.path().to_owned();
    let mode = *shared.mode.lock().unwrap();
    match mode {
        Mode::Relay => relay(&shared, &method, path, &body).await,
        Mode::CaptivePortal => {
            let page = "<html><h1>Please sign in</h1></html>";
            (
                StatusCode::FORBIDDEN,
                [(header::CONTENT_TYPE, "text/html")],
                page,
            )
                .into_response()
        }
        Mode::Broken => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Mode::Garbage => json(StatusCode::OK, "application/json", &Value::from(7)),
        Mode::UnsignedNo => problem(&unsigned()),
        Mode::ForgedStop => problem(&forged(&shared, &body)),
        Mode::OldAnswers => {
            let old = shared.answers.lock().unwrap().get(&path).cloned();
            json(StatusCode::OK, "application/json", &old.unwrap_or_default())
        }
    }
}

async fn relay(shared: &Shared, method: &Method, path: String, body: &[u8]) -> Response {
    if path == "/v1/link" {
        return StatusCode::NOT_FOUND.into_response();
    }
    let answered = if method == Method::GET {
        shared.keyd.read_from::<Value>(&path).await
    } else {
        let body: Value = serde_json::from_slice(body).unwrap();
        shared.keyd.post::<Value, Value>(&path, &body).await
    };
    match answered {
        Ok(answer) => {
            shared.answers.lock().unwrap().insert(path, answer.clone());
            json(StatusCode::OK, "application/json", &answer)
        }
        Err(CallError::Refused(no)) => problem(&no),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

fn unsigned() -> Problem {
    let refusal = Refusal::new(Code::DeviceLost, "a lost laptop", "a laptop in use");
    Problem::new(&refusal, 403)
}

/// A *stop* for this very request, under a key that nobody has certified.
fn forged(shared: &Shared, body: &[u8]) -> Problem {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let envelope = body["request"]
        .as_str()
        .or_else(|| body["message"].as_str());
    let payload = envelope.and_then(|text| text.split('.').nth(1));
    let asked: Value = payload
        .and_then(|payload| decode(payload).ok())
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let nonce = asked["gate_nonce"]
        .as_str()
        .or_else(|| asked["nonce"].as_str());
    let (Some(nonce), Some(device)) = (nonce, asked["device"].as_str()) else {
        return unsigned();
    };
    let denial = Denial {
        device: device.parse().unwrap(),
        nonce: nonce.parse().unwrap(),
        verdict: Verdict::Stop,
        refusal: unsigned().refusal(),
        retry_after: Seconds::new(0),
        orders: Vec::new(),
        server_time: "2026-11-22T14:02:07.500Z".parse().unwrap(),
    };
    unsigned().with_denial(jws::sign(&denial, &shared.key).unwrap())
}

fn problem(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap();
    json(status, MEDIA_TYPE, &serde_json::to_value(problem).unwrap())
}

fn json(status: StatusCode, kind: &'static str, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, kind)], value.to_string()).into_response()
}
