//! What the site's authority says, believed only as far as it can be verified: keyd's offer and
//! receipt by keyd's signature, the certificate by the trust bundle.

use std::time::Duration;

use wardkey_edge::client::Client;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::key_enrolment::{
    CompleteKey, Holder, KeyChallenge, KeyCompletion, KeyEnrolled, KeyHello, KeyPossession,
};
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::registration::{KeyOffer, Receipt, Stage};
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::bundle::VerifiedBundle;
use wardkey_verifier::certificate::Certificate;
use wardkey_verifier::person::VerifiedPerson;
use wardkey_verifier::service::VerifiedServiceKeys;

use crate::failure::Failure;

/// How often the completion is said again when no answer came: the authority answers it alike, and
/// without the answer the new security key would be lost.
const TIMES: u32 = 3;

/// The line to the site's authority.
#[derive(Debug)]
pub(super) struct Authority {
    client: Client,
    wait: Duration,
}

/// An enrolment that was opened, with keyd's offer in it verified.
#[derive(Debug)]
pub(super) struct Opened {
    challenge: KeyChallenge,
    offer: KeyOffer,
}

impl Opened {
    /// What the authority said.
    pub(super) const fn challenge(&self) -> &KeyChallenge {
        &self.challenge
    }

    /// What keyd said.
    pub(super) const fn offer(&self) -> &KeyOffer {
        &self.offer
    }
}

/// A certificate that the authority gave; keyd's receipt for it is verified, itself it is not yet.
#[derive(Debug)]
pub(super) struct Certified {
    certificate: Vec<u8>,
}

impl Authority {
    pub(super) const fn new(client: Client, wait: Duration) -> Self {
        Self { client, wait }
    }

    /// Opens an enrolment.
    pub(super) async fn open(
        &self,
        hello: &KeyHello,
        service: &VerifiedServiceKeys,
        site: &SiteCode,
    ) -> Result<Opened, Failure> {
        let challenge: KeyChallenge = self
            .client
            .post_within("/v1/keys", hello, self.wait)
            .await?;
        let opened = service
            .open(&challenge.offer)
            .map_err(Failure::not_believed)?;
        let offer = opened.into_message();
        let asked = match &hello.holder {
            Holder::New { .. } => true,
            Holder::Known { person } => offer.person == *person,
        };
        require(&[
            ("site of the authority", challenge.site == *site),
            ("site of the offer", offer.site == *site),
            ("enrolment", offer.enrolment == challenge.enrolment),
            ("nonce of the authority", offer.ca_nonce == challenge.nonce),
            ("person", asked),
        ])?;
        Ok(Opened { challenge, offer })
    }

    /// Completes it; keyd's receipt must be for exactly the certificate that comes back.
    pub(super) async fn complete(
        &self,
        opened: &Opened,
        completion: KeyCompletion,
        service: &VerifiedServiceKeys,
    ) -> Result<Certified, Failure> {
        let body = CompleteKey {
            enrolment: opened.challenge.enrolment,
            completion,
        };
        let mut time = 1;
        let enrolled: KeyEnrolled = loop {
            let answer = self
                .client
                .post_within("/v1/keys/complete", &body, self.wait);
            match answer.await.map_err(Failure::from) {
                Err(Failure::Unreachable(_)) if time < TIMES => time = time.saturating_add(1),
                other => break other?,
            }
        };
        let receipt = service
            .open(&enrolled.receipt)
            .map_err(Failure::not_believed)?;
        let certificate = enrolled.certificate.into_vec();
        require_receipt(receipt.message(), &opened.offer, &certificate)?;
        require(&[("person", enrolled.person == opened.offer.person)])?;
        Ok(Certified { certificate })
    }
}

fn require_receipt(receipt: &Receipt, offer: &KeyOffer, certificate: &[u8]) -> Result<(), Failure> {
    let parsed = Certificate::parse(certificate).map_err(|error| {
        Failure::not_believed(Refusal::new(
            Code::CertificateMalformed,
            error,
            "one X.509 certificate",
        ))
    })?;
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
            "certificate of the receipt",
            receipt.certificates == [Sha256::of(parsed.tbs())],
        ),
    ])
}

impl Certified {
    /// The certificate (DER).
    pub(super) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Verifies it: issued by the site's authority, for exactly the key, person, site and role that
    /// were signed for.
    pub(super) fn verify(
        &self,
        key: &PublicKey,
        said: &KeyPossession,
        bundle: &VerifiedBundle,
        now: Timestamp,
    ) -> Result<VerifiedPerson, Failure> {
        let person = VerifiedPerson::verify(&self.certificate, bundle, now)
            .map_err(Failure::not_believed)?;
        require(&[
            ("key", person.key() == key),
            ("person", person.person() == said.person),
            ("site", *person.site() == said.site),
            ("role", person.role() == said.role),
        ])?;
        Ok(person)
    }
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
        assert!(require(&[("site", true), ("person", true)]).is_ok());
        let failure = require(&[("site", true), ("person", false)]).unwrap_err();
        let refusal = failure.refusal().unwrap();
        assert_eq!(refusal.code(), Code::AnswerNotBelieved);
        assert_eq!(refusal.found(), "another person");
    }
}
