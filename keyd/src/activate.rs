//! Activation (`docs/walkthroughs/activation.md`): judged on one reading of the rows, decided in
//! one transaction.
//!
//! Here is what is judged and planned; what is written stands in `transaction.rs` beside it.

mod transaction;

use std::sync::Arc;

use wardkey_edge::problem::No;
use wardkey_schemas::activation::{ActivationBody, ActivationRequest, LeaseAnswer};
use wardkey_schemas::challenge::Purpose;
use wardkey_schemas::ids::{LeaseId, SessionId};
use wardkey_schemas::jws::{Jws, Opened};
use wardkey_schemas::lease::Lease;
use wardkey_schemas::time::Timestamp;
use wardkey_schemas::{Code, Refusal};
use wardkey_verifier::appraise::{
    AppraisedActivation, EnrolledDevice, IssuedChallenge, LogEvidence, appraise_activation,
};
use wardkey_verifier::envelope;
use wardkey_verifier::event_log::KnownLog;
use wardkey_verifier::tpm::{AkIdentity, PcrSet};

use self::transaction::{Activate, Extends, Moves, Spend, refused};
use crate::app::App;
use crate::failure::Failure;
use crate::leasing::{self, Fresh, Visit};
use crate::standing::{self, For};
use crate::store::Lane;
use crate::store::challenges::{ActivationContext, StoredChallenge};
use crate::store::sessions::{GivenLease, NewSession, Session};
use crate::{clock, random};

impl App {
    /// Answers an activation.
    ///
    /// # Errors
    ///
    /// A refusal, signed once the laptop is known.
    pub async fn activate(self: &Arc<Self>, body: ActivationBody) -> Result<LeaseAnswer, No> {
        let now = clock::now();
        let doing = "activate a visit";
        let context = match self.store.activation_context(body.challenge).await {
            Ok(Some(context)) => context,
            Ok(None) => {
                let wanted = "a challenge that this service gave out";
                let refusal = Refusal::new(Code::NonceUnknown, body.challenge, wanted);
                return Err(Failure::from(refusal).into_answer(doing));
            }
            Err(error) => return Err(Failure::from(error).into_answer(doing)),
        };
        let opened = envelope::open(&body.request, &context.device.device_key)
            .map_err(|refusal| Failure::from(refusal).into_answer(doing))?;
        let nonce = opened.message().nonce;
        let device = context.device.clone();
        match self
            .open_visit(context, &opened, body.event_log.as_ref(), now)
            .await
        {
            Ok(lease) => {
                metrics::counter!("wardkey_activations_total").increment(1);
                Ok(LeaseAnswer { lease })
            }
            Err(failure) => Err(self
                .deny(&device, nonce, failure, doing, "activation.refused")
                .await),
        }
    }

    async fn open_visit(
        self: &Arc<Self>,
        context: ActivationContext,
        opened: &Opened<ActivationRequest>,
        sent_log: Option<&wardkey_schemas::bytes::Bytes>,
        now: Timestamp,
    ) -> Result<Jws<Lease>, Failure> {
        if let Some(lease) = self.given_before(&context, opened, now).await? {
            return Ok(lease);
        }
        let challenge = &context.challenge;
        let judged = self.judge(&context, opened, sent_log.map(AsRef::as_ref), now);
        let (judged, certified) = match judged {
            Ok(both) => both,
            // One try for each challenge: a second one would be a chance to guess.
            Err(refusal) => return Err(self.spend(&context, refusal, now).await?),
        };
        self.require_standing(&context.device, For::Starting)
            .await?;
        self.require_recovered()?;
        self.require_key_standing(&context.key).await?;
        let running = match challenge.purpose {
            Purpose::Activate | Purpose::Move => None,
            Purpose::Extend { session } => Some(self.running(session, &context).await?),
        };
        let moves = match challenge.moves {
            None => None,
            Some(session) => Some(self.moving(session).await?),
        };
        let (session, lease) = self
            .plan(&context, &judged, running.as_ref(), certified, now)
            .await?;
        let envelope = session.lease.text.clone();
        let log = match (judged.replayed(), sent_log) {
            (Some(replayed), Some(bytes)) => Some((bytes.as_slice().to_vec(), replayed.values())),
            _ => None,
        };
        let detail = serde_json::json!({
            "session": session.id,
            "room": session.room,
            "staff_key": session.key,
            "certificate": session.certificate,
            "activation": session.activation,
            "quote": judged.quote(),
            "event_log": challenge.event_log,
            "lease": lease.jti,
            "hard_end": session.hard_end,
            "moved_from": session.moved_from,
        });
        let work = Activate {
            context: Arc::new(context),
            session,
            extends: running.map(|running| Extends {
                seq: running.seq,
                key: running.key,
            }),
            moves: moves.map(|visit| Moves {
                app: Arc::clone(self),
                session: visit.id,
                device: visit.device.id,
            }),
            log,
            detail,
            now,
        };
        let (outcome, _) = self.store.write(Lane::Ordinary, work).await?;
        outcome.map_err(Failure::Recorded)?;
        Jws::parse(envelope).map_err(Failure::fault)
    }

    /// The lease of an extension that was given already. Its answer may be lost, and without it the
    /// laptop could not go on renewing: the visit would end for a hiccup. So the same signature is
    /// given the same lease, until a renewal shows that it came.
    async fn given_before(
        &self,
        context: &ActivationContext,
        opened: &Opened<ActivationRequest>,
        now: Timestamp,
    ) -> Result<Option<Jws<Lease>>, Failure> {
        let (challenge, device) = (&context.challenge, &context.device);
        let Purpose::Extend { session } = challenge.purpose else {
            return Ok(None);
        };
        if challenge.consumed_at.is_none() {
            return Ok(None);
        }
        let visit = self.store.find_session(session).await?.filter(|visit| {
            visit.device.id == device.id
                && visit.generation == device.generation
                && visit.activation == opened.message().activation.sha256()
                && visit.answered_request.is_none()
                && visit.ended_at.is_none()
                && now < visit.hard_end
                && visit.stopped_key.is_none()
        });
        let Some(visit) = visit else {
            return Ok(None);
        };
        self.require_standing(&visit.device, For::GoingOn).await?;
        Ok(Some(Jws::parse(visit.lease).map_err(Failure::fault)?))
    }

    /// Everything that can be judged without writing; and until when all certificates are good that
    /// the visit rests on.
    fn judge(
        &self,
        context: &ActivationContext,
        opened: &Opened<ActivationRequest>,
        sent_log: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<(AppraisedActivation, Timestamp), Refusal> {
        let (challenge, device) = (&context.challenge, &context.device);
        require_fresh(challenge, opened, now)?;
        Self::require_same_device(device, challenge.device, challenge.generation)?;
        let trust = self.trust();
        let person = trust.verify_person(&context.certificate, now)?;
        let certified = standing::require_certified(device, now)?.min(person.valid_until());
        let pcrs = PcrSet::new(&challenge.pcrs).ok_or_else(|| {
            Refusal::new(
                Code::QuotePcrs,
                "no registers",
                "the registers of the policy",
            )
        })?;
        let known = context.replayed.as_ref().map(|values| KnownLog {
            sha256: challenge.event_log,
            values: values.clone(),
        });
        let issued = IssuedChallenge {
            challenge: challenge.id,
            nonce: opened.message().nonce,
            gate_nonce: challenge.gate_nonce,
            purpose: challenge.purpose,
            room: challenge.room,
            staff_certificate: challenge.certificate,
            event_log: challenge.event_log,
            pcrs,
        };
        let enrolled = EnrolledDevice {
            device: device.id,
            generation: device.generation,
            site: &device.site,
            device_key: device.device_key_thumbprint,
            ak: AkIdentity {
                key: device.ak_key,
                qualified_name: device.ak_qualified_name,
            },
            baseline: &device.baseline,
            last_clock: device.tpm.into(),
        };
        let log = LogEvidence::new(sent_log, known.as_ref())?;
        let judged = appraise_activation(opened, &issued, &enrolled, &person, log)?;
        Ok((judged, certified))
    }

    /// Spends a challenge whose answer was refused, and records the refusal with it.
    async fn spend(
        &self,
        context: &ActivationContext,
        refusal: Refusal,
        now: Timestamp,
    ) -> Result<Failure, Failure> {
        let draft = refused(context, &refusal, now);
        let work = Spend {
            challenge: context.challenge.id,
            draft,
            now,
        };
        self.store.write(Lane::Ordinary, work).await?;
        Ok(Failure::Recorded(refusal))
    }

    /// The visit that a challenge to move was given for. Whose it is was judged then; that it still
    /// runs, the transaction judges again.
    async fn moving(&self, id: SessionId) -> Result<Session, Failure> {
        let found = self.store.find_session(id).await?;
        let session =
            found.ok_or_else(|| Refusal::new(Code::SessionUnknown, id, "the visit to move"))?;
        match session.ended_at {
            None => Ok(session),
            Some(at) => {
                let found = format!("ended at {at}");
                Err(Refusal::new(Code::SessionEnded, found, "a running visit").into())
            }
        }
    }

    async fn running(
        &self,
        id: SessionId,
        context: &ActivationContext,
    ) -> Result<Session, Failure> {
        let session = self.store.find_session(id).await?;
        let session = session.filter(|session| session.device.id == context.device.id);
        let session = session
            .ok_or_else(|| Refusal::new(Code::SessionUnknown, id, "a visit on this laptop"))?;
        if let Some(at) = session.ended_at {
            let found = format!("ended at {at}");
            return Err(Refusal::new(Code::SessionEnded, found, "a running visit").into());
        }
        Ok(session)
    }

    /// The visit as it will be written, and its lease.
    async fn plan(
        &self,
        context: &ActivationContext,
        judged: &AppraisedActivation,
        running: Option<&Session>,
        certified: Timestamp,
        now: Timestamp,
    ) -> Result<(NewSession, Lease), Failure> {
        let (challenge, device) = (&context.challenge, &context.device);
        let policy = self.policy_for(device).await?;
        let (id, seq, hard_end) = match running {
            None => {
                let id = SessionId::from_random(random::bytes()?);
                (id, 0, leasing::first_hard_end(&policy, now, certified))
            }
            Some(running) => {
                if judged.clock().reset_count != running.anchor.reset_count {
                    return Err(Refusal::new(
                        Code::TpmResetInSession,
                        format!("reset counter {}", judged.clock().reset_count),
                        running.anchor.reset_count,
                    )
                    .into());
                }
                let end = leasing::extended_hard_end(&policy, running.hard_end, now, certified);
                (running.id, running.seq.saturating_add(1), end)
            }
        };
        let trust = self.trust();
        let visit = Visit {
            realm: trust.bundle.realm(),
            site: &device.site,
            device: device.id,
            generation: device.generation,
            device_key: device.device_key_thumbprint,
            session: id,
            room: challenge.room,
            moved_from: challenge.moves,
            staff_key: judged.staff_key(),
            activation: judged.activation(),
            reset_count: judged.clock().reset_count,
            hard_end,
            last_order: device.order_seq,
            quoted_at: now,
            finish: None,
        };
        let fresh = Fresh {
            id: LeaseId::from_random(random::bytes()?),
            gate_nonce: challenge.gate_nonce,
            renew_nonce: random::nonce()?,
            quoted: true,
        };
        let lease = leasing::lease(&visit, seq, fresh, &policy, now);
        let given = GivenLease {
            text: self.signers.lease(&lease)?.as_str().to_owned(),
            renew_nonce: fresh.renew_nonce,
            cannot_run_past: leasing::cannot_run_past(&lease),
        };
        let session = NewSession {
            id,
            site: device.site.clone(),
            device: device.id,
            generation: device.generation,
            key: judged.staff_key(),
            room: challenge.room,
            moved_from: challenge.moves,
            activation: judged.activation(),
            certificate: challenge.certificate,
            hard_end,
            lease: given,
            tpm: judged.clock().into(),
        };
        Ok((session, lease))
    }
}

/// The nonce is the one that was handed out, in time, and not spent.
fn require_fresh(
    challenge: &StoredChallenge,
    opened: &Opened<ActivationRequest>,
    now: Timestamp,
) -> Result<(), Refusal> {
    if let Some(at) = challenge.consumed_at {
        return Err(Refusal::new(
            Code::NonceUsed,
            format!("spent at {at}"),
            "a fresh challenge",
        ));
    }
    if now >= challenge.expires_at {
        let found = format!("answered at {now}");
        return Err(Refusal::new(
            Code::NonceExpired,
            found,
            format!("by {}", challenge.expires_at),
        ));
    }
    if opened.message().nonce.sha256() != challenge.nonce {
        return Err(Refusal::new(
            Code::ContextNonce,
            "another nonce",
            "the challenge's nonce",
        ));
    }
    Ok(())
}
