//! Rows to begin with: a site, a laptop, two people with keys.

use wardkey_keyd::states::Step;
use wardkey_keyd::store::audit::{Actor, Draft, Object};
use wardkey_keyd::store::devices::{EnrolledDevice, TpmTime};
use wardkey_keyd::store::keys::EnrolledKey;
use wardkey_keyd::store::{Store, Tx};
use wardkey_schemas::bundle::{FirstKey, SiteCharter};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::evidence::PcrValue;
use wardkey_schemas::ids::{CharterId, DeviceId, Generation, PersonId};
use wardkey_schemas::jws;
use wardkey_schemas::key::{PublicKey, SigningKey};
use wardkey_schemas::names::{AssetTag, Firmware, SiteCode, TokenSerial};
use wardkey_schemas::phrase::Phrase;
use wardkey_schemas::role::Role;
use wardkey_schemas::status::ObjectState;
use wardkey_schemas::time::{Seconds, Timestamp};

use crate::write_work;

pub(crate) fn now() -> Timestamp {
    "2026-11-22T14:00:00Z".parse().unwrap()
}

pub(crate) fn site() -> SiteCode {
    "hmp-xyz".parse().unwrap()
}

pub(crate) fn other_site() -> SiteCode {
    "hmp-abc".parse().unwrap()
}

pub(crate) fn key() -> PublicKey {
    *SigningKey::generate().unwrap().0.public()
}

pub(crate) fn draft(event: &'static str) -> Draft {
    Draft {
        at: now(),
        site: site(),
        event,
        actor: Actor::Service,
        object: Object::Site,
        code: None,
        detail: serde_json::Value::Null,
    }
}

pub(crate) fn laptop(number: u8) -> EnrolledDevice {
    EnrolledDevice {
        id: DeviceId::from_bytes([number; 16]),
        site: site(),
        asset: format!("HMP-X-{number:02}").parse::<AssetTag>().unwrap(),
        generation: Generation::FIRST,
        ek: Sha256::of(&[number]),
        ak_name: [number; 34].as_slice().try_into().unwrap(),
        ak_key: key(),
        ak_qualified_name: [number; 34].as_slice().try_into().unwrap(),
        device_key: key(),
        baseline: vec![PcrValue {
            index: 0,
            sha256: Sha256::of(b"pcr 0"),
        }],
        firmware_version: u64::MAX,
        tpm: TpmTime {
            reset_count: 1,
            restart_count: 0,
            clock: 1000,
        },
        phrase: Phrase::of(&Sha256::of(&[number])),
        lead_key: key().thumbprint(),
        lead: PersonId::from_bytes([9; 16]),
    }
}

pub(crate) fn staff(number: u8, role: Role) -> EnrolledKey {
    EnrolledKey {
        key: key(),
        person: PersonId::from_bytes([number; 16]),
        name: Some("Sam".parse().unwrap()),
        serial: TokenSerial::new(u32::from(number)),
        firmware: Firmware {
            major: 5,
            minor: 7,
            patch: 4,
        },
        form_factor: "USB-A keychain",
        site: site(),
        role,
        phrase: Phrase::of(&Sha256::of(&[number])),
        approved_by: PersonId::from_bytes([9; 16]),
    }
}

/// Makes both sites known.
pub(crate) async fn add_sites(store: &Store) {
    for (number, site) in [(1, site()), (2, other_site())] {
        let (registrar, _) = SigningKey::generate().unwrap();
        let charter = SiteCharter {
            charter: CharterId::from_bytes([number; 16]),
            realm: "wardkey.test".parse().unwrap(),
            site,
            authority: Sha256::of(b"authority"),
            registrar: *registrar.public(),
            first_keys: vec![FirstKey {
                key: key().thumbprint(),
                role: Role::Lead,
            }],
            issued_at: now(),
        };
        let envelope = jws::sign(&charter, &registrar).unwrap();
        write_work!(store, |tx| {
            let (charter, envelope) = (charter.clone(), envelope.clone());
            async move { tx.upsert_site(&charter, &envelope, now()).await }
        })
        .unwrap();
    }
}

/// Brings a laptop all the way to *active*.
pub(crate) async fn add_laptop(store: &Store, laptop: &EnrolledDevice) {
    let laptop = laptop.clone();
    write_work!(store, |tx| {
        let laptop = laptop.clone();
        async move {
            assert!(tx.insert_device(&laptop, now()).await?);
            assert!(
                tx.device_issued(
                    laptop.id,
                    b"device",
                    b"ak",
                    now().plus(Seconds::new(86_400))
                )
                .await?
            );
            let step = Step::new(ObjectState::Pending, ObjectState::Active).unwrap();
            assert!(tx.move_device(laptop.id, step, now()).await?);
            Ok(())
        }
    })
    .unwrap();
}

/// Brings a key all the way to *active*.
pub(crate) async fn add_key(store: &Store, key: &EnrolledKey) {
    let key = key.clone();
    write_work!(store, |tx| {
        let key = key.clone();
        async move { insert_active_key(tx, &key).await }
    })
    .unwrap();
}

pub(crate) async fn insert_active_key(
    tx: &mut Tx,
    key: &EnrolledKey,
) -> Result<(), wardkey_keyd::store::StoreError> {
    let thumbprint = key.key.thumbprint();
    if let Some(name) = &key.name {
        tx.insert_person(key.person, name, now()).await?;
    }
    assert!(tx.insert_key(key, now()).await?);
    let certificate = format!("{} {thumbprint}", key.site);
    assert!(
        tx.key_issued(&key.site, thumbprint, certificate.as_bytes())
            .await?
    );
    let step = Step::new(ObjectState::Pending, ObjectState::Active).unwrap();
    assert!(tx.move_grant(&key.site, thumbprint, step, now()).await?);
    Ok(())
}
