//! Laptops whose certificates are renewed, and what their authority tells keyd of it.

use wardkey_schemas::binding::RecertificationBinding;
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::evidence::{Attestation, Quote};
use wardkey_schemas::ids::{EnrolmentId, RegistrationId};
use wardkey_schemas::recertification::{
    AnnounceRecertification, OpenRecertification, RecertificationCompletion, RecertificationHello,
    RecertificationOffer, RecertificationRequest,
};
use wardkey_schemas::time::Timestamp;

use crate::laptop::Laptop;
use crate::registrar::{Certified, Registrar};

impl Registrar {
    /// Certificates for both keys of a laptop, as of `at`: device key, attestation key.
    pub fn certify_laptop(&self, laptop: &Laptop, at: Timestamp) -> [Certified; 2] {
        let chip = &laptop.chip;
        [
            self.certify_device_at(laptop.device, chip.device.public(), at),
            self.certify_ak_at(laptop.device, chip.ak.public(), at),
        ]
    }

    /// The first word about a renewal.
    pub fn open_recertification(
        &self,
        enrolment: EnrolmentId,
        nonce: Nonce,
        hello: RecertificationHello,
    ) -> OpenRecertification {
        OpenRecertification {
            site: self.code.clone(),
            enrolment,
            nonce,
            hello,
        }
    }

    /// The announcement of new certificates.
    pub fn announce_recertification(
        &self,
        registration: RegistrationId,
        completion: RecertificationCompletion,
        certificates: &[Certified],
    ) -> AnnounceRecertification {
        AnnounceRecertification {
            site: self.code.clone(),
            registration,
            completion,
            certificates: certificates.iter().map(|c| c.announced.clone()).collect(),
        }
    }
}

impl Laptop {
    /// Its first word when its certificates are to be renewed.
    pub fn recertification_hello(&self, [device, ak]: &[Certified; 2]) -> RecertificationHello {
        RecertificationHello {
            device: self.device,
            generation: self.generation,
            device_certificate: device.certificate.clone(),
            ak_certificate: ak.certificate.clone(),
            ak: self.chip.attestation_key(),
            agent_version: "0.1.0".to_owned(),
        }
    }

    /// An honest completion of the renewal, before the device key signs it.
    pub fn recertification(&self, offer: &RecertificationOffer) -> RecertificationDraft {
        let binding = RecertificationBinding {
            site: &offer.site,
            device: offer.device,
            generation: offer.generation,
            device_key: self.chip.device.public().thumbprint(),
            enrolment: offer.enrolment,
            registration: offer.registration,
            ca_nonce: &offer.ca_nonce,
            keyd_nonce: &offer.nonce,
        };
        let device_public = self.chip.device_public();
        let certify = self.chip.certify(&binding.certify(), &device_public);
        let quote = self.chip.quote(&binding.quote(), &self.boot.pcrs);
        RecertificationDraft {
            request: RecertificationRequest {
                site: offer.site.clone(),
                device: offer.device,
                generation: offer.generation,
                enrolment: offer.enrolment,
                registration: offer.registration,
                certify: certify.attest.sha256(),
                quote: quote.sha256(),
                event_log: self.boot.log_sha256(),
                ca_nonce: offer.ca_nonce,
                keyd_nonce: offer.nonce,
            },
            device_public,
            certify,
            quote,
            event_log: self.boot.log.clone(),
        }
    }
}

/// The completion of a renewal, before the device key signs it.
#[derive(Clone, Debug)]
pub struct RecertificationDraft {
    /// What the device key will sign.
    pub request: RecertificationRequest,
    /// `TPMT_PUBLIC` of the device key.
    pub device_public: Vec<u8>,
    /// The certification of the device key.
    pub certify: Attestation,
    /// The quote.
    pub quote: Quote,
    /// The event log.
    pub event_log: Vec<u8>,
}

impl RecertificationDraft {
    /// Has it signed by a laptop's device key.
    pub fn sign(self, laptop: &Laptop) -> RecertificationCompletion {
        RecertificationCompletion {
            request: laptop.sign(&self.request),
            device_public: self.device_public.into(),
            certify: self.certify,
            quote: self.quote,
            event_log: self.event_log.into(),
        }
    }
}
