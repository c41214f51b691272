//! The site's spare security key: it opens what any other opens, and each use of it is told.

use wardkey_fleet::Person;
use wardkey_keyd::store::Store;
use wardkey_schemas::Code;
use wardkey_schemas::action::{Act, Outcome, Target};
use wardkey_schemas::order::HoldClass;
use wardkey_schemas::query::{Answer, Question};
use wardkey_schemas::role::Role;

use crate::running::{World, on_each_engine, refused};

fn marks(key: &Person, spare: bool) -> Act {
    Act::MarkSpare {
        key: key.key(),
        spare,
        note: "".parse().unwrap(),
    }
}

/// How often the use of a spare was told.
async fn told(world: &World) -> usize {
    let sql = "select about from notification where event = 'spare-key-used'";
    world.database.texts(sql).await.len()
}

#[tokio::test]
async fn each_use_of_a_spare_key_is_told_and_no_use_of_another() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let [lead, other] = [&people.leads[0], &people.leads[1]];
        let spare = fleet.more_staff(people).await.unwrap();
        let laptop = fleet.laptop(people).await.unwrap();
        let answer = fleet.act(lead, marks(&spare, true)).await.unwrap();
        assert_eq!(answer.outcome, Outcome::SpareMarked { spare: true });
        assert_eq!(told(world).await, 0);
        let visit = fleet.visit(&laptop, &spare).await.unwrap();
        assert_eq!(told(world).await, 1);
        let visit = fleet.extend(&laptop, &spare, &visit).await.unwrap();
        assert_eq!(told(world).await, 2);
        // An act is a use as well.
        fleet.reader(&spare).await.unwrap();
        assert_eq!(told(world).await, 3);
        // A colleague takes over with their own.
        fleet.extend(&laptop, &people.staff, &visit).await.unwrap();
        fleet.reader(other).await.unwrap();
        assert_eq!(told(world).await, 3);
        let about = world.database.texts("select about from notification").await;
        assert!(
            about
                .iter()
                .all(|about| about.contains(&spare.key().to_string()))
        );
        let used = "select event from audit where event = 'alert.spare-key-used'";
        assert_eq!(world.database.texts(used).await.len(), 3, "and on record");

        let reader = fleet.reader(lead).await.unwrap();
        let Answer::Keys(rows) = fleet.ask(&reader, Question::Keys).await.unwrap() else {
            panic!("keys");
        };
        let spares: Vec<_> = rows.iter().filter(|row| row.spare).collect();
        assert_eq!(spares.len(), 1);
        assert_eq!(spares[0].key, spare.key());

        let answer = fleet.act(other, marks(&spare, false)).await.unwrap();
        assert_eq!(answer.outcome, Outcome::SpareMarked { spare: false });
        fleet.reader(&spare).await.unwrap();
        assert_eq!(told(world).await, 3);
    })
    .await;
}

#[tokio::test]
async fn a_refused_use_of_a_spare_key_is_no_use() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let spare = fleet.more_staff(people).await.unwrap();
        fleet
            .act(&people.leads[0], marks(&spare, true))
            .await
            .unwrap();
        let act = Act::Revoke {
            target: Target::Key {
                key: people.staff.key(),
            },
            note: "".parse().unwrap(),
        };
        assert_eq!(refused(fleet.act(&spare, act).await), Code::NotPermitted);
        assert_eq!(told(world).await, 0);
    })
    .await;
}

#[tokio::test]
async fn only_another_persons_key_in_use_at_the_own_site_becomes_a_spare() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let lead = &people.leads[0];
        let mark = async |key: &Person| refused(fleet.act(lead, marks(key, true)).await);
        assert_eq!(mark(lead).await, Code::ConfirmSelf);
        assert_eq!(mark(&fleet.second().staff).await, Code::NotFound);
        let gone = fleet.more_staff(people).await.unwrap();
        let act = Act::Revoke {
            target: Target::Key { key: gone.key() },
            note: "".parse().unwrap(),
        };
        fleet.act(&people.officer, act).await.unwrap();
        assert_eq!(mark(&gone).await, Code::StateTransition);
        for role in [Role::Staff, Role::Auditor] {
            let by = people.with(role);
            let answer = fleet.act(by, marks(&people.leads[1], true)).await;
            assert_eq!(refused(answer), Code::NotPermitted);
        }
    })
    .await;
}

#[tokio::test]
async fn a_site_with_laptops_and_no_spare_that_could_be_used_is_named() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let (wake, _wakes) = tokio::sync::mpsc::unbounded_channel();
        let store = Store::open(&world.url.parse().unwrap(), wake)
            .await
            .unwrap();
        let without = async || store.sites_without_spare().await.unwrap();
        assert!(without().await.is_empty(), "no site has a laptop yet");
        fleet.laptop(people).await.unwrap();
        let site = std::slice::from_ref(&people.site);
        assert_eq!(without().await, site);
        let spare = fleet.more_staff(people).await.unwrap();
        fleet
            .act(&people.leads[0], marks(&spare, true))
            .await
            .unwrap();
        assert!(without().await.is_empty());
        let target = Target::Key { key: spare.key() };
        fleet
            .stop(&people.leads[0], target, HoldClass::Lost)
            .await
            .unwrap();
        assert_eq!(without().await, site, "a spare that was lost is none");
        store.close().await;
    })
    .await;
}
