//! Visits that do not begin, go on or end: nonces, rooms, sessions.

use wardkey_fleet::{ActivationDraft, Laptop, Person, Visit};
use wardkey_schemas::Code;
use wardkey_schemas::challenge::{Purpose, RoomChoice};
use wardkey_schemas::ids::{ChallengeId, Generation, OrderSeq, RoomId, SessionId};
use wardkey_schemas::order::{HoldClass, OrderResult};
use wardkey_schemas::session::EndReason;

use crate::running::{World, denied, on_each_engine, refused};

/// An honest answer to a fresh challenge.
async fn answer(
    world: &World,
    laptop: &Laptop,
    person: &Person,
    purpose: Purpose,
    room: RoomChoice,
) -> ActivationDraft {
    let challenge = world.fleet.challenge(laptop, person, purpose, room).await;
    ActivationDraft::new(laptop, person, &challenge.unwrap(), purpose)
}

async fn end(world: &World, laptop: &Laptop, visit: &Visit) {
    let end = laptop.end(visit.lease.session, EndReason::Staff);
    let answer = world.fleet.caller.end_visit(&laptop.seal(&end)).await;
    answer.unwrap();
}

#[tokio::test]
pub(crate) async fn a_challenge_works_once_and_in_its_time() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let new = (Purpose::Activate, RoomChoice::New);
        let draft = answer(world, &laptop, &people.staff, new.0, new.1).await;
        let body = draft.sign(&laptop, &people.staff);
        let visit = fleet.activate(&body).await.unwrap();
        // The same bytes again: the visit that they opened goes on.
        assert_eq!(refused(fleet.activate(&body).await), Code::NonceUsed);
        let visit = fleet.renew(&laptop, &visit).await.unwrap();
        end(world, &laptop, &visit).await;

        let draft = answer(world, &laptop, &people.staff, new.0, new.1).await;
        let past = "update challenge set expires_at = issued_at where consumed_at is null";
        assert_eq!(world.database.change(past).await, 1);
        let nonce = draft.request_nonce;
        let late = fleet.activate(&draft.sign(&laptop, &people.staff)).await;
        let denial = denied(world, &laptop, nonce, late);
        assert_eq!(denial.refusal.code(), Code::NonceExpired);

        let draft = answer(world, &laptop, &people.staff, new.0, new.1).await;
        let mut body = draft.sign(&laptop, &people.staff);
        body.challenge = ChallengeId::from_random([7; 16]);
        assert_eq!(refused(fleet.activate(&body).await), Code::NonceUnknown);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_visit_is_in_an_open_room_of_its_site() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let other = fleet.laptop(people).await.unwrap();
        let enter = async |room| {
            let room = RoomChoice::Existing { room };
            let purpose = Purpose::Activate;
            fleet
                .visit_for(&other, &people.leads[0], purpose, room)
                .await
        };
        let unknown = RoomId::from_random([9; 16]);
        assert_eq!(refused(enter(unknown).await), Code::RoomUnknown);
        let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
        let shared = enter(visit.lease.room).await.unwrap();
        assert_eq!(shared.lease.room, visit.lease.room);

        // Closed between the challenge and its answer.
        let third = fleet.laptop(people).await.unwrap();
        let room = RoomChoice::Existing {
            room: visit.lease.room,
        };
        let late = answer(world, &third, &people.leads[1], Purpose::Activate, room).await;
        end(world, &laptop, &visit).await;
        let nonce = late.request_nonce;
        let refusal = fleet.activate(&late.sign(&third, &people.leads[1])).await;
        let denial = denied(world, &third, nonce, refusal);
        assert_eq!(denial.refusal.code(), Code::RoomClosed);
        assert_eq!(refused(enter(visit.lease.room).await), Code::RoomClosed);

        // An extension stays in its room.
        let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
        let purpose = Purpose::Extend {
            session: visit.lease.session,
        };
        let elsewhere = [
            RoomChoice::New,
            RoomChoice::Existing { room: unknown },
            RoomChoice::Existing {
                room: shared.lease.room,
            },
        ];
        for room in elsewhere {
            let moved = fleet.visit_for(&laptop, &people.staff, purpose, room).await;
            assert_eq!(refused(moved), Code::ContextRoom);
        }
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_key_has_one_visit_and_a_refused_second_one_disturbs_nobody() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let (staff, lead) = (&people.staff, &people.leads[0]);
        let (first, second) = (
            fleet.laptop(people).await.unwrap(),
            fleet.laptop(people).await.unwrap(),
        );
        let visit = fleet.visit(&first, staff).await.unwrap();
        // Somebody else's visit runs on the second laptop, where staff try to start one.
        let theirs = fleet.visit(&second, lead).await.unwrap();
        let draft = answer(world, &second, staff, Purpose::Activate, RoomChoice::New).await;
        let nonce = draft.request_nonce;
        let rooms = "select count(*) from room";
        let before = world.database.number(rooms).await;
        let no = fleet.activate(&draft.sign(&second, staff)).await;
        let denial = denied(world, &second, nonce, no);
        assert_eq!(denial.refusal.code(), Code::KeyInUseElsewhere);
        assert_eq!(
            world.database.number(rooms).await,
            before,
            "a room was left open"
        );
        let visit = fleet.renew(&first, &visit).await.unwrap();
        let theirs = fleet.renew(&second, &theirs).await.unwrap();

        // Nor can they extend it with a key that is in use elsewhere.
        let no = fleet.extend(&second, staff, &theirs).await;
        assert_eq!(refused(no), Code::KeyInUseElsewhere);
        fleet.renew(&second, &theirs).await.unwrap();

        // A laptop that died holds its nurse up no longer than its lease.
        let over = "update session set cannot_run_past = 1 where seq = 1 and ended_at is null \
                    and key in (select key from challenge)";
        assert!(world.database.change(over).await >= 1);
        let moved = fleet.visit(&second, staff).await.unwrap();
        assert_eq!(
            refused(fleet.renew(&first, &visit).await),
            Code::SessionEnded
        );
        fleet.renew(&second, &moved).await.unwrap();
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_new_visit_on_a_laptop_takes_the_place_of_the_one_before() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let before = fleet.visit(&laptop, &people.staff).await.unwrap();
        let after = fleet.visit(&laptop, &people.leads[0]).await.unwrap();
        let ended = fleet.renew(&laptop, &before).await;
        assert_eq!(refused(ended), Code::SessionEnded);
        let extended = fleet.extend(&laptop, &people.staff, &before).await;
        assert_eq!(refused(extended), Code::SessionEnded);
        fleet.renew(&laptop, &after).await.unwrap();
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_visit_ends_at_its_hard_end_and_can_be_extended_by_another_key_before() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let visit = fleet.visit(&laptop, &people.staff).await.unwrap();
        let visit = fleet.extend(&laptop, &people.leads[0], &visit).await;
        let visit = visit.unwrap();
        assert_eq!(visit.lease.staff_key, people.leads[0].key());
        let visit = fleet.renew(&laptop, &visit).await.unwrap();
        // The first key is free again.
        let other = fleet.laptop(people).await.unwrap();
        fleet.visit(&other, &people.staff).await.unwrap();
        // And the new one answers for the visit: stopping it ends the visit.
        let over = format!(
            "update session set hard_end = 1 where seq = {}",
            visit.lease.seq
        );
        assert_eq!(world.database.change(&over).await, 1);
        let request = visit.renewal_body(&laptop);
        let ended = fleet.caller.renew(&request).await;
        assert_eq!(refused(ended), Code::SessionHardEnd);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_laptop_speaks_of_its_own_visits_orders_and_enrolment() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let other = fleet.laptop(people).await.unwrap();
        let visit = fleet.visit(&other, &people.staff).await.unwrap();
        let unknown = SessionId::from_random([3; 16]);
        for session in [visit.lease.session, unknown] {
            let said = laptop.end(session, EndReason::Staff);
            let answer = fleet.caller.end_visit(&laptop.seal(&said)).await;
            let denial = denied(world, &laptop, said.nonce, answer);
            assert_eq!(denial.refusal.code(), Code::SessionUnknown);
        }
        // A renewal of a visit that never was is answered, signed, to the laptop that asks.
        let mut request = visit.renewal(&laptop);
        (request.session, request.device) = (unknown, laptop.device);
        let nonce = request.gate_nonce;
        let body = wardkey_schemas::renewal::RenewalBody {
            session: unknown,
            request: laptop.sign(&request),
        };
        let denial = denied(world, &laptop, nonce, fleet.caller.renew(&body).await);
        assert_eq!(denial.refusal.code(), Code::SessionUnknown);
        fleet.renew(&other, &visit).await.unwrap();

        let mut question = laptop.status(OrderSeq::NONE);
        question.generation = Generation::new(2);
        let answer = fleet.caller.poll(&laptop.seal(&question)).await;
        let denial = denied(world, &laptop, question.nonce, answer);
        assert_eq!(denial.refusal.code(), Code::DeviceGeneration);
        let mut question = laptop.status(OrderSeq::NONE);
        question.device = other.device;
        let answer = fleet.caller.poll(&laptop.seal(&question)).await;
        let denial = denied(world, &laptop, question.nonce, answer);
        assert_eq!(denial.refusal.code(), Code::ContextDevice);
        let stranger = fleet.new_laptop(&people.site, wardkey_fleet::tpm::EkKind::P256);
        let question = stranger.status(OrderSeq::NONE);
        let answer = fleet.caller.poll(&stranger.seal(&question)).await;
        assert_eq!(refused(answer), Code::DeviceUnknown);
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_receipt_is_for_an_order_that_was_given_to_this_laptop() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let other = fleet.laptop(people).await.unwrap();
        for device in [laptop.device, other.device] {
            let target = wardkey_schemas::action::Target::Laptop { device };
            fleet
                .stop(&people.officer, target, HoldClass::Other)
                .await
                .unwrap();
        }
        let first = async |laptop: &Laptop| {
            let envelope = world.poll(laptop).await.orders.remove(0);
            let order = fleet.keys.open(&envelope).unwrap().into_message();
            (envelope, order)
        };
        let (ours, theirs) = (first(&laptop).await, first(&other).await);
        let honest = laptop.receipt(&ours.0, &ours.1, OrderResult::Stopped);
        let mut later = honest.clone();
        later.seq = OrderSeq::new(9);
        let mut beyond = honest.clone();
        beyond.seq = OrderSeq::new(u64::MAX);
        let swapped = laptop.receipt(&theirs.0, &theirs.1, OrderResult::Stopped);
        let mut half = honest.clone();
        half.order_sha256 = theirs.0.sha256();
        for (code, receipt) in [
            (Code::NotFound, later),
            (Code::NotFound, beyond),
            (Code::OrderDevice, swapped),
            (Code::OrderDevice, half),
        ] {
            let answer = fleet.caller.receipt(&laptop.seal(&receipt)).await;
            let denial = denied(world, &laptop, receipt.nonce, answer);
            assert_eq!(denial.refusal.code(), code);
        }
        assert_eq!(world.poll(&laptop).await.orders.len(), 1);
        // However long ago it says: no time before 1970, no overflow.
        let mut ancient = honest;
        (ancient.received_ago_ms, ancient.acted_ago_ms) = (u64::MAX, u64::MAX);
        fleet.caller.receipt(&laptop.seal(&ancient)).await.unwrap();
        assert!(world.poll(&laptop).await.orders.is_empty());
    })
    .await;
}
