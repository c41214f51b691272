//! Two at once: whatever the order in which they are written, the outcome is one of the right ones,
//! and all tables agree afterwards.

use futures_util::future::{join, join_all};
use wardkey_edge::client::CallError;
use wardkey_fleet::tpm::EkKind;
use wardkey_fleet::{ActivationDraft, Laptop, Person};
use wardkey_schemas::Code;
use wardkey_schemas::action::{Act, Outcome, Target};
use wardkey_schemas::activation::ActivationBody;
use wardkey_schemas::challenge::{Purpose, RoomChoice};
use wardkey_schemas::order::{HoldClass, Mode};
use wardkey_schemas::role::Role;

use crate::enrolment::{complete, offer};
use crate::running::{World, on_each_engine, refused};

/// Rounds of each race: each is decided anew.
const ROUNDS: usize = 8;

async fn answer(world: &World, laptop: &Laptop, person: &Person) -> ActivationBody {
    let (purpose, room) = (Purpose::Activate, RoomChoice::New);
    let challenge = world.fleet.challenge(laptop, person, purpose, room).await;
    ActivationDraft::new(laptop, person, &challenge.unwrap(), purpose).sign(laptop, person)
}

/// How many went well; all others were refused with one of these codes.
#[track_caller]
fn winners<T>(results: Vec<Result<T, CallError>>, losers: &[Code]) -> usize {
    let mut won = 0;
    for result in results {
        match result {
            Ok(_) => won += 1,
            Err(error) => {
                let code = error.refusal().code();
                assert!(losers.contains(&code), "{code}");
            }
        }
    }
    won
}

fn laptop_target(laptop: &Laptop) -> Target {
    Target::Laptop {
        device: laptop.device,
    }
}

#[tokio::test]
async fn no_visit_begins_or_goes_on_after_a_stop() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        for round in 0..ROUNDS {
            let laptop = fleet.laptop(people).await.unwrap();
            let person = fleet.more_staff(people).await.unwrap();
            let target = if round % 2 == 0 {
                laptop_target(&laptop)
            } else {
                Target::Key { key: person.key() }
            };
            let stop = fleet.stop(&people.officer, target, HoldClass::Other);
            if round % 4 < 2 {
                let body = answer(world, &laptop, &person).await;
                let (stopped, begun) = join(stop, fleet.activate(&body)).await;
                stopped.unwrap();
                match begun {
                    Ok(visit) => {
                        let renewed = fleet.renew(&laptop, &visit).await;
                        let code = refused(renewed);
                        assert!(
                            matches!(code, Code::DeviceSuspended | Code::KeySuspended),
                            "{code}"
                        );
                    }
                    Err(error) => {
                        let code = error.refusal().code();
                        assert!(
                            matches!(code, Code::DeviceSuspended | Code::KeySuspended),
                            "{code}"
                        );
                    }
                }
            } else {
                let visit = fleet.visit(&laptop, &person).await.unwrap();
                let (stopped, renewed) = join(stop, fleet.renew(&laptop, &visit)).await;
                stopped.unwrap();
                let visit = renewed.unwrap_or(visit);
                let code = refused(fleet.renew(&laptop, &visit).await);
                assert!(
                    matches!(code, Code::DeviceSuspended | Code::KeySuspended),
                    "{code}"
                );
            }
            let running = "select count(*) from session where ended_at is null";
            assert_eq!(world.database.number(running).await, 0, "round {round}");
            let reached = fleet.visit(&laptop, &person).await;
            let code = refused(reached);
            assert!(
                matches!(code, Code::DeviceSuspended | Code::KeySuspended),
                "{code}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_stop_during_a_resume_stands() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        for target in [
            laptop_target(&laptop),
            Target::Key {
                key: people.staff.key(),
            },
        ] {
            for _ in 0..ROUNDS {
                fleet
                    .stop(&people.leads[0], target.clone(), HoldClass::Other)
                    .await
                    .unwrap();
                let holds = world.standing(&target).await;
                let resume = Act::Resume {
                    target: target.clone(),
                    holds,
                    note: "".parse().unwrap(),
                };
                let resume = fleet.act(&people.leads[0], resume);
                let stop = fleet.stop(&people.leads[1], target.clone(), HoldClass::Misuse);
                let (resumed, stopped) = join(resume, stop).await;
                let Outcome::Stopped { hold, .. } = stopped.unwrap().outcome else {
                    panic!("not stopped");
                };
                resumed.unwrap();
                assert_eq!(world.standing(&target).await, [hold]);
                let code = refused(fleet.visit(&laptop, &people.staff).await);
                assert!(
                    matches!(code, Code::DeviceSuspended | Code::KeySuspended),
                    "{code}"
                );
                let resume = Act::Resume {
                    target: target.clone(),
                    holds: vec![hold],
                    note: "".parse().unwrap(),
                };
                fleet.act(&people.leads[0], resume).await.unwrap();
            }
        }
        fleet.visit(&laptop, &people.staff).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_can_be_done_once_is_done_once_by_many_at_once() {
    const MANY: usize = 6;
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let (caller, lead) = (&fleet.caller, &people.leads[0]);
        // One key, many laptops.
        let mut laptops = Vec::new();
        for _ in 0..MANY {
            laptops.push(fleet.laptop(people).await.unwrap());
        }
        let mut bodies = Vec::new();
        for laptop in &laptops {
            bodies.push(answer(world, laptop, &people.staff).await);
        }
        let begun = join_all(bodies.iter().map(|body| fleet.activate(body))).await;
        assert_eq!(
            winners(begun, &[Code::KeyInUseElsewhere]),
            1,
            "visits with one key"
        );

        // One challenge, answered many times.
        let body = answer(world, &laptops[0], lead).await;
        let begun = join_all((0..MANY).map(|_| fleet.activate(&body))).await;
        assert_eq!(
            winners(begun, &[Code::NonceUsed, Code::Busy]),
            1,
            "answers to one challenge"
        );

        // One renewal, sent many times: those that get a lease get the same.
        let visit = fleet.visit(&laptops[1], &people.leads[1]).await.unwrap();
        let body = visit.renewal_body(&laptops[1]);
        let renewed = join_all((0..MANY).map(|_| caller.renew(&body))).await;
        let mut leases: Vec<String> = renewed
            .iter()
            .flatten()
            .map(|answer| answer.lease.as_str().to_owned())
            .collect();
        leases.dedup();
        assert_eq!(leases.len(), 1, "leases for one renewal");
        assert!(winners(renewed, &[Code::RenewalNonce]) >= 1);
        let again = caller.renew(&body).await.unwrap();
        assert_eq!(again.lease.as_str(), leases[0], "and so does a retry");

        // One nonce of a person.
        let nonce = caller.challenge_person().await.unwrap().nonce;
        let act = Act::Stop {
            target: laptop_target(&laptops[2]),
            class: HoldClass::Other,
            mode: Mode::Immediate,
            note: "".parse().unwrap(),
        };
        let act = lead.signed_act(&lead.action(nonce, act));
        let done = join_all((0..MANY).map(|_| caller.act(&act))).await;
        assert_eq!(winners(done, &[Code::NonceUsed]), 1, "acts with one nonce");

        // One laptop, confirmed by many.
        let mut pending = fleet.new_laptop(&people.site, EkKind::P256);
        fleet.enrol_laptop(&mut pending, lead).await.unwrap();
        let by = [lead, &people.leads[1], &people.officer];
        let done = join_all(by.map(|by| fleet.confirm_laptop(&pending, by))).await;
        assert_eq!(winners(done, &[Code::StateTransition]), 1, "confirmations");
    })
    .await;
}

#[tokio::test]
async fn one_laptop_is_registered_once_and_one_tag_is_on_one_laptop() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let lead = &people.leads[0];
        for _ in 0..3 {
            let laptop = fleet.new_laptop(&people.site, EkKind::P256);
            let mut namesake = fleet.new_laptop(&people.site, EkKind::P256);
            namesake.asset = laptop.asset.clone();
            let first = offer(world, &laptop, lead, |_| ()).await.unwrap();
            let second = offer(world, &laptop, lead, |_| ()).await.unwrap();
            let third = offer(world, &namesake, lead, |_| ()).await.unwrap();
            let done = futures_util::future::join3(
                complete(world, &laptop, lead, &first, |_| ()),
                complete(world, &laptop, lead, &second, |_| ()),
                complete(world, &namesake, lead, &third, |_| ()),
            )
            .await;
            let won = winners(vec![done.0, done.1, done.2], &[Code::EkDuplicate]);
            assert_eq!(won, 1);
        }
        let laptops = "select count(*) from device";
        assert_eq!(world.database.number(laptops).await, 3);
    })
    .await;
}

#[tokio::test]
async fn one_laptop_runs_one_visit_when_two_people_start_at_once() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        for _ in 0..ROUNDS {
            let first = answer(world, &laptop, &people.staff).await;
            let second = answer(world, &laptop, &people.leads[1]).await;
            let (first, second) = join(fleet.activate(&first), fleet.activate(&second)).await;
            let visits = [first, second];
            let begun = visits.iter().flatten().count();
            assert!(begun >= 1, "{visits:?}");
            let running = "select count(*) from session where ended_at is null";
            assert_eq!(world.database.number(running).await, 1);
            // Of two that began, the one that was written first has made room for the other.
            let mut renewed = 0;
            for visit in visits.iter().flatten() {
                match fleet.renew(&laptop, visit).await {
                    Ok(_) => renewed += 1,
                    Err(error) => assert_eq!(error.refusal().code(), Code::SessionEnded),
                }
            }
            assert_eq!(renewed, 1);
        }
    })
    .await;
}

#[tokio::test]
async fn a_revocation_during_an_approval_stands() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let site = fleet.installation.site(&people.site);
        let (lead, officer) = (&people.leads[0], &people.officer);
        let other = fleet
            .vouched_key(site, Role::SecurityOfficer, officer, lead)
            .await
            .unwrap();
        for _ in 0..ROUNDS {
            let laptop = fleet.laptop(people).await.unwrap();
            let target = laptop_target(&laptop);
            let request = ask_to_resume(world, target.clone()).await;
            let revoke = Act::Revoke {
                target: target.clone(),
                note: "".parse().unwrap(),
            };
            let (revoked, resumed) =
                join(fleet.act(officer, revoke), fleet.agree(&other, &request)).await;
            let Outcome::Stopped { hold, .. } = revoked.unwrap().outcome else {
                panic!("not revoked");
            };
            if let Err(error) = resumed {
                let code = error.refusal().code();
                assert!(
                    matches!(code, Code::HoldUnknown | Code::StateTransition),
                    "{code}"
                );
            }
            assert!(world.standing(&target).await.contains(&hold));
            let code = refused(fleet.visit(&laptop, &people.staff).await);
            assert_eq!(code, Code::DeviceRevoked);
        }
        let revoked = "select count(*) from device where state = 'revoked'";
        let rounds = i64::try_from(ROUNDS).unwrap();
        assert_eq!(world.database.number(revoked).await, rounds);
    })
    .await;
}

#[tokio::test]
async fn of_two_officers_at_once_one_approves_and_both_may_stop() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let site = fleet.installation.site(&people.site);
        let (lead, officer) = (&people.leads[0], &people.officer);
        let other = fleet
            .vouched_key(site, Role::SecurityOfficer, officer, lead)
            .await
            .unwrap();
        for _ in 0..ROUNDS {
            let laptop = fleet.laptop(people).await.unwrap();
            let target = laptop_target(&laptop);
            let request = ask_to_resume(world, target.clone()).await;
            let done = join(
                fleet.agree(officer, &request),
                fleet.agree(&other, &request),
            )
            .await;
            let losers = [Code::ApprovalExpired, Code::HoldUnknown];
            assert_eq!(winners(vec![done.0, done.1], &losers), 1, "approvals");
            let done = join(
                fleet.stop(officer, target.clone(), HoldClass::Misuse),
                fleet.stop(&other, target.clone(), HoldClass::Incident),
            )
            .await;
            assert_eq!(winners(vec![done.0, done.1], &[]), 2, "stops");
            assert_eq!(world.standing(&target).await.len(), 2);
        }
    })
    .await;
}

/// Stops something as lost, and has a lead ask for its return.
async fn ask_to_resume(world: &World, target: Target) -> Outcome {
    let (fleet, people) = (&world.fleet, world.fleet.first());
    let lost = fleet
        .stop(&people.staff, target.clone(), HoldClass::Lost)
        .await;
    lost.unwrap();
    let asks = Act::Resume {
        holds: world.standing(&target).await,
        target,
        note: "".parse().unwrap(),
    };
    let asked = fleet.act(&people.leads[0], asks).await.unwrap().outcome;
    let waits = matches!(asked, Outcome::WaitsForSecondPerson { .. });
    assert!(waits, "nobody else needed");
    asked
}

#[tokio::test]
async fn a_crowd_is_served_though_some_of_it_is_refused() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptops = fleet.enrol(24).await.unwrap();
        let stops = laptops
            .iter()
            .enumerate()
            .map(|(number, laptop)| async move {
                // Every third names a laptop of another site.
                let by = if number % 3 == 0 {
                    &fleet.second().officer
                } else {
                    &people.officer
                };
                let stopped = fleet.stop(by, laptop_target(laptop), HoldClass::Incident);
                (number, stopped.await)
            });
        for (number, stopped) in join_all(stops).await {
            if number % 3 == 0 {
                assert_eq!(refused(stopped), Code::NotFound);
            } else {
                stopped.unwrap();
            }
        }
    })
    .await;
}
