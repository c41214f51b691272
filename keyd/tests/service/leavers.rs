//! People who leave: all their keys at the site at once, and no patient's call.

use wardkey_edge::client::CallError;
use wardkey_fleet::Person;
use wardkey_schemas::Code;
use wardkey_schemas::action::{Act, ActionAnswer, Outcome, Target};
use wardkey_schemas::ids::PersonId;
use wardkey_schemas::key_enrolment::Voucher;
use wardkey_schemas::order::HoldClass;
use wardkey_schemas::query::{Answer, Question};
use wardkey_schemas::role::Role;
use wardkey_schemas::status::ObjectState;

use crate::running::{World, on_each_engine, refused};

async fn leaves(world: &World, by: &Person, person: PersonId) -> Result<ActionAnswer, CallError> {
    let note = "".parse().unwrap();
    world.fleet.act(by, Act::Leaver { person, note }).await
}

#[tokio::test]
async fn whoever_leaves_starts_nothing_and_finishes_the_call_that_runs() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let lead = &people.leads[0];
        let leaver = fleet.more_staff(people).await.unwrap();
        let (laptop, other) = (
            fleet.laptop(people).await.unwrap(),
            fleet.laptop(people).await.unwrap(),
        );
        let visit = fleet.visit(&laptop, &leaver).await.unwrap();
        let answer = leaves(world, lead, leaver.id).await.unwrap();
        let Outcome::PersonLeft { keys, visits } = answer.outcome else {
            panic!("{:?}", answer.outcome);
        };
        assert_eq!((keys, visits), (vec![leaver.key()], 1));
        // The patient's call goes on, for so long as a call may after a stop that waits for its end.
        let renewed = fleet.renew(&laptop, &visit).await.unwrap();
        assert!(
            renewed.lease.hard_end_in.number() <= 3600,
            "{:?}",
            renewed.lease
        );
        // More time is a start.
        let more = fleet.extend(&laptop, &leaver, &renewed).await;
        assert_eq!(refused(more), Code::KeyRevoked);
        assert_eq!(
            refused(fleet.visit(&other, &leaver).await),
            Code::KeyRevoked
        );
        assert_eq!(
            refused(fleet.reader(&leaver).await.map(drop)),
            Code::KeyRevoked
        );
        // A colleague takes the visit over.
        fleet
            .extend(&laptop, &people.staff, &renewed)
            .await
            .unwrap();

        let reader = fleet.reader(lead).await.unwrap();
        let Answer::Keys(rows) = fleet.ask(&reader, Question::Keys).await.unwrap() else {
            panic!("keys");
        };
        let row = rows.iter().find(|row| row.key == leaver.key()).unwrap();
        assert_eq!(row.state, ObjectState::Revoked);
        assert!(row.left.is_some());
        let told = "select event from notification where event = 'stopped'";
        assert_eq!(world.database.texts(told).await.len(), 1);
        // Twice is once.
        let again = leaves(world, lead, leaver.id).await;
        assert_eq!(refused(again), Code::NotFound);
    })
    .await;
}

#[tokio::test]
async fn a_stop_that_acts_at_once_ends_the_call_of_somebody_who_has_left() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let leaver = fleet.more_staff(people).await.unwrap();
        let laptop = fleet.laptop(people).await.unwrap();
        let visit = fleet.visit(&laptop, &leaver).await.unwrap();
        leaves(world, &people.leads[0], leaver.id).await.unwrap();
        let target = Target::Key { key: leaver.key() };
        fleet
            .stop(&people.officer, target, HoldClass::Misuse)
            .await
            .unwrap();
        assert!(fleet.renew(&laptop, &visit).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn the_token_of_somebody_who_has_left_is_enrolled_for_somebody_else() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let leaver = fleet.more_staff(people).await.unwrap();
        let again = async || {
            let (_, seed) = fleet.fresh();
            let token = fleet
                .installation
                .token_maker
                .token(&seed, leaver.token.serial);
            let by = Voucher::Person {
                certificate: people.leads[0].certificate.clone(),
            };
            let site = fleet.installation.site(&people.site);
            let lead = Some(&people.leads[0]);
            fleet.enrol_key(site, token, Role::Staff, by, lead).await
        };
        assert_eq!(refused(again().await), Code::TokenDuplicate);
        leaves(world, &people.officer, leaver.id).await.unwrap();
        let next = again().await.unwrap();
        fleet.confirm_key(&next, &people.leads[1]).await.unwrap();
        let laptop = fleet.laptop(people).await.unwrap();
        fleet.visit(&laptop, &next).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn who_lets_whom_go_is_as_who_vouches_for_whom() {
    on_each_engine(async |world| {
        let people = world.fleet.first();
        let [lead, other] = [&people.leads[0], &people.leads[1]];
        let refused =
            async |by: &Person, person: &Person| refused(leaves(world, by, person.id).await);
        assert_eq!(refused(lead, lead).await, Code::ConfirmSelf);
        assert_eq!(refused(lead, &people.officer).await, Code::NotPermitted);
        assert_eq!(refused(lead, &people.auditor).await, Code::NotPermitted);
        for role in [Role::Staff, Role::Auditor] {
            assert_eq!(refused(people.with(role), other).await, Code::NotPermitted);
        }
        let far = &world.fleet.second().staff;
        assert_eq!(refused(lead, far).await, Code::NotFound);
        leaves(world, lead, other.id).await.unwrap();
        leaves(world, &people.officer, people.auditor.id)
            .await
            .unwrap();
    })
    .await;
}
