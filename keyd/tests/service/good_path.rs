//! Once through everything, as it should go.

use wardkey_fleet::tpm::EkKind;
use wardkey_fleet::{ActivationDraft, Laptop, Visit};
use wardkey_schemas::Code;
use wardkey_schemas::action::{Act, Outcome, Target};
use wardkey_schemas::challenge::{Purpose, RoomChoice};
use wardkey_schemas::ids::{Generation, OrderSeq};
use wardkey_schemas::jws::Jws;
use wardkey_schemas::order::{Command, HoldClass, Order, OrderResult};
use wardkey_schemas::query::{Answer, Question};
use wardkey_schemas::session::EndReason;
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::time::Seconds;

use crate::link::{Linked, heartbeat, order};
use crate::running::{World, denied, on_each_engine, refused};

#[tokio::test]
pub(crate) async fn a_laptop_goes_through_everything_that_can_happen_to_it() {
    on_each_engine(async |world| {
        let mut laptop = enrol(world).await;
        let visit = open_renew_and_extend(world, &laptop).await;
        stop_and_resume(world, &laptop, &visit).await;
        enrol_again(world, &mut laptop).await;
        read_it_all(world, &laptop).await;
    })
    .await;
}

async fn enrol(world: &World) -> Laptop {
    let (fleet, people) = (&world.fleet, world.fleet.first());
    let mut laptop = fleet.new_laptop(&people.site, EkKind::Rsa);
    fleet
        .enrol_laptop(&mut laptop, &people.leads[0])
        .await
        .unwrap();
    let early = fleet.visit(&laptop, &people.staff).await;
    assert_eq!(refused(early), Code::DevicePending);
    let confirmed = fleet.confirm_laptop(&laptop, &people.leads[1]).await;
    assert_eq!(confirmed.unwrap().outcome, Outcome::Confirmed);
    assert_eq!(world.state_of(&laptop).await, ObjectState::Active);
    laptop
}

async fn open_renew_and_extend(world: &World, laptop: &Laptop) -> Visit {
    let (fleet, staff) = (&world.fleet, &world.fleet.first().staff);
    let first = fleet.visit(laptop, staff).await.unwrap();
    assert_eq!(first.lease.sub, laptop.device);
    assert_eq!(
        first.lease.cnf.jkt,
        laptop.chip.device.public().thumbprint()
    );
    assert_eq!((first.lease.seq, first.lease.staff_key), (0, staff.key()));
    assert_eq!(first.lease.reset_count, laptop.chip.reset_count);
    assert_eq!(first.lease.last_order, OrderSeq::NONE);

    let request = first.renewal_body(laptop);
    let renewed = fleet.caller.renew(&request).await.unwrap();
    let again = fleet.caller.renew(&request).await.unwrap();
    assert_eq!(renewed.lease.as_str(), again.lease.as_str());
    let second = fleet.visit_of(renewed.lease);
    assert_eq!(
        (second.lease.seq, second.lease.session),
        (1, first.lease.session)
    );
    assert!(second.lease.hard_end_in <= first.lease.hard_end_in);

    let extended = extend_in_vain_and_again(world, laptop, &second).await;
    assert_eq!(
        (extended.lease.seq, extended.lease.room),
        (2, first.lease.room)
    );
    let gained = Seconds::new(1800);
    assert!(extended.lease.hard_end_in > second.lease.hard_end_in);
    assert!(extended.lease.hard_end_in <= second.lease.hard_end_in.plus(gained));
    fleet.renew(laptop, &extended).await.unwrap()
}

/// Extends a visit. The answer is lost the first time, and the same signature brings the same lease.
async fn extend_in_vain_and_again(world: &World, laptop: &Laptop, visit: &Visit) -> Visit {
    let (fleet, staff) = (&world.fleet, &world.fleet.first().staff);
    let purpose = Purpose::Extend {
        session: visit.lease.session,
    };
    let room = RoomChoice::Existing {
        room: visit.lease.room,
    };
    let challenge = fleet.challenge(laptop, staff, purpose, room).await.unwrap();
    let draft = ActivationDraft::new(laptop, staff, &challenge, purpose);
    let body = draft.sign(laptop, staff);
    let lost = fleet.activate(&body).await.unwrap();
    let extended = fleet.activate(&body).await.unwrap();
    assert_eq!(lost.envelope.as_str(), extended.envelope.as_str());
    extended
}

async fn stop_and_resume(world: &World, laptop: &Laptop, visit: &Visit) {
    let (fleet, people) = (&world.fleet, world.fleet.first());
    let mut link = Linked::open(world, laptop).await;
    heartbeat(world, &mut link, 1).await;

    let target = Target::Laptop {
        device: laptop.device,
    };
    // Whoever misses it stops it.
    let stopped = fleet
        .stop(&people.staff, target.clone(), HoldClass::Lost)
        .await;
    let Outcome::Stopped { hold, orders } = stopped.unwrap().outcome else {
        panic!("not stopped");
    };
    let (envelope, stop) = order(world, &mut link).await;
    assert_eq!((orders.len(), orders[0].seq), (1, stop.seq));
    assert_eq!(stop.device_key, laptop.chip.device.public().thumbprint());
    let Command::Stop { holds } = &stop.command else {
        panic!("another order: {:?}", stop.command);
    };
    assert_eq!(
        (holds.len(), holds[0].id, holds[0].class),
        (1, hold, HoldClass::Lost)
    );

    // The same order in the poll and with the denial of a renewal.
    let status = world.poll(laptop).await;
    assert_eq!(texts(&status.orders), [envelope.as_str()]);
    assert_eq!(status.holds[0].id, hold);
    let renewal = visit.renewal_body(laptop);
    let nonce = renewal_nonce(&renewal, laptop);
    let denial = denied(world, laptop, nonce, fleet.caller.renew(&renewal).await);
    assert_eq!(denial.refusal.code(), Code::DeviceLost);
    assert_eq!(texts(&denial.orders), [envelope.as_str()]);

    let receipt = laptop.receipt(&envelope, &stop, OrderResult::Stopped);
    fleet.caller.receipt(&laptop.seal(&receipt)).await.unwrap();
    assert!(world.poll(laptop).await.orders.is_empty());
    let opened = fleet.visit(laptop, &people.staff).await;
    assert_eq!(refused(opened), Code::DeviceLost);

    // Two people of two roles bring it back, into quarantine.
    let resume = Act::Resume {
        target,
        holds: vec![hold],
        note: "found in the office".parse().unwrap(),
    };
    let asked = fleet.act(&people.leads[0], resume).await.unwrap();
    let resumed = fleet.agree(&people.officer, &asked.outcome).await;
    let Outcome::Resumed { remaining, orders } = resumed.unwrap().outcome else {
        panic!("two people were not enough");
    };
    assert_eq!((remaining.len(), orders.len()), (0, 1));
    let (envelope, lifted) = order(world, &mut link).await;
    let Command::Resume { holds, approvals } = &lifted.command else {
        panic!("another order: {:?}", lifted.command);
    };
    assert_eq!((holds.as_slice(), approvals.len()), (&[hold][..], 2));
    let receipt = laptop.receipt(&envelope, &lifted, OrderResult::Resumed);
    fleet.caller.receipt(&laptop.seal(&receipt)).await.unwrap();
    assert_eq!(world.state_of(laptop).await, ObjectState::Quarantine);
    let opened = fleet.visit(laptop, &people.staff).await;
    assert_eq!(refused(opened), Code::DeviceQuarantined);
}

async fn enrol_again(world: &World, laptop: &mut Laptop) {
    let (fleet, people) = (&world.fleet, world.fleet.first());
    let (device, before) = (laptop.device, laptop.status(OrderSeq::NONE));
    let with_old_key = laptop.seal(&before);
    fleet.enrol_again(laptop, &people.leads[1]).await.unwrap();
    assert_eq!(
        (laptop.device, laptop.generation),
        (device, Generation::new(2))
    );
    // The key of the first enrolment speaks for nobody any more.
    let old = fleet.caller.poll(&with_old_key).await;
    assert_eq!(refused(old), Code::DeviceUnknown);
    fleet.confirm_laptop(laptop, &people.officer).await.unwrap();
    let visit = fleet.visit(laptop, &people.staff).await.unwrap();
    assert_eq!(visit.lease.generation, Generation::new(2));
    let visit = fleet.renew(laptop, &visit).await.unwrap();
    let end = laptop.end(visit.lease.session, EndReason::Staff);
    fleet.caller.end_visit(&laptop.seal(&end)).await.unwrap();
    assert_eq!(
        refused(fleet.renew(laptop, &visit).await),
        Code::SessionEnded
    );
}

async fn read_it_all(world: &World, laptop: &Laptop) {
    let (fleet, people) = (&world.fleet, world.fleet.first());
    let reader = fleet.reader(&people.auditor).await.unwrap();
    let Answer::Laptops(laptops) = fleet.ask(&reader, Question::Laptops).await.unwrap() else {
        panic!("another answer");
    };
    assert_eq!((laptops.len(), laptops[0].device), (1, laptop.device));
    assert!(laptops[0].holds.is_empty() && laptops[0].session.is_none());
    let Answer::Keys(keys) = fleet.ask(&reader, Question::Keys).await.unwrap() else {
        panic!("another answer");
    };
    assert_eq!(keys.len(), 5);
    let Answer::Sessions(visits) = fleet.ask(&reader, Question::Sessions).await.unwrap() else {
        panic!("another answer");
    };
    assert!(visits.iter().all(|visit| visit.ended_at.is_some()));
    let reasons: Vec<_> = visits
        .iter()
        .filter_map(|v| v.end_reason.as_deref())
        .collect();
    assert_eq!(reasons, ["staff", "stopped"]);
    let device = laptop.device;
    let question = Question::Orders { device };
    let Answer::Orders(orders) = fleet.ask(&reader, question).await.unwrap() else {
        panic!("another answer");
    };
    let results: Vec<_> = orders.iter().filter_map(|o| o.result.as_deref()).collect();
    assert_eq!(results, ["resumed", "stopped"]);
    let question = Question::Record { before: None };
    let Answer::Record(record) = fleet.ask(&reader, question).await.unwrap() else {
        panic!("another answer");
    };
    let mut story: Vec<&str> = record
        .iter()
        .filter(|row| row.target.contains(&laptop.device.to_string()))
        .map(|row| row.event.as_str())
        .collect();
    story.reverse();
    assert_eq!(
        story,
        [
            "laptop.announced",
            "laptop.issued",
            "challenge.refused",
            "laptop.confirmed",
            "session.started",
            "session.extended",
            "laptop.stopped",
            "alert.lost-laptop-seen",
            "renewal.refused",
            "order.acted",
            "challenge.refused",
            "second.wanted",
            "resumed",
            "order.acted",
            "challenge.refused",
            "laptop.announced",
            "laptop.issued",
            "laptop.confirmed",
            "session.started",
            "session.ended",
            "renewal.refused",
        ]
    );
}

fn texts(orders: &[Jws<Order>]) -> Vec<&str> {
    orders.iter().map(Jws::as_str).collect()
}

fn renewal_nonce(
    body: &wardkey_schemas::renewal::RenewalBody,
    laptop: &Laptop,
) -> wardkey_schemas::bytes::Nonce {
    let opened = body.request.open(laptop.chip.device.public()).unwrap();
    opened.message().gate_nonce
}
