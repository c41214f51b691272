//! The test's own account of what may be asked for, and what must have been written down before.

use std::collections::{BTreeMap, BTreeSet};

use wardkey_agent::outbox::{About, Outbox};
use wardkey_agent::session::{Action, Command, Question, Reply};
use wardkey_gate::boottime::Boottime;
use wardkey_gate::protocol::Request;
use wardkey_schemas::activation::Activation;
use wardkey_schemas::ids::SessionId;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::refusal::Verdict;
use wardkey_schemas::session::EndReason;

use crate::gates::stage::Stage;
use crate::keyd::Keyd;

/// How long a PIN may stay in memory, in milliseconds.
const PIN_MS: u64 = 120_000;

/// The account.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// What the staff member signed.
    pub(crate) signed: Vec<Jws<Activation>>,
    /// Visits that the gate opened.
    pub(crate) opened: BTreeSet<SessionId>,
    pub(crate) keys_out: u32,
    pub(crate) resets_seen: u32,
    ends_asked: u32,
    stops_heard: u32,
    not_nows_heard: u32,
    /// The bytes of each renewal, and how many *not now* had been heard when they were first sent.
    renewals: BTreeMap<(SessionId, u32), (String, u32)>,
    pin_since: Option<Boottime>,
}

impl Account {
    /// What keyd answered, genuinely.
    pub(crate) fn heard(&mut self, reply: &Reply, _: &Keyd, stage: &Stage) {
        if let Reply::Denial(denial) = reply {
            let key = stage.laptop.pki.answer_key.key.public();
            let denial = denial.open(key).unwrap().into_message();
            match denial.verdict {
                Verdict::Stop => self.stops_heard = self.stops_heard.saturating_add(1),
                Verdict::NotNow => self.not_nows_heard = self.not_nows_heard.saturating_add(1),
            }
        }
    }

    pub(crate) fn commanded(&mut self, command: &Command) {
        if matches!(command, Command::End) {
            self.ends_asked = self.ends_asked.saturating_add(1);
        }
    }

    pub(crate) fn agent_died(&mut self) {
        self.pin_since = None;
        self.renewals.clear();
    }

    /// Judges what the session wants.
    pub(crate) fn look_at(&mut self, action: &Action, disk: &Outbox, keyd: &Keyd, now: Boottime) {
        match action {
            Action::Gate { request, .. } => self.look_at_request(request, keyd),
            Action::Ask { question, .. } => match question {
                Question::End(end) => assert!(
                    disk.holds(About::Visit(end.session)),
                    "told before it was written down"
                ),
                Question::Receipt(receipt) => assert!(
                    disk.holds(About::Order(receipt.order)),
                    "receipted before it was written down"
                ),
                Question::Challenge(_) | Question::Activation(_) | Question::Status(_) => {}
            },
            Action::SendRenewal { body, .. } => {
                let text = body.request.as_str().to_owned();
                let seq = keyd.visits.get(&body.session).map_or(0, |_| seq_of(&text));
                let heard = self.not_nows_heard;
                let known = self.renewals.entry((body.session, seq));
                let (before, since) = known.or_insert_with(|| (text.clone(), heard));
                if *before != text {
                    assert!(heard > *since, "other bytes without a signed *not now*");
                    (*before, *since) = (text, heard);
                }
            }
            Action::ShowPin { .. } => self.pin_since = Some(now),
            Action::ReleaseKey => self.pin_since = None,
            _ => {}
        }
    }

    fn look_at_request(&self, request: &Request, keyd: &Keyd) {
        match request {
            Request::Open {
                lease, activation, ..
            } => {
                assert!(keyd.given.contains(lease), "a lease that nobody gave");
                assert!(self.signed.contains(activation), "nobody signed");
            }
            Request::Renew { lease } => {
                assert!(keyd.given.contains(lease), "a lease that nobody gave");
            }
            Request::Close { reason } => {
                let is_just = match reason {
                    EndReason::Staff => self.ends_asked > 0,
                    EndReason::KeyRemoved => self.keys_out > 0,
                    EndReason::TpmReset => self.resets_seen > 5 || self.stops_heard > 0,
                    EndReason::Stopped | EndReason::HardEnd => self.stops_heard > 0,
                    EndReason::LeaseOver
                    | EndReason::Shutdown
                    | EndReason::VideoEnded
                    | EndReason::Superseded
                    | EndReason::Moved => false,
                };
                assert!(is_just, "closed without a reason: {reason:?}");
            }
            Request::Trust { .. }
            | Request::Nonce {}
            | Request::Order { .. }
            | Request::Key { .. }
            | Request::Status {} => {}
        }
    }

    /// A PIN is not kept longer than it may be.
    pub(crate) fn check_secrets(&self, now: Boottime) {
        if let Some(since) = self.pin_since {
            let kept = now.millis_since(since);
            assert!(kept <= PIN_MS, "a PIN was kept for {kept} ms");
        }
    }
}

/// Which renewal a request says that it is.
fn seq_of(envelope: &str) -> u32 {
    let payload = envelope.split('.').nth(1).unwrap();
    let payload = wardkey_schemas::bytes::decode(payload).unwrap();
    let request: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    request["seq"].as_u64().unwrap().try_into().unwrap()
}
