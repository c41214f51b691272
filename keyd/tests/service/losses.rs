//! Reports of a loss: by tag and number, a pair as one, by everybody who may miss something.

use wardkey_edge::client::CallError;
use wardkey_fleet::{Laptop, Person};
use wardkey_schemas::Code;
use wardkey_schemas::action::{Act, ActionAnswer, Outcome, Target};
use wardkey_schemas::ids::HoldId;
use wardkey_schemas::order::HoldClass;

use crate::running::{World, on_each_engine, refused};

/// A report, to be spoiled.
#[derive(Clone, Copy)]
struct Loss<'a> {
    laptop: Option<&'a Laptop>,
    key: Option<&'a Person>,
    stolen: bool,
    pin_may_be_known: bool,
}

async fn report(world: &World, by: &Person, loss: Loss<'_>) -> Result<ActionAnswer, CallError> {
    let act = Act::ReportLost {
        laptop: loss.laptop.map(|laptop| laptop.asset.clone()),
        key: loss.key.map(|person| person.token.serial),
        stolen: loss.stolen,
        pin_may_be_known: loss.pin_may_be_known,
        note: "".parse().unwrap(),
    };
    world.fleet.act(by, act).await
}

fn laptop_target(laptop: &Laptop) -> Target {
    Target::Laptop {
        device: laptop.device,
    }
}

async fn classes(world: &World) -> Vec<String> {
    let sql = "select class from hold order by target_kind desc, class";
    world.database.texts(sql).await
}

#[tokio::test]
async fn a_pair_is_reported_as_one_and_neither_opens_anything_afterwards() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let (missing, other) = (
            fleet.more_staff(people).await.unwrap(),
            fleet.laptop(people).await.unwrap(),
        );
        let visit = fleet.visit(&laptop, &missing).await.unwrap();
        let pair = Loss {
            laptop: Some(&laptop),
            key: Some(&missing),
            stolen: false,
            pin_may_be_known: false,
        };
        let answer = report(world, &people.staff, pair).await.unwrap();
        let Outcome::ReportedLost { placed, orders } = answer.outcome else {
            panic!("{:?}", answer.outcome);
        };
        let targets: Vec<Target> = placed.iter().map(|placed| placed.target.clone()).collect();
        let key = Target::Key { key: missing.key() };
        assert_eq!(targets, [laptop_target(&laptop), key]);
        // The visit ended with the laptop's stop; the key's has nothing left to end.
        assert_eq!(orders.len(), 1);
        assert_eq!(classes(world).await, ["lost", "lost"]);
        let holds: Vec<HoldId> = placed.iter().map(|placed| placed.hold).collect();
        assert_eq!(world.standing(&targets[0]).await, holds[..1]);
        assert_eq!(world.standing(&targets[1]).await, holds[1..]);
        assert_eq!(
            refused(fleet.renew(&laptop, &visit).await),
            Code::DeviceLost
        );
        let elsewhere = fleet.visit(&other, &missing).await;
        assert_eq!(refused(elsewhere), Code::KeyLost);
        let here = fleet.visit(&laptop, &people.staff).await;
        assert_eq!(refused(here), Code::DeviceLost);
        fleet.visit(&other, &people.staff).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_report_is_whole_or_refused() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let far = fleet.laptop(fleet.second()).await.unwrap();
        let good = Loss {
            laptop: Some(&laptop),
            key: Some(&people.leads[1]),
            stolen: false,
            pin_may_be_known: false,
        };
        let wrong = [
            (
                Loss {
                    laptop: None,
                    key: None,
                    ..good
                },
                Code::MessageMalformed,
            ),
            (
                Loss {
                    key: None,
                    pin_may_be_known: true,
                    ..good
                },
                Code::MessageMalformed,
            ),
            (
                Loss {
                    laptop: Some(&far),
                    ..good
                },
                Code::NotFound,
            ),
            (
                Loss {
                    key: Some(&fleet.second().staff),
                    ..good
                },
                Code::NotFound,
            ),
        ];
        for (loss, code) in wrong {
            assert_eq!(refused(report(world, &people.staff, loss).await), code);
        }
        let by_auditor = report(world, &people.auditor, good).await;
        assert_eq!(refused(by_auditor), Code::NotPermitted);
        let none: [String; 0] = [];
        assert_eq!(classes(world).await, none, "nothing is half reported");
        report(world, &people.staff, good).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_key_whose_pin_may_be_known_is_revoked_by_an_officer_and_stolen_by_all_others() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        for (by, class, code) in [
            (&people.staff, HoldClass::Stolen, Code::KeyLost),
            (&people.leads[0], HoldClass::Stolen, Code::KeyLost),
            (&people.officer, HoldClass::Revoked, Code::KeyRevoked),
        ] {
            let missing = fleet.more_staff(people).await.unwrap();
            let laptop = fleet.laptop(people).await.unwrap();
            let loss = Loss {
                laptop: Some(&laptop),
                key: Some(&missing),
                stolen: false,
                pin_may_be_known: true,
            };
            report(world, by, loss).await.unwrap();
            let sql = "select class from hold where target_kind = 'key' order by placed_at desc";
            assert_eq!(world.database.texts(sql).await[0], class.as_str());
            let sql = "select class from hold where target_kind = 'laptop' order by placed_at desc";
            assert_eq!(world.database.texts(sql).await[0], "lost");
            let other = fleet.laptop(people).await.unwrap();
            assert_eq!(refused(fleet.visit(&other, &missing).await), code);
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_stolen_is_stopped_as_stolen() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let laptop = fleet.laptop(people).await.unwrap();
        let missing = fleet.more_staff(people).await.unwrap();
        let loss = Loss {
            laptop: Some(&laptop),
            key: Some(&missing),
            stolen: true,
            pin_may_be_known: false,
        };
        report(world, &people.leads[0], loss).await.unwrap();
        assert_eq!(classes(world).await, ["stolen", "stolen"]);
    })
    .await;
}
