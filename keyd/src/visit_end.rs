//! The end of a visit, as the laptop tells it; and the poll of a laptop without a link.

use wardkey_edge::problem::No;
use wardkey_schemas::action::Target;
use wardkey_schemas::alert::AlertKind;
use wardkey_schemas::ids::{AlertId, DeviceId};
use wardkey_schemas::jws::Sealed;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::order::{Hold, HoldClass};
use wardkey_schemas::session::{EndReason, Recorded, SessionEnd};
use wardkey_schemas::status::{Status, StatusRequest};
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal, limits};

use crate::app::App;
use crate::failure::Failure;
use crate::store::alerts::NewAlert;
use crate::store::audit::{Actor, Draft, Object};
use crate::store::devices::Device;
use crate::store::{Lane, StoreError, Tx, Work};
use crate::{clock, random};

impl App {
    /// Writes that a visit has ended. Saying it twice is no mistake.
    ///
    /// # Errors
    ///
    /// A refusal, signed once the laptop is known.
    pub async fn end_visit(&self, body: Sealed<SessionEnd>) -> Result<Sealed<Recorded>, No> {
        let now = clock::now();
        let (device, opened) = self.open_from_device(&body.message).await?;
        let end = opened.into_message();
        let nonce = end.nonce;
        match self.write_end(&device, end, now).await {
            Ok(recorded) => Ok(recorded),
            Err(failure) => Err(self
                .deny(
                    &device,
                    nonce,
                    failure,
                    "end a visit",
                    "session.end-refused",
                )
                .await),
        }
    }

    async fn write_end(
        &self,
        device: &Device,
        end: SessionEnd,
        now: Timestamp,
    ) -> Result<Sealed<Recorded>, Failure> {
        Self::require_same_device(device, end.device, end.generation)?;
        let session = self.store.find_session(end.session).await?;
        let session = session.filter(|session| session.device.id == device.id);
        if session.is_none() {
            let wanted = "a visit on this laptop";
            return Err(Refusal::new(Code::SessionUnknown, end.session, wanted).into());
        }
        let at = now.minus(end.ended_ago);
        let work = End {
            device: device.clone(),
            said: end.clone(),
            at,
            now,
        };
        self.store.write(Lane::Ordinary, work).await?;
        let recorded = Recorded {
            device: device.id,
            nonce: end.nonce,
            server_time: now,
        };
        Ok(Sealed::new(self.signers.answer(&recorded)?))
    }

    /// Tells a laptop how it stands, with the orders that wait.
    ///
    /// # Errors
    ///
    /// A refusal, signed once the laptop is known.
    pub async fn poll(&self, body: Sealed<StatusRequest>) -> Result<Sealed<Status>, No> {
        let now = clock::now();
        let (device, opened) = self.open_from_device(&body.message).await?;
        let request = opened.into_message();
        let nonce = request.nonce;
        match self.tell_status(&device, &request, now).await {
            Ok(status) => Ok(status),
            Err(failure) => Err(self
                .deny(&device, nonce, failure, "answer a poll", "poll.refused")
                .await),
        }
    }

    async fn tell_status(
        &self,
        device: &Device,
        request: &StatusRequest,
        now: Timestamp,
    ) -> Result<Sealed<Status>, Failure> {
        Self::require_same_device(device, request.device, request.generation)?;
        let holds = self.holds_over(device).await?;
        let alert = LostAndSeen::of(device, &holds, now)?;
        let status = Status {
            device: device.id,
            nonce: request.nonce,
            state: device.state,
            holds,
            orders: self.orders_for(device.id).await?,
            bundle: self.trust().bundle.version(),
            poll_every: self.policy_for(device).await?.poll_every,
            server_time: now,
        };
        let answer = self.signers.answer(&status)?;
        let seen = Seen {
            id: device.id,
            at: now,
            alert,
        };
        self.store.write(Lane::Ordinary, seen).await?;
        Ok(Sealed::new(answer))
    }

    /// The holds on a laptop, and those on its site and the nation; read only where some stand.
    async fn holds_over(&self, device: &Device) -> Result<Vec<Hold>, Failure> {
        let mut holds = Vec::new();
        let own = Target::Laptop { device: device.id };
        if (device.holds, device.drains) != (0, 0) {
            holds.extend(self.store.standing_holds(&own).await?);
        }
        if !device.site_held.is_free() {
            let site = device.site.clone();
            holds.extend(self.store.standing_holds(&Target::Site { site }).await?);
        }
        if !device.nation_held.is_free() {
            holds.extend(self.store.standing_holds(&Target::Nation).await?);
        }
        holds.truncate(limits::HOLDS);
        Ok(holds)
    }
}

struct LostAndSeen {
    id: AlertId,
    at: Timestamp,
    device: DeviceId,
    site: SiteCode,
    hold: Hold,
}

impl LostAndSeen {
    /// A laptop that was lost or stolen speaks: people are told, once for each loss.
    fn of(device: &Device, holds: &[Hold], now: Timestamp) -> Result<Option<Self>, Failure> {
        let lost = holds
            .iter()
            .find(|hold| matches!(hold.class, HoldClass::Lost | HoldClass::Stolen));
        lost.map(|hold| {
            Ok(Self {
                id: AlertId::from_random(random::bytes()?),
                at: now,
                device: device.id,
                site: device.site.clone(),
                hold: *hold,
            })
        })
        .transpose()
    }

    async fn tell(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let alert = NewAlert {
            id: self.id,
            at: self.at,
            site: &self.site,
            kind: AlertKind::LostLaptopSeen,
            object: Object::Laptop(self.device),
            detail: self.hold.class.as_str(),
            once: &self.hold.id.to_string(),
        };
        tx.alert(&alert).await.map(|_| ())
    }
}

struct End {
    device: Device,
    said: SessionEnd,
    at: Timestamp,
    now: Timestamp,
}

impl Work for End {
    type Out = ();

    async fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        let (session, reason): (_, EndReason) = (self.said.session, self.said.reason);
        if tx.end_session(session, reason, self.at).await? {
            tx.audit(Draft {
                at: self.now,
                site: self.device.site.clone(),
                event: "session.ended",
                actor: Actor::Laptop(self.device.id),
                object: Object::Laptop(self.device.id),
                code: None,
                detail: serde_json::json!({ "session": session, "reason": reason, "at": self.at }),
            });
        }
        Ok(())
    }
}

struct Seen {
    id: DeviceId,
    at: Timestamp,
    alert: Option<LostAndSeen>,
}

impl Work for Seen {
    type Out = ();

    async fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        if let Some(alert) = &self.alert {
            alert.tell(tx).await?;
        }
        tx.device_seen(self.id, self.at).await
    }
}
