//! Visits: the answer to a challenge, and what follows from the lease.

use wardkey_schemas::activation::{Activation, ActivationBody, ActivationRequest};
use wardkey_schemas::binding::{ActivationBinding, RenewalBinding};
use wardkey_schemas::challenge::{Challenge, Purpose};
use wardkey_schemas::evidence::Quote;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::lease::Lease;
use wardkey_schemas::renewal::{RenewalBody, RenewalProof, RenewalRequest, VisitState};

use crate::laptop::Laptop;
use crate::person::Person;

/// The answer to a challenge, before anybody signs it.
#[derive(Clone, Debug)]
pub struct ActivationDraft {
    /// What the person will sign.
    pub activation: Activation,
    /// The quote.
    pub quote: Quote,
    /// What the request says of itself: the laptop.
    pub request_device: wardkey_schemas::ids::DeviceId,
    /// What the request says of itself: the challenge.
    pub request_challenge: wardkey_schemas::ids::ChallengeId,
    /// What the request says of itself: keyd's nonce.
    pub request_nonce: wardkey_schemas::bytes::Nonce,
    /// The event log, where it is wanted.
    pub event_log: Option<Vec<u8>>,
}

impl ActivationDraft {
    /// An honest answer of `person` at `laptop` to `challenge`.
    pub fn new(laptop: &Laptop, person: &Person, challenge: &Challenge, purpose: Purpose) -> Self {
        let binding = ActivationBinding {
            challenge: challenge.challenge,
            nonce: &challenge.nonce,
            gate_nonce: &challenge.gate_nonce,
            device: laptop.device,
            generation: laptop.generation,
            device_key: laptop.chip.device.public().thumbprint(),
            site: &challenge.site,
            room: challenge.room,
            staff_certificate: person.certificate_sha256(),
        };
        let quote = laptop.chip.quote(&binding.quote(), &laptop.boot.pcrs);
        let log = || laptop.boot.log.clone();
        Self {
            activation: Activation {
                challenge: challenge.challenge,
                nonce: challenge.nonce,
                gate_nonce: challenge.gate_nonce,
                device: laptop.device,
                generation: laptop.generation,
                device_key: laptop.chip.device.public().thumbprint(),
                site: challenge.site.clone(),
                room: challenge.room,
                purpose,
                staff_key: person.key(),
                staff_certificate: person.certificate_sha256(),
                quote: quote.sha256(),
            },
            quote,
            request_device: laptop.device,
            request_challenge: challenge.challenge,
            request_nonce: challenge.nonce,
            event_log: challenge.event_log_wanted.then(log),
        }
    }

    /// Signed by the person and by the laptop.
    pub fn sign(self, laptop: &Laptop, person: &Person) -> ActivationBody {
        let activation = person.sign(&self.activation);
        self.around(laptop, activation)
    }

    /// The same around what somebody has signed elsewhere.
    pub fn around(self, laptop: &Laptop, activation: Jws<Activation>) -> ActivationBody {
        let request = ActivationRequest {
            device: self.request_device,
            challenge: self.request_challenge,
            nonce: self.request_nonce,
            activation,
            quote: self.quote,
        };
        ActivationBody {
            challenge: self.request_challenge,
            request: laptop.sign(&request),
            event_log: self.event_log.map(Into::into),
        }
    }
}

/// A running visit, as the laptop sees it.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The newest lease.
    pub lease: Lease,
    /// Its envelope.
    pub envelope: Jws<Lease>,
}

impl Visit {
    /// The next renewal with a time stamp, before it is signed.
    pub fn renewal(&self, laptop: &Laptop) -> RenewalRequest {
        self.renewal_by(laptop, |binding| {
            RenewalProof::Time(laptop.chip.time(&binding.time()))
        })
    }

    /// The next renewal with a quote, before it is signed.
    pub fn requote(&self, laptop: &Laptop) -> RenewalRequest {
        self.renewal_by(laptop, |binding| {
            RenewalProof::Quote(laptop.chip.quote(&binding.quote(), &laptop.boot.pcrs))
        })
    }

    fn renewal_by(
        &self,
        laptop: &Laptop,
        proof: impl FnOnce(&RenewalBinding<'_>) -> RenewalProof,
    ) -> RenewalRequest {
        let (seq, gate_nonce) = (self.lease.seq.saturating_add(1), laptop.nonce());
        let binding = RenewalBinding {
            session: self.lease.session,
            seq,
            renew_nonce: &self.lease.renew_nonce,
            gate_nonce: &gate_nonce,
        };
        RenewalRequest {
            device: laptop.device,
            generation: laptop.generation,
            session: self.lease.session,
            seq,
            renew_nonce: self.lease.renew_nonce,
            gate_nonce,
            state: VisitState::InRoom,
            proof: proof(&binding),
        }
    }

    /// The next renewal with a quote, signed.
    pub fn requote_body(&self, laptop: &Laptop) -> RenewalBody {
        sealed(laptop, &self.requote(laptop))
    }

    /// The next renewal, signed.
    pub fn renewal_body(&self, laptop: &Laptop) -> RenewalBody {
        sealed(laptop, &self.renewal(laptop))
    }
}

/// A renewal as it is sent.
fn sealed(laptop: &Laptop, request: &RenewalRequest) -> RenewalBody {
    RenewalBody {
        session: request.session,
        request: laptop.sign(request),
    }
}
