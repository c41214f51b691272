//! What arrives twice, late or out of order has one right outcome.

use wardkey_fleet::tpm::EkKind;
use wardkey_schemas::Code;
use wardkey_schemas::action::{Outcome, Target};
use wardkey_schemas::ids::{Generation, OrderSeq};
use wardkey_schemas::order::{HoldClass, Mode, OrderResult};
use wardkey_schemas::registration::Stage;
use wardkey_schemas::session::EndReason;
use wardkey_schemas::time::Seconds;

use crate::enrolment::{certificates, offer};
use crate::refusals::{lift, stop};
use crate::running::{on_each_engine, refused};

#[tokio::test]
async fn a_registration_that_arrives_twice_gets_the_same_receipts() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let (caller, lead) = (&fleet.caller, &people.leads[0]);
        let site = fleet.installation.site(&people.site);
        let laptop = fleet.new_laptop(&people.site, EkKind::P256);
        let theirs = offer(world, &laptop, lead, |_| ()).await.unwrap();
        let signed = certificates(world, &laptop, &theirs);
        let (completion, _) = laptop.draft(&theirs, lead).sign(lead);
        let announce = site.announce_laptop(theirs.registration, completion, &signed);
        let announce = site.seal(&announce);
        let report = site.seal(&site.report(theirs.registration, &signed));
        let entries = "select place from audit_head";
        let announced = async || {
            let receipt = caller.announce_laptop(&announce).await.unwrap();
            let receipt = fleet.keys.open(&receipt.message).unwrap().into_message();
            assert_eq!(receipt.stage, Stage::Announced);
            (receipt.leaf, receipt.certificates)
        };
        let issued = async || {
            let receipt = caller.report_issued(&report).await.unwrap();
            let receipt = fleet.keys.open(&receipt.message).unwrap().into_message();
            assert_eq!(receipt.stage, Stage::Issued);
            (receipt.leaf, receipt.certificates)
        };
        let first = announced().await;
        let before = world.database.number(entries).await;
        assert_eq!(announced().await, first);
        assert_eq!(world.database.number(entries).await, before);
        let reported = issued().await;
        let before = world.database.number(entries).await;
        assert_eq!(issued().await, reported);
        // Late: the first message once more, after the last.
        assert_eq!(announced().await, first);
        assert_eq!(world.database.number(entries).await, before);
    })
    .await;
}

#[tokio::test]
async fn a_resume_that_was_not_heard_is_given_again_to_the_next_enrolment() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let mut laptop = fleet.laptop(people).await.unwrap();
        let target = Target::Laptop {
            device: laptop.device,
        };
        // It has closed and latched, and was off when people lifted the stop.
        stop(world, target.clone(), HoldClass::Lost, Mode::Immediate).await;
        let order = |envelope| fleet.keys.open(envelope).unwrap().into_message();
        let told = world.poll(&laptop).await.orders;
        let receipt = laptop.receipt(&told[0], &order(&told[0]), OrderResult::Stopped);
        fleet.caller.receipt(&laptop.seal(&receipt)).await.unwrap();
        lift(world, target).await;
        let unheard = world.poll(&laptop).await.orders;
        let unheard = order(&unheard[0]);
        fleet
            .enrol_again(&mut laptop, &people.leads[0])
            .await
            .unwrap();

        let told = world.poll(&laptop).await.orders;
        assert_eq!(told.len(), 1);
        let again = order(&told[0]);
        assert_eq!(again.command, unheard.command);
        assert!(again.seq > unheard.seq);
        assert_eq!(
            (again.generation, again.device_key),
            (laptop.generation, laptop.chip.device.public().thumbprint())
        );
        let receipt = laptop.receipt(&told[0], &again, OrderResult::Resumed);
        fleet.caller.receipt(&laptop.seal(&receipt)).await.unwrap();
        // What was heard is not given once more.
        fleet
            .enrol_again(&mut laptop, &people.leads[0])
            .await
            .unwrap();
        assert!(world.poll(&laptop).await.orders.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_receipt_counts_once_and_the_first_word_stands() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let target = Target::Laptop {
            device: laptop.device,
        };
        for _ in 0..2 {
            fleet
                .stop(&people.officer, target.clone(), HoldClass::Other)
                .await
                .unwrap();
        }
        let orders = world.poll(&laptop).await.orders;
        let receipt = |place: usize, result| {
            let order = fleet.keys.open(&orders[place]).unwrap().into_message();
            laptop.seal(&laptop.receipt(&orders[place], &order, result))
        };
        // Out of order, twice, and then another word for the same order.
        for sealed in [
            receipt(1, OrderResult::Stopped),
            receipt(1, OrderResult::Stopped),
            receipt(0, OrderResult::Stopped),
            receipt(1, OrderResult::Refused),
        ] {
            fleet.caller.receipt(&sealed).await.unwrap();
        }
        let results = "select result from device_order order by seq";
        assert_eq!(world.database.texts(results).await, ["stopped", "stopped"]);
        let acted = "select count(*) from audit where event = 'order.acted'";
        assert_eq!(world.database.number(acted).await, 2);
        assert!(world.poll(&laptop).await.orders.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_visit_ends_once_however_often_it_is_said_and_however_long_ago() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
        let mut end = laptop.end(visit.lease.session, EndReason::Shutdown);
        end.ended_ago = Seconds::new(u32::MAX);
        fleet.caller.end_visit(&laptop.seal(&end)).await.unwrap();
        let other = laptop.end(visit.lease.session, EndReason::Staff);
        for again in [&end, &other] {
            fleet.caller.end_visit(&laptop.seal(again)).await.unwrap();
        }
        let reasons = "select end_reason from session";
        assert_eq!(world.database.texts(reasons).await, ["shutdown"]);
        let ended = "select count(*) from audit where event = 'session.ended'";
        assert_eq!(world.database.number(ended).await, 1);
        // No visit ends before it began, whatever a laptop says.
        let odd = "select count(*) from session where ended_at < started_at";
        assert_eq!(world.database.number(odd).await, 0);
        fleet.visit(&laptop, &people.staff).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_second_stop_is_a_second_reason_and_ends_the_visit_once() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
        let target = Target::Laptop {
            device: laptop.device,
        };
        for by in [&people.staff, &people.leads[0], &people.officer] {
            let outcome = fleet
                .stop(by, target.clone(), HoldClass::Stolen)
                .await
                .unwrap();
            assert!(matches!(outcome.outcome, Outcome::Stopped { .. }));
        }
        assert_eq!(world.standing(&target).await.len(), 3);
        assert_eq!(world.poll(&laptop).await.orders.len(), 3);
        assert_eq!(
            refused(fleet.renew(&laptop, &visit).await),
            Code::DeviceLost
        );
        let ended = "select count(*) from session where end_reason = 'stopped'";
        assert_eq!(world.database.number(ended).await, 1);
    })
    .await;
}

#[tokio::test]
async fn stops_to_an_earlier_enrolment_wait_for_nobody() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let mut laptop = fleet.laptop(people).await.unwrap();
        let target = Target::Laptop {
            device: laptop.device,
        };
        stop(world, target.clone(), HoldClass::Lost, Mode::Immediate).await;
        lift(world, target.clone()).await;
        assert_eq!(
            world.poll(&laptop).await.orders.len(),
            2,
            "never acknowledged"
        );
        fleet
            .enrol_again(&mut laptop, &people.leads[0])
            .await
            .unwrap();
        fleet
            .confirm_laptop(&laptop, &people.officer)
            .await
            .unwrap();
        assert_eq!(laptop.generation, Generation::new(2));
        stop(world, target, HoldClass::Other, Mode::Immediate).await;
        let orders = world.poll(&laptop).await.orders;
        let orders: Vec<_> = orders
            .iter()
            .map(|order| fleet.keys.open(order).unwrap().into_message())
            .map(|order| (order.seq, order.command.as_str(), order.generation))
            .collect();
        // The row of orders goes on where it was: a sequence is never used twice.
        let second = Generation::new(2);
        assert_eq!(
            orders,
            [
                (OrderSeq::new(3), "resume", second),
                (OrderSeq::new(4), "stop", second),
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn a_stop_is_given_however_many_reasons_stand_already() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let target = Target::Laptop {
            device: laptop.device,
        };
        // Anybody may report a loss, as often as they like.
        let mut last = None;
        for _ in 0..wardkey_schemas::limits::HOLDS + 6 {
            let outcome = fleet
                .stop(&people.staff, target.clone(), HoldClass::Lost)
                .await;
            let Outcome::Stopped { hold, .. } = outcome.unwrap().outcome else {
                panic!("not stopped");
            };
            last = Some(hold);
        }
        let reader = fleet.reader(&people.officer).await.unwrap();
        let question = wardkey_schemas::query::Question::Orders {
            device: laptop.device,
        };
        fleet.ask(&reader, question).await.unwrap();
        let newest = "select body from device_order order by seq desc limit 1";
        let newest = world.database.texts(newest).await.remove(0);
        let newest = wardkey_schemas::jws::Jws::parse(newest).unwrap();
        let order: wardkey_schemas::order::Order = fleet.keys.open(&newest).unwrap().into_message();
        let wardkey_schemas::order::Command::Stop { holds } = order.command else {
            panic!("another order");
        };
        assert_eq!(holds.len(), wardkey_schemas::limits::HOLDS);
        assert!(holds.iter().any(|hold| Some(hold.id) == last));
    })
    .await;
}
