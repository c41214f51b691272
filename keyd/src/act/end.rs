//! Ending one visit from a distance.

use std::sync::Arc;

use wardkey_schemas::action::Outcome;
use wardkey_schemas::ids::SessionId;
use wardkey_schemas::{Code, Refusal};

use super::{Permitted, end_by_order, refuse};
use crate::app::App;
use crate::authority;
use crate::failure::Failure;
use crate::store::audit::{Draft, Object};
use crate::store::sessions::Session;
use crate::store::{Committed, Lane, StoreError, Tx, Work};

impl App {
    pub(super) async fn end_by_person(
        self: &Arc<Self>,
        permitted: &Permitted,
        id: SessionId,
        own_only: bool,
    ) -> Result<(Outcome, Committed), Failure> {
        let found = self.store.find_session(id).await?;
        let session = found
            .filter(|session| permitted.reaches(&session.site))
            .ok_or_else(|| Refusal::new(Code::NotFound, id, "a visit of your site"))?;
        if own_only && session.key != permitted.by.key {
            return Err(authority::not_permitted(permitted.by.role, "end another's visit").into());
        }
        let work = End {
            app: Arc::clone(self),
            permitted: permitted.clone(),
            session,
        };
        Ok(self.store.write(Lane::Kill, work).await?)
    }
}

struct End {
    app: Arc<App>,
    permitted: Permitted,
    session: Session,
}

impl Work for End {
    type Out = Outcome;

    async fn run(&mut self, tx: &mut Tx) -> Result<Outcome, StoreError> {
        self.permitted.take_nonce(tx).await?;
        let id = self.session.id;
        let Some(device) = tx.device(self.session.device.id).await? else {
            return refuse(Refusal::new(Code::NotFound, id, "a visit on a laptop"));
        };
        if tx.open_session_on(device.id).await? != Some(id) {
            let wanted = "a running visit";
            return refuse(Refusal::new(Code::SessionEnded, "ended before", wanted));
        }
        let order = end_by_order(tx, &self.app.signers, &device, id, self.permitted.now).await?;
        let detail = serde_json::json!({ "session": id, "order": order.seq });
        tx.audit(Draft {
            site: self.session.site.clone(),
            ..self
                .permitted
                .draft("session.stopped", Object::Laptop(device.id), detail)
        });
        Ok(Outcome::SessionEnded {
            orders: vec![order],
        })
    }
}
