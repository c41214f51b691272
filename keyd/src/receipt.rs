//! The laptop's signed word that it has acted on an order: the only proof of delivery there is.

use wardkey_edge::problem::No;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::jws::{Jws, Sealed};
use wardkey_schemas::order::OrderReceipt;
use wardkey_schemas::session::Recorded;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};

use crate::app::App;
use crate::clock;
use crate::failure::Failure;
use crate::store::audit::{Actor, Draft, Object};
use crate::store::devices::Device;
use crate::store::{Lane, StoreError, Tx, Work};

impl App {
    /// Writes a receipt. The same receipt twice, or a second one for the same order, changes
    /// nothing and is answered like the first.
    ///
    /// # Errors
    ///
    /// A refusal, signed once the laptop is known.
    pub async fn receive_receipt(
        &self,
        body: Sealed<OrderReceipt>,
    ) -> Result<Sealed<Recorded>, No> {
        let now = clock::now();
        let (device, opened) = self.open_from_device(&body.message).await?;
        let receipt = opened.into_message();
        let nonce = receipt.nonce;
        let doing = "take a receipt";
        match self
            .write_receipt(&device, receipt, body.message, now)
            .await
        {
            Ok(recorded) => Ok(recorded),
            Err(failure) => Err(self
                .deny(&device, nonce, failure, doing, "receipt.refused")
                .await),
        }
    }

    async fn write_receipt(
        &self,
        device: &Device,
        receipt: OrderReceipt,
        envelope: Jws<OrderReceipt>,
        now: Timestamp,
    ) -> Result<Sealed<Recorded>, Failure> {
        Self::require_same_device(device, receipt.device, receipt.generation)?;
        let order = self.store.find_order(device.id, receipt.seq).await?;
        let order = order.ok_or_else(|| {
            let found = format!("order {} to this laptop", receipt.seq);
            Refusal::new(Code::NotFound, found, "an order that was given")
        })?;
        let sha256 = Sha256::of(order.body.as_bytes());
        if order.id != receipt.order || sha256 != receipt.order_sha256 {
            let found = format!("a receipt for {}", receipt.order);
            return Err(Refusal::new(Code::OrderDevice, found, order.id).into());
        }
        let nonce = receipt.nonce;
        if order.receipt.is_none() {
            let work = Write {
                device: device.clone(),
                receipt,
                envelope,
                now,
            };
            self.store.write(Lane::Ordinary, work).await?;
        }
        let recorded = Recorded {
            device: device.id,
            nonce,
            server_time: now,
        };
        Ok(Sealed::new(self.signers.answer(&recorded)?))
    }
}

struct Write {
    device: Device,
    receipt: OrderReceipt,
    envelope: Jws<OrderReceipt>,
    now: Timestamp,
}

impl Work for Write {
    type Out = ();

    async fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        let ago = |millis: u64| {
            let millis = i64::try_from(millis).unwrap_or(i64::MAX);
            Timestamp::from_millis(self.now.millis().saturating_sub(millis).max(0))
                .unwrap_or(self.now)
        };
        let received = ago(self.receipt.received_ago_ms);
        let acted = ago(self.receipt.acted_ago_ms);
        if tx
            .insert_receipt(&self.receipt, &self.envelope, received, acted)
            .await?
        {
            tx.device_seen(self.device.id, self.now).await?;
            tx.audit(Draft {
                at: self.now,
                site: self.device.site.clone(),
                event: "order.acted",
                actor: Actor::Laptop(self.device.id),
                object: Object::Laptop(self.device.id),
                code: None,
                detail: serde_json::json!({
                    "order": self.receipt.order,
                    "seq": self.receipt.seq,
                    "result": self.receipt.result,
                    "received_at": received,
                    "acted_at": acted,
                    "receipt": self.envelope.sha256(),
                }),
            });
        }
        Ok(())
    }
}
