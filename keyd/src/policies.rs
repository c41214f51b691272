//! The policy of each site, remembered by site and version.
//!
//! A version is written once and never changes, so what is remembered is never stale; which version
//! is in force is read with the row that asks (the laptop's, or the site's).

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use wardkey_schemas::names::SiteCode;
use wardkey_schemas::policy::PolicyVersion;
use wardkey_schemas::query::PolicyRow;

use crate::app::App;
use crate::policy::{self, Policy};
use crate::store::StoreError;
use crate::store::devices::Device;

/// The policies that were read.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    read: RwLock<HashMap<SiteCode, (PolicyVersion, Policy)>>,
}

impl Policies {
    fn find(&self, site: &SiteCode, version: PolicyVersion) -> Option<Policy> {
        let read = self.read.read().unwrap_or_else(PoisonError::into_inner);
        let (found, policy) = read.get(site)?;
        (*found == version).then_some(*policy)
    }

    /// One entry a site: the newest that was read.
    fn note(&self, site: &SiteCode, version: PolicyVersion, policy: Policy) {
        let mut read = self.read.write().unwrap_or_else(PoisonError::into_inner);
        let newer = read.get(site).is_none_or(|(known, _)| *known < version);
        if newer {
            read.insert(site.clone(), (version, policy));
        }
    }
}

impl App {
    /// The policy in force for a laptop.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn policy_for(&self, device: &Device) -> Result<Policy, StoreError> {
        self.policy_of(&device.site, device.policy).await
    }

    /// The policy in force at a site.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn policy_at(&self, site: &SiteCode) -> Result<Policy, StoreError> {
        let version = self.store.policy_version(site).await?;
        self.policy_of(site, version).await
    }

    /// The policy of a site as people read it.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub(crate) async fn policy_row(&self, site: &SiteCode) -> Result<PolicyRow, StoreError> {
        let set = self.store.newest_policy(site).await?;
        let own = set.as_ref().map(|set| set.policy);
        Ok(PolicyRow {
            version: set.as_ref().map_or(PolicyVersion::NONE, |set| set.version),
            own,
            set_at: set.as_ref().map(|set| set.set_at),
            installation: self.policy,
            in_force: own.map_or(self.policy, |own| policy::strictest(&own, &self.policy)),
        })
    }

    async fn policy_of(
        &self,
        site: &SiteCode,
        version: PolicyVersion,
    ) -> Result<Policy, StoreError> {
        if version == PolicyVersion::NONE {
            return Ok(self.policy);
        }
        let own = if let Some(own) = self.policies.find(site, version) {
            own
        } else {
            let own = self.store.site_policy(site, version).await?;
            self.policies.note(site, version, own);
            own
        };
        Ok(policy::strictest(&own, &self.policy))
    }
}
