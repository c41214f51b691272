//! Registering a laptop.

use std::sync::Arc;

use wardkey_edge::problem::No;
use wardkey_schemas::bytes::Bytes;
use wardkey_schemas::enrolment::LaptopHello;
use wardkey_schemas::ids::{DeviceId, Generation, RegistrationId};
use wardkey_schemas::jws::Sealed;
use wardkey_schemas::key::PublicKey;
use wardkey_schemas::registration::{
    AnnounceLaptop, Announced, LaptopOffer, OpenLaptop, Receipt, Stage,
};
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::announced::{Saying, VerifiedAnnouncement};
use wardkey_verifier::appraise::{
    AppraisedHello, AppraisedLaptop, IssuedEnrolment, Secret, appraise_hello, appraise_laptop,
};
use wardkey_verifier::credential::{Randomness, make_credential};
use wardkey_verifier::tpm::PcrSet;

use super::{Registered, require_in_time, require_site};
use crate::act::give_resumes_again;
use crate::app::App;
use crate::caller::refusal_detail;
use crate::failure::Failure;
use crate::standing::{self, For};
use crate::store::audit::{Actor, Draft, Object};
use crate::store::devices::EnrolledDevice;
use crate::store::registrations::{Kind, NewRegistration, Progress, Registration};
use crate::store::sites::Site;
use crate::store::{Lane, StoreError, Tx, Work};
use crate::{clock, random};

impl App {
    /// Opens a registration: judges the first message, and gives keyd's own nonce and secret.
    ///
    /// # Errors
    ///
    /// A refusal.
    pub async fn open_laptop(&self, body: Sealed<OpenLaptop>) -> Result<Sealed<LaptopOffer>, No> {
        self.offer_laptop(body)
            .await
            .map_err(|failure| failure.into_answer("open a laptop's registration"))
    }

    async fn offer_laptop(&self, body: Sealed<OpenLaptop>) -> Result<Sealed<LaptopOffer>, Failure> {
        let now = clock::now();
        let (site, opened) = self.open_from_registrar(&body.message).await?;
        self.require_recovered()?;
        let open = opened.into_message();
        require_site(&open.site, &site.site)?;
        let hello = self.judge_hello(&open.hello, &site, now).await?;
        let (device, generation) = self.whose_turn(&hello, &site).await?;

        let nonce = random::nonce()?;
        let secret: [u8; 32] = random::bytes()?;
        let randomness = Randomness::new(random::bytes()?);
        let credential = make_credential(hello.ek(), hello.ak().name(), &secret, &randomness)
            .map_err(Failure::fault)?;
        let waits = self.policy_at(&site.site).await?.nonce_waits;
        let registration = Registration {
            id: RegistrationId::from_random(random::bytes()?),
            site: site.site.clone(),
            enrolment: open.enrolment,
            request: serde_json::to_string(&open.hello).map_err(Failure::fault)?,
            subject: *device.as_bytes(),
            generation: Some(generation),
            nonce,
            secret: Some(secret),
            ca_nonce: open.nonce,
            expires_at: now.plus(waits),
            renews: false,
            progress: Progress::Open,
        };
        let offer = LaptopOffer {
            site: site.site,
            enrolment: open.enrolment,
            ca_nonce: open.nonce,
            registration: registration.id,
            device,
            generation,
            nonce,
            credential,
            pcrs: self.trust().bundle.policy_floor().pcrs.clone(),
            expires_in: waits,
            server_time: now,
        };
        let answer = self.signers.answer(&offer)?;
        let new = NewRegistration {
            kind: Kind::Laptop,
            registration,
        };
        let (inserted, _) = self
            .store
            .write(Lane::Ordinary, super::key::Open { new, now })
            .await?;
        inserted?;
        Ok(Sealed::new(answer))
    }

    async fn judge_hello(
        &self,
        hello: &LaptopHello,
        site: &Site,
        now: Timestamp,
    ) -> Result<AppraisedHello, Failure> {
        let trust = self.trust();
        let lead = trust.verify_person(hello.lead_certificate.as_slice(), now)?;
        lead.verify_site(&site.site)?;
        self.registered_key(&site.site, lead.thumbprint(), lead.certificate())
            .await?;
        Ok(appraise_hello(
            hello,
            lead,
            &site.site,
            &trust.ek_anchors,
            now,
        )?)
    }

    /// Which laptop it will be: a new one, or the next enrolment of one that is known by its
    /// endorsement key and may be enrolled again.
    async fn whose_turn(
        &self,
        hello: &AppraisedHello,
        site: &Site,
    ) -> Result<(DeviceId, Generation), Failure> {
        let ek = hello.ek().sha256();
        let known = self.store.find_device_by_ek(&ek).await?;
        let bearer = self
            .store
            .find_device_by_asset(&site.site, hello.asset())
            .await?;
        if let Some(bearer) = bearer.filter(|bearer| bearer.ek != ek) {
            let found = format!("laptop {} with this tag", bearer.id);
            return Err(Refusal::new(Code::AssetTaken, found, "a tag of its own").into());
        }
        let Some(known) = known else {
            return Ok((DeviceId::from_random(random::bytes()?), Generation::FIRST));
        };
        let may_again = match known.state {
            // What was never confirmed was never in use.
            ObjectState::Announced | ObjectState::Pending | ObjectState::Quarantine => true,
            ObjectState::Active | ObjectState::Revoked => false,
        };
        let wanted = "a laptop that is not enrolled, or in quarantine with no stop on it";
        if !may_again || known.site != site.site || known.holds > 0 || known.drains > 0 {
            let found = format!("a laptop that is {}", known.state);
            return Err(Refusal::new(Code::EkDuplicate, found, wanted).into());
        }
        let next = known.generation.next().ok_or_else(|| {
            Refusal::new(
                Code::EkDuplicate,
                known.generation,
                "a lower enrolment number",
            )
        })?;
        Ok((known.id, next))
    }

    /// Announces the certificates of a laptop: judges all evidence and records what will be signed.
    ///
    /// # Errors
    ///
    /// A refusal; the registration is spent by it.
    pub async fn announce_laptop(
        self: &Arc<Self>,
        body: Sealed<AnnounceLaptop>,
    ) -> Result<Sealed<Receipt>, No> {
        self.record_laptop(body)
            .await
            .map_err(|failure| failure.into_answer("announce a laptop"))
    }

    async fn record_laptop(
        self: &Arc<Self>,
        body: Sealed<AnnounceLaptop>,
    ) -> Result<Sealed<Receipt>, Failure> {
        let now = clock::now();
        let (site, opened) = self.open_from_registrar(&body.message).await?;
        self.require_recovered()?;
        let announce = opened.into_message();
        require_site(&announce.site, &site.site)?;
        let registration = self.registration(&site.site, announce.registration).await?;
        let tbs: Vec<_> = announce
            .certificates
            .iter()
            .map(|each| each.tbs.sha256())
            .collect();
        let object = Object::Laptop(super::device_of(&registration));
        match &registration.progress {
            Progress::Open => {}
            Progress::Announced(before) | Progress::Issued(before) if *before == tbs => {
                return self
                    .announced_before(&registration, &object, "laptop.announced", now)
                    .await;
            }
            Progress::Announced(_) | Progress::Issued(_) => {
                let wanted = "an open registration";
                return Err(
                    Refusal::new(Code::RegistrationState, "announced before", wanted).into(),
                );
            }
        }
        let judged = self
            .judge_laptop(&registration, &announce, &site, now)
            .await;
        let laptop = match judged {
            Ok(laptop) => laptop,
            Err(Failure::Refused(refusal)) => {
                return Err(self
                    .spoil(&registration, &site, object, refusal, now)
                    .await?);
            }
            Err(failure) => return Err(failure),
        };
        let work = Announce {
            app: Arc::clone(self),
            registered: Registered {
                certificates: tbs,
                ..Registered::from(&registration)
            },
            device: enrolled(&laptop),
            log: (announce.completion.event_log.clone(), laptop.log().values()),
            draft: Draft {
                at: now,
                site: site.site.clone(),
                event: "laptop.announced",
                actor: Actor::Registrar(site.registrar.thumbprint()),
                object,
                code: None,
                detail: detail(&registration, &laptop),
            },
            now,
        };
        let registered = work.registered.clone();
        let committed = match self.store.write(Lane::Ordinary, work).await {
            Ok(((), committed)) => committed,
            Err(StoreError::Refused(refusal)) => {
                return Err(self
                    .spoil(&registration, &site, object, *refusal, now)
                    .await?);
            }
            Err(error) => return Err(error.into()),
        };
        metrics::counter!("wardkey_registrations_total", "kind" => "laptop").increment(1);
        self.receipt(registered, Stage::Announced, committed.leaf()?, now)
    }

    /// The receipt of an announcement that came twice.
    pub(crate) async fn announced_before(
        &self,
        registration: &Registration,
        object: &Object,
        event: &str,
        now: Timestamp,
    ) -> Result<Sealed<Receipt>, Failure> {
        let leaf = self.store.newest_leaf(object, event).await?;
        let missing = StoreError::Inconsistent {
            table: "audit",
            column: "leaf",
        };
        self.receipt(
            registration.into(),
            Stage::Announced,
            leaf.ok_or(missing)?,
            now,
        )
    }

    /// Spends a registration whose completion was refused, and records why.
    pub(crate) async fn spoil(
        &self,
        registration: &Registration,
        site: &Site,
        object: Object,
        refusal: Refusal,
        now: Timestamp,
    ) -> Result<Failure, Failure> {
        let draft = Draft {
            at: now,
            site: site.site.clone(),
            event: "registration.refused",
            actor: Actor::Registrar(site.registrar.thumbprint()),
            object,
            code: Some(refusal.code()),
            detail: refusal_detail(&refusal),
        };
        let work = Spoil {
            id: registration.id,
            draft,
            now,
        };
        self.store.write(Lane::Ordinary, work).await?;
        Ok(Failure::Recorded(refusal))
    }

    async fn judge_laptop(
        &self,
        registration: &Registration,
        announce: &AnnounceLaptop,
        site: &Site,
        now: Timestamp,
    ) -> Result<AppraisedLaptop, Failure> {
        require_in_time(registration, now)?;
        let secret = registration.secret.ok_or_else(|| {
            Refusal::new(
                Code::RegistrationState,
                "another registration",
                "one of a laptop that is enrolled",
            )
        })?;
        let hello: LaptopHello =
            serde_json::from_str(&registration.request).map_err(Failure::fault)?;
        let hello = self.judge_hello(&hello, site, now).await?;
        let trust = self.trust();
        let pcrs = PcrSet::new(&trust.bundle.policy_floor().pcrs).ok_or_else(|| {
            Refusal::new(
                Code::QuotePcrs,
                "no registers",
                "the registers of the policy",
            )
        })?;
        let issued = IssuedEnrolment {
            site: &site.site,
            enrolment: registration.enrolment,
            registration: registration.id,
            device: super::device_of(registration),
            generation: registration.generation.unwrap_or(Generation::FIRST),
            ca_nonce: &registration.ca_nonce,
            keyd_nonce: &registration.nonce,
            secret: Secret::Keyd(&secret),
            pcrs,
        };
        let laptop = appraise_laptop(hello, &announce.completion, &issued)?;
        let keys = (laptop.device_key(), laptop.ak().key());
        require_announced(
            &announce.certificates,
            laptop.device(),
            keys,
            site,
            self,
            now,
        )?;
        Ok(laptop)
    }
}

/// The certificates to be signed are one for each of the laptop's two keys (device, attestation), and
/// say nothing else.
pub(super) fn require_announced(
    announced: &[Announced],
    device: DeviceId,
    (device_key, ak): (&PublicKey, &PublicKey),
    site: &Site,
    app: &App,
    now: Timestamp,
) -> Result<(), Refusal> {
    let trust = app.trust();
    let verify = |each| VerifiedAnnouncement::verify(each, &site.site, &trust.bundle, now);
    let wanted = [
        Saying::Device {
            device,
            key: *device_key,
        },
        Saying::AttestationKey { device, key: *ak },
    ];
    let found = announced
        .iter()
        .map(verify)
        .collect::<Result<Vec<_>, _>>()?;
    if found.iter().map(VerifiedAnnouncement::saying).eq(wanted) {
        return Ok(());
    }
    Err(Refusal::new(
        Code::RegistrationMismatch,
        "certificates for other keys or another laptop",
        "one for the device key and one for the attestation key",
    ))
}

fn enrolled(laptop: &AppraisedLaptop) -> EnrolledDevice {
    EnrolledDevice {
        id: laptop.device(),
        site: laptop.site().clone(),
        asset: laptop.asset().clone(),
        generation: laptop.generation(),
        ek: laptop.ek().sha256(),
        ak_name: *laptop.ak().name(),
        ak_key: *laptop.ak().key(),
        ak_qualified_name: laptop.ak().identity().qualified_name,
        device_key: *laptop.device_key(),
        baseline: laptop.pcrs().to_vec(),
        firmware_version: laptop.firmware_version(),
        tpm: laptop.clock().into(),
        phrase: laptop.phrase(),
        lead_key: laptop.lead().thumbprint(),
        lead: laptop.lead().person(),
    }
}

fn detail(registration: &Registration, laptop: &AppraisedLaptop) -> serde_json::Value {
    serde_json::json!({
        "registration": registration.id,
        "enrolment": registration.enrolment,
        "asset": laptop.asset(),
        "generation": laptop.generation(),
        "ek": laptop.ek().sha256(),
        "ek_certificate": laptop.ek().certificate(),
        "ak": laptop.ak().key().thumbprint(),
        "device_key": laptop.device_key().thumbprint(),
        "event_log": laptop.log().sha256(),
        "approval": laptop.approval(),
        "lead_key": laptop.lead().thumbprint(),
    })
}

struct Spoil {
    id: RegistrationId,
    draft: Draft,
    now: Timestamp,
}

impl Work for Spoil {
    type Out = ();

    async fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        tx.spoil_registration(self.id, self.now).await?;
        tx.audit(self.draft.clone());
        Ok(())
    }
}

struct Announce {
    app: Arc<App>,
    registered: Registered,
    device: EnrolledDevice,
    log: (Bytes, Vec<wardkey_schemas::evidence::PcrValue>),
    draft: Draft,
    now: Timestamp,
}

impl Work for Announce {
    type Out = ();

    async fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        tx.require_recovered()?;
        let refuse = |refusal| Err(StoreError::Refused(Box::new(refusal)));
        let site = tx.take_site(&self.device.site).await?;
        if let Err(refusal) = standing::require_site(site.site, site.nation, For::GoingOn) {
            return refuse(refusal);
        }
        let written = match self.device.generation {
            Generation::FIRST => tx.insert_device(&self.device, self.now).await?,
            _ => tx.reenrol_device(&self.device, self.now).await?,
        };
        if !written {
            let wanted = "a laptop and a tag that are free";
            return refuse(Refusal::new(Code::EkDuplicate, "taken meanwhile", wanted));
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
        let (log, values) = &self.log;
        tx.insert_event_log(log.as_slice(), values, self.now)
            .await?;
        let mut draft = self.draft.clone();
        if let Some(before) = self.device.generation.number().checked_sub(1) {
            let before = Generation::new(before);
            let signers = &self.app.signers;
            let orders = give_resumes_again(tx, signers, self.device.id, before, self.now).await?;
            if let Some(detail) = draft.detail.as_object_mut() {
                detail.insert("orders".to_owned(), serde_json::json!(orders));
            }
        }
        tx.audit(draft);
        Ok(())
    }
}
