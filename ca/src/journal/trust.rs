//! The bundles and charters that were taken into use.

use wardkey_schemas::bundle::{BundlePackage, BundleVersion, SiteCharter};
use wardkey_schemas::bytes::Sha256;
use wardkey_schemas::ids::CharterId;
use wardkey_schemas::jws::Jws;
use wardkey_schemas::time::Timestamp;

use super::columns::Column;
use super::{Journal, JournalError};

impl Journal {
    /// The newest bundle that was taken into use, and its version.
    ///
    /// # Errors
    ///
    /// [`JournalError`].
    pub async fn newest_bundle(
        &self,
    ) -> Result<Option<(BundleVersion, BundlePackage)>, JournalError> {
        let row: Option<(i64, String)> =
            sqlx::query_as("select version, package from bundle order by version desc limit 1")
                .fetch_optional(&self.read)
                .await?;
        row.map(|(version, package)| {
            let version = Column("bundle", "version").number(version)?;
            let package = Column("bundle", "package").json(&package)?;
            Ok((BundleVersion::new(version), package))
        })
        .transpose()
    }

    /// Notes a bundle as taken into use; says whether it is a new one.
    ///
    /// # Errors
    ///
    /// [`JournalError`].
    pub async fn insert_bundle(
        &self,
        version: BundleVersion,
        payload: &Sha256,
        package: &BundlePackage,
        now: Timestamp,
    ) -> Result<bool, JournalError> {
        let number = i64::try_from(version.number()).unwrap_or(i64::MAX);
        let done = sqlx::query(
            "insert into bundle (version, payload_sha256, package, taken_up_at) \
             values ($1, $2, $3, $4) on conflict do nothing",
        )
        .bind(number)
        .bind(payload.as_bytes().as_slice())
        .bind(Column("bundle", "package").to_json(package)?)
        .bind(now.millis())
        .execute(&self.write)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The charter that was issued last, of those that this authority was given.
    ///
    /// # Errors
    ///
    /// [`JournalError`].
    pub async fn newest_charter(
        &self,
    ) -> Result<Option<(CharterId, Jws<SiteCharter>)>, JournalError> {
        let row: Option<(Vec<u8>, String)> = sqlx::query_as(
            "select charter_id, envelope from charter order by issued_at desc limit 1",
        )
        .fetch_optional(&self.read)
        .await?;
        row.map(|(id, envelope)| {
            let id = Column("charter", "charter_id").fixed(&id)?;
            let envelope = Jws::parse(envelope).ok();
            Ok((id, Column("charter", "envelope").found(envelope)?))
        })
        .transpose()
    }

    /// Notes a charter that was verified; one that is known already is no harm.
    ///
    /// # Errors
    ///
    /// [`JournalError`].
    pub async fn insert_charter(
        &self,
        charter: &SiteCharter,
        envelope: &Jws<SiteCharter>,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        sqlx::query(
            "insert into charter (charter_id, issued_at, envelope, taken_up_at) \
             values ($1, $2, $3, $4) on conflict do nothing",
        )
        .bind(charter.charter.as_bytes().as_slice())
        .bind(charter.issued_at.millis())
        .bind(envelope.as_str())
        .bind(now.millis())
        .execute(&self.write)
        .await?;
        Ok(())
    }
}
