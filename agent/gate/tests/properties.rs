//! What holds for the gate whatever is said to it, in whatever order, and however often.
//!
//! Everything that is said is signed for real, some of it is said again, and the test keeps its own
//! account of what may be open.

#![expect(clippy::panic, reason = "a test may stop at the first surprise")]
#![expect(clippy::expect_used, reason = "a test may stop at the first surprise")]

mod support;

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::sample::Index;
use support::laptop::{hold, new_session};
use support::stage::Stage;
use wardkey_gate::boottime::Boottime;
use wardkey_gate::protocol::{Answer, Request};
use wardkey_schemas::bytes::Nonce;
use wardkey_schemas::challenge::Purpose;
use wardkey_schemas::ids::HoldId;
use wardkey_schemas::order::{HoldClass, Mode};
use wardkey_schemas::role::Role;
use wardkey_schemas::session::EndReason;
use wardkey_schemas::time::Seconds;

/// Something that happens.
#[derive(Clone, Debug)]
enum Happening {
    /// A member of staff starts a visit on one of the nonces so far.
    Open {
        nonce: Index,
        run_for: u32,
        hard_end_in: u32,
    },
    /// A member of staff gives the open visit more time.
    Extend { hard_end_in: u32 },
    /// The key service renews, with more time than there may be.
    Renew {
        seq: u32,
        hard_end_in: u32,
        quoted: bool,
    },
    /// Somebody stops the laptop.
    Stop { at_once: bool },
    /// People lift some of what stands.
    Resume { which: Index },
    /// Somebody ends the open visit from a distance.
    EndSession,
    /// The agent closes.
    Close,
    /// Something that was said before is said again.
    Again { which: Index },
    /// Time passes, and the gate may look.
    Pass { seconds: u32 },
    /// Time passes, and the gate is kept from looking.
    Lag { seconds: u32 },
    /// The laptop sleeps.
    Sleep { seconds: u32 },
    /// The gate dies and starts again.
    Restart,
}

fn happening() -> impl Strategy<Value = Happening> {
    let index = any::<Index>;
    prop_oneof![
        6 => (index(), 60..=900_u32, 0..=3000_u32).prop_map(|(nonce, run_for, hard_end_in)| {
            Happening::Open { nonce, run_for, hard_end_in }
        }),
        2 => (0..=3000_u32).prop_map(|hard_end_in| Happening::Extend { hard_end_in }),
        4 => (1..=6_u32, 0..=14_400_u32, any::<bool>())
            .prop_map(|(seq, hard_end_in, quoted)| Happening::Renew { seq, hard_end_in, quoted }),
        2 => any::<bool>().prop_map(|at_once| Happening::Stop { at_once }),
        2 => index().prop_map(|which| Happening::Resume { which }),
        1 => Just(Happening::EndSession),
        1 => Just(Happening::Close),
        8 => index().prop_map(|which| Happening::Again { which }),
        3 => (1..=400_u32).prop_map(|seconds| Happening::Pass { seconds }),
        1 => (1..=400_u32).prop_map(|seconds| Happening::Lag { seconds }),
        2 => (1..=400_u32).prop_map(|seconds| Happening::Sleep { seconds }),
        1 => Just(Happening::Restart),
    ]
}

/// The test's own account.
struct Account {
    stage: Option<Stage>,
    said: Vec<Request>,
    /// When each nonce of this run was made, and whether it was accepted.
    nonces: HashMap<Nonce, (Boottime, bool)>,
    latest_nonces: Vec<Nonce>,
    /// Nothing may be open at this time or later.
    hard_end: Option<Boottime>,
    /// When the laptop woke last, unless a lease on a fresh quote has answered for it since.
    woke: Option<Boottime>,
    /// What may be standing: placed and, for all we know, not lifted.
    holds: Vec<HoldId>,
    seq: u64,
    opening: Option<Request>,
}

impl Account {
    fn new() -> Self {
        Self {
            stage: Some(Stage::new()),
            said: Vec::new(),
            nonces: HashMap::new(),
            latest_nonces: Vec::new(),
            hard_end: None,
            woke: None,
            holds: Vec::new(),
            seq: 0,
            opening: None,
        }
    }

    fn stage(&mut self) -> &mut Stage {
        self.stage.as_mut().expect("a stage")
    }

    fn new_nonce(&mut self) -> Nonce {
        let now = self.stage().now();
        let nonce = self.stage().nonce();
        self.nonces.insert(nonce, (now, false));
        self.latest_nonces.push(nonce);
        nonce
    }

    fn next_seq(&mut self) -> u64 {
        self.seq = self.seq.saturating_add(1);
        self.seq
    }

    /// Says something and checks the answer against the account.
    fn say(&mut self, request: Request) {
        let was_latched = !self.holds.is_empty();
        let openings = self.stage().screen.openings.get();
        let answer = self.stage().ask(request.clone());
        let mut proved = false;
        match (&request, &answer) {
            (Request::Open { .. }, Answer::Opened(_)) => {
                assert!(!was_latched, "opened while a hold stood");
                let lease = self.stage().laptop.lease_of(&request);
                let (made, accepted) = self.spend(lease.eat_nonce);
                assert!(!accepted, "opened on a nonce that was accepted before");
                let now = self.stage().now();
                assert!(now < made.plus(lease.run_for), "opened by grace alone");
                self.hard_end = Some(made.plus(lease.hard_end_in));
                assert!(
                    self.woke.take().is_none_or(|woke| made >= woke),
                    "older than a sleep"
                );
                self.opening = Some(request.clone());
            }
            (Request::Renew { lease }, Answer::Renewed(_)) => {
                let key = *self.stage().laptop.pki.lease_key.key.public();
                let nonce = lease.open(&key).expect("our own lease").message().eat_nonce;
                let (made, accepted) = self.spend(nonce);
                assert!(!accepted, "renewed on a nonce that was accepted before");
                let quoted = lease.open(&key).expect("our own lease").message().quoted;
                assert!(
                    self.woke.is_none_or(|woke| made >= woke),
                    "older than a sleep"
                );
                proved = quoted && self.woke.take().is_some();
            }
            (Request::Order { .. }, Answer::Obeyed(_))
            | (_, Answer::Refused(_) | Answer::Closed { .. } | Answer::Trusted { .. }) => (),
            (_, other) => panic!("{other:?}"),
        }
        if !matches!(
            (&request, &answer),
            (Request::Open { .. }, Answer::Opened(_))
        ) && !proved
        {
            let after = self.stage().screen.openings.get();
            assert_eq!(after, openings, "opened by {request:?}");
        }
        self.said.push(request);
    }

    fn spend(&mut self, nonce: Nonce) -> (Boottime, bool) {
        let entry = self.nonces.get_mut(&nonce).expect("a nonce of this run");
        let before = *entry;
        entry.1 = true;
        before
    }

    fn happens(&mut self, happening: &Happening) {
        match happening {
            Happening::Open {
                nonce,
                run_for,
                hard_end_in,
            } => {
                self.new_nonce();
                let nonce = *nonce.get(&self.latest_nonces);
                let mut terms = self.stage().laptop.terms(new_session(), nonce);
                terms.lease.run_for = Seconds::new(*run_for);
                terms.lease.renew_after = Seconds::new(20);
                terms.lease.hard_end_in = Seconds::new(*hard_end_in);
                let request = self.stage().laptop.open(terms);
                self.say(request);
            }
            Happening::Extend { hard_end_in } => {
                if let Some(opening) = self.opening.clone() {
                    let nonce = self.new_nonce();
                    let session = self.stage().laptop.lease_of(&opening).session;
                    let mut terms = self.stage().laptop.terms(session, nonce);
                    terms.activation.purpose = Purpose::Extend { session };
                    terms.lease.hard_end_in = Seconds::new(*hard_end_in);
                    let request = self.stage().laptop.open(terms);
                    self.say(request);
                }
            }
            Happening::Renew {
                seq,
                hard_end_in,
                quoted,
            } => {
                if let Some(opening) = self.opening.clone() {
                    let nonce = self.new_nonce();
                    let renewal = self.stage().laptop.renew(&opening, *seq, nonce, |lease| {
                        lease.hard_end_in = Seconds::new(*hard_end_in);
                        lease.quoted = *quoted;
                    });
                    self.say(renewal);
                }
            }
            Happening::Stop { at_once } => {
                let mode = if *at_once {
                    Mode::Immediate
                } else {
                    Mode::AfterThisCall
                };
                let hold = hold(HoldClass::Maintenance, mode, Role::Lead);
                let seq = self.next_seq();
                let stop = self.stage().laptop.stop(seq, &[hold]);
                self.holds.push(hold.id);
                self.say(stop);
                assert!(!(*at_once && self.stage().is_open()), "stopped and open");
            }
            Happening::Resume { which } => {
                if !self.holds.is_empty() {
                    let hold = *which.get(&self.holds);
                    let seq = self.next_seq();
                    let laptop = &self.stage().laptop;
                    let resume = laptop.resume(seq, &[hold], &[&laptop.lead]);
                    self.say(resume);
                    self.holds.retain(|standing| *standing != hold);
                }
            }
            Happening::EndSession => {
                if let Some(opening) = self.opening.clone() {
                    let session = self.stage().laptop.lease_of(&opening).session;
                    let seq = self.next_seq();
                    let end = self.stage().laptop.end(seq, session);
                    self.say(end);
                    let open = self.stage().status().open;
                    assert!(open.is_none_or(|open| open.session != session));
                }
            }
            Happening::Close => {
                self.say(Request::Close {
                    reason: EndReason::Staff,
                });
                assert!(!self.stage().is_open());
            }
            Happening::Again { which } => {
                if !self.said.is_empty() {
                    let request = which.get(&self.said).clone();
                    self.say(request);
                }
            }
            Happening::Pass { seconds } => self.stage().pass(Seconds::new(*seconds)),
            Happening::Lag { seconds } => {
                let later = self.stage().now().plus(Seconds::new(*seconds));
                self.stage().set_now(later);
                self.stage().look();
            }
            Happening::Sleep { seconds } => {
                self.stage().sleep(Seconds::new(*seconds));
                self.stage().look();
                self.woke = Some(self.stage().now());
                assert!(!self.stage().is_open(), "open after a sleep");
            }
            Happening::Restart => {
                let stage = self.stage.take().expect("a stage");
                self.stage = Some(stage.restart());
                assert!(!self.stage().is_open(), "open at the start");
                self.nonces.clear();
                self.latest_nonces.clear();
            }
        }
        self.check();
    }

    /// What holds at every moment.
    fn check(&mut self) {
        let hard_end = self.hard_end;
        let nothing_stands = self.holds.is_empty();
        let woke = self.woke;
        let stage = self.stage();
        let now = stage.now();
        let status = stage.status();
        assert_eq!(status.open.is_some_and(|open| !open.dark), stage.is_open());
        assert!(woke.is_none() || !stage.is_open(), "open since a sleep");
        assert_eq!(status.latched, !nothing_stands);
        if let (Some(open), Some(showing)) = (status.open, stage.screen.showing.get()) {
            let hard_end = hard_end.expect("something opened it");
            assert!(now < open.closes_at, "open beyond its end");
            assert!(open.closes_at <= hard_end, "an end beyond the hard end");
            assert!(
                showing.until <= hard_end,
                "a guardian with an end beyond the hard end"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nothing_is_open_that_may_not_be(
        happenings in prop::collection::vec(happening(), 1..40),
    ) {
        let mut account = Account::new();
        for happening in &happenings {
            account.happens(happening);
        }
        // All of it once more, to this gate and to the next one.
        for restart in [false, true] {
            if restart {
                account.happens(&Happening::Restart);
            }
            for request in account.said.clone() {
                account.say(request);
                account.check();
            }
        }
    }

    #[test]
    fn no_bytes_of_the_agent_make_the_gate_panic(
        cut in any::<Index>(),
        flips in prop::collection::vec((any::<Index>(), any::<u8>()), 0..4),
    ) {
        let mut stage = Stage::new();
        let opening = stage.opening();
        let mut line = wardkey_gate::protocol::to_line(&opening).expect("a line");
        for (at, mask) in flips {
            let at = at.index(line.len());
            line[at] ^= mask;
        }
        let cut = cut.index(line.len());
        for text in [&line[..], &line[..cut]] {
            if let Ok(request) = wardkey_gate::protocol::parse_line::<Request>(text) {
                let changed = request != opening;
                let answer = stage.ask(request);
                let opened = matches!(answer, Answer::Opened(_));
                assert!(!(opened && changed), "a changed request opened");
            }
        }
    }
}
