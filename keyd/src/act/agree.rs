//! What takes two people: the first signs the act, which then waits; the second signs the hash of
//! exactly that act, and it is done (`docs/decisions/0012-reach.md`).
//!
//! # Invariants
//!
//! - What is done is read from what the first person signed, verified anew when the second agrees.
//! - A request is agreed to once, in time, by another person with another key; the database refuses
//!   anything else as well.
//! - The first person must still be somebody who may act.

use std::sync::Arc;

use wardkey_schemas::action::{Act, Outcome};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::ApprovalId;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::act::VerifiedAct;

use super::resume::Lifting;
use super::stop::Stopping;
use super::{Permitted, lets_in, object_of, refuse};
use crate::app::App;
use crate::authority::{self, Deed};
use crate::failure::Failure;
use crate::random;
use crate::store::approvals::Request;
use crate::store::audit::Draft;
use crate::store::{Committed, Lane, StoreError, Tx, Work};

impl App {
    /// Puts an act on the list of those that wait.
    pub(super) async fn request(
        self: &Arc<Self>,
        permitted: &Permitted,
        act: &Act,
    ) -> Result<(Outcome, Committed), Failure> {
        let work = Ask {
            app: Arc::clone(self),
            permitted: permitted.clone(),
            act: act.clone(),
            id: ApprovalId::from_random(random::bytes()?),
        };
        Ok(self.store.write(Lane::Ordinary, work).await?)
    }

    /// Does what waits, now that a second person has agreed.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "whatever takes two people is named; nothing else is asked for"
    )]
    pub(super) async fn agree(
        self: &Arc<Self>,
        second: &Permitted,
        id: ApprovalId,
        agreed: Sha256,
    ) -> Result<(Outcome, Committed), Failure> {
        // A site's people see their own requests and those of the nation.
        let found = self
            .store
            .find_request(id)
            .await?
            .filter(|request| second.reaches(&request.site) || request.site.is_national());
        let request =
            found.ok_or_else(|| Refusal::new(Code::NotFound, id, "a request that waits"))?;
        let act = self.judge_consent(second, &request, agreed)?;
        if lets_in(&act) {
            self.require_recovered()?;
        }
        let first = Permitted {
            by: request.requester.clone(),
            site: request.site.clone(),
            nonce: second.nonce,
            now: second.now,
            second: Some(second.by.clone()),
            // Told when they asked, and kept with the request.
            spare: false,
            note: None,
        };
        let consent = Consent {
            second: second.clone(),
            request,
            first: first.clone(),
        };
        match act {
            Act::Stop {
                target,
                class,
                mode,
                note,
            } => {
                let stopping = Stopping::new(self, first, target, class, mode, note)?;
                let work = AgreeTo {
                    consent,
                    deed: stopping,
                };
                Ok(self.store.write(Lane::Kill, work).await?)
            }
            Act::Resume { target, holds, .. } => {
                let lifting = Lifting::new(self, first, target, holds);
                let work = AgreeTo {
                    consent,
                    deed: lifting,
                };
                Ok(self.store.write(Lane::Ordinary, work).await?)
            }
            other => {
                let wanted = "an act that takes two people";
                Err(Refusal::new(Code::ApprovalMismatch, other.as_str(), wanted).into())
            }
        }
    }

    /// What the first person signed, if the second may agree to it.
    fn judge_consent(
        &self,
        second: &Permitted,
        request: &Request,
        agreed: Sha256,
    ) -> Result<Act, Refusal> {
        if request.act_sha256() != agreed {
            let wanted = format!("{}, the act that waits", request.act_sha256());
            return Err(Refusal::new(Code::ApprovalMismatch, agreed, wanted));
        }
        if request.approved || second.now >= request.expires_at {
            let found = if request.approved {
                "agreed to before"
            } else {
                "waited too long"
            };
            return Err(Refusal::new(
                Code::ApprovalExpired,
                found,
                "a request that waits",
            ));
        }
        let (asker, approver) = (&request.requester, &second.by);
        if asker.person == approver.person || asker.key == approver.key {
            let found = "the person who asked";
            return Err(Refusal::new(Code::ApprovalSelf, found, "another person"));
        }
        let trust = self.trust();
        let first = VerifiedAct::verify(&asker.act, &trust.bundle, second.now)?;
        let act = first.action().act.clone();
        if !Deed::of(&act).may_agree(asker.role, approver.role) {
            let wanted = format!("another role than {} that may agree to this", asker.role);
            return Err(Refusal::new(Code::ApprovalRole, approver.role, wanted));
        }
        Ok(act)
    }
}

/// An act that waits from now on.
struct Ask {
    app: Arc<App>,
    permitted: Permitted,
    act: Act,
    id: ApprovalId,
}

impl Work for Ask {
    type Out = Outcome;

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "whatever takes two people is named; nothing else is asked for"
    )]
    async fn run(&mut self, tx: &mut Tx) -> Result<Outcome, StoreError> {
        self.permitted.take_nonce(tx).await?;
        // Whoever could not do it with a second person is told so now.
        let site = match &self.act {
            Act::Stop { target, .. } => self.permitted.require_reach(tx, target).await?,
            other => {
                let refusal = authority::not_permitted(self.permitted.by.role, other.as_str());
                return refuse(refusal);
            }
        };
        ask(tx, &self.app, &self.permitted, self.id, &self.act, site).await
    }
}

/// Writes a request, inside the work that found that a second person is wanted.
pub(super) async fn ask(
    tx: &mut Tx,
    app: &App,
    permitted: &Permitted,
    id: ApprovalId,
    act: &Act,
    site: SiteCode,
) -> Result<Outcome, StoreError> {
    let waits = app.policy.approval_waits;
    let request = Request {
        id,
        site: permitted.site.clone(),
        requester: permitted.by.clone(),
        expires_at: permitted.now.plus(waits),
        approved: false,
    };
    tx.insert_request(&request, permitted.now).await?;
    let detail = serde_json::json!({ "request": id, "what": act.as_str() });
    tx.audit(Draft {
        site,
        ..permitted.draft("second.wanted", object_of(act), detail)
    });
    Ok(Outcome::WaitsForSecondPerson {
        request: id,
        act: request.act_sha256(),
        expires_in: waits,
    })
}

/// Both people of one act.
struct Consent {
    second: Permitted,
    request: Request,
    first: Permitted,
}

impl Consent {
    /// Takes the second person's nonce and writes down that they agreed.
    async fn take(&self, tx: &mut Tx) -> Result<(), StoreError> {
        self.second.take_nonce(tx).await?;
        let asker = &self.request.requester;
        let still = tx.key(&self.first.site, asker.key).await?;
        let usable = still.is_some_and(|key| {
            key.state == ObjectState::Active
                && !key.revoked
                && key.holds == 0
                && key.drains == 0
                && key.person_held.is_free()
        });
        if !usable {
            let found = "a requester whose key was stopped since";
            return refuse(Refusal::new(Code::ApprovalRequired, found, "a new request"));
        }
        if tx
            .agree(self.request.id, &self.second.by, self.second.now)
            .await?
        {
            return Ok(());
        }
        let wanted = "a request that waits";
        refuse(Refusal::new(Code::ApprovalExpired, "too late", wanted))
    }
}

/// What two people do.
pub(super) trait Deeds: Send + 'static {
    /// Does it; the nonces are taken.
    fn carry_out(&self, tx: &mut Tx) -> impl Future<Output = Result<Outcome, StoreError>> + Send;

    /// Whether the second person reaches what it is about as well.
    fn target(&self) -> &wardkey_schemas::action::Target;
}

struct AgreeTo<D> {
    consent: Consent,
    deed: D,
}

impl<D: Deeds + Sync> Work for AgreeTo<D> {
    type Out = Outcome;

    async fn run(&mut self, tx: &mut Tx) -> Result<Outcome, StoreError> {
        self.consent
            .second
            .require_reach(tx, self.deed.target())
            .await?;
        self.consent.take(tx).await?;
        self.deed.carry_out(tx).await
    }
}
