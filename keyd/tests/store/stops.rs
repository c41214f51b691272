//! Holds, orders and second persons.

use wardkey_keyd::store::Store;
use wardkey_keyd::store::approvals::{Request, Signatory};
use wardkey_keyd::store::holds::NewHold;
use wardkey_schemas::action::{Act, Action, Target};
use wardkey_schemas::bytes::{Bytes, Nonce, Sha256};
use wardkey_schemas::ids::{
    ApprovalId, DeviceId, Generation, HoldId, OrderId, OrderSeq, PersonId, SessionId,
};
use wardkey_schemas::jws;
use wardkey_schemas::key::{SigningKey, Thumbprint};
use wardkey_schemas::order::{
    Command, Hold, HoldClass, Mode, Order, OrderReceipt, OrderResult, SignedAct,
};
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Seconds;

use crate::engines::{on_each_engine, out};
use crate::samples::{add_key, add_laptop, add_sites, laptop, now, site, staff};
use crate::write_work;

pub(crate) fn hold(number: u8, target: &Target, class: HoldClass, mode: Mode) -> NewHold {
    NewHold {
        hold: Hold {
            id: HoldId::from_bytes([number; 16]),
            class,
            mode,
            by: Role::SecurityOfficer,
        },
        site: site(),
        target: target.clone(),
        by_key: Thumbprint::new([1; 32]),
        by_person: PersonId::from_bytes([1; 16]),
        note: "left in the van".parse().unwrap(),
    }
}

pub(crate) async fn place(store: &Store, new: NewHold) {
    write_work!(store, |tx| {
        let new = new.clone();
        async move {
            tx.insert_hold(&new, now()).await?;
            match new.target {
                Target::Laptop { device } => tx.recount_device_holds(device).await,
                Target::Key { key } => tx.recount_key_holds(key).await,
                wide @ (Target::Person { .. } | Target::Site { .. } | Target::Nation) => {
                    assert!(tx.recount_wide(&wide).await?);
                    Ok(())
                }
            }
        }
    })
    .unwrap();
}

#[tokio::test]
async fn a_laptop_is_stopped_while_any_hold_stands() {
    on_each_engine(|test| async move {
        let store = &test.store;
        add_sites(store).await;
        let sample = laptop(1);
        add_laptop(store, &sample).await;
        let device = sample.id;
        let target = Target::Laptop { device };
        place(store, hold(1, &target, HoldClass::Lost, Mode::Immediate)).await;
        place(
            store,
            hold(2, &target, HoldClass::Maintenance, Mode::AfterThisCall),
        )
        .await;
        let before = store.find_device(device).await.unwrap().unwrap();
        assert_eq!((before.holds, before.drains), (1, 1));
        let held = target.clone();
        let lifted = out(write_work!(store, |tx| {
            let target = held.clone();
            async move {
                let lost = HoldId::from_bytes([1; 16]);
                let lifted = [
                    tx.lift_hold(&target, lost, now()).await?,
                    tx.lift_hold(&target, lost, now()).await?,
                ];
                tx.recount_device_holds(device).await?;
                assert_eq!(tx.holds_on(&target).await?.len(), 1);
                Ok(lifted)
            }
        }));
        assert_eq!(lifted, [true, false]);
        let after = store.find_device(device).await.unwrap().unwrap();
        assert_eq!((after.holds, after.drains), (0, 1));
        assert!(
            after.version > before.version,
            "whoever judged it before must look again"
        );
        let standing = store.standing_holds(&target).await.unwrap();
        assert_eq!(standing[0].class, HoldClass::Maintenance);
        let grouped = store.holds_at(&site(), "laptop").await.unwrap();
        assert_eq!(grouped[device.as_bytes().as_slice()].len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_hold_on_a_key_counts_for_the_key() {
    on_each_engine(|test| async move {
        let store = &test.store;
        add_sites(store).await;
        let sample = staff(1, Role::Staff);
        add_key(store, &sample).await;
        let key = sample.key.thumbprint();
        let target = Target::Key { key };
        place(store, hold(1, &target, HoldClass::Stolen, Mode::Immediate)).await;
        let found = store.find_key(&site(), key).await.unwrap().unwrap();
        assert_eq!((found.holds, found.drains), (1, 0));
        let claimed = out(write_work!(store, |tx| async move {
            Ok([
                tx.claim_key_to_start(key, found.version, now()).await?,
                tx.claim_keys_to_go_on(SessionId::from_bytes([9; 16]), key, now())
                    .await?,
            ])
        }));
        assert_eq!(claimed, [false, false]);
        write_work!(store, |tx| async move { tx.quarantine_key(key).await }).unwrap();
        assert_eq!(store.holds_at(&site(), "key").await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_hold_that_revokes_is_never_lifted() {
    on_each_engine(|test| async move {
        let store = &test.store;
        add_sites(store).await;
        let sample = laptop(1);
        add_laptop(store, &sample).await;
        let target = Target::Laptop { device: sample.id };
        place(store, hold(1, &target, HoldClass::Revoked, Mode::Immediate)).await;
        let lifted = out(write_work!(store, |tx| {
            let target = target.clone();
            async move {
                let hold = HoldId::from_bytes([1; 16]);
                tx.lift_hold(&target, hold, now()).await
            }
        }));
        assert!(!lifted);
    })
    .await;
}

fn order(device: DeviceId, seq: OrderSeq) -> Order {
    Order {
        order: OrderId::from_bytes([u8::try_from(seq.number()).unwrap(); 16]),
        seq,
        device,
        device_key: Thumbprint::new([1; 32]),
        generation: Generation::FIRST,
        command: Command::Stop { holds: Vec::new() },
        server_time: now(),
    }
}

#[tokio::test]
async fn orders_have_places_without_gaps_and_wait_for_their_receipt() {
    on_each_engine(|mut test| async move {
        let store = &test.store;
        add_sites(store).await;
        let sample = laptop(1);
        add_laptop(store, &sample).await;
        let device = sample.id;
        let (signer, _) = SigningKey::generate().unwrap();
        let signer = std::sync::Arc::new(signer);
        for wanted in 1..=2 {
            let signer = std::sync::Arc::clone(&signer);
            let seq = out(write_work!(store, |tx| {
                let signer = std::sync::Arc::clone(&signer);
                async move {
                    let seq = tx.next_order_seq(device).await?;
                    let order = order(device, seq);
                    let envelope = jws::sign(&order, &signer).unwrap();
                    tx.insert_order(&order, &envelope, &site(), now()).await?;
                    Ok(seq)
                }
            }));
            assert_eq!(seq, OrderSeq::new(wanted));
            let wake = test.wakes.recv().await.unwrap();
            assert_eq!((wake.device, wake.seq), (device, wanted));
        }
        assert_eq!(store.waiting_orders(device, 10).await.unwrap().len(), 2);
        let after = store
            .waiting_orders_after(device, OrderSeq::new(1), 10)
            .await
            .unwrap();
        assert_eq!(after.len(), 1);
        assert_eq!(store.waiting_orders_since(now()).await.unwrap().len(), 2);
        let later = now().plus(Seconds::new(1));
        assert!(store.waiting_orders_since(later).await.unwrap().is_empty());
        let receipt = OrderReceipt {
            device,
            generation: Generation::FIRST,
            order: OrderId::from_bytes([1; 16]),
            seq: OrderSeq::new(1),
            order_sha256: Sha256::of(b"order"),
            nonce: Nonce::new([1; 32]),
            result: OrderResult::Stopped,
            received_ago_ms: 2,
            acted_ago_ms: 1,
        };
        let envelope = jws::sign(&receipt, &signer).unwrap();
        let text = envelope.as_str().to_owned();
        let written = out(write_work!(store, |tx| {
            let (receipt, envelope) = (receipt.clone(), envelope.clone());
            async move {
                tx.order_sent(device, OrderSeq::new(1), now()).await?;
                tx.device_seen(device, now()).await?;
                Ok([
                    tx.insert_receipt(&receipt, &envelope, now(), now()).await?,
                    tx.insert_receipt(&receipt, &envelope, now(), now()).await?,
                ])
            }
        }));
        assert_eq!(written, [true, false]);
        assert_eq!(store.waiting_orders(device, 10).await.unwrap().len(), 1);
        let found = store
            .find_order(device, OrderSeq::new(1))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.receipt.as_deref(), Some(text.as_str()));
        let listed = store.orders_to(&site(), device, 10).await.unwrap();
        assert_eq!(
            listed
                .iter()
                .map(|row| row.seq.number())
                .collect::<Vec<_>>(),
            [2, 1]
        );
        assert_eq!(listed[1].result.as_deref(), Some("stopped"));
        assert_eq!((listed[1].sent_at, listed[0].sent_at), (Some(now()), None));
    })
    .await;
}

#[tokio::test]
async fn the_database_itself_refuses_an_approver_who_is_the_requester() {
    on_each_engine(|test| async move {
        let store = &test.store;
        let signatory = |number: u8, role| Signatory {
            key: Thumbprint::new([number; 32]),
            person: PersonId::from_bytes([number; 16]),
            role,
            act: SignedAct {
                action: jws::sign(
                    &Action {
                        nonce: Nonce::new([number; 32]),
                        site: site(),
                        act: Act::Revoke {
                            target: Target::Laptop {
                                device: DeviceId::from_bytes([1; 16]),
                            },
                            note: "".parse().unwrap(),
                        },
                    },
                    &SigningKey::generate().unwrap().0,
                )
                .unwrap(),
                certificate: Bytes::from(vec![number]),
            },
        };
        let request = Request {
            id: ApprovalId::from_bytes([1; 16]),
            site: site(),
            requester: signatory(1, Role::Lead),
            expires_at: now().plus(Seconds::new(1800)),
            approved: false,
        };
        let id = request.id;
        let asked = request.act_sha256();
        write_work!(store, |tx| {
            let request = request.clone();
            async move { tx.insert_request(&request, now()).await }
        })
        .unwrap();
        let approve = |approver: Signatory, at| async move {
            write_work!(store, |tx| {
                let approver = approver.clone();
                async move { tx.agree(id, &approver, at).await }
            })
            .map(|(approved, _)| approved)
        };
        assert!(
            approve(signatory(1, Role::Lead), now()).await.is_err(),
            "the same person"
        );
        assert!(
            approve(signatory(2, Role::Lead), now()).await.is_err(),
            "the same role"
        );
        let late = now().plus(Seconds::new(1800));
        assert!(
            !approve(signatory(2, Role::SecurityOfficer), late)
                .await
                .unwrap(),
            "too late"
        );
        assert!(
            approve(signatory(2, Role::SecurityOfficer), now())
                .await
                .unwrap()
        );
        assert!(
            !approve(signatory(3, Role::SecurityOfficer), now())
                .await
                .unwrap(),
            "once"
        );
        let found = store.find_request(id).await.unwrap().unwrap();
        assert!(found.approved);
        assert_eq!(found.act_sha256(), asked);
        let waiting = store.waiting_requests(&site(), now(), 10).await.unwrap();
        assert!(waiting.is_empty(), "nothing waits any more");
    })
    .await;
}
