//! Stops that reach further than one laptop or key: a person, a site, the nation; who may place them,
//! alone or with a second person; what they end, what they block, and what they leave alone.

use futures_util::future::{join, join_all};
use wardkey_fleet::{ActivationDraft, Laptop, Person};
use wardkey_schemas::Code;
use wardkey_schemas::action::{Act, Outcome, Target};
use wardkey_schemas::activation::ActivationBody;
use wardkey_schemas::alert::AlertKind;
use wardkey_schemas::challenge::{Purpose, RoomChoice};
use wardkey_schemas::ids::{HoldId, OrderSeq};
use wardkey_schemas::key_enrolment::{Holder, KeyHello, Voucher};
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::order::{AFTER_THIS_CALL_MOST, Command, HoldClass, Mode};
use wardkey_schemas::query::{Answer, Impact, Question};
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Seconds;

use crate::link::{Linked, order};
use crate::running::{World, on_each_engine, refused};

fn site(code: &SiteCode) -> Target {
    Target::Site { site: code.clone() }
}

fn stop(target: Target, class: HoldClass, mode: Mode) -> Act {
    Act::Stop {
        target,
        class,
        mode,
        note: "a drill".parse().unwrap(),
    }
}

fn resume(target: &Target, holds: Vec<HoldId>) -> Act {
    Act::Resume {
        target: target.clone(),
        holds,
        note: "".parse().unwrap(),
    }
}

fn undo(hold: HoldId) -> Act {
    Act::Undo {
        hold,
        note: "".parse().unwrap(),
    }
}

#[track_caller]
fn hold_of(outcome: &Outcome) -> HoldId {
    let Outcome::Stopped { hold, .. } = outcome else {
        panic!("not stopped: {outcome:?}");
    };
    *hold
}

#[track_caller]
fn waits(outcome: &Outcome) {
    let waits = matches!(outcome, Outcome::WaitsForSecondPerson { .. });
    assert!(waits, "one person was enough: {outcome:?}");
}

async fn impact(world: &World, by: &Person, target: &Target, mode: Mode) -> Impact {
    let reader = world.fleet.reader(by).await.unwrap();
    let target = target.clone();
    let question = Question::Impact { target, mode };
    let Answer::Impact(impact) = world.fleet.ask(&reader, question).await.unwrap() else {
        panic!("another answer");
    };
    impact
}

async fn alerts(world: &World, by: &Person) -> Vec<AlertKind> {
    let reader = world.fleet.reader(by).await.unwrap();
    let answer = world.fleet.ask(&reader, Question::Alerts).await.unwrap();
    let Answer::Alerts(rows) = answer else {
        panic!("another answer");
    };
    rows.iter().map(|row| row.kind).collect()
}

/// The orders that wait for a laptop, oldest first.
async fn orders(world: &World, laptop: &Laptop) -> Vec<Command> {
    let status = world.poll(laptop).await;
    let open = |envelope| world.fleet.keys.open(envelope).unwrap().into_message();
    let orders = status.orders.iter().map(open);
    orders
        .map(|order: wardkey_schemas::order::Order| order.command)
        .collect()
}

/// Another key of somebody, at another site.
async fn second_key(world: &World, person: &Person) -> Person {
    let (fleet, people) = (&world.fleet, world.fleet.second());
    let lead = &people.leads[0];
    let hello = KeyHello {
        holder: Holder::Known { person: person.id },
        role: Role::Staff,
        voucher: Voucher::Person {
            certificate: lead.certificate.clone(),
        },
    };
    let there = fleet.installation.site(&people.site);
    let key = fleet
        .enrol_key_of(there, fleet.token(), hello, Some(lead))
        .await
        .unwrap();
    fleet.confirm_key(&key, &people.leads[1]).await.unwrap();
    key
}

#[tokio::test]
pub(crate) async fn a_person_is_stopped_with_all_their_keys_at_every_site() {
    on_each_engine(async |world| {
        let fleet = &world.fleet;
        let (people, far) = (fleet.first(), fleet.second());
        let person = fleet.more_staff(people).await.unwrap();
        let elsewhere = second_key(world, &person).await;
        let (laptop, there) = (
            fleet.laptop(people).await.unwrap(),
            fleet.laptop(far).await.unwrap(),
        );
        let visit = fleet.visit(&there, &elsewhere).await.unwrap();
        let colleague = fleet.laptop(people).await.unwrap();
        fleet.visit(&colleague, &people.staff).await.unwrap();

        let target = Target::Person { person: person.id };
        let act = stop(target.clone(), HoldClass::Misuse, Mode::Immediate);
        let stopped = fleet.act(&people.leads[0], act).await.unwrap().outcome;
        let hold = hold_of(&stopped);
        assert_eq!(
            orders(world, &there).await,
            [Command::EndSession {
                session: visit.lease.session
            }]
        );
        let renewed = fleet.renew(&there, &visit).await;
        assert_eq!(refused(renewed), Code::PersonSuspended);
        for (laptop, key) in [(&laptop, &person), (&there, &elsewhere)] {
            let opened = fleet.visit(laptop, key).await;
            assert_eq!(refused(opened), Code::PersonSuspended);
            let report = fleet.stop(
                key,
                Target::Laptop {
                    device: laptop.device,
                },
                HoldClass::Lost,
            );
            assert_eq!(refused(report.await), Code::PersonSuspended);
        }
        // Nobody else is touched, and no laptop is stopped.
        assert!(orders(world, &colleague).await.is_empty());
        fleet.visit(&laptop, &people.leads[0]).await.unwrap();
        // No new key gets around it.
        let lead = &people.leads[0];
        let hello = KeyHello {
            holder: Holder::Known { person: person.id },
            role: Role::Staff,
            voucher: Voucher::Person {
                certificate: lead.certificate.clone(),
            },
        };
        let here = fleet.installation.site(&people.site);
        let third = fleet.enrol_key_of(here, fleet.token(), hello, Some(lead));
        assert_eq!(refused(third.await), Code::PersonSuspended);

        let lifted = resume(&target, vec![hold]);
        fleet.act(&people.leads[1], lifted).await.unwrap();
        fleet.visit(&there, &elsewhere).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn whoever_leaves_for_good_leaves_with_all_their_keys() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let person = fleet.more_staff(people).await.unwrap();
        let elsewhere = second_key(world, &person).await;
        let there = fleet.laptop(fleet.second()).await.unwrap();
        let target = Target::Person { person: person.id };
        let revoke = Act::Revoke {
            target: target.clone(),
            note: "".parse().unwrap(),
        };
        let lead = fleet.act(&people.leads[0], revoke.clone()).await;
        assert_eq!(refused(lead), Code::NotPermitted);
        let revoked = fleet.act(&people.officer, revoke).await.unwrap();
        let hold = hold_of(&revoked.outcome);
        assert_eq!(
            refused(fleet.visit(&there, &elsewhere).await),
            Code::KeyRevoked
        );
        let lifted = fleet
            .act(&people.officer, resume(&target, vec![hold]))
            .await;
        assert_eq!(refused(lifted), Code::StateTransition);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn one_officer_blocks_every_start_of_a_site_and_running_calls_finish() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let (running, idle) = (
            fleet.laptop(people).await.unwrap(),
            fleet.laptop(people).await.unwrap(),
        );
        let far = fleet.laptop(fleet.second()).await.unwrap();
        let visit = fleet.visit(&running, &people.staff).await.unwrap();
        let target = site(&people.site);
        let mode = Mode::AfterThisCall;
        for by in [&people.staff, &people.leads[0], &people.auditor] {
            let act = stop(target.clone(), HoldClass::Incident, mode);
            assert_eq!(refused(fleet.act(by, act).await), Code::NotPermitted);
        }
        let far_off = stop(target.clone(), HoldClass::Incident, mode);
        let far_off = fleet.act(&fleet.second().officer, far_off).await;
        assert_eq!(refused(far_off), Code::NotFound);

        let said = impact(world, &people.officer, &target, mode).await;
        assert_eq!((said.laptops, said.visits, said.keys), (2, 1, 0));
        assert_eq!(said.touched[0].device, running.device);
        assert!(said.second.is_empty() && said.standing.is_empty());
        let act = stop(target.clone(), HoldClass::Incident, mode);
        let outcome = fleet.act(&people.officer, act).await.unwrap().outcome;
        let Outcome::Stopped { hold, orders: sent } = outcome else {
            panic!("not stopped: {outcome:?}");
        };
        assert!(sent.is_empty(), "nothing is told where nothing ends");
        // The running call goes on, an hour at most, and is not extended.
        let visit = fleet.renew(&running, &visit).await.unwrap();
        assert!(visit.lease.hard_end_in <= AFTER_THIS_CALL_MOST);
        let extended = fleet.extend(&running, &people.staff, &visit).await;
        assert_eq!(refused(extended), Code::SiteSuspended);
        assert_eq!(
            refused(fleet.visit(&idle, &people.leads[0]).await),
            Code::SiteSuspended
        );
        fleet.visit(&far, &fleet.second().staff).await.unwrap();
        let said = impact(world, &people.officer, &target, mode).await;
        assert_eq!(said.standing[0].id, hold);
        assert_eq!(
            alerts(world, &people.officer).await,
            [AlertKind::SiteStopped]
        );
        assert!(alerts(world, &fleet.second().officer).await.is_empty());

        // Part of an incident: two roles bring it back.
        let asked = fleet.act(&people.officer, resume(&target, vec![hold]));
        let asked = asked.await.unwrap().outcome;
        waits(&asked);
        fleet.agree(&people.leads[0], &asked).await.unwrap();
        fleet.visit(&idle, &people.leads[0]).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn ending_the_calls_of_a_whole_site_takes_two_people() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let (officer, lead) = (&people.officer, &people.leads[0]);
        let (running, idle) = (
            fleet.laptop(people).await.unwrap(),
            fleet.laptop(people).await.unwrap(),
        );
        let far = fleet.laptop(fleet.second()).await.unwrap();
        let visit = fleet.visit(&running, &people.staff).await.unwrap();
        let theirs = fleet.visit(&far, &fleet.second().staff).await.unwrap();
        let target = site(&people.site);
        let act = || stop(target.clone(), HoldClass::Maintenance, Mode::Immediate);
        assert_eq!(refused(fleet.act(lead, act()).await), Code::NotPermitted);
        let said = impact(world, officer, &target, Mode::Immediate).await;
        assert_eq!(said.second, [Role::Lead, Role::NationalAdministrator]);

        let asked = fleet.act(officer, act()).await.unwrap().outcome;
        waits(&asked);
        let visit = fleet.renew(&running, &visit).await.unwrap();
        for (by, code) in [
            (officer, Code::ApprovalSelf),
            (&people.staff, Code::NotPermitted),
            (&people.auditor, Code::NotPermitted),
            (&fleet.second().leads[0], Code::NotFound),
        ] {
            assert_eq!(refused(fleet.agree(by, &asked).await), code);
        }
        let mut link = Linked::open_after(world, &running, OrderSeq::NONE).await;
        let stopped = fleet.agree(lead, &asked).await.unwrap().outcome;
        let hold = hold_of(&stopped);
        let (_, told) = order(world, &mut link).await;
        assert_eq!(
            told.command,
            Command::EndSession {
                session: visit.lease.session
            }
        );
        assert!(orders(world, &idle).await.is_empty(), "nothing ran there");
        assert_eq!(world.poll(&idle).await.holds[0].id, hold);
        let renewed = fleet.renew(&running, &visit).await;
        assert_eq!(refused(renewed), Code::SiteSuspended);
        assert_eq!(refused(fleet.visit(&idle, lead).await), Code::SiteSuspended);
        let enrolled = fleet.laptop(people).await;
        assert_eq!(refused(enrolled), Code::SiteSuspended);
        fleet.renew(&far, &theirs).await.unwrap();
        // Consent is for once.
        assert_eq!(
            refused(fleet.agree(lead, &asked).await),
            Code::ApprovalExpired
        );
        // Whoever asked takes it back in one step.
        assert_eq!(
            refused(fleet.act(lead, undo(hold)).await),
            Code::UndoNotPossible
        );
        fleet.act(officer, undo(hold)).await.unwrap();
        fleet.visit(&idle, lead).await.unwrap();
    })
    .await;
}

#[tokio::test]
pub(crate) async fn whatever_is_national_takes_two_national_administrators() {
    on_each_engine(async |world| {
        let fleet = &world.fleet;
        let people = fleet.first();
        let [one, other] = [0, 1].map(|number| &fleet.nation().administrators[number]);
        let (laptop, far) = (
            fleet.laptop(people).await.unwrap(),
            fleet.laptop(fleet.second()).await.unwrap(),
        );
        let visits = [
            fleet.visit(&laptop, &people.staff).await.unwrap(),
            fleet.visit(&far, &fleet.second().staff).await.unwrap(),
        ];
        let target = Target::Nation;
        for mode in [Mode::AfterThisCall, Mode::Immediate] {
            let act = || stop(target.clone(), HoldClass::Incident, mode);
            assert_eq!(
                refused(fleet.act(&people.officer, act()).await),
                Code::NotPermitted
            );
            let asked = fleet.act(one, act()).await.unwrap().outcome;
            waits(&asked);
            assert_eq!(
                refused(fleet.agree(&people.officer, &asked).await),
                Code::ApprovalRole
            );
            assert_eq!(refused(fleet.agree(one, &asked).await), Code::ApprovalSelf);
            let stopped = fleet.agree(other, &asked).await.unwrap().outcome;
            let hold = hold_of(&stopped);
            for (laptop, visit) in [&laptop, &far].into_iter().zip(&visits) {
                let renewed = fleet.renew(laptop, visit).await;
                if mode == Mode::Immediate {
                    assert_eq!(refused(renewed), Code::NationSuspended);
                }
                let people = fleet.people_of(&laptop.site);
                let opened = fleet.visit(laptop, &people.leads[0]).await;
                assert_eq!(refused(opened), Code::NationSuspended);
            }
            // No site frees it, and no one administrator.
            let lift = || resume(&target, vec![hold]);
            assert_eq!(
                refused(fleet.act(&people.officer, lift()).await),
                Code::NotFound
            );
            let asked = fleet.act(other, lift()).await.unwrap().outcome;
            waits(&asked);
            assert_eq!(
                refused(fleet.agree(&people.officer, &asked).await),
                Code::NotFound
            );
            fleet.agree(one, &asked).await.unwrap();
        }
        fleet.visit(&laptop, &people.staff).await.unwrap();
        assert_eq!(
            alerts(world, &fleet.nation().auditor).await,
            [AlertKind::NationStopped; 2]
        );
    })
    .await;
}

#[tokio::test]
async fn national_administrators_act_at_every_site_and_what_they_stop_no_site_frees() {
    on_each_engine(async |world| {
        let fleet = &world.fleet;
        let people = fleet.second();
        let national = &fleet.nation().administrators[0];
        let laptop = fleet.laptop(people).await.unwrap();
        let target = Target::Laptop {
            device: laptop.device,
        };
        let stopped = fleet.stop(national, target.clone(), HoldClass::Maintenance);
        let hold = hold_of(&stopped.await.unwrap().outcome);
        let lift = || resume(&target, vec![hold]);
        assert_eq!(
            refused(fleet.act(&people.leads[0], lift()).await),
            Code::KeyRole
        );
        let asked = fleet.act(&people.officer, lift()).await.unwrap().outcome;
        waits(&asked);
        assert_eq!(
            refused(fleet.agree(&people.leads[0], &asked).await),
            Code::KeyRole
        );
        fleet.agree(national, &asked).await.unwrap();
        let told = orders(world, &laptop).await;
        let Some(Command::Resume { approvals, .. }) = told.last() else {
            panic!("another order: {told:?}");
        };
        assert_eq!(approvals.len(), 2, "the gate judges both");
        fleet.visit(&laptop, &people.staff).await.unwrap();
        // Two of them end a site's calls as well.
        let act = stop(site(&people.site), HoldClass::Other, Mode::Immediate);
        let asked = fleet.act(national, act).await.unwrap().outcome;
        let other = &fleet.nation().administrators[1];
        fleet.agree(other, &asked).await.unwrap();
        // The site's record has it all.
        let reader = fleet.reader(&people.auditor).await.unwrap();
        let question = Question::Record { before: None };
        let Answer::Record(record) = fleet.ask(&reader, question).await.unwrap() else {
            panic!("another answer");
        };
        for event in ["laptop.stopped", "second.wanted", "resumed", "site.stopped"] {
            assert!(record.iter().any(|row| row.event == event), "{event}");
        }
    })
    .await;
}

#[tokio::test]
pub(crate) async fn an_everyday_stop_is_taken_back_by_whoever_placed_it_and_soon() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let (lead, second, officer) = (&people.leads[0], &people.leads[1], &people.officer);
        let laptop = fleet.laptop(people).await.unwrap();
        let target = Target::Laptop {
            device: laptop.device,
        };
        let place = async |by, class| {
            let stopped = fleet.stop(by, target.clone(), class).await;
            hold_of(&stopped.unwrap().outcome)
        };
        let hold = place(officer, HoldClass::Other).await;
        assert_eq!(
            refused(fleet.act(lead, undo(hold)).await),
            Code::UndoNotPossible
        );
        let far = fleet.act(&fleet.second().officer, undo(hold)).await;
        assert_eq!(refused(far), Code::NotFound);
        fleet.act(officer, undo(hold)).await.unwrap();
        assert_eq!(
            refused(fleet.act(officer, undo(hold)).await),
            Code::HoldUnknown
        );
        // The laptop is told with the officer's own word, which its gate judges.
        let told = orders(world, &laptop).await;
        assert!(
            matches!(told.last(), Some(Command::Resume { approvals, .. }) if approvals.len() == 1)
        );
        fleet.visit(&laptop, &people.staff).await.unwrap();

        for class in [HoldClass::Lost, HoldClass::Stolen, HoldClass::Incident] {
            let hold = place(lead, class).await;
            let answer = fleet.act(lead, undo(hold)).await;
            assert_eq!(refused(answer), Code::UndoNotPossible, "{class}");
        }
        let hold = place(lead, HoldClass::Maintenance).await;
        assert_eq!(
            refused(fleet.act(second, undo(hold)).await),
            Code::UndoNotPossible
        );
        let past = "update hold set placed_at = placed_at - 600001 where class = 'maintenance'";
        world.database.change(past).await;
        assert_eq!(
            refused(fleet.act(lead, undo(hold)).await),
            Code::UndoNotPossible
        );
    })
    .await;
}

#[tokio::test]
async fn a_line_for_staff_reaches_the_laptop_and_changes_nothing_there() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
        let say = |text: &str| Act::Message {
            device: laptop.device,
            text: text.parse().unwrap(),
        };
        let empty = fleet.act(&people.leads[0], say("  ")).await;
        assert_eq!(refused(empty), Code::MessageMalformed);
        let text = "Please bring this laptop to the office.";
        let sent = fleet.act(&people.leads[0], say(text)).await.unwrap();
        assert!(matches!(sent.outcome, Outcome::MessageSent { .. }));
        let text = text.parse().unwrap();
        let by = Role::Lead;
        assert_eq!(
            orders(world, &laptop).await,
            [Command::Message { by, text }]
        );
        fleet.renew(&laptop, &visit).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn unusual_numbers_and_lost_laptops_that_speak_are_told_and_hold_nothing_up() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptops = fleet.enrol(5).await.unwrap();
        for (number, laptop) in laptops.iter().enumerate() {
            let target = Target::Laptop {
                device: laptop.device,
            };
            let stopped = fleet.stop(&people.staff, target, HoldClass::Lost).await;
            stopped.unwrap();
            let wanted = usize::from(number >= 3);
            assert_eq!(
                alerts(world, &people.officer).await.len(),
                wanted,
                "{number}"
            );
        }
        assert_eq!(alerts(world, &people.officer).await, [AlertKind::ManyStops]);
        for _ in 0..2 {
            world.poll(&laptops[0]).await;
        }
        let told = alerts(world, &people.officer).await;
        assert_eq!(told.len(), 2, "once for each loss");
        assert!(told.contains(&AlertKind::LostLaptopSeen));
    })
    .await;
}

/// The table, in its own words: what comes of a stop that reaches further than one thing.
fn wanted(role: Role, target: &Target, class: HoldClass, mode: Mode) -> Result<bool, Code> {
    let no = Err(Code::NotPermitted);
    if matches!(
        class,
        HoldClass::Lost | HoldClass::Stolen | HoldClass::Revoked
    ) {
        return no;
    }
    let (officer, national) = (Role::SecurityOfficer, Role::NationalAdministrator);
    match target {
        Target::Person { .. } => match role {
            Role::Staff | Role::Auditor => no,
            Role::Lead | Role::SecurityOfficer | Role::NationalAdministrator => Ok(true),
        },
        Target::Site { .. } if role == officer || role == national => {
            Ok(mode == Mode::AfterThisCall)
        }
        Target::Nation if role == national => Ok(false),
        Target::Site { .. } | Target::Nation | Target::Laptop { .. } | Target::Key { .. } => no,
    }
}

/// Lifts whatever stands on something: a national administrator asks, an officer or another one agrees.
async fn lift_all(world: &World, target: &Target) {
    let [one, other] = [0, 1].map(|number| &world.fleet.nation().administrators[number]);
    let holds = world.standing(target).await;
    let asked = world.fleet.act(one, resume(target, holds)).await.unwrap();
    if matches!(asked.outcome, Outcome::WaitsForSecondPerson { .. }) {
        for by in [
            &world.fleet.first().officer,
            &world.fleet.second().officer,
            other,
        ] {
            if world.fleet.agree(by, &asked.outcome).await.is_ok() {
                return;
            }
        }
        panic!("nobody could agree");
    }
}

#[tokio::test]
async fn every_role_reaches_as_far_as_the_table_says_and_no_further() {
    on_each_engine(async |world| {
        let fleet = &world.fleet;
        let here = fleet.more_staff(fleet.first()).await.unwrap();
        let there = fleet.more_staff(fleet.second()).await.unwrap();
        for role in Role::ALL {
            let by = fleet.with(role);
            for mode in [Mode::Immediate, Mode::AfterThisCall] {
                for class in HoldClass::ALL {
                    for (own, target) in [
                        (true, Target::Person { person: here.id }),
                        (false, Target::Person { person: there.id }),
                        (true, site(&fleet.first().site)),
                        (false, site(&fleet.second().site)),
                        (true, Target::Nation),
                    ] {
                        let mut wanted = wanted(role, &target, class, mode);
                        if wanted.is_ok() && !own && role != Role::NationalAdministrator {
                            wanted = Err(Code::NotFound);
                        }
                        let act = stop(target.clone(), class, mode);
                        let found = match fleet.act(by, act).await {
                            Ok(answer) => Ok(matches!(answer.outcome, Outcome::Stopped { .. })),
                            Err(error) => Err(error.refusal().code()),
                        };
                        assert_eq!(found, wanted, "{role} {target:?} {class} {mode:?}");
                        if found == Ok(true) {
                            lift_all(world, &target).await;
                        }
                    }
                }
            }
        }
    })
    .await;
}

async fn answer(world: &World, laptop: &Laptop, person: &Person) -> ActivationBody {
    let (purpose, room) = (Purpose::Activate, RoomChoice::New);
    let challenge = world.fleet.challenge(laptop, person, purpose, room).await;
    ActivationDraft::new(laptop, person, &challenge.unwrap(), purpose).sign(laptop, person)
}

#[tokio::test]
async fn no_visit_slips_between_a_wide_stop_and_the_starts_and_renewals_at_the_same_moment() {
    const PAIRS: usize = 6;
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptops = fleet.enrol(PAIRS).await.unwrap();
        let mut staff = Vec::new();
        for _ in 0..PAIRS {
            staff.push(fleet.more_staff(people).await.unwrap());
        }
        let [one, other] = [0, 1].map(|number| &fleet.nation().administrators[number]);
        let running = "select count(*) from session where ended_at is null";
        for round in 0..6 {
            // Half of them renew, half of them start, while the stop is written.
            let (old, new) = laptops.split_at(PAIRS / 2);
            let mut visits = Vec::new();
            for (laptop, person) in old.iter().zip(&staff) {
                visits.push(fleet.visit(laptop, person).await.unwrap());
            }
            let mut bodies = Vec::new();
            for (laptop, person) in new.iter().zip(&staff[PAIRS / 2..]) {
                bodies.push(answer(world, laptop, person).await);
            }
            let (target, code) = match round % 3 {
                0 => (site(&people.site), Code::SiteSuspended),
                1 => (Target::Nation, Code::NationSuspended),
                _ => (
                    Target::Person {
                        person: staff[PAIRS - 1].id,
                    },
                    Code::PersonSuspended,
                ),
            };
            let act = stop(target.clone(), HoldClass::Other, Mode::Immediate);
            let stopping = async {
                let outcome = fleet.act(one, act).await.unwrap().outcome;
                if matches!(outcome, Outcome::Stopped { .. }) {
                    outcome
                } else {
                    fleet.agree(other, &outcome).await.unwrap().outcome
                }
            };
            let starts = join_all(bodies.iter().map(|body| fleet.activate(body)));
            let pairs = old.iter().zip(&visits);
            let renewals = join_all(pairs.map(|(laptop, visit)| fleet.renew(laptop, visit)));
            let (stopped, (started, renewed)) = join(stopping, join(starts, renewals)).await;
            let hold = hold_of(&stopped);
            for result in started.into_iter().chain(renewed) {
                if let Err(error) = result {
                    assert_eq!(error.refusal().code(), code, "round {round}");
                }
            }
            let wide = !matches!(target, Target::Person { .. });
            let left = world.database.number(running).await;
            if wide {
                assert_eq!(left, 0, "round {round}");
            } else {
                let theirs = fleet.visit(&laptops[0], &staff[PAIRS - 1]).await;
                assert_eq!(refused(theirs), code);
            }
            let asked = fleet.act(one, resume(&target, vec![hold])).await.unwrap();
            if matches!(asked.outcome, Outcome::WaitsForSecondPerson { .. }) {
                fleet.agree(other, &asked.outcome).await.unwrap();
            }
            // Whatever still runs ends before the next round.
            let end = "update session set ended_at = started_at, end_reason = 'staff' \
                       where ended_at is null";
            world.database.change(end).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_waits_no_longer_than_the_policy_says_and_is_listed_while_it_waits() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let officer = &people.officer;
        let act = stop(site(&people.site), HoldClass::Incident, Mode::Immediate);
        let asked = fleet.act(officer, act.clone()).await.unwrap().outcome;
        let Outcome::WaitsForSecondPerson {
            request,
            act: sha256,
            expires_in,
        } = asked.clone()
        else {
            panic!("one person was enough");
        };
        assert!(expires_in > Seconds::ZERO);
        for (by, listed) in [
            (&people.leads[0], true),
            (&fleet.nation().administrators[0], true),
            (&fleet.second().leads[0], false),
        ] {
            let reader = fleet.reader(by).await.unwrap();
            let answer = fleet.ask(&reader, Question::Requests).await.unwrap();
            let Answer::Requests(rows) = answer else {
                panic!("another answer");
            };
            assert_eq!(!rows.is_empty(), listed, "{}", by.role);
            for row in rows {
                assert_eq!((row.request, row.act.action.sha256()), (request, sha256));
                let signed = row.act.action.open(officer.token.key.public()).unwrap();
                assert_eq!(signed.message().act, act, "as it was signed");
            }
        }
        let past = "update approval set expires_at = requested_at";
        assert_eq!(world.database.change(past).await, 1);
        let late = fleet.agree(&people.leads[0], &asked).await;
        assert_eq!(refused(late), Code::ApprovalExpired);
    })
    .await;
}
