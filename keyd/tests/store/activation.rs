//! Challenges and visits: spent once, one a laptop, one a key.

use wardkey_keyd::store::Store;
use wardkey_keyd::store::challenges::{NonceUse, StoredChallenge};
use wardkey_keyd::store::devices::TpmTime;
use wardkey_keyd::store::readers::Reader;
use wardkey_keyd::store::sessions::{GivenLease, NewSession, RenewedSession};
use wardkey_schemas::Code;
use wardkey_schemas::bytes::{Nonce, Sha256};
use wardkey_schemas::challenge::Purpose;
use wardkey_schemas::evidence::PcrValue;
use wardkey_schemas::ids::{ChallengeId, DeviceId, Generation, ReaderId, RoomId, SessionId};
use wardkey_schemas::key::Thumbprint;
use wardkey_schemas::renewal::VisitState;
use wardkey_schemas::role::Role;
use wardkey_schemas::session::EndReason;
use wardkey_schemas::time::Seconds;

use crate::engines::{on_each_engine, out};
use crate::samples::{add_key, add_laptop, add_sites, key, laptop, now, other_site, site, staff};
use crate::write_work;

const TPM: TpmTime = TpmTime {
    reset_count: 1,
    restart_count: 0,
    clock: 2000,
};

/// The same a minute later, after a sleep.
const QUOTED: TpmTime = TpmTime {
    reset_count: 1,
    restart_count: 1,
    clock: 62_000,
};

fn challenge(device: DeviceId, key: Thumbprint) -> StoredChallenge {
    StoredChallenge {
        id: ChallengeId::from_bytes([1; 16]),
        nonce: Sha256::of(b"nonce"),
        purpose: Purpose::Activate,
        moves: None,
        device,
        generation: Generation::FIRST,
        site: site(),
        room: RoomId::from_bytes([1; 16]),
        room_is_new: true,
        key,
        certificate: Sha256::of(key.as_bytes()),
        gate_nonce: Nonce::new([2; 32]),
        event_log: Sha256::of(b"log"),
        event_log_wanted: true,
        pcrs: vec![0, 2, 4, 7],
        issued_at: now(),
        expires_at: now().plus(Seconds::new(120)),
        consumed_at: None,
    }
}

fn session(number: u8, device: DeviceId, key: Thumbprint) -> NewSession {
    NewSession {
        id: SessionId::from_bytes([number; 16]),
        site: site(),
        device,
        generation: Generation::FIRST,
        key,
        room: RoomId::from_bytes([number; 16]),
        moved_from: None,
        activation: Sha256::of(b"activation"),
        certificate: Sha256::of(b"certificate"),
        hard_end: now().plus(Seconds::new(5400)),
        lease: lease(number),
        tpm: TPM,
    }
}

fn lease(number: u8) -> GivenLease {
    GivenLease {
        text: format!("lease {number}"),
        renew_nonce: Nonce::new([number; 32]),
        cannot_run_past: now().plus(Seconds::new(900)),
    }
}

/// Renewal `seq` and one, with a quote that found the laptop changed.
fn renewed(seq: u32, number: u8) -> RenewedSession {
    RenewedSession {
        id: SessionId::from_bytes([1; 16]),
        seq,
        lease: lease(number),
        request: Sha256::of(b"request"),
        clock: 3000,
        state: VisitState::WithPatient,
        anchor: QUOTED,
        anchor_at: now().plus(Seconds::new(60)),
        hard_end: now().plus(Seconds::new(3600)),
        finish: Some(Code::PcrChanged),
    }
}

async fn begin(store: &Store, session: NewSession) -> bool {
    out(write_work!(store, |tx| {
        let session = session.clone();
        async move {
            tx.insert_room(session.room, &session.site, now()).await?;
            tx.insert_session(&session, now()).await
        }
    }))
}

#[tokio::test]
async fn a_challenge_comes_back_with_all_it_is_judged_by_and_is_spent_once() {
    on_each_engine(|test| async move {
        let store = &test.store;
        add_sites(store).await;
        let (laptop, staff) = (laptop(1), staff(1, Role::Staff));
        add_laptop(store, &laptop).await;
        add_key(store, &staff).await;
        let sample = challenge(laptop.id, staff.key.thumbprint());
        let id = sample.id;
        assert!(!store.knows_event_log(&Sha256::of(b"log")).await.unwrap());
        write_work!(store, |tx| {
            let sample = sample.clone();
            async move {
                tx.insert_challenge(&sample).await?;
                let replayed = [PcrValue {
                    index: 0,
                    sha256: Sha256::of(b"0"),
                }];
                tx.insert_event_log(b"log", &replayed, now()).await?;
                tx.insert_event_log(b"log", &replayed, now()).await
            }
        })
        .unwrap();
        assert!(store.knows_event_log(&Sha256::of(b"log")).await.unwrap());
        let context = store.activation_context(id).await.unwrap().unwrap();
        assert_eq!(context.challenge.pcrs, [0, 2, 4, 7]);
        assert_eq!(context.challenge.purpose, Purpose::Activate);
        assert_eq!(context.device.id, laptop.id);
        assert_eq!(context.key.key, staff.key.thumbprint());
        assert_eq!(context.replayed.unwrap().len(), 1);
        let spent = out(write_work!(store, |tx| async move {
            Ok([
                tx.consume_challenge(id, now()).await?,
                tx.consume_challenge(id, now()).await?,
            ])
        }));
        assert_eq!(spent, [true, false]);
        let context = store.activation_context(id).await.unwrap().unwrap();
        assert_eq!(context.challenge.consumed_at, Some(now()));
        let other = ChallengeId::from_bytes([2; 16]);
        assert!(store.activation_context(other).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn the_rows_are_claimed_only_as_they_were_judged() {
    on_each_engine(|test| async move {
        let store = &test.store;
        add_sites(store).await;
        let (laptop, staff) = (laptop(1), staff(1, Role::Staff));
        add_laptop(store, &laptop).await;
        add_key(store, &staff).await;
        let (id, thumbprint) = (laptop.id, staff.key.thumbprint());
        let device = store.find_device(id).await.unwrap().unwrap();
        let key = store.find_key(&site(), thumbprint).await.unwrap().unwrap();
        let claims = out(write_work!(store, |tx| async move {
            Ok([
                tx.claim_device_to_start(id, device.version, TPM, now())
                    .await?,
                tx.claim_device_to_start(id, device.version - 1, TPM, now())
                    .await?,
                tx.claim_device_to_go_on(id, Generation::FIRST, TPM, now())
                    .await?,
                tx.claim_device_to_go_on(id, Generation::new(2), TPM, now())
                    .await?,
                tx.claim_key_to_start(thumbprint, key.version, now())
                    .await?,
                tx.claim_key_to_start(thumbprint, key.version + 1, now())
                    .await?,
                tx.claim_keys_to_go_on(SessionId::from_bytes([9; 16]), thumbprint, now())
                    .await?,
            ])
        }));
        assert_eq!(claims, [true, false, true, false, true, false, true]);
        let device = store.find_device(id).await.unwrap().unwrap();
        assert_eq!(device.tpm, TPM);
    })
    .await;
}

#[tokio::test]
async fn a_key_has_one_visit_at_a_time_and_a_lapsed_one_gives_way() {
    on_each_engine(|test| async move {
        let store = &test.store;
        add_sites(store).await;
        let (one, two, staff) = (laptop(1), laptop(2), staff(1, Role::Staff));
        add_laptop(store, &one).await;
        add_laptop(store, &two).await;
        add_key(store, &staff).await;
        let key = staff.key.thumbprint();
        assert!(begin(store, session(1, one.id, key)).await);
        assert!(
            !begin(store, session(2, two.id, key)).await,
            "the key is in use"
        );
        let end = |at| async move {
            out(write_work!(store, |tx| async move {
                tx.end_lapsed_sessions(two.id, key, at).await
            }))
        };
        assert!(end(now()).await.is_empty(), "it may still run");
        let over = now().plus(Seconds::new(900));
        assert_eq!(end(over).await.len(), 1);
        assert!(begin(store, session(3, two.id, key)).await);
        let listed = store.sessions_of(&site(), 10).await.unwrap();
        assert_eq!(listed.len(), 2);
        assert!(
            listed
                .iter()
                .any(|row| row.end_reason.as_deref() == Some("lease-over"))
        );
    })
    .await;
}

#[tokio::test]
async fn a_new_visit_on_the_same_laptop_takes_the_place_of_the_old_one() {
    on_each_engine(|test| async move {
        let store = &test.store;
        add_sites(store).await;
        let (laptop, first, second) = (laptop(1), staff(1, Role::Staff), staff(2, Role::Staff));
        add_laptop(store, &laptop).await;
        add_key(store, &first).await;
        add_key(store, &second).await;
        let device = laptop.id;
        assert!(begin(store, session(1, device, first.key.thumbprint())).await);
        let key = second.key.thumbprint();
        let ended = out(write_work!(store, |tx| async move {
            tx.end_lapsed_sessions(device, key, now()).await
        }));
        assert_eq!(ended.len(), 1);
        assert!(begin(store, session(2, device, key)).await);
        let (running, with_key) = out(write_work!(store, |tx| async move {
            tx.lock_devices_with(key).await?;
            Ok((
                tx.open_session_on(device).await?,
                tx.open_sessions_with(key).await?,
            ))
        }));
        assert_eq!(running, Some(SessionId::from_bytes([2; 16])));
        assert_eq!(with_key.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_visit_is_renewed_from_the_place_where_it_was_judged() {
    on_each_engine(|test| async move {
        let store = &test.store;
        add_sites(store).await;
        let (laptop, staff) = (laptop(1), staff(1, Role::Staff));
        add_laptop(store, &laptop).await;
        add_key(store, &staff).await;
        let sample = session(1, laptop.id, staff.key.thumbprint());
        let id = sample.id;
        assert!(begin(store, sample.clone()).await);
        let request = Sha256::of(b"request");
        let outcome = out(write_work!(store, |tx| async move {
            Ok([
                tx.renew_session(&renewed(0, 2)).await?,
                tx.renew_session(&renewed(0, 3)).await?,
            ])
        }));
        assert_eq!(outcome, [true, false]);
        let found = store.find_session(id).await.unwrap().unwrap();
        assert_eq!((found.seq, found.lease.as_str()), (1, "lease 2"));
        assert_eq!(
            (found.anchor, found.anchor_at, found.last_clock),
            (QUOTED, now().plus(Seconds::new(60)), 3000)
        );
        assert_eq!(found.hard_end, now().plus(Seconds::new(3600)), "nearer");
        assert_eq!(found.finish, Some(Code::PcrChanged));
        let later = RenewedSession {
            hard_end: now().plus(Seconds::new(7200)),
            ..renewed(1, 3)
        };
        let outcome = out(write_work!(store, |tx| {
            let later = later.clone();
            async move { tx.renew_session(&later).await }
        }));
        assert!(outcome);
        let found = store.find_session(id).await.unwrap().unwrap();
        assert_eq!(found.hard_end, now().plus(Seconds::new(3600)), "no later");
        assert_eq!(found.answered_request, Some(request));
        assert_eq!(found.stopped_key, None);
        let extended = out(write_work!(store, |tx| {
            let mut longer = sample.clone();
            longer.hard_end = longer.hard_end.plus(Seconds::new(1800));
            async move {
                Ok([
                    tx.extend_session(&longer, 1, now()).await?,
                    tx.extend_session(&longer, 2, now()).await?,
                ])
            }
        }));
        assert_eq!(extended, [false, true]);
        let found = store.find_session(id).await.unwrap().unwrap();
        assert_eq!((found.seq, found.answered_request), (3, None));
        assert_eq!(found.finish, None);
        let ended = out(write_work!(store, |tx| async move {
            Ok([
                tx.end_session(id, EndReason::Staff, now()).await?,
                tx.end_session(id, EndReason::Stopped, now()).await?,
                tx.renew_session(&renewed(3, 4)).await?,
            ])
        }));
        assert_eq!(ended, [true, false, false]);
        let room = store.find_room(RoomId::from_bytes([1; 16])).await.unwrap();
        assert_eq!(room, Some((site(), false)), "its room is closed with it");
        assert_eq!(
            store.find_room(RoomId::from_bytes([8; 16])).await.unwrap(),
            None
        );
    })
    .await;
}

#[tokio::test]
async fn a_nonce_for_a_human_act_works_once_and_in_time() {
    on_each_engine(|test| async move {
        let store = &test.store;
        let nonce = |number| Nonce::new([number; 32]);
        let uses = out(write_work!(store, |tx| async move {
            let late = now().plus(Seconds::new(121));
            tx.insert_action_nonce(&nonce(1), now(), now().plus(Seconds::new(120)))
                .await?;
            tx.insert_action_nonce(&nonce(2), now(), now().plus(Seconds::new(120)))
                .await?;
            Ok([
                tx.consume_action_nonce(&nonce(1), now()).await?,
                tx.consume_action_nonce(&nonce(1), now()).await?,
                tx.consume_action_nonce(&nonce(2), late).await?,
                tx.consume_action_nonce(&nonce(3), now()).await?,
            ])
        }));
        assert_eq!(
            uses,
            [
                NonceUse::Fresh,
                NonceUse::Used,
                NonceUse::Expired,
                NonceUse::Unknown
            ]
        );
        let forgotten = out(write_work!(store, |tx| async move {
            tx.forget_nonces(now().plus(Seconds::new(3600))).await
        }));
        assert_eq!(forgotten, 2);
    })
    .await;
}

#[tokio::test]
async fn a_reader_counts_upwards_and_dies_with_its_persons_key() {
    on_each_engine(|test| async move {
        let store = &test.store;
        add_sites(store).await;
        let lead = staff(1, Role::Lead);
        add_key(store, &lead).await;
        let reader = Reader {
            id: ReaderId::from_bytes([1; 16]),
            site: site(),
            key: lead.key.thumbprint(),
            role: Role::Lead,
            reader_key: key(),
            expires_at: now().plus(Seconds::new(900)),
        };
        let (id, reader_key) = (reader.id, reader.reader_key);
        let counted = out(write_work!(store, |tx| {
            let reader = reader.clone();
            async move {
                assert!(tx.insert_reader(&reader, now()).await?);
                assert!(!tx.insert_reader(&reader, now()).await?);
                Ok([
                    tx.advance_reader(id, 5).await?,
                    tx.advance_reader(id, 5).await?,
                    tx.advance_reader(id, 4).await?,
                    tx.advance_reader(id, 6).await?,
                ])
            }
        }));
        assert_eq!(counted, [true, false, false, true]);
        let found = store
            .find_reader_by_key(reader_key.thumbprint())
            .await
            .unwrap()
            .unwrap();
        assert_eq!((found.role, found.reader_key), (Role::Lead, reader_key));
        let thumbprint = lead.key.thumbprint();
        write_work!(store, |tx| async move { tx.revoke_key(thumbprint).await }).unwrap();
        assert!(
            store
                .find_reader_by_key(reader_key.thumbprint())
                .await
                .unwrap()
                .is_none()
        );
    })
    .await;
}

#[tokio::test]
async fn two_sites_do_not_see_each_other() {
    on_each_engine(|test| async move {
        let store = &test.store;
        add_sites(store).await;
        let (laptop, staff) = (laptop(1), staff(1, Role::Staff));
        add_laptop(store, &laptop).await;
        add_key(store, &staff).await;
        let key = staff.key.thumbprint();
        assert!(begin(store, session(1, laptop.id, key)).await);
        assert!(store.find_key(&other_site(), key).await.unwrap().is_none());
        assert!(store.keys_of(&other_site(), 10).await.unwrap().is_empty());
        assert!(
            store
                .sessions_of(&other_site(), 10)
                .await
                .unwrap()
                .is_empty()
        );
        assert!(
            store
                .record(&other_site(), None, 10)
                .await
                .unwrap()
                .is_empty()
        );
        assert!(
            store
                .orders_to(&other_site(), laptop.id, 10)
                .await
                .unwrap()
                .is_empty()
        );
    })
    .await;
}
