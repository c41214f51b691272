//! What people do, by a signature of their security key.
//!
//! Each act is one work: it takes the nonce first, looks again at what it changes, changes it, and
//! writes the entry. Stops go through the kill lane.
//!
//! # Where to start
//!
//! [`App::act`] opens, checks the role, and hands over to [`confirm`], [`stop`], [`lost`], [`spare`],
//! [`leaver`], [`resume`], [`undo`], [`end`], [`message`] or [`reader`]; what takes two people goes by [`agree`].

pub mod agree;
pub mod confirm;
pub mod end;
pub mod impact;
pub mod leaver;
pub mod lost;
pub mod message;
pub mod reader;
pub mod resume;
pub mod spare;
pub mod stop;
pub mod undo;

use std::sync::Arc;

use wardkey_edge::problem::No;
use wardkey_schemas::action::{Act, ActionAnswer, ActionChallenge, OrderSent, Outcome, Target};
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::ids::{DeviceId, Generation, OrderId, SessionId};
use wardkey_schemas::jws::SigningError;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::order::{Command, Order, SignedAct};
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};

use crate::app::App;
use crate::authority::{self, May};
use crate::caller::refusal_detail;
use crate::failure::Failure;
use crate::signers::Signers;
use crate::store::approvals::Signatory;
use crate::store::audit::{Actor, Draft, Object};
use crate::store::challenges::NonceUse;
use crate::store::devices::Device;
use crate::store::personal::{Kind, Personal};
use crate::store::{Committed, Lane, StoreError, Tx, Work};
use crate::{clock, random};

/// A person's act, verified and permitted, on its way to be done.
#[derive(Clone, Debug)]
pub(crate) struct Permitted {
    pub(crate) by: Signatory,
    pub(crate) site: SiteCode,
    pub(crate) nonce: Nonce,
    /// Whether the key that signed is the site's spare.
    pub(crate) spare: bool,
    pub(crate) now: Timestamp,
    /// Who has agreed, where the act takes two people.
    pub(crate) second: Option<Signatory>,
    /// What the person typed, of which the record has a salted hash.
    pub(crate) note: Option<Personal>,
}

impl Permitted {
    /// The entry of this act; `detail` adds what was done.
    pub(crate) fn draft(
        &self,
        event: &'static str,
        object: Object,
        detail: serde_json::Value,
    ) -> Draft {
        let act = self.by.act.action.sha256();
        let mut detail = match &self.second {
            None => serde_json::json!({ "act": act, "did": detail }),
            Some(second) => serde_json::json!({
                "act": act,
                "agreed": { "key": second.key, "act": second.act.action.sha256() },
                "did": detail,
            }),
        };
        if let Some(note) = &self.note {
            note.commit(&mut detail);
        }
        Draft {
            at: self.now,
            site: self.site.clone(),
            event,
            actor: Actor::Key(self.by.key),
            object,
            code: None,
            detail,
        }
    }

    /// Everybody who has signed, whoever asked first.
    pub(crate) fn signatories(&self) -> impl Iterator<Item = &Signatory> {
        std::iter::once(&self.by).chain(&self.second)
    }

    /// Whether the person acts at `site`: at their own; people of the reserved site at every one.
    pub(crate) fn reaches(&self, site: &SiteCode) -> bool {
        self.site.is_national() || self.site == *site
    }

    /// Refuses a target beyond the person's reach; gives the site in whose record it belongs.
    ///
    /// # Errors
    ///
    /// `NOT_FOUND`: what is elsewhere does not exist here.
    pub(crate) async fn require_reach(
        &self,
        tx: &mut Tx,
        target: &Target,
    ) -> Result<SiteCode, StoreError> {
        let own = (!self.site.is_national()).then_some(&self.site);
        let (found, what) = match target {
            Target::Laptop { device } => {
                let device = tx.device(*device).await?.map(|device| device.site);
                (device.filter(|site| self.reaches(site)), "a laptop")
            }
            Target::Key { key } => (tx.site_of_key(*key, own).await?, "a security key"),
            Target::Person { person } => (tx.site_of_person(*person, own).await?, "a person"),
            Target::Site { site } => {
                let there = self.reaches(site) && tx.site_exists(site).await?;
                (there.then(|| site.clone()), "a site")
            }
            Target::Nation => (
                self.site.is_national().then(|| self.site.clone()),
                "the nation",
            ),
        };
        match found {
            Some(site) => Ok(site),
            None => refuse(Refusal::new(
                Code::NotFound,
                "no such target",
                format!("{what} within your reach"),
            )),
        }
    }

    /// Takes the act's nonce and keeps what the person typed; the first step of every act.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] if it was not given out, was used, or is too old.
    pub(crate) async fn take_nonce(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let wanted = "a fresh nonce of this service";
        let refuse = |code, found| {
            Err(StoreError::Refused(Box::new(Refusal::new(
                code, found, wanted,
            ))))
        };
        match tx.consume_action_nonce(&self.nonce, self.now).await? {
            NonceUse::Fresh => {
                if self.spare {
                    spare::tell(tx, &self.site, self.by.key, "act", self.now).await?;
                }
                match &self.note {
                    Some(note) => tx.keep_personal(note, self.now).await,
                    None => Ok(()),
                }
            }
            NonceUse::Unknown => refuse(Code::NonceUnknown, "a nonce nobody gave out"),
            NonceUse::Used => refuse(Code::NonceUsed, "a nonce that was used"),
            NonceUse::Expired => refuse(Code::NonceExpired, "a nonce that waited too long"),
        }
    }
}

/// Whether an act lets something in: such acts wait while the record is in doubt. To stop, to end and
/// to look never waits.
const fn lets_in(act: &Act) -> bool {
    match act {
        Act::ConfirmLaptop { .. }
        | Act::ConfirmKey { .. }
        | Act::Resume { .. }
        | Act::Undo { .. } => true,
        // What is agreed to is looked at by itself.
        Act::Agree { .. }
        | Act::Stop { .. }
        | Act::ReportLost { .. }
        | Act::Message { .. }
        | Act::Revoke { .. }
        | Act::EndSession { .. }
        | Act::MarkSpare { .. }
        | Act::Leaver { .. }
        | Act::OpenReader { .. } => false,
    }
}

/// A no that takes back everything the work has written.
pub(crate) fn refuse<T>(refusal: Refusal) -> Result<T, StoreError> {
    Err(StoreError::Refused(Box::new(refusal)))
}

impl App {
    /// Gives a nonce for one act.
    ///
    /// # Errors
    ///
    /// Faults only.
    pub async fn challenge_person(&self) -> Result<ActionChallenge, No> {
        let given = async {
            let now = clock::now();
            let nonce = random::nonce()?;
            let expires_in = self.policy.nonce_waits;
            let work = GiveNonce {
                nonce,
                now,
                expires_at: now.plus(expires_in),
            };
            self.store.write(Lane::Ordinary, work).await?;
            Ok(ActionChallenge { nonce, expires_in })
        };
        given
            .await
            .map_err(|failure: Failure| failure.into_answer("give a nonce to a person"))
    }

    /// Does what a person has signed.
    ///
    /// # Errors
    ///
    /// A refusal; a known person's is on record.
    pub async fn act(self: &Arc<Self>, body: SignedAct) -> Result<ActionAnswer, No> {
        let now = clock::now();
        let doing = "do what a person signed";
        let (act, key) = self
            .open_from_person(&body, now)
            .await
            .map_err(|failure| failure.into_answer(doing))?;
        let note = match act.action().act.note() {
            Some(note) => {
                let salt = random::bytes().map_err(|error| No::fault(&error, doing))?;
                let note = Personal::new(key.person, Kind::Note, note.as_str(), salt);
                Some(note)
            }
            None => None,
        };
        let permitted = Permitted {
            by: Signatory {
                key: key.key,
                person: key.person,
                role: act.person().role(),
                act: body,
            },
            site: act.site().clone(),
            nonce: act.action().nonce,
            spare: key.spare,
            now,
            note,
            second: None,
        };
        match self.dispatch(&permitted, act.action().act.clone()).await {
            Ok((outcome, committed)) => {
                metrics::counter!("wardkey_acts_total", "act" => act.action().act.as_str())
                    .increment(1);
                let leaf = committed.leaf().map_err(|error| No::fault(&error, doing))?;
                Ok(ActionAnswer {
                    outcome,
                    leaf,
                    committed_at: committed.at,
                })
            }
            Err(Failure::Refused(refusal)) => {
                let failure = self.record_no(&permitted, &act.action().act, refusal).await;
                Err(failure.into_answer(doing))
            }
            Err(failure) => Err(failure.into_answer(doing)),
        }
    }

    async fn dispatch(
        self: &Arc<Self>,
        permitted: &Permitted,
        act: Act,
    ) -> Result<(Outcome, Committed), Failure> {
        let role = permitted.by.role;
        let may = authority::may_act(role, &act);
        match may {
            May::No => return Err(authority::not_permitted(role, act.as_str()).into()),
            May::WithSecond => return self.request(permitted, &act).await,
            May::Yes | May::Own => {}
        }
        if lets_in(&act) {
            self.require_recovered()?;
        }
        match act {
            Act::ConfirmLaptop {
                device,
                asset,
                phrase,
            } => self.confirm_laptop(permitted, device, asset, phrase).await,
            Act::ConfirmKey { key, phrase } => self.confirm_key(permitted, key, phrase).await,
            Act::Stop {
                target,
                class,
                mode,
                note,
            } => self.stop(permitted, target, class, mode, note).await,
            Act::ReportLost {
                laptop,
                key,
                stolen,
                pin_may_be_known,
                note,
            } => {
                let report = lost::Report {
                    laptop,
                    key,
                    stolen,
                    pin_may_be_known,
                    note,
                };
                self.report_lost(permitted, report).await
            }
            Act::Resume {
                target,
                holds,
                note,
            } => self.resume(permitted, target, holds, note).await,
            Act::Undo { hold, note: _ } => self.undo(permitted, hold).await,
            Act::Message { device, text } => self.message(permitted, device, text).await,
            Act::Agree { request, act } => self.agree(permitted, request, act).await,
            Act::Revoke { target, note } => self.revoke(permitted, target, note).await,
            Act::EndSession { session, note: _ } => {
                self.end_by_person(permitted, session, may == May::Own)
                    .await
            }
            Act::MarkSpare {
                key,
                spare,
                note: _,
            } => self.mark_spare(permitted, key, spare).await,
            Act::Leaver { person, note: _ } => self.let_go(permitted, person).await,
            Act::OpenReader { reader_key, lasts } => {
                self.open_reader(permitted, reader_key, lasts).await
            }
        }
    }

    /// Records that a person was told no.
    async fn record_no(&self, permitted: &Permitted, act: &Act, refusal: Refusal) -> Failure {
        let draft = Draft {
            code: Some(refusal.code()),
            detail: serde_json::json!({
                "act": act.as_str(),
                "refusal": refusal_detail(&refusal),
            }),
            ..permitted.draft("act.refused", object_of(act), serde_json::Value::Null)
        };
        match self
            .store
            .write(Lane::Ordinary, crate::caller::Record(draft))
            .await
        {
            Ok(_) => Failure::Recorded(refusal),
            Err(error) => error.into(),
        }
    }
}

/// What an act is about.
const fn object_of(act: &Act) -> Object {
    match act {
        Act::ConfirmLaptop { device, .. } | Act::Message { device, .. } => Object::Laptop(*device),
        Act::ConfirmKey { key, .. } | Act::MarkSpare { key, .. } => Object::Key(*key),
        Act::Stop { target, .. } | Act::Resume { target, .. } | Act::Revoke { target, .. } => {
            object(target)
        }
        Act::EndSession { session, .. } => Object::Session(*session),
        Act::Leaver { person, .. } => Object::Person(*person),
        // What was named may be nothing of this site.
        Act::Undo { .. } | Act::Agree { .. } | Act::ReportLost { .. } | Act::OpenReader { .. } => {
            Object::Site
        }
    }
}

/// A target, as the record names it.
const fn object(target: &Target) -> Object {
    match target {
        Target::Laptop { device } => Object::Laptop(*device),
        Target::Key { key } => Object::Key(*key),
        Target::Person { person } => Object::Person(*person),
        Target::Site { .. } => Object::Site,
        Target::Nation => Object::Nation,
    }
}

/// Signs and writes one order to a laptop, inside the transaction that decides it.
pub(crate) async fn give_order(
    tx: &mut Tx,
    signers: &Signers,
    device: &Device,
    command: Command,
    now: Timestamp,
) -> Result<OrderSent, StoreError> {
    let order = Order {
        order: OrderId::from_random(random::bytes().map_err(outside)?),
        seq: tx.next_order_seq(device.id).await?,
        device: device.id,
        device_key: device.device_key_thumbprint,
        generation: device.generation,
        command,
        server_time: now,
    };
    let envelope = signers
        .order(&order)
        .map_err(|error: SigningError| outside(error))?;
    tx.insert_order(&order, &envelope, &device.site, now)
        .await?;
    Ok(OrderSent {
        device: device.id,
        seq: order.seq,
    })
}

/// Gives a laptop that was enrolled again the resumes that its last enrolment did not hear of.
///
/// Enrolling again lifts nothing at the laptop's gate, and it obeys no order to an earlier
/// enrolment: without this, a stop that it has latched and people have lifted would stand for good.
pub(crate) async fn give_resumes_again(
    tx: &mut Tx,
    signers: &Signers,
    device: DeviceId,
    before: Generation,
    now: Timestamp,
) -> Result<Vec<OrderSent>, StoreError> {
    let mut sent = Vec::new();
    let Some(device) = tx.device(device).await? else {
        return Ok(sent);
    };
    for body in tx.unheard_resumes(device.id, before).await? {
        let order = signers.reopen_order(body).map_err(outside)?;
        sent.push(give_order(tx, signers, &device, order.command, now).await?);
    }
    Ok(sent)
}

/// A fault that is not the database's, inside a work.
pub(crate) fn outside(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Outside(Box::new(error))
}

/// Tells a laptop to end a visit, and ends it here at once.
pub(crate) async fn end_by_order(
    tx: &mut Tx,
    signers: &Signers,
    device: &Device,
    session: SessionId,
    now: Timestamp,
) -> Result<OrderSent, StoreError> {
    let reason = wardkey_schemas::session::EndReason::Stopped;
    tx.end_session(session, reason, now).await?;
    give_order(tx, signers, device, Command::EndSession { session }, now).await
}

struct GiveNonce {
    nonce: Nonce,
    now: Timestamp,
    expires_at: Timestamp,
}

impl Work for GiveNonce {
    type Out = ();

    async fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        tx.insert_action_nonce(&self.nonce, self.now, self.expires_at)
            .await
    }
}
