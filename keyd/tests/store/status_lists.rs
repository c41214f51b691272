//! Status lists: every statement, and what a stop leaves for the publisher.

use wardkey_keyd::states::Step;
use wardkey_keyd::store::Store;
use wardkey_keyd::store::holds::NewHold;
use wardkey_keyd::store::status_lists::{Head, Whole};
use wardkey_schemas::action::Target;
use wardkey_schemas::bytes::{Bytes, Sha256};
use wardkey_schemas::ids::{HoldId, PersonId};
use wardkey_schemas::jws;
use wardkey_schemas::key::{SigningKey, Thumbprint};
use wardkey_schemas::order::{Hold, HoldClass, Mode};
use wardkey_schemas::role::Role;
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::status_list::{
    StatusChanges, StatusClass, StatusEpoch, StatusList, StatusListToken, StatusValue,
};
use wardkey_schemas::time::{Seconds, Timestamp};
use wardkey_verifier::status_list::changes::Change;

use crate::engines::{on_each_engine, out};
use crate::samples::{add_key, add_laptop, add_sites, laptop, now, site, staff};
use crate::write_work;

const GAP: Seconds = Seconds::new(1);
const BEAT: Seconds = Seconds::new(600);

/// Takes the next epoch if it is time, and gives it to what waits.
async fn publish(
    store: &Store,
    class: StatusClass,
    at: Timestamp,
) -> Option<(StatusEpoch, Vec<Change>)> {
    out(write_work!(store, |tx| async move {
        let taken = tx
            .take_status_epoch(class, at, at.minus(GAP), at.minus(BEAT))
            .await?;
        let Some(epoch) = taken else {
            return Ok(None);
        };
        tx.date_status_changes(class, epoch).await?;
        let before = StatusEpoch::new(epoch.number().saturating_sub(1));
        let changes = tx.status_changes_between(class, before, epoch).await?;
        Ok(Some((epoch, changes)))
    }))
}

fn values(changes: &[Change]) -> Vec<(u32, StatusValue)> {
    let pair = |change: &Change| (change.index, change.value);
    changes.iter().map(pair).collect()
}

async fn hold(store: &Store, number: u8, target: Target, class: HoldClass, mode: Mode) {
    let new = NewHold {
        hold: Hold {
            id: HoldId::from_bytes([number; 16]),
            class,
            mode,
            by: Role::SecurityOfficer,
        },
        site: site(),
        target,
        by_key: Thumbprint::new([1; 32]),
        by_person: PersonId::from_bytes([1; 16]),
        note: "left in the van".parse().unwrap(),
    };
    write_work!(store, |tx| {
        let new = new.clone();
        async move {
            tx.insert_hold(&new, now()).await?;
            recount(tx, new.target).await
        }
    })
    .unwrap();
}

async fn recount(
    tx: &mut wardkey_keyd::store::Tx,
    target: Target,
) -> Result<(), wardkey_keyd::store::StoreError> {
    match target {
        Target::Laptop { device } => tx.recount_device_holds(device).await,
        Target::Key { key } => tx.recount_key_holds(key).await,
        wide @ (Target::Person { .. } | Target::Site { .. } | Target::Nation) => {
            tx.recount_wide(&wide).await.map(|_| ())
        }
    }
}

async fn lift(store: &Store, number: u8, target: Target) {
    write_work!(store, |tx| {
        let target = target.clone();
        async move {
            let id = HoldId::from_bytes([number; 16]);
            assert!(tx.lift_hold(&target, id, now()).await?);
            recount(tx, target).await
        }
    })
    .unwrap();
}

#[tokio::test]
async fn everything_has_an_index_of_its_own_from_its_enrolment_on() {
    on_each_engine(|test| async move {
        let store = &test.store;
        add_sites(store).await;
        for number in 1..=3 {
            add_laptop(store, &laptop(number)).await;
        }
        add_key(store, &staff(1, Role::Staff)).await;
        let class = StatusClass::Devices;
        for number in 1..=3_u8 {
            let id = laptop(number).id;
            let index = store.status_index(class, id.as_bytes()).await.unwrap();
            assert_eq!(index, Some(u32::from(number).saturating_sub(1)));
        }
        let none = store.status_index(class, &[9; 16]).await.unwrap();
        assert_eq!(none, None);
        let site = store
            .status_index(StatusClass::Sites, site().as_str().as_bytes())
            .await
            .unwrap();
        assert_eq!(site, Some(0));
        assert_eq!(store.status_strays().await.unwrap(), 0);
        // What was enrolled and confirmed before anybody published is in the first epoch as it is.
        let (epoch, changes) = publish(store, class, now()).await.unwrap();
        assert_eq!(epoch, StatusEpoch::new(1));
        let valid = StatusValue::Valid;
        assert_eq!(values(&changes), [(0, valid), (1, valid), (2, valid)]);
    })
    .await;
}

#[tokio::test]
async fn a_laptops_entry_moves_with_its_holds_and_its_state() {
    on_each_engine(|test| async move {
        let store = &test.store;
        add_sites(store).await;
        let device = laptop(1).id;
        let target = Target::Laptop { device };
        let class = StatusClass::Devices;
        let mut at = now();
        let mut seen = Vec::new();
        add_laptop(store, &laptop(1)).await;
        for step in 0..5 {
            match step {
                0 => {
                    hold(
                        store,
                        1,
                        target.clone(),
                        HoldClass::Other,
                        Mode::AfterThisCall,
                    )
                    .await;
                }
                1 => hold(store, 2, target.clone(), HoldClass::Lost, Mode::Immediate).await,
                2 => lift(store, 2, target.clone()).await,
                3 => lift(store, 1, target.clone()).await,
                _ => {
                    let step = Step::new(ObjectState::Active, ObjectState::Revoked).unwrap();
                    let moved = write_work!(store, |tx| async move {
                        tx.move_device(device, step, now()).await
                    });
                    assert!(out(moved));
                }
            }
            at = at.plus(Seconds::new(2));
            let (_, changes) = publish(store, class, at).await.unwrap();
            seen.extend(values(&changes));
            assert_eq!(store.status_strays().await.unwrap(), 0);
        }
        let expected = [
            StatusValue::Draining,
            StatusValue::Suspended,
            StatusValue::Draining,
            StatusValue::Valid,
            StatusValue::Revoked,
        ];
        assert_eq!(seen, expected.map(|value| (0, value)));
    })
    .await;
}

#[tokio::test]
async fn a_person_stands_as_the_best_of_their_keys() {
    on_each_engine(|test| async move {
        let store = &test.store;
        add_sites(store).await;
        let (one, mut two) = (staff(1, Role::Staff), staff(2, Role::Staff));
        two.person = one.person;
        two.name = None;
        add_key(store, &one).await;
        add_key(store, &two).await;
        let class = StatusClass::Staff;
        let (_, changes) = publish(store, class, now()).await.unwrap();
        assert_eq!(values(&changes), [(0, StatusValue::Valid)]);
        let target = |key: &wardkey_keyd::store::keys::EnrolledKey| Target::Key {
            key: key.key.thumbprint(),
        };
        hold(store, 1, target(&one), HoldClass::Lost, Mode::Immediate).await;
        let later = now().plus(Seconds::new(2));
        assert_eq!(
            publish(store, class, later).await,
            None,
            "the other key works"
        );
        hold(store, 2, target(&two), HoldClass::Lost, Mode::Immediate).await;
        let (_, changes) = publish(store, class, later).await.unwrap();
        assert_eq!(values(&changes), [(0, StatusValue::Suspended)]);
        let key = one.key.thumbprint();
        write_work!(store, |tx| async move { tx.revoke_key(key).await }).unwrap();
        let at = now().plus(Seconds::new(4));
        let (_, changes) = publish(store, StatusClass::Keys, at).await.unwrap();
        let expected = [(0, StatusValue::Revoked), (1, StatusValue::Suspended)];
        assert_eq!(values(&changes), expected);
        assert_eq!(store.status_strays().await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn an_epoch_is_taken_once_a_second_and_at_least_once_in_a_while() {
    on_each_engine(|test| async move {
        let store = &test.store;
        let class = StatusClass::Devices;
        let after = |millis| now().plus_millis(millis);
        let epoch = async |at| {
            publish(store, class, at)
                .await
                .map(|(epoch, _)| epoch.number())
        };
        assert_eq!(epoch(now()).await, Some(1), "the first of all");
        assert_eq!(epoch(after(5_000)).await, None, "nothing waits");
        add_sites(store).await;
        add_laptop(store, &laptop(1)).await;
        assert_eq!(epoch(after(999)).await, None, "too soon");
        assert_eq!(epoch(after(1_000)).await, Some(2));
        assert_eq!(epoch(after(600_999)).await, None);
        assert_eq!(
            epoch(after(601_000)).await,
            Some(3),
            "though nothing changed"
        );
        // A clock that was wrong once holds nobody up.
        assert_eq!(epoch(after(3_600_000)).await, Some(4));
        assert_eq!(epoch(after(602_000)).await, Some(5));
    })
    .await;
}

#[tokio::test]
async fn two_who_publish_at_once_do_not_publish_the_same_twice() {
    on_each_engine(|test| async move {
        let store = &test.store;
        add_sites(store).await;
        add_laptop(store, &laptop(1)).await;
        let class = StatusClass::Devices;
        let all = tokio::join!(
            publish(store, class, now()),
            publish(store, class, now()),
            publish(store, class, now()),
            publish(store, class, now())
        );
        let taken = [all.0, all.1, all.2, all.3];
        assert_eq!(taken.iter().flatten().count(), 1, "{taken:?}");
    })
    .await;
}

#[tokio::test]
async fn what_was_signed_is_kept_and_a_later_whole_list_stays() {
    on_each_engine(|test| async move {
        let store = &test.store;
        let class = StatusClass::Keys;
        let (key, _) = SigningKey::generate().unwrap();
        let root = Sha256::of(b"entries");
        let changes = StatusChanges {
            sub: "https://keyd.wardkey.test/v1/status-lists/keys".to_owned(),
            iat: 1,
            exp: 2,
            class,
            epoch: StatusEpoch::new(1),
            entries: 0,
            changes: Bytes::default(),
            previous: root,
            root,
            server_time: now(),
        };
        let changes = jws::sign(&changes, &key).unwrap();
        let whole = |epoch: u64| {
            let token = StatusListToken {
                sub: "https://keyd.wardkey.test/v1/status-lists/keys".to_owned(),
                iat: 1,
                exp: 2,
                ttl: GAP,
                status_list: StatusList {
                    bits: 2,
                    lst: Bytes::default(),
                },
                class,
                epoch: StatusEpoch::new(epoch),
                entries: 3,
                root,
                server_time: now(),
            };
            Whole {
                epoch: StatusEpoch::new(epoch),
                entries: 3,
                packed: vec![1, 2, 3],
                token: jws::sign(&token, &key).unwrap(),
            }
        };
        publish(store, class, now()).await.unwrap();
        let fold_again = now().plus(Seconds::new(29));
        let (second, first) = (whole(2), whole(1));
        let said = out(write_work!(store, |tx| {
            let (changes, first, second) = (changes.clone(), first.clone(), second.clone());
            async move {
                let epoch = StatusEpoch::new(1);
                tx.insert_status_epoch(class, epoch, &root, &changes)
                    .await?;
                assert_eq!(tx.status_root(class, epoch).await?, Some(root));
                assert_eq!(tx.status_root(class, epoch.next()).await?, None);
                let back = |at: Timestamp| at.minus(Seconds::new(30));
                let turns = [
                    tx.take_turn_to_fold(class, now(), back(now())).await?,
                    tx.take_turn_to_fold(class, fold_again, back(fold_again))
                        .await?,
                ];
                assert_eq!(turns, [true, false]);
                let put = [
                    tx.put_whole_status_list(class, &second).await?,
                    tx.put_whole_status_list(class, &first).await?,
                ];
                let newest = tx.newest_whole_status_list(class).await?.unwrap();
                assert_eq!(newest.epoch, StatusEpoch::new(2));
                Ok(put)
            }
        }));
        assert_eq!(said, [true, false]);
        let found = store.whole_status_list(class).await.unwrap().unwrap();
        assert_eq!((found.entries, found.packed), (3, vec![1, 2, 3]));
        let epochs = store
            .status_epochs_after(class, StatusEpoch::NONE, 9)
            .await
            .unwrap();
        assert_eq!(epochs.len(), 1);
        assert_eq!(epochs[0].0, StatusEpoch::new(1));
        let heads = store.status_heads().await.unwrap();
        assert_eq!(heads.len(), 4);
        let head = heads.into_iter().find(|head| head.class == class).unwrap();
        let expected = Head {
            class,
            epoch: StatusEpoch::new(1),
            published_at: now(),
            folded_at: now(),
            whole: StatusEpoch::new(2),
            waiting: false,
        };
        assert_eq!(head, expected);
    })
    .await;
}
