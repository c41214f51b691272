//! Status lists of the running service: published, followed, cached, and the same at two nodes.

use std::time::Duration;

use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use wardkey_fleet::{Caller, Database as Where, Fleet};
use wardkey_schemas::Code;
use wardkey_schemas::action::{Act, Outcome, Target};
use wardkey_schemas::order::HoldClass;
use wardkey_schemas::status_list::{
    KeptStatusList, MEDIA_TYPE, StatusClass, StatusEpoch, StatusValue,
};
use wardkey_verifier::status_list::VerifiedStatusList;

use crate::running::{World, on_each_engine, refused, within};

const CLASS: StatusClass = StatusClass::Devices;

/// A whole list with what was published after it, as whoever fetches it has it.
async fn fetch(fleet: &Fleet, caller: &Caller, class: StatusClass) -> VerifiedStatusList {
    let realm = fleet.installation.realm();
    let list = caller.status_list(class).await.unwrap();
    let whole = VerifiedStatusList::open(&list, &fleet.keys, realm, class).unwrap();
    let changes = caller.status_changes(class, whole.epoch()).await.unwrap();
    let kept = KeptStatusList { list, changes };
    VerifiedStatusList::open_kept(&kept, &fleet.keys, realm, class).unwrap()
}

/// Follows a list until an entry of it has a value.
async fn follow_until(
    world: &World,
    caller: &Caller,
    mut list: VerifiedStatusList,
    index: u32,
    value: StatusValue,
) -> VerifiedStatusList {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    within(async {
        while list.value(index) != Some(value) {
            ticks.tick().await;
            let changes = caller.status_changes(list.class(), list.epoch()).await;
            for changes in changes.unwrap() {
                list = list.follow(&changes, &world.fleet.keys).unwrap();
            }
        }
        list
    })
    .await
}

async fn index(world: &World, class: StatusClass, object: &[u8]) -> u32 {
    let (wake, _wakes) = tokio::sync::mpsc::unbounded_channel();
    let url = world.url.parse().unwrap();
    let store = wardkey_keyd::store::Store::open(&url, wake).await.unwrap();
    let index = store.status_index(class, object).await.unwrap().unwrap();
    store.close().await;
    index
}

#[tokio::test]
pub(crate) async fn a_stop_is_published_and_followed_by_whoever_has_the_list() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let caller = &fleet.caller;
        let list = fetch(fleet, caller, CLASS).await;
        let laptop = fleet.laptop(people).await.unwrap();
        let place = index(world, CLASS, laptop.device.as_bytes()).await;
        let list = follow_until(world, caller, list, place, StatusValue::Valid).await;

        let target = Target::Laptop {
            device: laptop.device,
        };
        let stopped = fleet.stop(&people.leads[0], target.clone(), HoldClass::Maintenance);
        let Outcome::Stopped { hold, .. } = stopped.await.unwrap().outcome else {
            panic!("not stopped");
        };
        let stopped = follow_until(world, caller, list, place, StatusValue::Suspended).await;
        let resume = Act::Resume {
            target: target.clone(),
            holds: vec![hold],
            note: "".parse().unwrap(),
        };
        fleet.act(&people.leads[0], resume).await.unwrap();
        let epoch = stopped.epoch();
        let resumed = follow_until(world, caller, stopped, place, StatusValue::Valid).await;
        assert!(resumed.epoch() > epoch, "an epoch only rises");
        let revoke = Act::Revoke {
            target,
            note: "".parse().unwrap(),
        };
        fleet.act(&people.officer, revoke).await.unwrap();
        let revoked = follow_until(world, caller, resumed, place, StatusValue::Revoked).await;

        // Whoever fetches everything now sees the same.
        let fetched = fetch(fleet, caller, CLASS).await;
        assert!(fetched.epoch() >= revoked.epoch());
        assert_eq!(fetched.entries().root(), revoked.entries().root());
        for since in [revoked.epoch().number() + 1_000, u64::MAX] {
            let gone = caller.status_changes(CLASS, StatusEpoch::new(since)).await;
            assert_eq!(refused(gone), Code::StatusChangesGone);
        }
    })
    .await;
}

#[tokio::test]
async fn every_class_is_published_from_the_first_moment_on() {
    on_each_engine(async |world| {
        let (fleet, people) = (&world.fleet, world.fleet.first());
        for class in StatusClass::ALL {
            let list = fetch(fleet, &fleet.caller, class).await;
            assert!(list.epoch() >= StatusEpoch::new(1), "{class}");
        }
        let key = people.staff.key();
        let place = index(world, StatusClass::Keys, key.as_bytes()).await;
        let list = fetch(fleet, &fleet.caller, StatusClass::Keys).await;
        follow_until(world, &fleet.caller, list, place, StatusValue::Valid).await;
    })
    .await;
}

#[tokio::test]
async fn a_list_that_did_not_change_is_not_sent_again() {
    on_each_engine(async |world| {
        let caller = &world.fleet.caller;
        let path = format!("/v1/status-lists/{CLASS}");
        let read = async |etag: &str| caller.get_with(&path, IF_NONE_MATCH, etag).await.unwrap();
        let (status, headers, length) = read("\"something else\"").await;
        assert_eq!(status, 200);
        assert_eq!(headers["content-type"], MEDIA_TYPE);
        assert!(length > 100);
        assert_eq!(headers[CACHE_CONTROL], "public, max-age=30");
        let etag = headers[ETAG].to_str().unwrap().to_owned();
        for known in [etag.clone(), format!("\"a\", W/{etag}"), "*".to_owned()] {
            let (status, headers, length) = read(&known).await;
            assert_eq!((status, length), (304, 0), "{known}");
            assert_eq!(headers[ETAG].to_str().unwrap(), etag);
        }
        for (path, code) in [
            ("/v1/status-lists/laptops", Code::NotFound),
            ("/v1/status-lists/laptops/changes?since=1", Code::NotFound),
            ("/v1/status-lists/devices/changes", Code::MessageMalformed),
            (
                "/v1/status-lists/devices/changes?since=-1",
                Code::MessageMalformed,
            ),
        ] {
            let said = caller.send(http::Method::GET, path, None, Vec::new()).await;
            assert_eq!(said.unwrap().problem().unwrap().code, code, "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn epochs_go_on_where_they_were_after_a_crash() {
    on_each_engine(async |world| {
        let laptop = world.fleet.laptop(world.fleet.first()).await.unwrap();
        let place = index(world, CLASS, laptop.device.as_bytes()).await;
        let list = fetch(&world.fleet, &world.fleet.caller, CLASS).await;
        let caller = world.fleet.caller.clone();
        let before = follow_until(world, &caller, list, place, StatusValue::Valid).await;
        world.keyd.kill();
        world.keyd.serve();
        let caller = world.keyd.caller();
        world.fleet.call(caller.clone());
        let target = Target::Laptop {
            device: laptop.device,
        };
        let people = world.fleet.first();
        let stopped = world.fleet.stop(&people.leads[0], target, HoldClass::Lost);
        stopped.await.unwrap();
        let epoch = before.epoch();
        let after = follow_until(world, &caller, before, place, StatusValue::Suspended).await;
        assert!(after.epoch() > epoch);
    })
    .await;
}

#[tokio::test]
async fn two_nodes_hand_out_one_list() {
    on_each_engine(async |world| {
        if !matches!(world.keyd.options().database, Where::At(_)) {
            return;
        }
        let (fleet, people) = (&world.fleet, world.fleet.first());
        let beside = world.keyd.start_beside();
        let (here, there) = (&fleet.caller, beside.caller());
        let laptop = fleet.laptop(people).await.unwrap();
        let place = index(world, CLASS, laptop.device.as_bytes()).await;
        let one = fetch(fleet, here, CLASS).await;
        let one = follow_until(world, here, one, place, StatusValue::Valid).await;
        let other = fetch(fleet, &there, CLASS).await;
        let other = follow_until(world, &there, other, place, StatusValue::Valid).await;
        let target = Target::Laptop {
            device: laptop.device,
        };
        for round in 0..3 {
            let class = HoldClass::Maintenance;
            let stopped = fleet
                .stop(&people.leads[0], target.clone(), class)
                .await
                .unwrap();
            assert!(
                matches!(stopped.outcome, Outcome::Stopped { .. }),
                "{round}"
            );
        }
        let one = follow_until(world, here, one, place, StatusValue::Suspended).await;
        let other = follow_until(world, &there, other, place, StatusValue::Suspended).await;
        assert_eq!(one.entries().root(), other.entries().root());
        let sql = "select count(*) - max(epoch) from status_epoch where class = 'devices'";
        assert_eq!(world.database.number(sql).await, 0, "no epoch was left out");
    })
    .await;
}
