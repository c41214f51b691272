//! Enrolling a security key (`docs/walkthroughs/key.md`): judged here from the evidence, whatever
//! keyd says, and announced to keyd before it is signed.

use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::ids::EnrolmentId;
use wardkey_schemas::jws::Sealed;
use wardkey_schemas::key_enrolment::{
    CompleteKey, Holder, KeyChallenge, KeyCompletion, KeyEnrolled, KeyHello, Voucher,
};
use wardkey_schemas::registration::{AnnounceKey, KeyOffer, OpenKey};
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::appraise::{
    AppraisedKey, IssuedKeyEnrolment, KeyVoucher, VouchedBy, appraise_key, roles,
};
use wardkey_verifier::charter::VerifiedCharter;
use wardkey_verifier::person::VerifiedPerson;
use wardkey_verifier::piv::TokenPolicy;

use crate::app::App;
use crate::failure::Failure;
use crate::issue::{self, Announced, Released};
use crate::journal::{Ledger, Purpose, Registered, Vouched};
use crate::keyd::Keyd;
use crate::laptop::{Attempt, WAITS, require_same_completion};
use crate::link::{Asked, Link};
use crate::plan::{Plan, Saying};
use crate::trust::Trust;
use crate::{clock, random};

/// What was handed out for a security key.
#[derive(Clone, Debug)]
pub(crate) struct OpenedKey {
    role: Role,
    voucher: VerifiedVoucher,
    offer: KeyOffer,
    nonce: Nonce,
    attempt: Option<Attempt>,
}

/// Who vouches, verified.
#[derive(Clone, Debug)]
enum VerifiedVoucher {
    Person(VerifiedPerson),
    Charter(VerifiedCharter),
}

impl<K: Keyd, L: Ledger> App<K, L> {
    /// The first word about a new security key: whoever vouches for it is judged.
    ///
    /// # Errors
    ///
    /// Those of [`VerifiedPerson::verify`], `KEY_NOT_FOR_THIS_SITE`, `KEY_ROLE`, `CHARTER_INVALID`,
    /// what keyd refused, `ANSWER_NOT_BELIEVED`, `BUSY`.
    pub async fn open_key(&self, hello: KeyHello) -> Result<KeyChallenge, Failure> {
        let link = self.link().await?;
        let now = clock::now();
        let site = &self.sources.site;
        let voucher = self.judge_voucher(&hello, link.trust(), now)?;

        let enrolment = EnrolmentId::from_random(random::bytes()?);
        let nonce = random::nonce()?;
        let role = hello.role;
        let open = OpenKey {
            site: site.clone(),
            enrolment,
            nonce,
            hello,
        };
        let answer = self.keyd.open_key(&self.say(&open)?).await?;
        let asked = Asked {
            enrolment,
            nonce: &nonce,
        };
        let offer = link.open_key_offer(&answer, asked, &open.hello.holder)?;
        self.require_new(&open.hello.holder, &offer).await?;

        let expires_in = WAITS.min(offer.expires_in);
        let opened = OpenedKey {
            role,
            voucher,
            offer,
            nonce,
            attempt: None,
        };
        self.keys
            .insert(enrolment, opened, now.plus(expires_in), now)?;
        Ok(KeyChallenge {
            site: site.clone(),
            enrolment,
            nonce,
            offer: answer.message,
            expires_in,
        })
    }

    fn judge_voucher(
        &self,
        hello: &KeyHello,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<VerifiedVoucher, Refusal> {
        match &hello.voucher {
            Voucher::Person { certificate } => {
                let person = VerifiedPerson::verify(certificate.as_slice(), &trust.bundle, now)?;
                person.verify_site(&self.sources.site)?;
                // Said again when all is judged; said now, it saves making a key for nothing.
                if !roles::may_vouch(person.role(), hello.role) {
                    let found = format!("role {}", person.role());
                    let wanted = format!("a role that may vouch for {}", hello.role);
                    return Err(Refusal::new(Code::KeyRole, found, wanted));
                }
                Ok(VerifiedVoucher::Person(person))
            }
            Voucher::Charter { charter } => {
                let charter = self.verify_charter(charter, trust)?;
                Ok(VerifiedVoucher::Charter(charter))
            }
        }
    }

    /// Somebody new gets a number that nobody has here: else keyd alone could make a key for one
    /// person pass as another's.
    async fn require_new(&self, holder: &Holder, offer: &KeyOffer) -> Result<(), Failure> {
        let Holder::New { .. } = holder else {
            return Ok(());
        };
        if self.journal.person_is_known(offer.person).await? {
            let found = format!("person {}, who has a key", offer.person);
            let wanted = "a new number for somebody new";
            return Err(Refusal::new(Code::AnswerNotBelieved, found, wanted).into());
        }
        Ok(())
    }

    /// Completes an enrolment: all evidence is judged, keyd is told, and the certificate is issued.
    /// The same completion said again gets the same answer.
    ///
    /// # Errors
    ///
    /// Those of [`appraise_key`], `TOKEN_DUPLICATE`, `CHARTER_USED`, what keyd refused,
    /// `ANSWER_NOT_BELIEVED`; `NONCE_…` if the enrolment does not wait.
    pub async fn complete_key(&self, body: CompleteKey) -> Result<KeyEnrolled, Failure> {
        let CompleteKey {
            enrolment,
            completion,
        } = body;
        let link = self.link().await?;
        let hash = Sha256::of(&serde_json::to_vec(&completion).map_err(Failure::fault)?);
        if let Some(entry) = self.journal.find_by_enrolment(enrolment).await? {
            require_same_completion(&entry, hash)?;
            let released = self.resume(entry, &link).await?;
            return key_enrolled(&released, &link);
        }
        let now = clock::now();
        let mut taken = self.keys.take(enrolment, now)?;
        let mut opened = taken.handed_out()?;
        let done = self
            .judge_and_issue_key(&mut opened, enrolment, completion, hash, &link, now)
            .await;
        match done {
            Ok(released) => key_enrolled(&released, &link),
            Err(failure) => {
                if failure.may_pass() {
                    taken.give_back(opened);
                }
                Err(failure)
            }
        }
    }

    async fn judge_and_issue_key(
        &self,
        opened: &mut OpenedKey,
        enrolment: EnrolmentId,
        completion: KeyCompletion,
        hash: Sha256,
        link: &Link,
        now: Timestamp,
    ) -> Result<Released, Failure> {
        let key = self.judge_key(opened, enrolment, &completion, link.trust())?;
        self.require_not_certified(&key).await?;
        let plans = match &opened.attempt {
            Some(attempt) => attempt.require(hash)?.to_vec(),
            None => vec![plan(&key, now)?],
        };
        opened.attempt = Some(Attempt {
            completion: hash,
            plans: plans.clone(),
        });
        let work = issue::prepare(plans, link.trust())?;
        let certificate = work
            .first()
            .and_then(|(plan, prepared)| plan.announced(prepared))
            .ok_or_else(|| Failure::fault("nothing was planned"))?;
        let announce = AnnounceKey {
            site: self.sources.site.clone(),
            registration: opened.offer.registration,
            completion,
            certificate,
        };
        let Sealed { message: receipt } = self.keyd.announce_key(&self.say(&announce)?).await?;
        let registered = Registered {
            enrolment,
            registration: opened.offer.registration,
            completion: hash,
            receipt,
        };
        let purpose = Purpose::Key {
            registered: registered.clone(),
            person: key.person(),
            role: key.role(),
            key: key.key().thumbprint(),
            serial: key.token().serial(),
            vouched: vouched(&key),
        };
        let announced = Announced::verify(purpose, &registered, work, link)?;
        self.issue(announced, link).await
    }

    fn judge_key(
        &self,
        opened: &OpenedKey,
        enrolment: EnrolmentId,
        completion: &KeyCompletion,
        trust: &Trust,
    ) -> Result<AppraisedKey, Refusal> {
        let issued = IssuedKeyEnrolment {
            site: &self.sources.site,
            role: opened.role,
            person: opened.offer.person,
            enrolment,
            registration: opened.offer.registration,
            ca_nonce: &opened.nonce,
            keyd_nonce: &opened.offer.nonce,
        };
        let voucher = match &opened.voucher {
            VerifiedVoucher::Person(person) => KeyVoucher::Person(person),
            VerifiedVoucher::Charter(charter) => KeyVoucher::Charter(charter),
        };
        let policy = TokenPolicy::of_floor(trust.bundle.policy_floor());
        appraise_key(completion, &issued, voucher, &trust.token_anchors, &policy)
    }

    /// A charter certifies each first key once, and one key is one person's for ever.
    async fn require_not_certified(&self, key: &AppraisedKey) -> Result<(), Failure> {
        let thumbprint = key.key().thumbprint();
        let Some(Purpose::Key { person, .. }) = self.journal.find_key(thumbprint).await? else {
            return Ok(());
        };
        if let VouchedBy::Charter { .. } = key.vouched_by() {
            let wanted = "a first key that was not certified yet";
            return Err(Refusal::new(Code::CharterUsed, thumbprint, wanted).into());
        }
        if person != key.person() {
            let wanted = "a key that nobody else has";
            return Err(Refusal::new(Code::TokenDuplicate, thumbprint, wanted).into());
        }
        Ok(())
    }
}

fn plan(key: &AppraisedKey, now: Timestamp) -> Result<Plan, Failure> {
    Ok(Plan {
        saying: Saying::Person {
            person: key.person(),
            role: key.role(),
        },
        key: *key.key(),
        serial: random::bytes()?,
        at: now,
    })
}

fn vouched(key: &AppraisedKey) -> Vouched {
    match key.vouched_by() {
        VouchedBy::Person { person, key, .. } => Vouched::Person { person, key },
        VouchedBy::Charter { charter } => Vouched::Charter { charter },
    }
}

fn key_enrolled(released: &Released, link: &Link) -> Result<KeyEnrolled, Failure> {
    let (Purpose::Key { person, .. }, [certificate]) =
        (released.purpose(), released.certificates())
    else {
        let wanted = "an enrolment of a security key";
        return Err(Refusal::new(Code::NoncePurpose, "another enrolment", wanted).into());
    };
    Ok(KeyEnrolled {
        person: *person,
        certificate: certificate.clone(),
        bundle: link.trust().package.clone(),
        receipt: released.receipt().clone(),
    })
}
