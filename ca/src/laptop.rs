//! Enrolling a laptop (`docs/walkthroughs/laptop.md`): judged here from the evidence, whatever keyd
//! says, and announced to keyd before it is signed.

use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::enrolment::{
    CompleteLaptop, LaptopChallenge, LaptopCompletion, LaptopEnrolled, LaptopHello,
};
use wardkey_schemas::ids::{DeviceId, EnrolmentId};
use wardkey_schemas::jws::Sealed;
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::registration::{AnnounceLaptop, LaptopOffer, OpenLaptop};
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::appraise::{
    AppraisedHello, AppraisedLaptop, IssuedEnrolment, Secret, appraise_hello, appraise_laptop,
};
use wardkey_verifier::credential::{Randomness, make_credential};
use wardkey_verifier::person::VerifiedPerson;
use wardkey_verifier::tpm::PcrSet;
use zeroize::Zeroizing;

use crate::app::App;
use crate::failure::Failure;
use crate::issue::{self, Announced, Released};
use crate::journal::{Entry, Ledger, Purpose, Registered};
use crate::keyd::Keyd;
use crate::link::{Asked, Link};
use crate::plan::{Plan, Saying};
use crate::{clock, random};

/// The longest that an enrolment waits here; keyd may be quicker.
pub(crate) const WAITS: Seconds = Seconds::new(300);

/// What was handed out to a laptop.
#[derive(Clone, Debug)]
pub(crate) struct OpenedLaptop {
    hello: AppraisedHello,
    offer: LaptopOffer,
    nonce: Nonce,
    secret: Zeroizing<[u8; 32]>,
    pcrs: PcrSet,
    attempt: Option<Attempt>,
}

/// A completion that could not be finished for a passing reason: announced again, it must be the
/// same.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) completion: Sha256,
    pub(crate) plans: Vec<Plan>,
}

impl Attempt {
    /// Refuses another completion than the one that was tried.
    pub(crate) fn require(&self, completion: Sha256) -> Result<&[Plan], Refusal> {
        if self.completion == completion {
            return Ok(&self.plans);
        }
        Err(another_completion())
    }
}

pub(crate) fn another_completion() -> Refusal {
    let wanted = "the completion that was sent before, or a new enrolment";
    Refusal::new(Code::NonceUsed, "another completion", wanted)
}

/// Refuses another completion than the one that the journal knows.
pub(crate) fn require_same_completion(entry: &Entry, completion: Sha256) -> Result<(), Refusal> {
    let registered = entry.purpose.registered();
    if registered.is_some_and(|registered| registered.completion == completion) {
        return Ok(());
    }
    Err(another_completion())
}

impl<K: Keyd, L: Ledger> App<K, L> {
    /// A laptop's first word: its TPM and the lead beside it are judged, and it gets two secrets to
    /// open.
    ///
    /// # Errors
    ///
    /// Those of [`appraise_hello`], `EK_DUPLICATE`, what keyd refused, `ANSWER_NOT_BELIEVED`, `BUSY`.
    pub async fn open_laptop(&self, hello: LaptopHello) -> Result<LaptopChallenge, Failure> {
        let link = self.link().await?;
        let now = clock::now();
        let (trust, site) = (link.trust(), &self.sources.site);
        let lead = VerifiedPerson::verify(hello.lead_certificate.as_slice(), &trust.bundle, now)?;
        let appraised = appraise_hello(&hello, lead, site, &trust.ek_anchors, now)?;

        let enrolment = EnrolmentId::from_random(random::bytes()?);
        let nonce = random::nonce()?;
        let open = OpenLaptop {
            site: site.clone(),
            enrolment,
            nonce,
            hello,
        };
        let answer = self.keyd.open_laptop(&self.say(&open)?).await?;
        let asked = Asked {
            enrolment,
            nonce: &nonce,
        };
        let (offer, pcrs) = link.open_laptop_offer(&answer, asked)?;
        self.require_its_turn(&appraised, &offer).await?;

        let secret = Zeroizing::new(random::bytes()?);
        let randomness = Randomness::new(random::bytes()?);
        let credential =
            make_credential(appraised.ek(), appraised.ak().name(), &secret, &randomness)?;
        let expires_in = WAITS.min(offer.expires_in);
        let opened = OpenedLaptop {
            hello: appraised,
            offer,
            nonce,
            secret,
            pcrs,
            attempt: None,
        };
        self.laptops
            .insert(enrolment, opened, now.plus(expires_in), now)?;
        Ok(LaptopChallenge {
            site: site.clone(),
            enrolment,
            nonce,
            credential,
            offer: answer.message,
            expires_in,
        })
    }

    /// A laptop that was certified here is enrolled again as the same one, with a later number; and
    /// no other laptop gets its number. keyd knows more, but cannot change this.
    async fn require_its_turn(
        &self,
        hello: &AppraisedHello,
        offer: &LaptopOffer,
    ) -> Result<(), Failure> {
        let ek = hello.ek().sha256();
        for known in self.journal.find_laptops(&ek, offer.device).await? {
            let same = known.ek == ek && known.device == offer.device;
            if !same || offer.generation <= known.generation {
                let found = format!("enrolment {} of laptop {}", offer.generation, offer.device);
                let wanted = format!(
                    "an enrolment of laptop {} after its {}, for its own TPM",
                    known.device, known.generation
                );
                return Err(Refusal::new(Code::EkDuplicate, found, wanted).into());
            }
        }
        Ok(())
    }

    /// Completes an enrolment: all evidence is judged, keyd is told, and the certificates are issued.
    /// The same completion said again gets the same answer.
    ///
    /// # Errors
    ///
    /// Those of [`appraise_laptop`], what keyd refused, `ANSWER_NOT_BELIEVED`; `NONCE_…` if the
    /// enrolment does not wait.
    pub async fn complete_laptop(&self, body: CompleteLaptop) -> Result<LaptopEnrolled, Failure> {
        let CompleteLaptop {
            enrolment,
            completion,
        } = body;
        let link = self.link().await?;
        let hash = Sha256::of(&serde_json::to_vec(&completion).map_err(Failure::fault)?);
        if let Some(entry) = self.journal.find_by_enrolment(enrolment).await? {
            require_same_completion(&entry, hash)?;
            let released = self.resume(entry, &link).await?;
            return laptop_enrolled(&released, &link);
        }
        let now = clock::now();
        let mut taken = self.laptops.take(enrolment, now)?;
        let mut opened = taken.handed_out()?;
        let done = self
            .judge_and_issue(&mut opened, enrolment, completion, hash, &link, now)
            .await;
        match done {
            Ok(released) => laptop_enrolled(&released, &link),
            Err(failure) => {
                if failure.may_pass() {
                    taken.give_back(opened);
                }
                Err(failure)
            }
        }
    }

    async fn judge_and_issue(
        &self,
        opened: &mut OpenedLaptop,
        enrolment: EnrolmentId,
        completion: LaptopCompletion,
        hash: Sha256,
        link: &Link,
        now: Timestamp,
    ) -> Result<Released, Failure> {
        let offer = &opened.offer;
        let issued = IssuedEnrolment {
            site: &self.sources.site,
            enrolment,
            registration: offer.registration,
            device: offer.device,
            generation: offer.generation,
            ca_nonce: &opened.nonce,
            keyd_nonce: &offer.nonce,
            secret: Secret::Ca(&opened.secret),
            pcrs: opened.pcrs,
        };
        let laptop = appraise_laptop(opened.hello.clone(), &completion, &issued)?;
        let plans = match &opened.attempt {
            Some(attempt) => attempt.require(hash)?.to_vec(),
            None => plans(&laptop, now)?,
        };
        opened.attempt = Some(Attempt {
            completion: hash,
            plans: plans.clone(),
        });
        let work = issue::prepare(plans, link.trust())?;
        let announce = AnnounceLaptop {
            site: self.sources.site.clone(),
            registration: opened.offer.registration,
            completion,
            certificates: work
                .iter()
                .filter_map(|(plan, prepared)| plan.announced(prepared))
                .collect(),
        };
        let Sealed { message: receipt } = self.keyd.announce_laptop(&self.say(&announce)?).await?;
        let registered = Registered {
            enrolment,
            registration: opened.offer.registration,
            completion: hash,
            receipt,
        };
        let purpose = Purpose::Laptop {
            registered: registered.clone(),
            ek: laptop.ek().sha256(),
            device: laptop.device(),
            generation: laptop.generation(),
        };
        let announced = Announced::verify(purpose, &registered, work, link)?;
        self.issue(announced, link).await
    }
}

fn plans(laptop: &AppraisedLaptop, now: Timestamp) -> Result<Vec<Plan>, Failure> {
    plans_for(laptop.device(), laptop.device_key(), laptop.ak().key(), now)
}

/// One certificate for the device key, one for the attestation key.
pub(crate) fn plans_for(
    device: DeviceId,
    device_key: &PublicKey,
    ak: &PublicKey,
    now: Timestamp,
) -> Result<Vec<Plan>, Failure> {
    let plan = |saying, key: &PublicKey| -> Result<Plan, Failure> {
        Ok(Plan {
            saying,
            key: *key,
            serial: random::bytes()?,
            at: now,
        })
    };
    Ok(vec![
        plan(Saying::Device { device }, device_key)?,
        plan(Saying::AttestationKey { device }, ak)?,
    ])
}

fn laptop_enrolled(released: &Released, link: &Link) -> Result<LaptopEnrolled, Failure> {
    let (
        Purpose::Laptop {
            device, generation, ..
        },
        [device_certificate, ak_certificate],
    ) = (released.purpose(), released.certificates())
    else {
        let wanted = "an enrolment of a laptop";
        return Err(Refusal::new(Code::NoncePurpose, "another enrolment", wanted).into());
    };
    Ok(LaptopEnrolled {
        device: *device,
        generation: *generation,
        device_certificate: device_certificate.clone(),
        ak_certificate: ak_certificate.clone(),
        bundle: link.trust().package.clone(),
        receipt: released.receipt().clone(),
    })
}
