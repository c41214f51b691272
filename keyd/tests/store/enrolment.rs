//! Laptops, keys and registrations: what may be written once, and along which arrows it moves.

use wardkey_keyd::states::Step;
use wardkey_keyd::store::keys::EnrolledKey;
use wardkey_keyd::store::registrations::{Kind, NewRegistration, Progress, Registration};
use wardkey_schemas::bundle::{BundlePackage, BundleVersion};
use wardkey_schemas::bytes::{Bytes, Nonce, Sha256};
use wardkey_schemas::ids::{CharterId, EnrolmentId, Generation, RegistrationId};
use wardkey_schemas::names::TokenSerial;
use wardkey_schemas::role::Role;
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::time::Seconds;

use crate::engines::{on_each_engine, out};
use crate::samples::{add_key, add_laptop, add_sites, key, laptop, now, other_site, site, staff};
use crate::write_work;

fn step(from: ObjectState, to: ObjectState) -> Step {
    Step::new(from, to).unwrap()
}

#[tokio::test]
async fn a_laptop_moves_from_announced_to_pending_to_active() {
    on_each_engine(|test| async move {
        let store = &test.store;
        add_sites(store).await;
        let sample = laptop(1);
        let id = sample.id;
        write_work!(store, |tx| {
            let sample = sample.clone();
            async move {
                assert!(tx.insert_device(&sample, now()).await?);
                assert!(!tx.insert_device(&sample, now()).await?, "once only");
                let confirm = step(ObjectState::Pending, ObjectState::Active);
                assert!(
                    !tx.move_device(id, confirm, now()).await?,
                    "not before it is issued"
                );
                assert!(tx.device_issued(id, b"device", b"ak", now()).await?);
                assert!(
                    !tx.device_issued(id, b"device", b"ak", now()).await?,
                    "once only"
                );
                assert!(tx.move_device(id, confirm, now()).await?);
                Ok(())
            }
        })
        .unwrap();
        let found = store.find_device(id).await.unwrap().unwrap();
        let same = store
            .find_device_by_key(found.device_key_thumbprint)
            .await
            .unwrap();
        assert_eq!(same.unwrap().id, id);
        let same = store
            .find_device_by_asset(&site(), &found.asset)
            .await
            .unwrap();
        assert_eq!(same.unwrap().id, id);
        assert!(
            store
                .find_device_by_asset(&other_site(), &found.asset)
                .await
                .unwrap()
                .is_none()
        );
        assert_eq!(found.state, ObjectState::Active);
        assert_eq!(found.firmware_version, u64::MAX, "all 64 bits survive");
        assert_eq!(found.baseline.len(), 1);
        assert!(store.find_device_by_ek(&found.ek).await.unwrap().is_some());
        let listed = store.devices_of(&site(), 10).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert!(
            store
                .devices_of(&other_site(), 10)
                .await
                .unwrap()
                .is_empty()
        );
    })
    .await;
}

#[tokio::test]
async fn a_second_laptop_with_a_known_ek_tag_or_key_is_not_written() {
    on_each_engine(|test| async move {
        let store = &test.store;
        add_sites(store).await;
        let first = laptop(1);
        add_laptop(store, &first).await;
        for number in 0..3 {
            let mut second = laptop(2);
            match number {
                0 => second.ek = first.ek,
                1 => second.asset = first.asset.clone(),
                _ => second.device_key = first.device_key,
            }
            let written = out(write_work!(store, |tx| {
                let second = second.clone();
                async move { tx.insert_device(&second, now()).await }
            }));
            assert!(!written, "case {number}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_laptop_is_enrolled_again_only_from_quarantine_and_as_the_next_generation() {
    on_each_engine(|test| async move {
        let store = &test.store;
        add_sites(store).await;
        let first = laptop(1);
        add_laptop(store, &first).await;
        let mut again = laptop(1);
        again.generation = Generation::new(2);
        let same_ak = again.clone();
        again.ak_name = [77; 34].as_slice().try_into().unwrap();
        let mut skipped = again.clone();
        skipped.generation = Generation::new(3);
        let written = out(write_work!(store, |tx| {
            let (again, skipped, same_ak) = (again.clone(), skipped.clone(), same_ak.clone());
            async move {
                let active = tx.reenrol_device(&again, now()).await?;
                let quarantine = step(ObjectState::Active, ObjectState::Quarantine);
                assert!(tx.move_device(again.id, quarantine, now()).await?);
                let skipped = tx.reenrol_device(&skipped, now()).await?;
                let same_ak = tx.reenrol_device(&same_ak, now()).await?;
                let next = tx.reenrol_device(&again, now()).await?;
                Ok([active, skipped, same_ak, next])
            }
        }));
        assert_eq!(written, [false, false, false, true]);
        let found = store.find_device(first.id).await.unwrap().unwrap();
        assert_eq!(
            (found.generation.number(), found.state),
            (2, ObjectState::Announced)
        );
        assert_ne!(found.device_key, first.device_key);
    })
    .await;
}

#[tokio::test]
async fn a_token_is_enrolled_once_and_a_key_belongs_to_one_person() {
    on_each_engine(|test| async move {
        let store = &test.store;
        add_sites(store).await;
        let first = staff(1, Role::Staff);
        add_key(store, &first).await;
        let insert = |enrolled: EnrolledKey| async move {
            out(write_work!(store, |tx| {
                let enrolled = enrolled.clone();
                async move {
                    if let Some(name) = &enrolled.name {
                        tx.insert_person(enrolled.person, name, now()).await?;
                    }
                    tx.insert_key(&enrolled, now()).await
                }
            }))
        };
        let mut same_token = staff(2, Role::Staff);
        same_token.serial = first.serial;
        assert!(!insert(same_token).await, "the token has a key already");
        assert!(!insert(first.clone()).await, "the site has a grant already");
        let mut stolen_key = staff(3, Role::Lead);
        stolen_key.key = first.key;
        assert!(!insert(stolen_key).await, "the key is somebody else's");
        let mut second_site = first.clone();
        second_site.site = other_site();
        assert!(
            insert(second_site).await,
            "the same person's same key at a second site"
        );
        let mut other_serial = first.clone();
        other_serial.serial = TokenSerial::new(77);
        assert!(!insert(other_serial).await);
        let listed = store.keys_of(&site(), 10).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].name.as_str(), "Sam");
        assert!(store.person_exists(first.person).await.unwrap());
        let found = store
            .find_key(&site(), first.key.thumbprint())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (found.role, found.state),
            (Role::Staff, ObjectState::Active)
        );
    })
    .await;
}

#[tokio::test]
async fn a_revoked_key_is_revoked_at_every_site() {
    on_each_engine(|test| async move {
        let store = &test.store;
        add_sites(store).await;
        let mut sample = staff(1, Role::Staff);
        add_key(store, &sample).await;
        sample.site = other_site();
        add_key(store, &sample).await;
        let thumbprint = sample.key.thumbprint();
        write_work!(store, |tx| async move { tx.revoke_key(thumbprint).await }).unwrap();
        for site in [site(), other_site()] {
            let found = store.find_key(&site, thumbprint).await.unwrap().unwrap();
            assert!(found.revoked);
            assert_eq!(found.state, ObjectState::Revoked);
        }
    })
    .await;
}

fn registration() -> NewRegistration {
    NewRegistration {
        kind: Kind::Laptop,
        registration: Registration {
            id: RegistrationId::from_bytes([1; 16]),
            site: site(),
            enrolment: EnrolmentId::from_bytes([1; 16]),
            request: "{}".to_owned(),
            subject: [3; 16],
            generation: Some(Generation::FIRST),
            nonce: Nonce::new([5; 32]),
            secret: Some([7; 32]),
            ca_nonce: Nonce::new([4; 32]),
            expires_at: now().plus(Seconds::new(120)),
            renews: false,
            progress: Progress::Open,
        },
    }
}

#[tokio::test]
async fn a_registration_is_announced_once_and_its_secret_is_wiped() {
    on_each_engine(|test| async move {
        let store = &test.store;
        add_sites(store).await;
        let sample = registration();
        let id = sample.registration.id;
        let tbs = vec![Sha256::of(b"device"), Sha256::of(b"ak")];
        assert!(out(write_work!(store, |tx| {
            let sample = sample.clone();
            async move { tx.insert_registration(&sample, now()).await }
        })));
        let open = store.find_registration(&site(), id).await.unwrap().unwrap();
        assert_eq!(
            (open.progress, open.secret),
            (Progress::Open, Some([7; 32]))
        );
        assert!(
            store
                .find_registration(&other_site(), id)
                .await
                .unwrap()
                .is_none()
        );
        let announced = tbs.clone();
        let steps = out(write_work!(store, |tx| {
            let tbs = announced.clone();
            async move {
                let early = tx.issue_registration(id).await?;
                let first = tx.announce_registration(id, &tbs).await?;
                let second = tx.announce_registration(id, &tbs).await?;
                let issued = tx.issue_registration(id).await?;
                let again = tx.issue_registration(id).await?;
                Ok([early, first, second, issued, again])
            }
        }));
        assert_eq!(steps, [false, true, false, true, false]);
        let found = store.find_registration(&site(), id).await.unwrap().unwrap();
        assert_eq!(
            (found.progress, found.secret),
            (Progress::Issued(tbs), None)
        );
    })
    .await;
}

#[tokio::test]
async fn a_spoiled_registration_has_no_secret_left() {
    on_each_engine(|test| async move {
        let store = &test.store;
        add_sites(store).await;
        let sample = registration();
        let id = sample.registration.id;
        write_work!(store, |tx| {
            let sample = sample.clone();
            async move {
                tx.insert_registration(&sample, now()).await?;
                tx.spoil_registration(id, now()).await
            }
        })
        .unwrap();
        let found = store.find_registration(&site(), id).await.unwrap().unwrap();
        assert_eq!(found.secret, None);
        assert_eq!(found.expires_at, now());
    })
    .await;
}

#[tokio::test]
async fn a_charter_certifies_each_first_key_once() {
    on_each_engine(|test| async move {
        let store = &test.store;
        add_sites(store).await;
        let unknown = key().thumbprint();
        let charter = CharterId::from_bytes([1; 16]);
        let claimed = out(write_work!(store, |tx| async move {
            tx.claim_first_key(charter, unknown, Role::Lead, now())
                .await
        }));
        assert!(!claimed, "the charter names another key");
        assert!(
            store
                .find_site_by_registrar(unknown)
                .await
                .unwrap()
                .is_none()
        );
    })
    .await;
}

#[tokio::test]
async fn the_newest_bundle_is_the_one_with_the_highest_version() {
    on_each_engine(|test| async move {
        let store = &test.store;
        assert!(store.newest_bundle().await.unwrap().is_none());
        let (signer, _) = wardkey_schemas::key::SigningKey::generate().unwrap();
        let kid = signer.public().thumbprint();
        for version in [2, 1, 2] {
            let header = format!(r#"{{"alg":"ES256","typ":"wardkey-bundle+jwt","kid":"{kid}"}}"#);
            let encode = wardkey_schemas::bytes::encode;
            let text = format!(
                "{}.{}.{}",
                encode(header.as_bytes()),
                encode(b"{}"),
                "A".repeat(86)
            );
            let package = BundlePackage {
                root: Bytes::from(vec![1]),
                signer: Bytes::from(vec![2]),
                bundle: wardkey_schemas::jws::Jws::parse(text).unwrap(),
            };
            let version = BundleVersion::new(version);
            write_work!(store, |tx| {
                let package = package.clone();
                async move {
                    tx.insert_bundle(version, Sha256::of(b"payload"), &package, now())
                        .await
                }
            })
            .unwrap();
        }
        let (version, _) = store.newest_bundle().await.unwrap().unwrap();
        assert_eq!(version, BundleVersion::new(2));
    })
    .await;
}
