//! A line for the people in front of a laptop.

use std::sync::Arc;

use wardkey_schemas::action::{Outcome, Target};
use wardkey_schemas::ids::DeviceId;
use wardkey_schemas::names::Note;
use wardkey_schemas::order::Command;
use wardkey_schemas::{Code, Refusal};

use super::{Permitted, give_order, refuse};
use crate::app::App;
use crate::failure::Failure;
use crate::store::audit::{Draft, Object};
use crate::store::{Committed, Lane, StoreError, Tx, Work};

impl App {
    pub(super) async fn message(
        self: &Arc<Self>,
        permitted: &Permitted,
        device: DeviceId,
        text: Note,
    ) -> Result<(Outcome, Committed), Failure> {
        if text.as_str().trim().is_empty() {
            let wanted = "a line to read";
            return Err(Refusal::new(Code::MessageMalformed, "an empty line", wanted).into());
        }
        let work = Tell {
            app: Arc::clone(self),
            permitted: permitted.clone(),
            device,
            text,
        };
        Ok(self.store.write(Lane::Ordinary, work).await?)
    }
}

struct Tell {
    app: Arc<App>,
    permitted: Permitted,
    device: DeviceId,
    text: Note,
}

impl Work for Tell {
    type Out = Outcome;

    async fn run(&mut self, tx: &mut Tx) -> Result<Outcome, StoreError> {
        self.permitted.take_nonce(tx).await?;
        let target = Target::Laptop {
            device: self.device,
        };
        let site = self.permitted.require_reach(tx, &target).await?;
        let Some(device) = tx.device(self.device).await? else {
            return refuse(Refusal::new(Code::NotFound, self.device, "a laptop"));
        };
        let command = Command::Message {
            text: self.text.clone(),
        };
        let order = give_order(tx, &self.app.signers, &device, command, self.permitted.now).await?;
        // The record names the order, whose text is kept with it, and not the words.
        let detail = serde_json::json!({ "order": order.seq });
        tx.audit(Draft {
            site,
            ..self
                .permitted
                .draft("laptop.told", Object::Laptop(self.device), detail)
        });
        Ok(Outcome::MessageSent {
            orders: vec![order],
        })
    }
}
