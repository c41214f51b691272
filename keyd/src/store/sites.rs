//! Trust bundles and sites.

use wardkey_schemas::bundle::{BundlePackage, BundleVersion, SiteCharter};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::CharterId;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::key::{PublicKey, Thumbprint};
use wardkey_schemas::names::SiteCode;
use wardkey_schemas::role::Role;
use wardkey_schemas::time::Timestamp;

use super::engine::Tx;
use super::rows::{Column, to_i64, to_json};
use super::{Store, StoreError};

/// A site that has shown its charter.
#[derive(Clone, Debug)]
pub struct Site {
    /// Its code.
    pub site: SiteCode,
    /// The charter's number.
    pub charter: CharterId,
    /// The key with which its ca speaks.
    pub registrar: PublicKey,
}

impl Store {
    /// The newest trust bundle, if one was imported.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn newest_bundle(
        &self,
    ) -> Result<Option<(BundleVersion, BundlePackage)>, StoreError> {
        let row = read_optional!(
            self,
            (i64, String),
            "select version, package from bundle order by version desc limit 1"
        )?;
        row.map(|(version, package)| {
            let version = BundleVersion::new(Column("bundle", "version").number(version)?);
            Ok((version, Column("bundle", "package").json(&package)?))
        })
        .transpose()
    }

    /// The site for which a registrar key speaks.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn find_site_by_registrar(
        &self,
        registrar: Thumbprint,
    ) -> Result<Option<Site>, StoreError> {
        let row = read_optional!(
            self,
            (String, Vec<u8>, Vec<u8>),
            "select site, charter_id, registrar_key from site where registrar_thumbprint = $1",
            registrar.as_bytes().as_slice()
        )?;
        row.map(|(site, charter, registrar)| {
            Ok(Site {
                site: Column("site", "site").text(&site)?,
                charter: Column("site", "charter_id").fixed(&charter)?,
                registrar: Column("site", "registrar_key").key(&registrar)?,
            })
        })
        .transpose()
    }
}

impl Tx {
    /// Stores a bundle; `false` if this version is there already.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn insert_bundle(
        &mut self,
        version: BundleVersion,
        payload: Sha256,
        package: &BundlePackage,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let package = to_json(package, Column("bundle", "package"))?;
        let rows = execute!(
            self,
            "insert into bundle (version, payload_sha256, package, imported_at) \
             values ($1, $2, $3, $4) on conflict (version) do nothing",
            to_i64(version.number()),
            payload.as_bytes().as_slice(),
            package.as_str(),
            now.millis()
        )?;
        Ok(rows == 1)
    }

    /// Makes a site known, or renews its registrar by a newer charter; `false` for one that is
    /// older than the charter in use, or whose number or registrar is another site's. First keys that are there already keep their mark of use.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn upsert_site(
        &mut self,
        charter: &SiteCharter,
        envelope: &Jws<SiteCharter>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = execute!(
            self,
            "insert into site (site, charter_id, charter, charter_issued_at, registrar_key, \
             registrar_thumbprint, registered_at) select $1, $2, $3, $4, $5, $6, $7 \
             where not exists (select 1 from site other where other.site <> $1 \
             and (other.charter_id = $2 or other.registrar_thumbprint = $6)) \
             on conflict (site) do update \
             set charter_id = excluded.charter_id, charter = excluded.charter, \
                 charter_issued_at = excluded.charter_issued_at, \
                 registrar_key = excluded.registrar_key, \
                 registrar_thumbprint = excluded.registrar_thumbprint \
             where excluded.charter_issued_at > site.charter_issued_at",
            charter.site.as_str(),
            charter.charter.as_bytes().as_slice(),
            envelope.as_str(),
            charter.issued_at.millis(),
            charter.registrar.point().as_slice(),
            charter.registrar.thumbprint().as_bytes().as_slice(),
            now.millis()
        )?;
        if rows == 0 {
            return Ok(false);
        }
        for first in &charter.first_keys {
            execute!(
                self,
                "insert into first_key (charter_id, key, role) values ($1, $2, $3) \
                 on conflict (charter_id, key) do nothing",
                charter.charter.as_bytes().as_slice(),
                first.key.as_bytes().as_slice(),
                first.role.as_str()
            )?;
        }
        self.list_site(&charter.site).await?;
        Ok(true)
    }

    /// Spends the right of a charter's first key to be certified; `false` if it was spent before,
    /// or the charter names no such key and role.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn claim_first_key(
        &mut self,
        charter: CharterId,
        key: Thumbprint,
        role: Role,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = execute!(
            self,
            "update first_key set used_at = $4 \
             where charter_id = $1 and key = $2 and role = $3 and used_at is null",
            charter.as_bytes().as_slice(),
            key.as_bytes().as_slice(),
            role.as_str(),
            now.millis()
        )?;
        Ok(rows == 1)
    }

    /// Whether a charter's first key was certified by the right of the charter.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn is_first_key(
        &mut self,
        charter: CharterId,
        key: Thumbprint,
    ) -> Result<bool, StoreError> {
        let row = fetch!(
            self,
            fetch_optional,
            (i64,),
            "select used_at from first_key \
             where charter_id = $1 and key = $2 and used_at is not null",
            charter.as_bytes().as_slice(),
            key.as_bytes().as_slice()
        )?;
        Ok(row.is_some())
    }
}
