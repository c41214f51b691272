//! What keyd says, and when it is believed: signed by a key that keyd's service authority certified
//! under the pinned root, and about the very thing that was asked.

use std::sync::Arc;

use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::ids::{CharterId, EnrolmentId};
use wardkey_schemas::jws::{Jws, Sealed};
use wardkey_schemas::key_enrolment::Holder;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::recertification::RecertificationOffer;
use wardkey_schemas::registration::{KeyOffer, LaptopOffer, Receipt, SiteWelcome, Stage};
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::appraise::CertifiedLaptop;
use wardkey_verifier::service::VerifiedServiceKeys;
use wardkey_verifier::tpm::PcrSet;

use crate::trust::Trust;

/// How long keyd's list of keys is taken for its newest.
const FRESH: Seconds = Seconds::new(60);

/// A keyd that has welcomed this site by its charter.
#[derive(Debug)]
pub struct Link {
    keys: VerifiedServiceKeys,
    site: SiteCode,
    charter: CharterId,
    trust: Arc<Trust>,
    since: Timestamp,
}

/// What was asked, and to what an answer must belong.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// ca's number of the enrolment.
    pub enrolment: EnrolmentId,
    /// ca's nonce.
    pub nonce: &'a Nonce,
}

impl Link {
    /// Verifies keyd's keys, as it gave them in its welcome, under a bundle that was verified.
    ///
    /// # Errors
    ///
    /// `SITE_MISMATCH`, or those of [`VerifiedServiceKeys::verify`].
    pub fn verify(
        welcome: &SiteWelcome,
        site: &SiteCode,
        charter: CharterId,
        trust: Arc<Trust>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        if welcome.site != *site {
            return Err(Refusal::new(Code::SiteMismatch, &welcome.site, site));
        }
        Ok(Self {
            keys: VerifiedServiceKeys::verify(&welcome.service_keys, &trust.bundle, now)?,
            site: site.clone(),
            charter,
            trust,
            since: now,
        })
    }

    /// Whether it can be used for what begins now, with this charter and this trust.
    pub fn serves(&self, charter: CharterId, trust: &Trust, now: Timestamp) -> bool {
        self.charter == charter
            && self.trust.bundle.payload_sha256() == trust.bundle.payload_sha256()
            && self.since <= now
            && now < self.since.plus(FRESH)
    }

    /// What is trusted for everything that is done with this link.
    pub const fn trust(&self) -> &Arc<Trust> {
        &self.trust
    }

    /// Opens keyd's offer for a laptop.
    ///
    /// # Errors
    ///
    /// `ANSWER_NOT_BELIEVED` if it was not signed by keyd, belongs to another question, or wants
    /// fewer registers quoted than the policy's floor; `CERTIFICATE_…`.
    pub fn open_laptop_offer(
        &self,
        offer: &Sealed<LaptopOffer>,
        asked: Asked<'_>,
    ) -> Result<(LaptopOffer, PcrSet), Refusal> {
        let offer = self.keys.open(&offer.message)?.into_message();
        self.require_asked(asked, &offer.site, offer.enrolment, &offer.ca_nonce)?;
        let pcrs = self.require_registers(&offer.pcrs)?;
        Ok((offer, pcrs))
    }

    /// Opens keyd's offer to renew the certificates of `laptop`.
    ///
    /// # Errors
    ///
    /// As [`Self::open_laptop_offer`]; `ANSWER_NOT_BELIEVED` also if it is for another laptop.
    pub fn open_recertification_offer(
        &self,
        offer: &Sealed<RecertificationOffer>,
        asked: Asked<'_>,
        laptop: &CertifiedLaptop,
    ) -> Result<(RecertificationOffer, PcrSet), Refusal> {
        let offer = self.keys.open(&offer.message)?.into_message();
        self.require_asked(asked, &offer.site, offer.enrolment, &offer.ca_nonce)?;
        if offer.device != laptop.device() || offer.generation != laptop.generation() {
            let found = format!(
                "an offer for enrolment {} of {}",
                offer.generation, offer.device
            );
            let wanted = format!("one for {} of {}", laptop.generation(), laptop.device());
            return Err(not_believed(found, wanted));
        }
        let pcrs = self.require_registers(&offer.pcrs)?;
        Ok((offer, pcrs))
    }

    /// The registers that keyd wants quoted, the policy's floor among them.
    fn require_registers(&self, wanted: &[u8]) -> Result<PcrSet, Refusal> {
        let floor = &self.trust.bundle.policy_floor().pcrs;
        PcrSet::new(wanted)
            .filter(|set| floor.iter().all(|index| set.contains(*index)))
            .ok_or_else(|| {
                let found = format!("the registers {wanted:?}");
                not_believed(found, format!("ascending registers, {floor:?} among them"))
            })
    }

    /// Opens keyd's offer for a security key, which must be for the holder that was asked for.
    ///
    /// # Errors
    ///
    /// `ANSWER_NOT_BELIEVED`, `CERTIFICATE_…`.
    pub fn open_key_offer(
        &self,
        offer: &Sealed<KeyOffer>,
        asked: Asked<'_>,
        holder: &Holder,
    ) -> Result<KeyOffer, Refusal> {
        let offer = self.keys.open(&offer.message)?.into_message();
        self.require_asked(asked, &offer.site, offer.enrolment, &offer.ca_nonce)?;
        match holder {
            Holder::Known { person } if *person != offer.person => {
                Err(not_believed(format!("person {}", offer.person), person))
            }
            Holder::Known { .. } | Holder::New { .. } => Ok(offer),
        }
    }

    /// Verifies keyd's receipt for exactly these certificates of this registration.
    ///
    /// # Errors
    ///
    /// `ANSWER_NOT_BELIEVED`, `CERTIFICATE_…`.
    pub fn verify_receipt(
        &self,
        receipt: &Jws<Receipt>,
        wanted: &WantedReceipt<'_>,
    ) -> Result<(), Refusal> {
        let opened = self.keys.open(receipt)?;
        let said = opened.message();
        let belongs = [
            ("site", said.site == self.site),
            ("enrolment", said.enrolment == wanted.enrolment),
            ("registration", said.registration == wanted.registration),
            ("stage", said.stage == wanted.stage),
            (
                "list of certificates",
                !wanted.certificates.is_empty() && said.certificates == wanted.certificates,
            ),
        ];
        match belongs.iter().find(|(_, belongs)| !belongs) {
            None => Ok(()),
            Some((field, _)) => Err(not_believed(
                format!("a receipt for another {field}"),
                format!("the {field} that was announced"),
            )),
        }
    }

    fn require_asked(
        &self,
        asked: Asked<'_>,
        site: &SiteCode,
        enrolment: EnrolmentId,
        nonce: &Nonce,
    ) -> Result<(), Refusal> {
        let belongs = [
            ("site", *site == self.site),
            ("enrolment", enrolment == asked.enrolment),
            ("nonce", nonce == asked.nonce),
        ];
        match belongs.iter().find(|(_, belongs)| !belongs) {
            None => Ok(()),
            Some((field, _)) => Err(not_believed(
                format!("an offer for another {field}"),
                format!("the {field} that was asked for"),
            )),
        }
    }
}

/// The receipt that keyd has to give.
#[derive(Clone, Copy, Debug)]
pub struct WantedReceipt<'a> {
    /// ca's number.
    pub enrolment: EnrolmentId,
    /// keyd's number.
    pub registration: wardkey_schemas::ids::RegistrationId,
    /// For which step.
    pub stage: Stage,
    /// SHA-256 of each `tbsCertificate`, in the order announced.
    pub certificates: &'a [Sha256],
}

fn not_believed(found: impl std::fmt::Display, wanted: impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::AnswerNotBelieved, found, wanted)
}
