//! Renewing the certificates of a laptop: judged here again from the same evidence, and against what
//! keyd alone knows of it: that it is in use, that nobody has stopped it, and what it boots.
//!
//! # Invariants
//!
//! - The keys are those of the laptop's present enrolment; nothing else of it changes.
//! - The announcement takes the laptop's row as an activation does, so a stop never slips between
//!   judging and writing. From then on what is signed is on record, whatever becomes of the laptop.

use std::sync::Arc;

use wardkey_edge::problem::No;
use wardkey_schemas::bytes::Bytes;
use wardkey_schemas::evidence::PcrValue;
use wardkey_schemas::ids::RegistrationId;
use wardkey_schemas::jws::Sealed;
use wardkey_schemas::recertification::{
    AnnounceRecertification, OpenRecertification, RecertificationHello, RecertificationOffer,
};
use wardkey_schemas::registration::{Receipt, Stage};
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::appraise::{
    AppraisedRecertification, CertifiedLaptop, IssuedRecertification, appraise_certificates,
    appraise_recertification,
};
use wardkey_verifier::lifetime;
use wardkey_verifier::tpm::PcrSet;

use super::laptop::require_announced;
use super::{Registered, require_in_time, require_site};
use crate::app::App;
use crate::failure::Failure;
use crate::standing::{self, For};
use crate::store::audit::{Actor, Draft, Object};
use crate::store::devices::{Device, TpmTime};
use crate::store::registrations::{Kind, NewRegistration, Progress, Registration};
use crate::store::sites::Site;
use crate::store::{Lane, StoreError, Tx, Work};
use crate::{clock, random};

impl App {
    /// Opens the renewal of a laptop's certificates: judges the first message, and gives keyd's own
    /// nonce.
    ///
    /// # Errors
    ///
    /// A refusal.
    pub async fn open_recertification(
        &self,
        body: Sealed<OpenRecertification>,
    ) -> Result<Sealed<RecertificationOffer>, No> {
        self.offer_recertification(body, clock::now())
            .await
            .map_err(|failure| failure.into_answer("open a renewal of certificates"))
    }

    async fn offer_recertification(
        &self,
        body: Sealed<OpenRecertification>,
        now: Timestamp,
    ) -> Result<Sealed<RecertificationOffer>, Failure> {
        let (site, opened) = self.open_from_registrar(&body.message).await?;
        self.require_recovered()?;
        let open = opened.into_message();
        require_site(&open.site, &site.site)?;
        let (device, _) = self.judge_certified(&open.hello, &site, now).await?;
        let nonce = random::nonce()?;
        let waits = self.policy_at(&site.site).await?.nonce_waits;
        let registration = Registration {
            id: RegistrationId::from_random(random::bytes()?),
            site: site.site.clone(),
            enrolment: open.enrolment,
            request: serde_json::to_string(&open.hello).map_err(Failure::fault)?,
            subject: *device.id.as_bytes(),
            generation: Some(device.generation),
            nonce,
            secret: None,
            ca_nonce: open.nonce,
            expires_at: now.plus(waits),
            renews: true,
            progress: Progress::Open,
        };
        let offer = RecertificationOffer {
            site: site.site,
            enrolment: open.enrolment,
            ca_nonce: open.nonce,
            registration: registration.id,
            device: device.id,
            generation: device.generation,
            nonce,
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

    /// The laptop that shows its certificates: enrolled with exactly these keys, in use, stopped by
    /// nobody, and at the time for it.
    async fn judge_certified(
        &self,
        hello: &RecertificationHello,
        site: &Site,
        now: Timestamp,
    ) -> Result<(Device, CertifiedLaptop), Failure> {
        let certified = appraise_certificates(hello, &site.site, &self.trust().bundle, now)?;
        let found = self.store.find_device(certified.device()).await?;
        let device = found
            .filter(|device| device.site == site.site)
            .ok_or_else(|| {
                let wanted = "a laptop that is enrolled at this site";
                Refusal::new(Code::DeviceUnknown, certified.device(), wanted)
            })?;
        Self::require_same_device(&device, certified.device(), certified.generation())?;
        require_same_keys(&device, &certified)?;
        self.require_standing(&device, For::Starting).await?;
        let until = standing::require_certified(&device, now)?;
        lifetime::require_renewable(until, now)?;
        Ok((device, certified))
    }

    /// Announces new certificates of a laptop: judges all evidence and records what will be signed.
    ///
    /// # Errors
    ///
    /// A refusal; the registration is spent by it.
    pub async fn announce_recertification(
        self: &Arc<Self>,
        body: Sealed<AnnounceRecertification>,
    ) -> Result<Sealed<Receipt>, No> {
        self.record_recertification(body, clock::now())
            .await
            .map_err(|failure| failure.into_answer("announce new certificates"))
    }

    async fn record_recertification(
        self: &Arc<Self>,
        body: Sealed<AnnounceRecertification>,
        now: Timestamp,
    ) -> Result<Sealed<Receipt>, Failure> {
        let (site, opened) = self.open_from_registrar(&body.message).await?;
        self.require_recovered()?;
        let announce = opened.into_message();
        require_site(&announce.site, &site.site)?;
        let registration = self.registration(&site.site, announce.registration).await?;
        let object = Object::Laptop(super::device_of(&registration));
        let tbs: Vec<_> = announce
            .certificates
            .iter()
            .map(|each| each.tbs.sha256())
            .collect();
        match &registration.progress {
            Progress::Open if registration.renews => {}
            Progress::Announced(before) | Progress::Issued(before)
                if registration.renews && *before == tbs =>
            {
                return self
                    .announced_before(&registration, &object, "laptop.renewal-announced", now)
                    .await;
            }
            Progress::Open | Progress::Announced(_) | Progress::Issued(_) => {
                let found = "another registration, or one that was announced before";
                let wanted = "an open registration that renews certificates";
                return Err(Refusal::new(Code::RegistrationState, found, wanted).into());
            }
        }
        let judged = self
            .judge_recertification(&registration, &announce, &site, now)
            .await;
        let (device, laptop) = match judged {
            Ok(judged) => judged,
            Err(Failure::Refused(refusal)) => {
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
        let work = Announce {
            registered: registered.clone(),
            log: (announce.completion.event_log.clone(), laptop.log().values()),
            tpm: laptop.clock().into(),
            draft: Draft {
                at: now,
                site: site.site.clone(),
                event: "laptop.renewal-announced",
                actor: Actor::Registrar(site.registrar.thumbprint()),
                object,
                code: None,
                detail: serde_json::json!({
                    "registration": registration.id,
                    "enrolment": registration.enrolment,
                    "generation": device.generation,
                    "device_key": device.device_key_thumbprint,
                    "ak": device.ak_key.thumbprint(),
                    "event_log": laptop.log().sha256(),
                    "quote": announce.completion.quote.sha256(),
                    "certified_until": device.certified_until,
                }),
            },
            device,
            now,
        };
        let committed = match self.store.write(Lane::Ordinary, work).await {
            Ok(((), committed)) => committed,
            Err(StoreError::Refused(refusal)) => {
                return Err(self
                    .spoil(&registration, &site, object, *refusal, now)
                    .await?);
            }
            Err(error) => return Err(error.into()),
        };
        metrics::counter!("wardkey_registrations_total", "kind" => "renewal").increment(1);
        self.receipt(registered, Stage::Announced, committed.leaf()?, now)
    }

    async fn judge_recertification(
        &self,
        registration: &Registration,
        announce: &AnnounceRecertification,
        site: &Site,
        now: Timestamp,
    ) -> Result<(Device, AppraisedRecertification), Failure> {
        require_in_time(registration, now)?;
        let hello: RecertificationHello =
            serde_json::from_str(&registration.request).map_err(Failure::fault)?;
        let (device, certified) = self.judge_certified(&hello, site, now).await?;
        let trust = self.trust();
        let pcrs = PcrSet::new(&trust.bundle.policy_floor().pcrs).ok_or_else(|| {
            let wanted = "the registers of the policy";
            Refusal::new(Code::QuotePcrs, "no registers", wanted)
        })?;
        let issued = IssuedRecertification {
            enrolment: registration.enrolment,
            registration: registration.id,
            ca_nonce: &registration.ca_nonce,
            keyd_nonce: &registration.nonce,
            pcrs,
        };
        let laptop = appraise_recertification(certified, &announce.completion, &issued)?;
        laptop.require_accepted(&device.baseline, &device.tpm.into())?;
        let keys = (&device.device_key, &device.ak_key);
        require_announced(&announce.certificates, device.id, keys, site, self, now)?;
        Ok((device, laptop))
    }
}

/// The keys of the certificates are those with which the laptop is enrolled.
fn require_same_keys(device: &Device, certified: &CertifiedLaptop) -> Result<(), Refusal> {
    let ak = certified.ak().identity();
    let same = *certified.device_key() == device.device_key
        && ak.key == device.ak_key
        && ak.qualified_name == device.ak_qualified_name;
    if same {
        return Ok(());
    }
    Err(Refusal::new(
        Code::RegistrationMismatch,
        "other keys than those of this enrolment",
        format_args!("device key {}", device.device_key_thumbprint),
    ))
}

struct Announce {
    registered: Registered,
    device: Device,
    log: (Bytes, Vec<PcrValue>),
    tpm: TpmTime,
    draft: Draft,
    now: Timestamp,
}

impl Work for Announce {
    type Out = ();

    async fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        tx.require_recovered()?;
        let refuse = |found: &str, wanted: &str| {
            let refusal = Refusal::new(Code::RegistrationState, found, wanted);
            Err(StoreError::Refused(Box::new(refusal)))
        };
        let device = &self.device;
        let above = tx.take_site(&device.site).await?;
        if let Err(refusal) = standing::require_site(above.site, above.nation, For::Starting) {
            return Err(StoreError::Refused(Box::new(refusal)));
        }
        if !tx
            .claim_device_to_start(device.id, device.version, self.tpm, self.now)
            .await?
        {
            return refuse(
                "a laptop that changed meanwhile",
                "the laptop as it was judged",
            );
        }
        let (id, certificates) = (self.registered.registration, &self.registered.certificates);
        if !tx.announce_registration(id, certificates).await? {
            return refuse("announced meanwhile", "an open registration");
        }
        let (log, values) = &self.log;
        tx.insert_event_log(log.as_slice(), values, self.now)
            .await?;
        tx.audit(self.draft.clone());
        Ok(())
    }
}
