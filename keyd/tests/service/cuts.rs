//! Cuts at the video platform: each end of a visit brings one, and it is tried until it is proved.

use std::time::{Duration, Instant};

use wardkey_fleet::{KeydOptions, Laptop, Mood, Platform, Visit};
use wardkey_schemas::action::{Act, OrderSent, Outcome, Target};
use wardkey_schemas::delivery::Delivery;
use wardkey_schemas::ids::OrderSeq;
use wardkey_schemas::order::{HoldClass, OrderResult};
use wardkey_schemas::query::{Answer, Question};
use wardkey_schemas::room::RoomCommand;
use wardkey_schemas::session::EndReason;
use wardkey_schemas::{Code, limits};

use crate::database::{Database, administrator, fresh_postgres};
use crate::running::{World, engines, on_each_engine, refused, within};

/// The longest that a stop may take by way of the platform (K3).
const K3: Duration = Duration::from_secs(15);

/// Runs `test` on each engine at hand, with a platform of its own.
async fn with_a_platform(test: impl AsyncFn(&mut World, &Platform)) {
    for database in engines().await {
        let platform = Platform::start();
        let mut world = World::on(database, with(&platform)).await;
        test(&mut world, &platform).await;
        world.check().await;
    }
}

fn with(platform: &Platform) -> KeydOptions {
    KeydOptions {
        platform: Some(platform.clone()),
        ..KeydOptions::default()
    }
}

/// A visit whose laptop is in its room.
async fn joined(world: &World, platform: &Platform) -> (Laptop, Visit) {
    let (fleet, people) = (&world.fleet, world.fleet.first());
    let laptop = fleet.laptop(people).await.unwrap();
    let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
    platform.join(visit.lease.room, visit.lease.session);
    (laptop, visit)
}

/// Stops a laptop; the answer does not wait for any platform.
async fn stop(world: &World, laptop: &Laptop) {
    let target = Target::Laptop {
        device: laptop.device,
    };
    let officer = &world.fleet.first().officer;
    let outcome = world.fleet.stop(officer, target, HoldClass::Stolen).await;
    assert!(matches!(outcome.unwrap().outcome, Outcome::Stopped { .. }));
}

/// Waits until this many cuts are done.
async fn done(database: &Database, cuts: i64) {
    rows(database, "done_at is not null", cuts).await;
}

async fn rows(database: &Database, what: &str, wanted: i64) {
    let sql = format!("select count(*) from cut where {what}");
    within(async { while database.number(&sql).await < wanted {} }).await;
}

#[tokio::test]
async fn a_stop_takes_the_laptop_out_of_its_room_and_the_platforms_list_is_on_record() {
    with_a_platform(async |world, platform| {
        let (laptop, visit) = joined(world, platform).await;
        let (room, session) = (visit.lease.room, visit.lease.session);
        // Another room is nobody's business.
        let (_, other) = {
            let (fleet, people) = (&world.fleet, world.fleet.first());
            let laptop = fleet.laptop(people).await.unwrap();
            let visit = fleet.visit(&laptop, &people.leads[0]).await.unwrap();
            platform.join(visit.lease.room, visit.lease.session);
            (laptop, visit)
        };
        let begun = Instant::now();
        stop(world, &laptop).await;
        within(platform.until(|platform| !platform.is_there(room, session))).await;
        let took = begun.elapsed();
        println!("from the act to the platform's empty chair: {took:?} (K3: {K3:?})");
        assert!(took < K3);
        done(&world.database, 1).await;
        assert!(!platform.has(room), "the room is over");
        assert!(platform.is_there(other.lease.room, other.lease.session));
        let participant = session.into();
        assert_eq!(
            platform.orders(),
            [
                (room, RoomCommand::Cut { participant }),
                (room, RoomCommand::List),
                (room, RoomCommand::Close),
            ]
        );
        let cuts = "select actor || ' ' || target from audit where event = 'room.cut'";
        assert_eq!(
            world.database.texts(cuts).await,
            [format!("service session {session}")]
        );
        let proofs = world.database.texts("select proof from cut").await;
        let proof = wardkey_schemas::bytes::Sha256::of(proofs[0].as_bytes());
        let entries = "select entry from audit where event = 'room.cut'";
        let entry = world.database.texts(entries).await.remove(0);
        assert!(entry.contains(&proof.to_string()), "{entry}");
    })
    .await;
}

#[tokio::test]
async fn every_way_in_which_a_visit_ends_brings_a_cut() {
    with_a_platform(async |world, platform| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let gone = async |visit: &Visit| {
            let (room, session) = (visit.lease.room, visit.lease.session);
            within(platform.until(|platform| !platform.is_there(room, session))).await;
        };
        // Somebody ends it from a distance.
        let (laptop, visit) = joined(world, platform).await;
        let act = Act::EndSession {
            session: visit.lease.session,
            note: "".parse().unwrap(),
        };
        fleet.act(&people.officer, act).await.unwrap();
        gone(&visit).await;
        // The laptop says that it has ended.
        let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
        platform.join(visit.lease.room, visit.lease.session);
        let end = laptop.end(visit.lease.session, EndReason::Staff);
        fleet.caller.end_visit(&laptop.seal(&end)).await.unwrap();
        gone(&visit).await;
        // The next one takes its place.
        let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
        platform.join(visit.lease.room, visit.lease.session);
        let next = fleet.visit(&laptop, &people.staff).await.unwrap();
        platform.join(next.lease.room, next.lease.session);
        gone(&visit).await;
        // Nobody says anything, and its time is over.
        let over = "update session set cannot_run_past = started_at + 1 where ended_at is null";
        assert_eq!(world.database.change(over).await, 1);
        gone(&next).await;
        // The key is stopped.
        let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
        platform.join(visit.lease.room, visit.lease.session);
        let target = Target::Key {
            key: people.staff.key(),
        };
        fleet
            .stop(&people.officer, target, HoldClass::Lost)
            .await
            .unwrap();
        gone(&visit).await;
        done(&world.database, 5).await;
        let reasons = "select end_reason from session order by end_reason";
        assert_eq!(
            world.database.texts(reasons).await,
            ["lease-over", "staff", "stopped", "stopped", "superseded"]
        );
        let missing = "select count(*) from session s where s.ended_at is not null \
                       and not exists (select 1 from cut c where c.session_id = s.session_id)";
        assert_eq!(world.database.number(missing).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_platform_that_does_not_prove_the_absence_is_asked_until_it_does() {
    let moods = [
        (Mood::Refusing, "refused"),
        (Mood::Frozen, "not-reached"),
        (Mood::KeepsThem, "still-there"),
        (Mood::ForgesLists, "not-believed"),
        (Mood::RepeatsLists, "not-believed"),
        (Mood::Page, "not-believed"),
    ];
    with_a_platform(async |world, platform| {
        let (laptop, visit) = joined(world, platform).await;
        let end = laptop.end(visit.lease.session, EndReason::Staff);
        let fleet = &world.fleet;
        fleet.caller.end_visit(&laptop.seal(&end)).await.unwrap();
        // A genuine list of nobody, for the one who repeats it.
        done(&world.database, 1).await;
        for (number, (mood, trouble)) in (2..).zip(moods) {
            let visit = fleet.visit(&laptop, &fleet.first().staff).await.unwrap();
            let (room, session) = (visit.lease.room, visit.lease.session);
            platform.join(room, session);
            platform.behave(mood);
            let end = laptop.end(session, EndReason::Staff);
            fleet.caller.end_visit(&laptop.seal(&end)).await.unwrap();
            let told = format!("trouble = '{trouble}' and proved_at is null");
            rows(&world.database, &told, 1).await;
            assert!(platform.is_there(room, session), "{mood:?}");
            let proved = "select count(*) from cut where proved_at is not null";
            assert_eq!(world.database.number(proved).await, number - 1, "{mood:?}");
            platform.behave(Mood::Honest);
            done(&world.database, number).await;
            assert!(!platform.is_there(room, session), "{mood:?}");
        }
        let proved = "select count(*) from audit where event = 'room.cut'";
        assert_eq!(world.database.number(proved).await, 7);
    })
    .await;
}

#[tokio::test]
async fn a_cut_whose_node_died_is_taken_up_when_the_service_is_back() {
    with_a_platform(async |world, platform| {
        let (laptop, visit) = joined(world, platform).await;
        let (room, session) = (visit.lease.room, visit.lease.session);
        platform.behave(Mood::Frozen);
        stop(world, &laptop).await;
        within(platform.until(|platform| !platform.orders().is_empty())).await;
        world.keyd.kill();
        platform.behave(Mood::Honest);
        world.keyd.serve();
        within(platform.until(|platform| !platform.is_there(room, session))).await;
        done(&world.database, 1).await;
    })
    .await;
}

#[tokio::test]
async fn another_node_takes_up_the_cut_of_one_that_died_within_the_bound() {
    let Some(admin) = administrator() else {
        println!("skipped: it takes PostgreSQL, and WARDKEY_TEST_POSTGRES is not set");
        return;
    };
    let platform = Platform::start();
    let url = fresh_postgres(&admin).await;
    let database = wardkey_fleet::Database::At(url);
    let mut world = World::on(database, with(&platform)).await;
    let other = world.keyd.start_beside();
    let (laptop, visit) = joined(&world, &platform).await;
    let (room, session) = (visit.lease.room, visit.lease.session);
    platform.behave(Mood::Frozen);
    let begun = Instant::now();
    stop(&world, &laptop).await;
    // Whichever of the two has it: the first one dies with what it holds.
    within(platform.until(|platform| !platform.orders().is_empty())).await;
    world.keyd.kill();
    platform.behave(Mood::Honest);
    within(platform.until(|platform| !platform.is_there(room, session))).await;
    let took = begun.elapsed();
    println!("with the death of a node in the middle: {took:?} (K3: {K3:?})");
    assert!(took < K3);
    done(&world.database, 1).await;
    drop(other);
}

#[tokio::test]
async fn without_a_platform_no_absence_is_claimed() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        fleet.visit(&laptop, &people.staff).await.unwrap();
        stop(world, &laptop).await;
        let waits = "select count(*) from cut where proved_at is null and tries = 0";
        assert_eq!(world.database.number(waits).await, 1);
        let proved = "select count(*) from audit where event = 'room.cut'";
        assert_eq!(world.database.number(proved).await, 0);
    })
    .await;
}

#[tokio::test]
async fn whoever_watches_sees_both_words_and_what_is_certain_before() {
    with_a_platform(async |world, platform| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let (laptop, visit) = joined(world, platform).await;
        let reader = fleet.reader(&people.officer).await.unwrap();
        let device = laptop.device;
        platform.behave(Mood::KeepsThem);
        stop(world, &laptop).await;
        let seq = OrderSeq::new(1);
        let question = Question::Delivery {
            orders: vec![OrderSent { device, seq }],
        };
        let asked = async || {
            let answer = fleet.ask(&reader, question.clone()).await.unwrap();
            let Answer::Delivery(mut rows) = answer else {
                panic!("another answer");
            };
            assert_eq!(rows.len(), 1);
            rows.remove(0)
        };
        // Nobody has spoken: the end of the last lease is what is certain.
        let row = asked().await;
        let Delivery::NotReached { cannot_run_past } = row.delivery else {
            panic!("{row:?}");
        };
        let ends = "select cannot_run_past from session";
        assert_eq!(world.database.number(ends).await, cannot_run_past.millis());
        assert!(row.platform && !row.settled);
        rows(&world.database, "trouble = 'still-there'", 1).await;
        assert_eq!(asked().await.trouble.as_deref(), Some("still-there"));
        // The laptop speaks.
        let orders = world.poll(&laptop).await.orders;
        let order = fleet.keys.open(&orders[0]).unwrap().into_message();
        let receipt = laptop.receipt(&orders[0], &order, OrderResult::Stopped);
        fleet.caller.receipt(&laptop.seal(&receipt)).await.unwrap();
        let row = asked().await;
        let Delivery::LaptopStopped { at: said } = row.delivery else {
            panic!("{row:?}");
        };
        assert!(!row.settled, "the platform still shows it");
        // The platform speaks.
        platform.behave(Mood::Honest);
        done(&world.database, 1).await;
        assert!(!platform.is_there(visit.lease.room, visit.lease.session));
        let row = asked().await;
        let proved = "select proved_at from cut";
        let Delivery::Stopped {
            at,
            removed_at: Some(removed_at),
        } = row.delivery
        else {
            panic!("{row:?}");
        };
        assert_eq!(at, said);
        assert_eq!(world.database.number(proved).await, removed_at.millis());
        assert!(row.settled && row.trouble.is_none());
        // A laptop that nobody uses cannot start; another site hears of neither.
        let idle = fleet.laptop(people).await.unwrap();
        stop(world, &idle).await;
        let both = [device, idle.device].map(|device| OrderSent { device, seq });
        let question = Question::Delivery {
            orders: both.to_vec(),
        };
        let answer = fleet.ask(&reader, question.clone()).await.unwrap();
        let Answer::Delivery(both) = answer else {
            panic!("another answer");
        };
        let idle = both.iter().find(|row| row.device == idle.device).unwrap();
        assert_eq!(idle.delivery, Delivery::CannotStart);
        let far = fleet.reader(&fleet.second().officer).await.unwrap();
        let answer = fleet.ask(&far, question).await.unwrap();
        assert_eq!(answer, Answer::Delivery(Vec::new()));
        let orders = vec![OrderSent { device, seq }; limits::DELIVERIES + 1];
        let many = fleet.ask(&reader, Question::Delivery { orders }).await;
        assert_eq!(refused(many), Code::MessageTooLarge);
    })
    .await;
}
