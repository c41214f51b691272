//! What the site's authority says, believed only as far as it can be verified: keyd's offer and
//! receipt by keyd's signature, the certificates by the trust bundle.

use wardkey_edge::client::Client;
use wardkey_edge::limits;
use wardkey_schemas::binding::EnrolmentBinding;
use wardkey_schemas::bytes::{Bytes, Sha256};
use wardkey_schemas::enrolment::{CompleteLaptop, LaptopChallenge, LaptopEnrolled, LaptopHello};
use wardkey_schemas::evidence::Credential;
use wardkey_schemas::names::AssetTag;
use wardkey_schemas::registration::{LaptopOffer, Receipt, Stage};
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::certificate::Certificate;
use wardkey_verifier::device::{VerifiedAttestationKey, VerifiedDevice};
use wardkey_verifier::person::VerifiedPerson;

use super::chip::Proof;
use crate::failure::Failure;
use crate::trust_file::Trusted;

/// How often the completion is said when no answer comes: the authority answers it alike each time,
/// and the lead need not sign again.
const TIMES: u32 = 3;

/// The line to the site's authority.
#[derive(Debug)]
pub(super) struct Authority {
    client: Client,
}

/// An enrolment that was opened, with keyd's offer in it verified.
#[derive(Debug)]
pub(super) struct Opened {
    challenge: LaptopChallenge,
    offer: LaptopOffer,
}

impl Opened {
    /// What keyd said.
    pub(super) const fn offer(&self) -> &LaptopOffer {
        &self.offer
    }

    /// The secrets to open: ca's, keyd's.
    pub(super) const fn credentials(&self) -> [&Credential; 2] {
        [&self.challenge.credential, &self.offer.credential]
    }

    /// What certification and quote are made for.
    pub(super) const fn binding<'a>(&'a self, asset: &'a AssetTag) -> EnrolmentBinding<'a> {
        EnrolmentBinding {
            site: &self.offer.site,
            asset,
            enrolment: self.offer.enrolment,
            registration: self.offer.registration,
            ca_nonce: &self.challenge.nonce,
            keyd_nonce: &self.offer.nonce,
        }
    }
}

/// The laptop's certificates, verified.
#[derive(Debug)]
pub(super) struct Certified {
    device: Bytes,
    ak: Bytes,
    valid_until: Timestamp,
}

impl Certified {
    /// The last second of whichever ends first.
    pub(super) const fn valid_until(&self) -> Timestamp {
        self.valid_until
    }

    /// The certificates (DER): device key, attestation key.
    pub(super) fn into_certificates(self) -> (Bytes, Bytes) {
        (self.device, self.ak)
    }
}

impl Authority {
    pub(super) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Opens an enrolment at the lead's site.
    ///
    /// # Errors
    ///
    /// What the authority refuses; `ANSWER_NOT_BELIEVED`; [`Failure::Unreachable`].
    pub(super) async fn open(
        &self,
        hello: &LaptopHello,
        trusted: &Trusted,
        lead: &VerifiedPerson,
    ) -> Result<Opened, Failure> {
        let challenge: LaptopChallenge = self
            .client
            .post_within("/v1/laptops", hello, limits::REQUEST)
            .await?;
        let keys = trusted.trust().keys();
        let opened = keys.open(&challenge.offer).map_err(Failure::not_believed)?;
        let offer = opened.into_message();
        require(&[
            ("site of the authority", challenge.site == *lead.site()),
            ("site of the offer", offer.site == *lead.site()),
            ("enrolment", offer.enrolment == challenge.enrolment),
            ("nonce of the authority", offer.ca_nonce == challenge.nonce),
        ])?;
        Ok(Opened { challenge, offer })
    }

    /// Completes it, and verifies what comes back: certificates of the site's authority for exactly
    /// these keys, with keyd's receipt for exactly these certificates.
    ///
    /// # Errors
    ///
    /// What the authority refuses; [`Failure::NotBelieved`], [`Failure::Unreachable`].
    pub(super) async fn complete(
        &self,
        completion: &CompleteLaptop,
        opened: &Opened,
        proof: &Proof,
        trusted: &Trusted,
    ) -> Result<Certified, Failure> {
        let mut time = 1;
        let enrolled: LaptopEnrolled = loop {
            let answer =
                self.client
                    .post_within("/v1/laptops/complete", completion, limits::REQUEST);
            match answer.await.map_err(Failure::from) {
                Err(Failure::Unreachable(_)) if time < TIMES => time = time.saturating_add(1),
                other => break other?,
            }
        };
        let keys = trusted.trust().keys();
        let receipt = keys
            .open(&enrolled.receipt)
            .map_err(Failure::not_believed)?
            .into_message();
        certified(enrolled, &receipt, opened.offer(), proof, trusted)
    }
}

fn certified(
    enrolled: LaptopEnrolled,
    receipt: &Receipt,
    offer: &LaptopOffer,
    proof: &Proof,
    trusted: &Trusted,
) -> Result<Certified, Failure> {
    let (device, ak) = (enrolled.device_certificate, enrolled.ak_certificate);
    let parsed = [parse(&device)?, parse(&ak)?];
    require_receipt(receipt, offer, &parsed)?;
    // The laptop has no calendar: what was signed lies in the past.
    let now = parsed
        .iter()
        .map(|certificate| certificate.validity().not_before)
        .chain([receipt.server_time, trusted.trust().note().certainly_past])
        .max()
        .unwrap_or(receipt.server_time);
    let bundle = trusted.trust().bundle();
    let device_says = VerifiedDevice::verify(device.as_slice(), bundle, now);
    let device_says = device_says.map_err(Failure::not_believed)?;
    let ak_says = VerifiedAttestationKey::verify(ak.as_slice(), bundle, now);
    let ak_says = ak_says.map_err(Failure::not_believed)?;
    require(&[
        ("laptop", enrolled.device == offer.device),
        ("generation", enrolled.generation == offer.generation),
        (
            "laptop in the certificate",
            device_says.device() == offer.device,
        ),
        ("site in the certificate", *device_says.site() == offer.site),
        ("device key", *device_says.key() == proof.device_key),
        (
            "laptop in the certificate of the attestation key",
            ak_says.device() == offer.device,
        ),
        (
            "site in the certificate of the attestation key",
            *ak_says.site() == offer.site,
        ),
        ("attestation key", *ak_says.key() == proof.ak),
    ])?;
    Ok(Certified {
        device,
        ak,
        valid_until: device_says.valid_until().min(ak_says.valid_until()),
    })
}

fn parse(certificate: &Bytes) -> Result<Certificate, Failure> {
    Certificate::parse(certificate.as_slice()).map_err(|error| {
        let wanted = "one X.509 certificate";
        Failure::not_believed(Refusal::new(Code::CertificateMalformed, error, wanted))
    })
}

fn require_receipt(
    receipt: &Receipt,
    offer: &LaptopOffer,
    certificates: &[Certificate],
) -> Result<(), Failure> {
    let signed: Vec<Sha256> = certificates
        .iter()
        .map(|certificate| Sha256::of(certificate.tbs()))
        .collect();
    require(&[
        ("site of the receipt", receipt.site == offer.site),
        (
            "enrolment of the receipt",
            receipt.enrolment == offer.enrolment,
        ),
        (
            "registration of the receipt",
            receipt.registration == offer.registration,
        ),
        ("stage of the receipt", receipt.stage == Stage::Issued),
        (
            "certificates of the receipt",
            receipt.certificates == signed,
        ),
    ])
}

fn require(fits: &[(&str, bool)]) -> Result<(), Failure> {
    match fits.iter().find(|(_, fits)| !fits) {
        None => Ok(()),
        Some((what, _)) => Err(Failure::not_believed(Refusal::new(
            Code::AnswerNotBelieved,
            format!("another {what}"),
            format!("the {what} of this enrolment"),
        ))),
    }
}

#[cfg(test)]
mod tests {
    use wardkey_told::Told as _;

    use super::*;

    #[test]
    fn one_thing_that_does_not_fit_is_enough() {
        assert!(require(&[("site", true), ("laptop", true)]).is_ok());
        let failure = require(&[("site", true), ("laptop", false)]).unwrap_err();
        let refusal = failure.refusal().unwrap();
        assert_eq!(refusal.code(), Code::AnswerNotBelieved);
        assert_eq!(refusal.found(), "another laptop");
    }
}
