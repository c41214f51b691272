//! The end of a visit, as the laptop tells it; and the poll of a laptop without a link.

use wardkey_edge::problem::No;
use wardkey_schemas::action::Target;
use wardkey_schemas::jws::Sealed;
use wardkey_schemas::session::{EndReason, Recorded, SessionEnd};
use wardkey_schemas::status::{Status, StatusRequest};
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};

use crate::app::App;
use crate::clock;
use crate::failure::Failure;
use crate::store::audit::{Actor, Draft, Object};
use crate::store::devices::Device;
use crate::store::{Lane, StoreError, Tx, Work};

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
        let target = Target::Laptop { device: device.id };
        let holds = match (device.holds, device.drains) {
            (0, 0) => Vec::new(),
            _ => self.store.standing_holds(&target).await?,
        };
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
        let (id, at) = (device.id, now);
        self.store.write(Lane::Ordinary, Seen { id, at }).await?;
        Ok(Sealed::new(answer))
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
    id: wardkey_schemas::ids::DeviceId,
    at: Timestamp,
}

impl Work for Seen {
    type Out = ();

    async fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        tx.device_seen(self.id, self.at).await
    }
}
