//! The one transaction of an activation.
//!
//! It takes the nonce, then what stands above (nation, site, person), then the laptop's row, then the
//! key's, each as it was judged; then it writes
//! the visit, the lease and the entry. If any of them has moved since, the answer is no, and the
//! record says why.

use std::sync::Arc;

use wardkey_schemas::action::Target;
use wardkey_schemas::evidence::PcrValue;
use wardkey_schemas::ids::{ChallengeId, DeviceId, SessionId};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::order::Command;
use wardkey_schemas::session::EndReason;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};

use crate::act::{give_order, spare};
use crate::app::App;
use crate::caller::refusal_detail;
use crate::standing::{self, For};
use crate::store::audit::{Actor, Draft, Object};
use crate::store::challenges::ActivationContext;
use crate::store::sessions::{EndedSession, NewSession};
use crate::store::{StoreError, Tx, Work};

/// The entry of a refusal.
pub(super) fn refused(context: &ActivationContext, refusal: &Refusal, now: Timestamp) -> Draft {
    Draft {
        at: now,
        site: context.device.site.clone(),
        event: "activation.refused",
        actor: Actor::Key(context.key.key),
        object: Object::Laptop(context.device.id),
        code: Some(refusal.code()),
        detail: refusal_detail(refusal),
    }
}

/// Spends a challenge whose answer was refused, and records the refusal with it.
pub(super) struct Spend {
    pub(super) challenge: ChallengeId,
    pub(super) draft: Draft,
    pub(super) now: Timestamp,
}

impl Work for Spend {
    type Out = ();

    async fn run(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        tx.consume_challenge(self.challenge, self.now).await?;
        tx.audit(self.draft.clone());
        Ok(())
    }
}

/// The running visit that an activation extends.
#[derive(Clone, Copy)]
pub(super) struct Extends {
    /// The renewal after which it was judged.
    pub(super) seq: u32,
    /// The key in control until now.
    pub(super) key: Thumbprint,
}

/// The running visit that ends for this one, elsewhere.
pub(super) struct Moves {
    pub(super) app: Arc<App>,
    pub(super) session: SessionId,
    pub(super) device: DeviceId,
}

/// The visit as it was judged.
pub(super) struct Activate {
    pub(super) context: Arc<ActivationContext>,
    pub(super) session: NewSession,
    /// For an extension: the running visit.
    pub(super) extends: Option<Extends>,
    /// For a visit that moves: where it runs until now.
    pub(super) moves: Option<Moves>,
    /// A log to keep, with its replayed values.
    pub(super) log: Option<(Vec<u8>, Vec<PcrValue>)>,
    pub(super) detail: serde_json::Value,
    pub(super) now: Timestamp,
}

impl Work for Activate {
    type Out = Result<(), Refusal>;

    async fn run(&mut self, tx: &mut Tx) -> Result<Self::Out, StoreError> {
        let outcome = self.decide(tx).await?;
        match &outcome {
            Ok(()) => {
                let session = &self.session;
                if self.context.key.spare {
                    spare::tell(tx, &session.site, session.key, self.event(), self.now).await?;
                }
                tx.audit(Draft {
                    at: self.now,
                    site: session.site.clone(),
                    event: self.event(),
                    actor: Actor::Key(session.key),
                    object: Object::Laptop(session.device),
                    code: None,
                    detail: self.detail.clone(),
                });
            }
            Err(refusal) => tx.audit(refused(&self.context, refusal, self.now)),
        }
        Ok(outcome)
    }
}

impl Activate {
    /// A colleague's key gives more time as any does, and is in control from then on.
    fn event(&self) -> &'static str {
        match self.extends {
            None => "session.started",
            Some(running) if running.key == self.session.key => "session.extended",
            Some(_) => "session.taken-over",
        }
    }

    async fn decide(&self, tx: &mut Tx) -> Result<Result<(), Refusal>, StoreError> {
        tx.require_recovered()?;
        let context = Arc::clone(&self.context);
        let (device, key) = (&context.device, &context.key);
        if !tx.consume_challenge(context.challenge.id, self.now).await? {
            return Ok(Err(Refusal::new(
                Code::NonceUsed,
                "spent a moment ago",
                "a fresh challenge",
            )));
        }
        // Whatever stands above, before the rows below it: the order of all locks.
        let above = tx.take_above(&self.session.site, key.key).await?;
        if let Err(refusal) = standing::require_above(above, For::Starting) {
            return Ok(Err(refusal));
        }
        if let Some(moves) = &self.moves {
            tx.lock_devices([moves.device, device.id]).await?;
        }
        // More time for a running visit is claimed as a new one is: the gate gives it none while
        // anything stands, and a stop that waits for the end of the call must not move that end.
        let tpm = self.session.tpm;
        if !tx
            .claim_device_to_start(device.id, device.version, tpm, self.now)
            .await?
        {
            return self.device_moved(tx).await.map(Err);
        }
        if !tx
            .claim_key_to_start(key.key, key.version, self.now)
            .await?
        {
            return self.key_moved(tx).await.map(Err);
        }
        // Whatever may still say no comes before what is changed for the visit.
        let session = &self.session;
        if tx
            .key_runs_elsewhere(session.key, session.device, session.moved_from, self.now)
            .await?
        {
            let wanted = "a security key without a running visit";
            return Ok(Err(Refusal::new(
                Code::KeyInUseElsewhere,
                "a visit on another laptop",
                wanted,
            )));
        }
        if self.extends.is_none()
            && !context.challenge.room_is_new
            && !tx.room_is_open(session.room, &session.site).await?
        {
            let wanted = "an open room of this site";
            return Ok(Err(Refusal::new(
                Code::RoomClosed,
                "closed meanwhile",
                wanted,
            )));
        }
        if let Some(moves) = &self.moves
            && !self.leave_the_other_laptop(moves, tx).await?
        {
            let wanted = "a running visit";
            return Ok(Err(Refusal::new(
                Code::SessionEnded,
                "ended meanwhile",
                wanted,
            )));
        }
        if let Some((bytes, values)) = &self.log {
            tx.insert_event_log(bytes, values, self.now).await?;
        }
        match self.extends {
            None => self.begin(tx).await,
            Some(running) => {
                let lapsed = tx.end_lapsed_sessions_with(session.key, self.now).await?;
                self.record_lapsed(tx, &lapsed);
                let extended = tx
                    .extend_session(&self.session, running.seq, self.now)
                    .await?;
                let refusal = || {
                    Refusal::new(
                        Code::SessionEnded,
                        "ended or renewed meanwhile",
                        "a running visit",
                    )
                };
                Ok(extended.then_some(()).ok_or_else(refusal))
            }
        }
    }

    /// Ends the visit where it runs until now, and keeps its room; `false` if it has ended. A laptop
    /// that is alive is told; one that is dead does not hold anybody up.
    async fn leave_the_other_laptop(&self, moves: &Moves, tx: &mut Tx) -> Result<bool, StoreError> {
        if !tx
            .end_session(moves.session, EndReason::Moved, self.now)
            .await?
        {
            return Ok(false);
        }
        let order = match tx.device(moves.device).await? {
            Some(device) if device.id != self.session.device => {
                let end = Command::EndSession {
                    session: moves.session,
                };
                let sent = give_order(tx, &moves.app.signers, &device, end, self.now).await?;
                Some(sent.seq)
            }
            _ => None,
        };
        tx.audit(Draft {
            at: self.now,
            site: self.session.site.clone(),
            event: "session.moved",
            actor: Actor::Key(self.session.key),
            object: Object::Laptop(moves.device),
            code: None,
            detail: serde_json::json!({
                "session": moves.session,
                "to": self.session.id,
                "laptop": self.session.device,
                "order": order,
            }),
        });
        Ok(true)
    }

    async fn begin(&self, tx: &mut Tx) -> Result<Result<(), Refusal>, StoreError> {
        let session = &self.session;
        let lapsed = tx
            .end_lapsed_sessions(session.device, session.key, self.now)
            .await?;
        self.record_lapsed(tx, &lapsed);
        if self.context.challenge.room_is_new {
            tx.insert_room(session.room, &session.site, self.now)
                .await?;
        }
        let begun = tx.insert_session(session, self.now).await?;
        let refusal = || {
            let wanted = "a security key without a running visit";
            Refusal::new(Code::KeyInUseElsewhere, "a visit on another laptop", wanted)
        };
        Ok(begun.then_some(()).ok_or_else(refusal))
    }

    fn record_lapsed(&self, tx: &mut Tx, lapsed: &[EndedSession]) {
        for ended in lapsed {
            tx.audit(Draft {
                at: self.now,
                site: self.session.site.clone(),
                event: "session.ended",
                actor: Actor::Service,
                object: Object::Laptop(ended.device),
                code: None,
                detail: serde_json::json!({ "session": ended.id, "reason": "lapsed" }),
            });
        }
    }

    /// Why the laptop's row was not there as it was judged.
    async fn device_moved(&self, tx: &mut Tx) -> Result<Refusal, StoreError> {
        let id = self.context.device.id;
        let Some(device) = tx.device(id).await? else {
            return Ok(Refusal::new(Code::DeviceUnknown, id, "an enrolled laptop"));
        };
        let holds = tx.holds_on(&Target::Laptop { device: id }).await?;
        Ok(
            match standing::require_device(&device, &holds, For::Starting) {
                Err(refusal) => refusal,
                Ok(()) => moved(),
            },
        )
    }

    /// Why the key's row was not there as it was judged.
    async fn key_moved(&self, tx: &mut Tx) -> Result<Refusal, StoreError> {
        let key = self.context.key.key;
        let Some(found) = tx.key(&self.context.key.site, key).await? else {
            return Ok(Refusal::new(
                Code::KeyNotRecognised,
                key,
                "a registered security key",
            ));
        };
        let holds = tx.holds_on(&Target::Key { key }).await?;
        Ok(match standing::require_key(&found, &holds, For::Starting) {
            Err(refusal) => refusal,
            Ok(()) => moved(),
        })
    }
}

/// Something changed between judging and writing, and nothing stands in the way now: another
/// challenge will do.
fn moved() -> Refusal {
    Refusal::new(
        Code::Busy,
        "a row that changed meanwhile",
        "the row as it was judged",
    )
}
