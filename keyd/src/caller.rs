//! Who is asking: a laptop by its device key, a site's ca by its registrar key, a person by their
//! 9c key or the reader key that it vouched for.
//!
//! The key that a message names only finds the row; the row's own key opens the envelope.

use wardkey_schemas::action::Target;
use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::denial::Denial;
use wardkey_schemas::ids::{DeviceId, Generation};
use wardkey_schemas::jws::{Jws, Message, Opened};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::order::{Order, SignedAct};
use wardkey_schemas::refusal::Verdict;
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_schemas::{Code, Refusal, limits};
use wardkey_verifier::act::VerifiedAct;
use wardkey_verifier::envelope;

use wardkey_edge::problem::No;

use crate::app::App;
use crate::clock;
use crate::failure::{Failure, count};
use crate::standing::{self, For};
use crate::store::audit::{Actor, Draft, Object};
use crate::store::devices::Device;
use crate::store::keys::StaffKey;
use crate::store::sites::Site;
use crate::store::{Lane, StoreError, Tx, Work};

/// How long a laptop waits before it asks again after *not now*.
const RETRY_AFTER: Seconds = Seconds::new(5);

impl App {
    /// Opens a message of a laptop with the device key of its present enrolment.
    ///
    /// # Errors
    ///
    /// `DEVICE_UNKNOWN`, `SIGNATURE_WRONG`, `MESSAGE_MALFORMED`; nothing signed, since nobody we
    /// know has asked.
    pub async fn open_from_device<T: Message>(
        &self,
        message: &Jws<T>,
    ) -> Result<(Device, Opened<T>), No> {
        self.find_and_open(message)
            .await
            .map_err(|failure| failure.into_answer("open a laptop's message"))
    }

    async fn find_and_open<T: Message>(
        &self,
        message: &Jws<T>,
    ) -> Result<(Device, Opened<T>), Failure> {
        let claimed = message.claimed_key();
        let device = self
            .store
            .find_device_by_key(claimed)
            .await?
            .ok_or_else(|| {
                Refusal::new(
                    Code::DeviceUnknown,
                    format!("device key {claimed}"),
                    "an enrolled laptop",
                )
            })?;
        let opened = envelope::open(message, &device.device_key)?;
        Ok((device, opened))
    }

    /// Opens a message of a site's ca with the registrar key of its charter.
    ///
    /// # Errors
    ///
    /// `SIGNER_UNKNOWN`, `SIGNATURE_WRONG`, `MESSAGE_MALFORMED`.
    pub async fn open_from_registrar<T: Message>(
        &self,
        message: &Jws<T>,
    ) -> Result<(Site, Opened<T>), Failure> {
        let claimed = message.claimed_key();
        let site = self
            .store
            .find_site_by_registrar(claimed)
            .await?
            .ok_or_else(|| {
                let wanted = "the registrar key of a site that has shown its charter";
                Refusal::new(Code::SignerUnknown, format!("key {claimed}"), wanted)
            })?;
        let opened = envelope::open(message, &site.registrar)?;
        Ok((site, opened))
    }

    /// Verifies what a person signed, and that their key may act now.
    ///
    /// # Errors
    ///
    /// Those of [`VerifiedAct::verify`], and of [`standing::require_key`].
    pub async fn open_from_person(
        &self,
        act: &SignedAct,
        now: Timestamp,
    ) -> Result<(VerifiedAct, StaffKey), Failure> {
        let trust = self.trust();
        let verified = VerifiedAct::verify(act, &trust.bundle, now)?;
        let person = verified.person();
        let key = self
            .registered_key(person.site(), person.thumbprint(), person.certificate())
            .await?;
        if key.role != person.role() {
            return Err(Refusal::new(Code::KeyRole, person.role(), key.role).into());
        }
        Ok((verified, key))
    }

    /// The grant of a key whose certificate was verified: it must be the one on record, and usable.
    pub(crate) async fn registered_key(
        &self,
        site: &SiteCode,
        key: Thumbprint,
        certificate: Sha256,
    ) -> Result<StaffKey, Failure> {
        let found = self.store.find_key(site, key).await?;
        let known = found.filter(|found| {
            // A grant that waits to be announced has no certificate yet.
            found
                .certificate
                .is_none_or(|registered| registered == certificate)
        });
        let known = known.ok_or_else(|| {
            Refusal::new(
                Code::KeyNotRecognised,
                format!("key {key}"),
                "a registered security key",
            )
        })?;
        self.require_key_standing(&known).await?;
        Ok(known)
    }

    /// Refuses a key that may not be used now; holds are read only where some stand.
    ///
    /// # Errors
    ///
    /// Those of [`standing::require_key`].
    pub async fn require_key_standing(&self, key: &StaffKey) -> Result<(), Failure> {
        let target = Target::Key { key: key.key };
        let holds = match (key.holds, key.drains) {
            (0, 0) => Vec::new(),
            _ => self.store.standing_holds(&target).await?,
        };
        Ok(standing::require_key(key, &holds, For::Starting)?)
    }

    /// Refuses a laptop that speaks of another laptop or enrolment than its key's.
    ///
    /// # Errors
    ///
    /// `CONTEXT_DEVICE`, `DEVICE_GENERATION`.
    pub fn require_same_device(
        device: &Device,
        claimed: DeviceId,
        generation: Generation,
    ) -> Result<(), Refusal> {
        if claimed != device.id {
            return Err(Refusal::new(Code::ContextDevice, claimed, device.id));
        }
        if generation != device.generation {
            let found = format!("enrolment {generation}");
            return Err(Refusal::new(
                Code::DeviceGeneration,
                found,
                device.generation,
            ));
        }
        Ok(())
    }

    /// Refuses a laptop that may not be used now; holds are read only where some stand.
    ///
    /// # Errors
    ///
    /// Those of [`standing::require_device`].
    pub async fn require_standing(&self, device: &Device, use_for: For) -> Result<(), Failure> {
        let holds = match (device.holds, device.drains) {
            (0, 0) => Vec::new(),
            _ => {
                self.store
                    .standing_holds(&Target::Laptop { device: device.id })
                    .await?
            }
        };
        Ok(standing::require_device(device, &holds, use_for)?)
    }

    /// The signed no for a laptop: *stop* or *not now* by the code, with the orders that wait. A
    /// refusal that is not on record yet is recorded first; a fault is never signed.
    pub async fn deny(
        &self,
        device: &Device,
        nonce: Nonce,
        failure: Failure,
        doing: &'static str,
        event: &'static str,
    ) -> No {
        let refusal = match failure {
            Failure::Fault(error) => return No::fault(error.as_ref(), doing),
            Failure::Recorded(refusal) => refusal,
            Failure::Refused(refusal) => {
                if let Err(error) = self.record_refusal(device, &refusal, event).await {
                    return No::fault(&error, doing);
                }
                refusal
            }
        };
        count(&refusal, doing);
        match self.denial(device, nonce, &refusal).await {
            Ok(denial) => No::signed(refusal, denial),
            Err(Failure::Fault(error)) => No::fault(error.as_ref(), doing),
            Err(Failure::Refused(refusal) | Failure::Recorded(refusal)) => refusal.into(),
        }
    }

    async fn denial(
        &self,
        device: &Device,
        nonce: Nonce,
        refusal: &Refusal,
    ) -> Result<Jws<Denial>, Failure> {
        let verdict = refusal.code().verdict();
        let orders = match verdict {
            Verdict::Stop => self.orders_for(device.id).await?,
            Verdict::NotNow => Vec::new(),
        };
        let denial = Denial {
            device: device.id,
            nonce,
            verdict,
            refusal: refusal.clone(),
            retry_after: RETRY_AFTER,
            orders,
            server_time: clock::now(),
        };
        Ok(self.signers.answer(&denial)?)
    }

    /// The orders that a laptop has not acknowledged, as they go into an answer.
    ///
    /// # Errors
    ///
    /// Faults only.
    pub async fn orders_for(&self, device: DeviceId) -> Result<Vec<Jws<Order>>, Failure> {
        let most = u32::try_from(limits::ORDERS).unwrap_or(u32::MAX);
        let waiting = self.store.waiting_orders(device, most).await?;
        waiting
            .into_iter()
            .map(|order| {
                self.note_sent(order.device, order.seq);
                Jws::parse(order.body.as_ref().to_owned()).map_err(Failure::fault)
            })
            .collect()
    }

    async fn record_refusal(
        &self,
        device: &Device,
        refusal: &Refusal,
        event: &'static str,
    ) -> Result<(), StoreError> {
        let draft = Draft {
            at: clock::now(),
            site: device.site.clone(),
            event,
            actor: Actor::Laptop(device.id),
            object: Object::Laptop(device.id),
            code: Some(refusal.code()),
            detail: refusal_detail(refusal),
        };
        self.store.write(Lane::Ordinary, Record(draft)).await?;
        Ok(())
    }
}

/// What the record keeps of a refusal.
pub fn refusal_detail(refusal: &Refusal) -> serde_json::Value {
    serde_json::json!({ "found": refusal.found(), "wanted": refusal.wanted() })
}

/// Writes one entry and nothing else.
#[derive(Clone, Debug)]
pub struct Record(pub Draft);

impl Work for Record {
    type Out = ();

    async fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        tx.audit(self.0.clone());
        Ok(())
    }
}
