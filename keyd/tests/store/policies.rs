//! Policies of sites: one version after the other, and a laptop's row names the one in force.

use wardkey_keyd::store::Store;
use wardkey_keyd::store::policies::SetPolicy;
use wardkey_schemas::policy::{Policy, PolicyVersion};
use wardkey_schemas::time::Seconds;

use crate::engines::{on_each_engine, out};
use crate::samples::{add_laptop, add_sites, laptop, now, other_site, site};
use crate::write_work;

fn strict() -> Policy {
    Policy {
        grace: Seconds::ZERO,
        ..Policy::default()
    }
}

async fn set(store: &Store, version: u32, policy: Policy) -> bool {
    let set = SetPolicy {
        version: PolicyVersion::new(version),
        policy,
        set_at: now(),
    };
    out(write_work!(store, |tx| {
        let set = set.clone();
        async move { tx.set_policy(&site(), &set, &[]).await }
    }))
}

#[tokio::test]
async fn a_site_has_no_policy_then_one_and_then_the_next() {
    on_each_engine(|store| async move {
        let store = &store.store;
        add_sites(store).await;
        let device = laptop(1);
        add_laptop(store, &device).await;
        let version = async || store.policy_version(&site()).await.unwrap();
        assert_eq!(version().await, PolicyVersion::NONE);
        assert_eq!(store.newest_policy(&site()).await.unwrap(), None);
        assert!(set(store, 1, Policy::default()).await);
        assert!(set(store, 2, strict()).await);
        let newest = store.newest_policy(&site()).await.unwrap().unwrap();
        assert_eq!((newest.version, newest.policy), (version().await, strict()));
        // What was in force before can still be read.
        let first = store.site_policy(&site(), PolicyVersion::new(1)).await;
        assert_eq!(first.unwrap(), Policy::default());
        let found = store.find_device(device.id).await.unwrap().unwrap();
        assert_eq!(found.policy, PolicyVersion::new(2));
        let elsewhere = store.policy_version(&other_site()).await.unwrap();
        assert_eq!(elsewhere, PolicyVersion::NONE);
    })
    .await;
}

#[tokio::test]
async fn a_version_that_is_not_the_next_one_changes_nothing() {
    on_each_engine(|store| async move {
        let store = &store.store;
        add_sites(store).await;
        assert!(set(store, 1, strict()).await);
        for version in [0, 1, 3] {
            assert!(!set(store, version, Policy::default()).await, "{version}");
        }
        let newest = store.newest_policy(&site()).await.unwrap().unwrap();
        assert_eq!(newest.policy, strict());
    })
    .await;
}
