//! The policies of sites, one version after the other; what was written once never changes.

use wardkey_schemas::names::SiteCode;
use wardkey_schemas::order::SignedAct;
use wardkey_schemas::policy::{Policy, PolicyVersion};
use wardkey_schemas::time::Timestamp;

use super::engine::Tx;
use super::rows::{Column, to_i64, to_json};
use super::{Store, StoreError};

/// A policy that people have put in force.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SetPolicy {
    /// Its version.
    pub version: PolicyVersion,
    /// The parameters.
    pub policy: Policy,
    /// Since when.
    pub set_at: Timestamp,
}

impl Store {
    /// One version of a site's policy.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; a version that was never written is inconsistent.
    pub async fn site_policy(
        &self,
        site: &SiteCode,
        version: PolicyVersion,
    ) -> Result<Policy, StoreError> {
        let (policy,) = read_one!(
            self,
            (String,),
            "select policy from site_policy where site = $1 and version = $2",
            site.as_str(),
            to_i64(version.number())
        )?;
        Column("site_policy", "policy").json(&policy)
    }

    /// The policy in force at a site, if people have set one.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn newest_policy(&self, site: &SiteCode) -> Result<Option<SetPolicy>, StoreError> {
        let row = read_optional!(
            self,
            (i64, String, i64),
            "select p.version, p.policy, p.set_at from site s join site_policy p \
             on p.site = s.site and p.version = s.policy_version where s.site = $1",
            site.as_str()
        )?;
        let column = |name| Column("site_policy", name);
        row.map(|(version, policy, set_at)| {
            Ok(SetPolicy {
                version: PolicyVersion::new(column("version").number(version)?),
                policy: column("policy").json(&policy)?,
                set_at: column("set_at").time(set_at)?,
            })
        })
        .transpose()
    }

    /// The version of the policy in force at a site.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn policy_version(&self, site: &SiteCode) -> Result<PolicyVersion, StoreError> {
        let row = read_optional!(
            self,
            (i64,),
            "select policy_version from site where site = $1",
            site.as_str()
        )?;
        match row {
            Some((version,)) => Ok(PolicyVersion::new(
                Column("site", "policy_version").number(version)?,
            )),
            None => Ok(PolicyVersion::NONE),
        }
    }
}

impl Tx {
    /// Puts the next version in force; `false` if it is not the next one.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn set_policy(
        &mut self,
        site: &SiteCode,
        set: &SetPolicy,
        acts: &[SignedAct],
    ) -> Result<bool, StoreError> {
        let version = to_i64(set.version.number());
        let rows = execute!(
            self,
            "update site set policy_version = $2 where site = $1 and policy_version = $2 - 1",
            site.as_str(),
            version
        )?;
        if rows == 0 {
            return Ok(false);
        }
        let policy = to_json(&set.policy, Column("site_policy", "policy"))?;
        let acts = to_json(&acts, Column("site_policy", "acts"))?;
        execute!(
            self,
            "insert into site_policy (site, version, policy, acts, set_at) \
             values ($1, $2, $3, $4, $5)",
            site.as_str(),
            version,
            policy.as_str(),
            acts.as_str(),
            set.set_at.millis()
        )?;
        Ok(true)
    }
}
