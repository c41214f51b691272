//! A key service in a few lines: it believes what it is asked, and signs what it answers.

use std::collections::BTreeMap;

use wardkey_agent::session::{ActivationDraft, ChallengeDraft, Question, Reply};
use wardkey_schemas::activation::Activation;
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::challenge::{Challenge, Purpose, RoomChoice};
use wardkey_schemas::denial::Denial;
use wardkey_schemas::ids::{ChallengeId, OrderId, OrderSeq, RoomId, SessionId};
use wardkey_schemas::jws::{self, Jws};
use wardkey_schemas::lease::Lease;
use wardkey_schemas::link::Heartbeat;
use wardkey_schemas::order::{Hold, Order};
use wardkey_schemas::policy::Presence;
use wardkey_schemas::refusal::Verdict;
use wardkey_schemas::renewal::{RenewalBody, RenewalProof};
use wardkey_schemas::session::{EndReason, Recorded};
use wardkey_schemas::status::{ObjectState, Status};
use wardkey_schemas::time::Seconds;
use wardkey_schemas::{Code, Refusal};

use crate::gates::laptop::{Laptop, new_session};
use crate::gates::pki::now;

fn sign<T: jws::Message>(laptop: &Laptop, message: &T) -> Jws<T> {
    jws::sign(message, &laptop.pki.answer_key.key).unwrap()
}

/// A visit on record.
#[derive(Debug)]
pub(crate) struct Visit {
    lease: Lease,
    /// The renewal that was answered last, and the answer.
    answered: Option<(RenewalBody, Jws<Lease>)>,
    pub(crate) ended: Option<EndReason>,
}

/// The key service.
#[derive(Debug, Default)]
pub(crate) struct Keyd {
    pub(crate) visits: BTreeMap<SessionId, Visit>,
    /// Every lease that was given.
    pub(crate) given: Vec<Jws<Lease>>,
    /// Every order, oldest first, and whether there is a receipt.
    pub(crate) orders: Vec<(Jws<Order>, OrderId, bool)>,
    pub(crate) holds: Vec<Hold>,
    /// A stop stands that waits for the end of the call.
    pub(crate) finishing: bool,
    /// The laptop is back from a loss.
    pub(crate) is_quarantined: bool,
    /// What it says to the next question about a visit, instead of what it would say.
    pub(crate) mood: Option<Verdict>,
    pub(crate) reset_count: u32,
    /// What challenges were asked for.
    pub(crate) asked_for: Vec<Purpose>,
    /// Whether the next renewal must bring a quote.
    pub(crate) wants_quote: bool,
    /// What it found to have changed on the laptop.
    pub(crate) finish: Option<Code>,
    /// Where the site wants the security key.
    pub(crate) presence: Presence,
    beats: u64,
    number: u8,
}

impl Keyd {
    /// A service that knows of nothing; the laptop's TPM was reset five times before.
    pub(crate) fn new() -> Self {
        Self {
            reset_count: 5,
            ..Self::default()
        }
    }

    fn nonce(&mut self) -> Nonce {
        self.number = self.number.wrapping_add(1);
        let mut nonce = [self.number; 32];
        aws_lc_rs::rand::fill(&mut nonce[1..]).unwrap();
        Nonce::new(nonce)
    }

    /// What it answers.
    pub(crate) fn answer(&mut self, laptop: &Laptop, question: &Question) -> Reply {
        match question {
            Question::Challenge(draft) => self.challenge(laptop, draft),
            Question::Activation(draft) => self.activate(laptop, draft),
            Question::Status(request) => Reply::Status(sign(
                laptop,
                &Status {
                    device: laptop.identity.device,
                    nonce: request.nonce,
                    state: if self.is_quarantined {
                        ObjectState::Quarantine
                    } else {
                        ObjectState::Active
                    },
                    holds: self.holds.clone(),
                    orders: self.unacknowledged(),
                    bundle: wardkey_schemas::bundle::BundleVersion::new(1),
                    poll_every: Seconds::new(20),
                    server_time: now(),
                },
            )),
            Question::End(end) => {
                let visit = self
                    .visits
                    .get_mut(&end.session)
                    .expect("a visit on record");
                visit.ended.get_or_insert(end.reason);
                Self::recorded(laptop, end.nonce)
            }
            Question::Receipt(receipt) => {
                for (_, id, is_receipted) in &mut self.orders {
                    *is_receipted |= *id == receipt.order;
                }
                Self::recorded(laptop, receipt.nonce)
            }
        }
    }

    fn recorded(laptop: &Laptop, nonce: Nonce) -> Reply {
        Reply::Recorded(sign(
            laptop,
            &Recorded {
                device: laptop.identity.device,
                nonce,
                server_time: now(),
            },
        ))
    }

    fn unacknowledged(&self) -> Vec<Jws<Order>> {
        let open = self
            .orders
            .iter()
            .filter(|(_, _, is_receipted)| !is_receipted);
        open.map(|(order, _, _)| order.clone()).collect()
    }

    fn deny(&self, laptop: &Laptop, nonce: Nonce, verdict: Verdict) -> Reply {
        let refusal = match verdict {
            Verdict::Stop => Refusal::new(Code::DeviceLost, "lost", "a laptop in use"),
            Verdict::NotNow => Refusal::new(Code::RateLimited, "too often", "less often"),
        };
        self.deny_by(laptop, nonce, verdict, refusal)
    }

    fn deny_by(&self, laptop: &Laptop, nonce: Nonce, verdict: Verdict, refusal: Refusal) -> Reply {
        Reply::Denial(sign(
            laptop,
            &Denial {
                device: laptop.identity.device,
                nonce,
                verdict,
                refusal,
                retry_after: Seconds::new(1),
                orders: self.unacknowledged(),
                server_time: now(),
            },
        ))
    }

    fn verdict(&mut self) -> Option<Verdict> {
        let stop = (!self.holds.is_empty()).then_some(Verdict::Stop);
        stop.or_else(|| self.mood.take())
    }

    fn challenge(&mut self, laptop: &Laptop, draft: &ChallengeDraft) -> Reply {
        self.asked_for.push(draft.purpose);
        if self.finishing {
            let found = "stopped: maintenance";
            let refusal = Refusal::new(Code::DeviceSuspended, found, "no stop that stands");
            return self.deny_by(laptop, draft.gate_nonce, Verdict::Stop, refusal);
        }
        if let Some(verdict) = self.verdict() {
            return self.deny(laptop, draft.gate_nonce, verdict);
        }
        let room = match draft.room {
            RoomChoice::New => RoomId::from_random([9; 16]),
            RoomChoice::Existing { room } => room,
        };
        let challenge = Challenge {
            challenge: ChallengeId::from_random([5; 16]),
            nonce: self.nonce(),
            gate_nonce: draft.gate_nonce,
            device: laptop.identity.device,
            site: laptop.identity.site.clone(),
            room,
            pcrs: vec![0, 7],
            event_log_wanted: false,
            expires_in: Seconds::new(120),
            server_time: now(),
        };
        Reply::Challenge(sign(laptop, &challenge))
    }

    fn activate(&mut self, laptop: &Laptop, draft: &ActivationDraft) -> Reply {
        if let Some(verdict) = self.verdict() {
            return self.deny(laptop, draft.nonce, verdict);
        }
        let activation: Activation = draft
            .activation
            .open(laptop.staff.key.public())
            .unwrap()
            .into_message();
        let (session, seq) = match activation.purpose {
            Purpose::Activate | Purpose::Move => (new_session(), 0),
            Purpose::Extend { session } => {
                let visit = &self.visits[&session];
                let same = visit.lease.activation == draft.activation.sha256();
                if same && visit.answered.is_none() {
                    return Reply::Lease(self.given.last().unwrap().clone());
                }
                (session, visit.lease.seq.saturating_add(1))
            }
        };
        let mut lease = laptop.terms(session, activation.gate_nonce).lease;
        lease.seq = seq;
        lease.presence = self.presence;
        lease.room = activation.room;
        lease.activation = draft.activation.sha256();
        lease.reset_count = self.reset_count;
        // Another visit on the same laptop has taken its place.
        for (other, visit) in &mut self.visits {
            if *other != session {
                visit.ended.get_or_insert(EndReason::Superseded);
            }
        }
        Reply::Lease(self.give(laptop, lease, None))
    }

    fn give(&mut self, laptop: &Laptop, mut lease: Lease, body: Option<RenewalBody>) -> Jws<Lease> {
        lease.renew_nonce = self.nonce();
        let envelope = jws::sign(&lease, &laptop.pki.lease_key.key).unwrap();
        self.given.push(envelope.clone());
        let answered = body.map(|body| (body, envelope.clone()));
        let ended = None;
        let session = lease.session;
        self.visits.insert(
            session,
            Visit {
                lease,
                answered,
                ended,
            },
        );
        envelope
    }

    /// What it answers to a renewal.
    pub(crate) fn renew(&mut self, laptop: &Laptop, body: &RenewalBody) -> Reply {
        let request = body.request.open(laptop.device.public()).unwrap();
        let request = request.into_message();
        let nonce = request.gate_nonce;
        let verdict = self.verdict();
        let visit = &self.visits[&body.session];
        if visit.ended.is_some() {
            return self.deny(laptop, nonce, Verdict::Stop);
        }
        if let Some(verdict) = verdict {
            return self.deny(laptop, nonce, verdict);
        }
        if let Some((answered, lease)) = &visit.answered
            && answered == body
        {
            return Reply::Lease(lease.clone());
        }
        let is_quoted = matches!(request.proof, RenewalProof::Quote(_));
        if self.wants_quote && !is_quoted {
            let refusal = Refusal::new(Code::RequoteWanted, "a time stamp", "a quote");
            return self.deny_by(laptop, nonce, Verdict::NotNow, refusal);
        }
        self.wants_quote &= !is_quoted;
        let mut lease = visit.lease.clone();
        lease.quoted = is_quoted;
        lease.finish = self.finish;
        assert_eq!(
            request.seq,
            lease.seq.saturating_add(1),
            "the chain is broken"
        );
        assert_eq!(
            request.renew_nonce, lease.renew_nonce,
            "the chain is broken"
        );
        lease.seq = request.seq;
        lease.eat_nonce = nonce;
        Reply::Lease(self.give(laptop, lease, Some(body.clone())))
    }

    /// A sign of life for a link.
    pub(crate) fn beat(&mut self, laptop: &Laptop, link_nonce: Nonce) -> Jws<Heartbeat> {
        self.beats = self.beats.saturating_add(1);
        let last = u64::try_from(self.orders.len()).unwrap();
        sign(
            laptop,
            &Heartbeat {
                device: laptop.identity.device,
                link_nonce,
                beat: self.beats,
                last_order: OrderSeq::new(last),
                next_within: Seconds::new(15),
                server_time: now(),
            },
        )
    }
}
