//! Everything that can happen, in any order.

use proptest::prelude::*;
use proptest::sample::Index;
use wardkey_agent::session::Command;
use wardkey_schemas::order::{Command as Order, HoldClass, Mode};
use wardkey_schemas::policy::Presence;
use wardkey_schemas::refusal::Verdict;
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Seconds;

use crate::gates::laptop::hold;
use crate::theatre::{Bad, Theatre};

/// Something that happens.
#[derive(Clone, Debug)]
enum Happening {
    Arrive(Index),
    ArriveBadly(Index, Bad),
    ComeAgain(Index),
    KeyIn,
    KeyOut,
    Activate,
    Extend,
    End,
    Renew,
    /// The next question about a visit is denied.
    Mood(Verdict),
    /// Somebody stops the laptop.
    Stop {
        at_once: bool,
    },
    /// Somebody ends the visit that keyd knows, from a distance.
    EndSession,
    Beat,
    Cut,
    Pass(u32),
    AgentDies,
    GateDies,
    Reset,
    /// The next renewal must bring a quote.
    WantQuote,
}

fn happening() -> impl Strategy<Value = Happening> {
    let index = any::<Index>;
    let bad = prop_oneof![
        Just(Bad::Lost),
        Just(Bad::AnswerLost),
        Just(Bad::Forged),
        Just(Bad::NotAsked),
    ];
    prop_oneof![
        40 => index().prop_map(Happening::Arrive),
        6 => (index(), bad).prop_map(|(place, bad)| Happening::ArriveBadly(place, bad)),
        8 => index().prop_map(Happening::ComeAgain),
        6 => Just(Happening::KeyIn),
        3 => Just(Happening::KeyOut),
        6 => Just(Happening::Activate),
        2 => Just(Happening::Extend),
        1 => Just(Happening::End),
        4 => Just(Happening::Renew),
        1 => Just(Happening::Mood(Verdict::NotNow)),
        1 => Just(Happening::Mood(Verdict::Stop)),
        1 => any::<bool>().prop_map(|at_once| Happening::Stop { at_once }),
        1 => Just(Happening::EndSession),
        3 => Just(Happening::Beat),
        1 => Just(Happening::Cut),
        8 => (1..=200_u32).prop_map(Happening::Pass),
        1 => Just(Happening::AgentDies),
        1 => Just(Happening::GateDies),
        1 => Just(Happening::Reset),
        1 => Just(Happening::WantQuote),
    ]
}

fn let_happen(theatre: &mut Theatre, happening: &Happening) {
    let among = |index: &Index, count: usize| (count > 0).then(|| index.index(count));
    match happening {
        Happening::Arrive(place) => {
            if let Some(place) = among(place, theatre.pending.len()) {
                theatre.arrive(place);
            }
        }
        Happening::ArriveBadly(place, bad) => {
            if let Some(place) = among(place, theatre.pending.len()) {
                theatre.arrive_badly(place, *bad);
            }
        }
        Happening::ComeAgain(place) => {
            if let Some(place) = among(place, theatre.history.len()) {
                theatre.come_again(place);
            }
        }
        Happening::KeyIn => theatre.key_in(),
        Happening::KeyOut => theatre.key_out(),
        Happening::Activate => theatre.command(Command::Activate {
            room: None,
            serial: None,
        }),
        Happening::Extend => theatre.command(Command::Extend { serial: None }),
        Happening::End => theatre.command(Command::End),
        Happening::Renew => theatre.command(Command::Renew),
        Happening::Mood(verdict) => theatre.keyd.mood = Some(*verdict),
        Happening::Stop { at_once } => {
            let mode = if *at_once {
                Mode::Immediate
            } else {
                Mode::AfterThisCall
            };
            let stop = hold(HoldClass::Misuse, mode, Role::Lead);
            theatre.keyd.holds.push(stop);
            theatre.order(Order::Stop { holds: vec![stop] });
        }
        Happening::EndSession => {
            let session = theatre.account.opened.iter().next_back().copied();
            if let Some(session) = session {
                theatre.order(Order::EndSession { session });
            }
        }
        Happening::Beat => theatre.beat(),
        Happening::Cut => theatre.cut(),
        Happening::Pass(seconds) => theatre.pass(Seconds::new(*seconds)),
        Happening::AgentDies => theatre.agent_dies(),
        Happening::GateDies => theatre.gate_dies(),
        Happening::Reset => theatre.reset(),
        Happening::WantQuote => theatre.keyd.wants_quote = true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Nothing opens that was not leased and signed, nothing closes without a reason, a retry has the
    /// same bytes, no PIN is kept too long (all judged as it happens, by the account); and when
    /// everything works again, all is told, every order has its receipt, and stops stand.
    #[test]
    fn whatever_happens_in_whatever_order_comes_to_a_right_end(
        happenings in proptest::collection::vec(happening(), 1..120),
    ) {
        let mut theatre = Theatre::new();
        theatre.heal(1);
        for happening in &happenings {
            let_happen(&mut theatre, happening);
            theatre.check_ends();
        }
        theatre.heal(40);
        theatre.check_ends();
        let view = theatre.view();
        prop_assert_eq!(theatre.waiting(), 0, "all is told");
        prop_assert!(theatre.receipts().values().all(|is_receipted| *is_receipted));
        prop_assert_eq!(view.latched, !theatre.keyd.holds.is_empty());
        prop_assert!(view.gate);
        prop_assert!(view.linked);
        // A visit that is still open stays so: renewals work, whatever came before.
        let was_open = theatre.is_open() && theatre.keyd.holds.is_empty();
        theatre.key_out();
        theatre.heal(120);
        prop_assert_eq!(theatre.is_open(), was_open);
    }

    /// Where the security key must stay in, no visit outlives it by more than half a minute, and by
    /// one more where it was touched in the last moment to give the visit more time.
    #[test]
    fn where_the_key_must_stay_no_visit_outlives_it(
        happenings in proptest::collection::vec(happening(), 1..120),
    ) {
        let mut theatre = Theatre::new();
        theatre.keyd.presence = Presence::Present;
        theatre.heal(2);
        theatre.key_in();
        theatre.command(Command::Activate { room: None, serial: None });
        theatre.heal(1);
        prop_assert!(theatre.is_open());
        let mut out_since = None;
        for happening in &happenings {
            let_happen(&mut theatre, happening);
            if theatre.is_key_in {
                out_since = None;
                continue;
            }
            let now = theatre.now();
            let out = now.millis_since(*out_since.get_or_insert(now));
            prop_assert!(!theatre.is_open() || out <= 60_000, "out for {} ms", out);
        }
        // And with nothing more to go wrong it is told as that.
        theatre.key_out();
        theatre.heal(20);
        prop_assert!(!theatre.is_open());
        theatre.check_ends();
        prop_assert_eq!(theatre.waiting(), 0);
    }
}
