//! Visits that change hands or laptops: a colleague takes over, a visit moves.

use wardkey_fleet::{Laptop, Person, Visit};
use wardkey_schemas::Code;
use wardkey_schemas::action::Target;
use wardkey_schemas::challenge::{Purpose, RoomChoice};
use wardkey_schemas::order::{Command, HoldClass, Mode};
use wardkey_schemas::query::{Answer, Question, SessionRow};
use wardkey_schemas::session::EndReason;

use crate::running::{World, on_each_engine, refused};

use super::stop;

async fn move_to(
    world: &World,
    laptop: &Laptop,
    person: &Person,
) -> Result<Visit, wardkey_edge::client::CallError> {
    let (purpose, room) = (Purpose::Move, RoomChoice::New);
    world.fleet.visit_for(laptop, person, purpose, room).await
}

/// The row of a visit, as the site's officer sees it.
async fn row(world: &World, visit: &Visit) -> SessionRow {
    let reader = world.fleet.reader(&world.fleet.first().officer).await;
    let answer = world.fleet.ask(&reader.unwrap(), Question::Sessions).await;
    let Answer::Sessions(rows) = answer.unwrap() else {
        panic!("the answer to another question");
    };
    let found = rows
        .into_iter()
        .find(|row| row.session == visit.lease.session);
    found.unwrap()
}

#[tokio::test]
pub(crate) async fn a_colleague_takes_a_visit_over_and_a_stop_of_either_key_ends_it() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        for (stop_first, mode) in [
            (true, Mode::Immediate),
            (false, Mode::Immediate),
            (true, Mode::AfterThisCall),
        ] {
            let first = fleet.more_staff(people).await.unwrap();
            let second = fleet.more_staff(people).await.unwrap();
            let laptop = fleet.laptop(people).await.unwrap();
            let visit = fleet.visit(&laptop, &first).await.unwrap();
            let visit = fleet.extend(&laptop, &second, &visit).await.unwrap();
            let visit = fleet.renew(&laptop, &visit).await.unwrap();
            let listed = row(world, &visit).await;
            assert_eq!(listed.staff_key, second.key());
            assert_eq!(listed.earlier_keys, [first.key()]);
            let events = "select count(*) from audit where event = 'session.taken-over'";
            assert!(world.database.number(events).await >= 1);

            let stopped = if stop_first { &first } else { &second };
            let target = Target::Key { key: stopped.key() };
            stop(world, target, HoldClass::Other, mode).await;
            let renewed = fleet.renew(&laptop, &visit).await;
            match mode {
                Mode::Immediate => {
                    assert_eq!(refused(renewed), Code::KeySuspended);
                    let ended = row(world, &visit).await;
                    assert_eq!(ended.end_reason.as_deref(), Some("stopped"));
                }
                // It may be finished, and its end has come nearer.
                Mode::AfterThisCall => {
                    let lease = renewed.unwrap().lease;
                    assert!(lease.hard_end_in.number() <= 3600);
                }
            }
        }
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_visit_moves_to_another_laptop_and_keeps_its_room() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let staff = &people.staff;
        let (old, new) = (
            fleet.laptop(people).await.unwrap(),
            fleet.laptop(people).await.unwrap(),
        );
        let before = fleet.visit(&old, staff).await.unwrap();
        let after = move_to(world, &new, staff).await.unwrap();
        assert_eq!(after.lease.room, before.lease.room);
        assert_eq!(after.lease.moved_from, Some(before.lease.session));
        assert_ne!(after.lease.session, before.lease.session);

        // The laptop where it ran is told, and its visit is over whatever it does.
        let waiting = world.poll(&old).await.orders;
        let order = fleet.keys.open(waiting.last().unwrap()).unwrap();
        let session = before.lease.session;
        assert_eq!(
            order.into_message().command,
            Command::EndSession { session }
        );
        let renewed = fleet.renew(&old, &before).await;
        assert_eq!(refused(renewed), Code::SessionEnded);
        let end = old.end(session, EndReason::Stopped);
        fleet.caller.end_visit(&old.seal(&end)).await.unwrap();
        assert_eq!(
            row(world, &before).await.end_reason.as_deref(),
            Some("moved")
        );
        assert_eq!(row(world, &after).await.moved_from, Some(session));

        // The room is open still: the visit goes on, and moves back.
        let after = fleet.renew(&new, &after).await.unwrap();
        assert_eq!(after.lease.moved_from, None);
        let back = move_to(world, &old, staff).await.unwrap();
        assert_eq!(back.lease.room, before.lease.room);
        // An answer that was lost is had again by moving again, on the laptop itself.
        let again = move_to(world, &old, staff).await.unwrap();
        assert_eq!(again.lease.room, before.lease.room);
        fleet.renew(&old, &again).await.unwrap();
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_colleague_may_move_a_visit_that_they_handed_over() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let (first, second) = (&people.staff, &people.leads[0]);
        let (old, new) = (
            fleet.laptop(people).await.unwrap(),
            fleet.laptop(people).await.unwrap(),
        );
        let visit = fleet.visit(&old, first).await.unwrap();
        let visit = fleet.extend(&old, second, &visit).await.unwrap();
        let moved = move_to(world, &new, first).await.unwrap();
        assert_eq!(moved.lease.moved_from, Some(visit.lease.session));
        assert_eq!(moved.lease.staff_key, first.key());
    })
    .await;
}

#[tokio::test]
pub(crate) async fn a_visit_moves_only_with_its_own_key_at_its_own_site_while_it_runs() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let (staff, lead) = (&people.staff, &people.leads[0]);
        let (old, new) = (
            fleet.laptop(people).await.unwrap(),
            fleet.laptop(people).await.unwrap(),
        );
        let none = move_to(world, &new, staff).await;
        assert_eq!(refused(none), Code::SessionUnknown);
        let visit = fleet.visit(&old, staff).await.unwrap();
        let of_another = move_to(world, &new, lead).await;
        assert_eq!(refused(of_another), Code::SessionUnknown);
        let room = RoomChoice::Existing {
            room: visit.lease.room,
        };
        let chosen = fleet.visit_for(&new, staff, Purpose::Move, room).await;
        assert_eq!(refused(chosen), Code::ContextRoom);
        let elsewhere = fleet.laptop(fleet.second()).await.unwrap();
        let away = move_to(world, &elsewhere, staff).await;
        assert_eq!(refused(away), Code::KeyNotForThisSite);

        // A visit that ends between challenge and activation does not move, and nothing is begun.
        let (purpose, new_room) = (Purpose::Move, RoomChoice::New);
        let challenge = fleet.challenge(&new, staff, purpose, new_room).await;
        let draft = wardkey_fleet::ActivationDraft::new(&new, staff, &challenge.unwrap(), purpose);
        let end = old.end(visit.lease.session, EndReason::Staff);
        fleet.caller.end_visit(&old.seal(&end)).await.unwrap();
        let late = fleet.activate(&draft.sign(&new, staff)).await;
        assert_eq!(refused(late), Code::SessionEnded);

        // A laptop that is stopped is no place to move to.
        let visit = fleet.visit(&old, staff).await.unwrap();
        let target = Target::Laptop { device: new.device };
        stop(world, target, HoldClass::Maintenance, Mode::Immediate).await;
        let stopped = move_to(world, &new, staff).await;
        assert_eq!(refused(stopped), Code::DeviceSuspended);
        fleet.renew(&old, &visit).await.unwrap();
    })
    .await;
}
