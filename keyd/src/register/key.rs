//! Registering a security key, and a site by its charter.

use wardkey_edge::problem::No;
use wardkey_schemas::ids::{PersonId, RegistrationId};
use wardkey_schemas::jws::{Jws, Sealed};
use wardkey_schemas::key_enrolment::{Holder, KeyHello, Voucher};
use wardkey_schemas::names::DisplayName;
use wardkey_schemas::registration::{
    AnnounceKey, KeyOffer, OpenKey, Receipt, SiteHello, SiteWelcome, Stage,
};
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::announced::{Saying, VerifiedAnnouncement};
use wardkey_verifier::appraise::{
    AppraisedKey, IssuedKeyEnrolment, KeyVoucher, VouchedBy, appraise_key,
};
use wardkey_verifier::charter::VerifiedCharter;
use wardkey_verifier::person::VerifiedPerson;
use wardkey_verifier::piv::TokenPolicy;

use super::{Registered, require_in_time, require_site};
use crate::app::App;
use crate::failure::Failure;
use crate::standing::{self, For};
use crate::store::audit::{Actor, Draft, Object};
use crate::store::keys::EnrolledKey;
use crate::store::personal::{self, Personal};
use crate::store::registrations::{Kind, NewRegistration, Progress, Registration};
use crate::store::sites::Site;
use crate::store::{Lane, StoreError, Tx, Work};
use crate::{clock, random};

/// Who vouches, verified.
enum VerifiedVoucher {
    Person(VerifiedPerson),
    Charter(VerifiedCharter),
}

impl App {
    /// Makes a site known by its charter. Saying it again is how a ca starts.
    ///
    /// # Errors
    ///
    /// A refusal.
    pub async fn welcome_site(&self, hello: SiteHello) -> Result<SiteWelcome, No> {
        self.know_site(hello)
            .await
            .map_err(|failure| failure.into_answer("welcome a site"))
    }

    async fn know_site(&self, hello: SiteHello) -> Result<SiteWelcome, Failure> {
        let now = clock::now();
        let trust = self.trust();
        let charter = VerifiedCharter::verify(&hello.charter, &trust.bundle)?;
        let known = self
            .store
            .find_site_by_registrar(charter.registrar().thumbprint())
            .await?;
        if known.is_none_or(|known| known.charter != charter.charter().charter) {
            let work = Know {
                charter: charter.clone(),
                envelope: hello.charter,
                now,
            };
            self.store.write(Lane::Ordinary, work).await?;
        }
        Ok(SiteWelcome {
            site: charter.site().clone(),
            bundle: trust.package.clone(),
            service_keys: trust.service_keys.clone(),
        })
    }

    /// Opens a registration of a security key.
    ///
    /// # Errors
    ///
    /// A refusal.
    pub async fn open_key(&self, body: Sealed<OpenKey>) -> Result<Sealed<KeyOffer>, No> {
        self.offer_key(body)
            .await
            .map_err(|failure| failure.into_answer("open a key's registration"))
    }

    async fn offer_key(&self, body: Sealed<OpenKey>) -> Result<Sealed<KeyOffer>, Failure> {
        let now = clock::now();
        let (site, opened) = self.open_from_registrar(&body.message).await?;
        self.require_recovered()?;
        let open = opened.into_message();
        require_site(&open.site, &site.site)?;
        self.judge_voucher(&open.hello, &site, now).await?;
        let person = match &open.hello.holder {
            Holder::New { .. } => PersonId::from_random(random::bytes()?),
            Holder::Known { person } if self.store.person_exists(*person).await? => *person,
            Holder::Known { person } => {
                return Err(Refusal::new(Code::NotFound, person, "a person known here").into());
            }
        };
        let nonce = random::nonce()?;
        let waits = self.policy_at(&site.site).await?.nonce_waits;
        let registration = Registration {
            id: RegistrationId::from_random(random::bytes()?),
            site: site.site.clone(),
            enrolment: open.enrolment,
            request: serde_json::to_string(&open.hello).map_err(Failure::fault)?,
            subject: *person.as_bytes(),
            generation: None,
            nonce,
            secret: None,
            ca_nonce: open.nonce,
            expires_at: now.plus(waits),
            renews: false,
            progress: Progress::Open,
        };
        let offer = KeyOffer {
            site: site.site,
            enrolment: open.enrolment,
            ca_nonce: open.nonce,
            registration: registration.id,
            person,
            nonce,
            expires_in: waits,
            server_time: now,
        };
        let answer = self.signers.answer(&offer)?;
        let new = NewRegistration {
            kind: Kind::Key,
            registration,
        };
        let (inserted, _) = self.store.write(Lane::Ordinary, Open { new, now }).await?;
        inserted?;
        Ok(Sealed::new(answer))
    }

    async fn judge_voucher(
        &self,
        hello: &KeyHello,
        site: &Site,
        now: Timestamp,
    ) -> Result<VerifiedVoucher, Failure> {
        let trust = self.trust();
        match &hello.voucher {
            Voucher::Person { certificate } => {
                let person = trust.verify_person(certificate.as_slice(), now)?;
                person.verify_site(&site.site)?;
                self.registered_key(&site.site, person.thumbprint(), person.certificate())
                    .await?;
                Ok(VerifiedVoucher::Person(person))
            }
            Voucher::Charter { charter } => {
                let charter = VerifiedCharter::verify(charter, &trust.bundle)?;
                if charter.charter().charter != site.charter {
                    let found = charter.charter().charter;
                    return Err(Refusal::new(Code::CharterInvalid, found, site.charter).into());
                }
                Ok(VerifiedVoucher::Charter(charter))
            }
        }
    }

    /// Announces the certificate of a security key: judges all evidence and records what will be
    /// signed.
    ///
    /// # Errors
    ///
    /// A refusal; the registration is spent by it.
    pub async fn announce_key(&self, body: Sealed<AnnounceKey>) -> Result<Sealed<Receipt>, No> {
        self.record_key(body)
            .await
            .map_err(|failure| failure.into_answer("announce a key"))
    }

    async fn record_key(&self, body: Sealed<AnnounceKey>) -> Result<Sealed<Receipt>, Failure> {
        let now = clock::now();
        let (site, opened) = self.open_from_registrar(&body.message).await?;
        self.require_recovered()?;
        let announce = opened.into_message();
        require_site(&announce.site, &site.site)?;
        let registration = self.registration(&site.site, announce.registration).await?;
        let tbs = vec![announce.certificate.tbs.sha256()];
        let claimed = announce.completion.possession.claimed_key();
        match &registration.progress {
            Progress::Open => {}
            Progress::Announced(before) | Progress::Issued(before) if *before == tbs => {
                let object = Object::Key(claimed);
                return self
                    .announced_before(&registration, &object, "key.announced", now)
                    .await;
            }
            Progress::Announced(_) | Progress::Issued(_) => {
                let wanted = "an open registration";
                return Err(
                    Refusal::new(Code::RegistrationState, "announced before", wanted).into(),
                );
            }
        }
        let (hello, key) = match self.judge_key(&registration, &announce, &site, now).await {
            Ok(judged) => judged,
            Err(Failure::Refused(refusal)) => {
                let object = Object::Key(claimed);
                return Err(self
                    .spoil(&registration, &site, object, refusal, now)
                    .await?);
            }
            Err(failure) => return Err(failure),
        };
        let registered = Registered {
            certificates: tbs,
            ..Registered::from(&registration)
        };
        let enrolled = enrolled(&hello, &key);
        let name = match &enrolled.name {
            Some(name) => {
                let (person, salt) = (enrolled.person, random::bytes()?);
                Some(Personal::new(
                    person,
                    personal::Kind::Name,
                    name.as_str(),
                    salt,
                ))
            }
            None => None,
        };
        let mut detail = detail(&registration, &key);
        if let Some(name) = &name {
            name.commit(&mut detail);
        }
        let work = Announce {
            registered: registered.clone(),
            key: enrolled,
            name,
            vouched_by: key.vouched_by(),
            draft: Draft {
                at: now,
                site: site.site.clone(),
                event: "key.announced",
                actor: Actor::Registrar(site.registrar.thumbprint()),
                object: Object::Key(key.key().thumbprint()),
                code: None,
                detail,
            },
            now,
        };
        let committed = match self.store.write(Lane::Ordinary, work).await {
            Ok(((), committed)) => committed,
            Err(StoreError::Refused(refusal)) => {
                let object = Object::Key(claimed);
                return Err(self
                    .spoil(&registration, &site, object, *refusal, now)
                    .await?);
            }
            Err(error) => return Err(error.into()),
        };
        metrics::counter!("wardkey_registrations_total", "kind" => "key").increment(1);
        self.receipt(registered, Stage::Announced, committed.leaf()?, now)
    }

    async fn judge_key(
        &self,
        registration: &Registration,
        announce: &AnnounceKey,
        site: &Site,
        now: Timestamp,
    ) -> Result<(KeyHello, AppraisedKey), Failure> {
        require_in_time(registration, now)?;
        let hello: KeyHello =
            serde_json::from_str(&registration.request).map_err(Failure::fault)?;
        let voucher = self.judge_voucher(&hello, site, now).await?;
        let trust = self.trust();
        let issued = IssuedKeyEnrolment {
            site: &site.site,
            role: hello.role,
            person: PersonId::from_bytes(registration.subject),
            enrolment: registration.enrolment,
            registration: registration.id,
            ca_nonce: &registration.ca_nonce,
            keyd_nonce: &registration.nonce,
        };
        let voucher = match &voucher {
            VerifiedVoucher::Person(person) => KeyVoucher::Person(person),
            VerifiedVoucher::Charter(charter) => KeyVoucher::Charter(charter),
        };
        let policy = TokenPolicy::of_floor(trust.bundle.policy_floor());
        let key = appraise_key(
            &announce.completion,
            &issued,
            voucher,
            &trust.token_anchors,
            &policy,
        )?;
        let saying = Saying::Person {
            person: key.person(),
            role: key.role(),
            key: *key.key(),
        };
        let announced =
            VerifiedAnnouncement::verify(&announce.certificate, &site.site, &trust.bundle, now)?;
        if announced.saying() != saying {
            return Err(Refusal::new(
                Code::RegistrationMismatch,
                "a certificate for another key, person or role",
                "one for the enrolled key, person and role",
            )
            .into());
        }
        Ok((hello, key))
    }
}

fn enrolled(hello: &KeyHello, key: &AppraisedKey) -> EnrolledKey {
    let name: Option<DisplayName> = match &hello.holder {
        Holder::New { name } => Some(name.clone()),
        Holder::Known { .. } => None,
    };
    let approved_by = match key.vouched_by() {
        VouchedBy::Person { person, .. } => person,
        VouchedBy::Charter { .. } => key.person(),
    };
    EnrolledKey {
        key: *key.key(),
        person: key.person(),
        name,
        serial: key.token().serial(),
        firmware: key.token().firmware(),
        form_factor: key.token().form_factor().as_str(),
        site: key.site().clone(),
        role: key.role(),
        phrase: key.phrase(),
        approved_by,
    }
}

fn detail(registration: &Registration, key: &AppraisedKey) -> serde_json::Value {
    let vouched_by = match key.vouched_by() {
        VouchedBy::Person { key, approval, .. } => {
            serde_json::json!({ "key": key, "approval": approval })
        }
        VouchedBy::Charter { charter } => serde_json::json!({ "charter": charter }),
    };
    serde_json::json!({
        "registration": registration.id,
        "enrolment": registration.enrolment,
        "person": key.person(),
        "role": key.role(),
        "serial": key.token().serial(),
        "firmware": key.token().firmware().to_string(),
        "attestation": key.token().attestation(),
        "intermediate": key.token().intermediate(),
        "possession": key.possession(),
        "vouched_by": vouched_by,
    })
}

struct Know {
    charter: VerifiedCharter,
    envelope: Jws<wardkey_schemas::bundle::SiteCharter>,
    now: Timestamp,
}

impl Work for Know {
    type Out = ();

    async fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        let charter = self.charter.charter();
        if !tx.upsert_site(charter, &self.envelope, self.now).await? {
            let found = format!("a charter of {}", charter.issued_at);
            let refusal = Refusal::new(
                Code::CharterInvalid,
                found,
                "a newer one than in use, with a number and registrar of its own",
            );
            return Err(StoreError::Refused(Box::new(refusal)));
        }
        tx.audit(Draft {
            at: self.now,
            site: charter.site.clone(),
            event: "site.known",
            actor: Actor::Registrar(charter.registrar.thumbprint()),
            object: Object::Site,
            code: None,
            detail: serde_json::json!({
                "charter": charter.charter,
                "charter_sha256": self.charter.sha256(),
                "authority": charter.authority,
            }),
        });
        Ok(())
    }
}

/// Opens a registration of either kind.
pub(super) struct Open {
    pub(super) new: NewRegistration,
    pub(super) now: Timestamp,
}

impl Work for Open {
    type Out = Result<(), Refusal>;

    async fn run(&mut self, tx: &mut Tx) -> Result<Self::Out, StoreError> {
        let inserted = tx.insert_registration(&self.new, self.now).await?;
        let refusal = || {
            let found = self.new.registration.enrolment;
            Refusal::new(
                Code::RegistrationState,
                found,
                "an enrolment number not used before",
            )
        };
        Ok(inserted.then_some(()).ok_or_else(refusal))
    }
}

struct Announce {
    registered: Registered,
    key: EnrolledKey,
    name: Option<Personal>,
    vouched_by: VouchedBy,
    draft: Draft,
    now: Timestamp,
}

impl Work for Announce {
    type Out = ();

    async fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        tx.require_recovered()?;
        let refuse = |refusal| Err(StoreError::Refused(Box::new(refusal)));
        let site = tx.take_site(&self.key.site).await?;
        let person = tx.take_person(self.key.person).await?;
        let free = standing::require_site(site.site, site.nation, For::GoingOn)
            .and_then(|()| standing::require_person(person, For::Starting));
        if let Err(refusal) = free {
            return refuse(refusal);
        }
        if let VouchedBy::Charter { charter } = self.vouched_by {
            let key = self.key.key.thumbprint();
            if !tx
                .claim_first_key(charter, key, self.key.role, self.now)
                .await?
            {
                let wanted = "a first key that was not certified yet";
                return refuse(Refusal::new(Code::CharterUsed, key, wanted));
            }
        }
        if let Some(name) = &self.key.name {
            tx.insert_person(self.key.person, name, self.now).await?;
        }
        if let Some(name) = &self.name {
            tx.keep_personal(name, self.now).await?;
        }
        if !tx.insert_key(&self.key, self.now).await? {
            let found = format!("serial number {}", self.key.serial);
            let wanted = "a token and a key that are not enrolled";
            return refuse(Refusal::new(Code::TokenDuplicate, found, wanted));
        }
        let (id, certificates) = (self.registered.registration, &self.registered.certificates);
        if !tx.announce_registration(id, certificates).await? {
            let wanted = "an open registration";
            return refuse(Refusal::new(
                Code::RegistrationState,
                "announced meanwhile",
                wanted,
            ));
        }
        tx.audit(self.draft.clone());
        Ok(())
    }
}
