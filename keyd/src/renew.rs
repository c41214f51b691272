//! Renewal (`docs/walkthroughs/renewal.md`): the same bytes get the same answer, anything else must
//! be the next.

use wardkey_edge::problem::No;
use wardkey_schemas::action::Target;
use wardkey_schemas::activation::LeaseAnswer;
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::LeaseId;
use wardkey_schemas::jws::{Jws, Opened};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::lease::Lease;
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::order::AFTER_THIS_CALL_MOST;
use wardkey_schemas::renewal::{RenewalBody, RenewalRequest};
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::appraise::{
    AppraisedQuote, AppraisedRenewal, ClockAnchor, OpenSession, appraise_renewal,
};
use wardkey_verifier::envelope;
use wardkey_verifier::tpm::AkIdentity;

use crate::app::App;
use crate::caller::refusal_detail;
use crate::failure::Failure;
use crate::leasing::{self, Fresh, Visit};
use crate::policy::Policy;
use crate::standing::{self, For};
use crate::store::audit::{Actor, Draft, Object};
use crate::store::devices::TpmTime;
use crate::store::sessions::{GivenLease, RenewedSession, Session};
use crate::store::{Lane, StoreError, Tx, Work};
use crate::{clock, random};

impl App {
    /// Answers a renewal.
    ///
    /// # Errors
    ///
    /// A refusal, signed once the laptop is known: *stop* or *not now*.
    pub async fn renew(&self, body: RenewalBody) -> Result<LeaseAnswer, No> {
        let now = clock::now();
        let doing = "renew a lease";
        let session = match self.store.find_session(body.session).await {
            Ok(Some(session)) => session,
            Ok(None) => return Err(self.unknown_session(&body).await),
            Err(error) => return Err(Failure::from(error).into_answer(doing)),
        };
        let opened = envelope::open(&body.request, &session.device.device_key)
            .map_err(|refusal| Failure::from(refusal).into_answer(doing))?;
        let request = body.request.sha256();
        match self.renew_visit(&session, &opened, request, now).await {
            Ok(lease) => Ok(LeaseAnswer { lease }),
            Err(failure) => {
                let nonce = opened.message().gate_nonce;
                Err(self
                    .deny(&session.device, nonce, failure, doing, "renewal.refused")
                    .await)
            }
        }
    }

    /// A laptop that asks for a session that never was gets its answer signed all the same.
    async fn unknown_session(&self, body: &RenewalBody) -> No {
        match self.open_from_device(&body.request).await {
            Err(no) => no,
            Ok((device, opened)) => {
                let wanted = "a visit on this laptop";
                let refusal = Refusal::new(Code::SessionUnknown, body.session, wanted);
                let nonce = opened.message().gate_nonce;
                self.deny(
                    &device,
                    nonce,
                    refusal.into(),
                    "renew a lease",
                    "renewal.refused",
                )
                .await
            }
        }
    }

    async fn renew_visit(
        &self,
        session: &Session,
        opened: &Opened<RenewalRequest>,
        request: Sha256,
        now: Timestamp,
    ) -> Result<Jws<Lease>, Failure> {
        // A stop comes before everything, also before the answer to a retry.
        self.require_standing(&session.device, For::GoingOn).await?;
        if let Some(key) = session.stopped_key {
            return Err(self
                .why_the_key_is_stopped(&session.site, key)
                .await?
                .into());
        }
        require_running(session, now)?;
        self.require_recovered()?;
        if session.answered_request == Some(request) {
            return Jws::parse(session.lease.clone()).map_err(Failure::fault);
        }
        let policy = self.policy_for(&session.device).await?;
        let judged = judge(session, opened, &policy, now)?;
        let next = Next::of(session, &judged, now);
        let (lease, given) = self.next_lease(session, &judged, &next, &policy, now)?;
        let work = Renew {
            session: session.clone(),
            renewed: RenewedSession {
                id: session.id,
                seq: session.seq,
                lease: given,
                request,
                clock: judged.clock().clock_ms,
                state: judged.state(),
                anchor: next.anchor,
                anchor_at: next.anchor_at,
                hard_end: next.hard_end,
                finish: next.finish,
            },
            quote: judged.quote().cloned(),
            tpm: judged.clock().into(),
            now,
        };
        let (outcome, _) = self.store.write(Lane::Ordinary, work).await?;
        outcome?;
        metrics::counter!("wardkey_renewals_total").increment(1);
        Ok(lease)
    }

    async fn why_the_key_is_stopped(
        &self,
        site: &SiteCode,
        key: Thumbprint,
    ) -> Result<Refusal, Failure> {
        let found = self.store.find_key(site, key).await?;
        let holds = self.store.standing_holds(&Target::Key { key }).await?;
        let refusal = found.map(|key| standing::require_key(&key, &holds, For::GoingOn));
        Ok(match refusal {
            Some(Err(refusal)) => refusal,
            Some(Ok(())) | None => Refusal::new(
                Code::KeySuspended,
                "stopped a moment ago",
                "a key nobody has stopped",
            ),
        })
    }

    fn next_lease(
        &self,
        session: &Session,
        judged: &AppraisedRenewal,
        next: &Next,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<(Jws<Lease>, GivenLease), Failure> {
        let trust = self.trust();
        let device = &session.device;
        let visit = Visit {
            realm: trust.bundle.realm(),
            site: &session.site,
            device: device.id,
            generation: device.generation,
            device_key: device.device_key_thumbprint,
            session: session.id,
            room: session.room,
            moved_from: None,
            staff_key: session.key,
            activation: session.activation,
            reset_count: session.anchor.reset_count,
            hard_end: next.hard_end,
            last_order: device.order_seq,
            quoted_at: next.anchor_at,
            finish: next.finish,
        };
        let fresh = Fresh {
            id: LeaseId::from_random(random::bytes()?),
            gate_nonce: *judged.gate_nonce(),
            renew_nonce: random::nonce()?,
            quoted: judged.quote().is_some(),
        };
        let lease = leasing::lease(&visit, judged.seq(), fresh, policy, now);
        let envelope = self.signers.lease(&lease)?;
        let given = GivenLease {
            text: envelope.as_str().to_owned(),
            renew_nonce: fresh.renew_nonce,
            cannot_run_past: leasing::cannot_run_past(&lease),
        };
        Ok((envelope, given))
    }
}

fn require_running(session: &Session, now: Timestamp) -> Result<(), Refusal> {
    let wanted = "a running visit";
    if let Some(at) = session.ended_at {
        return Err(Refusal::new(
            Code::SessionEnded,
            format!("ended at {at}"),
            wanted,
        ));
    }
    if now >= session.hard_end {
        let found = format!("its hard end was {}", session.hard_end);
        return Err(Refusal::new(Code::SessionHardEnd, found, wanted));
    }
    Ok(())
}

fn judge(
    session: &Session,
    opened: &Opened<RenewalRequest>,
    policy: &Policy,
    now: Timestamp,
) -> Result<AppraisedRenewal, Refusal> {
    // The store keeps the nonce's hash; once that fits, the nonce is the one that was given.
    let given = opened.message().renew_nonce;
    if given.sha256() != session.renew_nonce {
        return Err(Refusal::new(
            Code::RenewalNonce,
            "another nonce",
            "the nonce of the last lease",
        ));
    }
    let device = &session.device;
    let open = OpenSession {
        session: session.id,
        device: device.id,
        generation: session.generation,
        device_key: device.device_key_thumbprint,
        ak: AkIdentity {
            key: device.ak_key,
            qualified_name: device.ak_qualified_name,
        },
        next_seq: session.seq.saturating_add(1),
        renew_nonce: given,
        baseline: &device.baseline,
        anchor: ClockAnchor {
            clock: session.anchor.into(),
            server_time: session.anchor_at,
        },
        quote_due: leasing::quote_due(session.anchor_at, policy),
        last_clock_ms: session.last_clock,
    };
    appraise_renewal(opened, &open, now)
}

/// What a renewal leaves of the visit: its newest quote, and its end.
struct Next {
    anchor: TpmTime,
    anchor_at: Timestamp,
    hard_end: Timestamp,
    finish: Option<Code>,
}

impl Next {
    /// A quote is the new anchor; if it shows that something changed, the visit is to be finished.
    fn of(session: &Session, judged: &AppraisedRenewal, now: Timestamp) -> Self {
        let Some(quote) = judged.quote() else {
            return Self {
                anchor: session.anchor,
                anchor_at: session.anchor_at,
                hard_end: session.hard_end,
                finish: session.finish,
            };
        };
        let (hard_end, finish) = match (session.finish, quote.changed()) {
            (None, Some(changed)) => {
                let end = session.hard_end.min(now.plus(AFTER_THIS_CALL_MOST));
                (end, Some(changed.code()))
            }
            (before, _) => (session.hard_end, before),
        };
        Self {
            anchor: judged.clock().into(),
            anchor_at: now,
            hard_end,
            finish,
        }
    }
}

struct Renew {
    session: Session,
    renewed: RenewedSession,
    quote: Option<AppraisedQuote>,
    tpm: TpmTime,
    now: Timestamp,
}

impl Renew {
    /// Each quote is on record; what it shows to have changed as well.
    fn record_quote(&self, quote: &AppraisedQuote, tx: &mut Tx) {
        let device = &self.session.device;
        let mut detail = serde_json::json!({
            "session": self.session.id,
            "renewal": self.renewed.seq.saturating_add(1),
            "quote": quote.sha256(),
        });
        if let (Some(changed), Some(fields)) = (quote.changed(), detail.as_object_mut()) {
            fields.insert("changed".to_owned(), refusal_detail(changed));
            fields.insert(
                "hard_end".to_owned(),
                serde_json::json!(self.renewed.hard_end),
            );
        }
        tx.audit(Draft {
            at: self.now,
            site: self.session.site.clone(),
            event: "session.quoted",
            actor: Actor::Laptop(device.id),
            object: Object::Laptop(device.id),
            code: quote.changed().map(Refusal::code),
            detail,
        });
    }
}

impl Work for Renew {
    type Out = Result<(), Refusal>;

    async fn run(&mut self, tx: &mut Tx) -> Result<Self::Out, StoreError> {
        tx.require_recovered()?;
        let session = &self.session;
        let device = &session.device;
        let above = tx.take_above(&session.site, session.key).await?;
        if let Err(refusal) = standing::require_above(above, For::GoingOn) {
            return Ok(Err(refusal));
        }
        if !tx
            .claim_device_to_go_on(device.id, session.generation, self.tpm, self.now)
            .await?
        {
            let holds = tx.holds_on(&Target::Laptop { device: device.id }).await?;
            let found = tx.device(device.id).await?;
            let refusal =
                found.map(|device| standing::require_device(&device, &holds, For::GoingOn));
            return Ok(Err(match refusal {
                Some(Err(refusal)) => refusal,
                Some(Ok(())) | None => Refusal::new(
                    Code::DeviceGeneration,
                    "enrolled again meanwhile",
                    device.generation,
                ),
            }));
        }
        if !tx
            .claim_keys_to_go_on(session.id, session.key, self.now)
            .await?
        {
            let wanted = "a key nobody has stopped";
            return Ok(Err(Refusal::new(
                Code::KeySuspended,
                "stopped a moment ago",
                wanted,
            )));
        }
        let renewed = tx.renew_session(&self.renewed).await?;
        if let (true, Some(quote)) = (renewed, &self.quote) {
            self.record_quote(quote, tx);
        }
        // Two different requests at once: the other one was answered, and the next nonce is its.
        let raced = || Refusal::new(Code::RenewalNonce, "renewed meanwhile", "the newest lease");
        Ok(renewed.then_some(()).ok_or_else(raced))
    }
}
