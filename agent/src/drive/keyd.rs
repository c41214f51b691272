//! Questions to keyd: signed by the device key, sent once, and what came back handed on as it came.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use wardkey_edge::client::{CallError, Client, ClientError, Endpoint};
use wardkey_edge::limits::ANSWER;
use wardkey_schemas::activation::{ActivationBody, ActivationRequest, LeaseAnswer};
use wardkey_schemas::bundle::{BundlePackage, ServiceKeys};
use wardkey_schemas::bytes::{Bytes, Sha256};
use wardkey_schemas::challenge::{Challenge, ChallengeRequest};
use wardkey_schemas::jws::{Jws, Message, Sealed};
use wardkey_schemas::renewal::RenewalBody;
use wardkey_schemas::session::Recorded;
use wardkey_schemas::status::Status;
use wardkey_schemas::{Code, Refusal};

use super::chip::Chip;
use crate::laptop::Laptop;
use crate::limits;
use crate::session::{ActivationDraft, ChallengeDraft, Question, Reply};

/// What is said of the program that asks.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The event log of this boot; it does not change while the laptop runs.
#[derive(Clone, Debug)]
pub(super) struct EventLog {
    pub(super) bytes: Bytes,
    pub(super) sha256: Sha256,
}

/// The way to keyd.
#[derive(Debug)]
pub(super) struct Keyd {
    client: Client,
    chip: Chip,
    event_log: PathBuf,
    log: Mutex<Option<EventLog>>,
}

impl Keyd {
    /// A way to the service at `endpoint`.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub(super) fn new(
        endpoint: &Endpoint,
        chip: Chip,
        event_log: PathBuf,
    ) -> Result<Arc<Self>, ClientError> {
        Ok(Arc::new(Self {
            client: Client::new(endpoint)?,
            chip,
            event_log,
            log: Mutex::new(None),
        }))
    }

    /// Signs a question and asks it.
    pub(super) async fn ask(&self, laptop: &Laptop, question: Question) -> Reply {
        let asked = match question {
            Question::Challenge(draft) => self.challenge(laptop, draft).await,
            Question::Activation(draft) => self.activation(laptop, *draft).await,
            Question::Status(request) => {
                let status = self.sealed(laptop, "/v1/status", &request).await;
                status.map(|Sealed::<Status> { message }| Reply::Status(message))
            }
            Question::End(end) => {
                let recorded = self.sealed(laptop, "/v1/sessions/end", &end).await;
                recorded.map(|Sealed::<Recorded> { message }| Reply::Recorded(message))
            }
            Question::Receipt(receipt) => {
                let recorded = self.sealed(laptop, "/v1/receipts", &receipt).await;
                recorded.map(|Sealed::<Recorded> { message }| Reply::Recorded(message))
            }
        };
        asked.unwrap_or_else(|reply| reply)
    }

    /// Sends exactly these bytes.
    pub(super) async fn renew(&self, body: &RenewalBody) -> Reply {
        self.post("/v1/renewals", body, limits::RENEWAL_ANSWER)
            .await
            .map_or_else(|reply| reply, |LeaseAnswer { lease }| Reply::Lease(lease))
    }

    /// Fetches the newest trust bundle and keyd's keys.
    pub(super) async fn fetch_trust(&self) -> Result<Box<(BundlePackage, ServiceKeys)>, Refusal> {
        let refusal = |error: CallError| error.refusal();
        let bundle = self.client.read_from("/v1/bundle").await;
        let keys = self.client.read_from("/v1/service-keys").await;
        Ok(Box::new((bundle.map_err(refusal)?, keys.map_err(refusal)?)))
    }

    async fn challenge(&self, laptop: &Laptop, draft: ChallengeDraft) -> Result<Reply, Reply> {
        let request = ChallengeRequest {
            device: laptop.device,
            generation: laptop.generation,
            purpose: draft.purpose,
            room: draft.room,
            staff_certificate: draft.staff_certificate,
            gate_nonce: draft.gate_nonce,
            event_log: self.event_log().map_err(Reply::NotAsked)?.sha256,
            bundle: draft.bundle,
            agent_version: VERSION.to_owned(),
        };
        let Sealed::<Challenge> { message } =
            self.sealed(laptop, "/v1/challenges", &request).await?;
        Ok(Reply::Challenge(message))
    }

    async fn activation(&self, laptop: &Laptop, draft: ActivationDraft) -> Result<Reply, Reply> {
        let event_log = draft
            .with_event_log
            .then(|| self.event_log().map(|log| log.bytes))
            .transpose()
            .map_err(Reply::NotAsked)?;
        let request = ActivationRequest {
            device: laptop.device,
            challenge: draft.challenge,
            nonce: draft.nonce,
            activation: draft.activation,
            quote: draft.quote,
        };
        let body = ActivationBody {
            challenge: draft.challenge,
            request: self.sign(laptop, &request).await?,
            event_log,
        };
        let LeaseAnswer { lease } = self.post("/v1/activations", &body, ANSWER).await?;
        Ok(Reply::Lease(lease))
    }

    async fn sealed<Q: Message + Sync, A: DeserializeOwned>(
        &self,
        laptop: &Laptop,
        path: &str,
        question: &Q,
    ) -> Result<A, Reply> {
        let body = Sealed::new(self.sign(laptop, question).await?);
        self.post(path, &body, ANSWER).await
    }

    async fn sign<T: Message + Sync>(&self, laptop: &Laptop, message: &T) -> Result<Jws<T>, Reply> {
        let signed = self.chip.sign(message, &laptop.device_key).await;
        signed.map_err(Reply::NotAsked)
    }

    async fn post<B: Serialize + Sync, A: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
        wait: Duration,
    ) -> Result<A, Reply> {
        self.client
            .post_within(path, body, wait)
            .await
            .map_err(|error| {
                if let CallError::Refused(problem) = &error
                    && let Some(denial) = &problem.denial
                {
                    return Reply::Denial(denial.clone());
                }
                Reply::Weather(error.refusal())
            })
    }

    /// The event log of this boot.
    ///
    /// # Errors
    ///
    /// `LOG_MISSING`.
    pub(super) fn event_log(&self) -> Result<EventLog, Refusal> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = &*log {
            return Ok(log.clone());
        }
        let bytes = std::fs::read(&self.event_log).map_err(|error| {
            let found = format!("`{}`: {error}", self.event_log.display());
            Refusal::new(Code::LogMissing, found, "the event log of this boot")
        })?;
        let bytes = Bytes::from(bytes);
        let sha256 = bytes.sha256();
        Ok(log.insert(EventLog { bytes, sha256 }).clone())
    }
}
