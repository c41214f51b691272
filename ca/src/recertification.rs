//! Renewing the certificates of a laptop (`docs/walkthroughs/certificates.md`): what this authority
//! has certified itself, for the same keys, once its time has come.
//!
//! # Invariants
//!
//! - keyd is asked, and not relied on: which keys the laptop has, which enrolment it is and how long
//!   its certificates still run is what the journal here says.
//! - A laptop that missed the answer gets the certificates that were signed for it; none are made
//!   twice.

use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::ids::EnrolmentId;
use wardkey_schemas::jws::Sealed;
use wardkey_schemas::recertification::{
    AnnounceRecertification, CompleteRecertification, LaptopRecertified, OpenRecertification,
    RecertificationAnswer, RecertificationChallenge, RecertificationCompletion,
    RecertificationHello, RecertificationOffer,
};
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::appraise::{
    CertifiedLaptop, IssuedRecertification, appraise_certificates, appraise_recertification,
};
use wardkey_verifier::lifetime;
use wardkey_verifier::tpm::PcrSet;

use crate::app::App;
use crate::failure::Failure;
use crate::issue::{self, Announced, Released};
use crate::journal::{Entry, Ledger, Purpose, Registered, State};
use crate::keyd::Keyd;
use crate::laptop::{Attempt, WAITS, plans_for, require_same_completion};
use crate::link::{Asked, Link};
use crate::plan::Saying;
use crate::random;

/// What was handed out to a laptop.
#[derive(Clone, Debug)]
pub(crate) struct OpenedRecertification {
    laptop: CertifiedLaptop,
    /// SHA-256 of its endorsement key, from the journal.
    ek: Sha256,
    offer: RecertificationOffer,
    nonce: Nonce,
    pcrs: PcrSet,
    attempt: Option<Attempt>,
}

impl<K: Keyd, L: Ledger> App<K, L> {
    /// A laptop's first word at `now`: whether its certificates may be renewed. If they were, and it
    /// does not know, it gets them.
    ///
    /// # Errors
    ///
    /// Those of [`appraise_certificates`]; `DEVICE_UNKNOWN`, `DEVICE_GENERATION` and
    /// `REGISTRATION_MISMATCH` for what is not certified here; `RENEWAL_EARLY`; what keyd refused,
    /// `ANSWER_NOT_BELIEVED`, `BUSY`.
    pub async fn open_recertification(
        &self,
        hello: RecertificationHello,
        now: Timestamp,
    ) -> Result<RecertificationAnswer, Failure> {
        let link = self.link().await?;
        let (trust, site) = (link.trust(), &self.sources.site);
        let laptop = appraise_certificates(&hello, site, &trust.bundle, now)?;
        let entry = self.certified_here(&laptop).await?;
        let shown = [&hello.device_certificate, &hello.ak_certificate];
        if !certificates(&entry).iter().eq(shown) {
            let released = self.resume(entry, &link).await?;
            return Ok(RecertificationAnswer::Certified(recertified(&released)?));
        }
        lifetime::require_renewable(laptop.valid_until(), now)?;

        let enrolment = EnrolmentId::from_random(random::bytes()?);
        let nonce = random::nonce()?;
        let open = OpenRecertification {
            site: site.clone(),
            enrolment,
            nonce,
            hello,
        };
        let answer = self.keyd.open_recertification(&self.say(&open)?).await?;
        let asked = Asked {
            enrolment,
            nonce: &nonce,
        };
        let (offer, pcrs) = link.open_recertification_offer(&answer, asked, &laptop)?;
        let expires_in = WAITS.min(offer.expires_in);
        let opened = OpenedRecertification {
            ek: ek_of(&entry)?,
            laptop,
            offer,
            nonce,
            pcrs,
            attempt: None,
        };
        self.recertifications
            .insert(enrolment, opened, now.plus(expires_in), now)?;
        Ok(RecertificationAnswer::Challenge(RecertificationChallenge {
            site: site.clone(),
            enrolment,
            nonce,
            offer: answer.message,
            expires_in,
        }))
    }

    /// What this authority last signed for the laptop: its present enrolment, with these keys.
    async fn certified_here(&self, laptop: &CertifiedLaptop) -> Result<Entry, Failure> {
        let wanted = "a laptop that was certified here";
        let found = self.journal.newest_of_laptop(laptop.device()).await?;
        let entry = found.ok_or_else(|| {
            let found = format!("laptop {}", laptop.device());
            Refusal::new(Code::DeviceUnknown, found, wanted)
        })?;
        let generation = match &entry.purpose {
            Purpose::Laptop { generation, .. } | Purpose::Recertification { generation, .. } => {
                *generation
            }
            Purpose::Key { .. } | Purpose::Listener => {
                return Err(Refusal::new(Code::DeviceUnknown, "another thing", wanted).into());
            }
        };
        if generation != laptop.generation() {
            let found = format!("enrolment {}", laptop.generation());
            return Err(Refusal::new(Code::DeviceGeneration, found, generation).into());
        }
        let device = laptop.device();
        let certified = [
            (Saying::Device { device }, *laptop.device_key()),
            (Saying::AttestationKey { device }, *laptop.ak().key()),
        ];
        let planned = entry.planned.iter().map(|planned| &planned.plan);
        if planned
            .map(|plan| (plan.saying.clone(), plan.key))
            .eq(certified)
        {
            return Ok(entry);
        }
        let found = format!("device key {}", laptop.device_key().thumbprint());
        let wanted = "the keys that were certified last";
        Err(Refusal::new(Code::RegistrationMismatch, found, wanted).into())
    }

    /// Completes a renewal at `now`: all evidence is judged, keyd is told, and the certificates are
    /// issued. The same completion said again gets the same answer.
    ///
    /// # Errors
    ///
    /// Those of [`appraise_recertification`], `RENEWAL_EARLY`, what keyd refused,
    /// `ANSWER_NOT_BELIEVED`; `NONCE_…` if the renewal does not wait.
    pub async fn complete_recertification(
        &self,
        body: CompleteRecertification,
        now: Timestamp,
    ) -> Result<LaptopRecertified, Failure> {
        let CompleteRecertification {
            enrolment,
            completion,
        } = body;
        let link = self.link().await?;
        let hash = Sha256::of(&serde_json::to_vec(&completion).map_err(Failure::fault)?);
        if let Some(entry) = self.journal.find_by_enrolment(enrolment).await? {
            require_same_completion(&entry, hash)?;
            let released = self.resume(entry, &link).await?;
            return recertified(&released);
        }
        let mut taken = self.recertifications.take(enrolment, now)?;
        let mut opened = taken.handed_out()?;
        let done = self
            .judge_and_renew(&mut opened, enrolment, completion, hash, &link, now)
            .await;
        match done {
            Ok(released) => recertified(&released),
            Err(failure) => {
                if failure.may_pass() {
                    taken.give_back(opened);
                }
                Err(failure)
            }
        }
    }

    async fn judge_and_renew(
        &self,
        opened: &mut OpenedRecertification,
        enrolment: EnrolmentId,
        completion: RecertificationCompletion,
        hash: Sha256,
        link: &Link,
        now: Timestamp,
    ) -> Result<Released, Failure> {
        let registration = opened.offer.registration;
        let issued = IssuedRecertification {
            enrolment,
            registration,
            ca_nonce: &opened.nonce,
            keyd_nonce: &opened.offer.nonce,
            pcrs: opened.pcrs,
        };
        let appraised = appraise_recertification(opened.laptop.clone(), &completion, &issued)?;
        let laptop = appraised.laptop();
        let plans = match &opened.attempt {
            Some(attempt) => attempt.require(hash)?.to_vec(),
            None => plans_for(laptop.device(), laptop.device_key(), laptop.ak().key(), now)?,
        };
        opened.attempt = Some(Attempt {
            completion: hash,
            plans: plans.clone(),
        });
        let work = issue::prepare(plans, link.trust())?;
        for (plan, _) in &work {
            let next = plan.ends_at(&link.trust().issuer);
            lifetime::require_later(laptop.valid_until(), next)?;
        }
        let announce = AnnounceRecertification {
            site: self.sources.site.clone(),
            registration,
            completion,
            certificates: work
                .iter()
                .filter_map(|(plan, prepared)| plan.announced(prepared))
                .collect(),
        };
        let announce = self.say(&announce)?;
        let Sealed { message: receipt } = self.keyd.announce_recertification(&announce).await?;
        let registered = Registered {
            enrolment,
            registration,
            completion: hash,
            receipt,
        };
        let purpose = Purpose::Recertification {
            registered: registered.clone(),
            ek: opened.ek,
            device: laptop.device(),
            generation: laptop.generation(),
        };
        let announced = Announced::verify(purpose, &registered, work, link)?;
        self.issue(announced, link).await
    }
}

/// The certificates of an entry, if they were signed.
fn certificates(entry: &Entry) -> &[wardkey_schemas::bytes::Bytes] {
    match &entry.state {
        State::Signed { certificates, .. } | State::Reported { certificates, .. } => certificates,
        State::Open | State::Abandoned { .. } => &[],
    }
}

fn ek_of(entry: &Entry) -> Result<Sha256, Failure> {
    match &entry.purpose {
        Purpose::Laptop { ek, .. } | Purpose::Recertification { ek, .. } => Ok(*ek),
        Purpose::Key { .. } | Purpose::Listener => Err(Failure::fault("no laptop's entry")),
    }
}

fn recertified(released: &Released) -> Result<LaptopRecertified, Failure> {
    let (
        Purpose::Recertification {
            device, generation, ..
        }
        | Purpose::Laptop {
            device, generation, ..
        },
        [device_certificate, ak_certificate],
    ) = (released.purpose(), released.certificates())
    else {
        let wanted = "a renewal of a laptop's certificates";
        return Err(Refusal::new(Code::NoncePurpose, "another enrolment", wanted).into());
    };
    Ok(LaptopRecertified {
        device: *device,
        generation: *generation,
        device_certificate: device_certificate.clone(),
        ak_certificate: ak_certificate.clone(),
        receipt: released.receipt().clone(),
    })
}
