//! Laptops: what they say while they are enrolled, and about their visits.

use std::sync::atomic::{AtomicU64, Ordering};

use wardkey_schemas::binding::EnrolmentBinding;
use wardkey_schemas::bundle::BundleVersion;
use wardkey_schemas::bytes::{Mac, Nonce, Sha256};
use wardkey_schemas::challenge::{ChallengeRequest, Purpose, RoomChoice};
use wardkey_schemas::enrolment::{LaptopApproval, LaptopCompletion, LaptopHello, credential_proof};
use wardkey_schemas::evidence::{Attestation, Quote};
use wardkey_schemas::ids::{DeviceId, Generation, OrderSeq, SessionId};
use wardkey_schemas::jws::{self, Jws, Message, Sealed};
use wardkey_schemas::link::LinkHello;
use wardkey_schemas::names::{AssetTag, SiteCode};
use wardkey_schemas::order::{Order, OrderReceipt, OrderResult};
use wardkey_schemas::phrase::Phrase;
use wardkey_schemas::registration::LaptopOffer;
use wardkey_schemas::session::{EndReason, SessionEnd};
use wardkey_schemas::status::StatusRequest;
use wardkey_schemas::time::Seconds;

use crate::installation::PCRS;
use crate::person::Person;
use crate::seed::Seed;
use crate::tpm::{Boot, Chip, EkKind, TpmMaker};

/// A laptop.
#[derive(Debug)]
pub struct Laptop {
    /// Its TPM.
    pub chip: Chip,
    /// The tag on its lid.
    pub asset: AssetTag,
    /// Its site.
    pub site: SiteCode,
    /// How it has started.
    pub boot: Boot,
    /// Its number, once it is enrolled.
    pub device: DeviceId,
    /// Its enrolment.
    pub generation: Generation,
    /// The check phrase of its enrolment.
    pub phrase: Phrase,
    seed: Seed,
    nonces: AtomicU64,
}

impl Laptop {
    /// A laptop that nobody has enrolled yet.
    pub fn new(seed: Seed, site: &SiteCode, asset: AssetTag, kind: EkKind) -> Self {
        Self {
            chip: Chip::new(kind, &seed),
            asset,
            site: site.clone(),
            boot: Boot::of("boot loader", &PCRS),
            device: DeviceId::from_random(seed.id("not enrolled yet")),
            generation: Generation::FIRST,
            phrase: Phrase::of(&Sha256::of(b"not enrolled yet")),
            seed,
            nonces: AtomicU64::new(0),
        }
    }

    /// A nonce that this laptop has not used before.
    pub fn nonce(&self) -> Nonce {
        let number = self.nonces.fetch_add(1, Ordering::Relaxed);
        self.seed.nonce(&format!("nonce {number}"))
    }

    /// Signs a message with the device key.
    pub fn seal<T: Message>(&self, message: &T) -> Sealed<T> {
        Sealed::new(self.sign(message))
    }

    /// The same without its frame.
    pub fn sign<T: Message>(&self, message: &T) -> Jws<T> {
        jws::sign(message, &self.chip.device).unwrap()
    }

    /// Its first word when it is enrolled.
    pub fn hello(&self, maker: &TpmMaker, lead: &Person) -> LaptopHello {
        LaptopHello {
            asset: self.asset.clone(),
            ek: maker.endorsement_key(&self.chip.ek),
            ak: self.chip.attestation_key(),
            tpm: maker.properties(),
            lead_certificate: lead.certificate.clone(),
            bundle: BundleVersion::new(1),
            agent_version: "0.1.0".to_owned(),
        }
    }

    /// An honest completion of its enrolment, before the lead signs it.
    pub fn draft(&self, offer: &LaptopOffer, lead: &Person) -> LaptopDraft {
        let binding = EnrolmentBinding {
            site: &offer.site,
            asset: &self.asset,
            enrolment: offer.enrolment,
            registration: offer.registration,
            ca_nonce: &offer.ca_nonce,
            keyd_nonce: &offer.nonce,
        };
        let device_public = self.chip.device_public();
        let certify = self.chip.certify(&binding.certify(), &device_public);
        let quote = self.chip.quote(&binding.quote(), &self.boot.pcrs);
        let secret = self
            .chip
            .ek
            .activate(&self.chip.ak_name(), &offer.credential);
        LaptopDraft {
            approval: LaptopApproval {
                site: offer.site.clone(),
                asset: self.asset.clone(),
                enrolment: offer.enrolment,
                registration: offer.registration,
                device: offer.device,
                generation: offer.generation,
                ek: Sha256::of(&self.chip.ek.public),
                ak_name: self.chip.ak_name().into(),
                device_key: self.chip.device.public().thumbprint(),
                certify: certify.attest.sha256(),
                quote: quote.sha256(),
                event_log: self.boot.log_sha256(),
                ca_nonce: offer.ca_nonce,
                keyd_nonce: offer.nonce,
                lead_key: lead.key(),
            },
            device_public,
            certify,
            quote,
            event_log: self.boot.log.clone(),
            secret: secret.unwrap_or([0; 32]),
        }
    }

    /// Asks for a challenge for `person`, before it is signed.
    pub fn challenge_request(
        &self,
        person: &Person,
        purpose: Purpose,
        room: RoomChoice,
    ) -> ChallengeRequest {
        ChallengeRequest {
            device: self.device,
            generation: self.generation,
            purpose,
            room,
            staff_certificate: person.certificate.clone(),
            gate_nonce: self.nonce(),
            event_log: self.boot.log_sha256(),
            bundle: BundleVersion::new(1),
            agent_version: "0.1.0".to_owned(),
        }
    }

    /// Says that a visit has ended just now, before it is signed.
    pub fn end(&self, session: SessionId, reason: EndReason) -> SessionEnd {
        SessionEnd {
            device: self.device,
            generation: self.generation,
            session,
            nonce: self.nonce(),
            reason,
            ended_ago: Seconds::ZERO,
        }
    }

    /// Asks how it stands, before it is signed.
    pub fn status(&self, last_order: OrderSeq) -> StatusRequest {
        StatusRequest {
            device: self.device,
            generation: self.generation,
            nonce: self.nonce(),
            last_order,
        }
    }

    /// Tells what became of an order, before it is signed.
    pub fn receipt(
        &self,
        envelope: &Jws<Order>,
        order: &Order,
        result: OrderResult,
    ) -> OrderReceipt {
        OrderReceipt {
            device: self.device,
            generation: self.generation,
            order: order.order,
            seq: order.seq,
            order_sha256: envelope.sha256(),
            nonce: self.nonce(),
            result,
            received_ago_ms: 20,
            acted_ago_ms: 10,
        }
    }

    /// Its answer to keyd's first word on a link, before it is signed.
    pub fn link_hello(&self, nonce: Nonce, last_order: OrderSeq) -> LinkHello {
        LinkHello {
            device: self.device,
            generation: self.generation,
            nonce,
            link_nonce: self.nonce(),
            last_order,
        }
    }
}

/// The completion of a laptop's enrolment, before the lead signs it.
#[derive(Clone, Debug)]
pub struct LaptopDraft {
    /// What the lead will sign.
    pub approval: LaptopApproval,
    /// `TPMT_PUBLIC` of the device key.
    pub device_public: Vec<u8>,
    /// The certification of the device key.
    pub certify: Attestation,
    /// The quote.
    pub quote: Quote,
    /// The event log.
    pub event_log: Vec<u8>,
    /// keyd's secret, as the TPM opened it; zeros where it did not.
    pub secret: [u8; 32],
}

impl LaptopDraft {
    /// Has it signed by the lead; gives the check phrase as well.
    pub fn sign(self, lead: &Person) -> (LaptopCompletion, Phrase) {
        let approval = lead.sign(&self.approval);
        let opened = approval.open(lead.token.key.public()).unwrap();
        let completion = LaptopCompletion {
            // Nobody here plays ca's part of the proof.
            ca_proof: Mac::new([0; 32]),
            keyd_proof: credential_proof(&self.secret, &approval),
            approval,
            device_public: self.device_public.into(),
            certify: self.certify,
            quote: self.quote,
            event_log: self.event_log.into(),
        };
        (completion, Phrase::of(&opened.payload_sha256()))
    }
}
