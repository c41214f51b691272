//! Renewing the laptop's certificates at its site's authority: two questions, and what the TPM says
//! between them (`docs/walkthroughs/certificates.md`).

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use wardkey_edge::client::{CallError, Client, ClientError, Endpoint};
use wardkey_edge::limits;
use wardkey_schemas::binding::RecertificationBinding;
use wardkey_schemas::recertification::{
    CompleteRecertification, LaptopRecertified, RecertificationAnswer, RecertificationChallenge,
    RecertificationCompletion, RecertificationHello, RecertificationRequest,
};
use wardkey_schemas::{Code, Refusal};

use super::chip::Chip;
use super::keyd::Keyd;
use crate::certificates;
use crate::laptop::Laptop;
use crate::trust_file::Trusted;

/// How often the completion is said when no answer comes: the authority answers it alike each time.
const TIMES: u32 = 3;

/// The way to the site's authority.
#[derive(Debug)]
pub(super) struct Authority {
    client: Client,
    chip: Chip,
    keyd: Arc<Keyd>,
}

impl Authority {
    /// A way to the authority at `endpoint`.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub(super) fn new(
        endpoint: &Endpoint,
        chip: Chip,
        keyd: Arc<Keyd>,
    ) -> Result<Arc<Self>, ClientError> {
        Ok(Arc::new(Self {
            client: Client::new(endpoint)?,
            chip,
            keyd,
        }))
    }

    /// Renews the certificates of `laptop`; what comes back is verified.
    ///
    /// # Errors
    ///
    /// What the authority or the TPM refuses, `ANSWER_NOT_BELIEVED`, `CERTIFICATE_…`,
    /// `SERVICE_UNREACHABLE`.
    pub(super) async fn renew(
        &self,
        laptop: &Laptop,
        trusted: &Trusted,
    ) -> Result<Box<Laptop>, Refusal> {
        let hello = RecertificationHello {
            device: laptop.device,
            generation: laptop.generation,
            device_certificate: laptop.device_certificate.clone(),
            ak_certificate: laptop.ak_certificate.clone(),
            ak: self.chip.attestation_key().await?,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let answer = self.post("/v1/recertifications", &hello).await;
        let said = match answer.map_err(|error| error.refusal())? {
            RecertificationAnswer::Certified(said) => said,
            RecertificationAnswer::Challenge(challenge) => {
                self.complete(laptop, trusted, challenge).await?
            }
        };
        certificates::renewed(laptop, said, trusted.trust()).map(Box::new)
    }

    async fn complete(
        &self,
        laptop: &Laptop,
        trusted: &Trusted,
        challenge: RecertificationChallenge,
    ) -> Result<LaptopRecertified, Refusal> {
        let offer = trusted.trust().keys().open(&challenge.offer)?;
        let offer = offer.into_message();
        let is_ours = challenge.site == laptop.site
            && offer.site == laptop.site
            && offer.device == laptop.device
            && offer.generation == laptop.generation
            && offer.enrolment == challenge.enrolment
            && offer.ca_nonce == challenge.nonce;
        if !is_ours {
            let found = "an offer for another laptop or another question";
            let wanted = "the offer for this laptop's renewal";
            return Err(Refusal::new(Code::AnswerNotBelieved, found, wanted));
        }
        let binding = RecertificationBinding {
            site: &laptop.site,
            device: laptop.device,
            generation: laptop.generation,
            device_key: laptop.device_key.thumbprint(),
            enrolment: offer.enrolment,
            registration: offer.registration,
            ca_nonce: &offer.ca_nonce,
            keyd_nonce: &offer.nonce,
        };
        let (certify, quote) = (binding.certify(), binding.quote());
        let proof = self.chip.prove(offer.pcrs, certify, quote).await?;
        let event_log = self.keyd.event_log()?;
        let request = RecertificationRequest {
            site: laptop.site.clone(),
            device: laptop.device,
            generation: laptop.generation,
            enrolment: offer.enrolment,
            registration: offer.registration,
            certify: proof.certify.attest.sha256(),
            quote: proof.quote.sha256(),
            event_log: event_log.sha256,
            ca_nonce: offer.ca_nonce,
            keyd_nonce: offer.nonce,
        };
        let completion = CompleteRecertification {
            enrolment: offer.enrolment,
            completion: RecertificationCompletion {
                request: self.chip.sign(&request, &laptop.device_key).await?,
                device_public: proof.device_public,
                certify: proof.certify,
                quote: proof.quote,
                event_log: event_log.bytes,
            },
        };
        let mut time = 1;
        loop {
            let answer = self
                .post("/v1/recertifications/complete", &completion)
                .await;
            match answer {
                Err(error) if !matches!(error, CallError::Refused(_)) && time < TIMES => {
                    time = time.saturating_add(1);
                }
                other => break other.map_err(|error| error.refusal()),
            }
        }
    }

    async fn post<B: Serialize + Sync, A: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<A, CallError> {
        self.client.post_within(path, body, limits::REQUEST).await
    }
}
